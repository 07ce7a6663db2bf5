"""Pure. What has come of a Job: its counts, and whether it is complete or has failed, and why."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from analysis.schema import format_time, parse_time
from rollouts.kube.refs import Obj
from rollouts.sandbox.workloads.meta import condition, is_deleting
from rollouts.sandbox.workloads.pods import is_active, is_finished, is_ready, phase_of, restarts_of

_FIRST_DELAY, _LONGEST_DELAY = 10.0, 600.0


@dataclass(frozen=True, slots=True)
class Tally:
    """A Job's pods, counted. `last_failure`: when the last failed pod ended."""

    active: int
    ready: int
    succeeded: int
    failed: int
    restarts: int
    last_failure: datetime | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a Job ended: a condition type (Complete or Failed), with its reason and message."""

    type: str
    reason: str
    message: str


def tally(pods: Sequence[Obj]) -> Tally:
    ended = [pod for pod in pods if phase_of(pod) == "Failed" or (is_deleting(pod) and not is_finished(pod))]
    active = [pod for pod in pods if is_active(pod)]
    return Tally(
        active=len(active),
        ready=sum(map(is_ready, active)),
        succeeded=sum(phase_of(pod) == "Succeeded" for pod in pods),
        failed=len(ended),
        restarts=sum(map(restarts_of, active)),
        last_failure=max((_ended(pod) for pod in ended), default=None),
    )


def _ended(pod: Obj) -> datetime:
    states = [each.get("state") or {} for each in (pod.get("status") or {}).get("containerStatuses") or ()]
    times = [state["terminated"]["finishedAt"] for state in states if "terminated" in state]
    return parse_time(max(times, default=pod["metadata"]["creationTimestamp"]))


def is_over(job: Obj) -> bool:
    """Whether the Job is complete or has failed."""
    ends = (condition(job, type) for type in ("Complete", "Failed"))
    return any(end is not None and end["status"] == "True" for end in ends)


def verdict(job: Obj, counts: Tally, now: datetime) -> Verdict | None:
    """How the Job has ended, or None while it has not."""
    spec = job["spec"]
    limit = spec.get("backoffLimit", 6)
    per_restart = spec["template"]["spec"].get("restartPolicy") == "OnFailure"
    if counts.failed > limit or (per_restart and counts.restarts > 0 and counts.restarts >= limit):
        return Verdict("Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit")
    if deadline_in(job, now) == 0:
        return Verdict("Failed", "DeadlineExceeded", "Job was active longer than specified deadline")
    wanted = spec.get("completions")
    done = counts.succeeded >= wanted if wanted is not None else counts.succeeded > 0 and counts.active == 0
    if done:
        return Verdict("Complete", "CompletionsReached", "Reached expected number of succeeded pods")
    return None


def deadline_in(job: Obj, now: datetime) -> float | None:
    """In how many seconds the Job's activeDeadlineSeconds are over; None when it has none or does not run."""
    seconds, started = job["spec"].get("activeDeadlineSeconds"), (job.get("status") or {}).get("startTime")
    if seconds is None or started is None or job["spec"].get("suspend"):
        return None
    return max(0.0, (parse_time(started) + timedelta(seconds=seconds) - now).total_seconds())


def pods_wanted(job: Obj, counts: Tally) -> int:
    """How many pods should be running at once now."""
    if job["spec"].get("suspend"):
        return 0
    parallel = int(job["spec"].get("parallelism", 1))
    completions = job["spec"].get("completions")
    if completions is None:
        return counts.active if counts.succeeded else parallel
    return min(parallel, max(0, int(completions) - counts.succeeded))


def retry_in(counts: Tally, now: datetime) -> float:
    """Seconds until the next pod may start: failures in succession double the wait, from 10 s to 10 min."""
    if counts.last_failure is None:
        return 0.0
    delay = min(_LONGEST_DELAY, _FIRST_DELAY * 2.0 ** min(counts.failed - 1, 10))
    return max(0.0, (counts.last_failure + timedelta(seconds=delay) - now).total_seconds())


def status_of(job: Obj, counts: Tally, end: Verdict | None, now: datetime) -> Obj:
    """The Job's status as a merge patch."""
    stamp = format_time(now)
    suspended = bool(job["spec"].get("suspend"))
    known = job.get("status") or {}
    status: Obj = {
        "active": counts.active or None,
        "ready": counts.ready,
        "succeeded": counts.succeeded or None,
        "failed": counts.failed or None,
        "startTime": None if suspended else known.get("startTime") or stamp,
    }
    conditions = [each for each in known.get("conditions") or () if each["type"] != "Suspended"]
    if suspended:
        conditions.append(_condition(job, Verdict("Suspended", "JobSuspended", "Job suspended"), stamp))
    if end is not None:
        conditions.append(_condition(job, end, stamp))
        status |= {"active": None, "ready": 0}
        if end.type == "Complete":
            status["completionTime"] = stamp
    return status | {"conditions": conditions or None}


def _condition(job: Obj, said: Verdict, stamp: str) -> Obj:
    known = condition(job, said.type)
    since = known["lastTransitionTime"] if known is not None else stamp
    what = {"type": said.type, "status": "True", "reason": said.reason, "message": said.message}
    return {**what, "lastProbeTime": since, "lastTransitionTime": since}
