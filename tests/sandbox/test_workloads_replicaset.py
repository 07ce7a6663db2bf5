import asyncio
from collections.abc import AsyncIterator

import pytest

from rollouts.kube.errors import Refused
from rollouts.kube.refs import ENDPOINTS, POD, REPLICA_SET, SERVICE, Obj, Resource, controller_of, name_of, uid_of
from rollouts.sandbox.apiserver.types.registry import ENDPOINT_SLICE
from rollouts.sandbox.cluster import Cluster
from rollouts.sandbox.workloads.pods import deletion_order
from tests.sandbox.objects import (
    SCRIPT,
    exists,
    names_of,
    pod,
    pods_of,
    reason,
    replica_set,
    service,
    status_of,
    template,
    until,
)

pytestmark = pytest.mark.virtual


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    async with Cluster(crds=()) as running:
        yield running


async def scale(cluster: Cluster, replicas: int) -> None:
    await cluster.wire.patch(REPLICA_SET, "default", "web", {"spec": {"replicas": replicas}})


async def annotate(cluster: Cluster, name: str, key: str, value: str) -> None:
    await cluster.wire.patch(POD, "default", name, {"metadata": {"annotations": {key: value}}})


async def test_pods_are_made_named_and_counted(cluster: Cluster) -> None:
    await cluster.wire.create(REPLICA_SET, "default", replica_set(replicas=3))
    await asyncio.sleep(0.05)
    young = await cluster.wire.get(REPLICA_SET, "default", "web")
    assert status_of(young) == {"replicas": 3, "fullyLabeledReplicas": 3, "observedGeneration": 1}
    await asyncio.sleep(1)
    grown = await cluster.wire.get(REPLICA_SET, "default", "web")
    assert status_of(grown) == status_of(young) | {"readyReplicas": 3, "availableReplicas": 3}
    for each in await pods_of(cluster.wire):
        assert name_of(each).startswith("web-")
        assert len(name_of(each)) == len("web-xxxxx")
        assert (controller_of(each) or {})["uid"] == uid_of(grown)


async def test_a_pod_is_available_only_after_min_ready_seconds(cluster: Cluster) -> None:
    await cluster.wire.create(REPLICA_SET, "default", replica_set(replicas=2, minReadySeconds=30))
    await asyncio.sleep(29)
    assert "availableReplicas" not in (await cluster.wire.get(REPLICA_SET, "default", "web"))["status"]
    await asyncio.sleep(2)
    assert (await cluster.wire.get(REPLICA_SET, "default", "web"))["status"]["availableReplicas"] == 2


async def test_unready_pods_go_first_and_old_ready_ones_stay(cluster: Cluster) -> None:
    await cluster.wire.create(REPLICA_SET, "default", replica_set(replicas=1))
    await asyncio.sleep(10)
    (oldest,) = await names_of(cluster.wire, POD)
    await scale(cluster, 2)
    await asyncio.sleep(10)
    (young,) = set(await names_of(cluster.wire, POD)) - {oldest}
    await scale(cluster, 3)
    await asyncio.sleep(10)
    (youngest,) = set(await names_of(cluster.wire, POD)) - {oldest, young}
    await annotate(cluster, young, SCRIPT + "ready", "never")
    await scale(cluster, 2)
    await asyncio.sleep(10)
    assert set(await names_of(cluster.wire, POD)) == {oldest, youngest}
    await scale(cluster, 1)
    await asyncio.sleep(10)
    assert await names_of(cluster.wire, POD) == [oldest]


async def test_the_deletion_cost_decides_between_equals(cluster: Cluster) -> None:
    await cluster.wire.create(REPLICA_SET, "default", replica_set(replicas=3))
    await asyncio.sleep(10)
    _cheap, *others = await names_of(cluster.wire, POD)
    for name in others:
        await annotate(cluster, name, "controller.kubernetes.io/pod-deletion-cost", "100")
    await scale(cluster, 2)
    await asyncio.sleep(10)
    assert set(await names_of(cluster.wire, POD)) == set(others)


async def test_a_pod_that_is_gone_is_replaced(cluster: Cluster) -> None:
    await cluster.wire.create(REPLICA_SET, "default", replica_set(replicas=2))
    await asyncio.sleep(5)
    lost, kept = await names_of(cluster.wire, POD)
    await cluster.wire.delete(POD, "default", lost)
    await asyncio.sleep(5)
    names = await names_of(cluster.wire, POD)
    assert (len(names), kept in names, lost in names) == (2, True, False)


async def test_a_failed_pod_is_replaced_and_counts_no_more(cluster: Cluster) -> None:
    await cluster.wire.create(REPLICA_SET, "default", replica_set(replicas=1))
    await asyncio.sleep(5)
    (name,) = await names_of(cluster.wire, POD)
    await cluster.wire.patch(POD, "default", name, {"status": {"phase": "Failed"}}, subresource="status")
    await asyncio.sleep(5)
    assert len(await names_of(cluster.wire, POD)) == 2
    assert (await cluster.wire.get(REPLICA_SET, "default", "web"))["status"]["replicas"] == 1


async def test_a_matching_orphan_is_adopted_rather_than_a_pod_made(cluster: Cluster) -> None:
    await cluster.wire.create(POD, "default", pod("stray"))
    await asyncio.sleep(5)
    await cluster.wire.create(REPLICA_SET, "default", replica_set(replicas=2))
    await asyncio.sleep(5)
    names = await names_of(cluster.wire, POD)
    assert (len(names), "stray" in names) == (2, True)
    adopted = await cluster.wire.get(POD, "default", "stray")
    assert (controller_of(adopted) or {})["name"] == "web"


