"""What the sandbox's controllers know of the API, one cache per kind for all of them, and their writes through it.

Answers to writes enter the caches at once, so a controller always reads what it has written.
"""

import asyncio

from rollouts.kube.cache import Cache
from rollouts.kube.errors import NotFound
from rollouts.kube.refs import Obj, Resource, name_of, namespace_of, uid_of
from rollouts.kube.watch import IN_PROCESS, Pace, Watcher
from rollouts.kube.wire import PatchType, Propagation, Wire
from rollouts.sandbox.workloads.meta import is_deleting, key_of


class Caches:
    """One cache per resource, shared by all who ask, and filled for as long as `run` runs."""

    def __init__(self, wire: Wire, pace: Pace = IN_PROCESS) -> None:
        self.wire = wire
        self._pace = pace
        self._caches: dict[Resource, Cache] = {}
        self._watchers: dict[Resource, Watcher] = {}
        self._tasks: dict[Resource, asyncio.Task[None]] = {}
        self._group: asyncio.TaskGroup | None = None

    def __getitem__(self, resource: Resource) -> Cache:
        """The cache of a resource; asked for the first time, it begins to be filled."""
        if resource not in self._caches:
            self._caches[resource] = Cache(resource)
            self._watchers[resource] = Watcher(self.wire, self._caches[resource], optional=True, pace=self._pace)
            self._start(resource)
        return self._caches[resource]

    def discard(self, resource: Resource) -> None:
        """Nobody needs this resource any more: its kind has been taken from the API."""
        self._caches.pop(resource, None)
        self._watchers.pop(resource, None)
        if (task := self._tasks.pop(resource, None)) is not None:
            task.cancel()

    async def synced(self) -> None:
        """Wait until every cache has been filled once."""
        for watcher in list(self._watchers.values()):
            await watcher.synced.wait()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as self._group:
            for resource in self._caches:
                self._start(resource)
            await asyncio.Event().wait()

    def _start(self, resource: Resource) -> None:
        if self._group is not None:
            watching = self._watchers[resource].run()
            self._tasks[resource] = self._group.create_task(watching, name=f"watch {resource.plural}")

    # ── writing ────────────────────────────────────────────────────────────

    async def create(self, resource: Resource, namespace: str, obj: Obj) -> Obj:
        made = await self.wire.create(resource, namespace, obj)
        self[resource].put(made)
        return made

    async def patch(
        self, resource: Resource, obj: Obj, patch: Obj, *, type: PatchType = PatchType.MERGE, subresource: str = ""
    ) -> Obj:
        """A patch of the object with this one's name. A uid in the patch's metadata makes it conditional."""
        made = await self.wire.patch(
            resource, namespace_of(obj), name_of(obj), patch, type=type, subresource=subresource
        )
        self[resource].put(made)
        return made

    async def delete(
        self, resource: Resource, obj: Obj, *, propagation: Propagation | None = None, grace_period: int | None = None
    ) -> None:
        """Delete exactly this object, not another one of its name. That it is gone already is no error."""
        namespace, name = key_of(obj)
        try:
            left = await self.wire.delete(
                resource, namespace, name, propagation=propagation, uid=uid_of(obj), grace_period=grace_period
            )
        except NotFound:
            left = None
        if isinstance(left, dict) and left.get("kind") == resource.kind and is_deleting(left) and grace_period != 0:
            self[resource].put(left)
        else:
            self[resource].remove(obj)
