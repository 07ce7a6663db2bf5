"""Pure. Canary against stable, as an annotation asks for it: what is counted, what it comes to, what is remembered.

The test itself is `analysis.sequential`. What all looks of a run have come to travels in the metadata of its
measurements; when it is lost, everything since the beginning of the run is counted again.
"""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, ClassVar

from pydantic import Field

from analysis import limits
from analysis.api import AnalysisPhase, AnalysisRun, Metric
from analysis.asked.lack import Duration, Found, Shortage
from analysis.asked.requests import Requests, share
from analysis.sequential import RATIOS, Comparison, Counts

STATE = "comparison"
"""Where a measurement's metadata keeps what all looks so far have come to."""

SLICE = 60.0
"""Seconds within which canary and stable are compared: long intervals are cut into slices, so that a weight and an
error rate that change during one of them are not mistaken for each other."""

LONGEST_LOOK = 3600.0
"""Seconds that one look goes back at most; what lies before counts for nobody."""


class Compare(Requests):
    """Is the canary worse than stable? `stable` are the labels of the series to compare with.

    `alpha` is the chance of a false alarm over a whole run, `tolerated` the ratio of odds that is good enough, `delay`
    how late samples may reach Prometheus.
    """

    TEXTS: ClassVar[tuple[str, ...]] = ("all", "bad", "within", "canary", "stable")
    SIDES: ClassVar[tuple[str, ...]] = ("canary", "stable")

    stable: str = Field("", strict=True)
    alpha: float = Field(0.01, gt=0, lt=1)
    tolerated: float = Field(1.0, ge=1, le=100)
    delay: Duration = timedelta(seconds=10)

    def fault(self, metric: Metric) -> str:
        """Why this cannot be asked of the metric, "" when it can."""
        if not (text := super().fault(metric)) and self.canary == self.stable:
            return "canary and stable are the same labels"
        return text

    def judging(self, metric: Metric) -> Metric:
        """Its verdict stands: alpha holds over the whole run, and to wait for a second one would only cost time."""
        failures = min(limits.failure_limit(metric), 0)
        update = {"failure_limit": failures, "success_condition": "", "failure_condition": ""}
        return metric.model_copy(update=update)


# ── what all looks so far have come to ─────────────────────────────────────

NOTHING = Counts(0, 0)


def plus(one: Counts, other: Counts) -> Counts:
    """Both together."""
    return Counts(one.total + other.total, one.bad + other.bad)


@dataclass(frozen=True, slots=True)
class Looks:
    """All looks of a run until the moment `until` (seconds since 1970), what they compared, and the test.

    `canary` and `stable` count slices in which both had requests. `fresh` are all requests since the measurement that
    is taken began.
    """

    until: float
    test: Comparison
    canary: Counts = NOTHING
    stable: Counts = NOTHING
    fresh: tuple[int, int] = (0, 0)

    def after(self, until: float, slices: Iterable[tuple[Counts, Counts]]) -> "Looks":
        """With one more look."""
        after = replace(self, until=until)
        for canary, stable in slices:
            after = replace(after, fresh=(after.fresh[0] + canary.total, after.fresh[1] + stable.total))
            if canary.total and stable.total:
                test = after.test.looked(canary, stable)
                after = replace(after, test=test, canary=plus(after.canary, canary), stable=plus(after.stable, stable))
        return after

    def again(self) -> "Looks":
        """At the beginning of a measurement."""
        return replace(self, fresh=(0, 0))


def begun(asked: Compare, at: datetime) -> Looks:
    """Before the first look."""
    return Looks(round(at.timestamp(), 3), Comparison(asked.tolerated))


def written(looks: Looks) -> str:
    """As it is remembered: about 250 bytes."""
    return json.dumps(
        {
            "until": looks.until,
            "canary": [looks.canary.bad, looks.canary.total],
            "stable": [looks.stable.bad, looks.stable.total],
            "fresh": looks.fresh,
            "logs": [round(log, 6) for log in looks.test.logs],
            "peak": round(looks.test.peak, 6),
        },
        separators=(",", ":"),
    )


