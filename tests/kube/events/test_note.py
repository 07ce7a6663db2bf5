"""What one Event tells of what was said several times, and which reasons are told in one."""

from datetime import UTC, datetime, timedelta
from itertools import count

from rollouts.kube.events.note import Note, joined

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SERIALS = count()


def note(reason: str, text: str = "", minute: int = 0) -> Note:
    moment = NOON + timedelta(minutes=minute)
    return Note("Normal", reason, [text or reason], moment, moment, next(SERIALS))


def test_what_is_said_twice_is_told_once_and_counted() -> None:
    told = note("ScalingReplicaSet", "up", minute=1)
    told.join(note("ScalingReplicaSet", "down", minute=2))
    told.join(note("ScalingReplicaSet", "up", minute=3))
    assert (told.message, told.count) == ("up; down", 3)
    assert (told.first, told.last) == (NOON + timedelta(minutes=1), NOON + timedelta(minutes=3))


def test_the_earliest_texts_give_way_and_are_counted() -> None:
    told = note("ScalingReplicaSet", "0" * 400)
    for number in range(1, 5):
        told.join(note("ScalingReplicaSet", str(number) * 400))
    assert told.message == f"(3 earlier); {'3' * 400}; {'4' * 400}"


def test_one_text_that_is_too_long_is_cut() -> None:
    assert note("ScalingReplicaSet", "x" * 2000).message == "x" * 1024


def test_what_says_the_same_a_second_time_is_told_with_it() -> None:
    told = joined([note("Updated VirtualService"), note("TrafficWeightUpdated"), note("RolloutPaused")])
    assert [one.message for one in told] == ["TrafficWeightUpdated; Updated VirtualService", "RolloutPaused"]


def test_what_was_said_last_stands_by_itself() -> None:
    told = joined([note("TrafficWeightUpdated"), note("Updated VirtualService")])
    assert [one.reason for one in told] == ["TrafficWeightUpdated", "Updated VirtualService"]


def test_what_has_nothing_to_join_stands_by_itself() -> None:
    assert [one.reason for one in joined([note("MetricSuccessful"), note("RolloutPaused")])] == [
        "MetricSuccessful",
        "RolloutPaused",
    ]
    assert joined([]) == []
