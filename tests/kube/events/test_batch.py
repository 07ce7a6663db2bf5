"""What waits of one object: what is told together, and what is kept apart."""

from rollouts.kube.events.batch import Batch
from rollouts.kube.events.due import Patience, patience
from rollouts.kube.events.note import Note, Severity
from tests.kube.events.test_note import NOON, SERIALS


def said(reason: str, text: str, type: Severity = "Normal", before: int = 0) -> tuple[Note, Patience]:
    return Note(type, reason, [text], NOON, NOON, next(SERIALS)), patience(type, reason, before)


def messages(batch: Batch) -> list[str]:
    return [note.message for note in batch.notes]


def test_passes_that_say_the_same_thing_are_told_together() -> None:
    batch = Batch({})
    batch.take([said("ScalingReplicaSet", "up"), said("RolloutPaused", "paused")], now=0)
    batch.take([said("ScalingReplicaSet", "down")], now=1)
    assert messages(batch) == ["up; down", "paused"]
    assert batch.due.left(now=1) == 2


def test_a_severity_is_not_mixed_with_another() -> None:
    batch = Batch({})
    batch.take([said("Odd", "fine"), said("Odd", "broken", "Warning", before=1)], now=0)
    assert messages(batch) == ["fine", "broken"]


def test_news_stand_apart_with_all_of_their_pass() -> None:
    batch = Batch({})
    batch.take([said("ScalingReplicaSet", "up")], now=0)
    batch.take([said("ScalingReplicaSet", "down"), said("RolloutAborted", "aborted", "Warning")], now=0)
    batch.take([said("ScalingReplicaSet", "up again")], now=0)
    assert messages(batch) == ["up", "down", "aborted", "up again"]
    assert batch.due.left(now=0, busy=True) == 0


def test_an_update_is_told_apart_from_what_was_before_it() -> None:
    batch = Batch({})
    batch.take([said("SwitchService", "to 1")], now=0)
    batch.take([said("RolloutUpdated", "to 2")], now=0)
    batch.take([said("SwitchService", "to 2")], now=0)
    assert messages(batch) == ["to 1", "to 2", "to 2"]


def test_what_could_not_be_said_comes_before_what_was_said_since_and_is_due() -> None:
    failed, since = Batch({"name": "shop"}), Batch({"name": "shop"})
    failed.take([said("RolloutUpdated", "to 2"), said("ScalingReplicaSet", "up")], now=0)
    since.take([said("RolloutPaused", "paused"), said("ScalingReplicaSet", "down")], now=1)
    again = failed.again(failed.notes[1:], since)
    assert messages(again) == ["up; down", "paused"]
    assert again.about == {"name": "shop"}
    assert again.due.left(now=1, busy=True) == 0
    assert messages(failed.again(failed.notes[1:], None)) == ["up; down"]
