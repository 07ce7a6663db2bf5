"""Pure. What keeps pods from coming up and measurements from being good, as the objects themselves say it."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from analysis.schema import parse_time
from rollouts.api.labels import POD_TEMPLATE_HASH
from rollouts.kube.fields import number, part, parts, text
from rollouts.kube.refs import Obj, controller_of, name_of, uid_of
from rollouts.view.pods import pod_status

_RECENT = timedelta(minutes=15)
_COUNTS = ("successful", "failed", "inconclusive", "error")


def in_course(rollout: Obj, experiments: Iterable[Obj]) -> list[Obj]:
    """The Rollout, and the Experiment of its current step: whose pods and runs the update waits for."""
    name = text(rollout, "status", "canary", "currentExperiment")
    return [rollout, *(each for each in experiments if name and name_of(each) == name)]


def pod_troubles(owner: Obj, replica_sets: Sequence[Obj], pods: Iterable[Obj]) -> Iterator[str]:
    """A line for each ReplicaSet of a Rollout or Experiment that is refused pods, and for each trouble of its pods."""
    ours = {uid_of(each): name_of(each) for each in replica_sets if _controlled_by(each, uid_of(owner))}
    for each in replica_sets:
        refused = (c for c in parts(each, "status", "conditions") if text(c, "type") == "ReplicaFailure")
        if uid_of(each) in ours:
            yield from (f"ReplicaSet {name_of(each)}: {text(c, 'message')}" for c in refused if c["status"] == "True")
    found = Counter((ours[whose], _trouble(pod)) for pod in pods if (whose := _owner(pod)) in ours and _not_ready(pod))
    for (name, trouble), count in found.items():
        yield f"ReplicaSet {name}: {count} of its pods {'is' if count == 1 else 'are'} {trouble}"


def run_troubles(owner: Obj, runs: Iterable[Obj]) -> Iterator[str]:
    """A line for each metric with other than good measurements, of the AnalysisRuns that did not succeed.

    These are all of an Experiment, and of a Rollout those for its current version.
    """
    version = text(owner, "status", "currentPodHash")
    for run in runs:
        if not _controlled_by(run, uid_of(owner)) or text(run, "status", "phase") == "Successful":
            continue
        if version in ("", text(run, "metadata", "labels", POD_TEMPLATE_HASH)):
            results = parts(run, "status", "metricResults")
            yield from (f"{name_of(run)}: {_measured(result)}" for result in results if _some_bad(result))


def warnings(events: Iterable[Obj], now: datetime) -> Iterator[str]:
    """The newest Warning of each reason that was told within the last quarter of an hour, newest first."""
    recent = [
        (age, each) for each in events if (age := now - _told(each)) < _RECENT and text(each, "type") == "Warning"
    ]
    seen = set()
    for age, each in sorted(recent, key=lambda one: one[0]):
        if (reason := text(each, "reason")) not in seen:
            seen.add(reason)
            yield f"{max(0, int(age.total_seconds()))} s ago, {reason}: {text(each, 'message')}"


def since_update(rollout: Obj, replica_sets: Iterable[Obj], events: Iterable[Obj]) -> list[Obj]:
    """The Events that were last told since the ReplicaSet of the current version is there; all, where it is not."""
    version = text(rollout, "status", "currentPodHash")
    ours = (each for each in replica_sets if _controlled_by(each, uid_of(rollout)))
    new = next((each for each in ours if text(each, "metadata", "labels", POD_TEMPLATE_HASH) == version), None)
    began = parse_time(text(new, "metadata", "creationTimestamp")) if new is not None else None
    return [each for each in events if began is None or _told(each) >= began]


def _told(event: Obj) -> datetime:
    moments = (text(event, "lastTimestamp"), text(event, "eventTime"), text(event, "metadata", "creationTimestamp"))
    return parse_time(next(filter(None, moments)))


def _controlled_by(obj: Obj, uid: str) -> bool:
    owner = controller_of(obj)
    return owner is not None and owner["uid"] == uid


def _owner(pod: Obj) -> str:
    owner = controller_of(pod)
    return str(owner["uid"]) if owner is not None else ""


def _not_ready(pod: Obj) -> bool:
    ready = (text(each, "status") for each in parts(pod, "status", "conditions") if text(each, "type") == "Ready")
    return "deletionTimestamp" not in part(pod, "metadata") and next(ready, "False") != "True"


def _trouble(pod: Obj) -> str:
    word = pod_status(pod) or "not started"
    said = _said(pod)
    return f"{'not ready' if word == 'Running' else word}{f': {said}' if said else ''}"


def _said(pod: Obj) -> str:
    """What the first container that waits says of it, or how it ended; else why no node takes the Pod."""
    containers = parts(pod, "status", "initContainerStatuses") + parts(pod, "status", "containerStatuses")
    for each in containers:
        if message := text(each, "state", "waiting", "message"):
            return message
        ended = part(each, "state", "terminated") or part(each, "lastState", "terminated")
        if number(ended, "exitCode"):
            return text(ended, "message") or f"exit code {ended['exitCode']}, {number(each, 'restartCount')} restarts"
    unscheduled = (each for each in parts(pod, "status", "conditions") if text(each, "type") == "PodScheduled")
    return next((text(each, "message") for each in unscheduled), "")


def _some_bad(result: Obj) -> bool:
    return text(result, "phase") != "Successful" and any(number(result, count) for count in _COUNTS[1:])


def _measured(result: Obj) -> str:
    counts = ", ".join(f"{number(result, count)} {count}" for count in _COUNTS if number(result, count))
    last = next(reversed(parts(result, "measurements")), {})
    said = text(last, "message") or text(last, "value")
    return f"metric {text(result, 'name')}: {counts}{f'; the last: {said}' if said else ''}"
