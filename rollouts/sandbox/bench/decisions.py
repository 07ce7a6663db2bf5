"""How long a decision takes: each world of an update decided many times over, on this machine, in this process."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import mean
from time import perf_counter

from rollouts.decide import decide
from rollouts.decide.world import World

_REPEATS = 30


@dataclass(frozen=True, slots=True)
class DecisionTime:
    """Seconds per decision: over all worlds of an update, and of the one that takes longest."""

    mean: float
    longest: float
    worlds: int


def decision_time(worlds: Sequence[tuple[World, datetime]]) -> DecisionTime:
    """Time every world. Of each the median counts, so that a pause of the machine is not taken for thought."""
    times = [_median(world, now) for world, now in worlds]
    return DecisionTime(mean(times), max(times), len(times))


def _median(world: World, now: datetime) -> float:
    taken = []
    for _ in range(_REPEATS):
        began = perf_counter()
        decide(world, now)
        taken.append(perf_counter() - began)
    return sorted(taken)[_REPEATS // 2]
