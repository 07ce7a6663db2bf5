"""Watches: what a client is told, in which order, and when it has to list anew."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from rollouts.kube.errors import ApiError, Gone, Refused
from rollouts.kube.refs import CONFIG_MAP, CRD, NAMESPACE, POD
from rollouts.kube.wire import WatchEvent
from rollouts.sandbox.apiserver.server import ApiServer
from tests.sandbox.cluster_objects import config_map, pod, server

pytestmark = pytest.mark.virtual


@pytest.fixture
def api() -> ApiServer:
    return server()


async def told(events: AsyncIterator[WatchEvent]) -> list[tuple[str, str]]:
    return [(event.type, event.object["metadata"].get("name", "")) async for event in events]


async def test_a_watch_tells_what_happens_after_its_version_in_order(api: ApiServer) -> None:
    await api.create(CONFIG_MAP, "default", config_map("before"))
    version = (await api.list(CONFIG_MAP)).resource_version
    await api.create(CONFIG_MAP, "default", config_map("a"))
    await api.patch(CONFIG_MAP, "default", "a", {"data": {"x": "1"}})
    await api.delete(CONFIG_MAP, "default", "a")
    events = api.watch(CONFIG_MAP, resource_version=version, timeout=1)
    assert await told(events) == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]


async def test_a_watch_without_a_version_begins_with_what_is_there(api: ApiServer) -> None:
    await api.create(CONFIG_MAP, "default", config_map("a"))
    await api.create(CONFIG_MAP, "default", config_map("b"))
    for version in ("", "0"):
        events = api.watch(CONFIG_MAP, resource_version=version, timeout=1)
        assert await told(events) == [("ADDED", "a"), ("ADDED", "b")]


async def test_a_watch_wakes_when_something_happens(api: ApiServer) -> None:
    events = api.watch(CONFIG_MAP, "default", resource_version=str(api.store.version))
    following = asyncio.ensure_future(anext(events))
    await asyncio.sleep(10)
    assert not following.done()
    made = await api.create(CONFIG_MAP, "default", config_map("a"))
    event = await following
    assert event == WatchEvent("ADDED", made)
    assert event.object is made


async def test_a_deletion_carries_the_version_at_which_it_happened(api: ApiServer) -> None:
    made = await api.create(CONFIG_MAP, "default", config_map("a"))
    await api.delete(CONFIG_MAP, "default", "a")
    version = made["metadata"]["resourceVersion"]
    [event] = [event async for event in api.watch(CONFIG_MAP, resource_version=version, timeout=1)]
    assert int(event.object["metadata"]["resourceVersion"]) == int(version) + 1


async def test_a_selector_lets_objects_enter_and_leave_its_sight(api: ApiServer) -> None:
    version = str(api.store.version)
    await api.create(CONFIG_MAP, "default", config_map("a", {"app": "x"}))
    await api.patch(CONFIG_MAP, "default", "a", {"data": {"n": "1"}})
    await api.patch(CONFIG_MAP, "default", "a", {"metadata": {"labels": {"app": "y"}}})
    await api.patch(CONFIG_MAP, "default", "a", {"data": {"n": "2"}})
    await api.patch(CONFIG_MAP, "default", "a", {"metadata": {"labels": {"app": "x"}}})
    await api.create(CONFIG_MAP, "default", config_map("other"))
    events = api.watch(CONFIG_MAP, resource_version=version, label_selector="app=x", timeout=1)
    assert await told(events) == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a"), ("ADDED", "a")]


async def test_a_watch_can_be_on_one_namespace_or_one_object(api: ApiServer) -> None:
    await api.create(NAMESPACE, "", {"metadata": {"name": "team"}})
    version = str(api.store.version)
    await api.create(CONFIG_MAP, "default", config_map("a"))
    await api.create(CONFIG_MAP, "default", config_map("b"))
    await api.create(CONFIG_MAP, "team", config_map("c"))
    assert await told(api.watch(CONFIG_MAP, "team", resource_version=version, timeout=1)) == [("ADDED", "c")]
    one = api.watch(CONFIG_MAP, resource_version=version, field_selector="metadata.name=b", timeout=1)
    assert await told(one) == [("ADDED", "b")]


async def test_a_pod_leaves_the_sight_of_those_who_watch_for_another_phase(api: ApiServer) -> None:
    await api.create(POD, "default", pod("a"))
    version = str(api.store.version)
    await api.patch(POD, "default", "a", {"status": {"phase": "Running"}}, subresource="status")
    events = api.watch(POD, resource_version=version, field_selector="status.phase=Pending", timeout=1)
    assert await told(events) == [("DELETED", "a")]


async def test_a_version_that_is_no_longer_kept_is_gone(api: ApiServer) -> None:
    made = await api.create(CONFIG_MAP, "default", config_map("a"))
    await api.patch(CONFIG_MAP, "default", "a", {"data": {"x": "1"}})
    api.compact()
    with pytest.raises(Gone, match=r"too old resource version: \d+ \(\d+\)") as gone:
        api.watch(CONFIG_MAP, resource_version=made["metadata"]["resourceVersion"])
    assert (gone.value.code, gone.value.reason) == (410, "Expired")
    assert await told(api.watch(CONFIG_MAP, resource_version=str(api.store.version), timeout=1)) == []


async def test_a_page_of_a_list_that_is_no_longer_kept_is_gone(api: ApiServer) -> None:
    for name in "abc":
        await api.create(CONFIG_MAP, "default", config_map(name))
    page = await api.list(CONFIG_MAP, limit=1)
    await api.delete(CONFIG_MAP, "default", "c")
    api.compact()
    with pytest.raises(Gone):
        await api.list(CONFIG_MAP, limit=1, continue_token=page.continue_token)


async def test_the_history_of_a_resource_is_bounded_and_a_slow_watch_falls_out_of_it() -> None:
    api = server(history=5)
    await api.create(CONFIG_MAP, "default", config_map("a"))
    slow = api.watch(CONFIG_MAP, resource_version=str(api.store.version))
    first = asyncio.ensure_future(anext(slow))
    await asyncio.sleep(0)
    for number in range(30):
        await api.patch(CONFIG_MAP, "default", "a", {"data": {"n": str(number)}})
    with pytest.raises(Gone):
        await first


async def test_a_version_from_the_future_is_told_to_wait(api: ApiServer) -> None:
    with pytest.raises(ApiError, match="Too large resource version: 9999, current") as early:
        api.watch(CONFIG_MAP, resource_version="9999")
    assert early.value.code == 504
    with pytest.raises(Refused, match="resourceVersion is not a number"):
        api.watch(CONFIG_MAP, resource_version="soon")


async def test_a_quiet_watch_is_told_the_version_once_something_moved_elsewhere() -> None:
    api = server(bookmark_every=60)
    events = api.watch(CONFIG_MAP, resource_version=str(api.store.version), timeout=600)
    following = asyncio.ensure_future(anext(events))
    await asyncio.sleep(30)
    await api.create(POD, "default", pod("a"))
    event = await following
    assert event.type == "BOOKMARK"
    assert event.object["metadata"]["resourceVersion"] == str(api.store.version)
    assert (event.object["apiVersion"], event.object["kind"]) == ("v1", "ConfigMap")
    assert [event async for event in events] == []


async def test_bookmarks_come_on_demand_and_never_before_what_they_cover(api: ApiServer) -> None:
    events = api.watch(CONFIG_MAP, resource_version=str(api.store.version))
    following = asyncio.ensure_future(anext(events))
    await asyncio.sleep(0)
    await api.create(CONFIG_MAP, "default", config_map("a"))
    await api.create(POD, "default", pod("p"))
    api.bookmark()
    assert (await following).type == "ADDED"
    assert (await anext(events)).type == "BOOKMARK"


async def test_a_restart_ends_every_watch(api: ApiServer) -> None:
    watches = [asyncio.ensure_future(told(api.watch(kind))) for kind in (CONFIG_MAP, POD)]
    await asyncio.sleep(0)
    assert api.watching == 2
    api.disconnect()
    assert await asyncio.gather(*watches) == [[], []]
    assert api.watching == 0


async def test_a_watch_ends_after_its_timeout(api: ApiServer) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    assert await told(api.watch(CRD, timeout=300)) == []
    assert loop.time() - began == pytest.approx(300)


async def test_a_cancelled_watch_leaves_nothing_behind(api: ApiServer) -> None:
    watch = asyncio.ensure_future(told(api.watch(CONFIG_MAP)))
    await asyncio.sleep(0)
    watch.cancel()
    await asyncio.gather(watch, return_exceptions=True)
    assert api.watching == 0
    assert api.store.table(("", "configmaps")).listeners == []
