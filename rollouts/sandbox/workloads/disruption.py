"""PodDisruptionBudgets: how many of the pods that each covers may be evicted at this moment, kept in its status."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from analysis.schema import format_time, parse_time
from rollouts.kube.queue import Queue
from rollouts.kube.refs import DEPLOYMENT, POD, REPLICA_SET, Obj, controller_of, name_of, namespace_of, uid_of
from rollouts.sandbox.apiserver.eviction import covers, with_allowance
from rollouts.sandbox.apiserver.types.registry import BUILT_INS, POD_DISRUPTION_BUDGET
from rollouts.sandbox.clock import Clock
from rollouts.sandbox.workloads.caches import Caches
from rollouts.sandbox.workloads.meta import Key, is_deleting, key_of
from rollouts.sandbox.workloads.pods import is_ready
from rollouts.sandbox.workloads.replicaset import replicas_of

_GOES_WITHIN = timedelta(minutes=2)
"""How long a pod whose eviction was granted counts as lost though it is still there."""


class Uncounted(Exception):
    """How many pods there should be cannot be found out; the message is the condition's."""


class DisruptionController:
    """Counts the pods of every budget."""

    def __init__(self, caches: Caches, now: Clock) -> None:
        self.caches = caches
        self.now = now
        self.queue: Queue[Key] = Queue("disruption")
        self.budgets = caches[POD_DISRUPTION_BUDGET]
        self.pods = caches[POD]
        self.sets = caches[REPLICA_SET]
        self.deployments = caches[DEPLOYMENT]
        self.budgets.subscribe(self._on_budget)
        self.pods.subscribe(self._on_pod)

    async def run(self) -> None:
        await self.queue.run(self.reconcile, workers=1)

    def _on_budget(self, old: Obj | None, new: Obj | None) -> None:
        self.queue.add(key_of(new or old or {}))

    def _on_pod(self, old: Obj | None, new: Obj | None) -> None:
        pods = [pod for pod in (old, new) if pod is not None]
        for budget in self.budgets.objects(namespace_of(pods[0])):
            if any(covers(budget, pod) for pod in pods):
                self.queue.add(key_of(budget))

    async def reconcile(self, key: Key) -> float | None:
        """Make one budget's status true; the answer is when a granted eviction that did not happen is forgotten."""
        budget = self.budgets.get(*key)
        if budget is None:
            self.queue.forget(key)
            return None
        pods = [pod for pod in self.pods.objects(key[0]) if covers(budget, pod)]
        going = _going(budget, pods, self.now())
        try:
            status = self._counted(budget, pods, going)
        except Uncounted as error:
            status = _uncounted(budget, str(error), format_time(self.now()))
        before = budget.get("status") or {}
        if any(before.get(field) != value for field, value in status.items()):
            await self._write(budget, status)
        return _forgotten_in(going, self.now())

    def _counted(self, budget: Obj, pods: Sequence[Obj], going: dict[str, str]) -> Obj:
        healthy = sum(is_ready(pod) and not is_deleting(pod) and name_of(pod) not in going for pod in pods)
        expected, desired = self._wanted(budget["spec"], pods)
        status: Obj = {
            "observedGeneration": budget["metadata"].get("generation", 0),
            "currentHealthy": healthy,
            "desiredHealthy": desired,
            "expectedPods": expected,
            "disruptionsAllowed": max(0, healthy - desired) if expected else 0,
            "disruptedPods": going or None,
        }
        known = (budget.get("status") or {}).get("conditions")
        return status | {"conditions": with_allowance({**status, "conditions": known}, format_time(self.now()))}

    def _wanted(self, spec: Obj, pods: Sequence[Obj]) -> tuple[int, int]:
        """How many pods there should be, and how many of them have to stay."""
        if "maxUnavailable" in spec:
            expected = self._asked_for(pods)
            return expected, max(0, expected - _share(spec["maxUnavailable"], expected))
        least = spec.get("minAvailable", 0)
        expected = self._asked_for(pods) if isinstance(least, str) else len(pods)
        return expected, _share(least, expected)

    def _asked_for(self, pods: Iterable[Obj]) -> int:
        """What the pods' controllers ask for. A pod without one counts for nothing."""
        sizes: dict[str, int] = {}
        for pod in pods:
            if (owner := controller_of(pod)) is not None and owner["uid"] not in sizes:
                found = self._controller(namespace_of(pod), owner)
                if found is None:
                    raise Uncounted(_unscalable(pod, str(owner["kind"])))
                sizes[uid_of(found)] = replicas_of(found)
        return sum(sizes.values())

    def _controller(self, namespace: str, owner: Obj) -> Obj | None:
        """The ReplicaSet that controls a pod, or the Deployment that controls that; None for any other controller."""
        replica_set = self.sets.get(namespace, str(owner["name"])) if owner["kind"] == REPLICA_SET.kind else None
        if replica_set is None or uid_of(replica_set) != owner["uid"]:
            return None
        above = controller_of(replica_set)
        if above is None or above["kind"] != DEPLOYMENT.kind:
            return replica_set
        return self.deployments.get(namespace, str(above["name"]))

    async def _write(self, budget: Obj, status: Obj) -> None:
        """Only over what was seen: an eviction may just have been taken off. A Conflict leads to another look."""
        gone = dict.fromkeys((budget.get("status") or {}).get("disruptedPods") or ())
        if status["disruptedPods"]:
            status = {**status, "disruptedPods": {**gone, **status["disruptedPods"]}}
        marks = {"uid": uid_of(budget), "resourceVersion": budget["metadata"]["resourceVersion"]}
        patch = {"metadata": marks, "status": status}
        await self.caches.patch(POD_DISRUPTION_BUDGET, budget, patch, subresource="status")


def _unscalable(pod: Obj, kind: str) -> str:
    plural = next((each.resource.plural for each in BUILT_INS if each.resource.kind == kind), None)
    if plural is None or kind in (REPLICA_SET.kind, DEPLOYMENT.kind):
        return f'found no controllers for pod "{name_of(pod)}"'
    return f"{plural} does not implement the scale subresource"


def _uncounted(budget: Obj, message: str, time: str) -> Obj:
    """To be safe nothing may go."""
    status: Obj = budget.get("status") or {}
    conditions = with_allowance(status, time, reason="SyncFailed", message=message)
    return {"disruptionsAllowed": 0, "conditions": conditions, "disruptedPods": status.get("disruptedPods")}


def _going(budget: Obj, pods: Iterable[Obj], now: datetime) -> dict[str, str]:
    """Pods whose eviction was granted a short while ago and that are not on their way yet, with the time of that."""
    granted: dict[str, Any] = (budget.get("status") or {}).get("disruptedPods") or {}
    here = {name_of(pod) for pod in pods if not is_deleting(pod)}
    return {name: time for name, time in granted.items() if name in here and parse_time(time) + _GOES_WITHIN >= now}


def _forgotten_in(going: dict[str, str], now: datetime) -> float | None:
    ends = [parse_time(time) + _GOES_WITHIN for time in going.values()]
    return max(0.01, (min(ends) - now).total_seconds()) if ends else None


def _share(value: int | str, total: int) -> int:
    """A count, or a percentage rounded up."""
    return -(-total * int(value.removesuffix("%")) // 100) if isinstance(value, str) else value
