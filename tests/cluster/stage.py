"""The stage of the stories on a real control plane: the same words, real time, and an API server that is nobody's toy.

The controller works as its ServiceAccount, under the rules of `deploy/`; people are administrators; pods live by the
sandbox's kubelet. What is looked at is a mirror of the cluster, kept by watches and by the answers to what is written.
"""

import asyncio
import functools
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from rollouts.kube.cache import parse_version
from rollouts.kube.clock import wall_clock
from rollouts.kube.errors import AlreadyExists, ApiError, NotFound
from rollouts.kube.http import HttpWire
from rollouts.kube.refs import (
    ANALYSIS_RUN,
    ANALYSIS_TEMPLATE,
    CLUSTER_ANALYSIS_TEMPLATE,
    DEPLOYMENT,
    EVENT,
    EXPERIMENT,
    INGRESS,
    JOB,
    POD,
    POD_TEMPLATE,
    REPLICA_SET,
    ROLLOUT,
    SECRET,
    SERVICE,
    Obj,
    Resource,
    name_of,
    namespace_of,
)
from rollouts.manager import Controllers
from rollouts.metrics import Metrics
from rollouts.sandbox.apiserver.types.registry import POD_DISRUPTION_BUDGET
from rollouts.sandbox.cluster import Cluster
from rollouts.sandbox.kubelet.kubelet import Timing
from rollouts.sandbox.workloads.caches import Caches
from rollouts.settings import parse
from tests.cluster.connecting import connected
from tests.stories.families import routers
from tests.stories.line import Line
from tests.stories.stage import Stage

T = TypeVar("T")
_SWEPT = (
    ROLLOUT,
    DEPLOYMENT,
    JOB,
    EXPERIMENT,
    ANALYSIS_RUN,
    ANALYSIS_TEMPLATE,
    CLUSTER_ANALYSIS_TEMPLATE,
    REPLICA_SET,
    POD_DISRUPTION_BUDGET,
    POD,
    POD_TEMPLATE,
    SERVICE,
    SECRET,
    INGRESS,
    *routers(),
    EVENT,
)
_KEPT = frozenset({"kube-system", "kube-public", "kube-node-lease", "argo-rollouts"})
_LONGEST = 60.0
"""Seconds that anything is waited for: twice the usual scale-down delay, which real time does not shorten."""
_MOMENT = 1.5
"""Seconds of real time that stand for a stretch in which nothing is to happen."""


@dataclass(frozen=True, slots=True)
class Doors:
    """Two ways into one cluster: kubeconfigs of an administrator and of the controller's ServiceAccount."""

    admin: Path
    controller: Path


class Told:
    """A Wire whose answers to writes are in the mirror before whoever wrote looks there."""

    def __init__(self, wire: HttpWire, caches: Callable[[], Caches]) -> None:
        self._wire, self._caches = wire, caches

    def __getattr__(self, name: str) -> Any:
        return getattr(self._wire, name)

    async def _noted(self, resource: Resource, answer: Awaitable[Obj]) -> Obj:
        made = await answer
        if made.get("kind") == resource.kind:
            self._caches()[resource].put(made)
        return made

    async def create(self, resource: Resource, *args: Any, **options: Any) -> Obj:
        return await self._noted(resource, self._wire.create(resource, *args, **options))

    async def replace(self, resource: Resource, *args: Any, **options: Any) -> Obj:
        return await self._noted(resource, self._wire.replace(resource, *args, **options))

    async def delete(self, resource: Resource, namespace: str, name: str, **options: Any) -> Any:
        answer = await self._wire.delete(resource, namespace, name, **options)
        held = self._caches()[resource].get(namespace if resource.namespaced else "", name)
        if held is not None and answer.get("kind") != resource.kind:  # what is gone at once is answered by a Status
            self._caches()[resource].remove(held)
        return answer

    async def patch(self, resource: Resource, *args: Any, **options: Any) -> Obj:
        return await self._noted(resource, self._wire.patch(resource, *args, **options))


