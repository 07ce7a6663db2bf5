"""What an update costs in API calls, counted in virtual time: the same on every machine, so it may be pinned."""

from functools import cache

import pytest

from rollouts.sandbox.bench.calls import status_patches, writes_of
from rollouts.sandbox.bench.fleet import ISTIO, PLAIN, Case
from rollouts.sandbox.bench.story import Story, tell


@cache
def told(case: Case) -> Story:
    return tell(case)


def test_a_plain_update_takes_twenty_two_calls() -> None:
    """Four more than the budget: docs/performance.md says which, and why they stay."""
    assert dict(told(PLAIN).calls) == {
        "patch rollouts/status": 7,
        "create events": 8,
        "patch replicasets": 5,
        "create replicasets": 1,
        "patch rollouts": 1,
    }


def test_the_parts_of_a_plain_update_stay_what_they_are() -> None:
    calls = told(PLAIN).calls
    assert status_patches(calls) <= 7
    assert writes_of("replicasets", calls) <= 6
    assert writes_of("events", calls) <= 8, "one for each reason, as those who filter by reason expect"


def test_an_update_behind_istio_with_an_analysis_takes_no_more_calls_than_it_did() -> None:
    """More than the budget of 26: docs/performance.md says which calls those are."""
    calls = dict(told(ISTIO).calls)
    assert sum(calls.values()) <= 40
    assert status_patches(calls) <= 10
    assert writes_of("events", calls) <= 15
    assert {call: number for call, number in calls.items() if "events" not in call and "rollouts" not in call} == {
        "patch virtualservices": 4,
        "patch replicasets": 4,
        "patch services": 2,
        "patch analysisruns": 2,
        "create analysisruns": 1,
        "create replicasets": 1,
    }


@pytest.mark.parametrize(("case", "passes"), [(PLAIN, 14), (ISTIO, 19)], ids=["plain", "istio"])
def test_a_rollout_is_looked_at_no_more_often_than_others_change_something(case: Case, passes: int) -> None:
    """What its own writes lead to is foreseen by the pass that makes them."""
    assert told(case).passes == passes


@pytest.mark.parametrize("case", [PLAIN, ISTIO], ids=lambda case: case.name)
def test_an_update_ends_when_its_last_wait_and_the_start_of_its_pods_are_over(case: Case) -> None:
    # Three sizes, and pods that take 0.3 s to start; waits end at whole seconds.
    assert told(case).seconds <= case.waits + 3 * 0.3 + 1


@pytest.mark.parametrize("case", [PLAIN, ISTIO], ids=lambda case: case.name)
def test_the_worlds_of_an_update_are_kept_for_timing(case: Case) -> None:
    steps = {world.rollout.status.current_step_index for world, _ in told(case).worlds}
    assert steps >= {0, 1, 2, 3, 4}
