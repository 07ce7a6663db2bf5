import asyncio
from collections.abc import AsyncIterator

import pytest

from rollouts.kube.refs import DEPLOYMENT, POD, REPLICA_SET, Obj
from rollouts.sandbox.cluster import Cluster
from rollouts.sandbox.workloads.pods import is_ready
from rollouts.sandbox.workloads.revisions import revision_of
from rollouts.sandbox.workloads.rolling import Bounds, Sized, bounds_of, grow, proportional, shrink
from tests.sandbox.objects import deployment, names_of, pods_of, reason, status_of, template, until

pytestmark = pytest.mark.virtual


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    async with Cluster(crds=()) as running:
        yield running


async def release(cluster: Cluster, image: str, **script: str) -> None:
    await cluster.wire.patch(DEPLOYMENT, "default", "web", {"spec": {"template": template(image=image, **script)}})


def complete(obj: Obj) -> bool:
    status, asked = status_of(obj), obj["spec"]["replicas"]
    counts = [status.get(name, 0) for name in ("replicas", "updatedReplicas", "availableReplicas")]
    return status.get("observedGeneration") == obj["metadata"]["generation"] and counts == [asked] * 3


async def started(cluster: Cluster, **wanted: object) -> None:
    await cluster.wire.create(DEPLOYMENT, "default", deployment(**wanted))  # type: ignore[arg-type] # as the builder takes them
    await until(cluster.wire, DEPLOYMENT, "web", complete)


async def images(cluster: Cluster) -> list[str]:
    return sorted({each["spec"]["containers"][0]["image"] for each in await pods_of(cluster.wire)})


async def sizes(cluster: Cluster) -> dict[int, int]:
    """Replicas asked for, by revision."""
    listing = await cluster.wire.list(REPLICA_SET, "default")
    return {revision_of(each): each["spec"]["replicas"] for each in listing.items}


