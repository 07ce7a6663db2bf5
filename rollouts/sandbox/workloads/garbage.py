"""Owner references kept: what has no owner left is deleted, in the order that its deletion asked for.

Background: the owner goes at once, its dependents after it. Foreground: the owner waits, by the finalizer
`foregroundDeletion`, until every dependent that blocks it is gone. Orphan: by the finalizer `orphan` the owner waits
until its dependents have forgotten it.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

from rollouts.kube.errors import NotFound
from rollouts.kube.queue import Queue
from rollouts.kube.refs import Obj, Ref, Resource, name_of, namespace_of, uid_of
from rollouts.kube.wire import Propagation
from rollouts.sandbox.apiserver.lifecycle import FOREGROUND, ORPHAN
from rollouts.sandbox.workloads.caches import Caches
from rollouts.sandbox.workloads.kinds import Kinds
from rollouts.sandbox.workloads.meta import is_deleting

_HOLDING = frozenset({FOREGROUND, ORPHAN})
"""The finalizers with which an object that is being deleted waits for the garbage collector."""


@dataclass(slots=True)
class _Owners:
    """An object's owner references, sorted: owners that stay, that are gone, that wait for it to go."""

    solid: list[Obj] = field(default_factory=list)
    dangling: list[Obj] = field(default_factory=list)
    waiting: list[Obj] = field(default_factory=list)


class _Edge(NamedTuple):
    """One dependent of an owner, and whether it blocks the owner's foreground deletion."""

    dependent: Ref
    blocks: bool


