"""Graphite: a query of its render API."""

from datetime import timedelta
from urllib.parse import urlsplit

from analysis.api import Metric
from analysis.expr.gotypes.values import FloatList
from analysis.providers.base import Context, OneShot, ProviderError, Reading, dig, document
from analysis.providers.http import Answer, Request

TIMEOUT = timedelta(seconds=10)


class Graphite(OneShot):
    """One query. The result is the list of the first target's values, without those that are null."""

    def __init__(self, metric: Metric, context: Context) -> None:
        super().__init__(metric, context)
        if metric.provider.graphite is None:
            raise ProviderError("the metric has no graphite provider")
        self.spec = metric.provider.graphite
        if not _is_url(self.spec.address):
            raise ProviderError(f"Graphite address {self.spec.address} is not a valid URL")

    def timeout(self) -> timedelta:
        """Ten seconds."""
        return TIMEOUT

    async def read(self) -> Reading:
        """Send the query and read the answer."""
        query = "".join(self.spec.query.split())
        url = f"{self.spec.address.rstrip('/')}/render?{query}&format=json"
        return points(await self.send(Request("GET", url, timeout=TIMEOUT)))


def _is_url(address: str) -> bool:
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    return bool(parts.scheme and parts.netloc)


def points(answer: Answer) -> Reading:
    """The values of the first target."""
    if answer.status >= 400:
        raise ProviderError(f"error response: {answer.excerpt}")
    found = dig(document(answer), 0, "datapoints")
    if not found:
        raise ProviderError("no values found")
    values = FloatList(_number(dig(point, 0)) for point in found if dig(point, 0) is not None)
    return Reading(values, f"[{','.join(f'{value:f}' for value in values)}]", text_on_error=True)


def _number(value: object) -> float:
    if isinstance(value, float):
        return value
    try:
        return float(str(value))
    except ValueError:
        raise ProviderError(f"the value {value!r} of a datapoint is not a number") from None
