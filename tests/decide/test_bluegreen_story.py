"""The courses of a blue-green rollout, as observed of Argo Rollouts, one person's deed after another."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from rollouts.decide.world import Pod, Service
from tests import make
from tests.decide.toy import Toy

V1, V2, V3 = "img:1", "img:2", "img:3"
H1, H2, H3 = (make.hash_of(image) for image in (V1, V2, V3))
DEADLINE = "scale-down-deadline"
ANALYSIS = {"templates": [{"templateName": "check"}]}
MANUAL = {"autoPromotionEnabled": False}


def created(replicas: int = 3, *, spec: make.Obj | None = None, **strategy: Any) -> Toy:
    services = ("active",) if strategy.get("previewService", "preview") is None else ("active", "preview")
    toy = Toy(make.blue_green(replicas=replicas, spec=spec, **strategy), services)
    toy.templates[(False, "check")] = make.analysis_template()
    return toy


def deployed(replicas: int = 3, *, spec: make.Obj | None = None, **strategy: Any) -> Toy:
    toy = created(replicas, spec=spec, **strategy)
    toy.run()
    assert toy.phase == "Healthy"
    forget(toy)
    return toy


def updated(replicas: int = 3, **strategy: Any) -> Toy:
    """Deployed, and then given the second version, whose pods are ready."""
    toy = deployed(replicas, **strategy)
    toy.image(V2)
    toy.run()
    forget(toy)
    return toy


def forget(toy: Toy) -> None:
    toy.log.clear()
    toy.events.clear()


def sizes(toy: Toy, *images: str) -> list[int]:
    return [toy.of(image).replicas for image in images]


def verdict(toy: Toy, phase: str, message: str = "as measured") -> str:
    """The run that is not over comes to this; its name."""
    (running,) = (run for run in toy.runs.values() if not run.finished)
    toy.runs[running.name] = replace(running, phase=phase, message=message)
    return running.name


def promote(toy: Toy) -> None:
    toy.patch_status(pauseConditions=None)


def status(toy: Toy, field: str) -> Any:
    return toy.status["blueGreen"].get(field)


# ── the first deployment ──


def test_a_first_deployment_is_previewed_at_once_and_active_only_when_it_is_whole():
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


def test_a_first_deployment_is_neither_paused_nor_analysed():
    toy = created(**MANUAL, prePromotionAnalysis=ANALYSIS, postPromotionAnalysis=ANALYSIS, previewReplicaCount=1)
    toy.run()
    assert toy.phase == "Healthy"
    assert toy.runs == {}
    assert sizes(toy, V1) == [3]
    assert toy.status["duration"]["completionStatus"] == "Promoted"


def test_a_first_deployment_needs_no_preview_service():
    toy = deployed(previewService=None)
    toy.image(V2)
    toy.run()
    assert toy.phase == "Healthy"
    assert toy.services["active"].hash == H2


def test_a_rollout_of_no_pods_is_healthy():
    toy = created(0)
    toy.run()
    assert toy.phase == "Healthy"
    assert status(toy, "activeSelector") == H1


def test_created_while_paused_it_has_pods_but_no_service_leads_to_them():
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


def test_an_update_by_hand_pauses_before_the_switch():
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
    promote(toy)
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


def test_an_update_without_a_pause_switches_when_the_last_pod_is_available():
    toy = deployed()
    toy.image(V2)
    toy.settle()
    toy.ready(V2, 2)
    toy.settle()
    assert toy.services["active"].hash == H1
    toy.run()
    assert toy.services["active"].hash == H2
    assert toy.phase == "Healthy"


def test_the_status_counts_the_pods_behind_the_active_service():
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


def test_the_switch_waits_for_pods_that_were_lost_after_the_promotion():
    """Upstream forgets the promotion and pauses again."""
    toy = updated(**MANUAL)
    toy.ready(V2, 2)
    promote(toy)
    toy.settle()
    assert toy.services["active"].hash == H1
    assert toy.status["phase"] == "Progressing"
    toy.run()
    assert toy.services["active"].hash == H2
    assert toy.phase == "Healthy"


def test_a_pause_taken_out_of_the_spec_is_over():
    toy = updated(**MANUAL)
    assert toy.phase == "Paused BlueGreenPause"
    toy.manifest["spec"]["strategy"]["blueGreen"]["autoPromotionEnabled"] = True
    toy.spec()
    toy.run()
    assert toy.phase == "Healthy"
    assert toy.events.count("RolloutResumed") == 1


def test_a_new_template_in_mid_update_begins_anew():
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


def test_template_and_replicas_changed_in_one_write_are_both_followed():
    toy = deployed(2)
    toy.spec(replicas=5)
    toy.image(V2)
    toy.settle()
    assert sizes(toy, V1, V2) == [5, 5]
    assert toy.services["active"].hash == H1
    toy.run()
    assert toy.services["active"].hash == H2


def test_a_replica_change_during_a_pause_is_followed_by_both_versions():
    toy = updated(**MANUAL)
    toy.spec(replicas=5)
    toy.run()
    assert sizes(toy, V1, V2) == [5, 5]
    assert toy.phase == "Paused BlueGreenPause"
    toy.spec(paused=True, replicas=4)
    toy.run()
    assert sizes(toy, V1, V2) == [4, 4]


def test_a_pause_by_spec_keeps_both_services_where_they_are():
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


def test_a_rollout_promotes_itself_after_its_seconds():
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


def test_a_pause_by_spec_holds_a_rollout_that_would_promote_itself():
    toy = updated(autoPromotionSeconds=10)
    toy.spec(paused=True)
    toy.wait(minutes=1)
    toy.settle()
    assert toy.services["active"].hash == H1
    toy.spec(paused=False)
    toy.run()
    assert toy.services["active"].hash == H2


def test_a_promotion_before_the_seconds_are_over_promotes():
    """Upstream starts the timer again."""
    toy = updated(autoPromotionSeconds=10)
    toy.wait(seconds=3)
    promote(toy)
    toy.run()
    assert toy.phase == "Healthy"
    assert toy.services["active"].hash == H2


def test_without_auto_promotion_its_seconds_say_nothing():
    toy = updated(**MANUAL, autoPromotionSeconds=10)
    toy.wait(minutes=5)
    toy.settle()
    assert toy.phase == "Paused BlueGreenPause"
    promote(toy)
    toy.run()
    assert toy.status["duration"]["totalManualPauseDurationSeconds"] == 300


# ── a small preview ──


def test_a_small_preview_grows_after_the_promotion_and_before_the_switch():
    toy = deployed(**MANUAL, previewReplicaCount=1)
    toy.image(V2)
    toy.run()
    assert toy.phase == "Paused BlueGreenPause"
    assert sizes(toy, V1, V2) == [3, 1]
    promote(toy)
    toy.settle()
    assert status(toy, "scaleUpPreviewCheckPoint") is True
    assert sizes(toy, V1, V2) == [3, 3]
    assert toy.services["active"].hash == H1
    toy.run()
    assert toy.services["active"].hash == H2
    assert status(toy, "scaleUpPreviewCheckPoint") is None
    assert toy.phase == "Healthy"


def test_a_small_preview_without_a_pause_grows_as_soon_as_it_is_ready():
    toy = deployed(previewReplicaCount=1)
    toy.image(V2)
    toy.settle()
    assert sizes(toy, V2) == [1]
    toy.ready()
    toy.settle()
    assert sizes(toy, V2) == [3]
    toy.run()
    assert toy.phase == "Healthy"


def test_a_checkpoint_holds_while_somebody_pauses_the_rollout():
    """Upstream shrinks the preview again."""
    toy = updated(**MANUAL, previewReplicaCount=1)
    promote(toy)
    toy.settle()
    toy.spec(paused=True)
    toy.run()
    assert sizes(toy, V2) == [3]
    assert toy.services["active"].hash == H1
    toy.spec(paused=False)
    toy.run()
    assert toy.services["active"].hash == H2


def test_a_full_promotion_scales_a_small_preview_up_and_then_switches():
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


# ── analysis before the switch ──


def test_the_analysis_before_the_switch_begins_with_a_ready_preview_and_the_pause_after_it():
    toy = deployed(**MANUAL, prePromotionAnalysis=ANALYSIS)
    toy.image(V2)
    toy.settle()
    assert toy.runs == {}
    toy.run()
    name = f"r-{H2}-2-pre"
    assert list(toy.runs) == [name]
    assert toy.runs[name].type == "PrePromotion"
    assert toy.phase == "Progressing active service cutover pending"
    assert status(toy, "prePromotionAnalysisRunStatus") == {"name": name, "status": "Running"}
    verdict(toy, "Successful")
    toy.run()
    assert toy.phase == "Paused BlueGreenPause"
    promote(toy)
    toy.run()
    assert toy.phase == "Healthy"
    assert status(toy, "prePromotionAnalysisRunStatus")["status"] == "Successful"


def test_the_analysis_of_a_small_preview_begins_at_its_small_size():
    toy = updated(previewReplicaCount=1, prePromotionAnalysis=ANALYSIS)
    assert list(toy.runs) == [f"r-{H2}-2-pre"]
    assert sizes(toy, V2) == [1]
    verdict(toy, "Successful")
    toy.run()
    assert toy.services["active"].hash == H2


def test_an_analysis_goes_on_when_a_pod_is_lost():
    toy = updated(prePromotionAnalysis=ANALYSIS)
    toy.ready(V2, 1)
    toy.settle()
    assert [run.terminate for run in toy.runs.values()] == [False]
    verdict(toy, "Successful")
    toy.settle()
    assert toy.services["active"].hash == H1
    toy.run()
    assert toy.services["active"].hash == H2


def test_an_analysis_longer_than_the_progress_deadline_is_no_failure():
    toy = deployed(prePromotionAnalysis=ANALYSIS, spec={"progressDeadlineSeconds": 60})
    toy.image(V2)
    toy.run()
    toy.wait(hours=1)
    toy.settle()
    assert toy.phase == "Progressing active service cutover pending"
    verdict(toy, "Successful")
    toy.step()
    assert toy.status["phase"] != "Degraded"
    toy.run()
    assert toy.phase == "Healthy"


@pytest.mark.parametrize("phase", ["Failed", "Error"])
def test_a_failed_analysis_before_the_switch_aborts(phase: str):
    toy = updated(prePromotionAnalysis=ANALYSIS)
    verdict(toy, phase, "too many errors")
    toy.settle()
    cause = "Blue/green pre-promotion analysis phase error/failed: too many errors"
    assert toy.phase == f"Degraded RolloutAborted: Rollout aborted update to revision 2: {cause}"
    assert toy.status["abort"] is True
    assert toy.services["active"].hash == H1
    assert DEADLINE in toy.of(V2).annotations
    assert f"AnalysisRun{phase}" in toy.events
    toy.run(toy.now + timedelta(seconds=31))
    assert sizes(toy, V1, V2) == [3, 0]
    assert DEADLINE in toy.of(V2).annotations, "as clients of Argo Rollouts know it"


def test_an_inconclusive_analysis_pauses_and_is_repeated_when_somebody_resumes():
    toy = updated(prePromotionAnalysis=ANALYSIS)
    verdict(toy, "Inconclusive")
    toy.settle()
    assert toy.phase == "Paused InconclusiveAnalysisRun"
    assert toy.status["controllerPause"] is True
    assert toy.services["active"].hash == H1
    promote(toy)
    toy.settle()
    assert list(toy.runs) == [f"r-{H2}-2-pre", f"r-{H2}-2-pre.1"]
    assert "controllerPause" not in toy.status
    assert toy.services["active"].hash == H1
    verdict(toy, "Successful")
    toy.run()
    assert toy.phase == "Healthy"


# ── analysis after the switch ──


def test_the_analysis_after_the_switch_decides_what_is_stable():
    toy = updated(postPromotionAnalysis=ANALYSIS)
    name = f"r-{H2}-2-post"
    assert list(toy.runs) == [name]
    assert toy.runs[name].type == "PostPromotion"
    assert toy.services["active"].hash == H2
    assert toy.status["stableRS"] == H1
    assert toy.phase == "Progressing waiting for analysis to complete"
    assert sizes(toy, V1, V2) == [3, 3]
    verdict(toy, "Successful")
    toy.run()
    assert toy.phase == "Healthy"
    assert toy.status["stableRS"] == H2
    assert DEADLINE in toy.of(V1).annotations


def test_the_analysis_after_the_switch_begins_once_the_switch_is_recorded():
    toy = deployed(postPromotionAnalysis=ANALYSIS)
    toy.image(V2)
    toy.settle()
    toy.ready()
    for action in toy.plan().changes:
        toy._do(action)  # and the status is lost
    assert toy.services["active"].hash == H2
    assert status(toy, "activeSelector") == H1
    assert toy.runs == {}
    toy.settle()
    assert list(toy.runs) == [f"r-{H2}-2-post"]


def test_a_pause_ends_with_the_switch_and_not_with_the_promotion():
    toy = updated(autoPromotionSeconds=10, postPromotionAnalysis=ANALYSIS)
    toy.wait(seconds=10)
    toy.settle()
    assert toy.services["active"].hash == H2
    assert "pauseConditions" not in toy.status
    assert "controllerPause" not in toy.status
    assert toy.phase == "Progressing waiting for analysis to complete"


def test_a_failed_analysis_after_the_switch_takes_the_users_back():
    toy = updated(postPromotionAnalysis=ANALYSIS)
    verdict(toy, "Failed", "too slow")
    toy.settle()
    cause = "Blue/green post-promotion analysis phase error/failed: too slow"
    assert toy.phase == f"Degraded RolloutAborted: Rollout aborted update to revision 2: {cause}"
    assert toy.log == [f"point active {H1}", f"annotate r-{H2} {DEADLINE}"]
    toy.run(toy.now + timedelta(seconds=31))
    assert sizes(toy, V1, V2) == [3, 0]


def test_until_the_analysis_after_the_switch_is_over_older_versions_are_untouched():
    toy = updated(2, postPromotionAnalysis=ANALYSIS)
    verdict(toy, "Successful")
    toy.run()
    toy.image(V3)
    toy.run()
    toy.wait(minutes=5)
    toy.settle()
    assert sizes(toy, V1, V2, V3) == [2, 2, 2]
    verdict(toy, "Successful")
    toy.run()
    assert toy.status["stableRS"] == H3
    assert sizes(toy, V1, V2, V3) == [0, 2, 2], "the deadline of the first passed meanwhile"


def test_with_a_delay_of_its_own_an_older_version_goes_at_its_deadline():
    toy = updated(2, postPromotionAnalysis=ANALYSIS, scaleDownDelaySeconds=30)
    verdict(toy, "Successful")
    toy.run()
    toy.image(V3)
    toy.run()
    toy.wait(minutes=5)
    toy.settle()
    assert sizes(toy, V1, V2, V3) == [0, 2, 2]


def test_a_full_promotion_ends_the_analysis_after_the_switch():
    toy = updated(postPromotionAnalysis=ANALYSIS)
    toy.patch_status(promoteFull=True)
    toy.run()
    assert toy.phase == "Healthy"
    assert [run.terminate for run in toy.runs.values()] == [True]
    assert status(toy, "postPromotionAnalysisRunStatus")["status"] == "Successful"


def test_a_third_version_after_the_switch_keeps_the_pods_that_users_are_on():
    toy = updated(**MANUAL, postPromotionAnalysis=ANALYSIS)
    promote(toy)
    toy.run()
    assert toy.services["active"].hash == H2
    toy.image(V3)
    toy.run()
    toy.wait(minutes=5)
    toy.spec(replicas=4)
    toy.run()
    assert toy.services["active"].hash == H2
    assert sizes(toy, V1, V2, V3) == [4, 4, 4]
    promote(toy)
    toy.run()
    assert toy.services["active"].hash == H3


# ── aborts and retries ──


def test_an_abort_before_the_switch_keeps_the_preview_for_its_delay():
    toy = updated(**MANUAL)
    toy.patch_status(abort=True)
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


def test_an_abort_delay_of_zero_keeps_the_preview_for_good():
    toy = updated(**MANUAL, abortScaleDownDelaySeconds=0)
    toy.patch_status(abort=True)
    toy.run(toy.now + timedelta(hours=1))
    assert sizes(toy, V1, V2) == [3, 3]


def test_an_abort_delay_longer_than_a_resync_is_kept():
    """Upstream drops the pods at once when the delay is 900 seconds or more."""
    toy = updated(**MANUAL, abortScaleDownDelaySeconds=1000)
    toy.patch_status(abort=True)
    toy.settle()
    toy.wait(seconds=999)
    toy.settle()
    assert sizes(toy, V2) == [3]


def test_a_replica_change_in_the_abort_delay_leaves_the_aborted_version_alone():
    toy = updated(**MANUAL)
    toy.patch_status(abort=True)
    toy.settle()
    toy.spec(replicas=5)
    toy.run()
    assert sizes(toy, V1, V2) == [5, 3]
    assert toy.of(V2).annotations["rollout.argoproj.io/desired-replicas"] == "5"


def test_an_abort_after_the_switch_takes_the_users_back_and_ends_the_analysis():
    toy = updated(postPromotionAnalysis=ANALYSIS)
    toy.patch_status(abort=True)
    toy.settle()
    assert toy.services["active"].hash == H1
    assert DEADLINE in toy.of(V2).annotations
    assert [run.terminate for run in toy.runs.values()] == [True]
    toy.run(toy.now + timedelta(seconds=31))
    assert sizes(toy, V1, V2) == [3, 0]
    assert status(toy, "activeSelector") == H1


def test_an_abort_after_the_switch_moves_users_away_from_pods_that_fail():
    """Upstream leaves them there while a pod of the new version is unready, and scales it to 0 under them."""
    toy = updated(postPromotionAnalysis=ANALYSIS)
    toy.ready(V2, 1)
    toy.patch_status(abort=True)
    toy.settle()
    assert toy.services["active"].hash == H1


def test_an_aborted_version_keeps_its_pods_while_users_are_on_them():
    toy = updated(postPromotionAnalysis=ANALYSIS)
    toy.ready(V1, 1)
    toy.patch_status(abort=True)
    toy.settle()
    toy.wait(hours=1)
    toy.settle()
    assert toy.services["active"].hash == H2, "stable would serve worse"
    assert sizes(toy, V1, V2) == [3, 3]
    toy.ready()
    toy.settle()
    assert toy.services["active"].hash == H1


def test_a_stable_version_that_serves_no_worse_is_enough_after_an_abort():
    toy = updated(postPromotionAnalysis=ANALYSIS)
    toy.ready(V1, 2)
    toy.ready(V2, 1)
    toy.patch_status(abort=True)
    toy.settle()
    assert toy.services["active"].hash == H1


def test_an_abort_outranks_a_pause_by_spec():
    toy = updated(postPromotionAnalysis=ANALYSIS)
    toy.spec(paused=True)
    toy.patch_status(abort=True)
    toy.settle()
    assert toy.services["active"].hash == H1


def test_an_abort_of_a_promoted_rollout_is_taken_back_silently():
    toy = deployed()
    toy.patch_status(abort=True)
    toy.run()
    assert toy.phase == "Healthy"
    assert "abort" not in toy.status
    assert toy.events == []


def test_a_retry_begins_anew_with_preview_analysis_and_pause():
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
    promote(toy)
    toy.run()
    assert toy.phase == "Healthy"


def test_a_retry_is_told_as_one():
    toy = updated(**MANUAL)
    toy.patch_status(abort=True)
    toy.run()
    toy.patch_status(abort=False)
    toy.step()
    (progressing,) = (each for each in toy.status["conditions"] if each["type"] == "Progressing")
    assert progressing["reason"] == "RolloutRetry"


def test_a_retry_beside_a_replica_change_is_not_aborted_by_the_old_verdict():
    toy = updated(prePromotionAnalysis=ANALYSIS)
    verdict(toy, "Failed")
    toy.run()
    toy.patch_status(abort=False)
    toy.spec(replicas=4)
    toy.run()
    assert "abort" not in toy.status
    assert list(toy.runs) == [f"r-{H2}-2-pre", f"r-{H2}-2-pre.1"]


def test_a_retry_after_the_checkpoint_pauses_again():
    """Upstream keeps the checkpoint and switches without asking."""
    toy = updated(**MANUAL, previewReplicaCount=1)
    promote(toy)
    toy.settle()
    toy.patch_status(abort=True)
    toy.settle()
    toy.patch_status(abort=False)
    toy.run()
    assert toy.phase == "Paused BlueGreenPause"
    assert sizes(toy, V2) == [1]
    assert toy.services["active"].hash == H1


def test_a_full_promotion_of_an_aborted_update_clears_the_abort():
    toy = updated(**MANUAL, prePromotionAnalysis=ANALYSIS)
    verdict(toy, "Failed")
    toy.run()
    toy.patch_status(promoteFull=True)
    toy.run()
    assert toy.phase == "Healthy"
    assert "abort" not in toy.status
    assert toy.services["active"].hash == H2
    assert len(toy.runs) == 1


def test_a_new_template_while_aborted_is_an_ordinary_update():
    toy = updated(**MANUAL)
    toy.patch_status(abort=True)
    toy.settle()
    toy.image(V3)
    toy.run()
    assert toy.phase == "Paused BlueGreenPause"
    assert "abort" not in toy.status
    assert DEADLINE in toy.of(V2).annotations
    toy.run(toy.now + timedelta(seconds=31))
    assert sizes(toy, V1, V2, V3) == [3, 0, 3]


# ── returns ──


def test_a_return_within_the_scale_down_delay_is_instant():
    toy = deployed(**MANUAL, prePromotionAnalysis=ANALYSIS, previewReplicaCount=1)
    toy.image(V2)
    toy.run()
    verdict(toy, "Successful")
    toy.run()
    promote(toy)
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
    assert toy.status["duration"]["completionStatus"] == "FastRolledBack"


def test_a_return_says_why_it_was_fast():
    toy = updated()
    toy.image(V1)
    toy.step()
    completed = [event.message for event in toy.plan().events if event.reason == "RolloutCompleted"]
    assert completed == [f"Rollout completed update to revision 3 ({H1}): Fast rollback"]


def test_a_return_to_a_version_that_is_not_whole_takes_the_ordinary_way():
    toy = updated(**MANUAL)
    promote(toy)
    toy.run()
    toy.ready(V1, 2)
    toy.image(V1)
    toy.run()
    assert toy.phase == "Paused BlueGreenPause"
    assert DEADLINE not in toy.of(V1).annotations


def test_a_return_after_the_delay_takes_the_ordinary_way():
    toy = updated(**MANUAL)
    promote(toy)
    toy.run(toy.now + timedelta(minutes=1))
    assert sizes(toy, V1) == [0]
    toy.image(V1)
    toy.run()
    assert toy.phase == "Paused BlueGreenPause"
    assert toy.services["active"].hash == H2


def test_a_return_within_the_rollback_window_needs_no_pause():
    toy = updated(**MANUAL)
    promote(toy)
    toy.run(toy.now + timedelta(minutes=1))
    toy.spec(rollbackWindow={"revisions": 1})
    toy.image(V1)
    toy.run()
    assert toy.phase == "Healthy"
    assert toy.services["active"].hash == H1


def test_a_return_to_stable_before_the_switch_only_moves_the_preview():
    toy = updated(**MANUAL)
    toy.image(V1)
    toy.settle()
    assert toy.phase == "Healthy"
    assert toy.services["preview"].hash == toy.services["active"].hash == H1
    assert DEADLINE in toy.of(V2).annotations
    assert toy.status["duration"]["completionStatus"] == "FastRolledBack"


def test_a_return_to_stable_after_the_switch_takes_the_users_back():
    toy = updated(postPromotionAnalysis=ANALYSIS)
    toy.image(V1)
    toy.settle()
    assert toy.services["active"].hash == H1
    assert toy.phase == "Healthy"
    assert [run.terminate for run in toy.runs.values()] == [True]


# ── what becomes of older versions ──


def test_only_as_many_older_versions_are_kept_as_the_limit_says():
    toy = updated(scaleDownDelayRevisionLimit=1)
    toy.run()
    toy.image(V3)
    toy.run()
    assert sizes(toy, V1, V2, V3) == [0, 3, 3]
    assert DEADLINE not in toy.of(V1).annotations
    assert DEADLINE in toy.of(V2).annotations


def test_a_scale_down_delay_of_zero_means_at_once():
    """Upstream keeps the old pods for ever."""
    toy = updated(scaleDownDelaySeconds=0)
    assert sizes(toy, V1, V2) == [0, 3]
    assert toy.services["active"].hash == H2


def test_an_older_version_follows_the_size_of_the_rollout():
    toy = updated()
    toy.spec(replicas=5)
    toy.run()
    assert sizes(toy, V1, V2) == [5, 5]
    assert DEADLINE in toy.of(V1).annotations
    toy.image(V1)
    toy.settle()
    assert toy.services["active"].hash == H1


def test_an_interrupted_preview_is_not_scaled_up():
    """Upstream gives it all pods of the rollout before it takes them away."""
    toy = updated(**MANUAL, previewReplicaCount=1)
    toy.image(V3)
    toy.run()
    assert sizes(toy, V1, V2, V3) == [3, 1, 1]
    assert DEADLINE in toy.of(V2).annotations
    toy.spec(replicas=4)
    toy.run()
    assert sizes(toy, V1, V2, V3) == [4, 1, 1]
    toy.run(toy.now + timedelta(seconds=31))
    assert sizes(toy, V2) == [0]


def test_an_older_version_whose_deadline_cannot_be_read_goes_at_once():
    toy = updated()
    old = toy.of(V1)
    toy.sets[old.name] = replace(old, annotations={**old.annotations, DEADLINE: "soon"})
    toy.settle()
    assert sizes(toy, V1) == [0]
    assert DEADLINE not in toy.of(V1).annotations


def test_older_versions_beyond_the_history_limit_are_deleted_once_empty():
    toy = deployed(scaleDownDelaySeconds=0, spec={"revisionHistoryLimit": 1})
    for image in ("img:2", "img:3", "img:4"):
        toy.image(image)
        toy.run()
    assert sorted(toy.sets) == sorted(f"r-{make.hash_of(image)}" for image in ("img:3", "img:4"))


def test_an_older_version_with_another_size_in_mind_is_no_reason_to_act():
    toy = updated()
    toy.run(toy.now + timedelta(minutes=1))
    old = toy.of(V1)
    toy.sets[old.name] = replace(old, annotations={**old.annotations, "rollout.argoproj.io/desired-replicas": "9"})
    assert not toy.step()


def test_a_version_that_waits_for_its_deadline_puts_off_the_progress_deadline():
    toy = updated(scaleDownDelaySeconds=3600)
    toy.spec(progressDeadlineSeconds=60)
    toy.settle()
    toy.image(V3)
    toy.settle()
    toy.wait(minutes=5)
    toy.settle()
    assert toy.status["phase"] == "Progressing"


def test_no_progress_within_the_deadline_is_told_and_recovered_from():
    toy = deployed(spec={"progressDeadlineSeconds": 60})
    toy.image(V2)
    toy.settle()
    toy.wait(seconds=61)
    toy.settle()
    assert toy.phase.startswith("Degraded ProgressDeadlineExceeded: ReplicaSet")
    assert toy.services["active"].hash == H1
    toy.run()
    assert toy.phase == "Healthy"


def test_an_update_without_progress_is_aborted_where_the_spec_says_so():
    toy = deployed(spec={"progressDeadlineSeconds": 60, "progressDeadlineAbort": True})
    toy.image(V2)
    toy.settle()
    toy.wait(seconds=61)
    toy.settle()
    assert toy.status["abort"] is True
    assert toy.services["active"].hash == H1
    toy.run(toy.now + timedelta(minutes=1))
    assert sizes(toy, V1, V2) == [3, 0]


# ── Services that somebody else changes ──


def test_a_selector_that_somebody_changed_is_put_right():
    toy = deployed()
    toy.services["active"] = replace(toy.services["active"], hash=H3)
    toy.run()
    assert toy.services["active"].hash == H1


def test_an_annotation_that_somebody_took_away_is_put_back():
    toy = deployed()
    toy.services["active"] = replace(toy.services["active"], managed_by=None)
    toy.settle()
    assert toy.services["active"].managed_by == "r"


def test_an_active_service_that_selects_nothing_takes_what_stable_has():
    toy = deployed()
    toy.ready(V1, 2)
    toy.services["active"] = replace(toy.services["active"], hash=H3)
    toy.settle()
    assert toy.services["active"].hash == H1


def test_a_stable_version_that_was_deleted_makes_the_update_a_first_deployment():
    toy = updated(**MANUAL)
    del toy.sets[f"r-{H1}"]
    toy.run()
    assert toy.phase == "Healthy"
    assert toy.status["stableRS"] == H2
    assert toy.services["active"].hash == H2


@pytest.mark.parametrize(
    ("service", "found", "fault"),
    [
        ("active", None, 'service "active" not found'),
        ("preview", None, 'service "preview" not found'),
        ("preview", {"selector": {"tier": "web"}}, 'Service "preview" has unmatch label "tier" in rollout'),
        ("active", {"managed_by": "other"}, 'Service "active" is managed by another Rollout'),
    ],
)
def test_a_service_that_cannot_be_used_makes_the_spec_invalid(service: str, found: make.Obj | None, fault: str):
    toy = created()
    good = toy.services[service]
    toy.services[service] = None if found is None else Service(service, **{"selector": {"app": "r"}, **found})
    toy.settle()
    path = f"spec.strategy.blueGreen.{service}Service"
    assert toy.phase.endswith(f'The Rollout "r" is invalid: {path}: Invalid value: "{service}": {fault}')
    assert toy.sets == {}
    toy.services[service] = good
    toy.run()
    assert toy.phase == "Healthy"


@pytest.mark.parametrize("when", ["pre", "post"])
def test_a_template_that_is_missing_makes_the_spec_invalid(when: str):
    field = f"{when}PromotionAnalysis"
    toy = created(**{field: {"templates": [{"templateName": "gone"}]}})
    toy.templates[(False, "gone")] = None
    toy.settle()
    fault = f"""spec.strategy.blueGreen.{field}.templates: Invalid value: "gone": AnalysisTemplate 'gone' not found"""
    assert toy.phase.endswith(fault)


@pytest.mark.parametrize("when", ["pre", "post"])
def test_an_analysis_without_templates_is_refused(when: str):
    """Upstream deploys, and then waits for ever for a run that it never starts."""
    toy = created(**{f"{when}PromotionAnalysis": {"templates": []}})
    toy.settle()
    assert toy.phase.endswith("an analysis without templates would never end")


# ── metadata, and other strategies ──


def test_pods_carry_metadata_for_the_part_that_they_play():
    toy = deployed(
        1, **MANUAL, activeMetadata={"labels": {"role": "active"}}, previewMetadata={"labels": {"role": "preview"}}
    )
    assert toy.of(V1).template["metadata"]["labels"]["role"] == "active"
    toy.image(V2)
    toy.run()
    assert toy.of(V2).template["metadata"]["labels"]["role"] == "preview"
    labels = {"app": "r", "role": "preview"}
    toy.pods.append(Pod("p", f"r-{H2}", labels, {}))
    forget(toy)
    promote(toy)
    toy.settle()
    assert "LabelPods" in toy.log
    assert toy.pods[0].labels["role"] == "active"


def strategy_of(toy: Toy, strategy: make.Obj) -> None:
    toy.spec(strategy=strategy)


def test_a_canary_that_becomes_blue_green_keeps_its_pods():
    toy = Toy(make.rollout(make.weight(50), make.pause(), replicas=4), ("active", "preview"))
    toy.run()
    strategy_of(toy, make.blue_green()["spec"]["strategy"])
    toy.run()
    assert toy.phase == "Healthy"
    assert list(toy.sets) == [f"r-{H1}"]
    assert "currentStepIndex" not in toy.status
    assert "currentStepHash" not in toy.status
    assert toy.services["active"].hash == H1


def test_a_canary_that_becomes_blue_green_in_mid_update_keeps_stable_until_the_switch():
    toy = Toy(make.rollout(make.weight(50), make.pause(), replicas=4), ("active", "preview"))
    toy.run()
    toy.image(V2)
    toy.run()
    strategy_of(toy, make.blue_green(scaleDownDelaySeconds=0)["spec"]["strategy"])
    toy.settle()
    assert sizes(toy, V1, V2) == [4, 4]
    assert toy.status["stableRS"] == H1
    assert "pauseConditions" not in toy.status
    toy.run()
    assert toy.phase == "Healthy"
    assert toy.services["active"].hash == H2
    assert sizes(toy, V1, V2) == [0, 4]


def test_blue_green_that_becomes_a_canary_keeps_its_pods():
    toy = deployed(3)
    strategy_of(toy, {"canary": {"steps": [make.weight(50), make.pause()]}})
    toy.run()
    assert toy.phase == "Healthy"
    assert list(toy.sets) == [f"r-{H1}"]
    assert toy.status["blueGreen"] == {}
    assert toy.status["currentStepIndex"] == 2


def test_a_settled_rollout_writes_nothing():
    toy = updated()
    toy.run(toy.now + timedelta(minutes=1))
    writes = toy.status_writes, toy.action_writes
    for _ in range(20):
        toy.wait(seconds=60)
        assert not toy.step()
    assert (toy.status_writes, toy.action_writes) == writes


def test_an_update_costs_few_writes():
    toy = deployed()
    toy.status_writes = toy.action_writes = 0
    toy.image(V2)
    toy.settle()
    toy.ready()
    toy.settle()
    toy.run(toy.now + timedelta(minutes=1))
    assert toy.phase == "Healthy"
    assert toy.log == [
        "UpdateRollout",
        f"create r-{H2} 3",
        f"point preview {H2}",
        f"point active {H2}",
        f"annotate r-{H1} {DEADLINE}",
        f"scale r-{H1} 0",
    ]
    assert toy.status_writes <= 3
