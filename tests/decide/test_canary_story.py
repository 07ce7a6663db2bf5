"""The courses of a canary, as observed of Argo Rollouts, one person's deed after another."""

from datetime import timedelta

from tests import make
from tests.decide.canary import V1, V2, V3, deployed, routed, sizes, updated
from tests.decide.toy import Toy


def test_a_first_deployment_takes_no_steps() -> None:
    toy = Toy(make.rollout(make.weight(20), make.pause()))
    toy.settle()
    assert toy.status["currentStepIndex"] == 2
    assert toy.status["stableRS"] == make.hash_of(V1)
    assert toy.phase == "Progressing more replicas need to be updated"
    toy.run()
    assert toy.phase == "Healthy"
    assert "RolloutCompleted" in toy.events


def test_names_and_hashes_are_those_of_argo_rollouts() -> None:
    toy = deployed(make.weight(20), make.pause(), make.weight(60), make.pause())
    assert list(toy.sets) == ["r-9f9bc55f7"]
    assert toy.status["currentStepHash"] == "b8dc68f97"


def test_absent_replicas_are_written_out_as_one() -> None:
    toy = deployed(make.weight(20), replicas=None)
    assert toy.manifest["spec"]["replicas"] == 1
    assert sizes(toy, V1) == [1]


def test_a_basic_canary_goes_up_in_steps_within_its_surge() -> None:
    toy = deployed(
        make.weight(20), make.pause(), make.weight(60), make.pause(), canary={"maxSurge": 1, "maxUnavailable": 0}
    )
    toy.image(V2)
    toy.run()
    assert toy.phase == "Paused CanaryPauseStep"
    assert toy.status["currentStepIndex"] == 1
    assert sizes(toy, V1, V2) == [4, 1]
    toy.promote()
    toy.run()
    assert toy.status["currentStepIndex"] == 3
    assert sizes(toy, V1, V2) == [2, 3]
    toy.promote()
    toy.run()
    assert toy.phase == "Healthy"
    assert sizes(toy, V1, V2) == [0, 5]
    assert toy.status["duration"]["completionStatus"] == "Promoted"


def test_events_tell_the_update_in_order() -> None:
    toy = updated(deployed(make.weight(20), make.pause()))
    toy.promote()
    toy.run()
    told = [reason for reason in toy.events if reason != "ScalingReplicaSet"]
    assert told == [
        "RolloutUpdated",
        "NewReplicaSetCreated",
        "RolloutNotCompleted",
        "RolloutStepCompleted",
        "RolloutPaused",
        "RolloutStepCompleted",
        "RolloutCompleted",
    ]


def test_a_timed_pause_ends_by_itself() -> None:
    toy = updated(deployed(make.weight(20), make.pause("5m")))
    assert toy.plan().wake_at == toy.now + timedelta(minutes=5)
    toy.wait(minutes=4, seconds=59)
    toy.settle()
    assert toy.phase == "Paused CanaryPauseStep"
    toy.wait(seconds=1)
    toy.run()
    assert toy.phase == "Healthy"
    assert toy.events.count("RolloutResumed") == 1


def test_a_pause_of_zero_passes_at_once() -> None:
    toy = updated(deployed(make.weight(20), make.pause(0), make.pause("1h")))
    assert toy.status["currentStepIndex"] == 2


def test_a_pause_by_spec_holds_every_step_and_all_pods() -> None:
    toy = updated(deployed(make.weight(20), make.pause("10s")))
    toy.spec(paused=True)
    toy.wait(minutes=1)
    toy.run()
    assert toy.phase == "Paused manually paused"
    assert toy.status["currentStepIndex"] == 1
    before = sizes(toy, V1, V2)
    toy.spec(replicas=10)
    toy.run()
    assert sizes(toy, V1, V2) == before
    toy.spec(paused=False)
    toy.run()
    assert toy.phase == "Healthy"
    assert sizes(toy, V1, V2) == [0, 10]


def test_created_while_paused_it_has_no_pods() -> None:
    toy = Toy(make.rollout(make.weight(20), paused=True))
    toy.run()
    assert sizes(toy, V1) == [0]
    assert toy.phase == "Paused manually paused"
    assert toy.status["currentStepIndex"] == 1


def test_an_abort_of_a_basic_canary_surges_stable_back() -> None:
    toy = updated(deployed(make.weight(40), make.pause(), canary={"maxSurge": 1, "maxUnavailable": 0}))
    assert sizes(toy, V1, V2) == [3, 2]
    toy.abort()
    toy.settle()
    assert toy.phase == "Degraded RolloutAborted: Rollout aborted update to revision 2"
    assert sizes(toy, V1, V2) == [4, 2]
    toy.run()
    assert sizes(toy, V1, V2) == [5, 0]
    assert toy.status["currentStepIndex"] == 0
    assert toy.status["duration"]["completionStatus"] == "Aborted"
    assert "RolloutAborted" in toy.events


