"""A Prometheus that says what the story wants, behind the real provider and the real HTTP client."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias
from urllib.parse import parse_qs

import httpx

from analysis.providers.http import Http

Script: TypeAlias = "float | list[float] | httpx.Response | Exception | Callable[[], Awaitable[httpx.Response]]"
"""An answer: the value of one series, those of several, or anything else that can happen to a request."""


class Prometheus:
    """Answers every query by the text that it contains; `then` answers follow each other, the last one stays.

    `elsewhere` answers what is not sent to http://prometheus.
    """

    def __init__(self) -> None:
        self.elsewhere: Callable[[httpx.Request], Awaitable[httpx.Response]] | None = None
        self.queries: list[str] = []
        self._scripts: dict[str, list[Script]] = {}

    def says(self, query: str, *answers: Script) -> None:
        """To queries that contain this text, these answers one after another; the last one from then on."""
        self._scripts[query] = list(answers)

    def http(self) -> Http:
        """The way to metric providers that leads here."""
        return Http(httpx.MockTransport(self._answer))

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        if self.elsewhere is not None and request.url.host != "prometheus":
            return await self.elsewhere(request)
        query = parse_qs(request.content.decode()).get("query", [str(request.url)])[0]
        self.queries.append(query)
        for text, answers in self._scripts.items():
            if text in query:
                return await _told(answers.pop(0) if len(answers) > 1 else answers[0])
        return vector()


async def _told(script: Script) -> httpx.Response:
    match script:
        case httpx.Response():
            return httpx.Response(script.status_code, content=script.content)
        case Exception():
            raise script
        case list():
            return vector(*script)
        case int() | float():
            return vector(script)
    return await script()


def vector(*values: float) -> httpx.Response:
    """A successful answer to an instant query."""
    series: list[Any] = [{"metric": {}, "value": [0, _text(value)]} for value in values]
    return httpx.Response(200, json={"status": "success", "data": {"resultType": "vector", "result": series}})


def _text(value: float) -> str:
    return "NaN" if value != value else str(value)


async def never() -> httpx.Response:
    """A server that takes a request and does not answer within a day."""
    await asyncio.sleep(86_400)
    return httpx.Response(200)