def remembered(asked: Compare, run: AnalysisRun, name: str) -> Looks | None:
    """What the measurements of a metric hold; None when there is nothing, or nothing that can be read."""
    results = (result for result in run.status.metric_results if result.name == name)
    for measurement in reversed(next((result.measurements for result in results), ())):
        if STATE in measurement.metadata:
            return read_back(asked, measurement.metadata[STATE])
    return None


def read_back(asked: Compare, text: str) -> Looks | None:
    """What `written` wrote; None when it is not that."""
    try:
        state: Any = json.loads(text)
        logs, peak = tuple(map(float, state["logs"])), float(state["peak"])
        canary, stable = (Counts(state[side][1], state[side][0]) for side in ("canary", "stable"))
        fresh = (int(state["fresh"][0]), int(state["fresh"][1]))
        if len(logs) != len(RATIOS) or not all(map(math.isfinite, (*logs, peak, float(state["until"])))):
            return None
        return Looks(float(state["until"]), Comparison(asked.tolerated, logs, peak), canary, stable, fresh)
    except (KeyError, IndexError, TypeError, ValueError):
        return None


# ── what they mean ─────────────────────────────────────────────────────────


def found(asked: Compare, looks: Looks) -> Found:
    """What all looks come to. A canary that is worse is so at any number of requests."""
    text = said(asked, looks)
    if looks.test.worse(asked.alpha):
        return Found(AnalysisPhase.FAILED, text)
    if lack := _lack(asked, looks):
        return Found(None, text, lack)
    return Found(AnalysisPhase.SUCCESSFUL, text)


def _lack(asked: Compare, looks: Looks) -> Shortage | None:
    idle = [side for side, count in zip(("canary", "stable"), looks.fresh, strict=True) if not count]
    if idle and asked.no_data is not None:
        now = " and ".join(f"{side} had no requests" for side in idle)
        return Shortage(asked.no_data, f"nothing new to compare: {now}; so far {said(asked, looks)}")
    fewest, side = min((looks.canary.total, "the canary"), (looks.stable.total, "stable"))
    if asked.at_least is not None and fewest < asked.at_least:
        few = f"{fewest:,} of at least {asked.at_least:,} requests of {side}"
        return Shortage(asked.too_few, f"{few}; so far {said(asked, looks)}")
    return None


def said(asked: Compare, looks: Looks) -> str:
    """Both shares and how sure it is that the canary is worse, in words."""
    canary, stable = looks.canary, looks.stable
    if not canary.total or not stable.total:
        return "nothing was compared"
    shares = f"canary {share(canary.bad, canary.total)} {asked.word} of {canary.total:,} requests, "
    shares += f"stable {share(stable.bad, stable.total)} of {stable.total:,}"
    worse = "worse" if asked.tolerated == 1 else f"more than {asked.tolerated:g} times as bad"
    certainty, wanted = certain(looks.test.p_value), f"{100 * (1 - asked.alpha):.5g} %"
    if looks.test.worse(asked.alpha):
        return f"{shares}: {worse} with certainty {certainty}"
    return f"{shares}: not {worse} (certainty {certainty}, {wanted} would abort)"


def certain(p_value: float) -> str:
    """1 - p in percent, rounded down so that it never says more than is known."""
    percent = 100 * (1 - p_value)
    digits = 0 if percent < 99 else 1 if percent < 99.9 else 3
    floor = math.floor(percent * 10**digits) / 10**digits
    return f"{floor:g} %" if floor < 99.999 else "over 99.99 %"


def counted(totals: Sequence[float], bad: Sequence[float]) -> list[Counts]:
    """Whole requests, slice by slice; never more bad ones than there are."""
    pairs = ((round(total), round(part)) for total, part in zip(totals, bad, strict=True))
    return [Counts(total, min(part, total)) for total, part in pairs]