class GarbageCollector:
    """Watches every kind there is for who owns whom."""

    def __init__(self, caches: Caches, kinds: Kinds) -> None:
        self.caches = caches
        self.kinds = kinds
        self.queue: Queue[Ref] = Queue("garbage")
        self._refs: dict[str, Ref] = {}
        self._dependents: dict[str, dict[Ref, _Edge]] = {}
        kinds.subscribe(self._follow)

    async def run(self) -> None:
        await self.queue.run(self.reconcile, workers=8)

    # ── the graph ──────────────────────────────────────────────────────────

    def _follow(self, resource: Resource) -> None:
        self.caches[resource].subscribe(lambda old, new: self._on_change(resource, old, new))

    def _on_change(self, resource: Resource, old: Obj | None, new: Obj | None) -> None:
        if old is not None and (new is None or uid_of(old) != uid_of(new)):
            self._forget(resource, old)
            old = None
        if new is not None:
            self._learn(resource, old, new)

    def _learn(self, resource: Resource, old: Obj | None, new: Obj | None) -> None:
        assert new is not None
        owners = new["metadata"].get("ownerReferences") or []
        known = (old["metadata"].get("ownerReferences") or []) if old is not None else []
        held = is_deleting(new) and bool(_HOLDING.intersection(new["metadata"].get("finalizers") or ()))
        if old is not None and owners == known and not held:
            return
        ref = _ref(resource, new)
        self._refs[uid_of(new)] = ref
        self._relink(ref, known, owners)
        if held or (owners and any(not self._stays(each["uid"]) for each in owners)):
            self.queue.add(ref)

    def _relink(self, ref: Ref, known: list[Obj], owners: list[Obj]) -> None:
        if known == owners:
            return
        for each in known:
            self._unlink(each["uid"], ref)
        for each in owners:
            edge = _Edge(ref, bool(each.get("blockOwnerDeletion")))
            self._dependents.setdefault(each["uid"], {})[ref] = edge

    def _unlink(self, owner: str, ref: Ref) -> None:
        edges = self._dependents.get(owner, {})
        edges.pop(ref, None)
        if not edges:
            self._dependents.pop(owner, None)
        if owner in self._refs and not self._stays(owner):
            self.queue.add(self._refs[owner])

    def _forget(self, resource: Resource, old: Obj) -> None:
        ref = _ref(resource, old)
        self._refs.pop(uid_of(old), None)
        self.queue.forget(ref)
        for each in old["metadata"].get("ownerReferences") or ():
            self._unlink(each["uid"], ref)
        for dependent in self._dependents.get(uid_of(old), ()):
            self.queue.add(dependent)

    def _stays(self, uid: str) -> bool:
        """Whether an owner is known to be there, and not on its way out in the foreground."""
        ref = self._refs.get(uid)
        obj = None if ref is None else self._object(ref)
        return obj is not None and not _waits(obj)

    def _object(self, ref: Ref) -> Obj | None:
        return self.caches[ref.resource].get(ref.namespace, ref.name)

    # ── deciding about one object ──────────────────────────────────────────

    async def reconcile(self, ref: Ref) -> None:
        """Delete, free or disown one object, as its owners or its own deletion demand."""
        obj = self._object(ref)
        if obj is None:
            return
        finalizers = obj["metadata"].get("finalizers") or []
        if is_deleting(obj):
            if FOREGROUND in finalizers:
                await self._delete_in_foreground(ref, obj)
            elif ORPHAN in finalizers:
                await self._orphan_dependents(ref, obj)
        elif obj["metadata"].get("ownerReferences"):
            await self._judge(ref, obj)

    async def _judge(self, ref: Ref, obj: Obj) -> None:
        owners = await self._sort(obj)
        if owners.solid:
            if owners.dangling or owners.waiting:
                await self._disown(ref, obj, {each["uid"] for each in (*owners.dangling, *owners.waiting)})
        elif owners.dangling or owners.waiting:
            finalizers = obj["metadata"].get("finalizers") or []
            policy: Propagation = "Background"
            if ORPHAN in finalizers:
                policy = "Orphan"
            elif FOREGROUND in finalizers or (owners.waiting and self._dependents.get(uid_of(obj))):
                policy = "Foreground"
            await self.caches.delete(ref.resource, obj, propagation=policy)

    async def _sort(self, obj: Obj) -> _Owners:
        owners = _Owners()
        for reference in obj["metadata"]["ownerReferences"]:
            owner = await self._owner(namespace_of(obj), reference)
            if owner is None:
                owners.dangling.append(reference)
            elif _waits(owner) and reference.get("blockOwnerDeletion"):
                owners.waiting.append(reference)
            else:
                owners.solid.append(reference)
        return owners

    async def _owner(self, namespace: str, reference: Obj) -> Obj | None:
        """The owner as it is, or None when it is gone. Of a kind that nobody knows, the reference must be believed."""
        known = self._refs.get(reference["uid"])
        if known is not None:
            return self._object(known)
        resource = self.kinds.find(reference["apiVersion"], reference["kind"])
        if resource is None:
            return {"metadata": {"name": reference["name"]}}
        try:
            owner = await self.caches.wire.get(resource, namespace if resource.namespaced else "", reference["name"])
        except NotFound:
            return None
        return owner if uid_of(owner) == reference["uid"] else None

    # ── acting ─────────────────────────────────────────────────────────────

    async def _delete_in_foreground(self, ref: Ref, obj: Obj) -> None:
        edges = self._dependents.get(uid_of(obj), {})
        for dependent in edges:
            self.queue.add(dependent)
        if not any(edge.blocks for edge in edges.values()):
            await self._finish(ref, obj, FOREGROUND)

    async def _orphan_dependents(self, ref: Ref, obj: Obj) -> None:
        for dependent in list(self._dependents.get(uid_of(obj), ())):
            child = self._object(dependent)
            if child is not None:
                await self._disown(dependent, child, {uid_of(obj)})
        await self._finish(ref, obj, ORPHAN)

    async def _finish(self, ref: Ref, obj: Obj, finalizer: str) -> None:
        left = [each for each in obj["metadata"]["finalizers"] if each != finalizer]
        await self._patch(ref, obj, {"finalizers": left or None})

    async def _disown(self, ref: Ref, obj: Obj, owners: set[str]) -> None:
        left = [each for each in obj["metadata"].get("ownerReferences") or () if each["uid"] not in owners]
        await self._patch(ref, obj, {"ownerReferences": left or None})

    async def _patch(self, ref: Ref, obj: Obj, metadata: Obj) -> None:
        """Change metadata of exactly this object as it was seen; a Conflict leads to another look."""
        marks = {"uid": uid_of(obj), "resourceVersion": obj["metadata"]["resourceVersion"]}
        try:
            await self.caches.patch(ref.resource, obj, {"metadata": {**marks, **metadata}})
        except NotFound:
            return


def _ref(resource: Resource, obj: Obj) -> Ref:
    return Ref(resource, namespace_of(obj), name_of(obj))


def _waits(obj: Obj) -> bool:
    """Whether an object is being deleted in the foreground: it waits for its dependents to go first."""
    return is_deleting(obj) and FOREGROUND in (obj["metadata"].get("finalizers") or ())