def test_a_retry_starts_again_at_the_first_step() -> None:
    toy = updated(deployed(make.weight(40), make.pause()))
    toy.abort()
    toy.run()
    toy.patch_status(abort=False)
    toy.settle()
    assert toy.status["phase"] == "Progressing"
    assert "abortedAt" not in toy.status
    toy.run()
    assert toy.phase == "Paused CanaryPauseStep"
    assert toy.status["currentStepIndex"] == 1


def test_an_abort_of_a_promoted_rollout_is_taken_back_silently() -> None:
    toy = deployed(make.weight(40), make.pause())
    toy.abort()
    toy.run()
    assert toy.phase == "Healthy"
    assert "abort" not in toy.status
    assert toy.events == []


def test_a_full_promotion_skips_all_steps() -> None:
    toy = updated(deployed(make.weight(40), make.pause(), make.pause()))
    toy.patch_status(promoteFull=True)
    toy.run()
    assert toy.phase == "Healthy"
    assert "promoteFull" not in toy.status
    assert toy.status["duration"]["completionStatus"] == "FastPromoted"


def test_a_full_promotion_of_an_aborted_update_clears_the_abort() -> None:
    toy = updated(deployed(make.weight(40), make.pause()))
    toy.abort()
    toy.run()
    toy.patch_status(promoteFull=True, abort=None)
    toy.run()
    assert toy.phase == "Healthy"
    assert sizes(toy, V1, V2) == [0, 5]


def test_a_return_to_the_stable_template_skips_the_steps() -> None:
    toy = updated(deployed(make.weight(40), make.pause()))
    toy.events.clear()
    toy.image(V1)
    toy.run()
    assert toy.phase == "Healthy"
    assert sizes(toy, V1, V2) == [5, 0]
    assert "SkipSteps" in toy.events
    assert "RolloutCompleted" not in toy.events
    assert toy.of(V1).revision == 3
    assert toy.of(V1).annotations["rollout.argoproj.io/revision-history"] == "1"
    assert toy.status["duration"]["completionStatus"] == "FastRolledBack"


def test_a_new_template_in_mid_update_begins_anew() -> None:
    toy = updated(deployed(make.weight(40), make.pause()))
    toy.image(V3)
    toy.run()
    assert toy.status["currentStepIndex"] == 1
    assert sizes(toy, V2) == [0]
    assert toy.of(V3).revision == 3


def test_a_new_template_while_aborted_is_an_ordinary_update() -> None:
    toy = updated(deployed(make.weight(40), make.pause()))
    toy.abort()
    toy.run()
    toy.image(V3)
    toy.run()
    assert toy.phase == "Paused CanaryPauseStep"
    assert "abort" not in toy.status


def test_changed_steps_in_mid_update_start_again_at_the_first() -> None:
    toy = updated(deployed(make.weight(40), make.pause()))
    toy.spec(strategy={"canary": {"steps": [make.weight(20), make.pause(), make.pause()]}})
    toy.run()
    assert toy.status["currentStepIndex"] == 1
    assert sizes(toy, V2) == [1]


def test_changed_steps_of_a_promoted_rollout_leave_it_promoted() -> None:
    toy = deployed(make.weight(40), make.pause())
    toy.spec(strategy={"canary": {"steps": [make.weight(20), make.pause(), make.pause()]}})
    toy.run()
    assert toy.phase == "Healthy"
    assert toy.status["currentStepIndex"] == 3


def test_template_and_replicas_changed_in_one_write_do_not_overshoot() -> None:
    toy = deployed(make.weight(20), make.pause(), replicas=4)
    toy.spec(replicas=8)
    toy.image(V2)
    toy.run()
    assert toy.status["currentStepIndex"] == 1
    assert not [line for line in toy.log if line.startswith(f"scale r-{make.hash_of(V2)} 6")]
    assert sizes(toy, V2) == [2]


def test_old_replica_sets_beyond_the_history_limit_are_deleted_once_empty() -> None:
    toy = deployed(revisionHistoryLimit=1)
    for image in ("img:2", "img:3", "img:4"):
        toy.image(image)
        toy.run()
    assert sorted(toy.sets) == sorted(f"r-{make.hash_of(image)}" for image in ("img:3", "img:4"))


def test_no_progress_within_the_deadline_is_told_and_recovered_from() -> None:
    toy = deployed(make.weight(20), make.pause(), progressDeadlineSeconds=60)
    toy.image(V2)
    toy.settle()
    wake = toy.plan().wake_at
    assert wake == toy.now + timedelta(seconds=61)
    toy.now = wake
    toy.settle()
    assert toy.phase.startswith("Degraded ProgressDeadlineExceeded: ReplicaSet")
    toy.run()
    assert toy.phase == "Paused CanaryPauseStep"


def test_a_pause_longer_than_the_progress_deadline_is_no_failure() -> None:
    toy = updated(deployed(make.weight(20), make.pause("2h"), progressDeadlineSeconds=60))
    toy.wait(hours=1)
    toy.settle()
    assert toy.phase == "Paused CanaryPauseStep"


# ── behind a router ──


