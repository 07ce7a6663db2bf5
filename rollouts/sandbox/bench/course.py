"""One case measured: deploy the fleet, let everything come to rest, update all of it at once, and wait for rest again.

Calls and processor time are differences between the two rests, so neither the start of the controller nor the initial
deploy is in them, while everything that trails an update (late events, scale-down delays) is. What the controller
spends on standing there meanwhile is not taken off.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

from rollouts.kube.cache import Cache
from rollouts.kube.refs import REPLICA_SET, ROLLOUT, Obj
from rollouts.kube.watch import IN_PROCESS, Watcher
from rollouts.sandbox.bench import fleet
from rollouts.sandbox.bench.calls import calls_of
from rollouts.sandbox.bench.environment import ACTOR, Environment
from rollouts.sandbox.bench.fleet import NAMESPACE, Case, healthy
from rollouts.sandbox.bench.latency import Latencies

REST = 5.0
"""Seconds without a call that count as rest: longer than the controller holds an event that may still be joined."""
PATIENCE = 300.0
_LOOK = 0.25


class Stalled(RuntimeError):
    """The fleet did not arrive in time; the message says how many did."""


@dataclass(frozen=True, slots=True)
class Result:
    """What one case took, over all its Rollouts together. CPU and durations in seconds, memory in bytes.

    `surroundings`: CPU of what else ran, by program.
    `arrived`: from the update to the last Healthy. `window`: between the two rests. `latencies`: of each step of each
    Rollout, beyond what it waits by its own wish.
    """

    case: Case
    rollouts: int
    calls: dict[str, int]
    cpu: float
    resident: int
    peak: int
    arrived: float
    window: float
    latencies: tuple[float, ...] = ()
    surroundings: Mapping[str, float] = field(default_factory=dict)


class Fleet:
    """Follows the Rollouts: which of them are Healthy with what their spec asks for now, and since when."""

    def __init__(self, case: Case, size: int) -> None:
        self.size = size
        self.latencies = Latencies(fleet.waits(case))
        self.rollouts = Cache(ROLLOUT)
        self.replica_sets = Cache(REPLICA_SET)
        self.arrived: dict[str, float] = {}
        self.rollouts.subscribe(self._changed)

    def _changed(self, old: Obj | None, new: Obj | None) -> None:
        if new is None:
            return
        name, now = new["metadata"]["name"], asyncio.get_running_loop().time()
        self.latencies.see(new, now)
        if not healthy(new):
            self.arrived.pop(name, None)
        else:
            self.arrived.setdefault(name, now)

    @property
    def whole(self) -> bool:
        return len(self.arrived) == self.size

    @property
    def pods_wanted(self) -> int:
        """Pods that all ReplicaSets together ask for: more than the fleet's own while old ones wait to be scaled."""
        return sum(int(obj["spec"].get("replicas", 1)) for obj in self.replica_sets)


async def measure(case: Case, size: int, place: AbstractAsyncContextManager[Environment]) -> Result:
    """Measure a case with so many Rollouts. Raises Stalled, ControllerFailed, ProcessFailed or Unmeasurable."""
    async with place as environment, followed(environment, case, size) as fleet_of_case:
        await fleet.deploy(environment.wire, case, size, environment.prometheus)
        await whole(environment, fleet_of_case)
        await rest(environment, fleet_of_case)
        return await _update(environment, fleet_of_case, case)


async def _update(environment: Environment, followed: Fleet, case: Case) -> Result:
    loop = asyncio.get_running_loop()
    before, counted, began = environment.usage(), _calls(environment), loop.time()
    around = environment.surroundings()

    async def update(number: int) -> None:
        name = fleet.name_of(number)
        followed.arrived.pop(name)
        followed.latencies.begin(name, loop.time())
        await environment.wire.patch(ROLLOUT, NAMESPACE, name, fleet.update(2))

    await fleet.of_each(followed.size, update)
    await whole(environment, followed)
    arrived = max(followed.arrived.values()) - began
    await rest(environment, followed)
    after, calls = environment.usage(), _calls(environment) - counted
    return Result(
        case,
        followed.size,
        dict(calls),
        after.cpu - before.cpu,
        after.resident,
        after.peak,
        arrived,
        window=loop.time() - began,
        latencies=tuple(followed.latencies.found),
        surroundings={name: spent - around[name] for name, spent in environment.surroundings().items()},
    )


def _calls(environment: Environment) -> Counter[str]:
    return calls_of(ACTOR, environment.requests())


async def whole(environment: Environment, followed: Fleet) -> None:
    """Until all Rollouts are Healthy. Raises Stalled."""
    try:
        async with asyncio.timeout(PATIENCE):
            while not followed.whole:
                environment.controller.check()
                await asyncio.sleep(_LOOK)
    except TimeoutError:
        count = len(followed.arrived)
        raise Stalled(f"after {PATIENCE:.0f} s only {count} of {followed.size} Rollouts are Healthy") from None


async def rest(environment: Environment, followed: Fleet) -> None:
    """Until no ReplicaSet waits to be scaled down and the controller has made no call for a while. Raises Stalled."""
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
async def followed(environment: Environment, case: Case, size: int) -> AsyncIterator[Fleet]:
    """The fleet, watched as long as the block lasts."""
    fleet_of_case = Fleet(case, size)
    caches = (fleet_of_case.rollouts, fleet_of_case.replica_sets)
    watchers = [Watcher(environment.wire, cache, pace=IN_PROCESS) for cache in caches]
    tasks = [asyncio.create_task(watcher.run()) for watcher in watchers]
    try:
        yield fleet_of_case
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
