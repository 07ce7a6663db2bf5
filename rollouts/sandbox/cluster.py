"""A cluster in a process: an API server, its controllers and a kubelet, started and stopped as one."""

import asyncio
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from functools import cache
from types import TracebackType
from typing import Protocol, Self

from rollouts.api.crds import DEFINITIONS, crd
from rollouts.kube.errors import AlreadyExists
from rollouts.kube.refs import CRD, Obj
from rollouts.kube.watch import IN_PROCESS, Pace
from rollouts.kube.wire import Wire
from rollouts.sandbox import clock
from rollouts.sandbox.apiserver.server import ApiServer
from rollouts.sandbox.kubelet.kubelet import USUAL, Kubelet, Timing
from rollouts.sandbox.kubelet.runtime import PodRuntime
from rollouts.sandbox.workloads.caches import Caches
from rollouts.sandbox.workloads.deployment import DeploymentController
from rollouts.sandbox.workloads.disruption import DisruptionController
from rollouts.sandbox.workloads.endpoints import EndpointsController
from rollouts.sandbox.workloads.garbage import GarbageCollector
from rollouts.sandbox.workloads.job import JobController
from rollouts.sandbox.workloads.kinds import Kinds
from rollouts.sandbox.workloads.replicaset import ReplicaSetController

CONTROLLERS = frozenset({"replicaset", "deployment", "job", "endpoints", "disruption", "garbage"})
"""The parts of kube-controller-manager that there are. A real control plane brings its own: run none of them there."""


@cache
def own_crds() -> tuple[Obj, ...]:
    """The CustomResourceDefinitions of argoproj.io. Shared: not to be changed."""
    return tuple(crd(definition) for definition in DEFINITIONS)


class _Controller(Protocol):
    async def run(self) -> None: ...


class Cluster:
    """`async with Cluster() as cluster:` and `cluster.wire` is a cluster in which pods live.

    `server`: the API server to run around; made here when neither it nor a `wire` to another one is given.
    `controllers`: which of CONTROLLERS to run beside the kubelet. `crds`: CustomResourceDefinitions to begin with, by
    default our own.
    `timing`: what pods take where their annotations do not say. `runtime`: what pods serve.
    An unforeseen end of any part ends the whole, with its error.
    """

    def __init__(
        self,
        *,
        now: clock.Clock = clock.now,
        timing: Timing = USUAL,
        runtime: PodRuntime | None = None,
        server: ApiServer | None = None,
        wire: Wire | None = None,
        controllers: Collection[str] = CONTROLLERS,
        crds: Iterable[Obj] | None = None,
    ) -> None:
        if unknown := set(controllers) - CONTROLLERS:
            raise ValueError(f"no such controllers: {sorted(unknown)}; there are {sorted(CONTROLLERS)}")
        self.server = server if server is not None or wire is not None else ApiServer(now)
        self.wire = _wire(self.server, wire, "user")
        self.caches = Caches(_wire(self.server, wire, "cluster"), IN_PROCESS if self.server is not None else Pace())
        self._crds = own_crds() if crds is None else tuple(crds)
        self._kubelet = Kubelet(self.caches, now, runtime, timing)
        self._parts: list[_Controller] = [self._kubelet, *_parts(self.caches, now, frozenset(controllers))]
        self._group = asyncio.TaskGroup()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        for definition in self._crds:
            with suppress(AlreadyExists):
                await self.wire.create(CRD, "", definition)
        await self._group.__aenter__()
        for part in (self.caches, *self._parts):
            self._tasks.append(self._group.create_task(part.run(), name=type(part).__name__))
        await self.caches.synced()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in reversed(self._tasks):
            task.cancel()
        await self._group.__aexit__(kind, error, trace)


def _wire(server: ApiServer | None, wire: Wire | None, actor: str) -> Wire:
    if wire is not None:
        return wire
    assert server is not None
    return server.as_user(actor)


def _parts(caches: Caches, now: clock.Clock, names: frozenset[str]) -> Iterable[_Controller]:
    if "replicaset" in names:
        yield ReplicaSetController(caches, now)
    if "deployment" in names:
        yield DeploymentController(caches, now)
    if "job" in names:
        yield JobController(caches, now)
    if "endpoints" in names:
        yield EndpointsController(caches)
    if "disruption" in names:
        yield DisruptionController(caches, now)
    if "garbage" in names:
        yield GarbageCollector(caches, Kinds(caches))


def causes(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    """The errors in a group: whatever passes the cluster's tasks comes out as one."""
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from causes(error)
        else:
            yield error
