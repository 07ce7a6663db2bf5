"""What single fields of a spec do, where no course is about them: absent, given, at their edges, changed."""

from datetime import timedelta
from typing import Any

import pytest

from rollouts.api.rollout import Rollout
from rollouts.decide import decide
from rollouts.decide.references import fault, spec_fault
from tests import make
from tests.decide import bluegreen
from tests.decide.bluegreen import ANALYSIS
from tests.decide.canary import V1, V2, deployed, routed, sizes
from tests.decide.toy import Toy

MANY = 2**31
NGINX: make.Obj = {**make.ISTIO, "trafficRouting": {"nginx": {"stableIngress": "i"}}}


def dynamic(*steps: make.Obj, replicas: int = 10, **canary: Any) -> Toy:
    asked = {**make.ISTIO, "dynamicStableScale": True, **canary}
    return deployed(*steps, services=("stable", "canary"), replicas=replicas, canary=asked)


def resume(toy: Toy) -> None:
    toy.promote()
    toy.run()


# ── numbers of pods ──


@pytest.mark.parametrize(
    ("scale", "found"),
    [
        ({"weight": 10}, [9, 1]),  # the rest of what the canary's size leaves, not of its share
        ({"replicas": 1}, [10, 1]),
        ({"weight": 100}, [5, 10]),  # no fewer than the recorded share needs
        ({"matchTrafficWeight": True}, [5, 5]),
    ],
)
def test_stable_shrinks_to_what_a_canary_of_a_size_of_its_own_leaves(scale: dict[str, Any], found: Any) -> None:
    toy = dynamic(make.weight(50), make.pause(), {"setCanaryScale": scale}, make.pause())
    toy.image(V2)
    toy.run()
    assert (sizes(toy, V1, V2), toy.weights) == ([5, 5], (50, 50))
    resume(toy)
    assert (sizes(toy, V1, V2), toy.weights) == (found, (50, 50))


@pytest.mark.parametrize(("asked", "count"), [(1, 3), (4, 4)])
def test_where_stable_shrinks_fewest_pods_hold_for_a_number_that_a_step_asks_for_too(asked: Any, count: int) -> None:
    toy = dynamic({"setCanaryScale": {"replicas": asked}}, make.pause(), minPodsPerReplicaSet=3)
    toy.image(V2)
    toy.run()
    assert sizes(toy, V2) == [count]


@pytest.mark.parametrize(("fewest", "count"), [(None, 1), (-1, 1), (3, 3), (99, 5)])
def test_fewest_pods_are_never_more_than_there_are_at_all(fewest: int | None, count: int) -> None:
    toy = routed(make.weight(1), make.pause(), minPodsPerReplicaSet=fewest)
    toy.image(V2)
    toy.run()
    assert (sizes(toy, V2), toy.weights) == ([count], (1, 99))


def test_fewest_pods_say_nothing_where_pods_are_the_shares() -> None:
    toy = deployed(make.weight(20), make.pause(), canary={"minPodsPerReplicaSet": 3})
    toy.image(V2)
    toy.run()
    assert sizes(toy, V1, V2) == [4, 1]


def test_a_threshold_below_zero_asks_for_exactly_the_pods_of_the_step() -> None:
    toy = routed(make.weight(60), make.pause(), replicaProgressThreshold={"type": "Pods", "value": -1})
    toy.image(V2)
    toy.settle()
    toy.ready(V2, 2)
    toy.settle()
    assert toy.status["currentStepIndex"] == 0
    toy.ready(V2)
    toy.settle()
    assert toy.status["currentStepIndex"] == 1


@pytest.mark.parametrize(("kind", "enough"), [("", 2), ("Pods", 2), ("percent", 2), ("Percent", 1)])
def test_a_threshold_of_any_kind_but_percent_is_a_number_of_pods(kind: str, enough: int) -> None:
    toy = routed(make.weight(100), make.pause(), replicaProgressThreshold={"type": kind, "value": 2})
    toy.image(V2)
    toy.settle()
    for count in range(1, enough + 1):
        assert toy.status["currentStepIndex"] == 0
        toy.ready(V2, count)
        toy.settle()
    assert toy.status["currentStepIndex"] == 1


