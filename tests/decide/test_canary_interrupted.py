"""A canary whose course is disturbed: by another template, an abort, a change of size, lost pods or odd notes."""

from dataclasses import replace
from datetime import timedelta

import pytest

from rollouts.api import labels
from tests import make
from tests.decide.canary import (
    DEADLINE,
    PREFERRED,
    REQUIRED,
    V1,
    V2,
    V3,
    deployed,
    dynamic,
    routed,
    rules,
    sizes,
    updated,
)
from tests.decide.toy import Toy

# ── another template ──


def test_traffic_stays_on_an_interrupted_canary_until_a_shrunk_stable_can_take_it() -> None:
    toy = updated(dynamic(make.weight(90), make.pause()))
    assert (toy.weights, sizes(toy, V1, V2)) == ((90, 10), [1, 9])
    toy.image(V3)
    toy.settle()
    toy.ready(V3)
    for available in range(1, 10):
        toy.ready(V1, available)
        toy.settle()
        assert (toy.weights, toy.services["canary"].hash) == ((90, 10), make.hash_of(V2))
        assert sizes(toy, V2) == [9]
    toy.log.clear()
    toy.run()
    v3 = make.hash_of(V3)
    assert toy.log.index("weight 0/100") < toy.log.index(f"point canary {v3}") < toy.log.index("weight 90/10")


def test_a_return_to_the_stable_template_skips_the_steps_also_when_they_changed_with_it() -> None:
    toy = updated(deployed(make.weight(40), make.pause()))
    toy.events.clear()
    toy.spec(strategy={"canary": {"steps": [make.weight(10), make.pause(), make.pause()]}})
    toy.image(V1)
    toy.run()
    assert toy.phase == "Healthy"
    assert toy.status["currentStepIndex"] == 3
    assert toy.status["currentStepHash"] == toy.world().step_hash
    assert "SkipSteps" in toy.events
    assert "RolloutCompleted" not in toy.events


@pytest.mark.parametrize(("between", "window", "fast"), [(1, 1, False), (1, 2, True), (2, 2, False), (0, 0, False)])
def test_as_many_versions_may_lie_between_as_the_window_has_revisions(between: int, window: int, fast: bool) -> None:
    toy = deployed(make.weight(20), make.pause(), rollbackWindow={"revisions": window})
    for number in range(between + 1):
        toy.image(f"img:{number + 2}")
        toy.settle()
        toy.patch_status(promoteFull=True)
        toy.run()
    toy.image(V1)
    toy.run()
    assert toy.phase == ("Healthy" if fast else "Paused CanaryPauseStep")


def test_a_version_as_old_as_the_stable_one_is_no_rollback() -> None:
    toy = deployed(make.weight(20), make.pause(), rollbackWindow={"revisions": 9})
    toy.image(V2)
    toy.settle()
    toy.patch_status(promoteFull=True)
    toy.run()
    toy.sets[toy.of(V1).name] = replace(toy.of(V1), created=toy.of(V2).created)
    toy.image(V1)
    toy.run()
    assert toy.phase == "Paused CanaryPauseStep"


@pytest.mark.parametrize(("asked", "where"), [({REQUIRED: {}}, REQUIRED), ({PREFERRED: {"weight": 7}}, PREFERRED)])
def test_new_pods_are_kept_off_the_nodes_of_what_is_stable_by_then(asked: make.Obj, where: str) -> None:
    toy = deployed(make.weight(20), make.pause(), canary={"antiAffinity": asked})
    for image, stable in ((V2, V1), (V3, V2)):
        toy.image(image)
        toy.run()
        (rule,) = rules(toy, image)[where]
        (expression,) = rule.get("podAffinityTerm", rule)["labelSelector"]["matchExpressions"]
        assert expression["values"] == [make.hash_of(stable)]
        toy.promote()
        toy.run()
        assert toy.phase == "Healthy"


