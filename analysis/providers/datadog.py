"""Datadog: a query over its API, v1 (a time series) or v2 (a scalar for each group)."""

import json
from collections.abc import Hashable
from datetime import timedelta
from typing import Any

from analysis.api import Metric
from analysis.expr.gotypes.jsontext import to_json
from analysis.expr.gotypes.values import FloatList
from analysis.metricprovider import DatadogMetric
from analysis.providers.base import Context, OneShot, ProviderError, Reading, dig, document
from analysis.providers.http import Answer, Request
from analysis.providers.prometheus import plain
from analysis.schema import parse_duration

DEFAULT_ADDRESS = "https://api.datadoghq.com"
DEFAULT_SECRET = "datadog"
VARIABLES = ("DD_API_KEY", "DD_APP_KEY", "DD_ADDRESS")
NO_CREDENTIALS = "failed to find the credentials for datadog metrics provider"
MOST_GROUPS = 100
_DEFAULT_TIMEOUT = timedelta(seconds=10)


class Datadog(OneShot):
    """One query. The result is a float, nil where there is no data, or a list of floats for a query with groups."""

    def __init__(self, metric: Metric, context: Context) -> None:
        super().__init__(metric, context)
        if metric.provider.datadog is None:
            raise ProviderError("the metric has no datadog provider")
        self.spec = metric.provider.datadog
        self._address = DEFAULT_ADDRESS
        self._keys = ("", "")

    def timeout(self) -> timedelta:
        """The metric's; 10 seconds where it cannot be read, which `read` then says."""
        try:
            return _timeout(self.spec)
        except ProviderError:
            return _DEFAULT_TIMEOUT

    async def login(self) -> None:
        """Find API key and application key: the metric's Secret, the environment, or the Secret of all runs."""
        found = await self._credentials()
        self._keys = (found.get("api-key", ""), found.get("app-key", ""))
        self._address = found.get("address", "") or DEFAULT_ADDRESS
        self.hide(self._keys)
        if not all(self._keys):
            raise ProviderError(NO_CREDENTIALS)

    async def _credentials(self) -> dict[str, str]:
        reference, environ = self.spec.secret_ref, self.context.environ
        if reference is not None and reference.namespaced and not reference.name:
            raise ProviderError("secret name is required for namespaced credentials")
        if reference is not None and reference.name:
            home = self.context.run.namespace if reference.namespaced else self.context.controller_namespace
            return await self.secret(home, reference.name)
        if all(environ.get(name) for name in VARIABLES):
            return dict(zip(("api-key", "app-key", "address"), (environ[name] for name in VARIABLES), strict=True))
        try:
            return await self.secret(self.context.controller_namespace, DEFAULT_SECRET)
        except ProviderError as error:
            raise ProviderError(f"{NO_CREDENTIALS}: {error}") from error

    def question(self) -> Hashable | None:
        """The Secret names the address too."""
        return super().question(), self._address

    async def read(self) -> Reading:
        """Send the query and read the answer."""
        check(self.spec)
        answer = await self.send(self._request(_timeout(self.spec)))
        if answer.status in (401, 403):
            raise ProviderError(f"received authentication error response code: {answer.status} {answer.excerpt}")
        if answer.status != 200:
            raise ProviderError(f"received non 2xx response code: {answer.status} {answer.excerpt}")
        return series(answer) if self.spec.api_version == "v1" else columns(answer)

    def _request(self, timeout: timedelta) -> Request:
        headers = {"Content-Type": "application/json"}
        headers |= dict(zip(("DD-API-KEY", "DD-APPLICATION-KEY"), self._keys, strict=True))
        until = self.context.now().timestamp()
        since = until - self.window(self.spec.interval or "5m").total_seconds()
        address = self._address.rstrip("/")
        if self.spec.api_version == "v1":
            params = {"query": self.spec.query, "from": str(int(since)), "to": str(int(until))}
            url = f"{address}/api/v1/query"
            return Request("GET", url, headers, params=params, timeout=timeout, redirects=False)
        content = json.dumps(scalar_request(self.spec, int(since) * 1000, int(until) * 1000)).encode()
        url = f"{address}/api/v2/query/scalar"
        return Request("POST", url, headers, content=content, timeout=timeout, redirects=False)


