"""Cluster, gateway and users together: pods come and go under traffic, and users notice nothing."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from rollouts.kube.refs import REPLICA_SET, SERVICE, Obj
from rollouts.sandbox.app import HttpPods
from rollouts.sandbox.cluster import Cluster
from rollouts.sandbox.gateway import Gateway
from rollouts.sandbox.load import Load
from rollouts.sandbox.stats import Stats
from tests.sandbox.dataplane import eventually, make_service


def replica_set(image: str, replicas: int, **script: str) -> Obj:
    annotations = {f"sandbox.rollouts.dev/{key.replace('_', '-')}": value for key, value in script.items()}
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {"name": "api"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "api"}},
            "template": {
                "metadata": {"labels": {"app": "api"}, "annotations": annotations},
                "spec": {"containers": [{"name": "api", "image": image}]},
            },
        },
    }


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    pods = HttpPods()
    async with Cluster(runtime=pods) as cluster:
        yield cluster
    await pods.close()


@pytest.fixture
async def gateway(cluster: Cluster) -> AsyncIterator[Gateway]:
    gateway = Gateway(cluster.wire)
    await gateway.start()
    yield gateway
    await gateway.stop()


async def ready(cluster: Cluster, replicas: int) -> None:
    async with asyncio.timeout(10):
        while True:
            found = await cluster.wire.get(REPLICA_SET, "default", "api")
            status = found.get("status") or {}
            if (status.get("replicas", 0), status.get("readyReplicas", 0)) == (replicas, replicas):
                return
            await asyncio.sleep(0.02)


async def scale(cluster: Cluster, replicas: int) -> None:
    await cluster.wire.patch(REPLICA_SET, "default", "api", {"spec": {"replicas": replicas}})
    await ready(cluster, replicas)


async def until_served(stats: Stats, more: int) -> None:
    wanted = stats.snapshot().total.requests + more
    await eventually(lambda: stats.snapshot().total.requests >= wanted)


async def test_pods_leave_the_traffic_before_they_close(cluster: Cluster, gateway: Gateway) -> None:
    await cluster.wire.create(SERVICE, "default", make_service("api", app="api"))
    await cluster.wire.create(REPLICA_SET, "default", replica_set("api:v1", 4, latency="30ms"))
    await ready(cluster, 4)
    stats = Stats()
    async with Load(gateway.url, "api", 200, stats=stats):
        await eventually(lambda: stats.snapshot().total.requests > 20)
        for replicas in (1, 5, 2):
            await scale(cluster, replicas)
            await until_served(stats, 50)
    assert stats.snapshot().total.statuses.keys() == {200}


async def test_pods_that_are_killed_under_traffic_are_noticed(cluster: Cluster, gateway: Gateway) -> None:
    await cluster.wire.create(SERVICE, "default", make_service("api", app="api"))
    await cluster.wire.create(REPLICA_SET, "default", replica_set("api:v1", 2))
    await ready(cluster, 2)
    stats = Stats()
    async with Load(gateway.url, "api", 200, stats=stats):
        await eventually(lambda: stats.snapshot().total.requests > 20)
        await cluster.wire.patch(REPLICA_SET, "default", "api", {"spec": {"replicas": 0}})
        await eventually(lambda: stats.snapshot().total.errors > 20)
    assert stats.snapshot().total.statuses.keys() == {200, 503}
