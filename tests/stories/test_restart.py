"""Restarts on request: pods are evicted, so that disruption budgets are kept."""

import pytest

from analysis.schema import format_time
from rollouts.kube.refs import POD, Obj, Resource
from tests import make
from tests.stories.objects import rollout
from tests.stories.stage import Stage

pytestmark = pytest.mark.virtual

BUDGETS = Resource("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget")


def budget(least: int) -> Obj:
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "guard", "namespace": "default"},
        "spec": {"minAvailable": least, "selector": {"matchLabels": {"app": "r"}}},
    }


def uids(stage: Stage) -> set[str]:
    return {pod["metadata"]["uid"] for pod in stage.all(POD)}


async def test_all_pods_are_new_after_a_restart_and_enough_of_them_serve_meanwhile() -> None:
    async with Stage() as stage:
        await stage.deploy(rollout(make.weight(20), replicas=4, canary={"maxUnavailable": 1}))
        before, served = uids(stage), []
        stage.whenever(lambda: served.append(len(stage.ready(app="r"))))
        await stage.passes(2)
        await stage.edit(restartAt=format_time(stage.now()))
        await stage.until(lambda: stage.status().get("restartedAt"), limit=300)
        assert not before & {pod["metadata"]["uid"] for pod in stage.ready(app="r")}
        assert min(served) >= 3
        await stage.reaches("Healthy")


def tries(stage: Stage) -> int:
    """How many evictions were asked for."""
    return stage.requests()["create", "pods"]


async def test_a_restart_waits_for_a_disruption_budget_and_goes_on_when_that_is_gone() -> None:
    async with Stage() as stage:
        await stage.deploy(rollout(make.weight(20), replicas=2))
        await stage.wire.create(BUDGETS, "default", budget(2))
        before = uids(stage)
        await stage.passes(2)
        await stage.edit(restartAt=format_time(stage.now()))
        await stage.until(lambda: tries(stage) and stage.phase().phase == "Progressing")
        assert uids(stage) == before
        assert stage.phase() == ("Progressing", "rollout is restarting")
        refused = [message for reason, message in await stage.events() if reason == "EvictionRefused"]
        assert refused, "it would stand still without a word"
        assert all("violate the pod's disruption budget" in message for message in refused)
        await stage.wire.delete(BUDGETS, "default", "guard", propagation="Background")
        await stage.until(lambda: stage.status().get("restartedAt"), limit=120)
        assert not before & uids(stage)


async def test_an_eviction_that_a_budget_forbids_is_tried_again_each_half_minute() -> None:
    async with Stage() as stage:
        await stage.deploy(rollout(make.weight(20), replicas=2))
        await stage.wire.create(BUDGETS, "default", budget(2))
        before = uids(stage)
        await stage.passes(2)
        await stage.edit(restartAt=format_time(stage.now()))
        await stage.passes(100)
        assert 3 <= tries(stage) <= 6
        assert uids(stage) == before