def check(spec: DatadogMetric) -> None:
    """ProviderError when the metric contradicts itself."""
    v1 = spec.api_version == "v1"
    faults = (
        (not spec.query and not spec.queries, "Must have either a query or queries: set one of the two"),
        (bool(spec.query and spec.queries), "Cannot have both a query and queries: remove one of the two"),
        (v1 and not spec.query, "Query is empty. API Version v1 only supports query: set it, or use apiVersion v2"),
        (bool(spec.formula and not spec.queries), "Formula are only valid when queries are set"),
        (len(spec.queries) > 1 and not spec.formula, "When multiple queries are provided you must include a formula"),
        (v1 and spec.aggregator is not None, "Aggregator is not supported in v1: remove it, or use apiVersion v2"),
    )
    for found, text in faults:
        if found:
            raise ProviderError(text)
    _timeout(spec)


def _timeout(spec: DatadogMetric) -> timedelta:
    if not spec.request_timeout:
        return _DEFAULT_TIMEOUT
    try:
        timeout = parse_duration(spec.request_timeout)
    except ValueError as error:
        raise ProviderError(f"Could not parse the request timeout: {error}") from error
    if timeout <= timedelta():
        raise ProviderError(f"Request timeout must be a positive duration, not {spec.request_timeout}")
    return timeout


def scalar_request(spec: DatadogMetric, since: int, until: int) -> dict[str, Any]:
    """The body of a v2 query; times in milliseconds."""
    queries = [
        {"aggregator": spec.aggregator or "last", "data_source": "metrics", "name": name, "query": query}
        for name, query in sorted((spec.queries or {"query": spec.query}).items())
    ]
    formulas = [{"formula": spec.formula}] if spec.formula else []
    attributes = {"from": since, "to": until, "queries": queries, "formulas": formulas}
    return {"data": {"type": "scalar_request", "attributes": attributes}}


def series(answer: Answer) -> Reading:
    """v1: the last point of the first series."""
    found = dig(document(answer), "series")
    points = dig(found, 0, "pointlist")
    if not points:
        return Reading(None, to_json([{"pointlist": points or []} for _ in found] if isinstance(found, list) else None))
    point = points[-1]
    if not isinstance(point, list) or len(point) != 2:
        raise ProviderError("Datapoint does not have 2 values")
    value = point[1] if isinstance(point[1], float) else 0.0  # null reads as 0, as Go reads it
    return Reading(value, plain(value))


def columns(answer: Answer) -> Reading:
    """v2: the first column of numbers, with the groups that the other columns name."""
    body = document(answer)
    if errors := dig(body, "data", "errors") or dig(body, "errors"):
        raise ProviderError(
            f"There were errors in your query: {errors if isinstance(errors, str) else to_json(errors)}"
        )
    found = dig(body, "data", "attributes", "columns")
    found = [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
    numbers = next((each for each in found if each.get("type", "number") in ("number", "")), None)
    tags = [each.get("values") or [] for each in found if each.get("type") == "group"]
    rows = [
        (_group(tags, index), value)
        for index, value in enumerate((numbers or {}).get("values") or [])
        if isinstance(value, float)
    ]
    if not tags:
        return Reading(rows[0][1], plain(rows[0][1])) if rows else Reading(None, to_json(found))
    values = FloatList(value for _, value in rows)
    return Reading(values, f"[{','.join(map(plain, values))}]", _named(rows))


def _group(tags: list[Any], index: int) -> str:
    """The tags of one row."""
    found: list[str] = []
    for column in tags:
        tag = dig(column, index)
        found += map(str, tag) if isinstance(tag, list) else [str(tag or "")]
    return ",".join(found)


def _named(rows: list[tuple[str, float]]) -> dict[str, str]:
    """The groups by name, and where they are too many those with the lowest and the highest values."""
    kept = rows
    if len(rows) > MOST_GROUPS:
        ordered, half = sorted(rows, key=lambda row: row[1]), MOST_GROUPS // 2
        kept = ordered[:half] + ordered[-half:]
    groups = {"groups": to_json([{"name": name, "value": value} for name, value in kept])}
    return groups if kept is rows else groups | {"groups_truncated": "true"}
