"""What Prometheus said, remembered: runs that overlap ask the same questions about the same moments."""

from collections import OrderedDict

import httpx

_MOST_REMEMBERED = 200_000


class Unanswered(Exception):
    """Prometheus did not answer what was asked; the text says why."""


class Remembering(httpx.AsyncBaseTransport):
    """Sends a request the first time, and repeats the answer later. `faults`: what was not answered, one text each."""

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport
        self._answers: OrderedDict[tuple[str, str, bytes], tuple[int, bytes]] = OrderedDict()
        self.faults: list[str] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = await request.aread()
        key = (request.method, str(request.url), body)
        if key not in self._answers:
            self._answers[key] = await self._asked(request)
            if len(self._answers) > _MOST_REMEMBERED:
                self._answers.popitem(last=False)
        status, content = self._answers[key]
        return httpx.Response(status, content=content, request=request)

    async def _asked(self, request: httpx.Request) -> tuple[int, bytes]:
        try:
            response = await self._transport.handle_async_request(request)
            content = await response.aread()
        except httpx.TransportError as error:
            self.faults.append(f"{request.url}: {error or type(error).__name__}")
            raise
        if response.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
            self.faults.append(f"{request.url}: HTTP {response.status_code}")
        return response.status_code, content

    async def aclose(self) -> None:
        """Close what lies below."""
        await self._transport.aclose()


async def reach(transport: httpx.AsyncBaseTransport, address: str) -> None:
    """See whether a Prometheus is at `address`. Unanswered when there is none."""
    url = f"{address.rstrip('/')}/api/v1/query"
    async with httpx.AsyncClient(transport=transport, timeout=10.0) as client:
        try:
            answer = await client.get(url, params={"query": "1"})
            said = answer.json() if answer.status_code == httpx.codes.OK else {}
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise Unanswered(f"no Prometheus answers at {address}: {error or type(error).__name__}") from error
    if not isinstance(said, dict) or said.get("status") != "success":
        raise Unanswered(f"no Prometheus answers at {address}: HTTP {answer.status_code} from {url}")
