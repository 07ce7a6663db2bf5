"""How fast an error budget is used up, in several windows at once."""

import math
from datetime import timedelta

import pytest

from analysis.burnrate import Alert, Burn, Objective, alerts, burn_rate, judge, windows

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
MONTH = Objective(0.999, 30 * DAY)
HOURLY = Alert(HOUR, 5 * MINUTE, 14.4)


def test_the_usual_alerts_of_a_month() -> None:
    found = alerts(MONTH)
    assert [(one.long, one.short) for one in found] == [
        (HOUR, 5 * MINUTE),
        (6 * HOUR, 30 * MINUTE),
        (3 * DAY, 6 * HOUR),
    ]
    assert [one.factor for one in found] == pytest.approx([14.4, 6.0, 1.0])


def test_windows_shrink_with_the_objectives_own_and_factors_stay() -> None:
    found = alerts(Objective(0.99, 7.5 * DAY))
    assert (found[0].long, found[0].short) == (15 * MINUTE, timedelta(seconds=75))
    assert found[0].factor == pytest.approx(14.4)


def test_alerts_longer_than_a_canary_lives_are_left_out() -> None:
    assert [one.long for one in alerts(MONTH, long_enough=2 * HOUR)] == [HOUR]


def test_every_window_is_asked_for_once() -> None:
    assert windows(alerts(MONTH)) == (5 * MINUTE, 30 * MINUTE, HOUR, 6 * HOUR, 3 * DAY)


def test_a_rate_of_one_spends_the_budget_in_the_window() -> None:
    assert burn_rate(MONTH, 0.001) == pytest.approx(1.0)
    assert burn_rate(MONTH, 0.0144) == pytest.approx(14.4)


@pytest.mark.parametrize(
    ("long", "short", "burn"),
    [
        (0.02, 0.02, Burn.FAST),
        (0.02, 0.0, Burn.SLOW),  # it is over
        (0.001, 0.5, Burn.SLOW),  # a blip
        (math.nan, 0.0, Burn.SLOW),
        (math.nan, 0.02, Burn.UNKNOWN),
        (0.02, None, Burn.UNKNOWN),
        (None, None, Burn.UNKNOWN),
    ],
)
def test_both_windows_have_to_burn(long: float | None, short: float | None, burn: Burn) -> None:
    shares = {HOUR: long, 5 * MINUTE: short}
    found = judge(MONTH, [HOURLY], {window: share for window, share in shares.items() if share is not None})
    assert found.burn is burn
    assert found.fired == ((HOURLY,) if burn is Burn.FAST else ())
    assert found.unknown == ((HOURLY,) if burn is Burn.UNKNOWN else ())


def test_one_alert_is_enough_and_one_unknown_is_told() -> None:
    fast, slow, _ = alerts(MONTH)
    shares = {HOUR: 0.0, 5 * MINUTE: 0.0, 6 * HOUR: 0.01, 30 * MINUTE: 0.01}
    assert judge(MONTH, (fast, slow), shares).fired == (slow,)
    assert judge(MONTH, (fast, slow), {HOUR: 0.0}).burn is Burn.UNKNOWN
    assert judge(MONTH, (), shares).burn is Burn.UNKNOWN


@pytest.mark.parametrize("target", [0.0, 1.0, 99.9, math.nan])
def test_an_objective_is_a_share(target: float) -> None:
    with pytest.raises(ValueError, match=r"such as 0\.999"):
        Objective(target, DAY)


def test_an_objective_has_a_window() -> None:
    with pytest.raises(ValueError, match="longer than nothing"):
        Objective(0.9, timedelta(0))


@pytest.mark.parametrize("bad", [-0.1, 1.1, math.inf])
def test_a_share_of_bad_requests_is_one(bad: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        burn_rate(MONTH, bad)
