"""Wires over HTTP to a server of a test's own: the sandbox's, or one that answers everything with one handler."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from rollouts.kube.access import Access
from rollouts.kube.http import HttpWire, Request, connect
from rollouts.kube.refs import Obj
from rollouts.sandbox.apiserver.server import ApiServer
from rollouts.sandbox.apiserver.web.http import serving

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
AGENT = "rollouts-controller/0.0.0"


def config_map(name: str, **data: str) -> Obj:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


@asynccontextmanager
async def wired(server: ApiServer, requests: list[Request] | None = None) -> AsyncIterator[HttpWire]:
    async with serving(server) as endpoint:
        on_request = None if requests is None else requests.append
        access = Access(server=endpoint.url)
        async with await connect(access, user_agent=AGENT, environ={}, on_request=on_request) as wire:
            yield wire


@asynccontextmanager
async def answered(handler: Handler, **access: float | str | bool | tuple[str, ...]) -> AsyncIterator[HttpWire]:
    """A wire to a server that answers everything with one handler."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.5)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        async with await connect(Access(server=url, **access), user_agent=AGENT, environ={}) as wire:  # type: ignore[arg-type] # because the fields differ in type
            yield wire
    finally:
        await runner.cleanup()


def refusal(code: int, reason: str = "", message: str = "", **headers: str) -> web.Response:
    status = {"kind": "Status", "apiVersion": "v1", "code": code, "reason": reason, "message": message}
    return web.json_response(status, status=code, headers=headers)