def test_the_whole_of_the_weights_may_change_and_pods_stay_until_the_new_shares_are_recorded() -> None:
    toy = deployed(make.weight(40), make.pause(), services=("stable", "canary"), canary=NGINX)
    toy.image(V2)
    toy.run()
    assert (sizes(toy, V1, V2), toy.weights) == ([5, 2], (40, 60))
    toy.manifest["spec"]["strategy"]["canary"]["trafficRouting"]["maxTrafficWeight"] = 1000
    toy.manifest["metadata"]["generation"] += 1
    while toy.weights != (40, 960):
        assert toy.step()
    assert sizes(toy, V2) == [2], "two fifths of the requests came to them until now"
    toy.run()
    assert sizes(toy, V1, V2) == [5, 1]


@pytest.mark.parametrize(("given", "size"), [(None, 3), (1, 1), (3, 3), (0, 0)])
def test_a_preview_has_all_pods_or_as_many_as_are_asked_for(given: int | None, size: int) -> None:
    toy = bluegreen.updated(previewReplicaCount=given, autoPromotionEnabled=False)
    assert (bluegreen.sizes(toy, V1, V2), toy.phase) == ([3, size], "Paused BlueGreenPause")


def test_a_preview_follows_its_number_in_mid_update() -> None:
    toy = bluegreen.updated(previewReplicaCount=1, autoPromotionEnabled=False)
    toy.manifest["spec"]["strategy"]["blueGreen"]["previewReplicaCount"] = 2
    toy.run()
    assert (bluegreen.sizes(toy, V1, V2), toy.phase) == ([3, 2], "Paused BlueGreenPause")


# ── numbers that nobody could act on ──


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"revisionHistoryLimit": MANY}, f"spec.revisionHistoryLimit: Invalid value: {MANY}: must fit in 32 bits"),
        ({"replicas": MANY}, f"spec.replicas: Invalid value: {MANY}: must fit in 32 bits"),
        ({"rollbackWindow": {"revisions": -MANY - 1}}, f"spec.rollbackWindow.revisions: Invalid value: {-MANY - 1}"),
        ({"rollbackWindow": {"revisions": -1}}, ""),
        ({"revisionHistoryLimit": MANY - 1}, ""),
    ],
)
def test_a_number_has_32_bits(spec: dict[str, Any], told: str) -> None:
    assert spec_fault(Rollout.model_validate(make.rollout(**spec))).startswith(told)
    assert bool(spec_fault(Rollout.model_validate(make.rollout(**spec)))) == bool(told)


@pytest.mark.parametrize(
    ("canary", "told"),
    [
        ({"scaleDownDelaySeconds": 10**12}, f"scaleDownDelaySeconds: Invalid value: {10**12}: must fit in 32 bits"),
        (
            {"steps": [{"setCanaryScale": {"replicas": -1}}]},
            "steps[0].setCanaryScale.replicas: Invalid value: -1: must be greater than or equal to 0",
        ),
        (
            {"steps": [make.pause(), {"setCanaryScale": {"weight": -1}}]},
            "steps[1].setCanaryScale.weight: Invalid value: -1: must be greater than or equal to 0",
        ),
        (
            {"trafficRouting": {"nginx": {"stableIngress": "i"}, "maxTrafficWeight": 0}},
            "trafficRouting.maxTrafficWeight: Invalid value: 0: must be greater than 0",
        ),
        ({"trafficRouting": {"nginx": {"stableIngress": "i"}, "maxTrafficWeight": 1}}, ""),
        (
            {
                "trafficRouting": {**make.ISTIO["trafficRouting"], "managedRoutes": [{"name": "m"}]},
                "steps": [{"setMirrorRoute": {"name": "m", "percentage": 101}}],
            },
            "steps[0].setMirrorRoute.percentage: Invalid value: 101: must be between 0 and 100",
        ),
        (
            {"steps": [{"experiment": {"templates": [{"name": "a", "specRef": "canary", "replicas": -1}]}}]},
            "steps[0].experiment.templates[0].replicas: Invalid value: -1: must be greater than or equal to 0",
        ),
    ],
)
def test_a_number_that_no_router_and_no_replica_set_could_take_is_refused(canary: dict[str, Any], told: str) -> None:
    found = spec_fault(Rollout.model_validate(make.rollout(canary={**make.ISTIO, **canary})))
    assert found == (told and f"spec.strategy.canary.{told}")


