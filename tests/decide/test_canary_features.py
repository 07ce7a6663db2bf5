"""What else a canary can ask for: sizes apart from weights, thresholds, windows, restarts, and Services in turns."""

from dataclasses import replace
from datetime import timedelta

import pytest

from rollouts.decide.world import Hash, Pod
from tests import make
from tests.decide.canary import PREFERRED, REQUIRED, V1, V2, V3, deployed, routed, rules, sizes, updated
from tests.decide.toy import Toy


def scale(**what: object) -> make.Obj:
    return {"setCanaryScale": what}


# ── setCanaryScale ──


def test_a_number_of_canary_pods_apart_from_the_weight() -> None:
    toy = updated(
        routed(scale(replicas=3), make.weight(20), make.pause(), scale(matchTrafficWeight=True), make.pause())
    )
    assert (sizes(toy, V1, V2), toy.weights) == ([5, 3], (20, 80))
    toy.promote()
    toy.run()
    assert sizes(toy, V1, V2) == [5, 1], "from now on the weight counts again"


@pytest.mark.parametrize(("what", "count"), [({"weight": 50}, 3), ({"weight": 200}, 10), ({"replicas": 0}, 0)])
def test_a_scale_may_be_a_share_of_its_own(what: make.Obj, count: int) -> None:
    toy = updated(routed(scale(**what), make.pause()))
    assert (sizes(toy, V1, V2), toy.weights) == ([5, count], (0, 100))


@pytest.mark.parametrize("none", [{"replicas": 0}, {"weight": 0}])
def test_a_scale_of_none_takes_the_share_before_the_pods(none: make.Obj) -> None:
    toy = updated(routed(make.weight(40), make.pause(), scale(**none), make.pause()))
    assert (toy.weights, sizes(toy, V2)) == ((40, 60), [2])
    toy.promote()
    while toy.weights != (0, 100):
        assert toy.step(), "the share goes"
    assert sizes(toy, V2) == [2], "pods go a pass later, when that is recorded"
    toy.run()
    assert (toy.weights, sizes(toy, V2)) == ((0, 100), [0])


def test_fewest_pods_hold_for_every_size_but_none_and_not_for_explicit_numbers() -> None:
    toy = updated(routed(make.weight(0), make.pause(), make.weight(1), make.pause(), minPodsPerReplicaSet=2))
    assert sizes(toy, V2) == [0]
    toy.promote()
    toy.run()
    assert sizes(toy, V2) == [2]
    explicit = routed(scale(replicas=1), make.pause(), minPodsPerReplicaSet=2)
    explicit.image(V2)
    explicit.run()
    assert sizes(explicit, V2) == [1]


def test_an_abort_without_delay_keeps_a_canary_that_was_sized_on_purpose() -> None:
    toy = updated(routed(scale(replicas=2), make.weight(20), make.pause(), abortScaleDownDelaySeconds=0))
    toy.abort()
    toy.run()
    assert (sizes(toy, V1, V2), toy.weights) == ([5, 2], (0, 100))


# ── replicaProgressThreshold ──


@pytest.mark.parametrize(
    ("threshold", "available", "goes_on"),
    [
        ({"type": "Percent", "value": 60}, 3, True),
        ({"type": "Percent", "value": 61}, 3, False),
        ({"type": "Pods", "value": 2}, 2, True),
        ({"type": "Pods", "value": 2}, 1, False),
        ({"type": "Percent", "value": -1}, 4, False),
    ],
)
def test_enough_available_pods_let_the_release_go_on(threshold: make.Obj, available: int, goes_on: bool) -> None:
    toy = routed(make.weight(100), make.pause(), replicaProgressThreshold=threshold)
    toy.image(V2)
    toy.settle()
    toy.ready(V2, available)
    toy.settle()
    assert (toy.status["currentStepIndex"] == 1) == goes_on


# ── rollbackWindow ──


