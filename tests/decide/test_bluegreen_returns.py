"""Blue-green: aborts, retries, and ways back to an earlier version."""

from datetime import timedelta

from tests.decide.bluegreen import (
    ANALYSIS,
    DEADLINE,
    H1,
    H2,
    MANUAL,
    V1,
    V2,
    V3,
    deployed,
    forget,
    sizes,
    status,
    updated,
    verdict,
)

# ── aborts and retries ──


def test_an_abort_before_the_switch_keeps_the_preview_for_its_delay() -> None:
    toy = updated(**MANUAL)
    toy.abort()
    toy.settle()
    assert toy.phase == "Degraded RolloutAborted: Rollout aborted update to revision 2"
    assert toy.log == [f"annotate r-{H2} {DEADLINE}"]
    assert "pauseConditions" not in toy.status
    assert toy.services["preview"].hash == H2
    toy.wait(seconds=29)
    toy.settle()
    assert sizes(toy, V2) == [3]
    toy.wait(seconds=1)
    toy.run()
    assert sizes(toy, V1, V2) == [3, 0]
    assert DEADLINE in toy.of(V2).annotations
    assert toy.status["duration"]["completionStatus"] == "Aborted"


def test_an_abort_delay_of_zero_keeps_the_preview_for_good() -> None:
    toy = updated(**MANUAL, abortScaleDownDelaySeconds=0)
    toy.abort()
    toy.run(toy.now + timedelta(hours=1))
    assert sizes(toy, V1, V2) == [3, 3]


def test_an_abort_delay_longer_than_a_resync_is_kept() -> None:
    """Upstream drops the pods at once when the delay is 900 seconds or more."""
    toy = updated(**MANUAL, abortScaleDownDelaySeconds=1000)
    toy.abort()
    toy.settle()
    toy.wait(seconds=999)
    toy.settle()
    assert sizes(toy, V2) == [3]


def test_a_replica_change_in_the_abort_delay_leaves_the_aborted_version_alone() -> None:
    toy = updated(**MANUAL)
    toy.abort()
    toy.settle()
    toy.spec(replicas=5)
    toy.run()
    assert sizes(toy, V1, V2) == [5, 3]
    assert toy.of(V2).annotations["rollout.argoproj.io/desired-replicas"] == "5"


def test_an_abort_after_the_switch_takes_the_users_back_and_ends_the_analysis() -> None:
    toy = updated(postPromotionAnalysis=ANALYSIS)
    toy.abort()
    toy.settle()
    assert toy.services["active"].hash == H1
    assert DEADLINE in toy.of(V2).annotations
    assert [run.terminate for run in toy.runs.values()] == [True]
    toy.run(toy.now + timedelta(seconds=31))
    assert sizes(toy, V1, V2) == [3, 0]
    assert status(toy, "activeSelector") == H1


def test_an_abort_after_the_switch_moves_users_away_from_pods_that_fail() -> None:
    """Upstream leaves them there while a pod of the new version is unready, and scales it to 0 under them."""
    toy = updated(postPromotionAnalysis=ANALYSIS)
    toy.ready(V2, 1)
    toy.abort()
    toy.settle()
    assert toy.services["active"].hash == H1


def test_an_aborted_version_keeps_its_pods_while_users_are_on_them() -> None:
    toy = updated(postPromotionAnalysis=ANALYSIS)
    toy.ready(V1, 1)
    toy.abort()
    toy.settle()
    toy.wait(hours=1)
    toy.settle()
    assert toy.services["active"].hash == H2, "stable would serve worse"
    assert sizes(toy, V1, V2) == [3, 3]
    toy.ready()
    toy.settle()
    assert toy.services["active"].hash == H1


def test_a_stable_version_that_serves_no_worse_is_enough_after_an_abort() -> None:
    toy = updated(postPromotionAnalysis=ANALYSIS)
    toy.ready(V1, 2)
    toy.ready(V2, 1)
    toy.abort()
    toy.settle()
    assert toy.services["active"].hash == H1


