"""Everything the demo plays on: a cluster that serves real HTTP, a gateway, Prometheus, the controller, users."""

import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from rollouts.kube.refs import POD, SERVICE, Obj
from rollouts.kube.wire import Wire
from rollouts.sandbox import clock
from rollouts.sandbox.apiserver.server import ApiServer
from rollouts.sandbox.apiserver.web.http import serving
from rollouts.sandbox.app import HttpPods
from rollouts.sandbox.cluster import Cluster
from rollouts.sandbox.demo.process import Controller
from rollouts.sandbox.demo.routers import Router
from rollouts.sandbox.gateway import Gateway
from rollouts.sandbox.kubeconfig import kubeconfig as kubeconfig_of
from rollouts.sandbox.kubeconfig import write
from rollouts.sandbox.load import Load
from rollouts.sandbox.prometheus import Prometheus
from rollouts.sandbox.targets import Discovery
from rollouts.sandbox.up import definitions

RATE = 100.0
"""Requests per second of all users."""

_PATIENCE = 30.0
"""Seconds that a user waits for an answer: a machine that is busy with other things is no fault of a release."""

_PROMETHEUS = "http://prometheus.monitoring:9090"


@dataclass(frozen=True, slots=True)
class Environment:
    """What runs. `users` come once they are started."""

    router: Router
    wire: Wire
    kubeconfig: Path
    gateway: Gateway
    prometheus: Prometheus
    controller: Controller
    users: Load

    def localized(self, objects: list[Obj]) -> list[Obj]:
        """The manifests with Prometheus' name replaced by its address: the sandbox has no DNS."""
        return [_replaced(obj, _PROMETHEUS, self.prometheus.url) for obj in objects]


@asynccontextmanager
async def running(router: Router) -> AsyncIterator[Environment]:
    """Start everything but the users, who will come through this router; all is stopped in the end, in reverse."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rollouts-demo-")))
        pods, server = HttpPods(), ApiServer(clock.now)
        stack.push_async_callback(pods.close)
        cluster = await stack.enter_async_context(Cluster(runtime=pods, server=server, crds=definitions()))
        endpoint = await stack.enter_async_context(serving(server))
        kubeconfig = write(folder / "kubeconfig", kubeconfig_of(endpoint.url))
        gateway = Gateway(cluster.wire)
        stack.push_async_callback(gateway.stop)
        await gateway.start()
        discovery = Discovery(gateway.caches[POD], gateway.caches[SERVICE])
        stack.push_async_callback(discovery.stop)
        prometheus = await stack.enter_async_context(Prometheus(await discovery.start()))
        controller = Controller(kubeconfig, folder / "controller.log")
        stack.push_async_callback(controller.stop)
        await controller.start()
        users = Load(gateway.url, router.host, RATE, timeout=_PATIENCE)
        stack.push_async_callback(users.stop)
        yield Environment(router, cluster.wire, kubeconfig, gateway, prometheus, controller, users)


def _replaced(value: Obj, old: str, new: str) -> Obj:
    """The object with a text replaced wherever a whole value is that text."""

    def walk(part: object) -> object:
        if isinstance(part, dict):
            return {key: walk(inner) for key, inner in part.items()}
        if isinstance(part, list):
            return [walk(inner) for inner in part]
        return new if part == old else part

    return {key: walk(inner) for key, inner in value.items()}
