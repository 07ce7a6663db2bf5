"""What a number of requests proves about a share: nothing by luck, and nothing too late."""

import re
from math import comb
from pathlib import Path

import pytest

from rollouts.decide.traffic.shares import Verdict, bounds, judge

PAGE = Path(__file__).parents[2] / "docs" / "guide" / "traffic-proof.md"


def verdict(count: float, total: float, share: float = 0.5, *, more: bool = False) -> Verdict:
    return judge(count, total, share, 0.05, 50, more=more)


@pytest.mark.parametrize(
    ("count", "total", "found"),
    [
        (0, 0, Verdict.UNKNOWN),
        (0, 49, Verdict.UNKNOWN),
        (25, 50, Verdict.UNKNOWN),
        (500, 1000, Verdict.PROVEN),
        (0, 50, Verdict.DIFFERS),
        (200, 1000, Verdict.DIFFERS),
        (540, 1000, Verdict.UNKNOWN),
    ],
)
def test_few_requests_tell_little_and_many_tell_all(count: int, total: int, found: Verdict) -> None:
    assert verdict(count, total) is found


def test_more_than_is_meant_is_all_right_where_it_is_led_there_otherwise() -> None:
    assert verdict(900, 1000) is Verdict.DIFFERS
    assert verdict(900, 1000, more=True) is Verdict.PROVEN
    assert verdict(200, 1000, more=True) is Verdict.DIFFERS


def test_none_and_all_are_shares_too() -> None:
    assert verdict(0, 1000, 0.01) is Verdict.PROVEN
    assert verdict(1000, 1000, 0.99) is Verdict.PROVEN
    assert bounds(0, 100)[0] == 0.0
    assert bounds(100, 100)[1] == 1.0
    assert bounds(100.4, 100)[1] == 1.0, "what Prometheus extrapolates may be more than all"


def chance(verdict_of: Verdict, true: float, total: int, meant: float) -> float:
    """How likely a verdict is when each request goes to the canary with the probability `true`."""
    return sum(
        comb(total, count) * true**count * (1 - true) ** (total - count)
        for count in range(total + 1)
        if verdict(count, total, meant) is verdict_of
    )


@pytest.mark.parametrize("total", [50, 100, 400, 1000])
@pytest.mark.parametrize("meant", [0.1, 0.2, 0.5])
def test_a_share_beyond_the_tolerance_hardly_ever_counts_as_proven(meant: float, total: int) -> None:
    for true in (max(0.0, meant - 0.06), meant + 0.06, 0.0):
        assert chance(Verdict.PROVEN, true, total, meant) < 0.03


@pytest.mark.parametrize("meant", [0.1, 0.2, 0.5])
def test_a_share_that_is_right_hardly_ever_counts_as_wrong_and_is_proven_in_the_end(meant: float) -> None:
    for total in (50, 100, 400, 1000):
        assert chance(Verdict.DIFFERS, meant, total, meant) < 0.01
    assert chance(Verdict.PROVEN, meant, 1000, meant) > 0.75


def test_the_page_tells_how_many_requests_it_takes() -> None:
    rows = re.findall(r"^\| (\d+) % \| (\d+) \| (\d+) \| (\d+) \|$", PAGE.read_text(), re.MULTILINE)
    assert len(rows) == 4
    for percent, *needed in rows:
        share = int(percent) / 100
        for tolerance, least in zip((0.02, 0.05, 0.1), map(int, needed), strict=True):
            fewer, enough = (judge(share * n, n, share, tolerance, 50, more=False) for n in (least - 1, least))
            assert (fewer, enough) == (Verdict.UNKNOWN, Verdict.PROVEN), (percent, tolerance, least)
