"""Which provider answers where a template asks for more than Argo Rollouts knows."""

from analysis.api import Metric
from analysis.asked.burn import BurnRate
from analysis.asked.comparison import STATE, Compare, remembered, written
from analysis.asked.evidence import Evidence, counting
from analysis.asked.lack import Asked
from analysis.providers.base import Context, Provider, ProviderError
from analysis.providers.burning import Burning
from analysis.providers.compared import Compared
from analysis.providers.prometheus import Prometheus
from analysis.providers.registry import provider_of
from analysis.providers.weighed import weighed


def asking(metric: Metric, name: str, asked: Asked, context: Context) -> Provider:
    """The provider of `metric`, called `name` in the run's status. ProviderError when it cannot be built."""
    provider = provider_of(metric, context)
    if isinstance(asked, Evidence):
        count = counting(metric, asked)
        return weighed(provider, asked, provider_of(count, context) if count else None)
    if not isinstance(provider, Prometheus):
        raise ProviderError("requests can be counted by Prometheus only")
    if isinstance(asked, Compare):
        return Compared(provider, asked, name)
    if isinstance(asked, BurnRate):
        return Burning(provider, asked)
    raise ProviderError(f"nothing answers {type(asked).__name__}")


def kept(asked: Asked | None, context: Context, name: str) -> dict[str, str]:
    """What a measurement of this metric has to hand on, even if nothing comes of it."""
    looks = remembered(asked, context.run, name) if isinstance(asked, Compare) else None
    return {STATE: written(looks)} if looks else {}
