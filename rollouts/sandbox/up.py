"""`rollouts sandbox up`: a cluster in this process, served on loopback until it is told to stop."""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import uvloop

from rollouts.api.crds import DEFINITIONS, crd
from rollouts.kube.refs import CRD, NAMESPACE, Obj
from rollouts.sandbox import clock
from rollouts.sandbox.apiserver.server import ApiServer
from rollouts.sandbox.apiserver.web.http import serving
from rollouts.sandbox.app import HttpPods
from rollouts.sandbox.cluster import CONTROLLERS, Cluster, causes
from rollouts.sandbox.gateway import Gateway
from rollouts.sandbox.kubeconfig import kubeconfig, remove, write
from rollouts.sandbox.manifests import manifest

CONTROLLER_NAMESPACE = "argo-rollouts"
"""Where a controller keeps its lease; there from the start, so that one can be run on the sandbox at once."""


@dataclass(frozen=True, slots=True)
class Options:
    """How the sandbox is to run: ports of the API and of the users' way in (0: any that is free).

    `workloads`: whether ReplicaSets, Deployments, Jobs and pods come to life in it, and users can come.
    """

    kubeconfig: Path
    port: int = 0
    gateway_port: int = 0
    workloads: bool = True


@dataclass(frozen=True, slots=True)
class Doors:
    """Where a sandbox can be reached. `gateway` is where users come in, "" without workloads."""

    api: str
    gateway: str


def default_kubeconfig() -> Path:
    """In the user's cache folder, so that no kubeconfig of a real cluster is touched."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "rollouts" / "sandbox.kubeconfig"


def definitions() -> list[Obj]:
    """The CustomResourceDefinitions the sandbox begins with: those of Rollouts, and of the routers that need some."""
    return [*(crd(definition) for definition in DEFINITIONS), *manifest("istio-crds"), *manifest("gateway-api-crds")]


@asynccontextmanager
async def sandbox(options: Options) -> AsyncIterator[Doors]:
    """The sandbox as long as the block lasts; the kubeconfig is written once it answers, and removed in the end."""
    server = ApiServer(clock.now)
    await server.create(NAMESPACE, "", {"metadata": {"name": CONTROLLER_NAMESPACE}})
    async with _life(server, options) as gateway, serving(server, port=options.port) as endpoint:
        config = kubeconfig(endpoint.url)
        write(options.kubeconfig, config)
        try:
            yield Doors(endpoint.url, gateway)
        finally:
            remove(options.kubeconfig, config)


@asynccontextmanager
async def _life(server: ApiServer, options: Options) -> AsyncIterator[str]:
    """What lives beside the API; yields where users come in."""
    if not options.workloads:
        for definition in definitions():
            await server.create(CRD, "", definition)
        yield ""
        return
    async with AsyncExitStack() as stack:
        pods = HttpPods()
        stack.push_async_callback(pods.close)
        await stack.enter_async_context(
            Cluster(runtime=pods, server=server, crds=definitions(), controllers=CONTROLLERS)
        )
        gateway = Gateway(server.as_user("gateway"))
        stack.push_async_callback(gateway.stop)
        yield await gateway.start(options.gateway_port)


async def serve(options: Options, ready: Callable[[Doors], None]) -> None:
    """Run the sandbox until SIGINT or SIGTERM; `ready` is called when it answers."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        async with sandbox(options) as doors:
            ready(doors)
            await stop.wait()
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


def run(argv: Sequence[str]) -> int:
    """`rollouts sandbox up ARGV`; the exit code: 0 once told to stop, 1 when it cannot be started."""
    options = parse(argv)

    def ready(doors: Doors) -> None:
        print(welcome(doors, options), flush=True)

    code = 0
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(options, ready))
    except* OSError as group:
        for error in causes(group):
            print(f"Error: the sandbox cannot serve: {error}", file=sys.stderr)
        code = 1
    return code


def parse(argv: Sequence[str]) -> Options:
    """The options in a command line. Exits with 2 and usage on stderr when it cannot be read."""
    parser = argparse.ArgumentParser("rollouts sandbox up", description=__doc__, allow_abbrev=False)
    parser.add_argument("--port", type=int, default=0, help="the port on 127.0.0.1 (default: any that is free)")
    parser.add_argument(
        "--gateway-port", type=int, default=0, help="where users come in on 127.0.0.1 (default: any that is free)"
    )
    parser.add_argument(
        "--kubeconfig", type=Path, default=default_kubeconfig(), help="where to write it (default: %(default)s)"
    )
    parser.add_argument(
        "--no-workloads", action="store_true", help="only the API: no pods, and nothing that makes or counts them"
    )
    read = parser.parse_args(argv)
    return Options(read.kubeconfig, read.port, read.gateway_port, not read.no_workloads)


def welcome(doors: Doors, options: Options) -> str:
    """What a person has to know of a sandbox that answers."""
    users = f"""
Users come in at {doors.gateway}, and go where Services, VirtualServices, HTTPRoutes and Ingresses say:
  curl -i -H 'Host: <host or Service>' {doors.gateway}/
"""
    return f"""\
The sandbox serves the Kubernetes API at {doors.api}; Ctrl-C stops it and forgets everything.

  export KUBECONFIG={options.kubeconfig}
  kubectl get pods --all-namespaces
  rollouts controller              # in another terminal: moves Rollouts
{users if doors.gateway else ""}"""
