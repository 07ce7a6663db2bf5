"""One case measured: deploy the fleet, let everything come to rest, update all of it at once, and wait for rest again.

Calls and processor time are differences between the two rests, so neither the start of the controller nor the initial
deploy is in them, while everything that trails an update (late events, scale-down delays) is. What the controller
spends on standing there meanwhile is not taken off.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from rollouts.kube.cache import Cache
from rollouts.kube.refs import REPLICA_SET, ROLLOUT, Obj
from rollouts.kube.watch import IN_PROCESS, Watcher
from rollouts.sandbox.bench import fleet
from rollouts.sandbox.bench.calls import calls_of
from rollouts.sandbox.bench.environment import ACTOR, Environment, running
from rollouts.sandbox.bench.fleet import NAMESPACE, Case, healthy

REST = 5.0
"""Seconds without a call that count as rest: longer than the controller holds an event that may still be joined."""
PATIENCE = 300.0
_LOOK = 0.25


class Stalled(RuntimeError):
    """The fleet did not arrive in time; the message says how many did."""


@dataclass(frozen=True, slots=True)
class Result:
    """What one case took, over all its Rollouts together. CPU and durations in seconds, memory in bytes.

    `arrived`: from the update to the last Healthy. `window`: between the two rests.
    """

    case: Case
    rollouts: int
    calls: dict[str, int]
    cpu: float
    resident: int
    peak: int
    arrived: float
    window: float


class Fleet:
    """Follows the Rollouts: which of them are Healthy with what their spec asks for now, and since when."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.rollouts = Cache(ROLLOUT)
        self.replica_sets = Cache(REPLICA_SET)
        self.arrived: dict[str, float] = {}
        self.rollouts.subscribe(self._changed)

    def _changed(self, old: Obj | None, new: Obj | None) -> None:
        if new is None:
            return
        name = new["metadata"]["name"]
        if not healthy(new):
            self.arrived.pop(name, None)
        else:
            self.arrived.setdefault(name, asyncio.get_running_loop().time())

    @property
    def whole(self) -> bool:
        return len(self.arrived) == self.size

    @property
    def pods_wanted(self) -> int:
        """Pods that all ReplicaSets together ask for: more than the fleet's own while old ones wait to be scaled."""
        return sum(int(obj["spec"].get("replicas", 1)) for obj in self.replica_sets)


async def measure(case: Case, size: int) -> Result:
    """Measure a case with so many Rollouts. Raises Stalled, ControllerFailed or Unmeasurable."""
    async with running() as environment, _followed(environment, size) as followed:
        await fleet.deploy(environment.server.as_user("bench"), case, size, environment.prometheus)
        await _whole(environment, followed)
        await _rest(environment, followed)
        return await _update(environment, followed, case)


async def _update(environment: Environment, followed: Fleet, case: Case) -> Result:
    loop = asyncio.get_running_loop()
    before, counted, began = environment.usage(), _calls(environment), loop.time()
    wire = environment.server.as_user("bench")
    for number in range(followed.size):
        followed.arrived.pop(fleet.name_of(number))
        await wire.patch(ROLLOUT, NAMESPACE, fleet.name_of(number), fleet.update(2))
    await _whole(environment, followed)
    arrived = max(followed.arrived.values()) - began
    await _rest(environment, followed)
    after, calls = environment.usage(), _calls(environment) - counted
    window = loop.time() - began
    return Result(case, followed.size, dict(calls), after.cpu - before.cpu, after.resident, after.peak, arrived, window)


def _calls(environment: Environment) -> Counter[str]:
    return calls_of(ACTOR, environment.server.requests)


async def _whole(environment: Environment, followed: Fleet) -> None:
    """Until all Rollouts are Healthy."""
    try:
        async with asyncio.timeout(PATIENCE):
            while not followed.whole:
                environment.controller.check()
                await asyncio.sleep(_LOOK)
    except TimeoutError:
        count = len(followed.arrived)
        raise Stalled(f"after {PATIENCE:.0f} s only {count} of {followed.size} Rollouts are Healthy") from None


async def _rest(environment: Environment, followed: Fleet) -> None:
    """Until no ReplicaSet waits to be scaled down and the controller has made no call for a while."""
    loop = asyncio.get_running_loop()
    calls, quiet_since, latest = _calls(environment), loop.time(), loop.time() + PATIENCE
    while loop.time() - quiet_since < REST or followed.pods_wanted > followed.size * fleet.REPLICAS:
        if loop.time() > latest:
            raise Stalled(f"after {PATIENCE:.0f} s the controller has not come to rest")
        await asyncio.sleep(_LOOK)
        now = _calls(environment)
        if now != calls:
            calls, quiet_since = now, loop.time()


@asynccontextmanager
async def _followed(environment: Environment, size: int) -> AsyncIterator[Fleet]:
    followed = Fleet(size)
    wire = environment.server.as_user("bench")
    watchers = [Watcher(wire, cache, pace=IN_PROCESS) for cache in (followed.rollouts, followed.replica_sets)]
    tasks = [asyncio.create_task(watcher.run()) for watcher in watchers]
    try:
        yield followed
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
