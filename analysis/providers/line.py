"""The wire of providers: aiohttp's connections, which dial only where the rules allow.

aiohttp, because a request of httpx takes five times as much processor time: 0.8 ms and more, of which a controller
that takes a thousand measurements each second has one.
"""

import socket
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any
from urllib.parse import quote_plus

import aiohttp
import httpx
from aiohttp import ClientSession, TCPConnector, ThreadedResolver
from yarl import URL

from analysis.providers.egress import Egress, EgressError, Proxies
from analysis.providers.message import Request, parsed

MAX_CONNECTIONS = 500
MAX_REDIRECTS = 10
_KEPT_OPEN = 30.0
_CHUNK = 64 * 1024
_NEVER = aiohttp.ClientTimeout(total=None)  # whoever asks sets a deadline around the whole
_MOVED = frozenset((301, 302, 303, 307, 308))
_SAME_METHOD = frozenset((307, 308))
_FORM = "application/x-www-form-urlencoded"


class TooLarge(ValueError):
    """An answer has more bytes than anybody wants to hold."""


@dataclass(frozen=True, slots=True)
class _Letter:
    """A request as it goes out: to a URL that is not written anew, for it may be signed."""

    method: str
    url: URL
    headers: Mapping[str, str]
    body: bytes | None


class Line:
    """Connections with or without the certificates of servers checked. Close it when its event loop ends."""

    def __init__(self, egress: Egress, longest: int, *, insecure: bool) -> None:
        self._egress = egress
        self._longest = longest
        self._tls = httpx.create_ssl_context(verify=not insecure)  # heeds SSL_CERT_FILE
        self._proxies = Proxies.of_environment()
        self._session: ClientSession | None = None

    async def send(self, request: Request) -> tuple[int, bytes, Mapping[str, str]]:
        """Status, body and headers of the answer, redirects followed. aiohttp.ClientError, EgressError, TooLarge."""
        letter = _letter(request)
        for _ in range(MAX_REDIRECTS + 1):
            status, body, headers = await self._sent(letter, request.proxied)
            target = headers.get("Location")
            if status not in _MOVED or not request.redirects or not target:
                return status, body, headers
            letter = _redirected(letter, status, target)
        raise ValueError(f"stopped after {MAX_REDIRECTS} redirects")

    async def _sent(self, letter: _Letter, proxied: bool) -> tuple[int, bytes, Mapping[str, str]]:
        host = letter.url.host or ""
        self._egress.check_literal(host)
        proxy = self._proxies.for_url(letter.url.scheme, host) if proxied and self._proxies else None
        try:
            async with self._opened().request(
                letter.method,
                letter.url,
                headers=letter.headers,
                data=letter.body,
                allow_redirects=False,
                proxy=proxy,
            ) as response:
                return response.status, await self._body(response), response.headers
        except aiohttp.ClientConnectorError as error:
            if isinstance(error.os_error, EgressError):
                self._egress.check(host, error.os_error.address)  # says the name too
            raise

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        if (response.content_length or 0) > self._longest:
            raise self._too_large()
        chunks, size = [], 0
        async for chunk in response.content.iter_chunked(_CHUNK):
            chunks.append(chunk)
            size += len(chunk)
            if size > self._longest:
                raise self._too_large()
        return b"".join(chunks)

    def _too_large(self) -> TooLarge:
        return TooLarge(f"the answer is larger than {self._longest} bytes")

    def _opened(self) -> ClientSession:
        """The connections, which belong to the loop that is running when the first request is sent."""
        if self._session is None:
            connector = TCPConnector(
                ssl=self._tls,
                limit=MAX_CONNECTIONS,
                keepalive_timeout=_KEPT_OPEN,
                resolver=ThreadedResolver(),
                socket_factory=self._socket,
            )
            self._session = ClientSession(
                connector=connector,
                timeout=_NEVER,
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=("Content-Type",),
                requote_redirect_url=False,
            )
        return self._session

    def _socket(self, address: Any) -> socket.socket:
        """A socket for the very address that is dialled next: no name can lead elsewhere in between."""
        family, kind, protocol, _, where = address
        self._egress.check(str(where[0]), str(where[0]))
        return socket.socket(family, kind, protocol)

    async def close(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None


def _letter(request: Request) -> _Letter:
    url = _to_the_letter(request.url)
    if request.params:
        url = URL(str(parsed(request.url).copy_merge_params(dict(request.params))), encoded=True)
    headers, body = request.headers, request.content
    if request.form is not None:
        body = "&".join(f"{name}={_quoted(value)}" for name, value in request.form.items()).encode()
        headers = {"Content-Type": _FORM, **headers}
    return _Letter(request.method, url, headers, body)


@lru_cache(maxsize=4096)
def _quoted(value: str) -> str:
    return quote_plus(value)


@lru_cache(maxsize=1024)
def _to_the_letter(url: str) -> URL:
    return URL(str(parsed(url)), encoded=True)


def _redirected(letter: _Letter, status: int, target: str) -> _Letter:
    """What is sent next: without the body and as GET but for 307 and 308; without credentials to another origin."""
    url = letter.url.join(URL(target))
    dropped = set() if url.origin() == letter.url.origin() else {"authorization", "cookie"}
    method, body = letter.method, letter.body
    if status not in _SAME_METHOD and method not in ("GET", "HEAD"):
        method, body = "GET", None
        dropped |= {"content-type", "content-length"}
    headers = {name: value for name, value in letter.headers.items() if name.lower() not in dropped}
    return replace(letter, method=method, url=url, headers=headers, body=body)
