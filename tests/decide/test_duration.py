"""How long a release takes by `status.duration`, and how it is said to have ended."""

from datetime import datetime, timedelta

from rollouts.api.status import RolloutDuration, RolloutStatus
from rollouts.decide.reported.duration import endings
from tests import make
from tests.decide.canary import V1, V2, V3, deployed, updated
from tests.decide.toy import Toy


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


def test_a_rollout_that_an_older_controller_left_begins_to_count_with_its_next_update() -> None:
    """Versions of Argo Rollouts before 1.10 tell no duration: taking over hundreds of them is no update of each."""
    toy = deployed(make.weight(40), make.pause())
    toy.patch_status(duration=None)
    written = toy.status_writes
    toy.run()
    assert toy.status_writes == written
    assert "duration" not in toy.status
    toy.image(V2)
    toy.run()
    assert "rolloutStartedAt" in toy.status["duration"]


def test_an_update_in_the_middle_of_which_an_older_controller_left_is_not_timed() -> None:
    toy = deployed(make.weight(40), make.pause())
    toy.image(V2)
    toy.run()
    toy.patch_status(duration=None)
    toy.run()
    toy.patch_status(promoteFull=True)
    toy.run()
    assert toy.phase == "Healthy"
    assert "duration" not in toy.status


def test_an_aborted_update_whose_template_is_taken_back_stays_aborted() -> None:
    """The way back in GitOps: the abort ended the update, and nothing is rolled out after it."""
    toy = deployed(make.weight(40), make.pause())
    toy.image(V2)
    toy.run()
    toy.patch_status(abort=True)
    toy.run()
    ended = toy.status["duration"]
    assert ended["completionStatus"] == "Aborted"
    toy.wait(seconds=20)
    toy.image(V1)
    toy.run()
    assert toy.phase == "Healthy"
    assert toy.status["duration"] == ended


def test_a_return_that_begins_when_the_update_is_over_is_an_update_like_any_other() -> None:
    toy = deployed(make.weight(40), make.pause())
    toy.image(V2)
    toy.run()
    toy.patch_status(promoteFull=True)
    toy.run()
    assert toy.status["duration"]["completionStatus"] == "FastPromoted"
    toy.image(V1)
    toy.run()
    toy.patch_status(pauseConditions=None)
    toy.run()
    assert toy.phase == "Healthy"
    assert toy.status["duration"]["completionStatus"] == "Promoted"


def test_how_a_first_deployment_ends_is_known_before_its_pods_are_there() -> None:
    toy = Toy(make.rollout(make.weight(40), make.pause()))
    toy.settle()
    assert toy.status["duration"]["completionStatus"] == "Promoted"
    assert "finishedAt" not in toy.status["duration"]


def test_an_abort_ends_the_pause_too_though_the_spec_is_still_paused() -> None:
    toy = deployed(make.weight(40), make.pause())
    toy.image(V2)
    toy.run()
    toy.spec(paused=True)
    toy.run()
    toy.wait(seconds=20)
    toy.patch_status(abort=True)
    toy.run()
    duration = toy.status["duration"]
    assert duration["completionStatus"] == "Aborted"
    assert duration["totalManualPauseDurationSeconds"] >= 20
    assert "manualPauseStartedAt" not in duration


# ── what is counted ──


def at(seconds: int) -> datetime:
    return make.NOON + timedelta(seconds=seconds)


def timed(**duration: object) -> RolloutStatus:
    return RolloutStatus(duration=RolloutDuration.model_validate(duration))


def test_an_update_that_ends_is_counted_once() -> None:
    going = timed(rolloutStartedAt=at(0))
    ended = timed(
        rolloutStartedAt=at(0), finishedAt=at(90), completionStatus="Promoted", totalManualPauseDurationSeconds=30
    )
    assert list(endings(going, ended)) == [("Promoted", 90, 30)]
    assert list(endings(ended, ended)) == []
    assert list(endings(ended, timed(rolloutStartedAt=at(120)))) == []


def test_an_update_that_another_supersedes_is_counted_with_the_pause_it_was_in() -> None:
    paused = timed(rolloutStartedAt=at(0), manualPauseStartedAt=at(40), totalManualPauseDurationSeconds=5)
    assert list(endings(paused, timed(rolloutStartedAt=at(60)))) == [("Superseded", 60, 25)]
