"""Pure. What a controller wants to know of a pod, and the pods that a template makes."""

import math
from collections.abc import Iterable
from datetime import datetime, timedelta

from analysis.schema import parse_time
from rollouts.kube.refs import Obj, name_of
from rollouts.sandbox.workloads.meta import condition, is_deleting, owner_reference

DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"

_PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}


def phase_of(pod: Obj) -> str:
    return str((pod.get("status") or {}).get("phase") or "Pending")


def is_finished(pod: Obj) -> bool:
    return phase_of(pod) in ("Succeeded", "Failed")


def is_active(pod: Obj) -> bool:
    """Whether the pod counts as one of its controller's replicas."""
    return not is_deleting(pod) and not is_finished(pod)


def is_ready(pod: Obj) -> bool:
    ready = condition(pod, "Ready")
    return ready is not None and ready["status"] == "True"


def available_in(pod: Obj, min_ready_seconds: int, now: datetime) -> float | None:
    """In how many seconds a pod counts as available (0: it does); None when it is not ready."""
    ready = condition(pod, "Ready")
    if ready is None or ready["status"] != "True":
        return None
    if not min_ready_seconds:
        return 0.0
    since = parse_time(ready["lastTransitionTime"])
    return max(0.0, (since + timedelta(seconds=min_ready_seconds) - now).total_seconds())


def restarts_of(pod: Obj) -> int:
    return sum(each.get("restartCount", 0) for each in (pod.get("status") or {}).get("containerStatuses") or ())


def deletion_order(pods: Iterable[Obj]) -> list[Obj]:
    """Pods in the order in which Kubernetes deletes them: first those that would be missed least.

    Not scheduled, then pending, then not ready, then cheap (the deletion cost), then lately ready, then often
    restarted, then young. All pods are on one node here, so crowded nodes make no difference.
    """
    return sorted(pods, key=_worth)


def _worth(pod: Obj) -> tuple[bool, int, bool, int, float, int, float, str]:
    ready = is_ready(pod)
    since = condition(pod, "Ready") if ready else None
    return (
        bool(pod["spec"].get("nodeName")),
        _PHASES.get(phase_of(pod), 2),
        ready,
        _cost(pod),
        -_moment(since["lastTransitionTime"]) if since else 0.0,
        -restarts_of(pod),
        -_moment(pod["metadata"].get("creationTimestamp", "")),
        name_of(pod),
    )


def _cost(pod: Obj) -> int:
    text = (pod["metadata"].get("annotations") or {}).get(DELETION_COST, "0")
    try:
        return int(text)
    except ValueError:
        return 0  # as Kubernetes does: a cost that is no number is none


def _moment(text: str) -> float:
    return parse_time(text).timestamp() if text else math.inf


def pod_of(owner: Obj, template: Obj) -> Obj:
    """A new pod by a controller's template; the API server completes its name."""
    metadata = template.get("metadata") or {}
    copied = {key: metadata[key] for key in ("labels", "annotations", "finalizers") if metadata.get(key)}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": f"{name_of(owner)}-",
            **copied,
            "ownerReferences": [owner_reference(owner)],
        },
        "spec": template["spec"],
    }