def released(*images: str, window: int) -> Toy:
    toy = deployed(make.weight(20), make.pause(), rollbackWindow={"revisions": window})
    for image in images:
        toy.image(image)
        toy.run()
        toy.patch_status(promoteFull=True)
        toy.run()
    toy.events.clear()
    return toy


def test_a_rollback_within_the_window_takes_no_steps() -> None:
    toy = released(V2, window=1)
    toy.image(V1)
    toy.run()
    assert toy.phase == "Healthy"
    assert sizes(toy, V1, V2) == [5, 0]
    assert "RolloutPaused" not in toy.events
    assert "RolloutCompleted" in toy.events


def test_a_return_to_a_version_that_still_has_pods_is_told_as_skipped_steps() -> None:
    toy = routed(make.weight(20), make.pause())
    toy.spec(rollbackWindow={"revisions": 1})
    for image in (V2, V1):
        toy.image(image)
        toy.patch_status(promoteFull=True)
        toy.events.clear()
        toy.run()
    assert toy.phase == "Healthy"
    assert "SkipSteps" in toy.events


def test_a_return_within_the_window_gets_no_traffic_before_it_has_pods() -> None:
    """Upstream gives its first pod the share of the last step at once."""
    toy = routed(make.weight(20), make.pause(), make.weight(80), make.pause(), scaleDownDelaySeconds=1)
    toy.spec(rollbackWindow={"revisions": 1})
    toy.image(V2)
    toy.settle()
    toy.patch_status(promoteFull=True)
    toy.run(toy.now + timedelta(minutes=1))
    assert sizes(toy, V1, V2) == [0, 5]
    toy.image(V1)
    toy.settle()
    toy.ready(V1, 1)
    toy.settle()
    assert (toy.status["currentStepIndex"], toy.weights) == (4, (0, 100))
    toy.ready(V1, 4)
    toy.settle()
    assert toy.weights == (80, 20)
    toy.run()
    assert toy.phase == "Healthy"


@pytest.mark.parametrize(("to", "available", "reached"), [(3, 2, (80, 20)), (4, 1, (0, 100))])
def test_skipped_steps_get_no_traffic_before_they_have_pods(to: int, available: int, reached: tuple[int, int]) -> None:
    """Upstream takes the share of the step before, whether or not that was ever reached."""
    toy = updated(routed(make.weight(20), make.pause(), make.weight(80), make.pause()))
    toy.patch_status(pauseConditions=None, controllerPause=None, currentStepIndex=to)
    toy.settle()
    toy.ready(V2, available)
    toy.settle()
    assert (toy.status["currentStepIndex"], toy.weights) == (to, (20, 80))
    toy.run()
    assert toy.weights == reached


def test_a_rollback_beyond_the_window_takes_its_steps() -> None:
    toy = released(V2, V3, window=1)
    toy.image(V1)
    toy.run()
    assert toy.phase == "Paused CanaryPauseStep"


def test_replica_sets_of_experiments_do_not_count_in_the_window() -> None:
    toy = released(V2, V3, window=1)
    between = toy.of(V2)
    toy.sets[between.name] = replace(between, annotations={**between.annotations, "experiment.argoproj.io/name": "e"})
    toy.image(V1)
    toy.run()
    assert toy.phase == "Healthy"


# ── progressDeadlineAbort ──


def test_an_update_without_progress_is_aborted_where_that_is_asked_for() -> None:
    toy = routed(make.weight(20), make.pause())
    toy.spec(progressDeadlineSeconds=60, progressDeadlineAbort=True)
    toy.run()
    toy.image(V2)
    toy.settle()
    toy.wait(seconds=62)
    toy.settle()
    assert toy.phase.startswith(
        f'Degraded RolloutAborted: Rollout aborted update to revision 2: ReplicaSet "r-{make.hash_of(V2)}"'
    )
    assert toy.phase.endswith("has timed out progressing.")
    assert toy.status["abort"] is True


