"""The number that a condition compares with."""

import pytest

from analysis.api import AnalysisRunSpec
from rollouts.backtest.thresholds import around, threshold, with_threshold
from tests.analysis.runs import metric


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ("result[0] < 0.05", (12, 16, 0.05)),
        ("0.95 <= result[0]", (0, 4, 0.95)),
        ("len(result) == 0 || isNaN(result[0]) || result[0] > 2", (52, 53, 2.0)),
        ("len(result) > 0 && result[0] < 1e3", (31, 34, 1000.0)),
        ("all(result, # < 500)", (16, 19, 500.0)),
        ("result[0] > 1 && result[0] < 9", None),
        ("result == 'ok'", None),
        ("result[0] <", None),
        ("", None),
    ],
)
def test_the_threshold_of_a_condition_is_found(condition: str, found: tuple[int, int, float] | None) -> None:
    assert threshold(condition) == found


def test_only_the_number_is_replaced() -> None:
    spec = AnalysisRunSpec(metrics=(metric(successCondition="len(result) == 0 || result[0] < 0.05 "), metric("n")))
    (changed, other) = with_threshold(spec, 0.125).metrics
    assert changed.success_condition == "len(result) == 0 || result[0] < 0.125 "
    assert other == spec.metrics[1]


def test_neighbours_of_a_success_rate_stay_below_one() -> None:
    assert around(0.99) == (0.96, 0.98, 0.99, 0.995, 0.9975)
    assert around(0.05) == (0.0125, 0.025, 0.05, 0.1, 0.2)
    assert around(2) == (0.5, 1, 2, 4, 8)
