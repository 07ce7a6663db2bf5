"""How long a release takes by `status.duration`, and how it is said to have ended."""

from datetime import timedelta

from tests import make
from tests.decide.canary import V1, V2, V3, deployed, updated


def test_a_pause_that_a_person_ended_at_once_counts_as_zero_seconds() -> None:
    toy = updated(deployed(make.weight(40), make.pause()))
    toy.patch_status(promoteFull=True)
    toy.run()
    assert toy.status["duration"]["totalManualPauseDurationSeconds"] == 0


def test_without_a_pause_for_people_no_seconds_are_told() -> None:
    toy = deployed(make.weight(40), make.pause(5))
    toy.image(V2)
    toy.run(toy.now + timedelta(minutes=1))
    assert toy.phase == "Healthy"
    assert "totalManualPauseDurationSeconds" not in toy.status["duration"]


def test_going_back_to_stable_ends_the_update_that_had_begun() -> None:
    toy = updated(deployed(make.weight(40), make.pause()))
    began = toy.status["duration"]["rolloutStartedAt"]
    toy.wait(seconds=20)
    toy.image(V1)
    toy.run()
    duration = toy.status["duration"]
    assert (duration["rolloutStartedAt"], duration["completionStatus"]) == (began, "FastRolledBack")
    assert duration["finishedAt"] > began
    assert duration["totalManualPauseDurationSeconds"] >= 20


def test_another_template_begins_to_count_anew() -> None:
    toy = updated(deployed(make.weight(40), make.pause()))
    began = toy.status["duration"]["rolloutStartedAt"]
    toy.wait(seconds=20)
    toy.image(V3)
    toy.run()
    assert toy.status["duration"]["rolloutStartedAt"] > began
    assert "completionStatus" not in toy.status["duration"]


def test_a_rollback_within_the_window_in_the_middle_of_an_update_is_a_fast_one() -> None:
    toy = deployed(make.weight(40), make.pause(), rollbackWindow={"revisions": 1})
    toy.wait(seconds=5)
    toy.image(V2)
    toy.run()
    toy.patch_status(promoteFull=True)
    toy.run()
    toy.wait(seconds=5)
    toy.image(V3)
    toy.run()
    toy.image(V1)
    toy.run()
    assert toy.phase == "Healthy"
    assert toy.status["duration"]["completionStatus"] == "FastRolledBack"
