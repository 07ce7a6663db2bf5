"""What controllers make of objects, beside a real API server and in the sandbox: budgets, garbage, addresses."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

import pytest
import pytest_asyncio

from rollouts.kube.errors import NotFound, TooManyRequests
from rollouts.kube.refs import CONFIG_MAP, DEPLOYMENT, ENDPOINTS, NAMESPACE, POD, REPLICA_SET, SERVICE, Obj, Resource
from rollouts.sandbox.apiserver.types.registry import ENDPOINT_SLICE, POD_DISRUPTION_BUDGET
from rollouts.sandbox.cluster import Cluster
from rollouts.sandbox.kubelet.kubelet import Timing
from tests.cluster.connecting import connected
from tests.sandbox.cluster_objects import config_map, pod, workload

T = TypeVar("T")
_LONGEST = 60.0
"""Seconds that anything is waited for: real controllers have their own mind about when."""
_HOLD = "example.com/hold"


@pytest_asyncio.fixture(params=["sandbox", pytest.param("real", marks=pytest.mark.cluster)])
async def cluster(request: pytest.FixtureRequest) -> AsyncIterator[Cluster]:
    """A cluster with its controllers and a kubelet."""
    timing = Timing(0.1, 0.1)
    if request.param == "real":
        kubeconfig = request.getfixturevalue("plane").kubeconfig
        async with (
            connected(kubeconfig) as wire,
            Cluster(wire=wire, controllers=(), crds=(), timing=timing) as made,
        ):
            yield made
    else:
        async with Cluster(timing=timing) as made:
            yield made


class Room:
    """A namespace of the test's own."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self.wire, self.namespace = cluster.wire, name

    async def create(self, resource: Resource, obj: Obj, **options: Any) -> Obj:
        return await self.wire.create(resource, self.namespace, obj, **options)

    async def get(self, resource: Resource, name: str) -> Obj:
        return await self.wire.get(resource, self.namespace, name)

    async def find(self, resource: Resource, name: str) -> Obj | None:
        try:
            return await self.get(resource, name)
        except NotFound:
            return None

    async def all(self, resource: Resource) -> list[Obj]:
        return list((await self.wire.list(resource, self.namespace)).items)

    async def patch(self, resource: Resource, name: str, patch: Obj) -> Obj:
        return await self.wire.patch(resource, self.namespace, name, patch)

    async def delete(self, resource: Resource, name: str, propagation: Any = "Background") -> None:
        await self.wire.delete(resource, self.namespace, name, propagation=propagation)

    async def evict(self, name: str) -> str:
        """What becomes of an eviction: "" or the cause of a refusal."""
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
        try:
            await self.create(POD, eviction, name=name, subresource="eviction")
        except TooManyRequests as error:
            return str(error.details["causes"][0]["message"])
        return ""


async def until(look: Callable[[], Awaitable[T]], holds: Callable[[T], bool]) -> T:
    """What is seen once something holds of it."""
    seen: Any = None
    try:
        async with asyncio.timeout(_LONGEST):
            while not holds(seen := await look()):  # noqa: ASYNC110 - an API server tells nobody; bounded above
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise AssertionError(f"still {seen}") from None
    return seen  # type: ignore[no-any-return] # what look answered


@pytest_asyncio.fixture
async def room(cluster: Cluster) -> Room:
    made = Room(cluster, f"c{secrets.token_hex(4)}")
    await cluster.wire.create(NAMESPACE, "", {"metadata": {"name": made.namespace}})
    return made


# ── disruption budgets ──


async def _budget(room: Room, **spec: Any) -> None:
    selector = {"matchLabels": {"app": "web"}}
    await room.create(POD_DISRUPTION_BUDGET, {"metadata": {"name": "guard"}, "spec": {"selector": selector, **spec}})


async def _counted(room: Room, **wanted: int) -> Obj:
    """The budget's status once it says this, of the present spec."""

    async def look() -> Obj:
        found = await room.get(POD_DISRUPTION_BUDGET, "guard")
        return {**(found.get("status") or {}), "of": found["metadata"]["generation"]}

    return await until(look, lambda now: wanted.items() <= now.items() and now.get("observedGeneration") == now["of"])


@pytest.mark.parametrize("kind", [REPLICA_SET, DEPLOYMENT], ids=lambda kind: kind.plural)
@pytest.mark.parametrize(
    ("spec", "desired"),
    [
        ({"minAvailable": 2}, 2),
        ({"minAvailable": "60%"}, 2),
        ({"maxUnavailable": 1}, 2),
        ({"maxUnavailable": "34%"}, 1),
    ],
    ids=str,
)
async def test_a_budget_counts_the_pods_of_a_workload(room: Room, kind: Resource, spec: Obj, desired: int) -> None:
    await room.create(kind, workload("web", replicas=3))
    await _budget(room, **spec)
    status = await _counted(room, currentHealthy=3, desiredHealthy=desired, expectedPods=3)
    assert status["disruptionsAllowed"] == 3 - desired
    (condition,) = status["conditions"]
    assert (condition["type"], condition["status"], condition["reason"], condition["message"]) == (
        "DisruptionAllowed",
        "True",
        "SufficientPods",
        "",
    )


