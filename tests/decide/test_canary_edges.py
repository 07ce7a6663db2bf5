"""A canary at the edges of the ordinary: what is written when, and what is told of it."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from rollouts.api.canary import CanaryStep
from rollouts.api.status import TrafficWeights
from rollouts.decide.context import Context
from rollouts.decide.course.advance import step_completed
from rollouts.decide.course.steps import describe
from rollouts.decide.world import Hash, Service
from tests import make
from tests.decide.canary import DEADLINE, V1, V2, V3, deployed, routed, sizes, updated
from tests.decide.toy import Toy

SERVICES: make.Obj = {"stableService": "stable", "canaryService": "canary"}


def condition(toy: Toy, type: str) -> make.Obj:
    found: list[make.Obj] = toy.status["conditions"]
    return next(each for each in found if each["type"] == type)


def told(toy: Toy, type: str) -> tuple[str, str]:
    """(status, reason) of a condition."""
    found = condition(toy, type)
    return found["status"], found["reason"]


# ── an update begins ──


def test_a_new_template_is_created_at_the_size_of_the_first_step_and_the_steps_begin() -> None:
    """Upstream takes three passes: created with no pods, the status, and then the size."""
    toy = deployed(make.weight(40), make.pause(), canary={"maxSurge": 2, "maxUnavailable": 0})
    toy.image(V2)
    toy.step()
    assert toy.log == ["UpdateRollout", f"create r-{make.hash_of(V2)} 2"]
    assert toy.status["currentStepIndex"] == 0
    assert toy.status["currentPodHash"] == make.hash_of(V2)
    assert told(toy, "Progressing") == ("True", "NewReplicaSetCreated")
    assert not toy.step(), "and nothing more before pods come"


def test_an_update_that_begins_without_pods_says_that_it_goes_on() -> None:
    """As after a step that measures: nothing would change the reason before the first pod."""
    toy = Toy(make.rollout(JUDGED, make.weight(40)))
    toy.templates[(False, "check")] = make.analysis_template()
    toy.run()
    toy.image(V2)
    toy.step()
    assert toy.log[-1] == f"create r-{make.hash_of(V2)} 0"
    assert told(toy, "Progressing") == ("True", "ReplicaSetUpdated")


def test_a_rollback_to_a_version_without_pods_is_told_as_an_update_that_takes_no_steps() -> None:
    """Upstream begins at the first step and leaves it at once; it may tell a step beyond the last."""
    toy = updated(deployed(make.weight(20), make.pause(), rollbackWindow={"revisions": 1}))
    toy.patch_status(promoteFull=True)
    toy.run()
    assert sizes(toy, V1) == [0]
    toy.events.clear()
    toy.image(V1)
    toy.settle()
    assert toy.status["currentStepIndex"] == 2
    assert toy.status["stableRS"] == make.hash_of(V2), "not before its pods are there"
    toy.run()
    assert toy.phase == "Healthy"
    assert not {"SkipSteps", "RolloutPaused", "RolloutStepCompleted"} & set(toy.events)


# ── aborts and retries ──


def test_an_abort_of_a_basic_canary_leads_its_service_back_to_stable() -> None:
    toy = updated(deployed(make.weight(40), make.pause(), services=("stable", "canary"), canary=SERVICES))
    assert toy.services["canary"].hash == make.hash_of(V2)
    toy.abort()
    toy.settle()
    assert toy.services["canary"].hash == toy.services["stable"].hash == make.hash_of(V1)


def test_a_retry_is_told_as_one_and_the_abort_is_forgotten_in_the_same_write() -> None:
    toy = updated(routed(make.weight(20), make.pause()))
    toy.abort()
    toy.run(toy.now + timedelta(minutes=1))
    toy.patch_status(abort=False)
    toy.step()
    assert told(toy, "Progressing") == ("Unknown", "RolloutRetry")
    assert "abortedAt" not in toy.status
    assert "finishedAt" not in toy.status["duration"]
    toy.settle()
    assert told(toy, "Paused") == ("False", "RolloutPaused")


# ── pauses ──


def test_a_promotion_at_a_pause_is_told_as_resumed_and_the_end_of_a_timed_one_too() -> None:
    toy = updated(deployed(make.weight(20), make.pause(), make.weight(40), make.pause("1m"), make.pause()))
    assert told(toy, "Progressing") == ("Unknown", "RolloutPaused")
    assert told(toy, "Paused") == ("True", "RolloutPaused")
    toy.events.clear()
    toy.promote()
    toy.step()
    assert told(toy, "Paused") == ("False", "RolloutPaused")
    assert told(toy, "Progressing") != ("Unknown", "RolloutPaused")
    assert toy.status["currentStepIndex"] == 2
    assert "controllerPause" not in toy.status
    assert toy.events.count("RolloutStepCompleted") == 1
    assert "RolloutResumed" not in toy.events, "a person did it, and knows"
    toy.run()
    assert toy.status["currentStepIndex"] == 3
    toy.events.clear()
    toy.wait(minutes=1)
    toy.step()
    assert (toy.status["currentStepIndex"], toy.events[:2]) == (4, ["RolloutStepCompleted", "RolloutResumed"])


def test_a_promoted_rollout_that_is_paused_by_spec_says_so_once() -> None:
    toy = deployed(make.weight(20), make.pause())
    before = told(toy, "Progressing")
    toy.spec(paused=True)
    seen = []
    for _ in range(5):
        toy.step()
        seen.append(told(toy, "Progressing"))
    assert toy.phase == "Paused manually paused"
    assert set(seen) == {before} == {("True", "NewReplicaSetAvailable")}
    assert told(toy, "Paused") == ("True", "RolloutPaused")
    assert told(toy, "Healthy")[0] == "False"
    assert not toy.step()
    toy.spec(paused=False)
    toy.settle()
    assert (toy.phase, told(toy, "Healthy")[0]) == ("Healthy", "True")


def test_created_while_paused_by_spec_its_version_is_the_stable_one_already() -> None:
    toy = Toy(make.rollout(make.weight(20), paused=True))
    toy.run()
    assert toy.status["stableRS"] == make.hash_of(V1)
    toy.spec(paused=False)
    toy.run()
    assert (toy.phase, sizes(toy, V1)) == ("Healthy", [5])


# ── sizes ──


def kept(toy: Toy, **notes: str) -> None:
    """Promoted: V1 waits for its deadline, with these annotations."""
    toy.image(V2)
    toy.run()
    toy.promote()
    toy.run()
    old = toy.of(V1)
    assert DEADLINE in old.annotations
    toy.sets[old.name] = replace(old, annotations={**old.annotations, **notes})


def test_an_older_version_whose_deadline_cannot_be_read_goes_at_once() -> None:
    toy = routed(make.weight(20), make.pause())
    kept(toy, **{DEADLINE: "soon"})
    toy.settle()
    assert sizes(toy, V1) == [0]
    assert DEADLINE not in toy.of(V1).annotations


def test_an_older_version_loses_its_unready_pods_also_before_its_deadline() -> None:
    toy = routed(make.weight(20), make.pause(), maxUnavailable=0, maxSurge=1)
    kept(toy)
    toy.ready(V1, 3)
    toy.settle()
    assert sizes(toy, V1) == [3]
    assert DEADLINE in toy.of(V1).annotations


@pytest.mark.parametrize(("available", "promoted"), [(8, False), (9, True), (10, True)])
def test_a_threshold_is_enough_for_the_promotion_too(available: int, promoted: bool) -> None:
    threshold = {"replicaProgressThreshold": {"type": "Percent", "value": 90}}
    toy = routed_ten(make.weight(50), make.pause(), **threshold)
    toy.image(V2)
    toy.run()
    toy.promote()
    toy.settle()
    toy.ready(V2, available)
    toy.settle()
    assert (toy.status["stableRS"] == make.hash_of(V2)) == promoted


def routed_ten(*steps: make.Obj, **canary: Any) -> Toy:
    return deployed(*steps, services=("stable", "canary"), canary={**make.ISTIO, **canary}, replicas=10)


# ── Services and weights ──


@pytest.mark.parametrize(
    ("manager", "available", "switched"), [(None, 1, False), (None, 3, True), ("r", 1, True), ("r", 0, False)]
)
def test_a_service_that_is_nobodys_is_taken_over_with_all_pods_and_ours_is_switched_with_any(
    manager: str | None, available: int, switched: bool
) -> None:
    toy = deployed(make.weight(60), make.pause(), services=("stable", "canary"), canary=SERVICES)
    toy.services["canary"] = Service("canary", {"app": "r"}, make.hash_of(V1) if manager else Hash(""), manager)
    toy.image(V2)
    toy.settle()
    for _ in range(4):  # up to its three pods
        toy.ready(V2)
        toy.services["canary"] = Service("canary", {"app": "r"}, make.hash_of(V1) if manager else Hash(""), manager)
        toy.step()
    assert sizes(toy, V2) == [3]
    toy.services["canary"] = Service("canary", {"app": "r"}, make.hash_of(V1) if manager else Hash(""), manager)
    toy.ready(V2, available)
    toy.settle()
    assert (toy.services["canary"].hash == make.hash_of(V2)) == switched


@pytest.mark.parametrize(("verified", "completed"), [(None, True), (True, True), (False, False)])
def test_a_weight_that_was_found_not_to_hold_completes_no_step(verified: bool | None, completed: bool) -> None:
    toy = updated(routed(make.weight(20), make.pause()))
    toy.patch_status(currentStepIndex=0, pauseConditions=None, controllerPause=None)
    ctx = Context(toy.world(), toy.now)
    weights: TrafficWeights | None = ctx.stored.canary.weights
    assert weights is not None
    canary = ctx.stored.canary.model_copy(update={"weights": weights.model_copy(update={"verified": verified})})
    assert step_completed(ctx, ctx.stored.model_copy(update={"canary": canary})) == completed


def test_an_older_version_that_waits_for_its_deadline_puts_off_the_progress_deadline() -> None:
    toy = routed(make.weight(20), make.pause(), scaleDownDelaySeconds=3600)
    toy.spec(progressDeadlineSeconds=60)
    toy.settle()
    kept(toy)
    toy.image(V3)
    toy.settle()
    toy.wait(minutes=5)
    toy.settle()
    assert toy.status["phase"] == "Progressing"
    toy.wait(hours=1)
    toy.settle()
    toy.wait(minutes=2)
    toy.settle()
    assert toy.phase.startswith("Degraded ProgressDeadlineExceeded")


def test_hash_and_weight_stay_recorded_as_they_are_while_stable_grows_back() -> None:
    toy = updated(routed(make.weight(80), make.pause(), dynamicStableScale=True))
    toy.image(V1)
    toy.settle()
    recorded = toy.status["canary"]["weights"]
    assert (recorded["canary"]["weight"], recorded["canary"]["podTemplateHash"]) == (80, make.hash_of(V2))
    toy.run(toy.now + timedelta(minutes=1))
    recorded = toy.status["canary"]["weights"]
    assert (recorded["canary"]["weight"], recorded["canary"]["podTemplateHash"]) == (0, make.hash_of(V1))


# ── steps that ask for more than one thing ──

HEADER: make.Obj = {"setHeaderRoute": {"name": "h", "match": [{"headerName": "agent", "headerValue": {"exact": "x"}}]}}
JUDGED: make.Obj = {"analysis": {"templates": [{"templateName": "check"}]}}
SIZED: make.Obj = {"setCanaryScale": {"replicas": 2}}


def judging(step: make.Obj) -> Toy:
    """At a step that asks for an analysis and for more."""
    managed = {**make.ISTIO["trafficRouting"], "managedRoutes": [{"name": "h"}]}
    toy = Toy(
        make.rollout(make.weight(20), step, make.pause(), canary={**make.ISTIO, "trafficRouting": managed}),
        ("stable", "canary"),
    )
    toy.templates[(False, "check")] = make.analysis_template()
    toy.run()
    toy.image(V2)
    toy.run()
    return toy


@pytest.mark.parametrize("more", [HEADER, SIZED], ids=["a route", "a size"])
def test_an_analysis_decides_also_of_a_step_that_asks_for_more(more: make.Obj) -> None:
    toy = judging({**JUDGED, **more})
    (run,) = toy.runs.values()
    assert (run.phase, toy.status["currentStepIndex"]) == ("Running", 1)
    toy.events.clear()
    toy.runs[run.name] = replace(run, phase="Successful")
    toy.run()
    assert toy.status["currentStepIndex"] == 2
    assert toy.phase == "Paused CanaryPauseStep"


def test_a_size_is_waited_for_also_in_a_step_whose_analysis_is_over() -> None:
    toy = judging({**JUDGED, "setCanaryScale": {"replicas": 4}})
    toy.ready(V2, 3)
    (run,) = toy.runs.values()
    toy.runs[run.name] = replace(run, phase="Successful")
    toy.settle()
    assert toy.status["currentStepIndex"] == 1
    toy.run()
    assert toy.status["currentStepIndex"] == 2


@pytest.mark.parametrize(
    ("step", "text"),
    [
        ({**make.weight(5), **SIZED}, "setWeight: 5"),
        ({**make.pause("1m"), **SIZED}, "pause: 1m"),
        ({**JUDGED, **SIZED, **HEADER}, "analysis"),
        ({**SIZED, **HEADER}, "setCanaryScale{replicas: 2}"),
        ({"setCanaryScale": {"weight": 7, "matchTrafficWeight": True}}, "setCanaryScale{weight: 7}"),
        ({"setCanaryScale": {"matchTrafficWeight": True}}, "setCanaryScale{matchTrafficWeight: true}"),
        (HEADER, "setHeaderRoute: h"),
    ],
)
def test_a_step_is_told_by_the_first_thing_that_it_asks_for(step: make.Obj, text: str) -> None:
    assert describe(CanaryStep.model_validate(step)) == text
