"""What providers send and what comes back."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache

import httpx

LONGEST_EXCERPT = 2048


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
        url = parsed(self.url)
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


@lru_cache(maxsize=1024)
def parsed(url: str) -> httpx.URL:
    """A URL in its parts. httpx.InvalidURL when it is none."""
    return httpx.URL(url)
