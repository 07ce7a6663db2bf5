"""Apache SkyWalking: a GraphQL query over a window that ends now."""

import json
from datetime import timedelta

from analysis.api import Metric
from analysis.expr.gotypes.jsontext import to_json
from analysis.providers.base import Context, OneShot, ProviderError, Reading, dig, document
from analysis.providers.http import Request

TIMEOUT = timedelta(seconds=30)
NO_RESULTS = "no results returned from SkyWalking query"
_MINUTE = "%Y-%m-%d %H%M"


class SkyWalking(OneShot):
    """One query. The result is the answer's data, a map."""

    def __init__(self, metric: Metric, context: Context) -> None:
        super().__init__(metric, context)
        if metric.provider.skywalking is None:
            raise ProviderError("the metric has no skywalking provider")
        self.spec = metric.provider.skywalking

    def timeout(self) -> timedelta:
        """Half a minute."""
        return TIMEOUT

    async def read(self) -> Reading:
        """Send the query with the window as its variable `duration`, and read the answer."""
        until = self.context.now().astimezone()  # SkyWalking reads times in its own zone, taken to be ours
        since = until - self.window(self.spec.interval)
        duration = {"start": since.strftime(_MINUTE), "end": until.strftime(_MINUTE), "step": "MINUTE"}
        content = json.dumps({"query": self.spec.query, "variables": {"duration": duration}}).encode()
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        url = f"{self.spec.address.rstrip('/')}/graphql"
        answer = await self.send(Request("POST", url, headers, content=content, timeout=TIMEOUT))
        if answer.status != 200:
            raise ProviderError(f"graphql: server returned a non-200 status code: {answer.status}")
        body = document(answer)
        if errors := dig(body, "errors"):
            raise ProviderError(f"graphql: {dig(errors, 0, 'message') or to_json(errors)}")
        data = dig(body, "data")
        if data is None:
            raise ProviderError(NO_RESULTS)
        return Reading(data, to_json(data))
