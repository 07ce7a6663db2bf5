"""The Rollouts that the bench updates, and what the routed ones need around them."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from rollouts.kube.refs import ANALYSIS_TEMPLATE, ROLLOUT, SERVICE, Obj, Resource
from rollouts.kube.wire import Wire
from rollouts.sandbox.dialects.istio import VIRTUAL_SERVICE

NAMESPACE = "default"
REPLICAS = 4
PAUSES = 2.0
"""Seconds that the pause steps of an update take together."""
_HANDS = 16
MEASUREMENTS = 2
"""Measurements of the analysis step, one second apart."""


@dataclass(frozen=True, slots=True)
class Case:
    """A kind of Rollout to measure. `waits`: seconds that an update waits by its own wish (pauses, measurements)."""

    name: str
    title: str
    routed: bool
    waits: float


PLAIN = Case("plain", "plain canary", routed=False, waits=PAUSES)
ISTIO = Case("istio", "Istio and one analysis step", routed=True, waits=PAUSES + MEASUREMENTS - 1)


def template(version: int) -> Obj:
    """A pod template, as large as one usually is; versions differ by their image."""
    probe = {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 5}
    container = {
        "name": "app",
        "image": f"registry.example.com/team/app:{version}",
        "ports": [{"name": "http", "containerPort": 8080}],
        "env": [{"name": name, "value": f"value of {name}"} for name in ("LOG_LEVEL", "REGION", "DATABASE_URL")],
        "readinessProbe": probe,
        "livenessProbe": probe,
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
    }
    return {"metadata": {"labels": {"team": "bench"}}, "spec": {"containers": [container]}}


def waits(case: Case) -> tuple[float, ...]:
    """Seconds that each step waits by its own wish."""
    return (0.0, PAUSES / 2, *((MEASUREMENTS - 1.0,) if case.routed else ()), 0.0, PAUSES / 2)


def rollout(case: Case, number: int, replicas: int = REPLICAS) -> Obj:
    """The Rollout with this number, at version 1: 20 %, pause 1s, (analysis), 50 %, pause 1s."""
    name = name_of(number)
    pods = template(1)
    pods["metadata"]["labels"]["app"] = name
    pause = {"pause": {"duration": "1s"}}
    judge = {"analysis": {"templates": [{"templateName": "success-rate"}], "args": [{"name": "app", "value": name}]}}
    judged = [judge] if case.routed else []
    canary: Obj = {"steps": [{"setWeight": 20}, pause, *judged, {"setWeight": 50}, pause]}
    if case.routed:
        canary["canaryService"], canary["stableService"] = f"{name}-canary", f"{name}-stable"
        canary["trafficRouting"] = {"istio": {"virtualService": {"name": name, "routes": ["primary"]}}}
    return {
        "apiVersion": ROLLOUT.api_version,
        "kind": ROLLOUT.kind,
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": pods,
            "strategy": {"canary": canary},
        },
    }


def name_of(number: int) -> str:
    return f"app-{number:04d}"


def update(version: int) -> Obj:
    """The merge patch by which somebody releases a version."""
    return {"spec": {"template": {"spec": template(version)["spec"]}}}


def surroundings(case: Case, number: int) -> list[tuple[Resource, Obj]]:
    """What this Rollout names: two Services and a VirtualService, if it is routed."""
    if not case.routed:
        return []
    name = name_of(number)
    services = [_service(f"{name}-{role}", name) for role in ("stable", "canary")]
    return [*((SERVICE, service) for service in services), (VIRTUAL_SERVICE, _virtual_service(name))]


def _service(name: str, app: str) -> Obj:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"selector": {"app": app}, "ports": [{"port": 80, "targetPort": 8080}]},
    }


def _virtual_service(name: str) -> Obj:
    route = [
        {"destination": {"host": f"{name}-stable"}, "weight": 100},
        {"destination": {"host": f"{name}-canary"}, "weight": 0},
    ]
    return {
        "apiVersion": VIRTUAL_SERVICE.api_version,
        "kind": VIRTUAL_SERVICE.kind,
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"hosts": [f"{name}.example.com"], "http": [{"name": "primary", "route": route}]},
    }


def judge(prometheus: str) -> tuple[Resource, Obj]:
    """The AnalysisTemplate that all routed Rollouts share; `prometheus` is the address that it asks."""
    metric = {
        "name": "success-rate",
        "interval": "1s",
        "count": MEASUREMENTS,
        "successCondition": "result[0] >= 0.95",
        "provider": {
            "prometheus": {
                "address": prometheus,
                "query": 'sum(rate(http_requests_total{app="{{args.app}}",status!~"5.*"}[1m]))',
            }
        },
    }
    return ANALYSIS_TEMPLATE, {
        "apiVersion": ANALYSIS_TEMPLATE.api_version,
        "kind": ANALYSIS_TEMPLATE.kind,
        "metadata": {"name": "success-rate", "namespace": NAMESPACE},
        "spec": {"args": [{"name": "app"}], "metrics": [metric]},
    }


async def deploy(wire: Wire, case: Case, size: int, prometheus: str, replicas: int = REPLICAS) -> None:
    """Create so many Rollouts of this case and all that they name."""
    if case.routed:
        resource, template = judge(prometheus)
        await wire.create(resource, NAMESPACE, template)

    async def one(number: int) -> None:
        for resource, obj in surroundings(case, number):
            await wire.create(resource, NAMESPACE, obj)
        await wire.create(ROLLOUT, NAMESPACE, rollout(case, number, replicas))

    await of_each(size, one)


async def of_each(size: int, act: Callable[[int], Awaitable[None]]) -> None:
    """Do something for each number of a fleet, for a few of them at a time: an API server answers many at once."""
    numbers = iter(range(size))

    async def hand() -> None:
        for number in numbers:
            await act(number)

    async with asyncio.TaskGroup() as group:
        for _ in range(min(size, _HANDS)):
            group.create_task(hand())


def is_seen(rollout: Obj) -> bool:
    """Its status is about its present spec."""
    status = rollout.get("status") or {}
    return bool(status.get("observedGeneration") == str(rollout["metadata"]["generation"]))


def healthy(rollout: Obj) -> bool:
    """It is Healthy, and says so about its present spec."""
    return is_seen(rollout) and rollout["status"].get("phase") == "Healthy"
