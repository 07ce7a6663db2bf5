"""Objects of a namespace kept up to date while a command watches them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from rollouts.api.labels import POD_TEMPLATE_HASH
from rollouts.kube.cache import Cache
from rollouts.kube.refs import ANALYSIS_RUN, EXPERIMENT, POD, REPLICA_SET, ROLLOUT, Obj, Resource
from rollouts.kube.watch import Scope, Watcher
from rollouts.kube.wire import Wire

_AT_LEAST = 0.2


def scopes(namespace: str, name: str, resource: Resource = ROLLOUT) -> Mapping[Resource, Scope]:
    """What to watch to draw one Rollout (or Experiment): it, and whatever may belong to it."""
    hashed, anything = Scope(namespace, label_selector=POD_TEMPLATE_HASH), Scope(namespace)
    everything = {REPLICA_SET: hashed, POD: hashed, ANALYSIS_RUN: anything, EXPERIMENT: anything}
    return everything | {resource: Scope(namespace, field_selector=f"metadata.name={name}")}


class Live:
    """The objects as last heard; `changed` is set whenever any of them changes."""

    def __init__(self, caches: Mapping[Resource, Cache]) -> None:
        self.changed = asyncio.Event()
        self._caches = caches
        for cache in caches.values():
            cache.subscribe(lambda _old, _new: self.changed.set())

    def objects(self, resource: Resource) -> list[Obj]:
        return self._caches[resource].objects()

    def find(self, resource: Resource, namespace: str, name: str) -> Obj | None:
        return self._caches[resource].get(namespace, name)

    async def follow(self, react: Callable[[], bool], *, every: float | None = None) -> None:
        """Call `react` now, after changes and every `every` seconds, never twice within 0.2 s, until it says True."""
        while not react():
            self.changed.clear()
            await asyncio.sleep(_AT_LEAST)
            try:
                async with asyncio.timeout(every - _AT_LEAST if every else None):
                    await self.changed.wait()
            except TimeoutError:
                continue


@asynccontextmanager
async def watching(wire: Wire, wanted: Mapping[Resource, Scope]) -> AsyncIterator[Live]:
    """Lists and watches these resources while the block runs; it begins when everything has been listed."""
    watchers = [Watcher(wire, Cache(resource), scope) for resource, scope in wanted.items()]
    live = Live({watcher.cache.resource: watcher.cache for watcher in watchers})
    tasks = [asyncio.create_task(watcher.run()) for watcher in watchers]
    try:
        await asyncio.gather(*(watcher.synced.wait() for watcher in watchers))
        yield live
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
