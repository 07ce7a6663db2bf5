"""Wavefront: a query of the point nearest to now."""

from datetime import timedelta

from analysis.api import Metric
from analysis.expr.gotypes.values import FloatList
from analysis.providers.base import Context, OneShot, ProviderError, Reading, dig, document
from analysis.providers.http import Answer, Request

SECRET = "wavefront-api-tokens"
TIMEOUT = timedelta(seconds=30)
NO_SERIES = "No TimeSeries found in response from Wavefront"
_PARAMETERS = {"g": "s", "p": "1", "i": "true"}
_PARAMETERS |= dict.fromkeys(("autoEvents", "listmode", "strict", "includeObsoleteMetrics"), "false")


class Wavefront(OneShot):
    """One query. The result is a float, or a list of floats where there are several time series."""

    def __init__(self, metric: Metric, context: Context) -> None:
        super().__init__(metric, context)
        if metric.provider.wavefront is None:
            raise ProviderError("the metric has no wavefront provider")
        self.spec = metric.provider.wavefront
        self._token = ""

    def timeout(self) -> timedelta:
        """Half a minute."""
        return TIMEOUT

    async def login(self) -> None:
        """Read the token of this address from the Secret of all tokens, which lies with the controller."""
        tokens = await self.secret(self.context.controller_namespace, SECRET)
        self._token = tokens.get(self.spec.address, "")
        if not self._token:
            raise ProviderError("API token not found")
        self.hide([self._token])

    async def read(self) -> Reading:
        """Send the query and read the answer."""
        now = self.context.now().timestamp()
        moment = str(int(now * 1000))
        params = {"q": self.spec.query, "s": moment, "e": moment, **_PARAMETERS}
        url = f"https://{self.spec.address}/api/v2/chart/api"
        headers = {"Authorization": f"Bearer {self._token}"}
        return nearest(await self.send(Request("GET", url, headers, params=params, timeout=TIMEOUT)), int(now))


def nearest(answer: Answer, moment: int) -> Reading:
    """The point of every time series that is nearest to a moment, given in seconds."""
    if answer.status // 100 != 2:
        raise ProviderError(f"server returned {answer.status}: {answer.excerpt}")
    body = document(answer)
    if dig(body, "errorType") or dig(body, "errorMessage"):
        raise ProviderError(f"{dig(body, 'errorType') or 'error'}: {dig(body, 'errorMessage') or ''}")
    found = []
    for series in dig(body, "timeseries") or []:
        points = [point for point in dig(series, "data") or [] if _is_point(point)]
        if points:
            found.append(min(points, key=lambda point: abs(int(point[0]) - moment)))
    if not found:
        raise ProviderError(NO_SERIES)
    values = FloatList(value for _, value in found)
    times = [f"{time:.0f}" for time, _ in found]
    drift = [str(abs(int(time) - moment)) for time, _ in found]
    metadata = {"timestamps": _listed(times), "drift": _listed(drift)}
    if warnings := dig(body, "warnings"):
        metadata["warnings"] = str(warnings)
    return Reading(values if len(values) > 1 else values[0], _listed([f"{value:.2f}" for value in values]), metadata)


def _is_point(point: object) -> bool:
    return isinstance(point, list) and len(point) == 2 and all(isinstance(number, float) for number in point)


def _listed(texts: list[str]) -> str:
    return texts[0] if len(texts) == 1 else f"[{','.join(texts)}]"
