"""Who belongs to whom: controllers take in matching objects that have none, and let go of what matches no more."""

from rollouts.kube.refs import Obj, Resource, controller_of, namespace_of, uid_of
from rollouts.sandbox.apiserver.selectors import LabelSelector
from rollouts.sandbox.workloads.caches import Caches
from rollouts.sandbox.workloads.meta import is_deleting, owner_reference

ORPHANS = "orphans"
"""The index of objects without a controller, by namespace."""


def by_orphanage(obj: Obj) -> tuple[str, ...]:
    """Index function: the namespace of an object that nobody controls."""
    return () if controller_of(obj) else (namespace_of(obj),)


async def claim(caches: Caches, resource: Resource, owner: Obj, selector: LabelSelector) -> list[Obj]:
    """The objects of this resource that `owner` controls, after taking in and letting go."""
    cache = caches[resource]
    kept = []
    for obj in cache.owned_by(uid_of(owner)):
        if selector.matches(obj["metadata"].get("labels")):
            kept.append(obj)
        elif not is_deleting(obj):
            await _release(caches, resource, owner, obj)
    if is_deleting(owner):
        return kept
    orphans = [obj for obj in cache.by(ORPHANS, namespace_of(owner)) if not is_deleting(obj)]
    matching = [obj for obj in orphans if selector.matches(obj["metadata"].get("labels"))]
    return kept + [await _adopt(caches, resource, owner, obj) for obj in matching]


async def _adopt(caches: Caches, resource: Resource, owner: Obj, obj: Obj) -> Obj:
    others = obj["metadata"].get("ownerReferences") or []
    return await _own(caches, resource, obj, [*others, owner_reference(owner)])


async def _release(caches: Caches, resource: Resource, owner: Obj, obj: Obj) -> None:
    references = obj["metadata"]["ownerReferences"]
    await _own(caches, resource, obj, [each for each in references if each["uid"] != uid_of(owner)])


async def _own(caches: Caches, resource: Resource, obj: Obj, references: list[Obj]) -> Obj:
    metadata = {
        "uid": uid_of(obj),
        "resourceVersion": obj["metadata"]["resourceVersion"],
        "ownerReferences": references or None,
    }
    return await caches.patch(resource, obj, {"metadata": metadata})
