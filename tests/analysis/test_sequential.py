"""Canary against stable: looking every minute adds no false alarms, and what is bad is seen at once."""

import math
from collections.abc import Callable
from random import Random

import pytest

from analysis import sequential
from analysis.sequential import RATIOS, Comparison, Counts

Verdict = Callable[[list[tuple[Counts, Counts]], float], bool]


def chances(canary: int, stable: int, bad: int, ratio: float) -> dict[int, float]:
    """Fisher's noncentral hypergeometric distribution by its definition: the canary's part of the bad requests."""
    parts = range(max(0, bad - stable), min(canary, bad) + 1)
    weights = {part: math.comb(canary, part) * math.comb(stable, bad - part) * ratio**part for part in parts}
    whole = math.fsum(weights.values())
    return {part: weight / whole for part, weight in weights.items()}


@pytest.mark.parametrize(("canary", "stable", "bad"), [(10, 10, 5), (3, 40, 6), (30, 4, 20), (7, 1, 8), (50, 60, 1)])
@pytest.mark.parametrize("tolerated", [1.0, 2.0])
def test_by_chance_one_look_is_worth_exactly_nothing(canary: int, stable: int, bad: int, tolerated: float) -> None:
    def mean(ratio: float) -> float:
        return math.fsum(
            chance * Comparison(tolerated).looked(Counts(canary, part), Counts(stable, bad - part)).e_value
            for part, chance in chances(canary, stable, bad, ratio).items()
        )

    assert mean(tolerated) == pytest.approx(1.0)
    assert mean(tolerated / 2) <= 1.0 + 1e-9  # a canary that is better cannot make it worse


def test_a_look_is_worth_its_mean_likelihood_ratio() -> None:
    alike, found = chances(200, 800, 12, 1.0)[7], Comparison().looked(Counts(200, 7), Counts(800, 5))
    expected = math.fsum(chances(200, 800, 12, ratio)[7] / alike for ratio in RATIOS) / len(RATIOS)
    assert found.e_value == pytest.approx(expected)


def test_large_counts_are_as_exact_as_small_ones() -> None:
    once = Comparison().looked(Counts(1_000_000, 30_000), Counts(9_000_000, 45_000))
    assert once.worse(1e-12)
    same = Comparison().looked(Counts(1_000_000, 5_000), Counts(9_000_000, 45_000))
    assert same.e_value < 1


