"""What the bench runs: a sandbox and a Prometheus stand-in in this process, the controller in one of its own.

The controller reaches the API server over HTTP, as in production, so that its processor time and memory are its own
and hold everything that talking to a cluster costs.
"""

import os
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from rollouts.kube.wire import Wire
from rollouts.sandbox import clock
from rollouts.sandbox.apiserver.server import ApiServer, Request
from rollouts.sandbox.apiserver.web.http import serving
from rollouts.sandbox.bench.usage import Usage, usage
from rollouts.sandbox.cluster import Cluster
from rollouts.sandbox.demo.process import Controller
from rollouts.sandbox.kubeconfig import kubeconfig, write
from rollouts.sandbox.kubelet.kubelet import Timing
from rollouts.sandbox.up import definitions

START_DELAY = 0.3
"""Seconds until a pod is ready."""

ACTOR = "rollouts-controller"
"""The controller's user agent, under which the API server counts its calls."""

PROMETHEUS_SAYS = {
    "status": "success",
    "data": {"resultType": "vector", "result": [{"metric": {}, "value": [0, "1"]}]},
}
"""What Prometheus answers to every query: 1."""


@dataclass(frozen=True, slots=True)
class Environment:
    """What runs. `wire`: the bench's own way to the API server. `requests`: what its clients asked so far.
    `prometheus`: the address that answers every query with 1. `programs`: what else takes time of this machine, by
    process number."""

    wire: Wire
    requests: Callable[[], Mapping[Request, int]]
    controller: Controller
    prometheus: str
    programs: Mapping[str, int]

    def surroundings(self) -> Counter[str]:
        """Seconds of CPU that the other programs have used so far."""
        return Counter({name: usage(pid).cpu for name, pid in self.programs.items()})

    def usage(self) -> Usage:
        """What the controller has used so far. Raises ControllerFailed when it has ended."""
        self.controller.check()
        return usage(self.controller.pid)


@asynccontextmanager
async def running(*, controller: bool = True) -> AsyncIterator[Environment]:
    """Start everything; it is stopped in the end. `controller`: False leaves its start to whoever asks."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rollouts-bench-")))
        server = ApiServer(clock.now, auto_create_namespaces=True)
        prometheus = await stack.enter_async_context(always_well())
        await stack.enter_async_context(Cluster(server=server, crds=definitions(), timing=Timing(START_DELAY)))
        endpoint = await stack.enter_async_context(serving(server))
        written = write(folder / "kubeconfig", kubeconfig(endpoint.url))
        process = Controller(written, folder / "controller.log")
        stack.push_async_callback(process.stop)
        if controller:
            await process.start()
        programs = {"sandbox and bench": os.getpid()}
        yield Environment(server.as_user("bench"), lambda: server.requests, process, prometheus, programs)


@asynccontextmanager
async def always_well() -> AsyncIterator[str]:
    """A server that speaks Prometheus' API and answers 1; its address."""

    async def query(_: web.Request) -> web.Response:
        return web.json_response(PROMETHEUS_SAYS)

    application = web.Application()
    application.router.add_route("*", "/api/v1/query", query)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
