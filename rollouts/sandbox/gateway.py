"""The way into the sandbox's cluster: real HTTP on loopback, each request sent where the API objects say.

Services, pods and routing objects are watched through the wire, so a weight counts for the next request after its
patch. Nothing is retried and no pod stands in for another: a route to a Service without ready pods is a 503 that the
user sees, and a pod that closed before its traffic left is a 502.

An answer that is the gateway's own carries `X-Gateway-Error` with the reason.
"""

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import replace
from time import perf_counter
from urllib.parse import urlsplit

import structlog
from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector, web
from multidict import CIMultiDict

from rollouts.kube.cache import Cache
from rollouts.kube.refs import POD, SERVICE, Obj
from rollouts.kube.watch import IN_PROCESS, Watcher
from rollouts.kube.wire import Wire
from rollouts.sandbox.dialects import DIALECTS
from rollouts.sandbox.routing import Address, Decision, Dialect, Request, Table
from rollouts.sandbox.stats import NOBODY, Stats

TIMEOUT = 30.0
"""Seconds that a pod may take to answer; then the user gets a 504."""

PACE = replace(IN_PROCESS, probe=1.0)
"""Routing objects count a second after their kind is installed."""

_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "content-length"}

log = structlog.get_logger(__name__)


class Gateway:
    """Serves from `start` to `stop`. `stats` counts what it answered, per version of the pod (NOBODY: by itself).

    `namespace` is where host names without dots are looked up. While it is `stuck` it goes on with the routes and
    pods that it knows, as a data plane does that its control plane no longer reaches.
    """

    def __init__(self, wire: Wire, *, namespace: str = "default", dialects: Sequence[Dialect] = DIALECTS) -> None:
        required = (POD, SERVICE)
        optional = {resource for dialect in dialects for resource in dialect.resources} - set(required)
        self.caches = {resource: Cache(resource) for resource in (*required, *optional)}
        self.stats = Stats()
        self.url = ""
        self.stuck = False
        self._watchers = [
            Watcher(wire, cache, optional=resource in optional, pace=PACE) for resource, cache in self.caches.items()
        ]
        self._table = Table({}, dialects, namespace)
        self._stale = True
        self._tasks: set[asyncio.Task[None]] = set()
        self._runner = web.ServerRunner(web.Server(self._serve, access_log=None), shutdown_timeout=1.0)
        self._session: ClientSession | None = None
        for cache in self.caches.values():
            cache.subscribe(self._changed)

    async def start(self, port: int = 0) -> str:
        """Watch, then serve on loopback, with `port=0` on a port that is free; returns the URL."""
        for watcher in self._watchers:
            self._spawn(watcher.run())
        for watcher in self._watchers:
            await watcher.synced.wait()
        self._session = ClientSession(
            connector=TCPConnector(limit=0), timeout=ClientTimeout(total=TIMEOUT), auto_decompress=False
        )
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        return self.url

    async def stop(self) -> None:
        await self._runner.cleanup()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session:
            await self._session.close()

    def _changed(self, old: Obj | None, new: Obj | None) -> None:
        self._stale = True

    def _route(self, request: Request) -> Decision:
        if self._stale and not self.stuck:
            self._table.follow({resource: list(cache) for resource, cache in self.caches.items()})
            self._stale = False
        return self._table.route(request)

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        began = perf_counter()
        body = await request.read() if request.can_read_body else b""
        decision = self._route(_routable(request))
        for address in decision.mirrors:
            self._spawn(self._copy(request, address, body))
        if decision.address is None:
            response = _refusal(decision.status, decision.reason)
        else:
            response = await self._forward(request, decision.address, body)
        version = response.headers.get("X-Version", NOBODY)
        self.stats.record(version, response.status, perf_counter() - began)
        return response

    async def _forward(self, request: web.BaseRequest, address: Address, body: bytes) -> web.Response:
        """The pod's answer, or the gateway's own 502 or 504 when there is none."""
        assert self._session is not None, "serving begins after start"
        url = f"http://{address.host}:{address.port}{request.raw_path}"
        try:
            async with self._session.request(
                request.method, url, headers=_end_to_end(request.headers), data=body or None, allow_redirects=False
            ) as answer:
                return web.Response(status=answer.status, body=await answer.read(), headers=_end_to_end(answer.headers))
        except TimeoutError:
            return _refusal(504, f"pod {'/'.join(address.pod)} did not answer within {TIMEOUT:.0f} s")
        except (ClientError, OSError) as error:
            return _refusal(502, f"pod {'/'.join(address.pod)} is not there: {type(error).__name__}: {error}")

    async def _copy(self, request: web.BaseRequest, address: Address, body: bytes) -> None:
        """A mirrored request: its answer is nobody's."""
        answer = await self._forward(request, address, body)
        log.debug("mirrored", pod=address.pod, status=answer.status)

    def _spawn(self, coroutine: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _routable(request: web.BaseRequest) -> Request:
    host = urlsplit(f"//{request.host}").hostname or ""
    headers = {key.lower(): value for key, value in request.headers.items()}
    return Request(host, request.path, request.method, headers, request.query)


def _end_to_end(headers: Mapping[str, str]) -> CIMultiDict[str]:
    """The headers that mean something beyond one connection."""
    return CIMultiDict((key, value) for key, value in headers.items() if key.lower() not in _HOP_BY_HOP)


def _refusal(status: int, reason: str) -> web.Response:
    return web.Response(status=status, text=f"{reason}\n", headers={"X-Gateway-Error": reason})
