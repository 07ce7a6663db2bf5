"""The routing objects of Rollouts, as the caches have them."""

from collections.abc import Iterator

from analysis.schema import Obj
from rollouts.api.rollout import Rollout
from rollouts.kube.refs import Ref, name_of
from rollouts.observe.caches import Caches
from rollouts.traffic.base import Router, Selection, TrafficSettings, look
from rollouts.traffic.registry import routers


class Routing:
    """Finds what routers need."""

    def __init__(self, caches: Caches, settings: TrafficSettings) -> None:
        self._caches = caches
        self._settings = settings

    def routers(self, rollout: Rollout) -> tuple[Router, ...]:
        """Those that share the traffic of a Rollout."""
        return tuple(routers(rollout, self._settings))

    def objects(self, router: Router) -> dict[Ref, Obj]:
        """Those of the objects that this router needs which exist."""
        return look(router, self._object, self._selected)

    def told(self, rollout: Rollout) -> tuple[tuple[str, ...], str]:
        """The routing objects in words, and what is wrong with them."""
        named: list[str] = []
        for router in self.routers(rollout):
            objects = self.objects(router)
            error = router.fault(objects)
            if error:
                return (), error
            named += map(str, objects)
        return tuple(dict.fromkeys(named)), ""

    def _selected(self, selection: Selection) -> Iterator[Ref]:
        cache = self._caches.routing.get(selection.resource)
        for obj in cache.objects(selection.namespace) if cache is not None else ():
            if selection.selector.matches(obj["metadata"].get("labels") or {}):
                yield Ref(selection.resource, selection.namespace, name_of(obj))

    def _object(self, ref: Ref) -> Obj | None:
        cache = self._caches.routing.get(ref.resource)
        return cache.get(ref.namespace, ref.name) if cache is not None else None
