"""Blue-green: what becomes of older versions, what somebody else changes, and other strategies."""

from dataclasses import replace
from datetime import timedelta

import pytest

from rollouts.decide.world import Pod, Service
from tests import make
from tests.decide.bluegreen import (
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
    updated,
)
from tests.decide.toy import Toy

# ── what becomes of older versions ──


def test_only_as_many_older_versions_are_kept_as_the_limit_says() -> None:
    toy = updated(scaleDownDelayRevisionLimit=1)
    toy.run()
    toy.image(V3)
    toy.run()
    assert sizes(toy, V1, V2, V3) == [0, 3, 3]
    assert DEADLINE not in toy.of(V1).annotations
    assert DEADLINE in toy.of(V2).annotations


def test_a_scale_down_delay_of_zero_means_at_once() -> None:
    """Upstream keeps the old pods for ever."""
    toy = updated(scaleDownDelaySeconds=0)
    assert sizes(toy, V1, V2) == [0, 3]
    assert toy.services["active"].hash == H2


def test_an_older_version_follows_the_size_of_the_rollout() -> None:
    toy = updated()
    toy.spec(replicas=5)
    toy.run()
    assert sizes(toy, V1, V2) == [5, 5]
    assert DEADLINE in toy.of(V1).annotations
    toy.image(V1)
    toy.settle()
    assert toy.services["active"].hash == H1


def test_an_interrupted_preview_is_not_scaled_up() -> None:
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


def test_an_older_version_whose_deadline_cannot_be_read_goes_at_once() -> None:
    toy = updated()
    old = toy.of(V1)
    toy.sets[old.name] = replace(old, annotations={**old.annotations, DEADLINE: "soon"})
    toy.settle()
    assert sizes(toy, V1) == [0]
    assert DEADLINE not in toy.of(V1).annotations


def test_older_versions_beyond_the_history_limit_are_deleted_once_empty() -> None:
    toy = deployed(scaleDownDelaySeconds=0, spec={"revisionHistoryLimit": 1})
    for image in ("img:2", "img:3", "img:4"):
        toy.image(image)
        toy.run()
    assert sorted(toy.sets) == sorted(f"r-{make.hash_of(image)}" for image in ("img:3", "img:4"))


def test_an_older_version_with_another_size_in_mind_is_no_reason_to_act() -> None:
    toy = updated()
    toy.run(toy.now + timedelta(minutes=1))
    old = toy.of(V1)
    toy.sets[old.name] = replace(old, annotations={**old.annotations, "rollout.argoproj.io/desired-replicas": "9"})
    assert not toy.step()


def test_a_version_that_waits_for_its_deadline_puts_off_the_progress_deadline() -> None:
    toy = updated(scaleDownDelaySeconds=3600)
    toy.spec(progressDeadlineSeconds=60)
    toy.settle()
    toy.image(V3)
    toy.settle()
    toy.wait(minutes=5)
    toy.settle()
    assert toy.status["phase"] == "Progressing"


def test_a_version_that_was_aborted_and_is_gone_does_not_put_off_the_progress_deadline() -> None:
    """Upstream leaves its deadline on it, and never again finds an update late."""
    toy = updated(**MANUAL)
    toy.abort()
    toy.run(toy.now + timedelta(minutes=1))
    toy.spec(progressDeadlineSeconds=60)
    toy.image(V3)
    toy.settle()
    toy.wait(seconds=62)
    toy.settle()
    assert toy.phase.startswith("Degraded ProgressDeadlineExceeded")


def test_no_progress_within_the_deadline_is_told_and_recovered_from() -> None:
    toy = deployed(spec={"progressDeadlineSeconds": 60})
    toy.image(V2)
    toy.settle()
    toy.wait(seconds=61)
    toy.settle()
    assert toy.phase.startswith("Degraded ProgressDeadlineExceeded: ReplicaSet")
    assert toy.services["active"].hash == H1
    toy.run()
    assert toy.phase == "Healthy"


def test_an_update_without_progress_is_aborted_where_the_spec_says_so() -> None:
    toy = deployed(spec={"progressDeadlineSeconds": 60, "progressDeadlineAbort": True})
    toy.image(V2)
    toy.settle()
    toy.wait(seconds=61)
    toy.settle()
    assert toy.status["abort"] is True
    assert toy.services["active"].hash == H1
    toy.run(toy.now + timedelta(minutes=1))
    assert sizes(toy, V1, V2) == [3, 0]


def test_an_update_that_is_late_already_is_aborted_once_the_spec_asks_for_it() -> None:
    toy = deployed(spec={"progressDeadlineSeconds": 60})
    toy.image(V2)
    toy.settle()
    toy.wait(seconds=61)
    toy.settle()
    assert "abort" not in toy.status
    assert toy.phase.startswith("Degraded ProgressDeadlineExceeded")
    toy.spec(progressDeadlineAbort=True)
    toy.settle()
    assert toy.status["abort"] is True
    toy.run(toy.now + timedelta(minutes=1))
    assert sizes(toy, V1, V2) == [3, 0]


# ── Services that somebody else changes ──


def test_a_selector_that_somebody_changed_is_put_right() -> None:
    toy = deployed()
    toy.services["active"] = replace(toy.services["active"], hash=H3)
    toy.run()
    assert toy.services["active"].hash == H1


