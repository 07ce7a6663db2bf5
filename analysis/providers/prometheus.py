"""Prometheus: an instant or a range query over its HTTP API.

Of prometheus_api_client only the errors are used: its client is synchronous (it would need a thread for every query)
and costs 140 ms and 17 MB to import, its data frames need pandas.
"""

import base64
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from prometheus_api_client.exceptions import MetricValueConversionError, PrometheusApiClientException

from analysis.api import Metric
from analysis.expr.environment import time_of
from analysis.expr.errors import ExprError
from analysis.expr.gotypes.jsontext import from_json
from analysis.expr.gotypes.numbers import parse_float
from analysis.expr.gotypes.values import FloatList, Value, format_float
from analysis.metricprovider import PrometheusMetric, PrometheusRangeQuery
from analysis.providers import aws, oauth
from analysis.providers.base import Context, OneShot, ProviderError, Reading
from analysis.providers.http import Answer, HttpError, Request
from analysis.schema import parse_duration

ADDRESS_VARIABLE = "ARGO_ROLLOUTS_PROMETHEUS_ADDRESS"
DEFAULT_TIMEOUT = timedelta(seconds=30)
RESOLVED_QUERY = "ResolvedPrometheusQuery"
_GET_INSTEAD = frozenset((405, 501))
_AMAZON, _AMAZONS_SERVICE = "aps-workspaces", "aps"
_HISTOGRAM = (0, "0")  # an element that holds a native histogram has no value, and counts as 0


class Prometheus(OneShot):
    """One query. The result is a float for a scalar, and a list of floats for a vector or a matrix."""

    def __init__(self, metric: Metric, context: Context) -> None:
        super().__init__(metric, context)
        spec = metric.provider.prometheus
        if spec is None:
            raise ProviderError("the metric has no prometheus provider")
        self.spec = spec
        self.address = address(spec.address or context.environ.get(ADDRESS_VARIABLE, ""))
        self.headers = _headers(spec)
        self.oauth = oauth.credentials(spec.authentication)
        self.account = _account(spec)
        self._signer: aws.Signer | None = None
        basic = spec.authentication.basic_auth if spec.authentication else None
        self.hide((basic.password if basic else "", self.oauth.client_secret if self.oauth else ""))
        if spec.timeout is not None and spec.timeout < 0:
            raise ProviderError("prometheus timeout should not be negative")

    def timeout(self) -> timedelta:
        """The metric's timeout; 30 seconds without one."""
        return DEFAULT_TIMEOUT if self.spec.timeout is None else timedelta(seconds=self.spec.timeout)

    def metadata(self) -> dict[str, str]:
        """The query as it is sent."""
        return {RESOLVED_QUERY: self.spec.query} if self.spec.query else {}

    async def login(self) -> None:
        """Amazon's own Prometheus wants requests signed with the credentials of AWS."""
        if self.account is not None:
            self._signer = await aws.signer(self.account, self.context.now())
            self.hide(self._signer.secrets)

    async def read(self) -> Reading:
        """Send the query and read the answer."""
        now = self.context.now()
        path, form = "/api/v1/query", {"query": self.spec.query, "time": _seconds(now.timestamp())}
        if self.spec.range_query is not None:
            path, form = "/api/v1/query_range", {"query": self.spec.query} | window(self.spec.range_query, now)
        try:
            return parse(await self._answer(path, form))
        except HttpError as error:
            raise ProviderError(str(error)) from error
        except (PrometheusApiClientException, MetricValueConversionError) as error:
            raise ProviderError(str(error)) from error

    async def series(self, query: str, at: float) -> list[Any]:
        """What `query` answers at a moment (seconds since 1970): a vector's series, or a matrix'.

        ProviderError when there is no answer, or one of another kind. `login` comes first.
        """
        form = {"query": query, "time": plain(round(at, 3))}
        try:
            data = _data(_document(await self._answer("/api/v1/query", form)))
        except (HttpError, PrometheusApiClientException) as error:
            raise ProviderError(str(error)) from error
        result = data.get("result")
        if data.get("resultType") not in ("vector", "matrix") or not isinstance(result, list):
            raise ProviderError(f"{query} answers with no series")
        return result

    async def _answer(self, path: str, form: dict[str, str]) -> Answer:
        url, headers = self.address + path, dict(self.headers)
        if self.oauth is not None:
            try:
                bearer = await oauth.token(self.context.http, self.oauth, self.timeout())
            except ProviderError as error:
                raise ProviderError(f'Post "{url}": {error}') from error
            self.hide([bearer])
            headers = {"Authorization": f"Bearer {bearer}"} | headers
        timeout, insecure = self.timeout(), self.spec.insecure
        request = Request("POST", url, headers, form=form, timeout=timeout, insecure=insecure)
        answer = await self.context.http.send(self._signed(request))
        if answer.status in _GET_INSTEAD:
            request = Request("GET", url, headers, params=form, timeout=timeout, insecure=insecure)
            answer = await self.context.http.send(self._signed(request))
        return answer

    def _signed(self, request: Request) -> Request:
        return request if self._signer is None else self._signer.signed(request, _AMAZONS_SERVICE)


