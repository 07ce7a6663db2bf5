"""Pure. A Deployment's status: its counts, and whether it is available, moving, or stuck."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from analysis.schema import format_time, parse_time
from rollouts.kube.refs import Obj, name_of
from rollouts.sandbox.workloads.meta import condition
from rollouts.sandbox.workloads.rolling import bounds_of

_COUNTS = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas", "unavailableReplicas")


def status_of(deployment: Obj, new: Obj | None, sets: Sequence[Obj], now: datetime, created: bool) -> Obj:
    """The status as a merge patch. `created`: the new ReplicaSet has been made in this very pass."""
    counts = _counts(deployment, new, sets)
    conditions = [_available(deployment, counts)]
    progressing = _progressing(deployment, new, counts, now, created)
    failures = [failure for each in sets if (failure := condition(each, "ReplicaFailure")) is not None]
    conditions += [each for each in (progressing, *failures[:1]) if each is not None]
    known = (deployment.get("status") or {}).get("conditions") or []
    return {
        **{name: counts[name] or None for name in _COUNTS},
        "observedGeneration": deployment["metadata"].get("generation", 0),
        "conditions": [_dated(each, known, now) for each in conditions],
    }


def deadline_in(deployment: Obj, status: Obj, now: datetime) -> float | None:
    """In how many seconds an update that makes no progress has taken too long; None when it cannot."""
    seconds = deployment["spec"].get("progressDeadlineSeconds")
    moving = condition({"status": status}, "Progressing")
    if seconds is None or moving is None or moving["reason"] in (_DONE, _LATE) or moving["status"] != "True":
        return None
    late = parse_time(moving["lastUpdateTime"]) + timedelta(seconds=seconds)
    return max(0.0, (late - now).total_seconds())


_DONE = "NewReplicaSetAvailable"
_LATE = "ProgressDeadlineExceeded"


def is_complete(deployment: Obj, counts: Obj) -> bool:
    """Whether all replicas are new and available, and none is left of the old."""
    wanted = bounds_of(deployment).replicas
    return all((counts.get(name) or 0) == wanted for name in ("updatedReplicas", "replicas", "availableReplicas"))


def _counts(deployment: Obj, new: Obj | None, sets: Sequence[Obj]) -> dict[str, int]:
    def total(field: str, among: Sequence[Obj] = sets) -> int:
        return sum((each.get("status") or {}).get(field, 0) for each in among)

    asked = sum(each["spec"].get("replicas", 0) for each in sets)
    return {
        "replicas": total("replicas"),
        "updatedReplicas": total("replicas", [new] if new is not None else []),
        "readyReplicas": total("readyReplicas"),
        "availableReplicas": total("availableReplicas"),
        "unavailableReplicas": max(0, asked - total("availableReplicas")),
    }


def _available(deployment: Obj, counts: Obj) -> Obj:
    if counts["availableReplicas"] >= bounds_of(deployment).least_available:
        said = "Deployment has minimum availability."
        return {"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable", "message": said}
    said = "Deployment does not have minimum availability."
    return {"type": "Available", "status": "False", "reason": "MinimumReplicasUnavailable", "message": said}


def _progressing(deployment: Obj, new: Obj | None, counts: Obj, now: datetime, created: bool) -> Obj | None:
    if deployment["spec"].get("progressDeadlineSeconds") is None:
        return None
    known = condition(deployment, "Progressing")
    subject = f'ReplicaSet "{name_of(new)}"' if new is not None else f'Deployment "{name_of(deployment)}"'
    if deployment["spec"].get("paused"):
        return (
            known
            if known and known["reason"] == _LATE
            else _said("Unknown", "DeploymentPaused", "Deployment is paused")
        )
    if created and new is not None:
        return _said("True", "NewReplicaSetCreated", f'Created new replica set "{name_of(new)}"')
    if known is not None and known["reason"] == "DeploymentPaused":
        return _said("Unknown", "DeploymentResumed", "Deployment is resumed")
    if known is not None and known["reason"] == _DONE and counts["replicas"] == counts["updatedReplicas"]:
        return known
    if is_complete(deployment, counts):
        return _said("True", _DONE, f"{subject} has successfully progressed.")
    if known is None or _moved(deployment, counts):
        return {**_said("True", "ReplicaSetUpdated", f"{subject} is progressing."), "lastUpdateTime": format_time(now)}
    if _timed_out(deployment, known, now):
        return _said("False", _LATE, f"{subject} has timed out progressing.")
    return known


def _said(status: str, reason: str, message: str) -> Obj:
    return {"type": "Progressing", "status": status, "reason": reason, "message": message}


def _moved(deployment: Obj, counts: Obj) -> bool:
    """Whether there are more new, ready or available pods than there were, or fewer old ones."""
    before = deployment.get("status") or {}
    old_before = before.get("replicas", 0) - before.get("updatedReplicas", 0)
    if counts["replicas"] - counts["updatedReplicas"] < old_before:
        return True
    return any(counts[name] > before.get(name, 0) for name in ("updatedReplicas", "readyReplicas", "availableReplicas"))


def _timed_out(deployment: Obj, known: Obj, now: datetime) -> bool:
    if known["reason"] in (_DONE, _LATE):
        return bool(known["reason"] == _LATE)
    limit = timedelta(seconds=deployment["spec"]["progressDeadlineSeconds"])
    return parse_time(known["lastUpdateTime"]) + limit <= now


def _dated(new: Obj, known: Sequence[Obj], now: datetime) -> Obj:
    """The condition with its two times: when it was last told anew, and when its status last changed."""
    before = next((each for each in known if each["type"] == new["type"]), None)
    stamp = format_time(now)
    if before is None or before["status"] != new["status"]:
        return {**new, "lastUpdateTime": stamp, "lastTransitionTime": stamp}
    told_before = before["reason"] == new["reason"] and before["message"] == new["message"]
    updated = new.get("lastUpdateTime") or (before.get("lastUpdateTime", stamp) if told_before else stamp)
    return {**new, "lastUpdateTime": updated, "lastTransitionTime": before.get("lastTransitionTime", stamp)}
