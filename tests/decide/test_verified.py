"""What status.canary.weights.verified tells, and which questions a decision leaves open for it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from rollouts.api.traffic import GATEWAY_API
from rollouts.decide import decide
from rollouts.decide.plan import Plan
from rollouts.decide.questions import Answer, Ask, CheckedWeights, CheckWeights
from rollouts.decide.world import Service, World
from tests import make

ALB = {"ingress": "web", "servicePort": 80}
ASKED = CheckWeights(("web",), 80, "stable", (("canary", 20),))


def world(
    *, plugin: bool = False, verified: bool | None = False, answer: bool | None = None, flag: bool = True
) -> World:
    """A canary that has its pods, and its share of 20 % in the status."""
    hashes = {"canary": make.hash_of("img:2"), "stable": make.hash_of("img:1")}
    weights = {
        name: {"weight": weight, "serviceName": name, "podTemplateHash": hashes[name]}
        for name, weight in (("canary", 20), ("stable", 80))
    }
    plugins = {"plugins": {GATEWAY_API: {"httpRoute": "web"}}} if plugin else {}
    canary = {"canaryService": "canary", "stableService": "stable", "trafficRouting": {"alb": ALB, **plugins}}
    manifest = make.rollout(make.weight(20), make.pause(), image="img:2", canary=canary)
    shape = make.world(manifest)
    manifest["status"] = {
        "stableRS": hashes["stable"],
        "currentPodHash": hashes["canary"],
        "currentStepHash": shape.step_hash,
        "currentStepIndex": 0,
        "alb": {"ingress": "web"},
        "canary": {"weights": {**weights, **({} if verified is None else {"verified": verified})}},
    }
    answers: dict[CheckWeights, Answer] = {} if answer is None else {ASKED: CheckedWeights(make.NOON, answer)}
    return make.world(
        manifest,
        make.replica_set("img:1", 5),
        make.replica_set("img:2", 1, revision=2),
        services={name: Service(name, {"app": "r"}, hash, "r") for name, hash in hashes.items()},
        answers=answers,
        verifies_targets=flag,
    )


def decided(world: World, seconds: int = 0) -> Plan:
    return decide(world, make.NOON + timedelta(seconds=seconds))


def told(plan: Plan) -> bool | None:
    weights = plan.status.canary.weights
    assert weights is not None
    return weights.verified


@pytest.mark.parametrize(("answer", "verified", "step"), [(None, False, 0), (False, False, 0), (True, True, 1)])
def test_a_step_is_over_when_the_answer_is_yes(answer: bool | None, verified: bool, step: int) -> None:
    plan = decided(world(answer=answer))
    assert (told(plan), plan.status.current_step_index) == (verified, step)


def test_a_question_is_open_at_once_and_after_a_no_again_when_the_interval_is_over() -> None:
    assert decided(world()).asks == (Ask(ASKED, make.NOON),)
    plan = decided(world(answer=False))
    assert plan.asks == (Ask(ASKED, make.NOON + timedelta(seconds=10)),)
    assert plan.wake_at == make.NOON + timedelta(seconds=10)


def test_an_answer_to_other_weights_tells_nothing() -> None:
    other = replace(ASKED, shares=(("canary", 0),))
    plan = decided(replace(world(), answers={other: CheckedWeights(make.NOON, True)}))
    assert told(plan) is False


def test_one_router_that_has_not_followed_is_not_outvoted_by_the_next_one() -> None:
    assert told(decided(world(plugin=True, answer=False))) is False
    assert told(decided(world(plugin=True, answer=True))) is True
    assert told(decided(world(plugin=True, verified=None, flag=False))) is True


def test_without_the_flag_nothing_is_asked_and_nothing_told() -> None:
    plan = decided(world(verified=None, flag=False))
    assert (plan.asks, told(plan), plan.status.alb) == ((), None, None)
