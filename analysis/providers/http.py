"""The network of all providers: shared connections, a deadline on every request, answers of bounded size.

A server that answers 429 with Retry-After is left alone for as long as it asks: a request that can wait does so
within its timeout, any other fails without being sent.
"""

import asyncio
import errno
import logging
import math
import socket
from collections.abc import Hashable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import aiohttp
import httpx

from analysis.providers.egress import Egress, EgressError
from analysis.providers.flights import Flights
from analysis.providers.line import Line
from analysis.providers.message import Answer, HttpError, Request, parsed

MAX_ANSWER = 16 * 1024 * 1024
LONGEST_PAUSE = 300.0
"""Seconds: a server that asks for a longer pause is asked again after this one."""

__all__ = ["LONGEST_PAUSE", "MAX_ANSWER", "Answer", "Http", "HttpError", "Request"]


class Http:
    """A pool of connections for one event loop; close it when the loop ends.

    `egress` says which addresses may be connected to. A `transport` of one's own replaces the network altogether.
    `flights` holds the questions of all providers that may share an answer.
    """

    def __init__(self, transport: httpx.AsyncBaseTransport | None = None, egress: Egress | None = None) -> None:
        self.flights = Flights()
        self._lent = httpx.AsyncClient(transport=transport, timeout=None) if transport else None
        self._egress = egress or Egress()
        self._lines: dict[bool, Line] = {}
        self._paused: dict[Hashable, float] = {}
        for library in ("httpx", "httpcore"):
            logging.getLogger(library).setLevel(logging.WARNING)  # they log whole URLs, with what they carry

    async def send(self, request: Request) -> Answer:
        """Send `request` and read the whole answer within its timeout. HttpError when there is none."""
        named = f'{request.method.title()} "{request.url}"'
        try:
            scheme = parsed(request.url).scheme if "://" in request.url else ""
        except httpx.InvalidURL as error:
            raise HttpError(f"{named}: {error}") from error
        if scheme not in ("http", "https"):
            raise HttpError(f'{named}: unsupported protocol scheme "{scheme}"')
        try:
            async with asyncio.timeout(request.timeout.total_seconds()) as timeout:
                return await self._answered(request, timeout.when() or 0.0)
        except TimeoutError:
            raise HttpError(f"{named}: context deadline exceeded") from None
        except aiohttp.ClientError as error:
            raise HttpError(f"{named}: {_reason(error)}") from error
        except httpx.ConnectError as error:
            url = parsed(request.url)
            dialled = f"{url.host}:{url.port or (443 if url.scheme == 'https' else 80)}"
            raise HttpError(f"{named}: dial tcp {dialled}: connect: connection refused") from error
        except (httpx.HTTPError, httpx.InvalidURL, EgressError, ValueError) as error:
            raise HttpError(f"{named}: {error}") from error

    async def _answered(self, request: Request, deadline: float) -> Answer:
        """Send, and where the server asks for a pause that ends before the deadline, send again after it."""
        clock = asyncio.get_running_loop().time
        while True:
            opens = self._paused.get(request.door, 0.0) if self._paused else 0.0
            if opens > deadline:
                raise ValueError(
                    f"not sent: the server asked for a pause of another {math.ceil(opens - clock())}s (429)"
                )
            if opens:
                await asyncio.sleep(opens - clock())
            answer = await self._sent(request)
            if answer.status != httpx.codes.TOO_MANY_REQUESTS or not answer.retry_after:
                return answer
            now = clock()
            self._paused = {other: until for other, until in self._paused.items() if until > now}
            opens = self._paused[request.door] = now + min(answer.retry_after, LONGEST_PAUSE)
            if opens > deadline:
                return answer

    async def _sent(self, request: Request) -> Answer:
        if self._lent is not None:
            status, body, headers = await self._through(self._lent, request)
        else:
            line = self._lines.get(request.insecure)
            if line is None:
                line = self._lines[request.insecure] = Line(self._egress, MAX_ANSWER, insecure=request.insecure)
            status, body, headers = await line.send(request)
        return Answer(status, body, _pause(headers.get("Retry-After", "")))

    @staticmethod
    async def _through(client: httpx.AsyncClient, request: Request) -> tuple[int, bytes, Mapping[str, str]]:
        """Ask the transport that was lent."""
        response = await client.request(
            request.method,
            request.url,
            headers=dict(request.headers),
            params=dict(request.params) or None,
            data=None if request.form is None else dict(request.form),
            content=request.content,
            follow_redirects=request.redirects,
        )
        return response.status_code, response.content, response.headers

    async def close(self) -> None:
        """Close every connection."""
        lines = list(self._lines.values())
        self._lines.clear()
        for line in lines:
            await line.close()
        if self._lent is not None:
            await self._lent.aclose()


def _pause(text: str) -> float:
    """The seconds of a Retry-After header, which holds a number or a date."""
    if not text:
        return 0.0
    if text.strip().isdecimal():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def _reason(error: aiohttp.ClientError) -> str:
    """Why there was no answer, as Go's client says it."""
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return f"EOF ({error.message})"
    if not isinstance(error, aiohttp.ClientConnectorError):
        return str(error) or type(error).__name__
    if isinstance(error.os_error, socket.gaierror):
        return f"dial tcp: lookup {error.host}: no such host"
    if error.os_error.errno == errno.ECONNREFUSED:
        return f"dial tcp {error.host}:{error.port}: connect: connection refused"
    return str(error)
