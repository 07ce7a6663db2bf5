"""The controller as a program: reaches the API server, answers probes, leads or stands by, and stops in order."""

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Callable
from contextlib import nullcontext

import structlog

from rollouts import __version__
from rollouts.health import HealthServer, stuck
from rollouts.kube.access import Access, AccessError
from rollouts.kube.clock import wall_clock
from rollouts.kube.http import HttpWire, connect
from rollouts.kube.lease import LeadershipLost, Lease
from rollouts.logs import configure
from rollouts.manager import Controllers
from rollouts.metrics import Metrics
from rollouts.settings import Settings

log = structlog.get_logger(__name__)


def run(settings: Settings) -> int:
    """Run until a signal ends it. Returns the exit code: 0 after an orderly stop, 1 when it could not go on."""
    configure(settings.log_level, settings.log_format)
    _collect_garbage_seldom()
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(_main(settings))


def _collect_garbage_seldom() -> None:
    """Caches hold hundreds of thousands of objects that live on; to look through them again and again took an eighth
    of the processor time, and stopped everything while it lasted."""
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)


def _loop_factory() -> "type[asyncio.AbstractEventLoop] | None":
    try:
        import uvloop
    except ImportError:  # not made for this platform; asyncio's own loop does the same, more slowly
        return None
    return uvloop.Loop


async def _main(settings: Settings) -> int:
    metrics = Metrics(__version__)
    agent = f"rollouts-controller/{__version__}"
    try:
        wire = await connect(settings.access, user_agent=agent, on_request=metrics.request)
        job_wire = await _job_wire(settings.job_kubeconfig, agent)
    except AccessError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    async with wire, job_wire or nullcontext():
        return await _serve(settings, wire, job_wire, metrics)


async def _job_wire(kubeconfig: str, agent: str) -> HttpWire | None:
    """The way to the cluster that Jobs of analysis run in; None when it is the controller's own. Raises AccessError."""
    if not kubeconfig:
        return None
    if kubeconfig == "in-cluster":
        environ = {key: value for key, value in os.environ.items() if key.startswith("KUBERNETES_")}
        return await connect(Access(), user_agent=agent, environ=environ)
    return await connect(Access(kubeconfig=kubeconfig), user_agent=agent)


async def _serve(settings: Settings, wire: HttpWire, job_wire: HttpWire | None, metrics: Metrics) -> int:
    controllers = Controllers(wire, settings, metrics=metrics, job_wire=job_wire)
    lease = Lease(
        wire,
        wall_clock,
        namespace=settings.controller_namespace,
        name=settings.lease_name,
        identity=settings.identity,
        terms=settings.terms,
    )

    def ready() -> str:
        if settings.leader_elect and not lease.leading:
            return "" if lease.holder else "no leader is known yet"
        return "" if controllers.synced else "the caches are not filled yet"

    async def lead() -> None:
        metrics.sources = controllers.sources
        await controllers.run()

    health = HealthServer(
        alive=lambda: stuck(controllers.queues),
        ready=ready,
        metrics=metrics.expose,
        healthz_port=settings.healthz_port,
        metrics_port=settings.metrics_port,
    )
    try:
        await health.__aenter__()
    except OSError as error:
        print(f"Error: {error.strerror}: --healthzPort and --metricsPort choose other ports", file=sys.stderr)
        return 1
    try:
        log.info("controller started", version=__version__, server=wire.server, instance_id=settings.instance_id)
        work = asyncio.create_task(lease.run(lead) if settings.leader_elect else lead())
        return await _until_stopped(work, controllers, lambda: settings.leader_elect and not lease.leading)
    finally:
        await health.__aexit__()


async def _until_stopped(work: "asyncio.Task[None]", controllers: Controllers, standing_by: Callable[[], bool]) -> int:
    """Wait for the work or a signal. The first signal ends things in order, a second one at once and with code 1."""
    loop, asked, urged = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()

    def stop() -> None:
        if asked.is_set():
            urged.set()
            work.cancel()
        asked.set()

    for signum in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signum, stop)
    asking = asyncio.create_task(asked.wait())
    await asyncio.wait({work, asking}, return_when=asyncio.FIRST_COMPLETED)
    asking.cancel()
    if not work.done():
        log.info("stopping: finishing what is in hand")
        controllers.stop()
        if standing_by():
            work.cancel()  # there is nothing to finish, nor anybody who would look at `stop`
    try:
        await work
    except asyncio.CancelledError:
        return 1 if urged.is_set() else 0
    except LeadershipLost as error:
        log.error("leadership lost, stopping so that no two controllers act", why=str(error))
        return 1
    return 0