def address(given: str) -> str:
    """The URL of the server without a slash at its end. ProviderError when there is none."""
    if not given:
        raise ProviderError("prometheus address is not configured")
    try:
        parts = urlsplit(given)
        valid = bool(parts.scheme and parts.netloc)
    except ValueError:
        valid = False
    if not valid:
        raise ProviderError("prometheus address is not is url format")
    return given.rstrip("/")


def _headers(spec: PrometheusMetric) -> dict[str, str]:
    """Request headers; the metric's own override those of its authentication."""
    headers: dict[str, str] = {}
    basic = spec.authentication.basic_auth if spec.authentication else None
    if basic is not None and (basic.username or basic.password):
        for name in ("username", "password"):
            if not getattr(basic, name):
                raise ProviderError(f"missing mandatory parameter in metric for basic auth setup: {name}")
        headers["Authorization"] = _basic(basic.username, basic.password)
    own = {header.key: header.value for header in spec.headers}
    if any(name.lower() == "authorization" for name in own):
        headers.clear()
    return headers | own


def _account(spec: PrometheusMetric) -> aws.Account | None:
    """As whom to sign: asked for by region, profile or role, and only on the address of Amazon's own Prometheus."""
    config = spec.authentication.sigv4 if spec.authentication else None
    if config is None or _AMAZON not in spec.address or not (config.region or config.profile or config.role_arn):
        return None
    return aws.Account(config.region, config.profile, config.role_arn)


def _basic(username: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{username}:{password}'.encode()).decode()}"


def window(query: PrometheusRangeQuery, now: datetime) -> dict[str, str]:
    """The form fields of a range query. ProviderError when its start or end is no time, or its step no duration."""
    fields: dict[str, str] = {}
    for name in ("start", "end"):
        try:
            fields[name] = _seconds(time_of(getattr(query, name), now.astimezone(UTC)))
        except ExprError as error:
            raise ProviderError(f"failed to parse rangeQuery.{name} as time: {error}") from error
    try:
        step = parse_duration(query.step)
    except ValueError as error:
        raise ProviderError(f"failed to parse rangeQuery.step as duration: {error}") from error
    return fields | {"step": _seconds(step.total_seconds())}


def _seconds(number: float) -> str:
    return plain(round(number, 6))


def plain(number: float) -> str:
    """A float without exponent, as values are shown."""
    return format_float(number, exponent_from=400, exponent_below=-400)


def parse(answer: Answer) -> Reading:
    """The numbers of an answer. The errors of prometheus_api_client say why there are none."""
    document = _document(answer)
    data = _data(document)
    result = _numbers(data.get("resultType"), data.get("result"))
    return Reading(result, _shown(result), _warnings(document))


def _data(document: Mapping[str, Any]) -> dict[str, Any]:
    data = document.get("data")
    if not isinstance(data, dict):
        raise PrometheusApiClientException('unmarshalerDecoder: unexpected value type "<none>"')
    return data


def _document(answer: Answer) -> dict[str, Any]:
    """A successful answer."""
    if answer.status // 100 != 2 and answer.status not in (400, 422):
        raise PrometheusApiClientException(_refusal(answer.status))
    try:
        document = from_json(answer.text)
    except (ValueError, RecursionError) as error:
        raise PrometheusApiClientException(f"bad_response: the answer is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise PrometheusApiClientException("bad_response: the answer is not a JSON object")
    failed = answer.status in (400, 422)
    if failed == (document.get("status") == "success"):
        raise PrometheusApiClientException("bad_response: inconsistent body for response code")
    if failed or document.get("status") != "success":
        raise PrometheusApiClientException(f"{document.get('errorType', '')}: {document.get('error', '')}")
    return document


def _refusal(status: int) -> str:
    match status // 100:
        case 4:
            return f"client_error: client error: {status}"
        case 5:
            return f"server_error: server error: {status}"
        case _:
            return f"bad_response: bad response code {status}"


def _numbers(kind: Any, result: Any) -> Value:
    try:
        match kind:
            case "scalar":
                return _sample(result)
            case "vector":
                return FloatList(_sample(item.get("value", _HISTOGRAM)) for item in result)
            case "matrix":
                return FloatList(_sample(point) for item in result for point in item.get("values", ()))
    except (TypeError, KeyError, IndexError, AttributeError) as error:
        text = f"unmarshalerDecoder: a {kind} of unexpected shape"
        raise PrometheusApiClientException(text) from error
    raise PrometheusApiClientException(f'unmarshalerDecoder: unexpected value type "{kind}"')


def _sample(point: Any) -> float:
    text = point[1]
    if not isinstance(text, str):
        raise MetricValueConversionError("unmarshalerDecoder: sample value must be a quoted string")
    try:
        return parse_float(text)
    except ValueError as error:
        raise MetricValueConversionError(f"unmarshalerDecoder: {error}") from error


def _shown(result: Value) -> str:
    return f"[{','.join(map(plain, result))}]" if isinstance(result, list) else plain(result)


def _warnings(document: Mapping[str, Any]) -> dict[str, str]:
    warnings = document.get("warnings")
    if not isinstance(warnings, list) or not warnings:
        return {}
    return {"warnings": ", ".join(f'"{warning}"' for warning in warnings)}
