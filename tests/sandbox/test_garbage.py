import asyncio
from collections.abc import AsyncIterator

import pytest

from rollouts.kube.refs import CONFIG_MAP, DEPLOYMENT, NAMESPACE, POD, REPLICA_SET, ROLLOUT, Obj, uid_of
from rollouts.sandbox.cluster import Cluster
from tests.sandbox.objects import deployment, exists, names_of, pod, replica_set

pytestmark = pytest.mark.virtual


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    async with Cluster(crds=()) as running:
        yield running


def config(name: str, *owners: Obj, blocks: bool = False, finalizers: tuple[str, ...] = ()) -> Obj:
    references = [
        {
            "apiVersion": owner["apiVersion"],
            "kind": owner["kind"],
            "name": owner["metadata"]["name"],
            "uid": uid_of(owner),
            "blockOwnerDeletion": blocks,
        }
        for owner in owners
    ]
    metadata = {"name": name, "ownerReferences": references, "finalizers": list(finalizers)}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}


async def make(
    cluster: Cluster, name: str, *owners: Obj, blocks: bool = False, finalizers: tuple[str, ...] = ()
) -> Obj:
    wanted = config(name, *owners, blocks=blocks, finalizers=finalizers)
    return await cluster.wire.create(CONFIG_MAP, "default", wanted)


async def test_a_deployments_replica_sets_and_pods_go_after_it(cluster: Cluster) -> None:
    await cluster.wire.create(DEPLOYMENT, "default", deployment())
    await asyncio.sleep(5)
    assert len(await names_of(cluster.wire, POD)) == 4
    await cluster.wire.delete(DEPLOYMENT, "default", "web")
    assert not await exists(cluster.wire, DEPLOYMENT, "web")
    await asyncio.sleep(5)
    assert not await names_of(cluster.wire, REPLICA_SET)
    assert not await names_of(cluster.wire, POD)


async def test_in_the_foreground_the_owner_goes_last(cluster: Cluster) -> None:
    await cluster.wire.create(DEPLOYMENT, "default", deployment())
    await asyncio.sleep(5)
    await cluster.wire.delete(DEPLOYMENT, "default", "web", propagation="Foreground")
    await asyncio.sleep(0.1)
    assert len(await names_of(cluster.wire, POD)) == 4, "pods take time to stop"
    assert await exists(cluster.wire, DEPLOYMENT, "web")
    assert await names_of(cluster.wire, REPLICA_SET)
    await asyncio.sleep(5)
    assert not await exists(cluster.wire, DEPLOYMENT, "web")
    assert not await names_of(cluster.wire, REPLICA_SET)
    assert not await names_of(cluster.wire, POD)


async def test_orphans_stay_and_forget_their_owner(cluster: Cluster) -> None:
    await cluster.wire.create(REPLICA_SET, "default", replica_set(replicas=2))
    await asyncio.sleep(5)
    await cluster.wire.delete(REPLICA_SET, "default", "web", propagation="Orphan")
    await asyncio.sleep(5)
    assert not await exists(cluster.wire, REPLICA_SET, "web")
    left = (await cluster.wire.list(POD, "default")).items
    assert [each["metadata"].get("ownerReferences") for each in left] == [None, None]


async def test_what_has_another_owner_stays_and_forgets_the_lost_one(cluster: Cluster) -> None:
    first, second = await make(cluster, "first"), await make(cluster, "second")
    await make(cluster, "child", first, second)
    await cluster.wire.delete(CONFIG_MAP, "default", "first")
    await asyncio.sleep(1)
    child = await cluster.wire.get(CONFIG_MAP, "default", "child")
    assert [each["name"] for each in child["metadata"]["ownerReferences"]] == ["second"]
    await cluster.wire.delete(CONFIG_MAP, "default", "second")
    await asyncio.sleep(1)
    assert not await exists(cluster.wire, CONFIG_MAP, "child")


async def test_only_blocking_dependents_hold_up_a_foreground_deletion(cluster: Cluster) -> None:
    owner = await make(cluster, "owner")
    await make(cluster, "free", owner, finalizers=("example.com/slow",))
    await make(cluster, "blocking", owner, blocks=True, finalizers=("example.com/slow",))
    await asyncio.sleep(1)
    await cluster.wire.delete(CONFIG_MAP, "default", "owner", propagation="Foreground")
    await asyncio.sleep(60)
    assert await exists(cluster.wire, CONFIG_MAP, "owner")
    await cluster.wire.patch(CONFIG_MAP, "default", "blocking", {"metadata": {"finalizers": None}})
    await asyncio.sleep(1)
    assert not await exists(cluster.wire, CONFIG_MAP, "owner")
    freed = await cluster.wire.get(CONFIG_MAP, "default", "free")
    assert freed["metadata"]["deletionTimestamp"]


async def test_a_reference_to_an_owner_that_never_was_is_garbage(cluster: Cluster) -> None:
    owner = await make(cluster, "owner")
    await make(cluster, "impostor", {**owner, "metadata": {"name": "owner", "uid": "another"}})
    await asyncio.sleep(1)
    assert not await exists(cluster.wire, CONFIG_MAP, "impostor")
    assert await exists(cluster.wire, CONFIG_MAP, "owner")


async def test_an_owner_of_an_unknown_kind_is_believed(cluster: Cluster) -> None:
    stranger = {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "x", "uid": "y"}}
    await make(cluster, "child", stranger)
    await asyncio.sleep(3600)
    assert await exists(cluster.wire, CONFIG_MAP, "child")


async def test_custom_resources_own_as_well_as_any() -> None:
    async with Cluster() as cluster:
        rollout = {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Rollout",
            "metadata": {"name": "web"},
            "spec": replica_set()["spec"] | {"strategy": {"canary": {}}},
        }
        owner = await cluster.wire.create(ROLLOUT, "default", rollout)
        await make(cluster, "child", owner)
        await asyncio.sleep(1)
        assert await exists(cluster.wire, CONFIG_MAP, "child")
        await cluster.wire.delete(ROLLOUT, "default", "web")
        await asyncio.sleep(1)
        assert not await exists(cluster.wire, CONFIG_MAP, "child")


async def test_a_namespace_takes_everything_with_it(cluster: Cluster) -> None:
    await cluster.wire.create(NAMESPACE, "", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}})
    await cluster.wire.create(DEPLOYMENT, "team", deployment())
    await cluster.wire.create(POD, "team", pod("single"))
    await asyncio.sleep(5)
    await cluster.wire.delete(NAMESPACE, "", "team")
    await asyncio.sleep(10)
    assert "team" not in {each["metadata"]["name"] for each in (await cluster.wire.list(NAMESPACE)).items}
    assert not (await cluster.wire.list(POD)).items
    assert not (await cluster.wire.list(REPLICA_SET)).items
