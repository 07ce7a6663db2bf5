"""New Relic: an NRQL query over NerdGraph."""

import asyncio
import json
from datetime import timedelta

from analysis.api import Metric
from analysis.expr.gotypes.jsontext import to_json
from analysis.providers.base import Context, OneShot, ProviderError, Reading, dig, document
from analysis.providers.http import Answer, HttpError, Request

DEFAULT_SECRET = "newrelic"
DEFAULT_TIMEOUT = 5
RESOLVED_QUERY = "ResolvedNewRelicQuery"
NO_RESULTS = "no results returned from NRQL query"
ENDPOINTS = {"us": "https://api.newrelic.com/graphql", "eu": "https://api.eu.newrelic.com/graphql"}
_REQUEST_TIMEOUT = timedelta(seconds=30)
_PAUSES = (0.2, 0.4, 0.8)
_QUERY = """query($accountId: Int!, $query: Nrql!, $timeout: Seconds) {
  actor { account(id: $accountId) { nrql(query: $query, timeout: $timeout) { results } } }
}"""


class NewRelic(OneShot):
    """One query. The result is its row as a map, or a list of maps where there are several."""

    def __init__(self, metric: Metric, context: Context) -> None:
        super().__init__(metric, context)
        if metric.provider.new_relic is None:
            raise ProviderError("the metric has no newRelic provider")
        self.spec = metric.provider.new_relic
        if self.spec.timeout is not None and self.spec.timeout < 0:
            raise ProviderError("timeout value needs to be a positive value")
        self._account, self._key, self._endpoint = 0, "", ""

    def timeout(self) -> timedelta:
        """How long all attempts together may take."""
        return _REQUEST_TIMEOUT

    def metadata(self) -> dict[str, str]:
        """The query as it is sent."""
        return {RESOLVED_QUERY: self.spec.query} if self.spec.query else {}

    async def login(self) -> None:
        """Read key and account from the profile's Secret, which lies with the controller."""
        data = await self.secret(self.context.controller_namespace, self.spec.profile or DEFAULT_SECRET)
        self._key, account = data.get("personal-api-key", ""), data.get("account-id", "")
        if not self._key or not account:
            raise ProviderError("account ID or personal API key not found")
        self.hide([self._key])
        try:
            self._account = int(account)
        except ValueError:
            raise ProviderError("the account ID is not a whole number: correct account-id in the Secret") from None
        region = (data.get("region") or "us").lower()
        self._endpoint = data.get("base-url-nerdgraph") or ENDPOINTS.get(region, "")
        if not self._endpoint:
            raise ProviderError(f"unknown region {region!r}: use one of {', '.join(ENDPOINTS)}")

    async def read(self) -> Reading:
        """Send the query and read the rows."""
        rows = _rows(await self._answer())
        if not rows or (len(rows) == 1 and not rows[0]):
            raise ProviderError(NO_RESULTS)
        result = rows[0] if len(rows) == 1 else rows
        return Reading(result, to_json(result))

    async def _answer(self) -> Answer:
        """The answer, after up to three more attempts where the server failed."""
        timeout = self.spec.timeout or DEFAULT_TIMEOUT
        variables = {"accountId": self._account, "query": self.spec.query, "timeout": timeout}
        content = json.dumps({"query": _QUERY, "variables": variables}).encode()
        headers = {"Api-Key": self._key, "Content-Type": "application/json"}
        url, limit = self._endpoint, _REQUEST_TIMEOUT
        request = Request("POST", url, headers, content=content, timeout=limit, redirects=False)
        for pause in _PAUSES:
            try:
                answer = await self.context.http.send(request)
            except HttpError:
                answer = None
            if answer is not None and answer.status < 500:
                return answer
            await asyncio.sleep(pause)
        return await self.send(request)


def _rows(answer: Answer) -> list[object]:
    if answer.status // 100 != 2:
        raise ProviderError(f"received non 2xx response code: {answer.status} {answer.excerpt}")
    body = document(answer)
    if errors := dig(body, "errors"):
        messages = (str(dig(error, "message") or to_json(error)) for error in errors)
        raise ProviderError(", ".join(messages))
    rows = dig(body, "data", "actor", "account", "nrql", "results")
    return rows if isinstance(rows, list) else []
