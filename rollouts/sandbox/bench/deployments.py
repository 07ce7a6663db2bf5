"""What Kubernetes itself takes to roll as many Deployments: the yardstick for what changing their kind costs.

Same pods, same API server, no pauses, at most one pod more and one less than asked for. There is no controller of ours;
what the Deployment controller takes is part of what kube-controller-manager does.
"""

import asyncio
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from rollouts.kube.cache import Cache
from rollouts.kube.refs import DEPLOYMENT, Obj
from rollouts.kube.watch import IN_PROCESS, Watcher
from rollouts.sandbox.bench import fleet
from rollouts.sandbox.bench.course import PATIENCE, Stalled
from rollouts.sandbox.bench.environment import Environment
from rollouts.sandbox.bench.fleet import NAMESPACE, REPLICAS

CONTROLLER = "deployment-controller"
"""What kube-controller-manager has to run for it."""
_SETTLED = 10.0
_LOOK = 0.1


@dataclass(frozen=True, slots=True)
class Rolled:
    """Seconds from the update to the last Deployment whose pods are all new and available; `surroundings`: seconds of
    CPU by program."""

    deployments: int
    arrived: float
    surroundings: Mapping[str, float] = field(default_factory=dict)


def deployment(number: int) -> Obj:
    """The Deployment with this number, at version 1."""
    name, pods = fleet.name_of(number), fleet.template(1)
    pods["metadata"]["labels"]["app"] = name
    return {
        "apiVersion": DEPLOYMENT.api_version,
        "kind": DEPLOYMENT.kind,
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "replicas": REPLICAS,
            "selector": {"matchLabels": {"app": name}},
            "template": pods,
            "strategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 1}},
        },
    }


def is_rolled(obj: Obj) -> bool:
    """All its pods are of the template that its spec has now, available, and no others are left."""
    status = obj.get("status") or {}
    counts = [status.get(f"{kind}eplicas", 0) for kind in ("r", "updatedR", "availableR")]
    return status.get("observedGeneration", 0) >= obj["metadata"]["generation"] and counts == [REPLICAS] * 3


async def measure(size: int, place: AbstractAsyncContextManager[Environment]) -> Rolled:
    """Measure so many, in a place whose controller is never started. Raises Stalled, ProcessFailed, Unmeasurable."""
    loop, known = asyncio.get_running_loop(), Cache(DEPLOYMENT)
    async with place as environment:
        watching = asyncio.create_task(Watcher(environment.wire, known, pace=IN_PROCESS).run())

        async def create(number: int) -> None:
            await environment.wire.create(DEPLOYMENT, NAMESPACE, deployment(number))

        async def update(number: int) -> None:
            await environment.wire.patch(DEPLOYMENT, NAMESPACE, fleet.name_of(number), fleet.update(2))

        try:
            await fleet.of_each(size, create)
            await _all_rolled(known, size, 1)
            await asyncio.sleep(_SETTLED)
            around, began = environment.surroundings(), loop.time()
            await fleet.of_each(size, update)
            await _all_rolled(known, size, 2)
            arrived = loop.time() - began
            await asyncio.sleep(_SETTLED)
            spent = environment.surroundings()
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
    return Rolled(size, arrived, {name: spent[name] - around[name] for name in spent})


async def _all_rolled(known: Cache, size: int, version: int) -> None:
    image = fleet.template(version)["spec"]["containers"][0]["image"]
    done = 0
    try:
        async with asyncio.timeout(PATIENCE):
            while done < size:
                await asyncio.sleep(_LOOK)
                done = sum(_image(obj) == image and is_rolled(obj) for obj in known)
    except TimeoutError:
        raise Stalled(f"after {PATIENCE:.0f} s only {done} of {size} Deployments are rolled") from None


def _image(obj: Obj) -> str:
    return str(obj["spec"]["template"]["spec"]["containers"][0]["image"])
