"""Blue-green: analysis before and after the switch."""

from datetime import timedelta
from typing import Any

import pytest

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
    deployed,
    sizes,
    status,
    updated,
    verdict,
)

# ── analysis before the switch ──


def test_the_analysis_before_the_switch_begins_with_a_ready_preview_and_the_pause_after_it() -> None:
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
    toy.promote()
    toy.run()
    assert toy.phase == "Healthy"
    assert status(toy, "prePromotionAnalysisRunStatus")["status"] == "Successful"


def test_the_analysis_of_a_small_preview_begins_at_its_small_size() -> None:
    toy = updated(previewReplicaCount=1, prePromotionAnalysis=ANALYSIS)
    assert list(toy.runs) == [f"r-{H2}-2-pre"]
    assert sizes(toy, V2) == [1]
    verdict(toy, "Successful")
    toy.run()
    assert toy.services["active"].hash == H2


def test_an_analysis_goes_on_when_a_pod_is_lost() -> None:
    toy = updated(prePromotionAnalysis=ANALYSIS)
    toy.ready(V2, 1)
    toy.settle()
    assert [run.terminate for run in toy.runs.values()] == [False]
    verdict(toy, "Successful")
    toy.settle()
    assert toy.services["active"].hash == H1
    toy.run()
    assert toy.services["active"].hash == H2


def test_an_analysis_longer_than_the_progress_deadline_is_no_failure() -> None:
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
def test_a_failed_analysis_before_the_switch_aborts(phase: str) -> None:
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


def test_an_inconclusive_analysis_pauses_and_is_repeated_when_somebody_resumes() -> None:
    toy = updated(prePromotionAnalysis=ANALYSIS)
    verdict(toy, "Inconclusive")
    toy.settle()
    assert toy.phase == "Paused InconclusiveAnalysisRun"
    assert toy.status["controllerPause"] is True
    assert toy.services["active"].hash == H1
    toy.promote()
    toy.settle()
    assert list(toy.runs) == [f"r-{H2}-2-pre", f"r-{H2}-2-pre.1"]
    assert "controllerPause" not in toy.status
    assert toy.services["active"].hash == H1
    verdict(toy, "Successful")
    toy.run()
    assert toy.phase == "Healthy"


@pytest.mark.parametrize("when", ["prePromotionAnalysis", "postPromotionAnalysis"])
def test_a_full_promotion_goes_on_without_the_verdict_of_an_inconclusive_analysis(when: str) -> None:
    spec: dict[str, Any] = {when: ANALYSIS}
    toy = updated(**spec)
    verdict(toy, "Inconclusive")
    toy.settle()
    assert toy.phase == "Paused InconclusiveAnalysisRun"
    toy.patch_status(promoteFull=True)
    toy.settle()
    assert toy.phase == "Healthy"
    assert toy.services["active"].hash == H2
    assert "pauseConditions" not in toy.status


# ── analysis after the switch ──


def test_the_analysis_after_the_switch_decides_what_is_stable() -> None:
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


def test_the_analysis_after_the_switch_begins_once_the_switch_is_recorded() -> None:
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


def test_a_pause_ends_with_the_switch_and_not_with_the_promotion() -> None:
    toy = updated(autoPromotionSeconds=10, postPromotionAnalysis=ANALYSIS)
    toy.wait(seconds=10)
    toy.settle()
    assert toy.services["active"].hash == H2
    assert "pauseConditions" not in toy.status
    assert "controllerPause" not in toy.status
    assert toy.phase == "Progressing waiting for analysis to complete"


def test_an_analysis_after_the_switch_goes_on_when_a_pod_is_lost() -> None:
    toy = updated(postPromotionAnalysis=ANALYSIS)
    toy.ready(V2, 1)
    toy.settle()
    assert [run.terminate for run in toy.runs.values()] == [False]
    assert (toy.services["active"].hash, toy.status["stableRS"]) == (H2, H1)
    verdict(toy, "Successful")
    toy.run()
    assert toy.status["stableRS"] == H2


def test_a_failed_analysis_after_the_switch_takes_the_users_back() -> None:
    toy = updated(postPromotionAnalysis=ANALYSIS)
    verdict(toy, "Failed", "too slow")
    toy.settle()
    cause = "Blue/green post-promotion analysis phase error/failed: too slow"
    assert toy.phase == f"Degraded RolloutAborted: Rollout aborted update to revision 2: {cause}"
    assert toy.log == [f"point active {H1}", f"annotate r-{H2} {DEADLINE}"]
    toy.run(toy.now + timedelta(seconds=31))
    assert sizes(toy, V1, V2) == [3, 0]


def test_until_the_analysis_after_the_switch_is_over_older_versions_are_untouched() -> None:
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


def test_with_a_delay_of_its_own_an_older_version_goes_at_its_deadline() -> None:
    toy = updated(2, postPromotionAnalysis=ANALYSIS, scaleDownDelaySeconds=30)
    verdict(toy, "Successful")
    toy.run()
    toy.image(V3)
    toy.run()
    toy.wait(minutes=5)
    toy.settle()
    assert sizes(toy, V1, V2, V3) == [0, 2, 2]


def test_a_full_promotion_ends_the_analysis_after_the_switch() -> None:
    toy = updated(postPromotionAnalysis=ANALYSIS)
    toy.patch_status(promoteFull=True)
    toy.run()
    assert toy.phase == "Healthy"
    assert [run.terminate for run in toy.runs.values()] == [True]
    assert status(toy, "postPromotionAnalysisRunStatus")["status"] == "Successful"


def test_a_third_version_after_the_switch_keeps_the_pods_that_users_are_on() -> None:
    toy = updated(**MANUAL, postPromotionAnalysis=ANALYSIS)
    toy.promote()
    toy.run()
    assert toy.services["active"].hash == H2
    toy.image(V3)
    toy.run()
    toy.wait(minutes=5)
    toy.spec(replicas=4)
    toy.run()
    assert toy.services["active"].hash == H2
    assert sizes(toy, V1, V2, V3) == [4, 4, 4]
    toy.promote()
    toy.run()
    assert toy.services["active"].hash == H3
