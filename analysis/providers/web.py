"""Web: a document over HTTP, and the place in it that a JSONPath names."""

from collections.abc import Hashable
from datetime import timedelta

from analysis import jsonpath
from analysis.api import Metric
from analysis.expr.gotypes.jsontext import from_json, to_json
from analysis.metricprovider import WebMetric
from analysis.providers import oauth
from analysis.providers.base import Context, OneShot, ProviderError, Reading
from analysis.providers.http import Answer, Request

DEFAULT_TIMEOUT = timedelta(seconds=10)
_WITH_BODY = frozenset(("POST", "PUT"))


class Web(OneShot):
    """One request. The result is any JSON, numbers as floats, or the text of an answer that is not JSON."""

    def __init__(self, metric: Metric, context: Context) -> None:
        super().__init__(metric, context)
        spec = metric.provider.web
        if spec is None:
            raise ProviderError("the metric has no web provider")
        self.spec = spec
        self.oauth = oauth.credentials(spec.authentication)
        self.hide([self.oauth.client_secret] if self.oauth else ())
        try:
            self.path = jsonpath.parse(spec.json_path or "{$}")
        except jsonpath.JsonPathError as error:
            raise ProviderError(str(error)) from error

    def timeout(self) -> timedelta:
        """The metric's timeout; 10 seconds without one."""
        return timedelta(seconds=self.spec.timeout_seconds) if self.spec.timeout_seconds > 0 else DEFAULT_TIMEOUT

    def question(self) -> Hashable | None:
        """Only what changes nothing may be asked once for several."""
        return None if self.spec.method in _WITH_BODY else super().question()

    async def read(self) -> Reading:
        """Send the request and find the result in the answer."""
        request = await self._request()
        answer = await self.send(request)
        if not 200 <= answer.status < 300:
            raise ProviderError(f"received non 2xx response code: {answer.status}")
        return found(answer, self.path)

    async def _request(self) -> Request:
        method = self.spec.method or "GET"
        headers = {header.key: header.value for header in self.spec.headers if header.key.lower() != "host"}
        content = body(self.spec, method)
        if self.spec.json_body is not None:
            headers = {key: value for key, value in headers.items() if key.lower() != "content-type"}
            headers["Content-Type"] = "application/json"
        if self.oauth is not None:
            try:
                bearer = await oauth.token(self.context.http, self.oauth, self.timeout())
            except ProviderError as error:
                raise ProviderError(f'{method.title()} "{self.spec.url}": {error}') from error
            self.hide([bearer])
            headers["Authorization"] = f"Bearer {bearer}"
        return Request(
            method,
            self.spec.url,
            headers,
            content=content,
            timeout=self.timeout(),
            insecure=self.spec.insecure,
            proxied=not self.spec.insecure,
        )


def body(spec: WebMetric, method: str) -> bytes | None:
    """The bytes to send, if any. ProviderError when the metric contradicts itself."""
    if spec.body and spec.json_body is not None:
        raise ProviderError("use either Body or JSONBody; both cannot exists for WebMetric payload")
    if not spec.body and spec.json_body is None:
        return None
    if method not in _WITH_BODY:
        raise ProviderError("Body/JSONBody can only be used with POST or PUT WebMetric Method types")
    return (spec.body or to_json(spec.json_body)).encode()


def found(answer: Answer, path: jsonpath.Path) -> Reading:
    """The result that `path` finds in the answer, which is the whole text when that is not JSON."""
    try:
        document = from_json(answer.text)
    except (ValueError, RecursionError):
        return Reading(answer.text, answer.text)
    try:
        values = jsonpath.find(path, document)
    except jsonpath.JsonPathError as error:
        raise ProviderError(f"Could not find JSONPath in body: {error}") from error
    if not values:
        raise ProviderError("result of web metric produced no value")
    return Reading(values[0], to_json(values[0]))
