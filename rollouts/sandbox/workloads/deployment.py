"""Deployments: from one ReplicaSet to the next, by rolling over or by starting afresh."""

from collections.abc import Sequence
from dataclasses import dataclass

from rollouts.kube.errors import AlreadyExists
from rollouts.kube.queue import Queue
from rollouts.kube.refs import DEPLOYMENT, POD, REPLICA_SET, Obj, name_of, namespace_of, uid_of
from rollouts.sandbox.apiserver.selectors import label_selector
from rollouts.sandbox.clock import Clock
from rollouts.sandbox.workloads import rolling
from rollouts.sandbox.workloads.adoption import ORPHANS, by_orphanage, claim
from rollouts.sandbox.workloads.caches import Caches
from rollouts.sandbox.workloads.meta import Key, controlling_key, is_deleting, key_of
from rollouts.sandbox.workloads.pods import is_finished
from rollouts.sandbox.workloads.progress import deadline_in, is_complete, status_of
from rollouts.sandbox.workloads.revisions import (
    DESIRED,
    MOST,
    REVISION,
    age,
    annotations_for,
    find_new,
    new_replica_set,
    next_revision,
    size_annotations,
)
from rollouts.sandbox.workloads.rolling import Bounds, Sized, bounds_of


@dataclass(slots=True)
class _Sets:
    """A Deployment's ReplicaSets as they stand: the new one (None: not made yet) and the old ones, oldest first."""

    new: Obj | None
    old: list[Obj]
    created: bool = False

    @property
    def all(self) -> list[Obj]:
        return [*self.old, *([self.new] if self.new is not None else [])]

    @property
    def active(self) -> list[Obj]:
        return [each for each in self.all if _replicas(each)]