def test_pods_lost_after_the_promotion_abort_nothing() -> None:
    toy = deployed(make.weight(20), progressDeadlineSeconds=60, progressDeadlineAbort=True)
    toy.ready(V1, 2)
    toy.settle()
    toy.wait(seconds=120)
    toy.settle()
    assert "abort" not in toy.status


# ── dynamicStableScale ──


def test_stable_shrinks_one_pass_after_its_share_was_recorded() -> None:
    toy = updated(routed(make.weight(40), make.pause(), make.weight(80), make.pause(), dynamicStableScale=True))
    assert (toy.weights, sizes(toy, V1, V2)) == ((40, 60), [3, 2])
    v1 = f"r-{make.hash_of(V1)}"
    assert toy.log.index("weight 40/60") < toy.log.index(f"scale {v1} 3")
    toy.promote()
    toy.run()
    assert (toy.weights, sizes(toy, V1, V2)) == ((80, 20), [1, 4])


def test_a_share_goes_back_to_a_stable_version_of_one_pod_only_once_it_is_there() -> None:
    """Upstream asks for half a pod, rounded down."""
    steps = (make.weight(100), make.pause(), make.weight(50), make.pause())
    canary = {**make.ISTIO, "dynamicStableScale": True}
    toy = updated(deployed(*steps, services=("stable", "canary"), canary=canary, replicas=1))
    assert (toy.weights, sizes(toy, V1, V2)) == ((100, 0), [0, 1])
    toy.promote()
    toy.settle()
    assert (toy.weights, sizes(toy, V1, V2)) == ((100, 0), [1, 1])
    toy.run()
    assert toy.weights == (50, 50)


def test_an_abort_goes_down_the_ladder_as_stable_grows() -> None:
    toy = updated(routed(make.weight(40), make.pause(), make.weight(80), make.pause(), dynamicStableScale=True))
    toy.promote()
    toy.run()
    toy.abort()
    toy.log.clear()
    toy.settle()
    v1, v2 = (f"r-{make.hash_of(image)}" for image in (V1, V2))
    assert toy.log == [f"scale {v1} 3"], "traffic stays until there is somebody to take it"
    toy.run()
    assert toy.weights == (0, 100)
    assert sizes(toy, V1, V2) == [5, 0]
    assert toy.log.index("weight 40/60") < toy.log.index(f"scale {v2} 2")
    assert toy.services["canary"].hash == make.hash_of(V1)


def test_a_rollback_is_not_healthy_before_stable_serves_alone() -> None:
    """Upstream reads Healthy with one of five stable pods, and 80 % of the traffic on the canary."""
    toy = updated(routed(make.weight(80), make.pause(), dynamicStableScale=True))
    assert (toy.weights, sizes(toy, V1, V2)) == ((80, 20), [1, 4])
    toy.image(V1)
    toy.settle()
    assert toy.weights == (80, 20)
    assert toy.services["canary"].hash == make.hash_of(V2)
    assert toy.status["phase"] == "Progressing"
    toy.ready(V1, 2)
    toy.settle()
    assert toy.status["phase"] == "Progressing"
    toy.run()
    assert toy.phase == "Healthy"
    assert (toy.weights, sizes(toy, V1, V2)) == ((0, 100), [5, 0])


# ── annotations ──


def test_replica_sets_take_over_annotations_but_for_those_that_tell_of_the_rollout_alone() -> None:
    toy = Toy(make.rollout(make.weight(40), make.pause()))
    subscribed = {"notifications.argoproj.io/subscribe.on-rollout-completed.slack": "shop"}
    told = {"notified.notifications.argoproj.io": "{}", "kubectl.kubernetes.io/last-applied-configuration": "{}"}
    toy.manifest["metadata"]["annotations"] = {"team": "a", **subscribed, **told}
    toy.run()
    assert toy.of(V1).annotations == {
        "team": "a",
        **subscribed,
        "rollout.argoproj.io/revision": "1",
        "rollout.argoproj.io/desired-replicas": "5",
    }
    toy.manifest["metadata"]["annotations"]["team"] = "b"
    del toy.manifest["metadata"]["annotations"][next(iter(subscribed))]
    toy.run()
    assert toy.of(V1).annotations["team"] == "b"
    assert subscribed.items() <= toy.of(V1).annotations.items(), "what is taken away stays, as with Argo Rollouts"