def test_an_abort_outranks_a_pause_by_spec() -> None:
    toy = updated(postPromotionAnalysis=ANALYSIS)
    toy.spec(paused=True)
    toy.abort()
    toy.settle()
    assert toy.services["active"].hash == H1


def test_an_abort_of_a_promoted_rollout_is_taken_back_silently() -> None:
    toy = deployed()
    toy.abort()
    toy.run()
    assert toy.phase == "Healthy"
    assert "abort" not in toy.status
    assert toy.events == []


def test_a_retry_begins_anew_with_preview_analysis_and_pause() -> None:
    """Upstream starts the analysis at once, also with no pods to measure."""
    toy = updated(**MANUAL, previewReplicaCount=1, prePromotionAnalysis=ANALYSIS)
    verdict(toy, "Failed")
    toy.run(toy.now + timedelta(seconds=31))
    assert sizes(toy, V2) == [0]
    toy.patch_status(abort=False)
    toy.settle()
    assert toy.status["phase"] == "Progressing"
    assert DEADLINE not in toy.of(V2).annotations
    assert sizes(toy, V2) == [1]
    assert list(toy.runs) == [f"r-{H2}-2-pre"]
    assert "abortedAt" not in toy.status
    toy.run()
    assert list(toy.runs) == [f"r-{H2}-2-pre", f"r-{H2}-2-pre.1"]
    verdict(toy, "Successful")
    toy.run()
    assert toy.phase == "Paused BlueGreenPause"
    toy.promote()
    toy.run()
    assert toy.phase == "Healthy"


def test_a_retry_is_told_as_one() -> None:
    toy = updated(**MANUAL)
    toy.abort()
    toy.run()
    toy.patch_status(abort=False)
    toy.step()
    (progressing,) = (each for each in toy.status["conditions"] if each["type"] == "Progressing")
    assert progressing["reason"] == "RolloutRetry"


def test_a_retry_beside_a_replica_change_is_not_aborted_by_the_old_verdict() -> None:
    toy = updated(prePromotionAnalysis=ANALYSIS)
    verdict(toy, "Failed")
    toy.run()
    toy.patch_status(abort=False)
    toy.spec(replicas=4)
    toy.run()
    assert "abort" not in toy.status
    assert list(toy.runs) == [f"r-{H2}-2-pre", f"r-{H2}-2-pre.1"]


def test_a_retry_after_the_checkpoint_pauses_again() -> None:
    """Upstream keeps the checkpoint and switches without asking."""
    toy = updated(**MANUAL, previewReplicaCount=1)
    toy.promote()
    toy.settle()
    toy.abort()
    toy.settle()
    toy.patch_status(abort=False)
    toy.run()
    assert toy.phase == "Paused BlueGreenPause"
    assert sizes(toy, V2) == [1]
    assert toy.services["active"].hash == H1


def test_a_full_promotion_of_an_aborted_update_clears_the_abort() -> None:
    toy = updated(**MANUAL, prePromotionAnalysis=ANALYSIS)
    verdict(toy, "Failed")
    toy.run()
    toy.patch_status(promoteFull=True)
    toy.run()
    assert toy.phase == "Healthy"
    assert "abort" not in toy.status
    assert toy.services["active"].hash == H2
    assert len(toy.runs) == 1


def test_a_new_template_while_aborted_is_an_ordinary_update() -> None:
    toy = updated(**MANUAL)
    toy.abort()
    toy.settle()
    toy.image(V3)
    toy.run()
    assert toy.phase == "Paused BlueGreenPause"
    assert "abort" not in toy.status
    assert DEADLINE in toy.of(V2).annotations
    toy.run(toy.now + timedelta(seconds=31))
    assert sizes(toy, V1, V2, V3) == [3, 0, 3]


# ── returns ──


