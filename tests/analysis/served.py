"""A real HTTP server on loopback that answers as a test says, and what a provider needs to ask it."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime

from aiohttp import web

from analysis.api import AnalysisRun, Measurement, Metric
from analysis.decide import Task, TaskKind
from analysis.measure import measure, resolve
from analysis.providers.base import Context, SecretError
from analysis.providers.http import Http
from tests.analysis.runs import NOON, run

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Asked:
    """One request as the server saw it."""

    method: str
    path: str
    headers: dict[str, str]
    query: dict[str, str]
    form: dict[str, str]
    body: str


@dataclass
class Server:
    """A server that is up; `asked` is what it was asked."""

    url: str = ""
    asked: list[Asked] = field(default_factory=list)


@asynccontextmanager
async def serving(answer: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    """Serve `answer` on a free port of loopback."""
    server = Server()

    async def handle(request: web.Request) -> web.StreamResponse:
        body = await request.text()
        form = dict(await request.post()) if "form" in request.content_type else {}
        texts = {key: str(value) for key, value in form.items()}
        server.asked.append(
            Asked(request.method, request.path, dict(request.headers), dict(request.query), texts, body)
        )
        return await answer(request)

    runner = web.ServerRunner(web.Server(handle), shutdown_timeout=0.1)  # type: ignore[arg-type]  # a StreamResponse is what it sends
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    server.url = f"http{'s' if tls else ''}://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        await runner.cleanup()


def always(text: str = "", status: int = 200, content_type: str = "application/json") -> Handler:
    """The same answer to every request."""

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(text=text, status=status, content_type=content_type)

    return answer


def in_turn(*answers: Handler) -> Handler:
    """One answer after another; the last one from then on."""
    left = list(answers)

    async def answer(request: web.Request) -> web.StreamResponse:
        return await (left.pop(0) if len(left) > 1 else left[0])(request)

    return answer


def moved(url: str) -> Handler:
    """A redirect to somewhere else."""

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": url})

    return answer


async def never(request: web.Request) -> web.StreamResponse:
    """No answer as long as anybody waits."""
    await asyncio.Event().wait()
    return web.Response()


@dataclass(frozen=True)
class KnownSecrets:
    """Secrets by namespace and name."""

    data: dict[tuple[str, str], dict[str, bytes]] = field(default_factory=dict)

    async def get(self, namespace: str, name: str) -> dict[str, bytes]:
        """The secret's data."""
        try:
            return self.data[namespace, name]
        except KeyError:
            raise SecretError(f'secrets "{name}" not found') from None


@asynccontextmanager
async def context(
    analysis: AnalysisRun, secrets: KnownSecrets | None = None, environ: dict[str, str] | None = None
) -> AsyncIterator[Context]:
    """A context with its own connections and a clock that stands at noon."""

    def now() -> datetime:
        return NOON

    http = Http()
    try:
        yield Context(analysis, http, now, secrets or KnownSecrets(), environ or {})
    finally:
        await http.close()


async def taken(
    spec: Metric, secrets: KnownSecrets | None = None, environ: dict[str, str] | None = None, **fields: object
) -> tuple[Measurement, dict[str, str]]:
    """The measurement of one metric and the metric's metadata."""
    analysis = run(spec, **fields)  # type: ignore[arg-type]  # fields of the manifest
    async with context(analysis, secrets, environ) as lent:
        resolved = await resolve(analysis, lent.secrets)
        assert resolved.error == ""
        tasks = [Task(TaskKind.START, resolved.measured[0], resolved.metrics[0].name)]
        (one,) = await measure(tasks, resolved, lent)
        return one.measurement, one.metadata
