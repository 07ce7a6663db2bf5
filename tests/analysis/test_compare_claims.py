"""Both claims of a comparison, through engine and provider: pods are scraped every 15 seconds, seeds are fixed."""

from random import Random

import pytest

from analysis.asked import COMPARE
from tests.analysis.pods import ALL, BAD, CANARY, STABLE, Scraped, led, pod, run_of
from tests.analysis.runs import F

BAD_RELEASE, HEALTHY = (0.03, 0.005), (0.005, 0.005)


async def aborted(
    rates: tuple[float, float], a_minute: tuple[int, int], alpha: float, minutes: int, runs: int
) -> float:
    """The share of runs that a comparison every minute has aborted by then."""
    entry = {"all": ALL, "bad": BAD, "canary": CANARY, "stable": STABLE}
    run = run_of(COMPARE, entry | {"alpha": alpha, "atLeast": 100, "longestWait": "1h"})
    found = 0
    for seed in range(runs):
        chance = Random(seed)
        canary = [pod(chance, a_minute[0], rates[0], minutes)]
        stable = [pod(chance, a_minute[1] / 3, rates[1], minutes) for _ in range(3)]
        found += (await led(run, Scraped(canary, stable), minutes)).status.phase is F
    return found / runs


@pytest.mark.parametrize(
    ("a_minute", "alpha", "minutes", "least"),
    [
        ((1000, 9000), 0.05, 1, 0.95),
        ((1000, 9000), 0.01, 1, 0.95),
        ((1000, 1000), 0.01, 2, 0.95),
        ((100, 900), 0.05, 5, 0.9),
        ((100, 900), 0.01, 10, 0.9),
    ],
)
async def test_six_times_the_errors_are_caught_in_minutes(
    a_minute: tuple[int, int], alpha: float, minutes: int, least: float
) -> None:
    assert await aborted(BAD_RELEASE, a_minute, alpha, minutes, 40) >= least


@pytest.mark.parametrize(("a_minute", "alpha", "minutes"), [((100, 900), 0.05, 60), ((300, 300), 0.01, 30)])
async def test_false_alarms_stay_under_alpha_over_the_whole_run(
    a_minute: tuple[int, int], alpha: float, minutes: int
) -> None:
    assert await aborted(HEALTHY, a_minute, alpha, minutes, 20) <= alpha
