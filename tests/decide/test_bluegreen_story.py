"""The courses of a blue-green rollout, as observed of Argo Rollouts, one person's deed after another."""

from dataclasses import replace
from datetime import timedelta

from tests.decide.bluegreen import (
    ANALYSIS,
    DEADLINE,
    H1,
    H2,
    H3,
    MANUAL,
    V1,
    V2,
    V3,
    created,
    deployed,
    forget,
    sizes,
    status,
    updated,
)

# ── the first deployment ──


def test_a_first_deployment_is_previewed_at_once_and_active_only_when_it_is_whole() -> None:
    toy = created()
    toy.settle()
    assert toy.log == ["UpdateRollout", f"create r-{H1} 3", f"point preview {H1}"]
    assert toy.status["stableRS"] == H1
    assert "RolloutCompleted" in toy.events
    assert "RolloutNotCompleted" not in toy.events
    assert toy.services["active"].hash == ""
    toy.ready(V1, 2)
    toy.settle()
    assert toy.services["active"].hash == ""
    toy.run()
    assert toy.services["active"].hash == H1
    assert toy.phase == "Healthy"


def test_a_first_deployment_is_neither_paused_nor_analysed() -> None:
    toy = created(**MANUAL, prePromotionAnalysis=ANALYSIS, postPromotionAnalysis=ANALYSIS, previewReplicaCount=1)
    toy.run()
    assert toy.phase == "Healthy"
    assert toy.runs == {}
    assert sizes(toy, V1) == [3]
    assert toy.status["duration"]["completionStatus"] == "Promoted"


def test_a_first_deployment_needs_no_preview_service() -> None:
    toy = deployed(previewService=None)
    toy.image(V2)
    toy.run()
    assert toy.phase == "Healthy"
    assert toy.services["active"].hash == H2


def test_a_rollout_of_no_pods_is_healthy() -> None:
    toy = created(0)
    toy.run()
    assert toy.phase == "Healthy"
    assert status(toy, "activeSelector") == H1


def test_created_while_paused_it_has_pods_but_no_service_leads_to_them() -> None:
    toy = created(spec={"paused": True})
    toy.run()
    assert toy.phase == "Paused manually paused"
    assert sizes(toy, V1) == [3]
    assert {service.hash for service in toy.services.values()} == {""}
    toy.spec(paused=False)
    toy.run()
    assert toy.phase == "Healthy"
    assert {service.hash for service in toy.services.values()} == {H1}


# ── an update ──


def test_an_update_by_hand_pauses_before_the_switch() -> None:
    toy = deployed(2, **MANUAL, scaleDownDelaySeconds=3)
    toy.image(V2)
    toy.settle()
    assert toy.log == ["UpdateRollout", f"create r-{H2} 2", f"point preview {H2}"]
    assert toy.phase == "Progressing more replicas need to be updated"
    assert "RolloutNotCompleted" in toy.events
    toy.sets[f"r-{H2}"] = replace(toy.of(V2), current=2)
    toy.settle()
    assert toy.phase == "Progressing active service cutover pending"
    forget(toy)
    toy.run()
    assert toy.phase == "Paused BlueGreenPause"
    assert toy.status["controllerPause"] is True
    assert toy.events == ["RolloutPaused"]
    assert toy.log == []
    toy.promote()
    toy.settle()
    assert toy.log == [f"point active {H2}", f"annotate r-{H1} {DEADLINE}"]
    assert toy.events == ["RolloutPaused", "RolloutCompleted"]
    assert toy.phase == "Healthy"
    assert toy.status["stableRS"] == H2
    assert "controllerPause" not in toy.status
    toy.run(toy.now + timedelta(seconds=10))
    assert sizes(toy, V1, V2) == [0, 2]
    assert DEADLINE not in toy.of(V1).annotations
    assert toy.status["duration"]["completionStatus"] == "Promoted"


def test_an_update_without_a_pause_switches_when_the_last_pod_is_available() -> None:
    toy = deployed()
    toy.image(V2)
    toy.settle()
    toy.ready(V2, 2)
    toy.settle()
    assert toy.services["active"].hash == H1
    toy.run()
    assert toy.services["active"].hash == H2
    assert toy.phase == "Healthy"


def test_the_status_counts_the_pods_behind_the_active_service() -> None:
    toy = updated(2, **MANUAL)
    toy.image(V3)
    toy.settle()
    toy.ready(V3, 1)
    toy.settle()
    assert toy.status["readyReplicas"] == toy.status["availableReplicas"] == toy.status["HPAReplicas"] == 2
    assert toy.status["replicas"] == 6
    assert toy.status["selector"] == f"app=r,rollouts-pod-template-hash={H1}"
    assert "currentStepIndex" not in toy.status
    assert "currentStepHash" not in toy.status


def test_the_switch_waits_for_pods_that_were_lost_after_the_promotion() -> None:
    """Upstream forgets the promotion and pauses again."""
    toy = updated(**MANUAL)
    toy.ready(V2, 2)
    toy.promote()
    toy.settle()
    assert toy.services["active"].hash == H1
    assert toy.status["phase"] == "Progressing"
    toy.run()
    assert toy.services["active"].hash == H2
    assert toy.phase == "Healthy"


def test_a_pause_taken_out_of_the_spec_is_over() -> None:
    toy = updated(**MANUAL)
    assert toy.phase == "Paused BlueGreenPause"
    toy.manifest["spec"]["strategy"]["blueGreen"]["autoPromotionEnabled"] = True
    toy.spec()
    toy.run()
    assert toy.phase == "Healthy"
    assert toy.events.count("RolloutResumed") == 1


