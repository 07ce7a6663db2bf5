"""When what was said is posted: a table of patience, and what becomes of it as more is said."""

import pytest

from rollouts.kube.events.due import AT_ONCE, Due, Patience, patience
from rollouts.kube.events.note import Severity


@pytest.mark.parametrize(
    ("type", "reason", "before", "expected"),
    [
        ("Normal", "ScalingReplicaSet", 0, Patience(quiet=2, longest=15, held=45)),
        ("Normal", "ScalingReplicaSet", 1, Patience(quiet=2, longest=15, held=45)),
        ("Normal", "ScalingReplicaSet", 10, Patience(quiet=20, longest=20, held=45)),
        ("Normal", "ScalingReplicaSet", 1000, Patience(quiet=300, longest=300, held=300)),
        ("Normal", "RolloutCompleted", 0, Patience(longest=0, held=45)),
        ("Warning", "ReconciliationError", 0, Patience(longest=0, held=0)),
        ("Warning", "ReconciliationError", 3, Patience(longest=30, held=30)),
        ("Warning", "ReconciliationError", 1000, Patience(longest=300, held=300)),
        ("Warning", "RolloutAborted", 1000, Patience(longest=0, held=0)),
    ],
)
def test_patience_grows_with_how_often_it_was_said(
    type: Severity, reason: str, before: int, expected: Patience
) -> None:
    assert patience(type, reason, before) == expected


def test_only_what_is_not_even_held_in_busy_times_has_no_patience() -> None:
    assert patience("Warning", "ReconciliationError", 0).none
    assert not patience("Warning", "ReconciliationError", 1).none
    assert not patience("Normal", "RolloutCompleted", 0).none


PLAIN = patience("Normal", "ScalingReplicaSet", 0)
END = patience("Normal", "RolloutCompleted", 0)
REPEATED = patience("Warning", "ReconciliationError", 1)


def test_more_that_is_said_puts_off_what_waits_but_not_for_ever() -> None:
    due = Due()
    for second in range(15):
        due = due.after(PLAIN, now=float(second))
        assert due.left(now=float(second)) == min(2, 15 - second)
    assert due.left(now=15) == 0


def test_an_end_is_due_and_takes_along_what_waits() -> None:
    assert Due().after(PLAIN, now=0).after(END, now=1).left(now=1) == 0
    assert Due().after(END, now=0).after(PLAIN, now=1).left(now=1) == 0


def test_a_warning_that_was_posted_before_does_not_put_off_what_else_waits() -> None:
    assert Due().after(PLAIN, now=0).after(REPEATED, now=1).left(now=1) == 1
    assert Due().after(REPEATED, now=0).after(PLAIN, now=9.5).left(now=9.5) == 0.5


def test_what_is_due_is_looked_at_again_and_again_in_busy_times_until_its_deadline() -> None:
    due = Due().after(END, now=0)
    assert due.left(now=0, busy=True) == 0.5
    assert due.left(now=0, busy=True, waiting=2000) == 20, "thousands are not looked at twice a second"
    assert due.left(now=44.75, busy=True) == 0.25
    assert due.left(now=45, busy=True) == 0


def test_somebody_who_waits_for_it_ends_all_patience() -> None:
    assert AT_ONCE.after(PLAIN, now=7).left(now=7, busy=True) == 0
