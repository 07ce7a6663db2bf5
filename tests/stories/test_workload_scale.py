"""HorizontalPodAutoscalers: the scale subresource tells the truth at every moment, and asks for pods at any."""

import pytest

from rollouts.kube.refs import ROLLOUT, Obj
from tests import make
from tests.stories.guard import Guard
from tests.stories.objects import istio, rollout
from tests.stories.stage import Stage

pytestmark = pytest.mark.virtual

HALF = (make.weight(50), make.pause())
SURGE = {"maxSurge": 1, "maxUnavailable": 0}


async def scale(stage: Stage, replicas: int) -> None:
    """What an autoscaler writes."""
    patch: Obj = {"spec": {"replicas": replicas}}
    await stage.wire.patch(ROLLOUT, "default", "r", patch, subresource="scale")


async def seen(stage: Stage) -> Obj:
    """What an autoscaler reads: how many pods there are, and by which selector it finds their metrics."""
    found = await stage.wire.get(ROLLOUT, "default", "r", subresource="scale")
    return {"asked": found["spec"]["replicas"], **found["status"]}


async def test_an_autoscaler_sees_all_pods_and_how_to_find_them() -> None:
    async with Stage() as stage:
        await stage.deploy(rollout(*HALF, replicas=2, canary=SURGE))
        assert await seen(stage) == {"asked": 2, "replicas": 2, "selector": "app=r"}
        await scale(stage, 5)
        await stage.until(lambda: len(stage.ready(app="r")) == 5)
        await stage.reaches("Healthy")
        assert await seen(stage) == {"asked": 5, "replicas": 5, "selector": "app=r"}
        await stage.release("img:2")
        await stage.reaches("Paused")
        pods = sum(stage.sizes().values())
        assert (await seen(stage))["replicas"] == stage.status()["HPAReplicas"] == pods == 6


async def test_without_replicas_the_default_is_written_for_autoscalers_to_read() -> None:
    async with Stage() as stage:
        await stage.deploy(rollout(replicas=None))
        assert await seen(stage) == {"asked": 1, "replicas": 1, "selector": "app=r"}


@pytest.mark.parametrize("replicas", [2, 8])
async def test_a_basic_canary_keeps_its_ratio_when_it_is_scaled_in_the_middle(replicas: int) -> None:
    async with Stage() as stage:
        await stage.deploy(rollout(*HALF, replicas=4, canary=SURGE))
        await stage.release("img:2")
        await stage.reaches("Paused")
        assert stage.sizes() == {"img:1": 2, "img:2": 2}
        guard = Guard(stage, replicas, available=min(4, replicas), most=max(4, replicas) + 1)
        await scale(stage, replicas)
        await stage.until(lambda: stage.sizes() == {"img:1": replicas // 2, "img:2": replicas // 2})
        await stage.until(lambda: stage.status()["HPAReplicas"] == replicas)
        assert stage.phase().phase == "Paused"
        await stage.promote()
        await stage.reaches("Healthy")
        assert stage.sizes() == {"img:2": replicas}
        assert guard.broken == []


@pytest.mark.parametrize("replicas", [2, 9])
async def test_a_routed_canary_is_scaled_in_the_middle_without_a_change_of_its_traffic(replicas: int) -> None:
    async with Stage() as stage:
        await stage.deploy(*istio(*HALF, replicas=4, canary={"scaleDownDelaySeconds": 3}))
        await stage.release("img:2")
        await stage.reaches("Paused")
        guard = Guard(stage, min(4, replicas), available=min(4, replicas))
        weights: set[int] = set()
        stage.whenever(lambda: weights.add(stage.weights()["canary"]))
        await scale(stage, replicas)
        await stage.until(lambda: stage.sizes() == {"img:1": replicas, "img:2": -(-replicas // 2)})
        await stage.until(lambda: stage.status()["HPAReplicas"] == replicas - (-replicas // 2))
        assert weights == {50}
        await stage.promote()
        await stage.reaches("Healthy")
        await stage.until(lambda: stage.sizes() == {"img:2": replicas})
        assert guard.broken == []


async def test_an_aborted_update_follows_the_autoscaler() -> None:
    async with Stage() as stage:
        await stage.deploy(*istio(*HALF, replicas=4, canary={"abortScaleDownDelaySeconds": 3}))
        await stage.release("img:2")
        await stage.reaches("Paused")
        await stage.abort()
        await scale(stage, 6)
        await stage.reaches("Degraded")
        await stage.until(lambda: stage.sizes().get("img:1") == 6)
        await stage.until(lambda: stage.sizes() == {"img:1": 6})
        assert stage.weights() == {"stable": 100, "canary": 0}
