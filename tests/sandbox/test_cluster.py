import asyncio
import time

import pytest

from rollouts.kube.errors import Unreachable
from rollouts.kube.refs import CRD, DEPLOYMENT, POD, REPLICA_SET, Resource, name_of
from rollouts.sandbox import clock
from rollouts.sandbox.apiserver.server import ApiServer
from rollouts.sandbox.cluster import Cluster
from tests.sandbox.objects import deployment, names_of, pod, replica_set, template, until


def test_a_day_in_the_life_of_crashing_pods_takes_well_under_a_second() -> None:
    async def day() -> int:
        async with Cluster(crds=()) as cluster:
            await cluster.wire.create(DEPLOYMENT, "default", deployment(pods=template(crash="after 1h")))
            await asyncio.sleep(86_400)
            pods = (await cluster.wire.list(POD, "default")).items
            return sum(int(each["status"]["containerStatuses"][0]["restartCount"]) for each in pods)

    began = time.perf_counter()
    assert clock.run(day()) == 4 * 23
    assert time.perf_counter() - began < 1.0


@pytest.mark.virtual
async def test_a_cluster_begins_with_our_definitions() -> None:
    async with Cluster() as cluster:
        names = {name_of(each) for each in (await cluster.wire.list(CRD)).items}
    kinds = ("rollouts", "analysisruns", "analysistemplates", "clusteranalysistemplates", "experiments")
    assert names == {f"{kind}.argoproj.io" for kind in kinds}


@pytest.mark.virtual
async def test_a_cluster_that_is_left_runs_no_more() -> None:
    async with Cluster(crds=()) as cluster:
        await cluster.wire.create(REPLICA_SET, "default", replica_set())
        await asyncio.sleep(5)
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []


@pytest.mark.virtual
async def test_a_kubelet_alone_runs_pods_and_makes_none() -> None:
    server = ApiServer(clock.now)
    async with Cluster(wire=server, controllers=(), crds=()):
        await server.create(REPLICA_SET, "default", replica_set())
        await server.create(POD, "default", pod("single"))
        await until(server, POD, "single", lambda obj: obj.get("status", {}).get("phase") == "Running", limit=5)
        assert await names_of(server, POD) == ["single"]


def test_controllers_that_are_not_there_are_refused() -> None:
    with pytest.raises(ValueError, match="no such controllers: \\['statefulset'\\]"):
        Cluster(wire=ApiServer(lambda: clock.EPOCH), controllers=("statefulset",))


@pytest.mark.virtual
async def test_a_cluster_lives_through_an_unreachable_api_and_broken_watches() -> None:
    broken = False

    def fault(verb: str, resource: Resource, namespace: str, name: str, subresource: str) -> Unreachable | None:
        return Unreachable("the connection was refused") if broken else None

    async with Cluster(crds=()) as cluster:
        assert cluster.server is not None
        cluster.server.faults.append(fault)
        await cluster.wire.create(DEPLOYMENT, "default", deployment(replicas=2))
        broken = True
        await asyncio.sleep(30)
        cluster.server.disconnect()
        broken = False
        cluster.server.compact()
        await until(
            cluster.wire, DEPLOYMENT, "web", lambda obj: obj.get("status", {}).get("availableReplicas") == 2, limit=60
        )
        assert len(await names_of(cluster.wire, POD)) == 2
