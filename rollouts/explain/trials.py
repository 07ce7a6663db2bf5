"""Pure. What a metric comes to when its readings are these: tried out on the engine, where waiting costs nothing."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from analysis.api import AnalysisPhase, AnalysisRun, AnalysisRunSpec, Measurement, Metric
from analysis.arguments import ResolvedMetrics
from analysis.course import Done, Due, course
from analysis.decide import Taken

MOST_READINGS = 500
"""A run that has not ended after so many readings counts as one without end."""

_BEGAN = datetime(2026, 1, 1, tzinfo=UTC)

Reading = Callable[[int], AnalysisPhase]
"""The phase of the n-th reading, counted from 0."""


@dataclass(frozen=True)
class Trial:
    """How it went: the end (NONE without one), its message, after how many readings of which kind, and how late."""

    phase: AnalysisPhase
    message: str
    readings: tuple[AnalysisPhase, ...]
    after: timedelta

    def count(self, phase: AnalysisPhase) -> int:
        """How many readings of this kind it took."""
        return self.readings.count(phase)


def tried(metric: Metric, reading: Reading) -> Trial:
    """Lead a run of `metric` alone, whose arguments are filled in; a reading takes no time."""
    run = AnalysisRun(metadata={"name": "trial", "namespace": "default"}, spec=AnalysisRunSpec(metrics=(metric,)))
    seen: list[AnalysisPhase] = []
    steps = course(run, ResolvedMetrics((metric,), (metric,)), _BEGAN)
    now = _BEGAN
    try:
        due = next(steps)
        while len(seen) < MOST_READINGS:
            now = due.now
            due = steps.send(Done((_taken(due, reading, seen),), now))
    except StopIteration as end:
        run = end.value
        return Trial(run.status.phase, run.status.message, tuple(seen), now - _BEGAN)
    return Trial(AnalysisPhase.NONE, "", tuple(seen), now - _BEGAN)


def always(phase: AnalysisPhase) -> Reading:
    """Every reading is like this."""
    return lambda _: phase


def by_turns(phase: AnalysisPhase) -> Reading:
    """Every second reading is like this, the others are good."""
    return lambda number: AnalysisPhase.SUCCESSFUL if number % 2 else phase


def _taken(due: Due, reading: Reading, seen: list[AnalysisPhase]) -> Taken:
    phase = reading(len(seen))
    seen.append(phase)
    measurement = Measurement(phase=phase, started_at=due.now, finished_at=due.now)
    return Taken(due.tasks[0].name, measurement)
