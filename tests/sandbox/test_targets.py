"""Prometheus is told of every listening pod, once per Service that selects it, with its labels of this moment."""

import httpx

from rollouts.kube.cache import Cache
from rollouts.kube.refs import POD, SERVICE
from rollouts.sandbox.targets import Discovery, targets
from tests.sandbox.dataplane import make_pod, make_service

SERVICES = [make_service("api", app="api"), make_service("api-canary", app="api", version="canary")]


def test_a_pod_is_listed_under_each_service_that_selects_it() -> None:
    pod = make_pod("api-1", 4711, app="api", version="canary")
    pod["metadata"]["labels"]["example.com/team"] = "red"
    groups = targets([pod], [*SERVICES, make_service("other", app="other")])
    assert [group["labels"]["__meta_kubernetes_service_name"] for group in groups] == ["api", "api-canary"]
    assert [group["targets"] for group in groups] == [["127.0.0.1:4711"]] * 2
    assert groups[0]["labels"] == {
        "__meta_kubernetes_namespace": "default",
        "__meta_kubernetes_service_name": "api",
        "__meta_kubernetes_pod_name": "api-1",
        "__meta_kubernetes_pod_ip": "127.0.0.1",
        "__meta_kubernetes_pod_node_name": "",
        "__meta_kubernetes_pod_phase": "Running",
        "__meta_kubernetes_pod_ready": "true",
        "__meta_kubernetes_pod_label_app": "api",
        "__meta_kubernetes_pod_label_version": "canary",
        "__meta_kubernetes_pod_label_example_com_team": "red",
    }


def test_a_pod_without_a_service_is_still_measured() -> None:
    (group,) = targets([make_pod("lonely")], SERVICES)
    assert "__meta_kubernetes_service_name" not in group["labels"]


def test_a_pod_that_does_not_listen_is_not_listed() -> None:
    silent = make_pod("silent", app="api")
    silent["metadata"]["annotations"] = {}
    ended = make_pod("ended", app="api")
    ended["status"]["phase"] = "Failed"
    assert targets([silent, ended], SERVICES) == []


async def test_the_endpoint_serves_what_the_caches_hold_now() -> None:
    pods, services = Cache(POD), Cache(SERVICE)
    discovery = Discovery(pods, services)
    url = await discovery.start()
    try:
        async with httpx.AsyncClient() as client:
            before = (await client.get(url)).json()
            pods.put(make_pod("api-1", app="api"))
            after = (await client.get(url)).json()
            elsewhere = await client.get(url.replace("pods", "nodes"))
    finally:
        await discovery.stop()
    assert (before, len(after), elsewhere.status_code) == ([], 1, 404)
