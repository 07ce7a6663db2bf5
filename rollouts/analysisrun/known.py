"""Runs as they are known here: what the API server holds of them, and what has been measured since and not stored yet.

A run that measures every second would write its status every second. A measurement that moves no phase may wait here
for those that follow it, `LONGEST_WAIT` at most; so runs with longer intervals are written after each measurement.
What waits is lost when the process dies, and then measured again. Moments are known here to the microsecond, of which
the status keeps the second: a measurement is due one interval after the last one ended, not up to a second before.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from analysis.api import AnalysisPhase, AnalysisRun, AnalysisRunStatus
from analysis.arguments import ResolvedMetrics
from analysis.schema import Obj
from rollouts.kube.cache import Key
from rollouts.kube.patch import same
from rollouts.kube.refs import uid_of

LONGEST_WAIT = timedelta(seconds=5)


@dataclass(slots=True)
class Known:
    """One run. `obj` is what the API server holds, `run` the same with the status of now.

    `waiting_since` is the moment since when some of that status has not been stored; `resolved` are its metrics, where
    nothing but the spec can change them.
    """

    obj: Obj
    run: AnalysisRun
    waiting_since: datetime | None = None
    resolved: ResolvedMetrics | None = None


@dataclass(slots=True)
class KnownRuns:
    """The runs that are not over, by namespace and name."""

    _known: dict[Key, Known] = field(default_factory=dict)

    def read(self, key: Key, obj: Obj) -> Known:
        """The run that the object tells of. ValidationError when it cannot be read."""
        known = self._known.get(key)
        if known is None or uid_of(known.obj) != uid_of(obj):
            known = self._known[key] = Known(obj, AnalysisRun.model_validate(obj))
        elif known.obj is not obj:
            self._reread(known, obj)
        if known.run.status.phase.completed:
            self.forget(key)
        return known

    def _reread(self, known: Known, obj: Obj) -> None:
        """Take in another version of the object: somebody edited it, or it is what we wrote."""
        ours = same(known.obj.get("status"), obj.get("status"))
        if not asks_the_same(known.obj, obj):
            run = AnalysisRun.model_validate(obj)
            known.resolved = None
        else:
            status = known.run.status if ours else AnalysisRun.model_validate(obj).status
            run = known.run.model_copy(update={"metadata": obj["metadata"], "status": status})
        if ours:
            run = run.model_copy(update={"status": known.run.status})
        else:
            known.waiting_since = None
        known.obj, known.run = obj, run

    def forget(self, key: Key) -> None:
        """The run is over, or gone."""
        self._known.pop(key, None)

    def waiting(self) -> list[Known]:
        """The runs of which something has not been stored."""
        return [known for known in self._known.values() if known.waiting_since is not None]


def asks_the_same(one: Obj, other: Obj) -> bool:
    """Whether two versions of a run differ in nothing but what we write, and in what no measurement reads."""
    fields = ("annotations", "deletionTimestamp")
    return same(one["spec"], other["spec"]) and all(
        same(one["metadata"].get(field), other["metadata"].get(field)) for field in fields
    )


def may_wait(known: Known, status: AnalysisRunStatus, wake_at: datetime | None, now: datetime) -> bool:
    """Whether `status` may be stored together with what the measurements until `wake_at` and beyond will say."""
    since = known.waiting_since or now
    if wake_at is None or wake_at - since >= LONGEST_WAIT or status.phase is not AnalysisPhase.RUNNING:
        return False
    finished = all(result.measurements and result.measurements[-1].finished_at for result in status.metric_results)
    return finished and _but_counts(known.run.status) == _but_counts(status)


def _but_counts(status: AnalysisRunStatus) -> tuple[object, ...]:
    """A status without what every measurement changes."""
    results = [
        (result.name, result.phase, result.message, result.dry_run, result.metadata) for result in status.metric_results
    ]
    return status.phase, status.message, status.started_at, status.run_summary, status.dry_run_summary, results