def test_a_routed_canary_gets_traffic_only_once_its_pods_are_available() -> None:
    toy = routed(make.weight(20), make.pause(), make.weight(70), make.pause())
    toy.image(V2)
    toy.settle()
    assert toy.weights == (0, 100)
    assert toy.services["canary"].hash == make.hash_of(V1)
    toy.run()
    assert toy.weights == (20, 80)
    assert toy.services["canary"].hash == make.hash_of(V2)
    assert sizes(toy, V1, V2) == [5, 1]
    toy.promote()
    toy.settle()
    toy.ready(V2, 2)
    toy.settle()
    assert toy.weights == (20, 80), "two of four pods are not enough for 70 %"
    toy.run()
    assert toy.weights == (70, 30)


def test_a_promotion_moves_services_and_weights_before_old_pods_go() -> None:
    toy = updated(routed(make.weight(20), make.pause(), scaleDownDelaySeconds=3))
    toy.promote()
    toy.log.clear()
    toy.run()
    v1, v2 = f"r-{make.hash_of(V1)}", make.hash_of(V2)
    assert toy.log == [
        f"scale r-{v2} 5",
        "weight 100/0",
        f"point stable {v2}",
        "weight 0/100",
        f"annotate {v1} scale-down-deadline",
    ]
    assert toy.phase == "Healthy"
    toy.run(toy.now + timedelta(seconds=10))
    assert sizes(toy, V1, V2) == [0, 5]
    assert "scale-down-deadline" not in toy.of(V1).annotations


def test_an_abort_takes_the_traffic_at_once_and_the_pods_after_the_delay() -> None:
    toy = updated(routed(make.weight(20), make.pause()))
    toy.abort()
    toy.log.clear()
    toy.settle()
    v1, v2 = make.hash_of(V1), f"r-{make.hash_of(V2)}"
    assert toy.log == [f"point canary {v1}", "weight 0/100", f"annotate {v2} scale-down-deadline"]
    toy.wait(seconds=29)
    toy.settle()
    assert sizes(toy, V2) == [1]
    toy.wait(seconds=1)
    toy.run()
    assert sizes(toy, V1, V2) == [5, 0]
    assert "scale-down-deadline" in toy.of(V2).annotations


def test_during_an_abort_delay_the_canary_service_is_pointed_once() -> None:
    """Upstream points it back and forth about fifty times a second."""
    toy = updated(routed(make.weight(20), make.pause()))
    toy.abort()
    toy.settle()
    toy.log.clear()
    for _ in range(25):
        toy.wait(seconds=1)
        assert not toy.step()
    assert toy.log == []


def test_an_abort_waits_for_stable_before_it_counts_the_delay() -> None:
    toy = updated(routed(make.weight(20), make.pause()))
    toy.ready(V1, 3)
    toy.abort()
    toy.settle()
    assert "scale-down-deadline" not in toy.of(V2).annotations
    assert any("stable" in wait.because for wait in toy.plan().waits)
    toy.run()
    assert "scale-down-deadline" in toy.of(V2).annotations


def test_without_an_abort_delay_the_canary_goes_once_its_share_is_recorded_as_none() -> None:
    toy = updated(routed(make.weight(20), make.pause(), abortScaleDownDelaySeconds=0))
    toy.abort()
    assert toy.step()
    assert sizes(toy, V2) == [1], "the pass that moves the traffic leaves the pods alone"
    toy.run()
    assert sizes(toy, V1, V2) == [5, 0]


def test_an_interrupted_canary_is_emptied_before_the_next_one_takes_its_place() -> None:
    toy = updated(routed(make.weight(20), make.pause()))
    toy.image(V3)
    toy.log.clear()
    toy.settle()
    assert toy.weights == (0, 100)
    assert sizes(toy, V2) == [1], "its Service still selects it"
    toy.run()
    assert toy.weights == (20, 80)
    assert toy.services["canary"].hash == make.hash_of(V3)
    assert sizes(toy, V2) == [0]


def test_without_steps_a_routed_canary_is_promoted_by_its_services() -> None:
    toy = updated(routed())
    assert toy.phase == "Healthy"
    assert toy.services["stable"].hash == make.hash_of(V2)
    assert toy.weights == (0, 100)


def test_a_scale_down_delay_of_zero_means_at_once() -> None:
    """Upstream keeps the old pods for ever."""
    toy = updated(routed(make.weight(50), scaleDownDelaySeconds=0))
    assert sizes(toy, V1, V2) == [0, 5]


def test_an_older_replica_set_with_pods_takes_the_canary_over_only_when_it_is_empty() -> None:
    toy = updated(routed(make.weight(20), make.pause()))
    toy.promote()
    toy.run()
    assert sizes(toy, V1, V2) == [5, 5], "V1 waits for its scale-down deadline"
    toy.image(V3)
    toy.run()
    assert toy.weights == (20, 80)
    toy.image(V1)
    toy.log.clear()
    toy.settle()
    v1 = make.hash_of(V1)
    assert toy.log.index("weight 0/100") < toy.log.index(f"point canary {v1}")
    toy.run()
    assert toy.weights == (20, 80)
    assert toy.services["canary"].hash == v1
