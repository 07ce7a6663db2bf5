"""Canaries by header and cookie: what the router wrote means the same to a real nginx and to the sandbox's gateway."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from rollouts.kube.refs import INGRESS, POD, SERVICE
from rollouts.sandbox.app import HttpPods
from rollouts.sandbox.cluster import Cluster
from tests.dataplane.client import ask
from tests.dataplane.nginx import Nginx, binary
from tests.sandbox.dataplane import make_ingress, make_pod, make_service, make_table, pods_chosen
from tests.traffic.stage import Obj, Objects, router, split

TIMES = 40
HEADER, COOKIE = {"canary-by-header": "X-Try"}, {"canary-by-cookie": "try"}
CASES: list[tuple[dict[str, str], dict[str, str]]] = [
    (HEADER, {"x-try": "always"}),
    (HEADER, {"x-try": "never"}),
    (HEADER, {"x-try": "please"}),
    (HEADER, {}),
    ({**HEADER, "canary-by-header-value": "yes"}, {"x-try": "yes"}),
    ({**HEADER, "canary-by-header-value": "yes"}, {"x-try": "always"}),
    ({**HEADER, "canary-by-header-pattern": "^y|z$"}, {"x-try": "yes"}),
    ({**HEADER, "canary-by-header-pattern": "^y|z$"}, {"x-try": "no"}),
    (COOKIE, {"cookie": "a=b; try=always"}),
    (COOKIE, {"cookie": "try=never"}),
    (COOKIE, {"cookie": "retry=always"}),
    ({**HEADER, **COOKIE}, {"x-try": "never", "cookie": "try=always"}),
    ({**HEADER, **COOKIE}, {"x-try": "please", "cookie": "try=always"}),
]
SERVICES = [make_service(name, app="r", role=name) for name in ("stable", "canary")]
PODS = [make_pod(name, app="r", role=name) for name in ("stable", "canary")]


def host(number: int) -> str:
    return f"case{number}.example.com"


def ingresses() -> list[Obj]:
    """For each case a user's Ingress, and the one that the router puts beside it at half of the traffic."""
    objects = Objects(*(make_ingress("stable", name=f"case{n}", host=host(n)) for n in range(len(CASES))))
    for number, (annotations, _) in enumerate(CASES):
        value = {"stableIngress": f"case{number}", "additionalIngressAnnotations": annotations}
        objects.say(router("nginx", value), split(50))
    return list(objects.all.values())


@pytest.mark.skipif(binary() is None, reason="nginx is not installed (apt-get install nginx-light)")
async def test_nginx_and_the_gateway_send_the_same_users_to_the_canary(tmp_path: Path) -> None:
    written, served = ingresses(), HttpPods()
    table = make_table(PODS, SERVICES, written)
    by_gateway = [
        set(pods_chosen(table, TIMES, host(number), headers=headers)) for number, (_, headers) in enumerate(CASES)
    ]
    try:
        async with Cluster(runtime=served, crds=()) as cluster:
            for resource, objects in ((SERVICE, SERVICES), (POD, [bare(pod) for pod in PODS]), (INGRESS, written)):
                for obj in objects:
                    await cluster.wire.create(resource, "default", obj)
            async with Nginx(cluster.wire, tmp_path) as nginx, asyncio.timeout(20):
                while (await ask(nginx.port, host(0), TIMES, keep=False)).failures:
                    await nginx.settled()
                await nginx.settled()
                seen = [
                    await ask(nginx.port, host(number), TIMES, headers=lines(headers), keep=False)
                    for number, (_, headers) in enumerate(CASES)
                ]
    finally:
        await served.close()
    assert [each.failures for each in seen] == [Counter()] * len(CASES)
    assert [set(each.versions) for each in seen] == by_gateway
    assert {frozenset(each) for each in by_gateway} == {
        frozenset({"stable"}), frozenset({"canary"}), frozenset({"stable", "canary"}),
    }  # fmt: skip


def bare(pod: Obj) -> Obj:
    """A pod as a person writes it, whose image's tag is its name."""
    name = pod["metadata"]["name"]
    metadata = {key: pod["metadata"][key] for key in ("name", "namespace", "labels")}
    spec = {"containers": [{"name": "c", "image": f"shop:{name}"}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def lines(headers: dict[str, str]) -> str:
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items())
