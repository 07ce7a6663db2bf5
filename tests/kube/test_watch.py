"""List, watch, and everything that may come between, with scripted answers in virtual time."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from rollouts.kube.cache import Cache
from rollouts.kube.errors import ApiError, Gone, NotFound, Refused, Unreachable
from rollouts.kube.refs import ROLLOUT, name_of
from rollouts.kube.watch import Pace, Watcher
from rollouts.kube.wire import Listing
from tests.kube.scripted import ScriptedWire, Stream, bookmark, event, loop_time, stopped, thing, until

PACE = Pace()

pytestmark = pytest.mark.virtual


@asynccontextmanager
async def watching(wire: ScriptedWire, *, optional: bool = False, pace: Pace = PACE) -> AsyncIterator[Watcher]:
    watcher = Watcher(wire, Cache(ROLLOUT), optional=optional, pace=pace, jitter=lambda: 1.0)  # type: ignore[arg-type] # because a script knows reads only
    task = asyncio.create_task(watcher.run())
    try:
        yield watcher
    finally:
        await stopped(task)


def names(watcher: Watcher) -> list[str]:
    return [name_of(obj) for obj in watcher.cache.objects()]


async def test_a_list_then_a_watch_keep_the_cache_equal_to_the_server() -> None:
    said = [event("ADDED", thing("b", 11)), event("MODIFIED", thing("a", 12)), event("DELETED", thing("b", 13))]
    wire = ScriptedWire([Listing([thing("a", 5)], "10")], [Stream([*said])])
    async with watching(wire) as watcher:
        await watcher.synced.wait()
        await asyncio.sleep(1)
        assert watcher.cache.objects() == [thing("a", 12)]
    assert wire.verbs() == ["list", "watch"]
    assert wire.asked[1].version == "10"


async def test_a_watch_that_ends_goes_on_from_the_last_version_without_a_new_list() -> None:
    wire = ScriptedWire(
        [Listing([], "10")],
        [Stream([5.0, event("ADDED", thing("a", 11))], ends=True), Stream([5.0, bookmark(40)], ends=True)],
    )
    async with watching(wire):
        await asyncio.sleep(60)
    assert [(asked.verb, asked.version) for asked in wire.asked] == [
        ("list", ""),
        ("watch", "10"),
        ("watch", "11"),
        ("watch", "40"),
    ]


async def test_a_gone_version_leads_to_a_new_list_at_once() -> None:
    wire = ScriptedWire([Listing([thing("a", 5)], "10"), Listing([thing("b", 20)], "30")], [Gone("too old")])
    async with watching(wire) as watcher:
        await until(lambda: names(watcher) == ["b"])
        assert loop_time() < 0.1
    assert wire.verbs()[:3] == ["list", "watch", "list"]


async def test_a_version_that_is_always_gone_does_not_make_the_watcher_spin() -> None:
    wire = ScriptedWire([Listing([], "10")], [Gone("too old") for _ in range(1000)])
    async with watching(wire):
        await asyncio.sleep(100)
    assert len(wire.asked) < 50


async def test_an_unreachable_server_is_asked_again_with_back_off() -> None:
    wire = ScriptedWire([*[Unreachable("no answer")] * 9, Listing([thing("a", 5)], "10")])
    async with watching(wire) as watcher:
        await watcher.synced.wait()
        assert names(watcher) == ["a"]
    times = [asked.at for asked in wire.asked if asked.verb == "list"]
    gaps = [round(later - earlier, 1) for earlier, later in itertools.pairwise(times)]
    assert gaps == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10, 10, 10]


async def test_a_connection_that_breaks_in_the_middle_goes_on_from_the_last_version() -> None:
    broken = Stream([event("ADDED", thing("a", 11))], error=Unreachable("connection reset"))
    wire = ScriptedWire([Listing([], "10")], [broken, Stream([event("ADDED", thing("b", 12))])])
    async with watching(wire) as watcher:
        await until(lambda: names(watcher) == ["a", "b"])
    assert wire.verbs() == ["list", "watch", "watch"]
    assert wire.asked[2].version == "11"


async def test_a_silent_stream_is_given_up_and_asked_for_anew() -> None:
    wire = ScriptedWire([Listing([], "10")], [Stream([100.0, bookmark(11)]), Stream([event("ADDED", thing("a", 12))])])
    async with watching(wire, pace=Pace(lifetime=10_000, silence=180)) as watcher:
        await until(lambda: names(watcher) == ["a"])
        assert 279 < loop_time() < 281
        assert wire.closed == 1, "the dead stream's connection is freed"
    assert wire.asked[2].version == "11"


async def test_a_stream_in_this_process_may_be_silent_for_days() -> None:
    wire = ScriptedWire([Listing([], "10")])
    async with watching(wire, pace=Pace(lifetime=86400 * 7, silence=0)):
        await asyncio.sleep(86400 * 6)
    assert wire.verbs() == ["list", "watch"]


async def test_a_server_that_ends_every_watch_at_once_is_not_hammered() -> None:
    wire = ScriptedWire([Listing([], "10")], [Stream(ends=True) for _ in range(1000)])
    async with watching(wire):
        await asyncio.sleep(60)
    assert len(wire.asked) < 20


async def test_long_lists_come_in_pages() -> None:
    pages = [
        Listing([thing("a", 1)], "10", "next"),
        Listing([thing("b", 2)], "10", "last"),
        Listing([thing("c", 3)], "10"),
    ]
    wire = ScriptedWire([*pages])
    async with watching(wire) as watcher:
        await watcher.synced.wait()
        assert names(watcher) == ["a", "b", "c"]
    assert [asked.token for asked in wire.asked if asked.verb == "list"] == ["", "next", "last"]


async def test_pages_that_went_stale_are_asked_for_in_one_piece() -> None:
    wire = ScriptedWire(
        [Listing([thing("a", 1)], "10", "next"), Gone("continue token expired"), Listing([thing("b", 20)], "30")]
    )
    async with watching(wire) as watcher:
        await watcher.synced.wait()
        assert names(watcher) == ["b"]
    assert [asked.limit for asked in wire.asked if asked.verb == "list"] == [500, 500, 0]
    assert wire.asked[-1].version == "30"


async def test_an_optional_kind_that_is_not_installed_counts_as_synced_and_is_found_later() -> None:
    absent: list[Listing | Exception] = [NotFound("the server does not know virtualservices")] * 3
    wire = ScriptedWire([*absent, Listing([thing("a", 5)], "10")])
    async with watching(wire, optional=True, pace=Pace(probe=60)) as watcher:
        await watcher.synced.wait()
        assert watcher.absent
        await until(lambda: names(watcher) == ["a"])
        assert 179 < loop_time() < 181
        assert not watcher.absent


async def test_a_kind_whose_definition_is_removed_leaves_the_cache() -> None:
    wire = ScriptedWire(
        [Listing([thing("a", 5)], "10"), NotFound("gone with its definition")], [NotFound("no such kind")]
    )
    async with watching(wire, optional=True) as watcher:
        await until(lambda: watcher.absent)
        await until(lambda: names(watcher) == [])


async def test_a_needed_kind_that_is_not_there_is_not_synced() -> None:
    refusals: list[ApiError] = [NotFound("no such kind"), Refused("forbidden", code=403)]
    for refusal in refusals:
        wire = ScriptedWire([refusal])
        async with watching(wire) as watcher:
            await asyncio.sleep(120)
            assert not watcher.synced.is_set()
        assert 10 < len(wire.asked) < 30