@pytest.mark.parametrize("asked", [{REQUIRED: {}}, {PREFERRED: {"weight": 7}}])
def test_a_version_that_comes_back_is_kept_off_the_nodes_of_what_is_stable_by_then(asked: dict[str, make.Obj]) -> None:
    """V1 has no rule as the first of all, and V2 one about V1: both are about V3 when they come back."""
    (where,) = asked
    toy = deployed(canary={"antiAffinity": asked})
    for image in (V2, V3):
        toy.image(image)
        toy.run()
    for image, stable in ((V1, V3), (V2, V1)):
        toy.image(image)
        toy.step()
        (rule,) = rules(toy, image)[where]
        (expression,) = rule.get("podAffinityTerm", rule)["labelSelector"]["matchExpressions"]
        assert expression["values"] == [make.hash_of(stable)]
        toy.run()
        assert toy.phase == "Healthy"


def test_a_rule_that_is_asked_for_in_mid_update_holds_for_pods_from_then_on_and_costs_one_write() -> None:
    mine = {"weight": 1, "podAffinityTerm": {"topologyKey": "zone", "labelSelector": {"matchLabels": {"app": "r"}}}}
    toy = deployed(make.weight(20), make.pause())
    toy.image(V2)
    toy.manifest["spec"]["template"]["spec"]["affinity"] = {"podAntiAffinity": {PREFERRED: [mine]}}
    toy.run()
    (new,) = (rs for rs in toy.sets.values() if rs.hash == toy.status["currentPodHash"])
    for asked, found in (({REQUIRED: {}}, [PREFERRED, REQUIRED]), ({PREFERRED: {"weight": 9}}, [PREFERRED])):
        toy.manifest["spec"]["strategy"]["canary"]["antiAffinity"] = asked
        toy.manifest["metadata"]["generation"] += 1
        toy.log.clear()
        toy.run()
        assert len(toy.log) == 1
        standing = toy.sets[new.name].template["spec"]["affinity"]["podAntiAffinity"]
        assert (sorted(standing), standing[PREFERRED][0]) == (found, mine)
    assert toy.phase == "Paused CanaryPauseStep", "nothing else has come of it"


# ── an abort ──


def test_an_aborted_share_stays_where_it_is_until_stable_is_whole() -> None:
    toy = updated(routed(make.weight(20), make.pause()))
    toy.ready(V1, 4)
    toy.abort()
    toy.settle()
    assert toy.weights == (20, 80)
    toy.run()
    assert toy.weights == (0, 100)


def test_an_abort_delay_longer_than_a_resync_is_kept() -> None:
    """Upstream drops the pods at once when the delay is 900 seconds or more."""
    toy = updated(routed(make.weight(20), make.pause(), abortScaleDownDelaySeconds=1000))
    toy.abort()
    toy.settle()
    toy.wait(seconds=999)
    toy.settle()
    assert sizes(toy, V2) == [1]
    toy.wait(seconds=1)
    toy.run()
    assert sizes(toy, V2) == [0]


def test_a_change_of_size_in_the_abort_delay_leaves_the_aborted_canary_alone() -> None:
    toy = updated(routed(make.weight(40), make.pause()))
    toy.abort()
    toy.settle()
    toy.spec(replicas=10)
    toy.run()
    assert toy.of(V2).annotations[labels.DESIRED_REPLICAS] == "10"
    assert sizes(toy, V1, V2) == [10, 2]
    toy.wait(seconds=31)
    toy.run()
    assert sizes(toy, V1, V2) == [10, 0]
    assert toy.status["phase"] == "Degraded"


def test_an_abort_with_a_delay_keeps_the_pods_and_takes_the_traffic_down_the_ladder() -> None:
    toy = updated(dynamic(make.weight(10), make.weight(50), make.pause(), abortScaleDownDelaySeconds=30))
    assert (toy.weights, sizes(toy, V1, V2)) == ((50, 50), [5, 5])
    toy.abort()
    told = []
    for available in (5, 8, 9, 10):
        toy.settle()
        toy.ready(V1, available)
        toy.settle()
        told.append(toy.weights)
        assert sizes(toy, V2) == [5]
    assert told == sorted(told, reverse=True)
    assert told[-1] == (0, 100)
    toy.run(toy.now + timedelta(minutes=1))
    assert sizes(toy, V1, V2) == [10, 0]


def test_a_deadline_that_cannot_be_read_does_not_keep_an_aborted_canary() -> None:
    toy = updated(routed(make.weight(20), make.pause()))
    toy.abort()
    toy.settle()
    canary = toy.of(V2)
    assert DEADLINE in canary.annotations
    toy.sets[canary.name] = replace(canary, annotations={**canary.annotations, DEADLINE: "soon"})
    toy.run()
    assert sizes(toy, V1, V2) == [5, 0]