def test_a_new_template_in_mid_update_begins_anew() -> None:
    toy = updated(**MANUAL)
    toy.image(V3)
    toy.settle()
    assert toy.services["preview"].hash == H3
    assert toy.services["active"].hash == H1
    assert "pauseConditions" not in toy.status
    toy.run()
    assert toy.phase == "Paused BlueGreenPause"
    assert toy.of(V3).revision == 3
    assert DEADLINE in toy.of(V2).annotations
    toy.run(toy.now + timedelta(minutes=1))
    assert sizes(toy, V1, V2, V3) == [3, 0, 3]


def test_template_and_replicas_changed_in_one_write_are_both_followed() -> None:
    toy = deployed(2)
    toy.spec(replicas=5)
    toy.image(V2)
    toy.settle()
    assert sizes(toy, V1, V2) == [5, 5]
    assert toy.services["active"].hash == H1
    toy.run()
    assert toy.services["active"].hash == H2


def test_a_replica_change_during_a_pause_is_followed_by_both_versions() -> None:
    toy = updated(**MANUAL)
    toy.spec(replicas=5)
    toy.run()
    assert sizes(toy, V1, V2) == [5, 5]
    assert toy.phase == "Paused BlueGreenPause"
    toy.spec(paused=True, replicas=4)
    toy.run()
    assert sizes(toy, V1, V2) == [4, 4]


def test_a_pause_by_spec_keeps_both_services_where_they_are() -> None:
    toy = deployed()
    toy.spec(paused=True)
    toy.image(V2)
    toy.run()
    assert {service.hash for service in toy.services.values()} == {H1}
    assert sizes(toy, V1, V2) == [3, 3]
    assert toy.phase == "Paused manually paused"
    toy.spec(paused=False)
    toy.run()
    assert toy.phase == "Healthy"
    assert {service.hash for service in toy.services.values()} == {H2}


# ── promotion by time ──


def test_a_rollout_promotes_itself_after_its_seconds() -> None:
    toy = updated(autoPromotionSeconds=10)
    assert toy.phase == "Paused BlueGreenPause"
    assert toy.plan().wake_at == toy.now + timedelta(seconds=10)
    toy.wait(seconds=9)
    toy.settle()
    assert toy.phase == "Paused BlueGreenPause"
    before = toy.status_writes
    toy.wait(seconds=1)
    assert toy.step()
    assert toy.phase == "Healthy"
    assert toy.status_writes == before + 1
    assert toy.events == ["RolloutCompleted", "RolloutResumed"]
    assert toy.services["active"].hash == H2
    assert toy.status["duration"].get("totalManualPauseDurationSeconds", 0) == 0


def test_a_pause_by_spec_holds_a_rollout_that_would_promote_itself() -> None:
    toy = updated(autoPromotionSeconds=10)
    toy.spec(paused=True)
    toy.wait(minutes=1)
    toy.settle()
    assert toy.services["active"].hash == H1
    toy.spec(paused=False)
    toy.run()
    assert toy.services["active"].hash == H2


def test_a_promotion_before_the_seconds_are_over_promotes() -> None:
    """Upstream starts the timer again."""
    toy = updated(autoPromotionSeconds=10)
    toy.wait(seconds=3)
    toy.promote()
    toy.run()
    assert toy.phase == "Healthy"
    assert toy.services["active"].hash == H2


def test_without_auto_promotion_its_seconds_say_nothing() -> None:
    toy = updated(**MANUAL, autoPromotionSeconds=10)
    toy.wait(minutes=5)
    toy.settle()
    assert toy.phase == "Paused BlueGreenPause"
    toy.promote()
    toy.run()
    assert toy.status["duration"]["totalManualPauseDurationSeconds"] == 300


# ── a small preview ──


def test_a_small_preview_grows_after_the_promotion_and_before_the_switch() -> None:
    toy = deployed(**MANUAL, previewReplicaCount=1)
    toy.image(V2)
    toy.run()
    assert toy.phase == "Paused BlueGreenPause"
    assert sizes(toy, V1, V2) == [3, 1]
    toy.promote()
    toy.settle()
    assert status(toy, "scaleUpPreviewCheckPoint") is True
    assert sizes(toy, V1, V2) == [3, 3]
    assert toy.services["active"].hash == H1
    toy.run()
    assert toy.services["active"].hash == H2
    assert status(toy, "scaleUpPreviewCheckPoint") is None
    assert toy.phase == "Healthy"


def test_a_small_preview_without_a_pause_grows_as_soon_as_it_is_ready() -> None:
    toy = deployed(previewReplicaCount=1)
    toy.image(V2)
    toy.settle()
    assert sizes(toy, V2) == [1]
    toy.ready()
    toy.settle()
    assert sizes(toy, V2) == [3]
    toy.run()
    assert toy.phase == "Healthy"


def test_a_checkpoint_holds_while_somebody_pauses_the_rollout() -> None:
    """Upstream shrinks the preview again."""
    toy = updated(**MANUAL, previewReplicaCount=1)
    toy.promote()
    toy.settle()
    toy.spec(paused=True)
    toy.run()
    assert sizes(toy, V2) == [3]
    assert toy.services["active"].hash == H1
    toy.spec(paused=False)
    toy.run()
    assert toy.services["active"].hash == H2


def test_a_full_promotion_scales_a_small_preview_up_and_then_switches() -> None:
    toy = updated(**MANUAL, previewReplicaCount=1, prePromotionAnalysis=ANALYSIS)
    toy.patch_status(promoteFull=True)
    toy.settle()
    assert sizes(toy, V2) == [3]
    assert toy.services["active"].hash == H1
    toy.run()
    assert toy.phase == "Healthy"
    assert "promoteFull" not in toy.status
    assert toy.status["duration"]["completionStatus"] == "FastPromoted"
    assert [run.terminate for run in toy.runs.values()] == [True]
