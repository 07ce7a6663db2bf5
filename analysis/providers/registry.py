"""Which provider a metric names, and which ones there are."""

from collections.abc import Iterable

from analysis.api import Metric
from analysis.providers.base import Build, Context, OneShot, Provider, ProviderError
from analysis.providers.cloudwatch import CloudWatch
from analysis.providers.datadog import Datadog
from analysis.providers.graphite import Graphite
from analysis.providers.influxdb import InfluxDb
from analysis.providers.job import Job
from analysis.providers.kayenta import Kayenta
from analysis.providers.newrelic import NewRelic
from analysis.providers.prometheus import ADDRESS_VARIABLE, Prometheus
from analysis.providers.skywalking import SkyWalking
from analysis.providers.wavefront import Wavefront
from analysis.providers.web import Web
from analysis.validate import provider_names

PROVIDERS: dict[str, Build] = {
    "prometheus": Prometheus,
    "job": Job,
    "kayenta": Kayenta,
    "web": Web,
    "datadog": Datadog,
    "wavefront": Wavefront,
    "newRelic": NewRelic,
    "cloudWatch": CloudWatch,
    "graphite": Graphite,
    "influxdb": InfluxDb,
    "skywalking": SkyWalking,
}
"""By the provider's field in the manifest."""

__all__ = ["ADDRESS_VARIABLE", "PROVIDERS", "leaves_behind", "provider_of", "unsupported"]


def provider_of(metric: Metric, context: Context) -> Provider:
    """The provider of `metric`, ready to measure. ProviderError when it cannot be built."""
    names = provider_names(metric.provider)
    name = names[0] if names else "none"
    build = PROVIDERS.get(name)
    if build is None:
        raise ProviderError(f"{_refusal(name)}; use one of {', '.join(sorted(PROVIDERS))}")
    return build(metric, context)


def leaves_behind(metric: Metric) -> bool:
    """Whether measurements of `metric` may leave something behind that has to be cleared away."""
    build = PROVIDERS.get((*provider_names(metric.provider), "none")[0])
    return build is not None and not (isinstance(build, type) and issubclass(build, OneShot))


def unsupported(metrics: Iterable[Metric]) -> tuple[str, ...]:
    """What the metrics use that there is no provider for, each as a text that names metric and provider."""
    return tuple(
        f"metric '{metric.name}': {_refusal(name)}"
        for metric in metrics
        for name in provider_names(metric.provider)
        if name not in PROVIDERS
    )


def _refusal(name: str) -> str:
    why = ": plugins of metrics are Go programs that only Argo Rollouts can run" if name.startswith("plugin ") else ""
    return f"provider {name} is not supported{why}"