def test_an_aborted_canary_keeps_its_deadline_when_another_template_comes() -> None:
    toy = updated(routed(make.weight(20), make.pause()))
    toy.abort()
    toy.settle()
    deadline = toy.of(V2).annotations[DEADLINE]
    toy.image(V3)
    toy.run()
    assert (sizes(toy, V2), toy.of(V2).annotations[DEADLINE]) == ([1], deadline)
    toy.run(toy.now + timedelta(minutes=1))
    assert sizes(toy, V1, V2, V3) == [5, 0, 1]


def test_a_retry_begins_the_progress_deadline_anew() -> None:
    toy = deployed(make.weight(20), make.pause(), progressDeadlineSeconds=60)
    toy.image(V2)
    toy.settle()
    toy.abort()
    toy.settle()
    toy.wait(hours=1)
    toy.patch_status(abort=False)
    toy.settle()
    toy.wait(seconds=59)
    toy.settle()
    assert toy.status["phase"] == "Progressing"
    toy.wait(seconds=2)
    toy.settle()
    assert toy.phase.startswith("Degraded ProgressDeadlineExceeded")


# ── full promotion ──


def test_a_full_promotion_moves_traffic_as_pods_come_where_stable_shrinks() -> None:
    toy = updated(dynamic(make.weight(10), make.pause()))
    toy.patch_status(promoteFull=True)
    toy.settle()
    for available in (3, 7):
        toy.ready(V2, available)
        toy.settle()
        assert toy.weights == (10 * available, 100 - 10 * available)
    toy.run()
    assert (toy.phase, toy.weights) == ("Healthy", (0, 100))


# ── sizes ──


def test_an_older_version_with_another_size_in_mind_is_no_reason_to_act() -> None:
    toy = updated(routed(make.weight(20), make.pause()))
    toy.promote()
    toy.run()
    old = toy.of(V1)
    toy.sets[old.name] = replace(old, annotations={**old.annotations, labels.DESIRED_REPLICAS: "99"})
    assert toy.plan().changes == ()


def test_more_pods_than_wanted_do_not_hold_a_promotion_up() -> None:
    toy = updated(deployed(make.weight(50), make.pause()))
    toy.promote()
    toy.settle()
    toy.ready()
    toy.spec(replicas=2)
    toy.run()
    assert toy.phase == "Healthy"
    assert sizes(toy, V1, V2) == [0, 2]


def test_unready_pods_of_an_interrupted_canary_go_at_once_and_ready_ones_only_when_they_are_spared() -> None:
    toy = updated(deployed(make.weight(60), make.pause(), canary={"maxSurge": 1, "maxUnavailable": 0}))
    assert sizes(toy, V1, V2) == [2, 3]
    toy.ready(V2, 1)
    toy.image(V3)
    toy.settle()
    assert sizes(toy, V2) == [1], "its one ready pod is still needed beside stable's"
    assert toy.of(V1).available + toy.of(V2).available == 3
    toy.run()
    assert sizes(toy, V2) == [0]


# ── traffic ──


def test_a_first_deployment_touches_no_traffic_before_it_is_whole() -> None:
    toy = Toy(make.rollout(make.weight(20), canary=make.ISTIO), ("stable", "canary"))
    toy.settle()
    toy.ready(V1, 4)
    toy.settle()
    assert not [line for line in toy.log if line.startswith("weight")]
    assert "weights" not in toy.status["canary"]
    toy.run()
    assert toy.weights == (0, 100)


@pytest.mark.parametrize(
    ("threshold", "reached"),
    [(None, False), ({"type": "Percent", "value": 80}, True), ({"type": "Percent", "value": 88}, False)],
)
def test_a_share_moves_only_while_stable_has_pods_for_the_rest(threshold: make.Obj | None, reached: bool) -> None:
    canary = {**make.ISTIO, **({"replicaProgressThreshold": threshold} if threshold else {})}
    toy = deployed(make.weight(20), make.pause(), services=("stable", "canary"), canary=canary, replicas=10)
    toy.image(V2)
    toy.settle()
    toy.ready(V1, 7)
    toy.ready(V2)
    toy.log.clear()
    toy.settle()
    assert toy.weights == ((20, 80) if reached else (0, 100)), "80 % of ten pods are eight"