def test_a_port_may_have_64_bits_as_in_the_definition() -> None:
    rule = {"name": "vs", "tcpRoutes": [{"port": MANY}]}
    canary = {**make.ISTIO, "trafficRouting": {"istio": {"virtualService": rule}}}
    assert spec_fault(Rollout.model_validate(make.rollout(canary=canary))) == ""


def test_a_preview_of_fewer_than_no_pods_is_refused() -> None:
    told = spec_fault(Rollout.model_validate(make.blue_green(previewReplicaCount=-1)))
    path = "spec.strategy.blueGreen.previewReplicaCount"
    assert told == f"{path}: Invalid value: -1: must be greater than or equal to 0"


@pytest.mark.parametrize("duration", [str(MANY), str(10**12), f"-{MANY}"])
def test_a_pause_beyond_32_bits_of_seconds_is_refused(duration: Any) -> None:
    told = spec_fault(Rollout.model_validate(make.rollout(make.pause(duration))))
    assert told == "spec.strategy.steps[0].pause.duration: Invalid value: -1: Duration needs to be greater than 0"


@pytest.mark.parametrize("duration", [MANY - 1, str(MANY - 1), "2562047h"])
def test_the_longest_pauses_are_only_waited_for(duration: Any) -> None:
    toy = deployed(make.pause(duration))
    toy.image(V2)
    toy.run()
    assert toy.phase == "Paused CanaryPauseStep"
    wake = decide(toy.world(), toy.now).wake_at
    assert wake is not None
    assert wake > toy.now + timedelta(days=24_000)


# ── analyses ──


def watched(*steps: make.Obj, **more: Any) -> Toy:
    """An update behind a router beside which an analysis is asked for."""
    toy = Toy(make.rollout(*steps, canary={**make.ISTIO, "analysis": {**ANALYSIS, **more}}), ("stable", "canary"))
    toy.templates[(False, "check")] = make.analysis_template()
    toy.run()
    toy.image(V2)
    return toy


@pytest.mark.parametrize(("steps", "begins"), [((), True), ((make.pause(), make.pause(), make.pause()), False)])
def test_a_background_analysis_counts_steps_only_where_there_are_some(
    steps: tuple[make.Obj, ...], begins: bool
) -> None:
    toy = watched(*steps, startingStep=2)
    toy.settle()
    assert bool(toy.runs) == begins
    assert ("currentBackgroundAnalysisRunStatus" in toy.status["canary"]) == begins


@pytest.mark.parametrize(("start", "at"), [(None, 0), (0, 0), (1, 1), (2, 2)])
def test_a_background_analysis_begins_when_its_step_is_reached(start: int | None, at: int) -> None:
    toy = watched(make.pause(), make.pause(), make.pause(), startingStep=start)
    toy.run()
    for _ in range(at):
        assert toy.runs == {}
        resume(toy)
    assert list(toy.runs) == [f"r-{make.hash_of(V2)}-2"]


def test_a_background_analysis_whose_step_is_put_off_in_mid_update_ends() -> None:
    toy = watched(make.pause(), make.pause())
    toy.run()
    toy.manifest["spec"]["strategy"]["canary"]["analysis"]["startingStep"] = 1
    toy.run()
    (run,) = toy.runs.values()
    assert run.terminate
    assert "currentBackgroundAnalysisRunStatus" not in toy.status["canary"]


@pytest.mark.parametrize("whose", ["stable", "latest", "Canary", ""])
def test_a_hash_of_a_version_that_nobody_knows_is_refused(whose: str) -> None:
    arg = {"name": "hash", "value": "x", "valueFrom": {"podTemplateHashValue": whose}}
    step = {"analysis": {**ANALYSIS, "args": [arg]}}
    found = fault(make.world(make.rollout(step), templates={(False, "check"): make.analysis_template()}))
    assert found.startswith("spec.strategy.canary.steps[0].analysis.args: Invalid value: [")
    assert found.endswith(f": podTemplateHashValue has to be Stable or Latest, and is {whose!r}")