async def test_pods_go_one_after_the_other_as_others_take_their_place(room: Room) -> None:
    await room.create(REPLICA_SET, workload("web", replicas=2))
    await _budget(room, minAvailable=1)
    await _counted(room, currentHealthy=2, disruptionsAllowed=1)
    first, second = (each["metadata"]["name"] for each in await room.all(POD))
    assert await room.evict(first) == ""
    assert "The disruption budget guard needs 1 healthy pods and has " in await room.evict(second)
    await _counted(room, currentHealthy=2, disruptionsAllowed=1)
    assert await room.evict(second) == ""
    await until(lambda: room.find(POD, second), lambda pod: pod is None)


async def test_pods_without_a_controller_count_only_where_a_number_has_to_stay(room: Room) -> None:
    for name in "ab":
        await room.create(POD, pod(name))
    await _budget(room, minAvailable=1)
    await _counted(room, currentHealthy=2, desiredHealthy=1, expectedPods=2, disruptionsAllowed=1)
    await room.patch(POD_DISRUPTION_BUDGET, "guard", {"spec": {"minAvailable": "50%"}})
    await _counted(room, currentHealthy=2, desiredHealthy=0, expectedPods=0, disruptionsAllowed=0)
    assert await room.evict("a") == "The disruption budget guard needs 0 healthy pods and has 2 currently"


async def test_a_budget_without_pods_and_one_that_asks_for_more_than_there_are_let_nobody_go(room: Room) -> None:
    await _budget(room, minAvailable=3)
    status = await _counted(room, currentHealthy=0, desiredHealthy=3, expectedPods=0, disruptionsAllowed=0)
    assert [(each["status"], each["reason"]) for each in status["conditions"]] == [("False", "InsufficientPods")]
    await room.create(REPLICA_SET, workload("web", replicas=2))
    await _counted(room, currentHealthy=2, desiredHealthy=3, expectedPods=2, disruptionsAllowed=0)


async def test_pods_of_a_controller_without_a_size_let_nobody_go(room: Room) -> None:
    owner = await room.create(CONFIG_MAP, config_map("owner"))
    await room.create(POD, _owned(pod("a"), owner, controller=True))
    await _budget(room, maxUnavailable=1)

    async def look() -> list[tuple[str, str]]:
        status = (await room.get(POD_DISRUPTION_BUDGET, "guard")).get("status") or {}
        return [(each["reason"], each["message"]) for each in status.get("conditions") or ()]

    await until(look, lambda told: told == [("SyncFailed", "configmaps does not implement the scale subresource")])


# ── owners and what they own ──


def _owned(obj: Obj, *owners: Obj, **rest: bool) -> Obj:
    references = [
        {key: owner[key] for key in ("apiVersion", "kind")}
        | {key: owner["metadata"][key] for key in ("name", "uid")}
        | rest
        for owner in owners
    ]
    return {**obj, "metadata": {**obj["metadata"], "ownerReferences": references}}


def _held(obj: Obj) -> Obj:
    return {**obj, "metadata": {**obj["metadata"], "finalizers": [_HOLD]}}


async def _gone(room: Room, resource: Resource, name: str) -> None:
    await until(lambda: room.find(resource, name), lambda found: found is None)


async def test_what_an_owner_leaves_behind_goes_after_it(room: Room) -> None:
    owner = await room.create(CONFIG_MAP, config_map("owner"))
    owned = await room.create(CONFIG_MAP, _owned(config_map("owned"), owner))
    await room.create(CONFIG_MAP, _owned(config_map("below"), owned))
    await room.delete(CONFIG_MAP, "owner")
    assert await room.find(CONFIG_MAP, "owner") is None
    for name in ("owned", "below"):
        await _gone(room, CONFIG_MAP, name)


async def test_in_the_foreground_the_owner_goes_last(room: Room) -> None:
    owner = await room.create(CONFIG_MAP, config_map("owner"))
    await room.create(CONFIG_MAP, _held(_owned(config_map("owned"), owner, blockOwnerDeletion=True)))
    await room.delete(CONFIG_MAP, "owner", "Foreground")

    async def look() -> Any:
        return (await room.get(CONFIG_MAP, "owned"))["metadata"].get("deletionTimestamp")

    await until(look, bool)
    assert (await room.get(CONFIG_MAP, "owner"))["metadata"]["finalizers"] == ["foregroundDeletion"]
    await room.patch(CONFIG_MAP, "owned", {"metadata": {"finalizers": None}})
    for name in ("owned", "owner"):
        await _gone(room, CONFIG_MAP, name)


