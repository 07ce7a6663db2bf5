"""Laws of comparisons: whatever is counted, however it is cut, and whenever somebody stops looking."""

import json
import math
from collections.abc import Iterator
from itertools import pairwise
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from analysis.asked.comparison import SLICE, Compare, Looks, begun, read_back, written
from analysis.asked.counters import Labels, Sample, edges, risen
from analysis.sequential import Comparison, Counts
from tests.analysis.pods import ALL, BAD, CANARY, STABLE
from tests.analysis.runs import NOON
from tests.analysis.test_sequential import chances, drawn

ASKED = Compare.model_validate(
    {"all": ALL, "bad": BAD, "canary": CANARY, "stable": STABLE, "atLeast": 1, "longestWait": "1m"}
)


@st.composite
def counts(draw: st.DrawFn) -> Counts:
    total = draw(st.integers(0, 400))
    return Counts(total, draw(st.integers(0, total)))


LOOKS = st.lists(st.tuples(counts(), counts()), max_size=12)


def after(looks: list[tuple[Counts, Counts]], test: Comparison | None = None) -> Comparison:
    test = test or Comparison()
    for canary, stable in looks:
        test = test.looked(canary, stable)
    return test


# ── the test ──


@settings(max_examples=150, deadline=None)
@given(LOOKS)
def test_certainty_never_falls(looks: list[tuple[Counts, Counts]]) -> None:
    test, before = Comparison(), 1.0
    for canary, stable in looks:
        test = test.looked(canary, stable)
        assert test.p_value <= before
        before = test.p_value


@settings(max_examples=150, deadline=None)
@given(LOOKS, st.randoms(use_true_random=False))
def test_the_order_of_looks_does_not_matter(looks: list[tuple[Counts, Counts]], chance: Random) -> None:
    mixed = chance.sample(looks, len(looks))
    for one, other in zip(after(looks).logs, after(mixed).logs, strict=True):
        assert math.isclose(one, other, abs_tol=1e-6)


@settings(max_examples=150, deadline=None)
@given(LOOKS, counts(), counts())
def test_a_bad_request_that_moves_to_the_canary_never_speaks_for_it(
    looks: list[tuple[Counts, Counts]], canary: Counts, stable: Counts
) -> None:
    if canary.bad == canary.total or not stable.bad:
        return
    worse = (Counts(canary.total, canary.bad + 1), Counts(stable.total, stable.bad - 1))
    begun = after(looks)
    assert begun.looked(*worse).p_value <= begun.looked(canary, stable).p_value + 1e-9


@settings(max_examples=100, deadline=None)
@given(LOOKS, st.integers(0, 400), st.integers(0, 400))
def test_a_look_without_bad_requests_changes_nothing(
    looks: list[tuple[Counts, Counts]], canary: int, stable: int
) -> None:
    test = after(looks)
    assert test.looked(Counts(canary, 0), Counts(stable, 0)) is test


def outcomes(canary: int, stable: int, bad: int) -> Iterator[tuple[float, tuple[Counts, Counts]]]:
    """Everything that one look may see of a canary that is like stable, and how likely it is."""
    for part, chance in chances(canary, stable, bad, 1.0).items():
        yield chance, (Counts(canary, part), Counts(stable, bad - part))


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(st.integers(1, 40), st.integers(1, 40), st.integers(0, 6)),
    st.tuples(st.integers(1, 40), st.integers(1, 40), st.integers(0, 6)),
    st.floats(0.2, 20.0),
)
def test_no_rule_for_stopping_makes_more_of_a_look_than_it_is_worth(
    first: tuple[int, int, int], second: tuple[int, int, int], stops_at: float
) -> None:
    """Whoever stops as soon as the evidence is as strong as they like gains nothing on average: exactly."""
    mean = 0.0
    for chance, look in outcomes(first[0], first[1], min(first[2], first[0] + first[1])):
        stopped = after([look])
        if stopped.e_value >= stops_at:
            mean += chance * stopped.e_value
            continue
        for then, next_look in outcomes(second[0], second[1], min(second[2], second[0] + second[1])):
            mean += chance * then * stopped.looked(*next_look).e_value
    assert mean <= 1 + 1e-9


def test_an_adversary_who_chooses_when_to_look_stays_under_alpha() -> None:
    """Looks are short while the evidence is strong, long while it is weak, and the run ends at its best moment."""
    chance, runs, alarms = Random(43), 300, 0
    for _ in range(runs):
        test, left = Comparison(), 6000
        while left > 0:
            canary = min(left, 20 if test.e_value > 1 else 300)
            test = test.looked(drawn(chance, canary, 0.01), drawn(chance, 3 * canary, 0.01))
            left -= canary
        alarms += test.worse(0.05)
    assert alarms / runs <= 0.05


