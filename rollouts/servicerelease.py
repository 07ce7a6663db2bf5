"""Letting go of Services and routing objects that no Rollout names any more: what was written into them is taken back.

A Service that still selected one pod template hash after its Rollout was deleted would lose its pods with the first
change by anybody else; so would a DestinationRule, and an Ingress of a load balancer would go on sharing traffic.
"""

from collections.abc import Callable

from rollouts.api import labels
from rollouts.apply import service_patch
from rollouts.interest import by_routing, key_of
from rollouts.kube.cache import Cache, Key
from rollouts.kube.errors import NotFound
from rollouts.kube.patch import merge_patch
from rollouts.kube.refs import ROLLOUT, SERVICE, Obj
from rollouts.kube.wire import Wire
from rollouts.observe.caches import Caches
from rollouts.observe.services import named_services
from rollouts.traffic.base import TrafficSettings
from rollouts.traffic.release import managers, marked, names, released


def managed_by(service: Obj) -> str:
    """Name of the Rollout that manages a Service, or ""."""
    return str((service["metadata"].get("annotations") or {}).get(labels.MANAGED_BY_ROLLOUTS, ""))


class ServiceRelease:
    """Reconciles Services by key."""

    def __init__(self, wire: Wire, caches: Caches) -> None:
        self._wire = wire
        self._caches = caches

    async def reconcile(self, key: Key) -> float | None:
        """Release the Service if the Rollout that it names is gone or does not name it back."""
        service = self._caches.services.get(*key)
        owner = managed_by(service) if service is not None else ""
        if not owner:
            return None
        rollout = await _rollout(self._wire, self._caches, key[0], owner)
        if rollout is not None and key[1] in named_services(rollout):
            return None
        released = service_patch(None, None)
        self._caches.services.put(await self._wire.patch(SERVICE, *key, released))
        return None


class RoutingRelease:
    """Reconciles routing objects by key, and says by `look` which of them have to be: those that a Rollout has left.

    Of objects that were left while no controller ran, those are found whose kind some Rollout still uses.
    """

    def __init__(self, wire: Wire, caches: Caches, traffic: TrafficSettings, look: Callable[[Key], None]) -> None:
        self._wire = wire
        self._caches = caches
        self._routing = [caches.routing[resource] for resource in marked(traffic)]
        self._look = look
        caches.rollouts.subscribe(self._rollout_changed)
        for cache in self._routing:
            cache.subscribe(self._routing_changed)

    def _rollout_changed(self, old: Obj | None, new: Obj | None) -> None:
        if old is None or (new is not None and by_routing(old) == by_routing(new)):
            return
        namespace, name = key_of(old)
        for cache in self._routing:
            for obj in cache.objects(namespace):
                if name in managers(obj):
                    self._look(key_of(obj))

    def _routing_changed(self, old: Obj | None, new: Obj | None) -> None:
        if new is not None and managers(new):
            self._look(key_of(new))

    async def reconcile(self, key: Key) -> float | None:
        """Release the objects of this name from every Rollout that is gone or does not name them."""
        for cache in self._routing:
            obj = cache.get(*key)
            for owner in managers(obj) if obj is not None else ():
                rollout = await _rollout(self._wire, self._caches, key[0], owner)
                if obj is not None and not (rollout is not None and names(rollout, obj)):
                    obj = await self._release(cache, obj, owner)
        return None

    async def _release(self, cache: Cache, obj: Obj, owner: str) -> Obj:
        patch = merge_patch(obj, released(obj, owner))
        version = obj["metadata"].get("resourceVersion", "")
        patch["metadata"] = {**patch.get("metadata", {}), "resourceVersion": version}
        written = await self._wire.patch(cache.resource, *key_of(obj), patch)
        cache.put(written)
        return written


async def _rollout(wire: Wire, caches: Caches, namespace: str, name: str) -> Obj | None:
    """The Rollout of this name, also one that another controller looks after, which is in no cache of ours."""
    known = caches.rollouts.get(namespace, name)
    if known is not None:
        return known
    try:
        return await wire.get(ROLLOUT, namespace, name)
    except NotFound:
        return None
