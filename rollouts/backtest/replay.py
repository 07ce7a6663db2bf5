"""One run led through the engine as if it had begun in the past; only the network takes real time."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from analysis.api import AnalysisPhase, AnalysisRun, AnalysisRunSpec
from analysis.arguments import ResolvedMetrics
from analysis.course import Done, Due, course
from analysis.decide import Taken
from analysis.measure import measure, resolve
from analysis.providers.base import Context, Objectives, SecretError
from analysis.providers.flights import Flights
from analysis.providers.http import Http


@dataclass(frozen=True)
class Release:
    """A release that might have been: when its analysis began and ended, how, and after which readings."""

    began: datetime
    ended: datetime
    phase: AnalysisPhase
    message: str
    readings: Mapping[AnalysisPhase, int]

    @property
    def aborted(self) -> bool:
        """Whether the release would have been taken back."""
        return self.phase in (AnalysisPhase.FAILED, AnalysisPhase.ERROR)


class NoSecrets:
    """The past is judged without a cluster."""

    async def get(self, namespace: str, name: str) -> Mapping[str, bytes]:
        raise SecretError(f'secrets "{name}" are not to be had here: give the argument with --arg')


async def replay(
    spec: AnalysisRunSpec,
    annotations: Mapping[str, str],
    began: datetime,
    watched: timedelta,
    until: datetime,
    http: Http,
    objectives: Objectives | None = None,
) -> Release | None:
    """The analysis of a release that began at `began` and was watched for at most `watched`.

    `annotations` are those of its run. History ends at `until`: nothing after it is asked. None when the analysis is
    not over by then.
    """
    metadata = {"name": "backtest", "namespace": "default", "uid": "backtest", "annotations": dict(annotations)}
    run = AnalysisRun(metadata=metadata, spec=spec)
    resolved = await resolve(run, NoSecrets(), objectives)
    stop = began + watched
    steps, now, readings, stopped = course(run, resolved, began), began, Counter[AnalysisPhase](), False
    try:
        due = next(steps)
        while True:
            if due.now > stop and stop <= until and not stopped:
                now, stopped = stop, True
                due = steps.send(Done((), now, terminate=True))
                continue
            if due.now > until:
                return None
            now = due.now
            taken = await _taken(due, resolved, http)
            readings.update(one.measurement.phase for one in taken)
            due = steps.send(Done(taken, now))
    except StopIteration as end:
        status = end.value.status
        return Release(began, now, status.phase, status.message, readings)


async def _taken(due: Due, resolved: ResolvedMetrics, http: Http) -> tuple[Taken, ...]:
    http.flights = Flights()  # who asks a moment later asks about another moment of the past
    context = Context(run=due.run, http=http, now=lambda: due.now, secrets=NoSecrets())
    return await measure(due.tasks, resolved, context)