# ── restartAt ──


def with_pods(toy: Toy, count: int) -> None:
    name = toy.of(V1).name
    toy.pods = [Pod(f"pod-{index}", name, created=make.EARLIER) for index in range(count)]


def test_a_restart_evicts_as_many_pods_as_may_be_missing() -> None:
    toy = deployed(make.weight(20), canary={"maxUnavailable": 2})
    with_pods(toy, 5)
    toy.spec(restartAt=f"{toy.now - timedelta(seconds=1):%Y-%m-%dT%H:%M:%SZ}")
    toy.step()
    assert toy.evicted == ("pod-0", "pod-1")
    assert "restartedAt" not in toy.status
    toy.step()
    assert toy.phase == "Progressing rollout is restarting"
    assert toy.evicted == ("pod-0", "pod-1"), "those on their way out are missing, whatever the ReplicaSet still counts"
    toy.pods = [Pod("new", toy.of(V1).name, created=toy.now)]
    toy.run()
    assert toy.status["restartedAt"] == toy.manifest["spec"]["restartAt"]
    assert toy.phase == "Healthy"


def test_with_nothing_to_spare_pods_are_restarted_one_at_a_time() -> None:
    toy = deployed(make.weight(20), canary={"maxUnavailable": 0, "maxSurge": 1})
    with_pods(toy, 5)
    toy.spec(restartAt=f"{toy.now - timedelta(seconds=1):%Y-%m-%dT%H:%M:%SZ}")
    toy.step()
    assert toy.evicted == ("pod-0",)


def test_a_restart_in_the_future_waits_for_its_time() -> None:
    toy = deployed(make.weight(20))
    with_pods(toy, 5)
    toy.spec(restartAt=f"{toy.now + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}")
    toy.settle()
    assert toy.evicted == ()
    wake = toy.plan().wake_at
    assert wake is not None
    toy.now = wake
    toy.step()
    assert toy.evicted


# ── antiAffinity ──


@pytest.mark.parametrize(("asked", "where"), [({REQUIRED: {}}, REQUIRED), ({PREFERRED: {"weight": 7}}, PREFERRED)])
def test_new_pods_are_kept_off_the_nodes_of_stable_ones(asked: make.Obj, where: str) -> None:
    toy = deployed(make.weight(20), make.pause(), canary={"antiAffinity": asked})
    assert rules(toy, V1) == {}, "a first deployment has nobody to keep away from"
    toy.image(V2)
    toy.run()
    (rule,) = rules(toy, V2)[where]
    term = rule.get("podAffinityTerm", rule)
    assert term["topologyKey"] == "kubernetes.io/hostname"
    assert term["namespaces"] == ["default"]
    (expression,) = term["labelSelector"]["matchExpressions"]
    assert expression == {"key": "rollouts-pod-template-hash", "operator": "In", "values": [make.hash_of(V1)]}
    assert rule.get("weight") == (7 if where == PREFERRED else None)


def test_the_rule_does_not_make_a_template_another_one() -> None:
    toy = updated(deployed(make.weight(20), make.pause(), canary={"antiAffinity": {REQUIRED: {}}}))
    other = toy.of(V2)
    named = Hash("fromelsewhere")  # as another version of the hash would have named it
    toy.sets[other.name] = replace(other, hash=named)
    assert not toy.plan().changes or all("Create" not in type(action).__name__ for action in toy.plan().changes)
