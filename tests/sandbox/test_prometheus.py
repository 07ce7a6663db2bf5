"""The real Prometheus finds the pods, scrapes them under their labels, and answers the users' queries."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from rollouts.kube.cache import Cache
from rollouts.kube.refs import POD, SERVICE
from rollouts.sandbox import prometheus_binary
from rollouts.sandbox.app import HttpPods
from rollouts.sandbox.prometheus import Prometheus, PrometheusFailed, main
from rollouts.sandbox.prometheus_binary import PrometheusMissing, accepts, find_or_install
from rollouts.sandbox.targets import Discovery
from tests.sandbox.dataplane import make_pod, make_service

SUCCESS_RATE = """
sum(rate(http_requests_total{service="api", status!~"5..", version=~".*canary.*"}[10s]))
/
sum(rate(http_requests_total{service="api", version=~".*canary.*"}[10s]))
"""
P99 = """
histogram_quantile(0.99,
  sum(rate(http_request_duration_seconds_bucket{service="api", version=~".*canary.*"}[10s])) by (le)
)
"""


@pytest.fixture(scope="module")
def binary() -> Path:
    try:
        return find_or_install()
    except PrometheusMissing as missing:
        pytest.skip(str(missing))


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=10) as client:
        yield client


async def query(client: httpx.AsyncClient, url: str, promql: str) -> list[float]:
    answer = (await client.get(f"{url}/api/v1/query", params={"query": promql})).json()
    assert answer["status"] == "success", answer
    return [float(sample["value"][1]) for sample in answer["data"]["result"]]


async def test_success_rate_and_p99_of_a_canary_are_measured_through_discovery(
    binary: Path, client: httpx.AsyncClient
) -> None:
    caches = Cache(POD), Cache(SERVICE)
    caches[1].put(make_service("api", app="api"))
    pods, discovery = HttpPods(), Discovery(*caches)
    async with Prometheus(await discovery.start(), interval=0.5, binary=binary) as prometheus:
        try:
            urls = []
            for version, error_rate in (("stable", "0"), ("canary", "0.1")):
                pod = make_pod(f"api-{version}", app="api", version=version)
                pod["metadata"]["annotations"]["sandbox.rollouts.dev/error-rate"] = error_rate
                host, port = await pods.start(pod)
                caches[0].put(make_pod(f"api-{version}", port, app="api", version=version))
                urls.append(f"http://{host}:{port}")
            async with asyncio.timeout(30), asyncio.TaskGroup() as group:
                traffic = group.create_task(send(client, urls))
                rates = await measured(client, prometheus.url, SUCCESS_RATE, 0.85, 0.95)
                p99 = await query(client, prometheus.url, P99)
                seen = await query(client, prometheus.url, 'count by (pod, namespace) (up{namespace="default"})')
                traffic.cancel()
        finally:
            await pods.close()
            await discovery.stop()
    assert rates == [pytest.approx(0.9, abs=0.05)]
    assert 0 < p99[0] < 0.5
    assert seen == [1, 1]


async def measured(client: httpx.AsyncClient, url: str, promql: str, low: float, high: float) -> list[float]:
    """The answer as soon as it is one number between these; who calls sets the deadline."""
    while True:
        values = await query(client, url, promql)
        if len(values) == 1 and low < values[0] < high:
            return values
        await asyncio.sleep(0.1)


async def send(client: httpx.AsyncClient, urls: list[str]) -> None:
    while True:
        for url in urls:
            await client.get(url)
        await asyncio.sleep(0.01)


async def test_a_prometheus_that_does_not_come_up_is_reported_with_its_last_words(tmp_path: Path) -> None:
    broken = tmp_path / "prometheus"
    broken.write_text("#!/bin/sh\necho cannot go on >&2\nexit 1\n")
    broken.chmod(0o755)
    prometheus = Prometheus("http://127.0.0.1:1/sd/pods", binary=broken)
    with pytest.raises(PrometheusFailed, match="prometheus ended: cannot go on"):
        await prometheus.start()


async def test_it_leaves_neither_process_nor_data_behind(binary: Path, client: httpx.AsyncClient) -> None:
    async with Prometheus("http://127.0.0.1:1/sd/pods", binary=binary) as prometheus:
        url, data = prometheus.url, Path(prometheus.folder)
        assert (await asyncio.to_thread(data.is_dir), (await client.get(f"{url}/-/ready")).status_code) == (True, 200)
    assert not await asyncio.to_thread(data.exists)
    with pytest.raises(httpx.ConnectError):
        await client.get(f"{url}/-/ready")


def test_a_program_that_only_bears_the_name_is_not_accepted(tmp_path: Path) -> None:
    impostor = tmp_path / "prometheus"
    assert not accepts(impostor)
    impostor.write_text("#!/bin/sh\necho something else, version 1\n")
    impostor.chmod(0o755)
    assert not accepts(impostor)


def test_a_machine_without_prometheus_and_packages_is_told_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(prometheus_binary, "cache_folder", lambda: tmp_path / "cache")
    assert main(["install"]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "no prometheus on PATH, and no apt-get to fetch one: install prometheus" in said
