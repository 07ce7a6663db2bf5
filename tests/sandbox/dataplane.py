"""Builders for the data plane's tests: pods, Services and routes as the API would show them."""

import asyncio
from collections.abc import Callable
from typing import Any

from rollouts.kube.refs import POD, SERVICE, Obj
from rollouts.sandbox.dialects import DIALECTS
from rollouts.sandbox.dialects.istio import DESTINATION_RULE, VIRTUAL_SERVICE
from rollouts.sandbox.kubelet.script import ADDRESS
from rollouts.sandbox.routing import Request, Table


def make_pod(name: str, port: int = 80, *, ready: bool = True, namespace: str = "default", **labels: str) -> Obj:
    """A running pod that listens on 127.0.0.1:port."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": f"uid-{name}",
            "labels": labels,
            "annotations": {ADDRESS: f"127.0.0.1:{port}"},
        },
        "spec": {"containers": [{"name": "api", "image": "example.com/api:1.0.0"}]},
        "status": {
            "phase": "Running",
            "podIP": "127.0.0.1",
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
        },
    }


def make_service(name: str, namespace: str = "default", **selector: str) -> Obj:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"selector": selector, "ports": [{"port": 80, "targetPort": 8080}]},
    }


def make_virtual_service(*http: Obj, hosts: tuple[str, ...] = ("api",), name: str = "api") -> Obj:
    return {
        "apiVersion": VIRTUAL_SERVICE.api_version,
        "kind": VIRTUAL_SERVICE.kind,
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"hosts": list(hosts), "http": list(http)},
    }


def to(service: str, weight: int | None = None, subset: str = "") -> Obj:
    """An entry of `http[].route`."""
    destination: Obj = {"host": service, **({"subset": subset} if subset else {})}
    return {"destination": destination, **({} if weight is None else {"weight": weight})}


def make_table(
    pods: list[Obj],
    services: list[Obj],
    virtual_services: list[Obj] | None = None,
    destination_rules: list[Obj] | None = None,
) -> Table:
    objects = {
        POD: pods,
        SERVICE: services,
        VIRTUAL_SERVICE: virtual_services or [],
        DESTINATION_RULE: destination_rules or [],
    }
    return Table(objects, DIALECTS)


def pods_chosen(table: Table, times: int, host: str = "api", **request: Any) -> list[str]:
    """The names of the pods that so many equal requests are sent to; the reason where one is sent nowhere."""
    decisions = [table.route(Request(host, **request)) for _ in range(times)]
    return [decision.address.pod[1] if decision.address else decision.reason for decision in decisions]


async def eventually(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait until the condition holds; TimeoutError when it does not in time."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 # real traffic has no event to wait for
            await asyncio.sleep(0.01)