def test_a_return_within_the_scale_down_delay_is_instant() -> None:
    toy = deployed(**MANUAL, prePromotionAnalysis=ANALYSIS, previewReplicaCount=1)
    toy.image(V2)
    toy.run()
    verdict(toy, "Successful")
    toy.run()
    toy.promote()
    toy.run()
    forget(toy)
    toy.image(V1)
    toy.settle()
    assert toy.services["active"].hash == H1
    assert toy.phase == "Healthy"
    assert sizes(toy, V1, V2) == [3, 3]
    assert DEADLINE not in toy.of(V1).annotations
    assert DEADLINE in toy.of(V2).annotations
    assert "RolloutPaused" not in toy.events
    assert toy.log.index(f"point active {H1}") < toy.log.index(f"annotate r-{H1} {DEADLINE}")
    assert len(toy.runs) == 1
    assert toy.status["duration"]["completionStatus"] == "Promoted", "the update that it takes back was over"


def test_a_return_says_why_it_was_fast() -> None:
    toy = updated()
    toy.image(V1)
    toy.step()
    completed = [event.message for event in toy.plan().events if event.reason == "RolloutCompleted"]
    assert completed == [f"Rollout completed update to revision 3 ({H1}): Fast rollback"]


def test_a_return_to_a_version_that_is_not_whole_takes_the_ordinary_way() -> None:
    toy = updated(**MANUAL)
    toy.promote()
    toy.run()
    toy.ready(V1, 2)
    toy.image(V1)
    toy.run()
    assert toy.phase == "Paused BlueGreenPause"
    assert DEADLINE not in toy.of(V1).annotations


def test_a_return_after_the_delay_takes_the_ordinary_way() -> None:
    toy = updated(**MANUAL)
    toy.promote()
    toy.run(toy.now + timedelta(minutes=1))
    assert sizes(toy, V1) == [0]
    toy.image(V1)
    toy.run()
    assert toy.phase == "Paused BlueGreenPause"
    assert toy.services["active"].hash == H2


def test_a_return_within_the_rollback_window_needs_no_pause() -> None:
    toy = updated(**MANUAL)
    toy.promote()
    toy.run(toy.now + timedelta(minutes=1))
    toy.spec(rollbackWindow={"revisions": 1})
    toy.image(V1)
    toy.run()
    assert toy.phase == "Healthy"
    assert toy.services["active"].hash == H1


def test_a_return_to_stable_before_the_switch_only_moves_the_preview() -> None:
    toy = updated(**MANUAL)
    toy.image(V1)
    toy.settle()
    assert toy.phase == "Healthy"
    assert toy.services["preview"].hash == toy.services["active"].hash == H1
    assert DEADLINE in toy.of(V2).annotations
    assert toy.status["duration"]["completionStatus"] == "FastRolledBack"


def test_a_return_to_stable_after_the_switch_takes_the_users_back() -> None:
    toy = updated(postPromotionAnalysis=ANALYSIS)
    toy.image(V1)
    toy.settle()
    assert toy.services["active"].hash == H1
    assert toy.phase == "Healthy"
    assert [run.terminate for run in toy.runs.values()] == [True]


def test_a_version_that_is_whole_already_stays_so_when_users_are_switched_to_it() -> None:
    """Aborted after it had grown, and tried again while its pods are still there: it is no small preview any more."""
    toy = updated(4, **MANUAL, previewReplicaCount=1)
    toy.promote()
    toy.settle()
    assert sizes(toy, V2) == [4]
    toy.abort()
    toy.run()
    assert sizes(toy, V1, V2) == [4, 4]
    toy.manifest["spec"]["strategy"]["blueGreen"]["autoPromotionEnabled"] = True
    toy.patch_status(abort=False)
    for _ in range(9):
        toy.step()
        serving = toy.behind("active")
        assert serving is not None
        assert serving.available == 4, toy.log
        toy.ready()
    assert (toy.phase, sizes(toy, V2), toy.status["stableRS"]) == ("Healthy", [4], H2)
