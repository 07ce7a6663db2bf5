"""What absent fields mean."""

from typing import Any

import pytest

from rollouts.api import defaults
from rollouts.api.rollout import Rollout


def canary(replicas: int | None = None, **fields: Any) -> Rollout:
    return Rollout.model_validate({"spec": {"replicas": replicas, "strategy": {"canary": fields}}})


def blue_green(**fields: Any) -> Rollout:
    return Rollout.model_validate({"spec": {"strategy": {"blueGreen": {"activeService": "a", **fields}}}})


def test_a_rollout_that_says_nothing() -> None:
    rollout = canary()
    assert defaults.desired_replicas(rollout) == 1
    assert defaults.progress_deadline_seconds(rollout) == 600
    assert defaults.revision_history_limit(rollout) == 10
    assert defaults.run_history_limits(rollout) == (5, 5)
    assert defaults.max_weight(rollout) == 100
    assert defaults.scale_down_delay_revision_limit(rollout) == 2147483647


def test_a_rollout_that_says_zero() -> None:
    spec = {
        "replicas": 0,
        "revisionHistoryLimit": 0,
        "progressDeadlineSeconds": 0,
        "analysis": {"successfulRunHistoryLimit": 0},
        "strategy": {"canary": {"trafficRouting": {"maxTrafficWeight": 1000}, "scaleDownDelayRevisionLimit": 0}},
    }
    rollout = Rollout.model_validate({"spec": spec})
    assert defaults.desired_replicas(rollout) == 0
    assert defaults.progress_deadline_seconds(rollout) == 0
    assert defaults.revision_history_limit(rollout) == 0
    assert defaults.run_history_limits(rollout) == (0, 5)
    assert defaults.max_weight(rollout) == 1000
    assert defaults.scale_down_delay_revision_limit(rollout) == 0


@pytest.mark.parametrize(
    ("rollout", "delay", "abort_delay"),
    [
        (canary(), 0, None),
        (canary(abortScaleDownDelaySeconds=5), 0, None),
        (canary(trafficRouting={}), 30, 30),
        (canary(trafficRouting={}, scaleDownDelaySeconds=0, abortScaleDownDelaySeconds=0), 0, 0),
        (blue_green(), 30, 30),
        (blue_green(scaleDownDelaySeconds=7, abortScaleDownDelaySeconds=8), 7, 8),
        (Rollout.model_validate({"spec": {}}), 0, None),
    ],
)
def test_a_delay_needs_traffic_routing_or_blue_green(rollout: Rollout, delay: int, abort_delay: int | None) -> None:
    assert defaults.scale_down_delay_seconds(rollout) == delay
    assert defaults.abort_scale_down_delay_seconds(rollout) == abort_delay


@pytest.mark.parametrize(
    ("value", "up", "down"),
    [(3, 3, 3), ("25%", 3, 2), ("25", 3, 2), ("5", 1, 0), ("100%", 10, 10), ("0%", 0, 0), ("many", 0, 0), ("", 0, 0)],
)
def test_any_text_is_a_percentage(value: int | str, up: int, down: int) -> None:
    assert defaults.resolve_int_or_percent(value, 10, True) == up
    assert defaults.resolve_int_or_percent(value, 10, False) == down


@pytest.mark.parametrize(
    ("rollout", "expected"),
    [
        (canary(10), (3, 2)),
        (canary(6, maxSurge="25%", maxUnavailable=0), (2, 0)),
        (canary(5, maxSurge=1, maxUnavailable=0), (1, 0)),
        (canary(3, maxSurge="1%", maxUnavailable="1%"), (1, 0)),
        (canary(3, maxSurge=0, maxUnavailable="1%"), (0, 1)),
        (canary(2, maxSurge=0, maxUnavailable=5), (0, 2)),
        (canary(0), (0, 0)),
        (canary(0, maxSurge=1, maxUnavailable=1), (1, 0)),
        (blue_green(), (0, 0)),
        (blue_green(maxUnavailable=0), (0, 0)),
        (blue_green(maxUnavailable="100%"), (0, 1)),
    ],
)
def test_a_roll_out_never_stands_still_for_rounding(rollout: Rollout, expected: tuple[int, int]) -> None:
    assert defaults.surge_and_unavailable(rollout) == expected


@pytest.mark.parametrize(
    ("duration", "seconds"),
    [
        (0, 0),
        (30, 30),
        (-5, -5),
        ("30", 30),
        ("5m", 300),
        ("1h30m", 5400),
        ("1.5s", 1),
        ("0s", 0),
        ("-2m", -120),
        ("1d", -1),
        ("soon", -1),
        ("", -1),
        ("1.5", -1),
    ],
)
def test_a_pause_is_seconds_or_a_duration(duration: int | str, seconds: int) -> None:
    assert defaults.pause_seconds(duration) == seconds