async def test_only_what_blocks_it_holds_up_a_deletion_in_the_foreground(room: Room) -> None:
    owner = await room.create(CONFIG_MAP, config_map("owner"))
    await room.create(CONFIG_MAP, _held(_owned(config_map("owned"), owner)))
    await room.delete(CONFIG_MAP, "owner", "Foreground")
    await _gone(room, CONFIG_MAP, "owner")
    assert await room.find(CONFIG_MAP, "owned") is not None
    await room.patch(CONFIG_MAP, "owned", {"metadata": {"finalizers": None}})
    await _gone(room, CONFIG_MAP, "owned")


async def test_orphans_stay_and_forget_their_owner(room: Room) -> None:
    owner = await room.create(CONFIG_MAP, config_map("owner"))
    await room.create(CONFIG_MAP, _owned(config_map("owned"), owner))
    await room.delete(CONFIG_MAP, "owner", "Orphan")
    await _gone(room, CONFIG_MAP, "owner")
    assert "ownerReferences" not in (await room.get(CONFIG_MAP, "owned"))["metadata"]


async def test_what_has_another_owner_stays_and_forgets_the_lost_one(room: Room) -> None:
    one, other = [await room.create(CONFIG_MAP, config_map(name)) for name in ("one", "other")]
    await room.create(CONFIG_MAP, _owned(config_map("owned"), one, other))
    await room.delete(CONFIG_MAP, "one")

    async def look() -> list[str]:
        return [each["name"] for each in (await room.get(CONFIG_MAP, "owned"))["metadata"]["ownerReferences"]]

    await until(look, lambda names: names == ["other"])


async def test_what_refers_to_an_owner_that_never_was_is_garbage(room: Room) -> None:
    owner = await room.create(CONFIG_MAP, config_map("owner"))
    stranger = {**owner, "metadata": {**owner["metadata"], "uid": "01234567-89ab-cdef-0123-456789abcdef"}}
    await room.create(CONFIG_MAP, _owned(config_map("owned"), stranger))
    await _gone(room, CONFIG_MAP, "owned")


async def test_an_owner_of_a_kind_that_nobody_knows_is_believed(room: Room) -> None:
    """What is owned by a known owner goes meanwhile, so somebody was there to look."""
    unknown = {"apiVersion": "nobody.example.com/v1", "kind": "Thing", "metadata": {"name": "x", "uid": "1-2-3"}}
    await room.create(CONFIG_MAP, _owned(config_map("believed"), unknown))
    owner = await room.create(CONFIG_MAP, config_map("owner"))
    await room.create(CONFIG_MAP, _owned(config_map("owned"), owner))
    await room.delete(CONFIG_MAP, "owner")
    await _gone(room, CONFIG_MAP, "owned")
    assert await room.find(CONFIG_MAP, "believed") is not None


async def test_a_namespace_takes_everything_with_it_and_waits_for_what_is_held(room: Room) -> None:
    await room.create(REPLICA_SET, workload("web", replicas=1))
    await room.create(CONFIG_MAP, _held(config_map("held")))
    await until(lambda: room.all(POD), lambda pods: len(pods) == 1)
    await room.wire.delete(NAMESPACE, "", room.namespace, propagation="Background")

    async def look() -> Any:
        return (await room.get(CONFIG_MAP, "held"))["metadata"].get("deletionTimestamp")

    await until(look, bool)
    await until(lambda: room.all(POD), lambda pods: not pods)
    assert (await room.wire.get(NAMESPACE, "", room.namespace))["status"]["phase"] == "Terminating"
    await room.patch(CONFIG_MAP, "held", {"metadata": {"finalizers": None}})
    await _gone(room, NAMESPACE, room.namespace)


# ── who serves a Service ──


async def test_a_service_leads_to_the_ready_pods_of_its_selector(room: Room) -> None:
    await room.create(
        SERVICE, {"metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}}
    )
    await room.create(REPLICA_SET, workload("web", replicas=2))
    await until(lambda: _addresses(room), lambda found: len(found) == 2)
    assert await _addresses(room) == {each["status"]["podIP"] for each in await room.all(POD)}
    await until(lambda: _endpoints(room), lambda found: found == 2)
    await room.patch(SERVICE, "web", {"spec": {"selector": {"app": "other"}}})
    await until(lambda: _addresses(room), lambda found: not found)
    await until(lambda: _endpoints(room), lambda found: found == 0)
    await room.delete(SERVICE, "web")
    await _gone(room, ENDPOINTS, "web")
    await until(lambda: room.all(ENDPOINT_SLICE), lambda found: not found)


async def _addresses(room: Room) -> set[str]:
    """Of ready endpoints in slices."""
    endpoints = [each for one in await room.all(ENDPOINT_SLICE) for each in one.get("endpoints") or ()]
    return {address for each in endpoints if each["conditions"]["ready"] for address in each["addresses"]}


async def _endpoints(room: Room) -> int:
    found = await room.find(ENDPOINTS, "web")
    return sum(len(each.get("addresses") or ()) for each in (found or {}).get("subsets") or ())
