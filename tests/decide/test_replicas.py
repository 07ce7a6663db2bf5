"""Sizing: the vectors of the contract, and what must hold for every size, weight, surge and availability."""

from itertools import product

import pytest

from rollouts.decide.replicas import Limits, Size, _one_move, approximate, basic_canary, routed_canary


@pytest.mark.parametrize(
    ("size", "weight", "surge", "unavailable", "new", "stable", "expected"),
    [
        (10, 20, 2, 0, Size(0, 0), Size(10, 10), (2, 10)),
        (10, 50, 2, 1, Size(0, 0), Size(10, 10), (2, 9)),
        (10, 5, 1, 1, Size(0, 0), Size(10, 10), (1, 10)),
        (10, 5, 0, 1, Size(0, 0), Size(9, 9), (1, 9)),
        (1, 49, 0, 1, Size(0, 0), Size(1, 1), (0, 1)),
        (1, 51, 0, 1, Size(0, 0), Size(1, 1), (0, 0)),
        (1, 51, 0, 1, Size(0, 0), Size(0, 0), (1, 0)),
        (10, 100, 1, 0, Size(10, 8), Size(10, 2), (9, 2)),
        (4, 0, 1, 0, Size(4, 4), Size(1, 1), (3, 1)),
        (3, 99, 0, 2, Size(0, 0), Size(3, 3), (0, 1)),
    ],
)
def test_one_move_is_that_of_argo_rollouts(
    size: int, weight: int, surge: int, unavailable: int, new: Size, stable: Size, expected: tuple[int, int]
) -> None:
    assert _one_move(Limits(size, surge, unavailable), weight, new, stable, 0) == expected


@pytest.mark.parametrize(
    ("size", "weight", "surge", "expected"),
    [(3, 50, 1, (2, 2)), (3, 50, 0, (2, 1)), (10, 1, 0, (1, 9)), (10, 99, 1, (10, 1)), (0, 50, 1, (0, 0))],
)
def test_a_weight_is_approximated_by_whole_pods(size: int, weight: int, surge: int, expected: tuple[int, int]) -> None:
    assert approximate(Limits(size, surge, 0), weight) == expected


def test_an_approximation_never_rounds_a_share_away() -> None:
    for size, weight, surge in product(range(2, 40), range(1, 100), (0, 1)):
        canary, stable = approximate(Limits(size, surge, 0), weight)
        assert canary > 0, (size, weight, surge)
        assert stable > 0 or weight > 50, (size, weight, surge)
        assert canary + stable in (size, size + 1), (size, weight, surge)


def test_sizing_keeps_surge_and_availability_on_every_way_to_a_weight() -> None:
    """Pods become ready as slowly as can be; at no moment are there too many, or too few available."""
    for size, weight, surge, unavailable in product(
        (1, 2, 3, 5, 10), (0, 1, 10, 33, 50, 99, 100), (0, 1, 3), (0, 1, 2)
    ):
        unavailable = min(unavailable, size)
        if surge == 0 and unavailable == 0:
            continue
        limits = Limits(size, surge, unavailable)
        new, stable = Size(0, 0), Size(size, size)
        for _ in range(6 * size + 6):
            asked = basic_canary(limits, weight, new, stable, 0)
            case = (limits, weight, new, stable, asked)
            assert sum(asked) <= limits.most, case
            new = Size(asked[0], min(new.available, asked[0]))
            stable = Size(asked[1], min(stable.available, asked[1]))
            assert new.available + stable.available >= limits.least_available, case
            if new.available == new.replicas and stable.available == stable.replicas:
                if asked == basic_canary(limits, weight, new, stable, 0):
                    break
            elif new.available < new.replicas:
                new = Size(new.replicas, new.available + 1)
            else:
                stable = Size(stable.replicas, stable.available + 1)
        else:
            raise AssertionError(f"never settles: {case}")


def test_pods_behind_a_router_are_never_fewer_than_their_share_deserves() -> None:
    for size, weight, least in product(range(30), range(101), (0, 2)):
        count = routed_canary(size, weight, 100, least)
        assert count * 100 >= size * weight
        assert (count == 0) == (size * weight == 0)
        assert count <= size


@pytest.mark.parametrize(("size", "weight"), [(2, 75), (5, 90), (10, 95), (25, 98), (50, 99)])
def test_a_share_of_nearly_all_is_all_but_one(size: int, weight: int) -> None:
    """A tie between all and all but one, of which all is not allowed."""
    assert approximate(Limits(size, 0, 1), weight) == (size - 1, 1)
