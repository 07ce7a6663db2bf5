"""A pod serves real HTTP as its annotations script, and measures itself."""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator
from itertools import pairwise

import httpx
import pytest

from rollouts.kube.refs import Obj
from rollouts.sandbox.app import HttpPods, behaviour_of, image_tag
from tests.sandbox.dataplane import make_pod


@pytest.fixture
async def pods() -> AsyncIterator[HttpPods]:
    pods = HttpPods()
    yield pods
    await pods.close()


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=10) as client:
        yield client


def scripted(**script: str) -> Obj:
    pod = make_pod("api-1")
    pod["metadata"]["annotations"] = {f"sandbox.rollouts.dev/{key}": value for key, value in script.items()}
    return pod


async def serve(pods: HttpPods, pod: Obj) -> str:
    host, port = await pods.start(pod)
    return f"http://{host}:{port}"


def sample(text: str, series: str) -> float:
    """The value of one series in Prometheus text."""
    found = re.search(rf"^{re.escape(series)} (\S+)$", text, re.MULTILINE)
    assert found, f"{series} is not in\n{text}"
    return float(found[1])


async def test_a_pod_answers_and_says_who_it_is(pods: HttpPods, client: httpx.AsyncClient) -> None:
    answer = await client.get(await serve(pods, scripted()))
    assert (answer.status_code, answer.headers["X-Version"], answer.headers["X-Pod"]) == (200, "1.0.0", "api-1")


async def test_the_scripted_share_of_requests_fails_evenly_and_is_counted(
    pods: HttpPods, client: httpx.AsyncClient
) -> None:
    url = await serve(pods, scripted(**{"error-rate": "0.1"}))
    statuses = [(await client.get(url)).status_code for _ in range(50)]
    failed = [place for place, status in enumerate(statuses) if status == 500]
    assert Counter(statuses) == {200: 45, 500: 5}
    assert {later - earlier for earlier, later in pairwise(failed)} == {10}
    metrics = (await client.get(f"{url}/metrics")).text
    assert sample(metrics, 'http_requests_total{method="GET",status="500"}') == 5
    assert sample(metrics, 'http_requests_total{method="GET",status="200"}') == 45


async def test_scripted_latency_shows_in_the_answer_and_in_the_histogram(
    pods: HttpPods, client: httpx.AsyncClient
) -> None:
    url = await serve(pods, scripted(latency="120ms"))
    loop = asyncio.get_running_loop()
    began = loop.time()
    await client.get(url)
    assert loop.time() - began >= 0.12
    metrics = (await client.get(f"{url}/metrics")).text
    assert sample(metrics, 'http_request_duration_seconds_bucket{le="0.1",method="GET"}') == 0
    assert sample(metrics, 'http_request_duration_seconds_bucket{le="+Inf",method="GET"}') == 1


async def test_counters_begin_at_zero_before_the_first_request(pods: HttpPods, client: httpx.AsyncClient) -> None:
    url = await serve(pods, scripted())
    await client.get(f"{url}/healthz")
    metrics = (await client.get(f"{url}/metrics")).text
    assert sample(metrics, 'http_requests_total{method="GET",status="200"}') == 0
    assert sample(metrics, 'http_requests_total{method="GET",status="500"}') == 0


async def test_a_pod_that_is_stopped_answers_what_is_in_flight_and_then_nothing(
    pods: HttpPods, client: httpx.AsyncClient
) -> None:
    pod = scripted(latency="200ms")
    url = await serve(pods, pod)
    in_flight = asyncio.create_task(client.get(url))
    async with asyncio.timeout(5):
        while sample((await client.get(f"{url}/metrics")).text, "http_requests_in_flight") == 0:
            pass
    await pods.stop(pod)
    assert (await in_flight).status_code == 200
    with pytest.raises(httpx.ConnectError):
        await client.get(url)


async def test_a_restarted_container_counts_from_zero(pods: HttpPods, client: httpx.AsyncClient) -> None:
    await client.get(await serve(pods, scripted()))
    metrics = (await client.get(f"{await serve(pods, scripted())}/metrics")).text
    assert sample(metrics, 'http_requests_total{method="GET",status="200"}') == 0


def test_the_version_is_the_tag_of_the_image() -> None:
    images = ("api", "api:1.2", "registry:5000/team/api", "registry:5000/api:v3@sha256:00")
    assert [image_tag(image) for image in images] == ["latest", "1.2", "latest", "v3"]
    assert behaviour_of(scripted(latency="1s")).latency == 1.0
