"""Many AnalysisRuns that measure every second: when their measurements begin, and what they take of the processor.

Each asks a question of its own, so none can be answered together with another. When it comes is told by who is asked:
a measurement is due one interval after the answer to the last one, and late by what it comes after that. The way there
and back, and the time until the controller has taken an answer in, count as lateness of its own.
"""

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

import httpx

from rollouts.kube.refs import ANALYSIS_RUN, Obj
from rollouts.sandbox.bench.environment import Environment
from rollouts.sandbox.bench.fleet import NAMESPACE, of_each
from rollouts.sandbox.bench.questions import asked

INTERVAL = 1.0
SETTLING = 15.0
"""Seconds after the last run was made, in which the figures of the beginning pass."""
WINDOW = 30.0
"""Seconds over which is measured."""


@dataclass(frozen=True, slots=True)
class Judged:
    """`late`: seconds that each measurement came after it was due. CPU in seconds over the window, and bytes."""

    runs: int
    late: Sequence[float]
    window: float
    cpu: float
    resident: int


async def measure(size: int, place: AbstractAsyncContextManager[Environment]) -> Judged:
    """Measure with so many runs. Raises ControllerFailed when the controller ends, Unmeasurable without /proc."""
    loop = asyncio.get_running_loop()
    async with place as environment, asked() as prometheus, httpx.AsyncClient() as client:

        async def one(number: int) -> None:
            await environment.wire.create(ANALYSIS_RUN, NAMESPACE, run(number, prometheus))

        await of_each(size, one)
        await asyncio.sleep(SETTLING)
        await client.get(f"{prometheus}/gaps")
        began, before = loop.time(), environment.usage()
        await asyncio.sleep(WINDOW)
        gaps = (await client.get(f"{prometheus}/gaps")).json()
        window, after = loop.time() - began, environment.usage()
    return Judged(size, [gap - INTERVAL for gap in gaps], window, after.cpu - before.cpu, after.resident)


def run(number: int, prometheus: str) -> Obj:
    """A run without end that asks every second."""
    provider = {"address": prometheus, "query": f'sum(rate(http_requests_total{{app="app-{number:04d}"}}[1m]))'}
    metric = {
        "name": "success-rate",
        "interval": "1s",
        "successCondition": "result[0] >= 0.95",
        "failureLimit": 3,
        "provider": {"prometheus": provider},
    }
    return {
        "apiVersion": ANALYSIS_RUN.api_version,
        "kind": ANALYSIS_RUN.kind,
        "metadata": {"name": f"run-{number:04d}", "namespace": NAMESPACE},
        "spec": {"metrics": [metric]},
        "status": {"phase": ""},
    }
