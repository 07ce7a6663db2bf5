"""Letting go of Services that no Rollout names any more: their selector and annotation are taken back.

A Service that still selected one pod template hash after its Rollout was deleted would lose its pods with the first
change by anybody else.
"""

from rollouts.api import labels
from rollouts.apply import service_patch
from rollouts.kube.cache import Key
from rollouts.kube.refs import SERVICE, Obj
from rollouts.kube.wire import Wire
from rollouts.observe import Caches, named_services


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
        rollout = self._caches.rollouts.get(key[0], owner)
        if rollout is not None and key[1] in named_services(rollout):
            return None
        released = service_patch(None, None)
        self._caches.services.put(await self._wire.patch(SERVICE, *key, released))
        return None