def test_an_annotation_that_somebody_took_away_is_put_back() -> None:
    toy = deployed()
    toy.services["active"] = replace(toy.services["active"], managed_by=None)
    toy.settle()
    assert toy.services["active"].managed_by == "r"


def test_an_active_service_that_selects_nothing_takes_what_stable_has() -> None:
    toy = deployed()
    toy.ready(V1, 2)
    toy.services["active"] = replace(toy.services["active"], hash=H3)
    toy.settle()
    assert toy.services["active"].hash == H1


def test_a_stable_version_that_was_deleted_makes_the_update_a_first_deployment() -> None:
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
def test_a_service_that_cannot_be_used_makes_the_spec_invalid(service: str, found: make.Obj | None, fault: str) -> None:
    toy = created()
    good = toy.services[service]
    if found is None:
        toy.missing = {service}
    else:
        toy.services[service] = Service(service, **{"selector": {"app": "r"}, **found})
    toy.settle()
    path = f"spec.strategy.blueGreen.{service}Service"
    assert toy.phase.endswith(f'The Rollout "r" is invalid: {path}: Invalid value: "{service}": {fault}')
    assert toy.sets == {}
    toy.missing, toy.services[service] = set(), good
    toy.run()
    assert toy.phase == "Healthy"


@pytest.mark.parametrize("when", ["pre", "post"])
def test_a_template_that_is_missing_makes_the_spec_invalid(when: str) -> None:
    field = f"{when}PromotionAnalysis"
    gone: make.Obj = {field: {"templates": [{"templateName": "gone"}]}}
    toy = created(**gone)
    toy.templates[(False, "gone")] = None
    toy.settle()
    fault = f"""spec.strategy.blueGreen.{field}.templates: Invalid value: "gone": AnalysisTemplate 'gone' not found"""
    assert toy.phase.endswith(fault)


@pytest.mark.parametrize("when", ["pre", "post"])
def test_an_analysis_without_templates_is_refused(when: str) -> None:
    """Upstream deploys, and then waits for ever for a run that it never starts."""
    empty: make.Obj = {f"{when}PromotionAnalysis": {"templates": []}}
    toy = created(**empty)
    toy.settle()
    assert toy.phase.endswith("an analysis without templates would never end")


# ── metadata, and other strategies ──


def test_pods_carry_metadata_for_the_part_that_they_play() -> None:
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
    toy.promote()
    toy.settle()
    assert "LabelPods" in toy.log
    assert toy.pods[0].labels["role"] == "active"


def test_new_pods_are_kept_off_the_nodes_of_stable_ones() -> None:
    required = "requiredDuringSchedulingIgnoredDuringExecution"
    toy = updated(antiAffinity={required: {}})
    assert "affinity" not in toy.of(V1).template["spec"], "a first deployment has nobody to keep away from"
    (rule,) = toy.of(V2).template["spec"]["affinity"]["podAntiAffinity"][required]
    assert rule["labelSelector"]["matchExpressions"][0]["values"] == [H1]


def test_a_restart_evicts_as_many_pods_as_may_be_missing() -> None:
    toy = deployed(4, maxUnavailable=2)
    toy.pods = [Pod(f"p{count}", f"r-{H1}", {}, {}, created=toy.now) for count in range(4)]
    toy.wait(seconds=5)
    toy.spec(restartAt=toy.now.strftime("%Y-%m-%dT%H:%M:%SZ"))
    toy.wait(seconds=1)
    toy.step()
    assert len(toy.evicted) == 2
    assert toy.phase == "Progressing rollout is restarting"
    assert sizes(toy, V1) == [4]


def strategy_of(toy: Toy, strategy: make.Obj) -> None:
    toy.spec(strategy=strategy)


def test_a_canary_that_becomes_blue_green_keeps_its_pods() -> None:
    toy = Toy(make.rollout(make.weight(50), make.pause(), replicas=4), ("active", "preview"))
    toy.run()
    strategy_of(toy, make.blue_green()["spec"]["strategy"])
    toy.run()
    assert toy.phase == "Healthy"
    assert list(toy.sets) == [f"r-{H1}"]
    assert "currentStepIndex" not in toy.status
    assert "currentStepHash" not in toy.status
    assert toy.services["active"].hash == H1


def test_a_canary_that_becomes_blue_green_in_mid_update_keeps_stable_until_the_switch() -> None:
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


def test_blue_green_that_becomes_a_canary_keeps_its_pods() -> None:
    toy = deployed(3)
    strategy_of(toy, {"canary": {"steps": [make.weight(50), make.pause()]}})
    toy.run()
    assert toy.phase == "Healthy"
    assert list(toy.sets) == [f"r-{H1}"]
    assert toy.status["blueGreen"] == {}
    assert toy.status["currentStepIndex"] == 2


def test_a_settled_rollout_writes_nothing() -> None:
    toy = updated()
    toy.run(toy.now + timedelta(minutes=1))
    writes = toy.status_writes, toy.action_writes
    for _ in range(20):
        toy.wait(seconds=60)
        assert not toy.step()
    assert (toy.status_writes, toy.action_writes) == writes


def test_an_update_costs_few_writes() -> None:
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
