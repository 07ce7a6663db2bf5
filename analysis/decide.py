"""Pure. Which measurements of a run are due, what the finished ones make of it, and when to look again."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Literal, TypeAlias

from analysis import limits
from analysis.api import AnalysisPhase, AnalysisRun, AnalysisRunStatus, Measurement, Metric, MetricResult
from analysis.arguments import ResolvedMetrics
from analysis.assess import assess, is_terminating, result_of
from analysis.validate import invalid_run, matching

Severity: TypeAlias = Literal["Normal", "Warning"]
AT_ONCE = datetime.min.replace(tzinfo=UTC)
_COUNTER = {
    AnalysisPhase.SUCCESSFUL: "successful",
    AnalysisPhase.FAILED: "failed",
    AnalysisPhase.INCONCLUSIVE: "inconclusive",
}


class TaskKind(StrEnum):
    """What to do with a metric: a new measurement, a look at an unfinished one, or the end of it."""

    START = "start"
    RESUME = "resume"
    TERMINATE = "terminate"


@dataclass(frozen=True, slots=True)
class Task:
    """One measurement to take. `metric` holds secrets; `measurement` is the unfinished one unless the kind is START."""

    kind: TaskKind
    metric: Metric = field(repr=False)
    name: str
    measurement: Measurement | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of a task: the measurement, and what the provider says of the metric, secrets already taken out."""

    name: str
    measurement: Measurement
    resumed: bool = False
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Event:
    """A Kubernetes Event on the AnalysisRun."""

    type: Severity
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Assessment:
    """What is to be done with a run now.

    `status` differs from the run's own only when there is something to store; `wake_at` is the next moment at which
    time alone changes the answer (None: never); `delete` says that the run has outlived its ttlStrategy.
    """

    status: AnalysisRunStatus
    tasks: tuple[Task, ...] = ()
    events: tuple[Event, ...] = ()
    wake_at: datetime | None = None
    delete: bool = False


def decide(run: AnalysisRun, resolved: ResolvedMetrics, now: datetime) -> Assessment:
    """Which measurements of `run` are due at `now`. When none is, the assessment is already the whole answer."""
    if run.status.phase.completed:
        expiry = expires_at(run)
        if expiry is None:
            return Assessment(run.status)
        return Assessment(run.status, wake_at=expiry, delete=now >= expiry)
    if error := resolved.error or ("" if resolved.checked else invalid_run(run.spec, resolved.metrics)):
        return failed(run, error)
    tasks = tuple(due(run, resolved, now))
    return Assessment(run.status, tasks) if tasks else record(run, resolved, (), now)


def failed(run: AnalysisRun, message: str) -> Assessment:
    """The run ends in Error because it cannot be carried out; what was measured so far stays as it is."""
    status = run.status.model_copy(update={"phase": AnalysisPhase.ERROR, "message": message})
    return Assessment(status, events=(_run_event(AnalysisPhase.ERROR),))


def due(run: AnalysisRun, resolved: ResolvedMetrics, now: datetime) -> Iterator[Task]:
    """The measurements to take at `now`, in the order of the spec."""
    terminating = is_terminating(run.status, run.spec.terminate)
    for shown, metric in zip(resolved.metrics, resolved.measured, strict=True):
        result = result_of(run.status, shown.name)
        open_measurement = _open(result)
        at = due_at(run.status, shown, result)
        if result is not None and result.phase.completed:
            continue
        if open_measurement is None:
            if not terminating and at is not None and now >= at:
                yield Task(TaskKind.START, metric, shown.name)
        elif terminating:
            yield Task(TaskKind.TERMINATE, metric, shown.name, open_measurement)
        elif at is None or now >= at:
            yield Task(TaskKind.RESUME, metric, shown.name, open_measurement)


def due_at(status: AnalysisRunStatus, metric: Metric, result: MetricResult | None) -> datetime | None:
    """When the metric's next measurement may begin or be looked at: None when never, or when that is not known yet.

    An unfinished measurement without a resume time is None too, and is looked at whenever there is occasion.
    """
    if result is None or not result.measurements:
        if not metric.initial_delay:
            return AT_ONCE
        return status.started_at + limits.initial_delay(metric) if status.started_at else None
    last = result.measurements[-1]
    if last.finished_at is None:
        return last.resume_at
    count = limits.effective_count(metric)
    if count is not None and result.count >= count:
        return None
    return last.finished_at + (limits.ERROR_RETRY if last.phase is AnalysisPhase.ERROR else limits.interval(metric))


def record(run: AnalysisRun, resolved: ResolvedMetrics, taken: Sequence[Taken], now: datetime) -> Assessment:
    """What the run has come to after `taken`, which must hold what came of every task that was begun."""
    if run.status.phase.completed:
        return Assessment(run.status)
    dry_run = dry_run_names(run, resolved.metrics)
    counted = _with(run.status, taken, dry_run, now)
    verdict = assess(resolved.metrics, counted, run.spec.terminate, dry_run)
    changed = verdict.phase is not run.status.phase
    kept = retention(run, resolved.metrics)
    status = counted.model_copy(
        update={
            "phase": verdict.phase,
            "message": verdict.message if changed else run.status.message,
            "metric_results": tuple(_trimmed(result, kept.get(result.name, 0)) for result in verdict.results),
            "run_summary": verdict.run_summary,
            "dry_run_summary": verdict.dry_run_summary,
            "completed_at": now if changed and verdict.phase.completed else run.status.completed_at,
        }
    )
    events = [_metric_event(result) for result in verdict.completed]
    if changed and verdict.phase.completed:
        events.append(_run_event(verdict.phase))
    return Assessment(status, events=tuple(events), wake_at=_next(run, resolved.metrics, status, now))


