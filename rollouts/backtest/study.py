"""Many releases that might have been, the incidents that they ran into, and how other thresholds would have done."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from analysis import limits
from analysis.api import AnalysisPhase, AnalysisRunSpec
from analysis.providers.base import Objectives
from analysis.providers.http import Http
from rollouts.backtest.history import Remembering, Unanswered
from rollouts.backtest.replay import Release, replay
from rollouts.backtest.thresholds import with_threshold


@dataclass(frozen=True)
class Plan:
    """Which past to judge: a release begins at `since` and then `every` so often, each watched for `watched`.

    One that is not over at `until` is left out: what would have become of it is not known. `annotations` are those of
    every run, `objectives` what they may name.
    """

    since: datetime
    until: datetime
    every: timedelta
    watched: timedelta
    annotations: Mapping[str, str] = field(default_factory=dict)
    objectives: Objectives | None = None


@dataclass(frozen=True)
class Incident:
    """Releases that were taken back one after the other: when the first and the last of them was, and why."""

    first: datetime
    last: datetime
    releases: int
    message: str


@dataclass(frozen=True)
class Verdicts:
    """What became of all releases."""

    releases: tuple[Release, ...]
    incidents: tuple[Incident, ...]

    @property
    def aborted(self) -> int:
        """How many would have been taken back."""
        return sum(release.aborted for release in self.releases)

    def count(self, phase: AnalysisPhase) -> int:
        """How many ended in this phase."""
        return sum(release.phase is phase for release in self.releases)

    def readings(self) -> Counter[AnalysisPhase]:
        """How many readings of which kind there were."""
        total = Counter[AnalysisPhase]()
        for release in self.releases:
            total.update(release.readings)
        return total


@dataclass(frozen=True)
class Study:
    """The template as it is, and with other thresholds."""

    verdicts: Verdicts
    sweep: tuple[tuple[float, Verdicts], ...] = ()


async def studied(spec: AnalysisRunSpec, plan: Plan, sweep: Sequence[float], history: Remembering) -> Study:
    """Judge the past. Unanswered when Prometheus went silent: then nothing that was found could be relied on."""
    http = Http(history)
    try:
        verdicts = await _verdicts(spec, plan, http)
        others = [(number, await _verdicts(with_threshold(spec, number), plan, http)) for number in sweep]
    finally:
        await http.close()
    if history.faults:
        raise Unanswered(f"{len(history.faults)} questions were not answered, the first: {history.faults[0]}")
    return Study(verdicts, tuple(others))


async def _verdicts(spec: AnalysisRunSpec, plan: Plan, http: Http) -> Verdicts:
    releases, began = [], plan.since
    while began < plan.until:
        release = await replay(spec, plan.annotations, began, plan.watched, plan.until, http, plan.objectives)
        if release is not None:
            releases.append(release)
        began += plan.every
    pause = max((limits.interval(metric) for metric in spec.metrics), default=limits.ERROR_RETRY)
    return Verdicts(tuple(releases), incidents(releases, plan.every + pause))


def incidents(releases: Sequence[Release], apart: timedelta) -> tuple[Incident, ...]:
    """The aborts, those that are not more than `apart` from one another told as one."""
    found: list[Incident] = []
    for release in sorted((one for one in releases if one.aborted), key=lambda one: one.ended):
        if found and release.ended - found[-1].last <= apart:
            last = found[-1]
            found[-1] = Incident(last.first, release.ended, last.releases + 1, last.message)
        else:
            found.append(Incident(release.ended, release.ended, 1, release.message))
    return tuple(found)