@pytest.mark.parametrize("pieces", [2, 6, 20])
def test_cutting_a_minute_hardly_changes_the_evidence(pieces: int) -> None:
    chance = Random(44)
    whole, cut = Comparison(), Comparison()
    for _ in range(20):
        looks = [(drawn(chance, 1200 // pieces, 0.02), drawn(chance, 3600 // pieces, 0.01)) for _ in range(pieces)]
        cut = after(looks, cut)
        sides = [[look[side] for look in looks] for side in (0, 1)]
        sums = [Counts(sum(one.total for one in side), sum(one.bad for one in side)) for side in sides]
        whole = whole.looked(sums[0], sums[1])
    assert math.log(cut.e_value) == pytest.approx(math.log(whole.e_value), rel=0.1)
    assert whole.worse(0.01)


def test_a_weight_and_an_error_rate_that_change_together_are_no_difference() -> None:
    """Half an hour at 10 % and 0.5 % of errors, half at 50 % and 5 %: taken at once, a like canary looks far worse."""
    chance, minutes = Random(45), []
    for canary, rate in [(100, 0.005)] * 30 + [(500, 0.05)] * 30:
        minutes.append((drawn(chance, canary, rate), drawn(chance, 1000 - canary, rate)))
    sums = [Counts(sum(m[side].total for m in minutes), sum(m[side].bad for m in minutes)) for side in (0, 1)]
    assert Comparison().looked(sums[0], sums[1]).worse(0.001)
    assert not after(minutes).worse(0.05)


# ── what is counted ──

SERIES = st.lists(st.tuples(st.floats(0.5, 3600), st.integers(0, 50)), max_size=40)


def samples_of(steps: list[tuple[float, int]]) -> tuple[Sample, ...]:
    """A counter's samples; a step of 0 restarts it."""
    value, found = 0, []
    for at, step in sorted(steps):
        value = value + step if step else 0
        found.append((at, float(value)))
    return tuple(found)


@settings(max_examples=150, deadline=None)
@given(SERIES, SERIES, st.floats(1, 3599), st.integers(1, 90))
@example([(10.0, 5), (20.0, 0), (30.0, 3)], [], 20.0, 7)
def test_a_counter_rises_alike_however_it_is_cut(
    one: list[tuple[float, int]], other: list[tuple[float, int]], cut: float, pieces: int
) -> None:
    series: dict[Labels, tuple[Sample, ...]] = {
        frozenset({("pod", str(name))}): samples_of(steps) for name, steps in enumerate((one, other))
    }
    whole = risen({}, series, [3600.0])
    assert sum(risen({}, series, edges(0, 3600, 3600 / pieces))) == pytest.approx(whole[0])
    assert all(rise >= 0 for rise in risen({}, series, edges(0, 3600, 3600 / pieces)))
    early = {labels: tuple(point for point in points if point[0] <= cut) for labels, points in series.items()}
    late = {labels: tuple(point for point in points if point[0] > cut) for labels, points in series.items()}
    stood = {labels: points[-1][1] for labels, points in early.items() if points}
    assert risen({}, early, [cut])[0] + risen(stood, late, [3600.0])[0] == pytest.approx(whole[0])


@given(st.floats(0, 1e9), st.floats(0.001, 7200))
def test_slices_are_equal_and_no_longer_than_a_minute(begin: float, span: float) -> None:
    found = (begin, *edges(begin, begin + span, SLICE))
    lengths = [later - earlier for earlier, later in pairwise(found)]
    assert found[-1] == pytest.approx(begin + span)
    assert max(lengths) <= SLICE + 1e-3
    assert max(lengths) - min(lengths) < 1e-3


@settings(max_examples=100, deadline=None)
@given(LOOKS)
def test_what_is_remembered_is_what_was(looks: list[tuple[Counts, Counts]]) -> None:
    was = begun(ASKED, NOON).after(NOON.timestamp() + 60, looks)
    found = read_back(ASKED, written(was))
    assert isinstance(found, Looks)
    assert (found.until, found.canary, found.stable, found.fresh) == (was.until, was.canary, was.stable, was.fresh)
    assert found.test.logs == pytest.approx(was.test.logs, abs=1e-6)
    assert len(written(was)) < 400
    assert json.loads(written(was))["peak"] == pytest.approx(was.test.peak, abs=1e-6)
