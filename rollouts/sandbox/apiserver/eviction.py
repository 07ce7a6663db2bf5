"""Pure. May this pod be evicted, as far as PodDisruptionBudgets are concerned?

What counts is a budget's status, as the disruption controller last wrote it: an eviction is taken off it at once, so
that those who ask at the same moment do not all go.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from rollouts.kube.errors import ApiError
from rollouts.kube.refs import Obj, name_of, namespace_of
from rollouts.sandbox.apiserver.refusals import bad_request, too_many_requests
from rollouts.sandbox.apiserver.selectors import label_selector

REFUSED = "Cannot evict pod as it would violate the pod's disruption budget."
_GROUP = "policy"
_VERSIONS = (f"{_GROUP}/v1", f"{_GROUP}/v1beta1")
_KIND = "Eviction"
_COUNTED_AGAIN_IN = 10
"""Seconds after which who asks too early may ask again."""
ALLOWED, ENOUGH, TOO_FEW = "DisruptionAllowed", "SufficientPods", "InsufficientPods"


@dataclass(frozen=True, slots=True)
class Verdict:
    """`refusal` is why the pod has to stay, None: it may go. `spent`: the budget that its going is taken off, anew."""

    refusal: ApiError | None = None
    spent: Obj | None = None


def check_form(eviction: Obj, name: str) -> None:
    """Refused (400) when this is no eviction of the pod with this name."""
    version, kind = eviction.get("apiVersion", _VERSIONS[0]), eviction.get("kind", _KIND)
    if version not in _VERSIONS or kind != _KIND:
        text = f'{kind} in version "{version.rpartition("/")[2]}" cannot be handled as a {_KIND}: no kind "{kind}"'
        raise bad_request(f'{text} is registered for version "{version}"')
    if (eviction.get("metadata") or {}).get("name") != name:
        raise bad_request("name in URL does not match name in Eviction object")


def verdict(pod: Obj, budgets: Iterable[Obj], time: str) -> Verdict:
    """Whether the pod may go. `time` is now, as objects write it."""
    phase = (pod.get("status") or {}).get("phase")
    if phase in (None, "Pending", "Succeeded", "Failed") or "deletionTimestamp" in pod["metadata"]:
        return Verdict()
    mine = [budget for budget in budgets if covers(budget, pod)]
    if len(mine) > 1:
        text = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
        return Verdict(ApiError(text, code=500))
    if not mine or (not _ready(pod) and _unready_may_go(mine[0])):
        return Verdict()
    refusal = _refusal(mine[0])
    return Verdict(refusal) if refusal is not None else Verdict(spent=_spent(mine[0], name_of(pod), time))


def covers(budget: Obj, pod: Obj) -> bool:
    """Whether a budget is about a pod. One without a selector is about none, one with an empty selector about all."""
    selector = (budget.get("spec") or {}).get("selector")
    if selector is None or namespace_of(budget) != namespace_of(pod):
        return False
    return label_selector(selector).matches(pod["metadata"].get("labels"))


def _ready(pod: Obj) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions)


def _unready_may_go(budget: Obj) -> bool:
    """A pod that is not ready is missed by nobody where enough others are, or where the budget says so."""
    if (budget.get("spec") or {}).get("unhealthyPodEvictionPolicy") == "AlwaysAllow":
        return True
    status = budget.get("status") or {}
    return bool(status.get("currentHealthy", 0) >= status.get("desiredHealthy", 0) > 0)


def _refusal(budget: Obj) -> ApiError | None:
    status, name = budget.get("status") or {}, name_of(budget)
    if status.get("observedGeneration", 0) < budget["metadata"].get("generation", 0):
        text = f"The disruption budget {name} is still being processed by the server."
        return too_many_requests(REFUSED, text, _COUNTED_AGAIN_IN)
    if status.get("disruptionsAllowed", 0) > 0:
        return None
    needed, healthy = status.get("desiredHealthy", 0), status.get("currentHealthy", 0)
    return too_many_requests(
        REFUSED, f"The disruption budget {name} needs {needed} healthy pods and has {healthy} currently"
    )


def _spent(budget: Obj, pod: str, time: str) -> Obj:
    """The budget with one disruption less, which names the pod that it was spent on."""
    status: Obj = dict(budget["status"])
    status["disruptionsAllowed"] -= 1
    status["disruptedPods"] = {**(status.get("disruptedPods") or {}), pod: time}
    if not status["disruptionsAllowed"]:
        status["conditions"] = with_allowance(status, time)
    return {**budget, "status": status}


def with_allowance(status: Obj, time: str, **failed: Any) -> list[Obj]:
    """The conditions of a budget's status, of which one says whether disruptions are allowed.

    `failed`: the reason and message of a count that could not be made.
    """
    allowed = bool(status.get("disruptionsAllowed")) and not failed
    known: list[Obj] = status.get("conditions") or []
    before = next((each for each in known if each["type"] == ALLOWED), {})
    now = {
        "type": ALLOWED,
        "status": "True" if allowed else "False",
        "reason": ENOUGH if allowed else TOO_FEW,
        "message": "",
        **failed,
        "observedGeneration": status.get("observedGeneration", 0),
        "lastTransitionTime": time,
    }
    if before.get("status") == now["status"]:
        now["lastTransitionTime"] = before["lastTransitionTime"]
    return [now if each is before else each for each in known] if before else [*known, now]


def evicted(pod: Obj, time: str) -> Obj:
    """The pod with the condition that says by whom it was disrupted."""
    status: Obj = pod.get("status") or {}
    others = [each for each in status.get("conditions") or () if each["type"] != "DisruptionTarget"]
    said = {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": "EvictionByEvictionAPI",
        "message": "Eviction API: evicting",
        "lastProbeTime": None,
        "lastTransitionTime": time,
    }
    return {**pod, "status": {**status, "conditions": [*others, said]}}
