"""Many Rollouts that ask for no pods: what it takes to take them in, and what to hold them costs while nothing happens.

They are there before the controller starts, so the start of its process, its lists and the first ReplicaSet of each
Rollout are in the figures.
"""

import asyncio
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from rollouts.sandbox.bench import fleet
from rollouts.sandbox.bench.course import followed, rest, whole
from rollouts.sandbox.bench.environment import Environment
from rollouts.sandbox.bench.fleet import PLAIN

IDLE = 60.0
"""Seconds over which it is watched standing."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Seconds until all are Healthy, and of CPU until rest; bytes; seconds of CPU in a minute after that."""

    rollouts: int
    arrived: float
    cpu: float
    resident: int
    peak: int
    idle: float


async def measure(size: int, place: AbstractAsyncContextManager[Environment]) -> Standing:
    """Measure with so many Rollouts in a place whose controller is not started yet. Raises as `course.measure`."""
    loop = asyncio.get_running_loop()
    async with place as environment:
        await fleet.deploy(environment.wire, PLAIN, size, environment.prometheus, replicas=0)
        async with followed(environment, PLAIN, size) as all_of_them:
            began = loop.time()
            await environment.controller.start()
            await whole(environment, all_of_them)
            arrived = max(all_of_them.arrived.values()) - began
            await rest(environment, all_of_them)
            used = environment.usage()
            await asyncio.sleep(IDLE)
            after = environment.usage()
    return Standing(size, arrived, used.cpu, after.resident, after.peak, after.cpu - used.cpu)
