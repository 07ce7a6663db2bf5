"""Builders of runs, metrics and results, and a clock-free drive through a whole run."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from analysis.api import AnalysisPhase, AnalysisRun, AnalysisRunStatus, Measurement, Metric, MetricResult
from analysis.arguments import resolve_metrics
from analysis.decide import Assessment, Event, Taken, Task, TaskKind, decide, record

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
S, F, E, I, R = (  # noqa: E741 - the letters of the phase tables
    AnalysisPhase.SUCCESSFUL,
    AnalysisPhase.FAILED,
    AnalysisPhase.ERROR,
    AnalysisPhase.INCONCLUSIVE,
    AnalysisPhase.RUNNING,
)


def metric(name: str = "m", **fields: Any) -> Metric:
    """A metric with a Prometheus provider, unless `fields` (as the manifest spells them) say otherwise."""
    provider = {"provider": {"prometheus": {"address": "http://p", "query": "q"}}}
    return Metric.model_validate(provider | {"name": name} | fields)


def run(*metrics: Metric, status: AnalysisRunStatus | None = None, **spec: Any) -> AnalysisRun:
    """A run of these metrics."""
    body = {"metrics": [one.wire() for one in metrics]} | spec
    made = AnalysisRun.model_validate({"metadata": {"name": "run", "namespace": "ns", "uid": "u"}, "spec": body})
    return made if status is None else made.model_copy(update={"status": status})


def measured(phase: AnalysisPhase, at: datetime = NOON, **fields: Any) -> Measurement:
    """A finished measurement, or an open one when the phase is not completed."""
    finished = at if phase.completed else None
    return Measurement(phase=phase, started_at=at, finished_at=finished, **fields)


def result(name: str = "m", last: AnalysisPhase | None = S, phase: AnalysisPhase = R, **fields: Any) -> MetricResult:
    """A metric's result whose last measurement has the phase `last`; None for no measurement at all."""
    measurements = () if last is None else (measured(last, message=fields.pop("said", "")),)
    return MetricResult(name=name, phase=phase, measurements=measurements, **fields)


def status(*results: MetricResult, phase: AnalysisPhase = R, **fields: Any) -> AnalysisRunStatus:
    """A status with these results, begun at noon."""
    return AnalysisRunStatus(phase=phase, metric_results=results, started_at=fields.pop("started_at", NOON), **fields)


Answer = Callable[[Task, int], AnalysisPhase]
"""The phase of a metric's n-th measurement, counted from 0."""


@dataclass
class Course:
    """What happened in a driven run."""

    run: AnalysisRun
    events: list[Event] = field(default_factory=list)
    measured_at: dict[str, list[datetime]] = field(default_factory=dict)
    passes: int = 0
    ended: bool = False

    @property
    def status(self) -> AnalysisRunStatus:
        """The run's status as it stands."""
        return self.run.status


def drive(
    analysis: AnalysisRun,
    answers: Mapping[str, Sequence[AnalysisPhase]] | Answer,
    *,
    until: timedelta = timedelta(hours=1),
    terminate_at: datetime | None = None,
) -> Course:
    """Lead a run through every moment it asks to be woken at; past its end a sequence of answers repeats its last."""

    def answer(task: Task, number: int) -> AnalysisPhase:
        if callable(answers):
            return answers(task, number)
        phases = answers[task.name]
        return phases[min(number, len(phases) - 1)]

    course, now = Course(analysis), NOON
    while now <= NOON + until:
        course.passes += 1
        if terminate_at is not None and now >= terminate_at:
            spec = course.run.spec.model_copy(update={"terminate": True})
            course.run = course.run.model_copy(update={"spec": spec})
        assessment = one_pass(course, answer, now)
        course.events += assessment.events
        course.run = course.run.model_copy(update={"status": assessment.status})
        course.ended = assessment.status.phase.completed
        if course.ended or assessment.wake_at is None:
            return course
        wake = (
            assessment.wake_at if terminate_at is None or now >= terminate_at else min(assessment.wake_at, terminate_at)
        )
        now = max(wake, now)
    return course


def one_pass(course: Course, answer: Answer, now: datetime) -> Assessment:
    """Decide, answer the tasks, record."""
    analysis = course.run
    resolved = resolve_metrics(analysis.spec.metrics, analysis.spec.args, {})
    assessment = decide(analysis, resolved, now)
    if not assessment.tasks:
        return assessment
    taken = []
    for task in assessment.tasks:
        number = len(course.measured_at.setdefault(task.name, []))
        phase = answer(task, number)
        if task.kind is TaskKind.START:
            course.measured_at[task.name].append(now)
        message = "boom" if phase is E else ""
        measurement = Measurement(
            phase=phase, started_at=now, finished_at=now if phase.completed else None, message=message
        )
        taken.append(Taken(task.name, measurement, task.measurement is not None))
    return record(analysis, resolved, taken, now)
