"""ReplicaSets: as many pods as asked for, and a status that counts them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from analysis.schema import format_time
from rollouts.kube.errors import ApiError
from rollouts.kube.queue import Queue
from rollouts.kube.refs import POD, REPLICA_SET, Obj, controller_of, namespace_of, uid_of
from rollouts.sandbox.apiserver.selectors import label_selector
from rollouts.sandbox.clock import Clock
from rollouts.sandbox.workloads.adoption import ORPHANS, by_orphanage, claim
from rollouts.sandbox.workloads.caches import Caches
from rollouts.sandbox.workloads.meta import Key, condition, controlling_key, is_deleting, key_of
from rollouts.sandbox.workloads.pods import available_in, deletion_order, is_active, is_ready, pod_of

_BURST = 500
"""At most so many pods are made or deleted in one pass, as in Kubernetes."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A pod that could not be made or deleted: Kubernetes' reason (FailedCreate, FailedDelete) and what was said."""

    reason: str
    error: ApiError


class ReplicaSetController:
    """Makes and deletes pods, and reports how many there are."""

    def __init__(self, caches: Caches, now: Clock) -> None:
        self.caches = caches
        self.now = now
        self.queue: Queue[Key] = Queue("replicasets")
        self.sets = caches[REPLICA_SET]
        self.pods = caches[POD]
        self.pods.add_index(ORPHANS, by_orphanage)
        self.sets.subscribe(self._on_set)
        self.pods.subscribe(self._on_pod)

    async def run(self) -> None:
        await self.queue.run(self.reconcile, workers=8)

    def _on_set(self, old: Obj | None, new: Obj | None) -> None:
        if new is not None and not (old is not None and _same_but_status(old, new)):
            self.queue.add(key_of(new))

    def _on_pod(self, old: Obj | None, new: Obj | None) -> None:
        pods = [pod for pod in (old, new) if pod is not None]
        owners = {key for pod in pods if (key := controlling_key(pod, "ReplicaSet")) is not None}
        if new is not None and controller_of(new) is None:
            owners.update(self._who_would_adopt(new))
        for key in owners:
            self.queue.add(key)

    def _who_would_adopt(self, pod: Obj) -> list[Key]:
        labels = pod["metadata"].get("labels")
        sets = self.sets.objects(namespace_of(pod)) if labels else []
        return [key_of(each) for each in sets if label_selector(each["spec"].get("selector")).matches(labels)]

    async def reconcile(self, key: Key) -> float | None:
        """Make one ReplicaSet's pods and status as they should be; the answer is when a pod becomes available."""
        wanted = self.sets.get(*key)
        if wanted is None:
            self.queue.forget(key)
            return None
        pods = await claim(self.caches, POD, wanted, label_selector(wanted["spec"]["selector"]))
        failure = None
        if not is_deleting(wanted):
            failure = await self._scale(wanted, [pod for pod in pods if is_active(pod)])
        active = [pod for pod in self.pods.owned_by(uid_of(wanted)) if is_active(pod)]
        status, soon = status_of(wanted, active, self.now(), failure)
        if _differs(wanted.get("status") or {}, status):
            patch = {"metadata": {"uid": uid_of(wanted)}, "status": status}
            await self.caches.patch(REPLICA_SET, wanted, patch, subresource="status")
        if failure is not None:
            raise failure.error
        return soon

    async def _scale(self, wanted: Obj, active: Sequence[Obj]) -> Failure | None:
        missing = replicas_of(wanted) - len(active)
        reason = "FailedCreate" if missing > 0 else "FailedDelete"
        try:
            for _ in range(min(missing, _BURST)):
                await self.caches.create(POD, namespace_of(wanted), pod_of(wanted, wanted["spec"]["template"]))
            surplus = deletion_order(active)[: min(-missing, _BURST)] if missing < 0 else ()
            for pod in surplus:
                await self.caches.delete(POD, pod)
        except ApiError as error:
            return Failure(reason, error)
        return None


def replicas_of(obj: Obj) -> int:
    """How many replicas a ReplicaSet or Deployment asks for."""
    asked = obj["spec"].get("replicas")
    return 1 if asked is None else int(asked)


def status_of(wanted: Obj, active: Sequence[Obj], now: datetime, failure: Failure | None) -> tuple[Obj, float | None]:
    """A ReplicaSet's status as a merge patch, and in how many seconds another pod becomes available."""
    labels = (wanted["spec"]["template"].get("metadata") or {}).get("labels") or {}
    waits = [available_in(pod, wanted["spec"].get("minReadySeconds") or 0, now) for pod in active]
    status = {
        "replicas": len(active),
        "fullyLabeledReplicas": _or_absent(sum(labels.items() <= _labels(pod).items() for pod in active)),
        "readyReplicas": _or_absent(sum(map(is_ready, active))),
        "availableReplicas": _or_absent(sum(wait == 0 for wait in waits)),
        "observedGeneration": wanted["metadata"].get("generation", 0),
        "conditions": _conditions(wanted, failure, now),
    }
    return status, min((wait for wait in waits if wait), default=None)


def _conditions(wanted: Obj, failure: Failure | None, now: datetime) -> list[Obj] | None:
    known = (wanted.get("status") or {}).get("conditions") or []
    kept = [each for each in known if each["type"] != "ReplicaFailure"]
    if failure is None:
        return kept or None
    failed = condition(wanted, "ReplicaFailure")
    new = {
        "type": "ReplicaFailure",
        "status": "True",
        "reason": failure.reason,
        "message": failure.error.message,
        "lastTransitionTime": failed["lastTransitionTime"] if failed else format_time(now),
    }
    return [*kept, new]


def _or_absent(count: int) -> int | None:
    """Kubernetes leaves a count of zero out."""
    return count or None


def _labels(pod: Obj) -> dict[str, str]:
    return pod["metadata"].get("labels") or {}


def _differs(status: Obj, patch: Obj) -> bool:
    return any(status.get(key) != value for key, value in patch.items())


def _same_but_status(old: Obj, new: Obj) -> bool:
    before, after = old["metadata"], new["metadata"]
    marks = ("uid", "generation", "deletionTimestamp", "labels", "ownerReferences")
    return all(before.get(mark) == after.get(mark) for mark in marks)