def test_shares_are_parts_of_another_whole_where_the_spec_says_so() -> None:
    routing = {"nginx": {"stableIngress": "main"}, "maxTrafficWeight": 1000}
    toy = updated(routed(make.weight(5), make.pause(), trafficRouting=routing))
    weights = toy.status["canary"]["weights"]
    assert (weights["canary"]["weight"], weights["stable"]["weight"]) == (5, 995)
    assert sizes(toy, V2) == [1]


def test_of_two_routes_only_the_one_that_a_step_names_without_match_goes() -> None:
    routes = [header_step("one"), header_step("two")]
    gone = {"setHeaderRoute": {"name": "one"}}
    managed = {**make.ISTIO["trafficRouting"], "managedRoutes": [{"name": "one"}, {"name": "two"}]}
    toy = updated(routed(make.weight(20), *routes, make.pause(), gone, make.pause(), trafficRouting=managed))
    assert [route.name for route in toy.routes] == ["one", "two"]
    toy.promote()
    toy.run()
    assert [route.name for route in toy.routes] == ["two"]


def header_step(name: str) -> make.Obj:
    return {"setHeaderRoute": {"name": name, "match": [{"headerName": "agent", "headerValue": {"exact": "x"}}]}}


def test_subsets_of_a_rule_change_pods_only_while_they_have_no_share() -> None:
    """Upstream lets passes fail until both versions are whole."""
    subsets = {"name": "rule", "canarySubsetName": "c", "stableSubsetName": "s"}
    by_subset = {"trafficRouting": {"istio": {"virtualService": {"name": "vs"}, "destinationRule": subsets}}}
    toy = deployed(make.weight(50), make.pause(), canary=by_subset, rollbackWindow={"revisions": 1})
    toy.image(V2)
    toy.settle()
    toy.patch_status(promoteFull=True)
    toy.run(toy.now + timedelta(minutes=1))
    assert sizes(toy, V1, V2) == [0, 5]
    toy.image(V1)
    toy.settle()
    toy.ready(V1, 2)
    toy.settle()
    assert toy.weights == (0, 100)
    recorded = toy.status["canary"]["weights"]
    assert (recorded["canary"]["podTemplateHash"], recorded["stable"]["podTemplateHash"]) == (
        make.hash_of(V1),
        make.hash_of(V2),
    )
    toy.run()
    assert toy.phase == "Healthy"


def test_a_rollout_that_is_being_deleted_is_left_alone() -> None:
    toy = routed(make.weight(20), make.pause())
    toy.image(V2)
    toy.manifest["metadata"]["deletionTimestamp"] = "2026-01-01T12:00:00Z"
    assert not toy.step()


# ── what is told ──


def test_a_spec_that_becomes_invalid_is_told_also_of_an_aborted_update() -> None:
    """Upstream goes on saying that it was aborted."""
    toy = updated(routed(make.weight(20), make.pause()))
    toy.abort()
    toy.run(toy.now + timedelta(minutes=1))
    aborted, stable = toy.phase, toy.services.pop("stable")
    toy.settle()
    assert toy.phase.startswith("Degraded InvalidSpec: ")
    toy.services["stable"] = stable
    toy.settle()
    assert toy.phase == aborted


def test_unready_pods_of_an_interrupted_canary_stay_while_traffic_counts_on_them() -> None:
    toy = updated(routed(make.weight(60), make.pause()))
    toy.image(V3)
    toy.ready(V1, 1)
    toy.ready(V2, 1)
    toy.settle()
    assert toy.weights == (60, 40), "stable cannot take the traffic back yet"
    assert sizes(toy, V2) == [3]


# ── a step that is skipped ──


def test_who_skips_to_a_smaller_share_is_not_given_the_larger_one_while_its_pods_go() -> None:
    toy = dynamic(make.weight(100), make.weight(40), make.pause())
    toy.image(V2)
    toy.settle()
    assert (toy.weights, sizes(toy, V1, V2)) == ((0, 100), [10, 10])
    toy.patch_status(currentStepIndex=1)
    toy.ready(V2)
    toy.log.clear()
    toy.settle()
    assert "weight 100/0" not in toy.log
    toy.run()
    assert (toy.weights, sizes(toy, V1, V2)) == ((40, 60), [6, 4])
