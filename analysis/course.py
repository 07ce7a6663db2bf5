"""Pure. The course of a run where waiting costs nothing: whoever takes its measurements is told when each is due."""

from collections.abc import Generator, Sequence
from datetime import datetime
from typing import NamedTuple, TypeAlias

from analysis.api import AnalysisRun
from analysis.arguments import ResolvedMetrics
from analysis.decide import Taken, Task, decide, record


class Due(NamedTuple):
    """Measurements to take, the run as it stands, and the moment."""

    tasks: tuple[Task, ...]
    run: AnalysisRun
    now: datetime


class Done(NamedTuple):
    """What came of them, and the moment at which the last was there.

    `terminate`: none was taken, because at `now`, before they were due, the run was asked to stop.
    """

    taken: Sequence[Taken]
    now: datetime
    terminate: bool = False


Course: TypeAlias = Generator[Due, Done, AnalysisRun]


def course(run: AnalysisRun, resolved: ResolvedMetrics, began: datetime) -> Course:
    """Lead `run` from `began` to its end, by the controller's own decisions; returns the run with its last status.

    A run without end is led on for as long as the caller sends measurements; it closes the generator when it has seen
    enough.
    """
    now = began
    while True:
        assessment = decide(run, resolved, now)
        if assessment.tasks:
            taken, now, terminate = yield Due(assessment.tasks, run, now)
            if terminate:
                run = run.model_copy(update={"spec": run.spec.model_copy(update={"terminate": True})})
                continue
            assessment = record(run, resolved, taken, now)
        run = run.model_copy(update={"status": assessment.status})
        if run.status.phase.completed or assessment.wake_at is None:
            return run
        now = max(now, assessment.wake_at)
