"""Pure. May this pod be evicted, as far as PodDisruptionBudgets are concerned?"""

from collections.abc import Iterable

from rollouts.kube.errors import ApiError, error_from
from rollouts.kube.refs import Obj, controller_of, name_of, namespace_of
from rollouts.sandbox.refusals import too_many_requests
from rollouts.sandbox.selectors import label_selector

REFUSED = "Cannot evict pod as it would violate the pod's disruption budget."


def verdict(pod: Obj, budgets: Iterable[Obj], pods: Iterable[Obj], owners: dict[str, Obj]) -> ApiError | None:
    """None when the pod may go, else the refusal.

    `pods` are those of the pod's namespace, `owners` the ReplicaSets there by uid.
    """
    if (pod.get("status") or {}).get("phase") in (None, "Pending", "Succeeded", "Failed"):
        return None
    mine = [budget for budget in budgets if _covers(budget, pod)]
    if len(mine) > 1:
        text = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
        return error_from(500, "InternalError", text)
    if not mine:
        return None
    covered = [one for one in pods if _covers(mine[0], one)]
    healthy = sum(_ready(one) for one in covered)
    needed = _needed(mine[0], covered, owners)
    if healthy - _ready(pod) >= needed:
        return None
    name = name_of(mine[0])
    return too_many_requests(
        REFUSED, f"The disruption budget {name} needs {needed} healthy pods and has {healthy} currently"
    )


def _covers(budget: Obj, pod: Obj) -> bool:
    selector = (budget.get("spec") or {}).get("selector")
    if selector is None or namespace_of(budget) != namespace_of(pod):
        return False
    return label_selector(selector).matches(pod["metadata"].get("labels"))


def _ready(pod: Obj) -> bool:
    if "deletionTimestamp" in pod["metadata"]:
        return False
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions)


def _needed(budget: Obj, covered: list[Obj], owners: dict[str, Obj]) -> int:
    spec = budget.get("spec") or {}
    expected = _expected(covered, owners)
    if "maxUnavailable" in spec:
        return max(0, expected - _share(spec["maxUnavailable"], expected))
    return _share(spec.get("minAvailable", 1), expected)


def _expected(covered: list[Obj], owners: dict[str, Obj]) -> int:
    """How many pods there should be: what their ReplicaSets ask for; a pod without one counts as itself."""
    uids = {(controller_of(pod) or {}).get("uid", "") for pod in covered}
    known = [owners[uid] for uid in uids if uid in owners]
    loose = [pod for pod in covered if (controller_of(pod) or {}).get("uid", "") not in owners]
    return len(loose) + sum(int((owner.get("spec") or {}).get("replicas", 1)) for owner in known)


def _share(value: int | str, total: int) -> int:
    """A count, or a percentage rounded up as the disruption controller does."""
    if isinstance(value, str):
        return -(-total * int(value.removesuffix("%")) // 100)
    return value
