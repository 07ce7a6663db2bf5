"""Builders for the data plane's tests: pods, Services and routes as the API would show them."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from rollouts.kube.refs import INGRESS, POD, SERVICE, Obj, Resource
from rollouts.sandbox.dialects import DIALECTS
from rollouts.sandbox.dialects.istio import DESTINATION_RULE, VIRTUAL_SERVICE
from rollouts.sandbox.kubelet.script import ADDRESS
from rollouts.sandbox.routing import Request, Table
from rollouts.traffic.base import HTTP_ROUTE


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


def make_http_route(*rules: Obj, hosts: tuple[str, ...] = ("api",), name: str = "api", **spec: Any) -> Obj:
    return {
        "apiVersion": HTTP_ROUTE.api_version,
        "kind": HTTP_ROUTE.kind,
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"parentRefs": [{"name": "gateway"}], "hostnames": list(hosts), "rules": list(rules), **spec},
    }


def make_ingress(
    service: str, *, name: str = "api", host: str = "api", path: str = "/", kind: str = "Prefix", **annotations: str
) -> Obj:
    """An Ingress for one path; annotations are ingress-nginx's, `_` for `-`."""
    backend = {"service": {"name": service, "port": {"number": 80}}}
    rule = {"http": {"paths": [{"path": path, "pathType": kind, "backend": backend}]}}
    said = {f"nginx.ingress.kubernetes.io/{key.replace('_', '-')}": value for key, value in annotations.items()}
    return {
        "apiVersion": INGRESS.api_version,
        "kind": INGRESS.kind,
        "metadata": {"name": name, "namespace": "default", "annotations": said},
        "spec": {"rules": [{"host": host, **rule} if host else rule]},
    }


RESOURCES = {resource.kind: resource for resource in (DESTINATION_RULE, HTTP_ROUTE, INGRESS, VIRTUAL_SERVICE)}


def make_table(pods: list[Obj], services: list[Obj], routes: Iterable[Obj] = ()) -> Table:
    """The routes of a cluster; `routes` are routing objects of any kind."""
    objects: dict[Resource, list[Obj]] = {POD: pods, SERVICE: services}
    for route in routes:
        objects.setdefault(RESOURCES[route["kind"]], []).append(route)
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
