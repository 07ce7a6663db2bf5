"""Watches on both kinds of API server: order, selectors, and versions that are too old."""

import asyncio
import secrets
from collections.abc import AsyncIterator

import pytest

from rollouts.kube.errors import Gone, NotFound
from rollouts.kube.refs import CONFIG_MAP, NAMESPACE, Obj, Resource
from rollouts.kube.wire import WatchEvent, Wire
from rollouts.sandbox.controlplane.plane import ControlPlane
from tests.cluster.connecting import connected
from tests.cluster.door import door
from tests.cluster.recorder import Recorder
from tests.sandbox.cluster_objects import config_map, widgets


@pytest.fixture
async def namespace(wire: Wire) -> str:
    name = f"w{secrets.token_hex(4)}"
    await wire.create(NAMESPACE, "", {"metadata": {"name": name}})
    return name


async def told(events: AsyncIterator[WatchEvent], until: str) -> list[tuple[str, str]]:
    """(type, name) of what a watch tells, bookmarks left out, up to the event about the object with this name."""
    seen: list[tuple[str, str]] = []
    async with asyncio.timeout(30):
        async for event in events:
            if event.type != "BOOKMARK":
                seen.append((event.type, event.object["metadata"]["name"]))
                if seen[-1][1] == until:
                    break
    return seen


async def test_a_watch_tells_what_happens_after_its_version_in_order(wire: Wire, namespace: str) -> None:
    await wire.create(CONFIG_MAP, namespace, config_map("before"))
    version = (await wire.list(CONFIG_MAP, namespace)).resource_version
    await wire.create(CONFIG_MAP, namespace, config_map("a"))
    await wire.patch(CONFIG_MAP, namespace, "a", {"data": {"x": "1"}})
    await wire.delete(CONFIG_MAP, namespace, "a")
    await wire.create(CONFIG_MAP, namespace, config_map("end"))
    events = wire.watch(CONFIG_MAP, namespace, resource_version=version)
    assert await told(events, "end") == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a"), ("ADDED", "end")]


async def test_a_watch_without_a_version_begins_with_what_is_there(wire: Wire, namespace: str) -> None:
    for name in ("a", "b", "end"):
        await wire.create(CONFIG_MAP, namespace, config_map(name))
    for version in ("", "0"):
        events = await told(wire.watch(CONFIG_MAP, namespace, resource_version=version), "end")
        assert events == [("ADDED", "a"), ("ADDED", "b"), ("ADDED", "end")]


async def test_a_selector_lets_objects_enter_and_leave_its_sight(wire: Wire, namespace: str) -> None:
    version = (await wire.list(CONFIG_MAP, namespace)).resource_version
    changes: list[Obj] = [
        {"data": {"n": "1"}},
        {"metadata": {"labels": {"app": "y"}}},
        {"data": {"n": "2"}},
        {"metadata": {"labels": {"app": "x"}}},
    ]
    await wire.create(CONFIG_MAP, namespace, config_map("a", {"app": "x"}))
    for change in changes:
        await wire.patch(CONFIG_MAP, namespace, "a", change)
    await wire.create(CONFIG_MAP, namespace, config_map("end", {"app": "x"}))
    events = wire.watch(CONFIG_MAP, namespace, resource_version=version, label_selector="app=x")
    expected = [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a"), ("ADDED", "a"), ("ADDED", "end")]
    assert await told(events, "end") == expected


async def test_a_deletion_carries_the_version_at_which_it_happened(wire: Wire, namespace: str) -> None:
    made = await wire.create(CONFIG_MAP, namespace, config_map("end"))
    await wire.delete(CONFIG_MAP, namespace, "end")
    version = made["metadata"]["resourceVersion"]
    event = await anext(wire.watch(CONFIG_MAP, namespace, resource_version=version))
    assert event.type == "DELETED"
    assert int(event.object["metadata"]["resourceVersion"]) > int(version)


async def test_a_watch_that_was_told_how_long_to_last_ends_by_itself(wire: Wire, namespace: str) -> None:
    version = (await wire.list(CONFIG_MAP, namespace)).resource_version
    async with asyncio.timeout(30):
        events = [event async for event in wire.watch(CONFIG_MAP, namespace, resource_version=version, timeout=2)]
    assert {event.type for event in events} <= {"BOOKMARK"}


@pytest.mark.cluster
async def test_a_version_from_before_a_kind_was_there_is_gone(bare: ControlPlane) -> None:
    """In the words in which the sandbox says it, too, once its history is compacted."""
    async with connected(bare.kubeconfig) as wire, door(bare.kubeconfig_of(bare.token)) as opened:
        kind = await Recorder(wire, f"w{secrets.token_hex(4)}", opened).define(widgets())
        with pytest.raises(Gone, match=r"too old resource version: 1 \(\d+\)") as gone:
            await anext(wire.watch(kind, "default", resource_version="1"))
    assert (gone.value.code, gone.value.reason) == (410, "Expired")


async def test_a_kind_that_nobody_defined_cannot_be_watched(wire: Wire, namespace: str) -> None:
    unknown = Resource(f"{namespace}.example.com", "v1", "rollouts", "Rollout")
    with pytest.raises(NotFound):
        await anext(wire.watch(unknown, namespace))
