"""Whether what was heard of a cluster is all that there is to hear."""

import asyncio
from collections.abc import Iterable, Mapping

from rollouts.kube.cache import Cache
from rollouts.kube.refs import Obj, Resource
from rollouts.kube.wire import Wire


async def caught_up(wire: Wire, caches: Mapping[Resource, Cache]) -> None:
    """Wait until the caches hold what the API server does."""
    for resource, cache in caches.items():
        while _versions(cache) != _versions((await wire.list(resource, "")).items):  # noqa: ASYNC110 # other processes give no event to wait for
            await asyncio.sleep(0.01)


def _versions(objects: Iterable[Obj]) -> set[tuple[str, str]]:
    return {(obj["metadata"]["uid"], obj["metadata"]["resourceVersion"]) for obj in objects}