@pytest.mark.parametrize(
    ("canary", "stable", "bad"),
    [(60_000, 60_000, 40_000), (40_000, 60_000, 50_000), (1_000_000, 9_000_000, 100_000), (900_000, 100_000, 600_000)],
)
@pytest.mark.parametrize("ratio", [1.0, 1.5, 25.0])
def test_where_terms_are_too_many_their_bell_is_as_good(
    canary: int, stable: int, bad: int, ratio: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = sequential._log_sum(canary, stable, bad, ratio)
    monkeypatch.setattr(sequential, "_EXACT_UP_TO", math.inf)
    assert found == pytest.approx(sequential._log_sum(canary, stable, bad, ratio), abs=1e-5)


def test_looks_without_anything_bad_or_without_traffic_say_nothing() -> None:
    begun = Comparison().looked(Counts(100, 3), Counts(100, 1))
    assert begun.looked(Counts(100, 0), Counts(100, 0)) is begun
    assert begun.looked(Counts(0, 0), Counts(100, 5)) is begun
    assert begun.looked(Counts(100, 100), Counts(0, 0)) is begun


def test_a_verdict_stands_whatever_comes_later() -> None:
    bad = Comparison().looked(Counts(1000, 60), Counts(1000, 5))
    later = bad
    for _ in range(20):
        later = later.looked(Counts(1000, 5), Counts(1000, 5))
    assert later.e_value < bad.e_value
    assert bad.worse(0.01)
    assert later.worse(0.01)


def test_a_tolerated_ratio_forgives_as_much() -> None:
    looks = [(Counts(1000, 30), Counts(1000, 20))] * 10
    assert rejected(looks, 0.01)
    assert not rejected(looks, 0.01, tolerated=2.0)


@pytest.mark.parametrize(("total", "bad"), [(1, 2), (1, -1), (-1, 0)])
def test_counts_that_cannot_be_are_refused(total: int, bad: int) -> None:
    with pytest.raises(ValueError, match="bad requests of"):
        Counts(total, bad)


@pytest.mark.parametrize("tolerated", [0.0, -1.0, math.nan, math.inf])
def test_a_tolerance_that_cannot_be_is_refused(tolerated: float) -> None:
    with pytest.raises(ValueError, match="tolerated ratio"):
        Comparison(tolerated)


@pytest.mark.parametrize("alpha", [0.0, 1.0, math.nan])
def test_an_alpha_that_cannot_be_is_refused(alpha: float) -> None:
    with pytest.raises(ValueError, match="alpha"):
        Comparison().worse(alpha)


# ── both claims, on requests drawn by chance ──


def drawn(chance: Random, total: int, rate: float) -> Counts:
    """So many requests, each bad with this probability; the gaps between bad ones are drawn."""
    bad, at = 0, 0.0
    while True:
        at += math.floor(math.log(1 - chance.random()) / math.log1p(-rate)) + 1
        if at > total:
            return Counts(total, bad)
        bad += 1


def release(
    chance: Random, sizes: tuple[int, int], rates: tuple[float, float], minutes: int
) -> list[tuple[Counts, Counts]]:
    return [(drawn(chance, sizes[0], rates[0]), drawn(chance, sizes[1], rates[1])) for _ in range(minutes)]


def rejected(looks: list[tuple[Counts, Counts]], alpha: float, tolerated: float = 1.0) -> bool:
    comparison = Comparison(tolerated)
    for canary, stable in looks:
        comparison = comparison.looked(canary, stable)
    return comparison.worse(alpha)


def rejected_by_fixed_tests(looks: list[tuple[Counts, Counts]], alpha: float) -> bool:
    """What is often done instead: every minute a one-sided test of all counts so far, as if it were the only one."""
    all_, bad = [0, 0], [0, 0]
    for pair in looks:
        for side, counts in enumerate(pair):
            all_[side] += counts.total
            bad[side] += counts.bad
        share = sum(bad) / sum(all_)
        spread = math.sqrt(share * (1 - share) * (1 / all_[0] + 1 / all_[1]))
        if spread and math.erfc((bad[0] / all_[0] - bad[1] / all_[1]) / spread / math.sqrt(2)) / 2 <= alpha:
            return True
    return False


def false_alarms(verdict: Verdict, alpha: float) -> float:
    chance, runs = Random(41), 300
    releases = (release(chance, (100, 900), (0.01, 0.01), 60) for _ in range(runs))
    return sum(verdict(looks, alpha) for looks in releases) / runs


def test_looking_every_minute_for_an_hour_adds_no_false_alarms() -> None:
    assert false_alarms(rejected, 0.05) <= 0.05


def test_a_fixed_test_repeated_every_minute_does() -> None:
    assert false_alarms(rejected_by_fixed_tests, 0.05) > 0.15


def caught(
    sizes: tuple[int, int],
    rates: tuple[float, float],
    minutes: int,
    verdict: Callable[[list[tuple[Counts, Counts]]], bool],
) -> float:
    chance, runs = Random(42), 200
    return sum(verdict(release(chance, sizes, rates, minutes)) for _ in range(runs)) / runs


BAD, HEALTHY = (0.03, 0.005), (0.005, 0.005)


@pytest.mark.parametrize(
    ("sizes", "alpha", "minutes", "least"),
    [
        ((1000, 9000), 0.05, 1, 0.98),
        ((1000, 9000), 0.01, 1, 0.98),
        ((1000, 1000), 0.05, 1, 0.95),
        ((1000, 1000), 0.01, 1, 0.85),
        ((1000, 1000), 0.01, 2, 0.98),
        ((100, 900), 0.05, 10, 0.98),
    ],
)
def test_six_times_the_errors_are_caught_in_minutes(
    sizes: tuple[int, int], alpha: float, minutes: int, least: float
) -> None:
    assert caught(sizes, BAD, minutes, lambda looks: rejected(looks, alpha)) >= least


@pytest.mark.parametrize("alpha", [0.05, 0.01])
def test_as_many_errors_as_stable_are_let_through(alpha: float) -> None:
    assert caught((1000, 1000), HEALTHY, 60, lambda looks: rejected(looks, alpha)) <= alpha


def test_a_fixed_line_of_five_percent_hardly_ever_sees_them() -> None:
    def over(looks: list[tuple[Counts, Counts]]) -> bool:
        return any(canary.bad / canary.total > 0.05 for canary, _ in looks)

    assert caught((1000, 1000), BAD, 60, over) < 0.03  # by chance, once in an hour
