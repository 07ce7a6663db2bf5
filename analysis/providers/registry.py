"""Which provider a metric names, and which ones there are."""

from collections.abc import Iterable

from analysis.api import Metric
from analysis.providers.base import Build, Context, Provider, ProviderError
from analysis.providers.job import Job
from analysis.providers.prometheus import ADDRESS_VARIABLE, Prometheus
from analysis.providers.web import Web
from analysis.validate import provider_names

PROVIDERS: dict[str, Build] = {"prometheus": Prometheus, "job": Job, "web": Web}
"""By the provider's field in the manifest."""

_AMAZON = "aps-workspaces"

__all__ = ["ADDRESS_VARIABLE", "PROVIDERS", "provider_of", "unsupported"]


def provider_of(metric: Metric, context: Context) -> Provider:
    """The provider of `metric`, ready to measure. ProviderError when it cannot be built."""
    names = provider_names(metric.provider)
    build = PROVIDERS.get(names[0]) if names else None
    if build is None:
        name = names[0] if names else "none"
        raise ProviderError(f"provider {name} is not supported yet; use one of {', '.join(sorted(PROVIDERS))}")
    missing = _missing_part(metric)
    if missing:
        raise ProviderError(f"{missing} is not supported yet")
    return build(metric, context)


def unsupported(metrics: Iterable[Metric]) -> tuple[str, ...]:
    """What the metrics use that no provider here can do yet, each as a text that names metric and field."""
    found = []
    for metric in metrics:
        missing = [f"provider {name}" for name in provider_names(metric.provider) if name not in PROVIDERS]
        if part := _missing_part(metric):
            missing.append(part)
        found += [f"metric '{metric.name}': {what} is not supported yet" for what in missing]
    return tuple(found)


def _missing_part(metric: Metric) -> str:
    """Signing for Amazon's Prometheus is asked for by region, profile or role, and only on Amazon's own address."""
    spec = metric.provider.prometheus
    config = spec.authentication.sigv4 if spec and spec.authentication else None
    asked = config is not None and bool(config.region or config.profile or config.role_arn)
    return "prometheus.authentication.sigv4" if spec and asked and _AMAZON in spec.address else ""
