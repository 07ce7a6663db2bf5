"""Pure. How fast a service uses up what its objective allows to fail, in several windows at once.

A burn rate of 1 uses up the whole error budget in exactly the objective's window. An alert wants a high rate in a long
window, so that it is no blip, and in a short one, so that it still goes on: the multi-window, multi-burn-rate alerts
of the Site Reliability Workbook.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

_SHARE_OF_LONG = 12
"""How many times shorter the short window of an alert is than the long one."""

_BUDGET_SPENT = ((timedelta(hours=1), 0.02), (timedelta(hours=6), 0.05), (timedelta(days=3), 0.1))
"""For an objective of 30 days: the long window of each alert, and the share of the budget that is gone in it."""

_MONTH = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Objective:
    """The share of requests that must be good, above 0 and below 1, and the window over which it is counted."""

    target: float
    window: timedelta

    def __post_init__(self) -> None:
        if not 0 < self.target < 1:
            raise ValueError(f"an objective of {self.target}: it has to be a share between 0 and 1, such as 0.999")
        if self.window <= timedelta(0):
            raise ValueError(f"an objective over {self.window}: the window has to be longer than nothing")

    @property
    def budget(self) -> float:
        """The share of requests that may be bad."""
        return 1 - self.target


@dataclass(frozen=True, slots=True)
class Alert:
    """Fires when both windows burn at least `factor` times as fast as the objective allows."""

    long: timedelta
    short: timedelta
    factor: float


class Burn(StrEnum):
    """What the windows say."""

    FAST = "fast"
    SLOW = "slow"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What all alerts say together, and why: `fired` and `unknown` are alerts in their order."""

    burn: Burn
    fired: tuple[Alert, ...]
    unknown: tuple[Alert, ...]


def alerts(objective: Objective, long_enough: timedelta | None = None) -> tuple[Alert, ...]:
    """The usual alerts, their windows scaled to the objective's: for 30 days those of 1 h, 6 h and 3 d.

    `long_enough` leaves out alerts whose long window is longer: a canary that lives for two hours has no three days.
    """
    scale = objective.window / _MONTH
    usual = (Alert(long * scale, long * scale / _SHARE_OF_LONG, _MONTH / long * spent) for long, spent in _BUDGET_SPENT)
    return tuple(alert for alert in usual if long_enough is None or alert.long <= long_enough)


def windows(of: Iterable[Alert]) -> tuple[timedelta, ...]:
    """Every window that the alerts need the share of bad requests of, the shortest first, each once."""
    return tuple(sorted({window for alert in of for window in (alert.long, alert.short)}))


def burn_rate(objective: Objective, bad: float) -> float:
    """How many times as fast as allowed the budget is used up when this share of requests is bad. NaN stays NaN."""
    if bad < 0 or bad > 1:
        raise ValueError(f"a share of {bad} bad requests: it has to be between 0 and 1")
    return bad / objective.budget


def judge(objective: Objective, of: Iterable[Alert], bad: Mapping[timedelta, float]) -> Judgement:
    """What the alerts make of the share of bad requests by window.

    A window that is missing or NaN is not known. An alert does not fire when either window that is known burns slowly;
    it fires when both are known and burn fast; else it is not known. Without any alert that is known nothing is.
    """
    fired, unknown, known = [], [], False
    for alert in of:
        rates = [burn_rate(objective, bad.get(window, math.nan)) for window in (alert.long, alert.short)]
        if any(rate < alert.factor for rate in rates):
            known = True
        elif any(math.isnan(rate) for rate in rates):
            unknown.append(alert)
        else:
            fired.append(alert)
    quiet = Burn.SLOW if known and not unknown else Burn.UNKNOWN
    return Judgement(Burn.FAST if fired else quiet, tuple(fired), tuple(unknown))
