"""InfluxDB: a Flux query, answered as annotated CSV."""

import csv
import io
import json
from collections.abc import Iterator
from datetime import timedelta

from analysis.api import Metric
from analysis.expr.gotypes.jsontext import from_json
from analysis.expr.gotypes.values import Value, format_value
from analysis.providers.base import Context, OneShot, ProviderError, Reading, dig
from analysis.providers.http import Answer, Request

DEFAULT_SECRET = "influxdb"
TIMEOUT = timedelta(seconds=30)
NO_RESULTS = "no results returned from flux query"
_DIALECT = {"annotations": ["datatype", "group", "default"], "delimiter": ",", "header": True}


class InfluxDb(OneShot):
    """One query. The result is the list of the `_value` of every row of every table."""

    def __init__(self, metric: Metric, context: Context) -> None:
        super().__init__(metric, context)
        if metric.provider.influxdb is None:
            raise ProviderError("the metric has no influxdb provider")
        self.spec = metric.provider.influxdb
        self._address, self._token, self._org = "", "", ""

    def timeout(self) -> timedelta:
        """Half a minute."""
        return TIMEOUT

    async def login(self) -> None:
        """Read address, token and organisation from the profile's Secret, which lies with the controller."""
        data = await self.secret(self.context.controller_namespace, self.spec.profile or DEFAULT_SECRET)
        self._address, self._token, self._org = (data.get(key, "") for key in ("address", "authToken", "org"))
        if not self._address or not self._token or not self._org:
            raise ProviderError("authToken, org, or address not found")
        self.hide([self._token])

    async def read(self) -> Reading:
        """Send the query and read the tables."""
        content = json.dumps({"query": self.spec.query, "type": "flux", "dialect": _DIALECT}).encode()
        headers = {
            "Authorization": f"Token {self._token}",
            "Content-Type": "application/json",
            "Accept": "application/csv",
        }
        url, params = f"{self._address.rstrip('/')}/api/v2/query", {"org": self._org}
        request = Request("POST", url, headers, params=params, content=content, timeout=TIMEOUT)
        values = list(_values(await self.send(request)))
        if not values:
            raise ProviderError(NO_RESULTS)
        return Reading(values, format_value(values))


def _values(answer: Answer) -> Iterator[Value]:
    """The values of an answer. ProviderError for one that is a refusal, or no annotated CSV."""
    if answer.status // 100 != 2:
        raise ProviderError(_refusal(answer))
    kinds: list[str] = []
    header: list[str] | None = None
    for row in csv.reader(io.StringIO(answer.text)):
        if not any(row):
            header = None
        elif row[0].startswith("#"):
            kinds, header = row if row[0] == "#datatype" else kinds, None
        elif header is None:
            header = row
        elif "error" in header and "_value" not in header:
            raise ProviderError(_cell(row, header.index("error")))
        elif "_value" in header:
            at = header.index("_value")
            yield _typed(_cell(row, at), _cell(kinds, at))


def _cell(row: list[str], at: int) -> str:
    return row[at] if at < len(row) else ""


def _typed(text: str, kind: str) -> Value:
    try:
        match kind:
            case "double":
                return float(text) if text else None
            case "long" | "unsignedLong":
                return int(text) if text else None
            case "boolean":
                return text.lower() == "true" if text else None
    except ValueError:
        raise ProviderError(f"the value {text!r} is no {kind}") from None
    return text


def _refusal(answer: Answer) -> str:
    """What the server says of itself: `code: message` where it can."""
    try:
        body = from_json(answer.text)
    except (ValueError, RecursionError):
        body = None
    code, message = dig(body, "code"), dig(body, "message")
    return f"{code}: {message}" if code and message else f"{answer.status}: {answer.excerpt}"
