"""A result and its conditions become a verdict."""

import math
from typing import Any

import pytest

from analysis.api import AnalysisPhase
from analysis.evaluate import NO_DATA, evaluate
from analysis.expr import FloatList
from tests.analysis.runs import E, F, I, S, metric

EMPTY, NAN, INF = FloatList(), math.nan, math.inf


def verdict(result: Any, success: str = "", failure: str = "") -> tuple[AnalysisPhase, str]:
    return evaluate(metric(successCondition=success, failureCondition=failure), result)


@pytest.mark.parametrize(
    ("success", "failure", "phase"),
    [
        ("", "", S),
        ("true", "", S),
        ("false", "", F),
        ("", "true", F),
        ("", "false", S),
        ("true", "true", F),
        ("false", "true", F),
        ("true", "false", S),
        ("false", "false", I),
    ],
)
def test_the_truth_table(success: str, failure: str, phase: AnalysisPhase) -> None:
    assert verdict(1.0, success, failure) == (phase, "")


@pytest.mark.parametrize(
    ("result", "success", "failure", "phase"),
    [
        (NAN, "result >= 0.9", "result < 0.9", I),
        (NAN, "result >= 0.9", "", F),
        (NAN, "", "result < 0.9", S),
        (NAN, "result >= 0.9 || isNaN(result)", "", S),
        (INF, "", "isInf(result)", F),
        (EMPTY, "len(result) == 0 || result[0] < 1", "", S),
        (EMPTY, "all(result, # < 1)", "", S),
        (EMPTY, "mean(result) < 1", "", S),
        (EMPTY, "isNil(result)", "", F),
        (EMPTY, "default(result, 0) == 0", "", F),
        (None, "default(result, 0) < 0.05", "", S),
        (None, "default(result, 1) < 0.05", "", F),
        (None, "isNil(result)", "", S),
        ({"a": 1.0}, "default(result.missing, 0) == 0", "", F),
        (1.123, "asInt(result) == 1", "", S),
        ("7", "asInt(result) == 7", "", S),
        ("1e2", "asFloat(result) == 100", "", S),
        (FloatList([2.0, 2.0]), "2 in result", "", S),
        (3.0, "1 < result < 5", "", S),
        ({"b": None}, "result.a?.b == nil", "", S),
    ],
)
def test_verdicts(result: Any, success: str, failure: str, phase: AnalysisPhase) -> None:
    assert verdict(result, success, failure) == (phase, "")


@pytest.mark.parametrize(
    ("result", "success", "failure", "message"),
    [
        (1.0, "true", "foo > 1", 'could not evaluate failureCondition "foo > 1": unknown name foo'),
        (1.0, "1", "", 'could not evaluate successCondition "1": expected bool, but got int'),
        (EMPTY, "result[0] >= 0.95", "", f'could not evaluate successCondition "result[0] >= 0.95": {NO_DATA}'),
        (None, "result > 1", "", f'could not evaluate successCondition "result > 1": {NO_DATA}'),
        (
            "1.1",
            "asInt(result) > 1",
            "",
            'could not evaluate successCondition "asInt(result) > 1": strconv.ParseInt: parsing "1.1": invalid syntax',
        ),
        (
            1.0,
            "result[0] > 1",
            "",
            'could not evaluate successCondition "result[0] > 1": type float64[int] is undefined',
        ),
        (
            {"code": 200.0},
            'result.code in ["200"]',
            "",
            'could not evaluate successCondition "result.code in ["200"]": '
            "reflect.Value.MapIndex: value of type float64 is not assignable to type string",
        ),
        (
            {},
            "result.a.b == 1",
            "",
            'could not evaluate successCondition "result.a.b == 1": cannot fetch b from <nil>',
        ),
    ],
)
def test_errors_name_the_condition_and_the_cause(result: Any, success: str, failure: str, message: str) -> None:
    assert verdict(result, success, failure) == (E, message)


def test_a_failing_success_condition_is_told_before_the_other() -> None:
    _, message = verdict(1.0, "nope", "also nope")
    assert message.startswith('could not evaluate successCondition "nope"')
