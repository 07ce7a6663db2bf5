"""Restarts on request: pods are evicted, so that disruption budgets are kept."""

import pytest

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
        stage.server.store.listeners.append(lambda: served.append(len(stage.ready(app="r"))))
        await stage.passes(2)
        await stage.edit(restartAt="2026-01-01T00:00:01Z")
        await stage.until(lambda: stage.status().get("restartedAt"), limit=300)
        assert not before & {pod["metadata"]["uid"] for pod in stage.ready(app="r")}
        assert min(served) >= 3
        await stage.reaches("Healthy")


async def test_a_restart_waits_for_a_disruption_budget_and_tries_again() -> None:
    async with Stage() as stage:
        await stage.deploy(rollout(make.weight(20), replicas=2))
        await stage.wire.create(BUDGETS, "default", budget(2))
        before = uids(stage)
        await stage.passes(2)
        await stage.edit(restartAt="2026-01-01T00:00:01Z")
        await stage.passes(100)
        assert uids(stage) == before
        assert 3 <= stage.requests()["create", "pods"] <= 6, "tried again each half minute"
        assert stage.phase() == ("Progressing", "rollout is restarting")
        refused = [message for reason, message in await stage.events() if reason == "EvictionRefused"]
        assert refused, "it would stand still without a word"
        assert all("violate the pod's disruption budget" in message for message in refused)
        await stage.wire.delete(BUDGETS, "default", "guard", propagation="Background")
        await stage.until(lambda: stage.status().get("restartedAt"), limit=120)
        assert not before & uids(stage)
