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
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from analysis.providers.egress import Egress, EgressError, guarded, proxies
from analysis.providers.flights import Flights

MAX_ANSWER = 16 * 1024 * 1024
LONGEST_EXCERPT = 2048
LONGEST_PAUSE = 300.0
"""Seconds: a server that asks for a longer pause is asked again after this one."""

_LIMITS = httpx.Limits(max_connections=200, max_keepalive_connections=50, keepalive_expiry=30)


class HttpError(Exception):
    """A request got no answer; the text names method and URL, in the words that users know."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `proxied`: whether the proxy of the environment is used. `redirects`: whether they are followed;
    they must not be where a header of the vendor's own carries a credential, for it would go along to any host."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] | None = None
    content: bytes | None = None
    timeout: timedelta = timedelta(seconds=30)
    insecure: bool = False
    proxied: bool = True
    redirects: bool = True

    @property
    def door(self) -> Hashable:
        """Where and as whom the request asks: what a server's pause is about."""
        url = httpx.URL(self.url)
        return (url.scheme, url.host, url.port, tuple(sorted(self.headers.items())))


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. `retry_after`: seconds after which the server wants to be asked again, 0.0 for no word of it."""

    status: int
    body: bytes
    retry_after: float = 0.0

    @property
    def text(self) -> str:
        """The body as text; what is not UTF-8 is replaced."""
        return self.body.decode("utf-8", "replace")

    @property
    def excerpt(self) -> str:
        """The beginning of the text, as much as an error message can hold."""
        return self.body[:LONGEST_EXCERPT].decode("utf-8", "replace")


class Http:
    """A pool of connections for one event loop; close it when the loop ends.

    `egress` says which addresses may be connected to. A `transport` of one's own replaces the network altogether.
    `flights` holds the questions of all providers that may share an answer.
    """

    def __init__(self, transport: httpx.AsyncBaseTransport | None = None, egress: Egress | None = None) -> None:
        self.flights = Flights()
        self._transport = transport
        self._egress = egress or Egress()
        self._clients: dict[tuple[bool, bool], httpx.AsyncClient] = {}
        self._paused: dict[Hashable, float] = {}
        for library in ("httpx", "httpcore"):
            logging.getLogger(library).setLevel(logging.WARNING)  # they log whole URLs, with what they carry

    async def send(self, request: Request) -> Answer:
        """Send `request` and read the whole answer within its timeout. HttpError when there is none."""
        named = f'{request.method.title()} "{request.url}"'
        scheme = httpx.URL(request.url).scheme if "://" in request.url else ""
        if scheme not in ("http", "https"):
            raise HttpError(f'{named}: unsupported protocol scheme "{scheme}"')
        try:
            async with asyncio.timeout(request.timeout.total_seconds()) as timeout:
                return await self._answered(request, timeout.when() or 0.0)
        except TimeoutError:
            raise HttpError(f"{named}: context deadline exceeded") from None
        except httpx.HTTPError as error:
            raise HttpError(f"{named}: {_reason(error)}") from error
        except (httpx.InvalidURL, httpx.StreamError, EgressError, UnicodeError, ValueError) as error:
            raise HttpError(f"{named}: {error}") from error

    async def _answered(self, request: Request, deadline: float) -> Answer:
        """Send, and where the server asks for a pause that ends before the deadline, send again after it."""
        clock, door = asyncio.get_running_loop().time, request.door
        while True:
            opens = self._paused.get(door, 0.0)
            if opens > deadline:
                raise ValueError(
                    f"not sent: the server asked for a pause of another {math.ceil(opens - clock())}s (429)"
                )
            await asyncio.sleep(opens - clock())
            answer = await self._sent(request)
            if answer.status != httpx.codes.TOO_MANY_REQUESTS or not answer.retry_after:
                return answer
            now = clock()
            self._paused = {other: until for other, until in self._paused.items() if until > now}
            self._paused[door] = now + min(answer.retry_after, LONGEST_PAUSE)
            if self._paused[door] > deadline:
                return answer

    async def _sent(self, request: Request) -> Answer:
        client = self._client(request.insecure, request.proxied)
        options: dict[str, Any] = {"headers": dict(request.headers)}
        if request.params:
            options["params"] = dict(request.params)
        if request.form is not None:
            options["data"] = dict(request.form)
        if request.content is not None:
            options["content"] = request.content
        body = bytearray()
        options["follow_redirects"] = request.redirects
        async with client.stream(request.method, request.url, **options) as response:
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > MAX_ANSWER:
                    raise ValueError(f"the answer is larger than {MAX_ANSWER} bytes")
        return Answer(response.status_code, bytes(body), _pause(response.headers.get("Retry-After", "")))

    def _client(self, insecure: bool, proxied: bool) -> httpx.AsyncClient:
        key = (insecure, proxied)
        if key not in self._clients:
            self._clients[key] = httpx.AsyncClient(
                transport=self._transport or guarded(self._egress, _LIMITS, insecure=insecure),
                mounts=proxies(_LIMITS, insecure=insecure) if proxied and self._transport is None else None,
                max_redirects=10,
                timeout=None,
                event_hooks={"request": [self._checked]},
            )
        return self._clients[key]

    async def _checked(self, request: httpx.Request) -> None:
        """Called for a request and for every redirect of it, also where a proxy is going to dial."""
        self._egress.check_literal(request.url.host)

    async def close(self) -> None:
        """Close every connection."""
        clients = list(self._clients.values())
        self._clients.clear()
        for client in clients:
            await client.aclose()


def _pause(text: str) -> float:
    """The seconds of a Retry-After header, which holds a number or a date."""
    if text.strip().isdecimal():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def _reason(error: httpx.HTTPError) -> str:
    """Why there was no answer, as Go's client says it."""
    request = getattr(error, "_request", None)
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, socket.gaierror) and request is not None:
            return f"dial tcp: lookup {request.url.host}: no such host"
        if isinstance(cause, OSError) and cause.errno == errno.ECONNREFUSED:
            return f"{_dialled(request)}: connect: connection refused"
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpx.ConnectError) and "attempts failed" in str(error):
        return f"{_dialled(request)}: connect: connection refused"
    if isinstance(error, httpx.RemoteProtocolError):
        return f"EOF ({error})"
    return str(error) or type(error).__name__


def _dialled(request: httpx.Request | None) -> str:
    if request is None:
        return "dial tcp"
    return f"dial tcp {request.url.host}:{request.url.port or (443 if request.url.scheme == 'https' else 80)}"
