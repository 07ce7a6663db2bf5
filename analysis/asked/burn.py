"""Pure. An objective, as an annotation asks for it: which windows of the canary are counted, and what they come to.

The judgement itself is `analysis.burnrate`. No window reaches back before the run began: what an earlier canary of the
same labels did is not this one's.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field

from analysis.api import AnalysisPhase, Metric
from analysis.asked.lack import AskedError, Found, Shortage
from analysis.asked.promtime import parse_span, span_text
from analysis.asked.requests import Requests, share
from analysis.burnrate import Alert, Burn, Objective, alerts, burn_rate, judge, windows
from analysis.sequential import Counts


def _window(text: Any) -> timedelta:
    if not isinstance(text, str):
        raise ValueError('a duration such as "30d" is wanted')
    return parse_span(text)


class BurnRate(Requests):
    """How fast may the canary use up an error budget? `objective` is in percent and holds over `window`.

    With `slo`, the name of a ServiceLevelObjective of Pyrra, that one says both, and which requests there are.
    """

    TEXTS: ClassVar[tuple[str, ...]] = ("slo", "all", "bad", "within", "canary")

    slo: str = Field("", strict=True)
    objective: float | None = None
    window: Annotated[timedelta, BeforeValidator(_window)] | None = None

    def judging(self, metric: Metric) -> Metric:
        """The conditions are not asked; how many bad readings are forgiven stays the metric's own affair."""
        return metric.model_copy(update={"success_condition": "", "failure_condition": ""})

    def _checked_counters(self) -> None:
        given = [name for name in ("objective", "window", "all", "bad", "within") if getattr(self, name)]
        if self.slo:
            if given:
                raise AskedError(f"slo names an objective that says {given[0]} itself; leave one of them out")
            return
        if self.objective is None or self.window is None:
            raise AskedError("an objective (in percent) and its window are needed, or the name of an slo")
        if not 1 <= self.objective < 100:
            raise AskedError(f"an objective of {self.objective:g}: it is in percent, such as 99.9, and below 100")
        super()._checked_counters()

    def fault(self, metric: Metric) -> str:
        """Why this cannot be asked of the metric, "" when it can."""
        return super().fault(metric) or ("" if self.slo else self.too_touchy())

    def too_touchy(self) -> str:
        """Why `at_least` is too little for the objective: one bad request must not be enough to abort."""
        wanted = math.ceil(1 / (alerts(self.promised)[0].factor * self.promised.budget) + 1e-9)
        if self.at_least is None or self.at_least >= wanted:
            return ""
        return f"atLeast {self.at_least}: among so few one bad request would abort; {wanted} or more are needed"

    @property
    def promised(self) -> Objective:
        """The objective. There is one as soon as an slo has been read."""
        assert self.objective is not None, "checked, or read from the slo"
        assert self.window is not None, "checked, or read from the slo"
        return Objective(self.objective / 100, self.window)


@dataclass(frozen=True, slots=True)
class Watch:
    """The alerts that count at an age of the run, and how far each of their windows really reaches back."""

    alerts: tuple[Alert, ...]
    reach: Mapping[timedelta, timedelta]


def watch(asked: BurnRate, age: timedelta) -> Watch:
    """What counts when the run is so old. The fastest alert does at once, others when their long window has passed."""
    usual = alerts(asked.promised)
    counting = alerts(asked.promised, max(age, usual[0].long))
    return Watch(counting, {window: min(window, age) for window in windows(counting)})


def burnt(asked: BurnRate, of: Watch, counts: Mapping[timedelta, Counts]) -> Found:
    """What the requests by window come to. A window with too few of them is not known."""
    objective, enough = asked.promised, asked.at_least or 1
    bad = {
        window: counts[window].bad / counts[window].total if counts[window].total >= enough else math.nan
        for window in of.reach
    }
    judgement = judge(objective, of.alerts, bad)
    if judgement.burn is Burn.FAST:
        return Found(AnalysisPhase.FAILED, _said(asked, of, judgement.fired[0], counts))
    text = _said(asked, of, of.alerts[0], counts)
    if judgement.burn is Burn.SLOW:
        return Found(AnalysisPhase.SUCCESSFUL, text)
    most = max(one.total for one in counts.values())
    if not most and asked.no_data is not None:
        return Found(None, text, Shortage(asked.no_data, "the canary had no requests"))
    lacking = judgement.unknown[0]
    few = min((lacking.short, lacking.long), key=lambda window: counts[window].total)
    number = f"{counts[few].total:,} of at least {enough:,} requests of the canary within {span_text(of.reach[few])}"
    return Found(None, text, Shortage(asked.too_few, f"{number}; {text}"))


def _said(asked: BurnRate, of: Watch, alert: Alert, counts: Mapping[timedelta, Counts]) -> str:
    objective, parts, rates = asked.promised, [], []
    for window in dict.fromkeys((alert.short, alert.long)):
        one, reach = counts[window], span_text(of.reach[window])
        parts.append(f"{share(one.bad, one.total)} {asked.word} of {one.total:,} requests within {reach}")
        rates.append(burn_rate(objective, one.bad / one.total) if one.total else 0.0)
    promise = f"the error budget of {asked.objective:g} % over {span_text(objective.window)}"
    pace = f"burns {promise} {min(rates):.3g} times as fast as it may ({alert.factor:.3g} times would abort)"
    return f"canary {', '.join(dict.fromkeys(parts))}: {pace}"