async def test_a_new_deployment_becomes_available(cluster: Cluster) -> None:
    await started(cluster)
    done = await cluster.wire.get(DEPLOYMENT, "default", "web")
    assert status_of(done) == {
        "observedGeneration": 2,
        "replicas": 4,
        "updatedReplicas": 4,
        "readyReplicas": 4,
        "availableReplicas": 4,
    }
    assert reason(done, "Available") == ("True", "MinimumReplicasAvailable")
    assert reason(done, "Progressing") == ("True", "NewReplicaSetAvailable")
    assert done["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "1"
    (made,) = (await cluster.wire.list(REPLICA_SET, "default")).items
    assert made["metadata"]["name"] == f"web-{made['metadata']['labels']['pod-template-hash']}"
    assert made["spec"]["selector"]["matchLabels"] == made["metadata"]["labels"]


async def test_a_rolling_update_keeps_its_bounds_all_the_way(cluster: Cluster) -> None:
    await started(cluster, minReadySeconds=5)
    await release(cluster, "web:2")
    seen = []
    async with asyncio.timeout(600):
        while await images(cluster) != ["web:2"] or not complete(await cluster.wire.get(DEPLOYMENT, "default", "web")):
            pods = [each for each in await pods_of(cluster.wire) if "deletionTimestamp" not in each["metadata"]]
            seen.append((len(pods), sum(map(is_ready, pods))))
            await asyncio.sleep(0.05)
    assert max(total for total, _ in seen) == 5, "25 % surge of 4"
    assert min(ready for _, ready in seen) == 3, "25 % unavailable of 4"
    assert await sizes(cluster) == {1: 0, 2: 4}


async def test_a_release_that_never_gets_ready_is_told_and_the_old_one_serves(cluster: Cluster) -> None:
    await started(cluster, progressDeadlineSeconds=120)
    await release(cluster, "web:2", ready="never")
    await asyncio.sleep(119)
    waiting = await cluster.wire.get(DEPLOYMENT, "default", "web")
    assert reason(waiting, "Progressing") == ("True", "ReplicaSetUpdated")
    await asyncio.sleep(3)
    stuck = await cluster.wire.get(DEPLOYMENT, "default", "web")
    assert reason(stuck, "Progressing") == ("False", "ProgressDeadlineExceeded")
    assert reason(stuck, "Available") == ("True", "MinimumReplicasAvailable")
    assert stuck["status"]["availableReplicas"] == 3
    assert await sizes(cluster) == {1: 3, 2: 2}


async def test_the_old_template_again_is_its_old_replica_set_with_a_new_revision(cluster: Cluster) -> None:
    await started(cluster)
    await release(cluster, "web:2")
    await until(cluster.wire, DEPLOYMENT, "web", complete)
    await release(cluster, "web:1")
    await until(cluster.wire, DEPLOYMENT, "web", complete)
    await asyncio.sleep(5)
    assert await sizes(cluster) == {2: 0, 3: 4}
    assert await images(cluster) == ["web:1"]
    listing = await cluster.wire.list(REPLICA_SET, "default")
    (current,) = [each for each in listing.items if each["spec"]["replicas"]]
    assert current["metadata"]["annotations"]["deployment.kubernetes.io/revision-history"] == "1"


async def test_recreate_stops_all_old_pods_before_it_starts_a_new_one(cluster: Cluster) -> None:
    await started(cluster, strategy={"type": "Recreate"})
    await release(cluster, "web:2")
    seen = set()
    async with asyncio.timeout(60):
        while not complete(await cluster.wire.get(DEPLOYMENT, "default", "web")):
            seen.add(tuple(await images(cluster)))
            await asyncio.sleep(0.02)
    assert ("web:1", "web:2") not in seen
    assert await images(cluster) == ["web:2"]


async def test_a_paused_deployment_scales_but_does_not_release(cluster: Cluster) -> None:
    await started(cluster)
    await cluster.wire.patch(DEPLOYMENT, "default", "web", {"spec": {"paused": True}})
    await release(cluster, "web:2")
    await cluster.wire.patch(DEPLOYMENT, "default", "web", {"spec": {"replicas": 6}})
    await asyncio.sleep(60)
    held = await cluster.wire.get(DEPLOYMENT, "default", "web")
    assert (await sizes(cluster), await images(cluster)) == ({1: 6}, ["web:1"])
    assert reason(held, "Progressing") == ("Unknown", "DeploymentPaused")
    await cluster.wire.patch(DEPLOYMENT, "default", "web", {"spec": {"paused": None}})
    await until(cluster.wire, DEPLOYMENT, "web", complete)
    await asyncio.sleep(5)
    assert (await sizes(cluster), await images(cluster)) == ({1: 0, 2: 6}, ["web:2"])


async def test_scaling_in_the_middle_of_an_update_keeps_the_proportions(cluster: Cluster) -> None:
    rolling = {"rollingUpdate": {"maxSurge": 2, "maxUnavailable": 0}}
    await started(cluster, replicas=8, strategy=rolling)
    await release(cluster, "web:2", ready="never")
    await asyncio.sleep(30)
    assert await sizes(cluster) == {1: 8, 2: 2}
    await cluster.wire.patch(DEPLOYMENT, "default", "web", {"spec": {"replicas": 18}})
    await asyncio.sleep(30)
    assert await sizes(cluster) == {1: 16, 2: 4}


async def test_scaled_to_zero_and_back(cluster: Cluster) -> None:
    await started(cluster)
    for replicas in (0, 3):
        await cluster.wire.patch(DEPLOYMENT, "default", "web", {"spec": {"replicas": replicas}})
        await until(cluster.wire, DEPLOYMENT, "web", complete)
        await asyncio.sleep(5)
        assert len(await names_of(cluster.wire, POD)) == replicas


async def test_history_is_kept_to_its_limit(cluster: Cluster) -> None:
    await started(cluster, revisionHistoryLimit=2)
    for number in range(2, 7):
        await release(cluster, f"web:{number}")
        await until(cluster.wire, DEPLOYMENT, "web", complete)
    await asyncio.sleep(5)
    assert await sizes(cluster) == {4: 0, 5: 0, 6: 4}


async def test_an_orphaned_replica_set_is_adopted(cluster: Cluster) -> None:
    await started(cluster)
    await cluster.wire.delete(DEPLOYMENT, "default", "web", propagation="Orphan")
    await asyncio.sleep(5)
    before = await names_of(cluster.wire, POD)
    await started(cluster)
    assert await names_of(cluster.wire, POD) == before
    assert len(await names_of(cluster.wire, REPLICA_SET)) == 1


def test_percentages_round_up_for_surge_and_down_for_unavailable() -> None:
    def bounds(surge: int | str, unavailable: int | str, replicas: int) -> Bounds:
        rolling = {"maxSurge": surge, "maxUnavailable": unavailable}
        return bounds_of(deployment(replicas=replicas, strategy={"rollingUpdate": rolling}))

    assert bounds("25%", "25%", 10) == Bounds(10, 3, 2)
    assert bounds(0, "10%", 5) == Bounds(5, 0, 1), "nothing could ever move"
    assert bounds("100%", 9, 5) == Bounds(5, 5, 5)


def test_no_step_of_the_arithmetic_ever_leaves_the_bounds() -> None:
    for replicas in range(1, 9):
        for surge in range(3):
            for unavailable in range(0 if surge else 1, 3):
                bounds = Bounds(replicas, surge, min(unavailable, replicas))
                new, old = Sized("new", 0, 0), Sized("old", replicas, replicas)
                for _ in range(4 * replicas + 4):
                    new = Sized("new", grow(new, [old], bounds), new.available)
                    kept = shrink(new, [old], bounds)["old"]
                    old = Sized("old", kept, min(kept, old.available))
                    assert new.replicas + old.replicas <= bounds.most
                    assert new.available + old.available >= bounds.least_available
                    new = Sized("new", new.replicas, new.replicas)
                assert (new.replicas, old.replicas) == (replicas, 0), bounds


def test_what_serves_nobody_is_shrunk_first() -> None:
    broken, serving = Sized("broken", 2, 0), Sized("serving", 4, 4)
    assert shrink(Sized("new", 1, 1), [broken, serving], Bounds(4, 1, 1)) == {"broken": 0, "serving": 2}


def test_proportional_scaling_spends_exactly_what_there_is() -> None:
    for replicas in range(1, 30):
        bounds = Bounds(replicas, 2, 0)
        sizes = proportional([Sized("a", 7, 7, 12), Sized("b", 3, 1, 12), Sized("c", 2, 0, 12)], bounds)
        assert sum(sizes.values()) == bounds.most
        assert min(sizes.values()) >= 0
