"""Builders of what the sandbox's workloads are made of, and questions that tests ask of a cluster."""

import asyncio
from collections.abc import Callable
from typing import Any

from rollouts.kube.errors import NotFound
from rollouts.kube.refs import POD, Obj, Resource, name_of
from rollouts.kube.wire import Wire

SCRIPT = "sandbox.rollouts.dev/"


def template(app: str = "web", image: str = "web:1", restart: str = "", **script: str) -> Obj:
    """A pod template; `script` are annotations without their prefix, `_` for `-`."""
    annotations = {SCRIPT + key.replace("_", "-"): value for key, value in script.items()}
    spec: Obj = {"containers": [{"name": "app", "image": image, "ports": [{"name": "http", "containerPort": 8080}]}]}
    if restart:
        spec["restartPolicy"] = restart
    return {"metadata": {"labels": {"app": app}, "annotations": annotations}, "spec": spec}


def pod(name: str = "web", **wanted: Any) -> Obj:
    made = template(**wanted)
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, **made["metadata"]}, "spec": made["spec"]}


def _workload(api_version: str, kind: str, name: str, spec: Obj) -> Obj:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, "spec": spec}


def replica_set(name: str = "web", replicas: int = 3, pods: Obj | None = None, **spec: Any) -> Obj:
    made = pods or template()
    selector = {"matchLabels": {"app": made["metadata"]["labels"]["app"]}}
    return _workload(
        "apps/v1", "ReplicaSet", name, {"replicas": replicas, "selector": selector, "template": made, **spec}
    )


def deployment(name: str = "web", replicas: int = 4, pods: Obj | None = None, **spec: Any) -> Obj:
    return {**replica_set(name, replicas, pods, **spec), "kind": "Deployment"}


def job(name: str = "task", pods: Obj | None = None, **spec: Any) -> Obj:
    return _workload("batch/v1", "Job", name, {"template": pods or template(restart="Never"), **spec})


def service(name: str = "web", target: int | str = "http", **selector: str) -> Obj:
    ports = [{"name": "web", "port": 80, "targetPort": target}]
    return _workload("v1", "Service", name, {"selector": selector or {"app": "web"}, "ports": ports})


async def pods_of(wire: Wire, selector: str = "") -> list[Obj]:
    return (await wire.list(POD, "default", label_selector=selector)).items


async def names_of(wire: Wire, resource: Resource) -> list[str]:
    return [name_of(each) for each in (await wire.list(resource, "default")).items]


async def exists(wire: Wire, resource: Resource, name: str) -> bool:
    try:
        await wire.get(resource, "default", name)
    except NotFound:
        return False
    return True


async def until(wire: Wire, resource: Resource, name: str, holds: Callable[[Obj], bool], limit: float = 3600.0) -> Obj:
    """The object once the condition holds of it; fails after `limit` (virtual) seconds."""
    async with asyncio.timeout(limit):
        while True:
            if holds(obj := await wire.get(resource, "default", name)):
                return obj
            await asyncio.sleep(0.1)


def status_of(obj: Obj) -> Obj:
    """An object's status without its conditions."""
    return {key: value for key, value in obj.get("status", {}).items() if key != "conditions"}


def reason(obj: Obj, type: str) -> tuple[str, str]:
    """Status and reason of a condition."""
    found = next(each for each in obj["status"]["conditions"] if each["type"] == type)
    return found["status"], found.get("reason", "")


def waiting(obj: Obj) -> str:
    """Why a pod's container waits, "" when it does not."""
    state = obj["status"]["containerStatuses"][0]["state"]
    return str(state.get("waiting", {}).get("reason", ""))