async def test_a_pod_that_matches_no_more_is_released_and_replaced(cluster: Cluster) -> None:
    await cluster.wire.create(REPLICA_SET, "default", replica_set(replicas=2))
    await asyncio.sleep(5)
    strange, _ = await names_of(cluster.wire, POD)
    await cluster.wire.patch(POD, "default", strange, {"metadata": {"labels": {"app": "other"}}})
    await asyncio.sleep(5)
    assert controller_of(await cluster.wire.get(POD, "default", strange)) is None
    assert len(await pods_of(cluster.wire, "app=web")) == 2


async def test_refused_pods_are_told_in_a_condition_and_tried_again(cluster: Cluster) -> None:
    refused = 3

    def quota(verb: str, resource: Resource, namespace: str, name: str, subresource: str) -> Refused | None:
        nonlocal refused
        if (verb, resource, subresource) != ("create", POD, "") or refused == 0:
            return None
        refused -= 1
        return Refused("pods are forbidden: exceeded quota", code=403, reason="Forbidden")

    assert cluster.server is not None
    cluster.server.faults.append(quota)
    await cluster.wire.create(REPLICA_SET, "default", replica_set(replicas=1))
    await asyncio.sleep(0.01)
    failed = await cluster.wire.get(REPLICA_SET, "default", "web")
    assert reason(failed, "ReplicaFailure") == ("True", "FailedCreate")
    well = await until(cluster.wire, REPLICA_SET, "web", lambda obj: obj["status"].get("readyReplicas") == 1)
    assert "conditions" not in well["status"]


async def test_pods_that_crash_keep_the_set_from_being_ready(cluster: Cluster) -> None:
    await cluster.wire.create(REPLICA_SET, "default", replica_set(pods=template(crash="always"), replicas=2))
    await asyncio.sleep(3600)
    status = (await cluster.wire.get(REPLICA_SET, "default", "web"))["status"]
    assert (status["replicas"], status.get("readyReplicas", 0)) == (2, 0)


async def test_a_service_leads_to_ready_pods_only(cluster: Cluster) -> None:
    await cluster.wire.create(SERVICE, "default", service())
    await cluster.wire.create(REPLICA_SET, "default", replica_set(replicas=2))
    await asyncio.sleep(5)
    sick, well = await pods_of(cluster.wire)
    await annotate(cluster, name_of(sick), SCRIPT + "ready", "never")
    await asyncio.sleep(1)
    (subset,) = (await cluster.wire.get(ENDPOINTS, "default", "web"))["subsets"]
    assert [each["ip"] for each in subset["addresses"]] == [well["status"]["podIP"]]
    assert [each["ip"] for each in subset["notReadyAddresses"]] == [sick["status"]["podIP"]]
    assert subset["ports"] == [{"name": "web", "port": 8080, "protocol": "TCP"}]
    (piece,) = (await cluster.wire.list(ENDPOINT_SLICE, "default")).items
    ready = {each["addresses"][0]: each["conditions"]["ready"] for each in piece["endpoints"]}
    assert ready == {well["status"]["podIP"]: True, sick["status"]["podIP"]: False}
    assert piece["metadata"]["labels"]["kubernetes.io/service-name"] == "web"


async def test_a_service_leaves_pods_when_its_selector_or_they_go(cluster: Cluster) -> None:
    await cluster.wire.create(SERVICE, "default", service(app="web"))
    await cluster.wire.create(REPLICA_SET, "default", replica_set(replicas=2))
    await asyncio.sleep(5)
    gone, left = await pods_of(cluster.wire)
    await cluster.wire.delete(POD, "default", name_of(gone))
    await asyncio.sleep(0.05)
    addresses = (await cluster.wire.get(ENDPOINTS, "default", "web"))["subsets"][0]["addresses"]
    assert [each["ip"] for each in addresses] == [left["status"]["podIP"]]
    await cluster.wire.patch(SERVICE, "default", "web", {"spec": {"selector": {"app": "other"}}})
    await asyncio.sleep(0.05)
    assert not (await cluster.wire.get(ENDPOINTS, "default", "web")).get("subsets")
    await cluster.wire.delete(SERVICE, "default", "web")
    await asyncio.sleep(1)
    assert not await exists(cluster.wire, ENDPOINTS, "web")
    assert not (await cluster.wire.list(ENDPOINT_SLICE, "default")).items


def test_pods_that_would_be_missed_least_are_deleted_first() -> None:
    def one(name: str, phase: str, node: str = "sandbox", ready_since: str = "", restarts: int = 0) -> Obj:
        conditions = [{"type": "Ready", "status": "True", "lastTransitionTime": ready_since}] if ready_since else []
        containers = [{"restartCount": restarts}]
        status = {"phase": phase, "conditions": conditions, "containerStatuses": containers}
        metadata = {"name": name, "creationTimestamp": "2026-01-01T00:00:00Z"}
        return {"metadata": metadata, "spec": {"nodeName": node}, "status": status}

    ranked = [
        one("unscheduled", "Pending", node=""),
        one("pending", "Pending"),
        one("unready", "Running"),
        one("lately-ready", "Running", ready_since="2026-01-01T03:00:00Z"),
        one("restarted", "Running", ready_since="2026-01-01T01:00:00Z", restarts=2),
        one("steady", "Running", ready_since="2026-01-01T01:00:00Z"),
    ]
    assert deletion_order(reversed(ranked)) == ranked
