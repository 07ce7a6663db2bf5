"""Pure. Is the canary worse than stable? A test of two shares that may be looked at as often as one likes.

The share is of bad requests among all: errors, or requests slower than a bucket of a histogram. At every look the bad
requests since the last one are split between canary and stable. Given how many there were in total, the canary's part
follows a hypergeometric distribution if both are alike, and Fisher's noncentral one if the odds of a bad request are
`ratio` times stable's. The product of the likelihood ratios over all looks is a martingale while the canary is no
worse, and so is its mean over many ratios. By Ville's inequality it ever reaches 1/alpha with a probability of at most
alpha: no number of looks adds false alarms. Nothing has to be known of the shares themselves, and they may change
during the day as long as they change for both.
"""

import math
from dataclasses import dataclass, replace

RATIOS = tuple(1.5 * 1.6**step for step in range(7))
"""How many times worse than tolerated the canary might be, from 1.5 to 25: each as likely as any other."""

_NEGLIGIBLE = 1e-18
_EXACT_UP_TO = 100.0
"""Terms are summed one by one while they lie no wider than this; beyond it a bell is right to a millionth."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Requests since the last look, whole numbers: all of them, and the bad ones among them."""

    total: int
    bad: int

    def __post_init__(self) -> None:
        if not 0 <= self.bad <= self.total:
            raise ValueError(f"{self.bad} bad requests of {self.total}: bad ones are part of all, and none is negative")


@dataclass(frozen=True, slots=True)
class Comparison:
    """What all looks so far have come to.

    `tolerated` is the ratio of odds that is still good enough: 1 means no worse than stable. `logs` hold, for every one
    of `RATIOS`, the logarithm of the product of likelihood ratios; `peak` is the logarithm of the highest mean so far.
    """

    tolerated: float = 1.0
    logs: tuple[float, ...] = (0.0,) * len(RATIOS)
    peak: float = 0.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.tolerated) and self.tolerated > 0):
            raise ValueError(f"a tolerated ratio of {self.tolerated}: it has to be a number above 0")

    def looked(self, canary: Counts, stable: Counts) -> "Comparison":
        """The comparison after one more look."""
        bad = canary.bad + stable.bad
        if not bad or not canary.total or not stable.total:
            return self  # nothing to compare: the likelihood ratio is 1
        tolerated = _log_sum(canary.total, stable.total, bad, self.tolerated)
        logs = tuple(
            log
            + canary.bad * math.log(ratio)
            - _log_sum(canary.total, stable.total, bad, ratio * self.tolerated)
            + tolerated
            for log, ratio in zip(self.logs, RATIOS, strict=True)
        )
        return replace(self, logs=logs, peak=max(self.peak, _log_mean(logs)))

    @property
    def e_value(self) -> float:
        """How strongly the looks speak against the canary now: 1 says nothing, and by chance it has a mean of 1."""
        return math.exp(min(_log_mean(self.logs), 700.0))

    @property
    def p_value(self) -> float:
        """The smallest alpha at which the canary would have been rejected by now. It never rises."""
        return math.exp(-self.peak)

    def worse(self, alpha: float) -> bool:
        """Whether the canary is worse than tolerated; wrong with a probability of `alpha` at most, over all looks."""
        if not 0 < alpha < 1:
            raise ValueError(f"alpha {alpha} is no probability between 0 and 1")
        return self.p_value <= alpha


def _log_mean(logs: tuple[float, ...]) -> float:
    highest = max(logs)
    return highest + math.log(math.fsum(math.exp(log - highest) for log in logs) / len(logs))


def _log_sum(canary: int, stable: int, bad: int, ratio: float) -> float:
    """The logarithm of the sum, over every part j of the bad requests, of C(canary, j) C(stable, bad - j) ratio^j.

    The terms rise to one highest and fall from there; those that add nothing any more are left out. Millions of bad
    requests have thousands of terms that count: these are summed as the bell that they are.
    """
    lowest, highest = max(0, bad - stable), min(canary, bad)
    mode = _mode(canary, stable, bad, ratio, lowest, highest)
    spread = _spread(canary, stable, bad, mode)
    top = _log_choose(canary, mode) + _log_choose(stable, bad - mode) + mode * math.log(ratio)
    if spread > _EXACT_UP_TO:
        return top + _log_bell(spread, _step(canary, stable, bad, ratio, mode))
    return top + math.log(_sum(canary, stable, bad, ratio, mode))


def _sum(canary: int, stable: int, bad: int, ratio: float, mode: int) -> float:
    """The sum of the terms, the highest of which counts as 1."""
    lowest, highest = max(0, bad - stable), min(canary, bad)
    total, term = 1.0, 1.0
    for part in range(mode, highest):
        term *= _step(canary, stable, bad, ratio, part)
        total += term
        if term < _NEGLIGIBLE:
            break
    term = 1.0
    for part in range(mode - 1, lowest - 1, -1):
        term /= _step(canary, stable, bad, ratio, part)
        total += term
        if term < _NEGLIGIBLE:
            break
    return total


def _spread(canary: int, stable: int, bad: int, mode: int) -> float:
    """How wide the terms lie around their highest: the deviation of the bell that has their curvature."""
    cells = (mode, canary - mode, bad - mode, stable - bad + mode)
    return math.sqrt(1 / math.fsum(1 / (cell + 0.5) for cell in cells))


def _log_bell(spread: float, step: float) -> float:
    """The sum under a bell whose term beside the peak, `step`, tells where between two terms the peak lies."""
    beside = spread**2 * math.log(step) + 0.5
    return math.log(spread * math.sqrt(2 * math.pi)) + beside**2 / (2 * spread**2)


def _mode(canary: int, stable: int, bad: int, ratio: float, lowest: int, highest: int) -> int:
    """Where the terms are highest, by bisection."""
    while lowest < highest:
        middle = (lowest + highest) // 2
        if _step(canary, stable, bad, ratio, middle) >= 1:
            lowest = middle + 1
        else:
            highest = middle
    return lowest


def _step(canary: int, stable: int, bad: int, ratio: float, part: int) -> float:
    """The term of `part` + 1 divided by the term of `part`."""
    return (canary - part) * (bad - part) * ratio / ((part + 1) * (stable - bad + part + 1))


def _log_choose(total: int, part: int) -> float:
    return math.lgamma(total + 1) - math.lgamma(part + 1) - math.lgamma(total - part + 1)
