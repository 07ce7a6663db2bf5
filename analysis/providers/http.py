"""The network of all providers: shared connections, a deadline on every request, answers of bounded size."""

import asyncio
import errno
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx

MAX_ANSWER = 16 * 1024 * 1024
_LIMITS = httpx.Limits(max_connections=200, max_keepalive_connections=50, keepalive_expiry=30)


class HttpError(Exception):
    """A request got no answer; the text names method and URL, in the words that users know."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `proxied` says whether the proxy of the environment is used."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] | None = None
    content: bytes | None = None
    timeout: timedelta = timedelta(seconds=30)
    insecure: bool = False
    proxied: bool = True


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    body: bytes

    @property
    def text(self) -> str:
        """The body as text; what is not UTF-8 is replaced."""
        return self.body.decode("utf-8", "replace")


class Http:
    """A pool of connections for one event loop; close it when the loop ends."""

    def __init__(self, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._transport = transport
        self._clients: dict[tuple[bool, bool], httpx.AsyncClient] = {}

    async def send(self, request: Request) -> Answer:
        """Send `request` and read the whole answer within its timeout. HttpError when there is none."""
        named = f'{request.method.title()} "{request.url}"'
        scheme = httpx.URL(request.url).scheme if "://" in request.url else ""
        if scheme not in ("http", "https"):
            raise HttpError(f'{named}: unsupported protocol scheme "{scheme}"')
        try:
            async with asyncio.timeout(request.timeout.total_seconds()):
                return await self._sent(request)
        except TimeoutError:
            raise HttpError(f"{named}: context deadline exceeded") from None
        except httpx.HTTPError as error:
            raise HttpError(f"{named}: {_reason(error)}") from error
        except (httpx.InvalidURL, httpx.StreamError, UnicodeError, ValueError) as error:
            raise HttpError(f"{named}: {error}") from error

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
        async with client.stream(request.method, request.url, **options) as response:
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > MAX_ANSWER:
                    raise ValueError(f"the answer is larger than {MAX_ANSWER} bytes")
        return Answer(response.status_code, bytes(body))

    def _client(self, insecure: bool, proxied: bool) -> httpx.AsyncClient:
        key = (insecure, proxied)
        if key not in self._clients:
            self._clients[key] = httpx.AsyncClient(
                transport=self._transport,
                verify=not insecure,
                trust_env=proxied,
                follow_redirects=True,
                max_redirects=10,
                limits=_LIMITS,
                timeout=None,
            )
        return self._clients[key]

    async def close(self) -> None:
        """Close every connection."""
        clients = list(self._clients.values())
        self._clients.clear()
        for client in clients:
            await client.aclose()


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
