"""Traffic that is shared otherwise than the status records: it is put right, and nothing rests on it in that pass."""

import pytest

from rollouts.api.rollout import Rollout
from rollouts.apply import Applier, Outcome
from rollouts.decide.plan import Destination, Plan, SetWeight, Split, UpdateReplicaSet
from rollouts.decide.world import Hash, World
from rollouts.kube.refs import ROLLOUT
from rollouts.observe.caches import fresh_caches
from rollouts.observe.routing import Routing
from rollouts.sandbox.dialects.istio import VIRTUAL_SERVICE
from rollouts.traffic.base import TrafficSettings
from tests import make
from tests.stories.objects import istio
from tests.stories.stage import Stage

pytestmark = pytest.mark.virtual


async def applied(stage: Stage, *, recorded: bool) -> Outcome:
    """A plan that gives all traffic to stable and then takes the canary's pods away, while it has 20 % in the mesh."""
    settings = TrafficSettings()
    caches = fresh_caches(settings)
    caches.routing[VIRTUAL_SERVICE].put(stage.get(VIRTUAL_SERVICE, "vs"))
    caches.replica_sets.put(stage.replica_set("img:2"))
    obj = stage.rollout()
    world = World(Rollout.model_validate(obj))
    home = Split(Destination("canary", Hash("x"), 0), Destination("stable", Hash("y"), 100))
    gone = UpdateReplicaSet(stage.replica_set("img:2")["metadata"]["name"], replicas=0)
    plan = Plan((SetWeight(home, recorded=recorded), gone), world.rollout.status)
    return await Applier(stage.wire, caches, Routing(caches, settings)).apply(obj, world, plan)


@pytest.mark.parametrize(("recorded", "left"), [(True, 1), (False, 0)])
async def test_pods_stay_in_the_pass_that_finds_traffic_where_none_was_recorded(recorded: bool, left: int) -> None:
    async with Stage() as stage:
        await stage.deploy(*istio(make.weight(20), make.pause()))
        await stage.release("img:2")
        await stage.reaches("Paused")
        await stage.stop()
        outcome = await applied(stage, recorded=recorded)
        assert (outcome.astray, outcome.error) == (recorded, None)
        assert stage.weights() == {"stable": 100, "canary": 0}
        assert stage.replica_set("img:2")["spec"]["replicas"] == left


async def test_a_record_that_was_lost_with_a_controller_costs_one_more_look() -> None:
    """Killed between the weight and the status, and then an abort: the next one believes that there was no share."""
    async with Stage() as stage:
        await stage.deploy(*istio(make.weight(20), make.pause(), canary={"abortScaleDownDelaySeconds": 0}))
        await stage.release("img:2")
        await stage.reaches("Paused")
        await stage.stop()
        unrecorded = {"canary": {"weight": 0}, "stable": {"weight": 100}}
        lost = {"status": {"abort": True, "canary": {"weights": unrecorded}}}
        await stage.wire.patch(ROLLOUT, "default", "r", lost, subresource="status")
        stage.start()
        await stage.until(lambda: stage.sizes() == {"img:1": 5})
        assert stage.weights() == {"stable": 100, "canary": 0}
        await stage.reaches("Degraded")