class RealStage(Stage):
    """`Stage`, with `doors` to a real cluster. There is no `server` whose store could be looked into."""

    in_order = False
    _clock = staticmethod(wall_clock)

    def __init__(self, doors: Doors, *flags: str, controller: bool = True, **cluster: Any) -> None:
        super().__init__(*flags, controller=controller, **cluster)
        del self.server
        self._doors = doors
        self._pods: dict[str, Any] = {"timing": Timing(0.1, 0.1), **cluster}
        self._exits = AsyncExitStack()
        self._looks: list[Callable[[], None]] = []
        self._looked_at: set[Resource] = set()
        self._admin: HttpWire
        self._way: HttpWire

    async def __aenter__(self) -> Self:
        self._admin = await self._exits.enter_async_context(connected(self._doors.admin))
        self._way = await self._exits.enter_async_context(connected(self._doors.controller))
        self.cluster = Cluster(wire=self._admin, controllers=(), crds=(), **self._pods)
        for resource in _SWEPT:
            self.cluster.caches[resource].subscribe(lambda old, new: self._noticed())
        await self.cluster.__aenter__()
        self.wire = Told(self._admin, lambda: self.cluster.caches)
        await self._sweep()
        self.course.clear()
        if self._begins_at_once:
            self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await super().__aexit__(kind, error, trace)
        await self._exits.aclose()

    async def _sweep(self) -> None:
        """Remove what an earlier story left."""
        for resource in _SWEPT:
            for obj in self._left(resource):
                hurry = {"grace_period": 0} if resource is POD else {"propagation": "Background"}
                with suppress(NotFound):
                    await self.wire.delete(resource, namespace_of(obj), name_of(obj), **hurry)
        for resource in _SWEPT[:-1]:
            await self.until(functools.partial(self._is_swept, resource))

    def _is_swept(self, resource: Resource) -> bool:
        return not list(self._left(resource))

    def _left(self, resource: Resource) -> Iterable[Obj]:
        for obj in list(self.cluster.caches[resource]):
            if namespace_of(obj) not in _KEPT and not _is_the_clusters_own(resource, obj):
                yield obj

    # ── the controller ──

    def start(self) -> None:
        self.line = Line(self._way)
        self.metrics = Metrics("stage")
        settings = parse(list(self.flags), {})
        self.controllers = Controllers(
            self.line, settings, clock=self._clock, http=self.prometheus.http(), metrics=self.metrics
        )
        self.metrics.sources = self.controllers.sources
        self._task = asyncio.create_task(self.controllers.run(), name="controller")

    # ── what people do and see ──

    async def apply(self, *manifests: Obj) -> None:
        for manifest in manifests:
            while True:
                try:
                    await super().apply(manifest)
                    break
                except AlreadyExists:
                    if manifest["kind"] != "Namespace":
                        raise
                    break
                except ApiError as error:  # written meanwhile by somebody else: kubectl would try again, too
                    if error.reason != "Conflict":
                        raise
                    await asyncio.sleep(0.05)

    def find(self, resource: Resource, name: str, namespace: str = "default") -> Obj | None:
        self._looked_at.add(resource)
        return self.cluster.caches[resource].get(namespace if resource.namespaced else "", name)

    def all(self, resource: Resource, namespace: str = "default") -> list[Obj]:
        self._looked_at.add(resource)
        found = (obj for obj in self.cluster.caches[resource] if namespace_of(obj) == namespace)
        return [obj for obj in found if not _is_the_clusters_own(resource, obj)]

    async def events(self, name: str = "r") -> list[tuple[str, str]]:
        await asyncio.sleep(_MOMENT)
        for about in filter(None, (self.find(kind, name) for kind in (ROLLOUT, EXPERIMENT, ANALYSIS_RUN))):
            await self.controllers.recorder.settled(about, _LONGEST / 6)
        await self._list(EVENT)
        told = [event for event in self.all(EVENT) if event["involvedObject"]["name"] == name]
        told.sort(key=lambda event: int(event["metadata"]["resourceVersion"]))
        return [(event["reason"], event["message"]) for event in told]

    def whenever(self, look: Callable[[], None]) -> None:
        self._looks.append(look)

    def _noticed(self) -> None:
        super()._noticed()
        for look in self._looks:
            look()

    async def until(self, holds: Callable[[], T], limit: float = 120.0) -> T:
        """What holds in the whole cluster at once: watches of different kinds hear of it one after the other.

        How fast it came is for the sandbox to say: a machine that is busy with control planes takes its time.
        """
        while True:
            await super().until(holds, _LONGEST)
            await self._catch_up()
            if found := holds():
                return found

    async def _catch_up(self) -> None:
        """Bring the mirror to where the cluster is, as far as the story looks at it."""
        await asyncio.gather(*map(self._list, self._looked_at))

    async def _list(self, resource: Resource) -> None:
        cache = self.cluster.caches[resource]
        mark = cache.mark
        with suppress(NotFound):  # of a kind that is not there
            listing = await self._admin.list(resource, "")
            cache.replace(listing.items, parse_version(listing.resource_version), mark)

    async def passes(self, seconds: float) -> None:
        """Real time does not pass faster: a long stretch is cut short."""
        await asyncio.sleep(min(seconds, _MOMENT))
        await self._catch_up()


def _is_the_clusters_own(resource: Resource, obj: Obj) -> bool:
    """Whether this is the Service by which the API server is found, which no story made."""
    return resource is SERVICE and name_of(obj) == "kubernetes"
