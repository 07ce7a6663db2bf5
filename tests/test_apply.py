"""Carrying out a plan: how many pods are written at the same time."""

import asyncio
from typing import Any

import pytest

from rollouts.api.rollout import Rollout
from rollouts.apply import Applier
from rollouts.decide.plan import LabelPods, Plan
from rollouts.decide.world import World
from rollouts.kube.refs import POD, Obj
from rollouts.observe.caches import fresh_caches
from rollouts.observe.routing import Routing
from rollouts.sandbox import clock
from rollouts.sandbox.apiserver.server import ApiServer
from rollouts.traffic.base import TrafficSettings
from tests import make

pytestmark = pytest.mark.virtual


class Slow(ApiServer):
    """Takes a second for every patch."""

    async def patch(self, *args: Any, **options: Any) -> Obj:
        await asyncio.sleep(1)
        return await super().patch(*args, **options)


def pod(name: str) -> Obj:
    return {"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "img"}]}}


@pytest.mark.parametrize(("at_once", "seconds"), [(1, 6), (2, 3), (10, 1), (0, 6)])
async def test_as_many_pods_are_written_at_the_same_time_as_was_said(at_once: int, seconds: int) -> None:
    server, settings, loop = Slow(clock.now), TrafficSettings(), asyncio.get_running_loop()
    names = tuple(f"p{number}" for number in range(6))
    for name in names:
        await server.create(POD, "default", pod(name))
    caches = fresh_caches(settings)
    applier = Applier(server, caches, Routing(caches, settings), at_once)
    obj = make.rollout(make.pause())
    world = World(Rollout.model_validate(obj))
    labelled = LabelPods(names, {"role": "canary"})
    outcome = await applier.apply(obj, world, Plan((labelled,), world.rollout.status))
    assert outcome.error is None
    assert loop.time() == seconds
    assert [each["metadata"]["labels"] for each in (await server.list(POD)).items] == [{"role": "canary"}] * 6