class DeploymentController:
    """Makes ReplicaSets of Deployments, and moves the pods from the old ones to the new."""

    def __init__(self, caches: Caches, now: Clock) -> None:
        self.caches = caches
        self.now = now
        self.queue: Queue[Key] = Queue("deployments")
        self.deployments = caches[DEPLOYMENT]
        self.sets = caches[REPLICA_SET]
        self.pods = caches[POD]
        self.sets.add_index(ORPHANS, by_orphanage)
        self.deployments.subscribe(self._on_deployment)
        self.sets.subscribe(self._on_set)
        self.pods.subscribe(self._on_pod)

    async def run(self) -> None:
        await self.queue.run(self.reconcile, workers=4)

    def _on_deployment(self, old: Obj | None, new: Obj | None) -> None:
        if new is not None:
            self.queue.add(key_of(new))

    def _on_set(self, old: Obj | None, new: Obj | None) -> None:
        for each in (old, new):
            if each is None:
                continue
            if (key := controlling_key(each, "Deployment")) is not None:
                self.queue.add(key)
            elif each is new and not each["metadata"].get("ownerReferences"):
                self._offer(each)

    def _offer(self, orphan: Obj) -> None:
        for each in self.deployments.objects(namespace_of(orphan)):
            if label_selector(each["spec"]["selector"]).matches(orphan["metadata"].get("labels")):
                self.queue.add(key_of(each))

    def _on_pod(self, old: Obj | None, new: Obj | None) -> None:
        """Recreate waits for the last old pod to be gone, which no ReplicaSet's status tells."""
        if old is None or new is not None or (owner := controlling_key(old, "ReplicaSet")) is None:
            return
        replica_set = self.sets.get(*owner)
        key = controlling_key(replica_set, "Deployment") if replica_set is not None else None
        if key is not None:
            self.queue.add(key)

    async def reconcile(self, key: Key) -> float | None:
        """Take one Deployment a step further; the answer is when it will have taken too long."""
        deployment = self.deployments.get(*key)
        if deployment is None:
            self.queue.forget(key)
            return None
        if is_deleting(deployment):
            return None
        owned = await claim(self.caches, REPLICA_SET, deployment, label_selector(deployment["spec"]["selector"]))
        new = find_new(deployment, owned)
        sets = _Sets(new, sorted((each for each in owned if each is not new), key=age))
        if deployment["spec"].get("paused") or _was_scaled(deployment, sets):
            await self._number(deployment, sets)
            await self._scale_all(deployment, sets)
        elif (deployment["spec"].get("strategy") or {}).get("type") == "Recreate":
            await self._recreate(deployment, sets)
        else:
            await self._roll(deployment, sets)
        return await self._finish(deployment, sets)

    # ── the two strategies ─────────────────────────────────────────────────

    async def _roll(self, deployment: Obj, sets: _Sets) -> None:
        bounds = bounds_of(deployment)
        await self._ensure_new(deployment, sets)
        assert sets.new is not None
        new, old = _sized(sets.new), [_sized(each) for each in sets.old]
        size = rolling.grow(new, old, bounds)
        if size != new.replicas:
            sets.new = await self._scale(sets.new, size, bounds)
            return
        kept = rolling.shrink(new, old, bounds)
        sets.old = [await self._scale(each, kept[name_of(each)], bounds) for each in sets.old]

    async def _recreate(self, deployment: Obj, sets: _Sets) -> None:
        bounds = bounds_of(deployment)
        if any(_replicas(each) for each in sets.old):
            sets.old = [await self._scale(each, 0, bounds) for each in sets.old]
            return
        if any(not is_finished(pod) for each in sets.old for pod in self.pods.owned_by(uid_of(each))):
            return
        await self._ensure_new(deployment, sets)
        assert sets.new is not None
        sets.new = await self._scale(sets.new, bounds.replicas, bounds)

    async def _scale_all(self, deployment: Obj, sets: _Sets) -> None:
        """The Deployment was scaled: by no more than that, its ReplicaSets follow."""
        bounds = bounds_of(deployment)
        active = sets.active
        if len(active) <= 1:
            only = active[0] if active else sets.new
            sizes = {name_of(only): bounds.replicas} if only is not None else {}
        elif sets.new is not None and _sized(sets.new).available >= bounds.replicas == _replicas(sets.new):
            sizes = {name_of(each): 0 for each in sets.old}
        elif (deployment["spec"].get("strategy") or {}).get("type") == "Recreate":
            sizes = {}
        else:
            sizes = rolling.proportional([_sized(each) for each in active], bounds)
        for each in sets.all:
            if name_of(each) in sizes or _replicas(each):
                await self._scale(each, sizes.get(name_of(each), _replicas(each)), bounds)

    # ── ReplicaSets ────────────────────────────────────────────────────────

    async def _ensure_new(self, deployment: Obj, sets: _Sets) -> None:
        """Make the new ReplicaSet, or give the one there is its revision."""
        if sets.new is not None:
            await self._number(deployment, sets)
            return
        bounds = bounds_of(deployment)
        revision = next_revision(sets.old)
        recreate = (deployment["spec"].get("strategy") or {}).get("type") == "Recreate"
        empty = Sized("", 0, 0)
        size = bounds.replicas if recreate else rolling.grow(empty, [_sized(each) for each in sets.old], bounds)
        annotations = annotations_for(deployment, None, revision, bounds)
        collisions = (deployment.get("status") or {}).get("collisionCount", 0)
        wanted = new_replica_set(deployment, size, annotations, collisions)
        try:
            sets.new = await self.caches.create(REPLICA_SET, namespace_of(deployment), wanted)
        except AlreadyExists:
            status = {"status": {"collisionCount": collisions + 1}}
            await self.caches.patch(DEPLOYMENT, deployment, status, subresource="status")
            raise
        sets.created = True
        await self._note_revision(deployment, revision)

    async def _number(self, deployment: Obj, sets: _Sets) -> None:
        if sets.new is None:
            return
        revision = max(next_revision(sets.old), 1)
        known = sets.new["metadata"].get("annotations") or {}
        wanted = annotations_for(deployment, sets.new, revision, bounds_of(deployment))
        sizes = {DESIRED, MOST}
        changed = {key: value for key, value in wanted.items() if known.get(key) != value and key not in sizes}
        if changed:
            sets.new = await self.caches.patch(REPLICA_SET, sets.new, {"metadata": {"annotations": changed}})
        await self._note_revision(
            deployment, int((sets.new["metadata"].get("annotations") or {}).get(REVISION, revision))
        )

    async def _note_revision(self, deployment: Obj, revision: int) -> None:
        if (deployment["metadata"].get("annotations") or {}).get(REVISION) != str(revision):
            patch = {"metadata": {"uid": uid_of(deployment), "annotations": {REVISION: str(revision)}}}
            await self.caches.patch(DEPLOYMENT, deployment, patch)

    async def _scale(self, replica_set: Obj, size: int, bounds: Bounds) -> Obj:
        annotations = size_annotations(bounds)
        known = replica_set["metadata"].get("annotations") or {}
        if _replicas(replica_set) == size and (not size or annotations.items() <= known.items()):
            return replica_set
        patch = {"metadata": {"uid": uid_of(replica_set), "annotations": annotations}, "spec": {"replicas": size}}
        return await self.caches.patch(REPLICA_SET, replica_set, patch)

    # ── the end of a pass ──────────────────────────────────────────────────

    async def _finish(self, deployment: Obj, sets: _Sets) -> float | None:
        now = self.now()
        status = status_of(deployment, sets.new, sets.all, now, sets.created)
        known = deployment.get("status") or {}
        if any(known.get(key) != value for key, value in status.items()):
            patch = {"metadata": {"uid": uid_of(deployment)}, "status": status}
            await self.caches.patch(DEPLOYMENT, deployment, patch, subresource="status")
        if is_complete(deployment, status):
            await self._forget_history(deployment, sets.old)
        return deadline_in(deployment, status, now)

    async def _forget_history(self, deployment: Obj, old: Sequence[Obj]) -> None:
        limit = deployment["spec"].get("revisionHistoryLimit")
        keep = 10 if limit is None else int(limit)
        empty = [each for each in old if not _replicas(each) and not (each.get("status") or {}).get("replicas")]
        for each in empty[: max(0, len(empty) - keep)]:
            if not is_deleting(each):
                await self.caches.delete(REPLICA_SET, each)


def _replicas(replica_set: Obj) -> int:
    asked = replica_set["spec"].get("replicas")
    return 1 if asked is None else int(asked)


def _sized(replica_set: Obj) -> Sized:
    limit = (replica_set["metadata"].get("annotations") or {}).get(MOST, "0")
    available = (replica_set.get("status") or {}).get("availableReplicas", 0)
    return Sized(name_of(replica_set), _replicas(replica_set), available, int(limit) if limit.isdecimal() else 0)


def _was_scaled(deployment: Obj, sets: _Sets) -> bool:
    """Whether some ReplicaSet with pods still stands for another number of replicas than the Deployment asks for."""
    wanted = str(bounds_of(deployment).replicas)
    told = ((each["metadata"].get("annotations") or {}).get(DESIRED) for each in sets.active)
    return any(number is not None and number != wanted for number in told)
