"""What is said of a metric is what the engine does with it."""

from typing import Any

import pytest

from rollouts.explain.metric import ordinal, told
from tests.analysis.runs import metric

S, F = {"successCondition": "result[0] < 1"}, {"failureCondition": "result[0] > 9"}
PACE = {"interval": "30s"}

ENDINGS: list[tuple[str, dict[str, Any], str]] = [
    ("the default tolerates nothing", S, "aborts on the 1st bad reading, at once"),
    (
        "a limit is over the whole run",
        S | PACE | {"failureLimit": 3},
        "aborts on the 4th bad reading in total, at the earliest after 90 s",
    ),
    (
        "limits may be texts",
        S | PACE | {"failureLimit": "2"},
        "aborts on the 3rd bad reading in total, at the earliest after 60 s",
    ),
    (
        "a delay comes on top",
        S | PACE | {"failureLimit": 1, "initialDelay": "1m"},
        "aborts on the 2nd bad reading in total, at the earliest after 90 s",
    ),
    (
        "a limit that the count cannot reach",
        S | PACE | {"count": 3, "failureLimit": 3},
        "no number of bad readings aborts it",
    ),
    (
        "without limit, readings must be good in a row",
        S | PACE | {"count": 5, "failureLimit": -1, "consecutiveSuccessLimit": 2},
        "aborts after 5 readings that are bad, at the earliest after 120 s",
    ),
    (
        "without limit and without end",
        S | PACE | {"failureLimit": -1, "consecutiveSuccessLimit": 2},
        "no number of bad readings aborts it (tried 500)",
    ),
    (
        "errors have a limit of their own, and a pace of their own",
        S | PACE,
        "aborts (Error) on the 5th error in a row, at the earliest after 40 s",
    ),
    ("no error is tolerated", S | PACE | {"consecutiveErrorLimit": 0}, "aborts (Error) on the 1st error, at once"),
    (
        "what cannot be read is no limit",
        S | PACE | {"consecutiveErrorLimit": "many"},
        "aborts (Error) on the 1st error, at once",
    ),
    ("between two conditions lies doubt", S | F | PACE, "pauses the release on the 1st inconclusive reading, at once"),
    (
        "doubt has a limit",
        S | F | PACE | {"inconclusiveLimit": 2},
        "pauses the release on the 3rd inconclusive reading in total, at the earliest after 60 s",
    ),
    ("one reading is enough", S, "succeeds after 1 good reading, at once"),
    ("all readings are taken", S | PACE | {"count": 4}, "succeeds after 4 good readings, at the earliest after 90 s"),
    (
        "an early success",
        S | PACE | {"count": 9, "consecutiveSuccessLimit": 3},
        "succeeds after 3 good readings in a row, at the earliest after 60 s",
    ),
    ("no count", S | PACE, "never ends by itself: right beside the steps of a release, refused as one of them"),
    (
        "a count that is none",
        S | PACE | {"count": "10%"},
        "never ends by itself: right beside the steps of a release, refused as one of them",
    ),
    (
        "the schedule",
        S | PACE | {"count": 4, "initialDelay": "1m30s"},
        "asks prometheus 4 times, every 30 s, the first 90 s after the start",
    ),
    ("the schedule of one reading", S, "asks prometheus once"),
    ("only a success condition", S, "a reading is bad when `result[0] < 1` does not hold"),
    ("only a failure condition", F, "a reading is good when `result[0] > 9` does not hold"),
    ("both", S | F, "a reading is inconclusive when `result[0] < 1` does not and `result[0] > 9` does not"),
    ("a failure wins", S | F, "a reading is bad when `result[0] > 9` holds"),
    ("no condition", {}, "a reading is good whatever it is: there is no condition"),
    ("an answer without data", S, "no data is an error, NaN is bad"),
    (
        "NaN that is asked for",
        {"successCondition": "len(result) == 0 || isNaN(result[0])"},
        "no data is good, NaN is good",
    ),
    ("NaN against two conditions", S | F, "no data is an error, NaN is inconclusive"),
    (
        "a Job",
        {"provider": {"job": {"spec": {}}}},
        "a reading is good when the Job succeeds, bad when it fails, inconclusive when its pod cannot start",
    ),
    (
        "a Job may leave one in doubt",
        {"provider": {"job": {"spec": {}}}},
        "pauses the release on the 1st inconclusive reading, at once",
    ),
    (
        "what cannot run",
        PACE | {"count": 1, "failureLimit": 2},
        "cannot run: count (1) must be >= failureLimit + consecutiveSuccessLimit (2 + 0) if both >= 0",
    ),
]


@pytest.mark.parametrize(("fields", "line"), [case[1:] for case in ENDINGS], ids=[case[0] for case in ENDINGS])
def test_a_metric_is_explained(fields: dict[str, Any], line: str) -> None:
    assert line in list(told(metric(**fields)))


def test_what_cannot_be_inconclusive_is_not_said_to_pause() -> None:
    assert not [line for line in told(metric(**S)) if "pauses" in line]


def test_a_dry_run_has_no_endings() -> None:
    lines = list(told(metric(**S), dry_run=True))
    assert lines[-1] == "decides nothing: it is measured as a dry run"
    assert not [line for line in lines if line.startswith(("aborts", "succeeds"))]


def test_a_metric_that_cannot_run_has_nothing_else_said_of_it() -> None:
    assert len(list(told(metric(interval="soon")))) == 1


def test_numbers_are_counted_as_people_do() -> None:
    assert [ordinal(n) for n in (1, 2, 3, 4, 11, 12, 13, 21, 102, 111)] == (
        ["1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "102nd", "111th"]
    )
