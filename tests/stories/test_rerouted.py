"""Traffic that somebody shares otherwise in the middle of an update: what requests meet at every write."""

import pytest

from rollouts.kube.refs import Obj
from tests import make
from tests.stories.guard import Guard
from tests.stories.objects import istio, rollout, service, virtual_service
from tests.stories.stage import Stage

pytestmark = pytest.mark.virtual

SLOW = {"start-delay": "5s"}
LIMITS: Obj = {"maxSurge": 1, "maxUnavailable": 0}
EXCHANGED: Obj = {**make.ISTIO, "stableService": "canary", "canaryService": "stable"}


def canary(*steps: Obj, **rest: object) -> Obj:
    return {"canary": {"steps": list(steps), **rest}}


async def test_a_router_is_added_while_the_canary_serves_everybody() -> None:
    """With Argo Rollouts all pods of the canary go before the first of stable is ready."""
    async with Stage() as stage:
        objects = (service("stable"), service("canary"), virtual_service())
        await stage.deploy(*objects, rollout(make.weight(100), make.pause(), canary=LIMITS, script=SLOW))
        await stage.release("img:2")
        await stage.until(lambda: stage.sizes() == {"img:2": 5})
        guard = Guard(stage, replicas=5, available=5)
        await stage.edit(strategy=canary(make.weight(20), make.pause(), **make.ISTIO))
        await stage.until(lambda: stage.weights() == {"stable": 80, "canary": 20})
        await stage.reaches("Paused")
        await stage.until(lambda: stage.sizes() == {"img:1": 5, "img:2": 1})
        assert (stage.serves("stable"), stage.serves("canary")) == ({"img:1"}, {"img:2"})
        assert guard.broken == []


@pytest.mark.parametrize("weight", [20, 80])
@pytest.mark.parametrize("dynamic", [False, True], ids=["all stable pods", "its share of stable pods"])
async def test_stable_and_canary_service_are_exchanged_under_traffic(weight: int, dynamic: bool) -> None:
    async with Stage() as stage:
        steps, rest = (make.weight(weight), make.pause()), {"dynamicStableScale": dynamic}
        await stage.deploy(*istio(*steps, canary=rest, script=SLOW))
        await stage.release("img:2")
        await stage.until(lambda: stage.weights() == {"stable": 100 - weight, "canary": weight})
        guard = Guard(stage, replicas=5, available=5)
        await stage.edit(strategy=canary(*steps, **EXCHANGED, **rest))
        await stage.until(lambda: stage.weights() == {"canary": 100 - weight, "stable": weight})
        assert (stage.serves("canary"), stage.serves("stable")) == ({"img:1"}, {"img:2"})
        assert guard.broken == []
