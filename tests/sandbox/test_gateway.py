"""Real requests through the gateway reach the pods that the API names, at the moment the API names them."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import httpx
import pytest

from rollouts.kube.refs import POD, SERVICE, Obj
from rollouts.sandbox.apiserver.server import ApiServer
from rollouts.sandbox.app import HttpPods
from rollouts.sandbox.clock import now
from rollouts.sandbox.dialects.istio import VIRTUAL_SERVICE
from rollouts.sandbox.gateway import Gateway
from rollouts.sandbox.kubelet.script import ADDRESS
from rollouts.sandbox.load import Load
from rollouts.sandbox.manifests import create, manifest
from rollouts.sandbox.stats import NOBODY
from tests.sandbox.dataplane import eventually, make_pod, make_service, make_virtual_service, to

SERVICES = [
    make_service("api", app="api"),
    make_service("api-stable", app="api", role="stable"),
    make_service("api-canary", app="api", role="canary"),
]


class Cluster:
    """An API server whose pods are put there, and served, by hand."""

    def __init__(self) -> None:
        self.api = ApiServer(now)
        self.pods = HttpPods()
        self.gateway = Gateway(self.api)
        self.client = httpx.AsyncClient(timeout=10)

    async def add(self, name: str, image: str, error_rate: str = "0", **labels: str) -> Obj:
        pod = make_pod(name, app="api", **labels)  # type: ignore[arg-type] # labels only
        pod["spec"]["containers"][0]["image"] = image
        pod["metadata"]["annotations"] = {"sandbox.rollouts.dev/error-rate": error_rate}
        host, port = await self.pods.start(pod)
        pod["metadata"]["annotations"][ADDRESS] = f"{host}:{port}"
        status = pod.pop("status")
        made = await self.api.create(POD, "default", pod)
        await self.api.patch(POD, "default", name, {"status": status}, subresource="status")
        return {**pod, "metadata": {**pod["metadata"], "created": made["metadata"]["uid"]}}

    async def get(self, host: str = "api", path: str = "/", **headers: str) -> httpx.Response:
        return await self.client.get(f"{self.gateway.url}{path}", headers={"Host": host, **headers})

    async def until(self, status: int, host: str = "api") -> httpx.Response:
        """Ask until this is the answer: the gateway hears of a change a moment after it is made."""
        async with asyncio.timeout(5):
            while (answer := await self.get(host)).status_code != status:
                pass
        return answer


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    cluster = Cluster()
    await create(cluster.api, manifest("istio-crds"))
    for service in SERVICES:
        await cluster.api.create(SERVICE, "default", service)
    await cluster.gateway.start()
    yield cluster
    await cluster.client.aclose()
    await cluster.gateway.stop()
    await cluster.pods.close()


async def test_users_meet_the_versions_in_the_shares_of_the_route(cluster: Cluster) -> None:
    await cluster.add("old", "api:v1", role="stable")
    await cluster.add("new", "api:v2", error_rate="0.1", role="canary")
    route = make_virtual_service({"route": [to("api-stable", 75), to("api-canary", 25)]})
    await cluster.api.create(VIRTUAL_SERVICE, "default", route)
    await cluster.until(200)
    before = cluster.gateway.stats.snapshot()
    async with Load(cluster.gateway.url, "api", rate=200) as load:
        await eventually(lambda: load.snapshot().total.requests >= 1000)
    seen = load.snapshot()
    assert seen.share("v2") == pytest.approx(0.25, abs=0.02)
    assert seen.of("v2").error_rate == pytest.approx(0.1, abs=0.02)
    assert (seen.of("v1").errors, seen.of(NOBODY).requests) == (0, 0)
    counted = cluster.gateway.stats.snapshot().since(before)
    assert {name: totals.statuses for name, totals in counted.versions.items()} == {
        name: totals.statuses for name, totals in seen.versions.items()
    }


async def test_a_changed_weight_counts_from_the_next_requests_on(cluster: Cluster) -> None:
    await cluster.add("old", "api:v1", role="stable")
    await cluster.add("new", "api:v2", role="canary")
    seen = {}
    await cluster.api.create(VIRTUAL_SERVICE, "default", make_virtual_service({"route": [to("api-stable", 100)]}))
    for weight in (10, 50):
        http = [{"route": [to("api-stable", 100 - weight), to("api-canary", weight)]}]
        await cluster.api.patch(VIRTUAL_SERVICE, "default", "api", {"spec": {"http": http}})
        async with asyncio.timeout(5):
            while (await cluster.get()).headers["X-Version"] != "v2":
                pass
        answers = [await cluster.get() for _ in range(100)]
        seen[weight] = Counter(answer.headers["X-Version"] for answer in answers)
    assert seen == {10: {"v1": 90, "v2": 10}, 50: {"v1": 50, "v2": 50}}


async def test_a_service_that_changes_its_selector_sends_its_users_elsewhere(cluster: Cluster) -> None:
    await cluster.add("old", "api:v1", role="stable")
    await cluster.add("new", "api:v2", role="canary")
    assert (await cluster.until(200, "api-stable")).headers["X-Version"] == "v1"
    await cluster.api.patch(SERVICE, "default", "api-stable", {"spec": {"selector": {"role": "canary"}}})
    async with asyncio.timeout(5):
        while (await cluster.get("api-stable")).headers["X-Version"] != "v2":
            pass


async def test_a_stuck_gateway_goes_on_with_what_it_knew_until_it_hears_again(cluster: Cluster) -> None:
    await cluster.add("old", "api:v1", role="stable")
    await cluster.add("new", "api:v2", role="canary")
    assert (await cluster.until(200, "api-stable")).headers["X-Version"] == "v1"
    cluster.gateway.stuck = True
    await cluster.api.patch(SERVICE, "default", "api-stable", {"spec": {"selector": {"role": "canary"}}})
    heard = cluster.gateway.caches[SERVICE]
    await eventually(lambda: "canary" in str((heard.get("default", "api-stable") or {}).get("spec")))
    assert (await cluster.get("api-stable")).headers["X-Version"] == "v1"
    cluster.gateway.stuck = False
    assert (await cluster.get("api-stable")).headers["X-Version"] == "v2"


async def test_without_ready_pods_users_get_503_and_the_reason(cluster: Cluster) -> None:
    answer = await cluster.get("api-canary")
    assert (answer.status_code, answer.headers["X-Gateway-Error"]) == (
        503,
        "Service default/api-canary has no ready pods",
    )
    await cluster.add("new", "api:v2", role="canary")
    await cluster.until(200, "api-canary")
    gone = {"status": {"conditions": [{"type": "Ready", "status": "False"}]}}
    await cluster.api.patch(POD, "default", "new", gone, subresource="status")
    await cluster.until(503, "api-canary")


async def test_pods_that_close_before_their_traffic_leaves_are_seen_as_errors(cluster: Cluster) -> None:
    pod = await cluster.add("old", "api:v1", role="stable")
    await cluster.until(200)
    await cluster.pods.stop(pod)
    answer = await cluster.get()
    assert answer.status_code == 502
    assert answer.headers["X-Gateway-Error"].startswith("pod default/old is not there: ")
    assert cluster.gateway.stats.snapshot().of(NOBODY).statuses[502] == 1


async def test_mirrored_requests_reach_the_canary_and_nobody_waits_for_them(cluster: Cluster) -> None:
    await cluster.add("old", "api:v1", role="stable")
    await cluster.add("new", "api:v2", error_rate="1", role="canary")
    route = make_virtual_service({"route": [to("api-stable")], "mirror": {"host": "api-canary"}})
    await cluster.api.create(VIRTUAL_SERVICE, "default", route)
    await cluster.until(200)
    mirrored = f"{(await address(cluster, 'new'))}/metrics"
    async with asyncio.timeout(5):
        while 'status="500"} 0.0' in (await cluster.client.get(mirrored)).text:
            assert (await cluster.get()).headers["X-Version"] == "v1"


async def address(cluster: Cluster, name: str) -> str:
    pod = await cluster.api.get(POD, "default", name)
    return f"http://{pod['metadata']['annotations'][ADDRESS]}"


async def test_bodies_headers_paths_and_queries_pass_through(cluster: Cluster) -> None:
    await cluster.add("new", "api:v2", role="canary")
    by_header = {"match": [{"headers": {"x-try": {"exact": "new"}}}], "route": [to("api-canary")]}
    await cluster.api.create(VIRTUAL_SERVICE, "default", make_virtual_service(by_header, hosts=("api.example.com",)))
    async with asyncio.timeout(5):
        while (answer := await cluster.get("api.example.com", "/a%20b?q=1", **{"X-Try": "new"})).status_code != 200:
            pass
    posted = await cluster.client.post(
        cluster.gateway.url, headers={"Host": "api.example.com", "X-Try": "new"}, content=b"x" * 100_000
    )
    refused = await cluster.get("api.example.com")
    assert (answer.headers["X-Pod"], answer.text, posted.status_code, refused.status_code) == ("new", "ok\n", 200, 404)