def dry_run_names(run: AnalysisRun, metrics: Sequence[Metric]) -> frozenset[str]:
    """Names of the metrics that are measured without deciding anything."""
    return frozenset(name for rule in run.spec.dry_run for name in matching(rule.metric_name, metrics))


def retention(run: AnalysisRun, metrics: Sequence[Metric]) -> dict[str, int]:
    """How many measurements are kept, by metric, where a rule says so; the last rule that matches wins."""
    rules = run.spec.measurement_retention
    return {name: rule.limit for rule in rules for name in matching(rule.metric_name, metrics)}


_LONGEST = 2**31 - 1
"""Seconds that a run can be kept, as far as the definition's 32 bits go."""


def expires_at(run: AnalysisRun) -> datetime | None:
    """When a completed run has outlived its ttlStrategy; None when it is kept."""
    ttl, phase = run.spec.ttl_strategy, run.status.phase
    if ttl is None or run.status.completed_at is None:
        return None
    limit = ttl.seconds_after_completion
    if phase is AnalysisPhase.SUCCESSFUL and ttl.seconds_after_success is not None:
        limit = ttl.seconds_after_success
    elif phase is AnalysisPhase.FAILED and ttl.seconds_after_failure is not None:
        limit = ttl.seconds_after_failure
    return None if limit is None else run.status.completed_at + timedelta(seconds=min(limit, _LONGEST) + 1)


def _open(result: MetricResult | None) -> Measurement | None:
    """The last measurement if it is not finished."""
    if result is None or not result.measurements or result.measurements[-1].finished_at is not None:
        return None
    return result.measurements[-1]


def _with(
    status: AnalysisRunStatus, taken: Iterable[Taken], dry_run: frozenset[str], now: datetime
) -> AnalysisRunStatus:
    results = {result.name: result for result in status.metric_results}
    for one in taken:
        before = results.get(one.name) or MetricResult(
            name=one.name, phase=AnalysisPhase.RUNNING, dry_run=one.name in dry_run, metadata=one.metadata
        )
        results[one.name] = _counted(before, one, now)
    return status.model_copy(update={"metric_results": tuple(results.values()), "started_at": status.started_at or now})


def _counted(result: MetricResult, taken: Taken, now: datetime) -> MetricResult:
    measurement = taken.measurement
    if measurement.phase.completed and measurement.finished_at is None:
        measurement = measurement.model_copy(update={"finished_at": now})
    before = result.measurements[:-1] if taken.resumed else result.measurements
    update: dict[str, object] = {"measurements": (*before, measurement)}
    if measurement.phase is AnalysisPhase.ERROR:
        update |= {"error": result.error + 1, "consecutive_error": result.consecutive_error + 1}
        update["consecutive_success"] = 0
    elif measurement.phase.completed:
        counter = _COUNTER[measurement.phase]
        succeeded = measurement.phase is AnalysisPhase.SUCCESSFUL
        update |= {counter: getattr(result, counter) + 1, "count": result.count + 1, "consecutive_error": 0}
        update["consecutive_success"] = result.consecutive_success + 1 if succeeded else 0
    return result.model_copy(update=update)


def _trimmed(result: MetricResult, limit: int) -> MetricResult:
    keep = limit if limit > 0 else limits.DEFAULT_RETENTION
    if len(result.measurements) <= keep:
        return result
    return result.model_copy(update={"measurements": result.measurements[-keep:]})


def _next(run: AnalysisRun, metrics: Sequence[Metric], status: AnalysisRunStatus, now: datetime) -> datetime | None:
    """When time alone brings the next measurement. A run that has begun to terminate is looked at again at once."""
    if status.phase.completed:
        return expires_at(run.model_copy(update={"status": status}))
    if is_terminating(status, run.spec.terminate):
        return now
    results = {result.name: result for result in status.metric_results}
    moments = []
    for metric in metrics:
        result = results.get(metric.name)
        if result is None or not result.phase.completed:
            at = due_at(status, metric, result)
            if at is not None:
                moments.append(max(at, now))
    return min(moments, default=None)


def _metric_event(result: MetricResult) -> Event:
    message = f"Metric '{result.name}' Completed. Result: {result.phase}"
    return Event(_severity(result.phase), f"Metric{result.phase}", message)


def _run_event(phase: AnalysisPhase) -> Event:
    return Event(_severity(phase), f"AnalysisRun{phase}", f"Analysis Completed. Result: {phase}")


def _severity(phase: AnalysisPhase) -> Severity:
    return "Warning" if phase in (AnalysisPhase.FAILED, AnalysisPhase.ERROR) else "Normal"
