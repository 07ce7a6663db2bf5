"""The wire over HTTP: every verb against the sandbox's server, every fault against a server that misbehaves."""

import asyncio
import itertools
import json
from collections.abc import Callable

import pytest
from aiohttp import web

from rollouts.kube.access import Access
from rollouts.kube.cache import Cache
from rollouts.kube.clock import wall_clock
from rollouts.kube.errors import (
    AlreadyExists,
    ApiError,
    Conflict,
    Gone,
    NotFound,
    Refused,
    TooManyRequests,
    Unreachable,
)
from rollouts.kube.http import HttpWire, Request, connect
from rollouts.kube.refs import CONFIG_MAP, SECRET, Obj, name_of
from rollouts.kube.watch import Pace, Watcher
from rollouts.kube.wire import PatchType, WatchEvent
from rollouts.sandbox.apiserver.server import ApiServer
from rollouts.sandbox.apiserver.web.http import serving
from tests.kube.scripted import stopped
from tests.kube.served import AGENT, answered, config_map, refusal, wired

# ── the verbs, against the sandbox ─────────────────────────────────────────


async def test_an_object_lives_through_every_verb() -> None:
    requests: list[Request] = []
    async with wired(ApiServer(wall_clock), requests) as wire:
        made = await wire.create(CONFIG_MAP, "default", config_map("a", x="1"))
        assert await wire.get(CONFIG_MAP, "default", "a") == made
        replaced = await wire.replace(CONFIG_MAP, "default", "a", {**made, "data": {"x": "2"}})
        merged = await wire.patch(CONFIG_MAP, "default", "a", {"data": {"y": "1", "x": None}})
        assert (replaced["data"], merged["data"]) == ({"x": "2"}, {"y": "1"})
        operation = {"op": "replace", "path": "/data/y", "value": "2"}
        patched = await wire.patch(CONFIG_MAP, "default", "a", [operation], type=PatchType.JSON)
        strategic = await wire.patch(CONFIG_MAP, "default", "a", {"data": {"z": "3"}}, type=PatchType.STRATEGIC)
        assert (patched["data"], strategic["data"]) == ({"y": "2"}, {"y": "2", "z": "3"})
        listing = await wire.list(CONFIG_MAP, "default", label_selector="!nothing", field_selector="metadata.name=a")
        assert [name_of(item) for item in listing.items] == ["a"]
        assert listing.items[0]["kind"] == "ConfigMap"
        await wire.delete(CONFIG_MAP, "default", "a", propagation="Background", uid=made["metadata"]["uid"])
        with pytest.raises(NotFound, match="configmaps"):
            await wire.get(CONFIG_MAP, "default", "a")
    verbs = [request.verb for request in requests]
    assert verbs == ["Create", "Get", "Update", "Patch", "Patch", "Patch", "List", "Delete", "Get"]
    assert requests[0] == Request("Create", CONFIG_MAP, "default", "a", 201)
    assert requests[-1].status == 404


async def test_server_side_apply_names_its_manager() -> None:
    async with wired(ApiServer(wall_clock)) as wire:
        applied = await wire.patch(
            CONFIG_MAP, "default", "a", config_map("a", x="1"), type=PatchType.APPLY, field_manager="me", force=True
        )
        assert applied["metadata"]["managedFields"][0]["manager"] == "me"


async def test_refusals_are_told_apart() -> None:
    async with wired(ApiServer(wall_clock)) as wire:
        made = await wire.create(CONFIG_MAP, "default", config_map("a"))
        with pytest.raises(AlreadyExists):
            await wire.create(CONFIG_MAP, "default", config_map("a"))
        await wire.patch(CONFIG_MAP, "default", "a", {"data": {"x": "1"}})
        with pytest.raises(Conflict):
            await wire.replace(CONFIG_MAP, "default", "a", made)
        with pytest.raises(Conflict):
            await wire.delete(CONFIG_MAP, "default", "a", uid="another")
        with pytest.raises(Refused):
            await wire.patch(CONFIG_MAP, "default", "a", [{"op": "sing"}], type=PatchType.JSON)


async def test_lists_come_in_pages() -> None:
    async with wired(ApiServer(wall_clock)) as wire:
        for name in "abc":
            await wire.create(CONFIG_MAP, "default", config_map(name))
        first = await wire.list(CONFIG_MAP, "default", limit=2)
        rest = await wire.list(CONFIG_MAP, "default", limit=2, continue_token=first.continue_token)
        assert [name_of(item) for item in (*first.items, *rest.items)] == ["a", "b", "c"]
        assert rest.continue_token == ""


async def test_a_watch_tells_what_changes_and_ends_with_the_wire() -> None:
    server = ApiServer(wall_clock)
    async with wired(server) as wire:
        listing = await wire.list(CONFIG_MAP, "default")
        stream = wire.watch(CONFIG_MAP, "default", resource_version=listing.resource_version, timeout=60)
        first = asyncio.ensure_future(anext(stream))
        await server.create(CONFIG_MAP, "default", config_map("a"))
        event: WatchEvent = await asyncio.wait_for(first, 5)
        assert (event.type, name_of(event.object)) == ("ADDED", "a")
        await server.delete(CONFIG_MAP, "default", "a")
        assert (await asyncio.wait_for(anext(stream), 5)).type == "DELETED"
        await server.create(
            SECRET, "default", {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "elsewhere"}}
        )
        server.bookmark()
        assert (await asyncio.wait_for(anext(stream), 5)).type == "BOOKMARK"
        server.disconnect()
        with pytest.raises(StopAsyncIteration):
            await asyncio.wait_for(anext(stream), 5)


async def test_a_watch_from_a_forgotten_version_is_gone() -> None:
    server = ApiServer(wall_clock)
    async with wired(server) as wire:
        old = (await wire.list(CONFIG_MAP, "default")).resource_version
        await server.create(CONFIG_MAP, "default", config_map("a"))
        await server.create(CONFIG_MAP, "default", config_map("b"))
        server.compact()
        with pytest.raises(Gone):
            await anext(wire.watch(CONFIG_MAP, "default", resource_version=old))


async def eventually(condition: Callable[[], object]) -> None:
    for _ in range(500):
        if condition():
            return
        await asyncio.sleep(0.02)
    pytest.fail("it never came to hold")


async def test_a_cache_stays_right_while_the_server_restarts_forgets_and_hangs_up() -> None:
    server = ApiServer(wall_clock)
    async with serving(server) as endpoint:
        port = int(endpoint.url.rpartition(":")[2])
        wire = await connect(Access(server=endpoint.url), user_agent=AGENT, environ={})
        cache = Cache(CONFIG_MAP)
        watcher = Watcher(wire, cache, pace=Pace(), jitter=lambda: 0.0)
        task = asyncio.create_task(watcher.run())
        await asyncio.wait_for(watcher.synced.wait(), 5)
        await server.create(CONFIG_MAP, "default", config_map("a"))
        await eventually(lambda: cache.get("default", "a"))
        server.disconnect()
        await server.create(CONFIG_MAP, "default", config_map("b"))
        await eventually(lambda: cache.get("default", "b"))
    await server.create(CONFIG_MAP, "default", config_map("while-down"))
    await server.delete(CONFIG_MAP, "default", "a")
    server.compact()
    async with serving(server, port=port):
        await eventually(lambda: cache.get("default", "while-down"))
        assert cache.get("default", "a") is None
        await server.create(CONFIG_MAP, "default", config_map("after"))
        await eventually(lambda: cache.get("default", "after"))
        await stopped(task)
        await wire.close()


# ── a server that misbehaves ───────────────────────────────────────────────


async def test_a_read_waits_while_the_server_is_short_of_capacity() -> None:
    answers = iter([refusal(429, "TooManyRequests", **{"Retry-After": "1"}), refusal(503, "ServiceUnavailable")])

    async def handler(request: web.Request) -> web.Response:
        return next(answers, web.json_response(config_map("a")))

    async with answered(handler) as wire:
        assert name_of(await wire.get(CONFIG_MAP, "default", "a")) == "a"


async def test_a_write_is_not_repeated_behind_its_callers_back() -> None:
    seen: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append(request.method)
        return refusal(429, "TooManyRequests", "later", **{"Retry-After": "7"})

    async with answered(handler) as wire:
        with pytest.raises(TooManyRequests, match="later") as caught:
            await wire.patch(CONFIG_MAP, "default", "a", {})
    assert seen == ["PATCH"]
    assert caught.value.details["retryAfterSeconds"] == 7


async def test_a_slow_answer_is_unreachable() -> None:
    async def handler(request: web.Request) -> web.Response:
        await asyncio.sleep(60)
        return web.Response()

    async with answered(handler, request_timeout=0.2) as wire:
        with pytest.raises(Unreachable, match="GET /api/v1/namespaces/default/configmaps/a"):
            await wire.get(CONFIG_MAP, "default", "a")


async def test_a_server_that_is_not_there_is_unreachable() -> None:
    async with await connect(Access(server="http://127.0.0.1:1"), user_agent=AGENT, environ={}) as wire:
        with pytest.raises(Unreachable, match=r"POST .*: no connection to 127\.0\.0\.1:1: Connection refused$"):
            await wire.create(CONFIG_MAP, "default", config_map("a"))
        with pytest.raises(Unreachable, match="configmaps"):
            await anext(wire.watch(CONFIG_MAP))


async def test_an_answer_that_is_no_json_is_unreachable_and_not_quoted() -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(text="password: hunter2", status=int(request.match_info["path"].rpartition("/")[2]))

    async with answered(handler) as wire:
        for code, kind in (("200", Unreachable), ("500", Unreachable), ("403", Refused)):
            with pytest.raises(kind) as caught:
                await wire.get(CONFIG_MAP, "default", code)
            assert "hunter2" not in str(caught.value)


async def streamed(request: web.Request, *chunks: bytes, end: bool = True) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for chunk in chunks:
        await response.write(chunk)
        await asyncio.sleep(0.01)
    if not end and request.transport:
        request.transport.abort()
    return response


def line(kind: str, obj: Obj) -> bytes:
    return json.dumps({"type": kind, "object": obj}).encode() + b"\n"


async def collected(wire: HttpWire) -> tuple[list[str], ApiError | None]:
    """The names that a watch tells, and how it ends."""
    told: list[str] = []
    try:
        async for event in wire.watch(CONFIG_MAP, "default", resource_version="1"):
            told += [f"{event.type} {name_of(event.object)}"]
    except ApiError as error:
        return told, error
    return told, None


async def test_lines_of_any_length_cut_anywhere_are_read() -> None:
    huge = line("ADDED", config_map("huge", x="y" * 5_000_000))
    small = line("MODIFIED", config_map("small"))
    whole = small + huge + b"\n" + small

    async def handler(request: web.Request) -> web.StreamResponse:
        cuts = [0, 3, len(small), len(small) + 100, 3_000_000, len(whole) - 1, len(whole)]
        return await streamed(request, *(whole[start:end] for start, end in itertools.pairwise(cuts)))

    async with answered(handler) as wire:
        assert await collected(wire) == (["MODIFIED small", "ADDED huge", "MODIFIED small"], None)


async def test_a_connection_that_breaks_in_the_middle_of_a_watch_is_unreachable() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        return await streamed(request, line("ADDED", config_map("a")), b'{"type":"ADD', end=False)

    async with answered(handler) as wire:
        told, error = await collected(wire)
    assert told == ["ADDED a"]
    assert isinstance(error, Unreachable)


async def test_an_error_line_of_a_watch_is_the_error_it_names() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        status = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"}
        return await streamed(request, line("ERROR", status))

    async with answered(handler) as wire:
        _, error = await collected(wire)
    assert isinstance(error, Gone)


async def test_a_line_that_is_no_event_is_unreachable() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        return await streamed(request, b"<html>login</html>\n")

    async with answered(handler) as wire:
        _, error = await collected(wire)
    assert isinstance(error, Unreachable)


async def test_every_request_says_who_asks_and_as_whom() -> None:
    seen: list[web.Request] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append(request)
        return web.json_response(config_map("a"))

    flags = {"token": "t0k3n", "impersonate": "ann", "impersonate_groups": ("ops", "dev"), "disable_compression": True}
    async with answered(handler, **flags) as wire:  # type: ignore[arg-type] # because the fields differ in type
        await wire.get(CONFIG_MAP, "default", "a")
    headers = seen[0].headers
    assert headers["User-Agent"] == AGENT
    assert headers["Authorization"] == "Bearer t0k3n"
    assert headers["Impersonate-User"] == "ann"
    assert headers.getall("Impersonate-Group") == ["ops", "dev"]
    assert headers["Accept-Encoding"] == "identity"


async def test_requests_share_their_connections() -> None:
    ports: set[int] = set()

    async def handler(request: web.Request) -> web.Response:
        ports.add(request.transport.get_extra_info("peername")[1] if request.transport else 0)
        return web.json_response(config_map("a"))

    async with answered(handler) as wire:
        for _ in range(10):
            await wire.get(CONFIG_MAP, "default", "a")
    assert len(ports) == 1


async def test_names_and_selectors_are_encoded() -> None:
    seen: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append(request.path_qs)
        return web.json_response({"items": [], "metadata": {"resourceVersion": "1"}})

    async with answered(handler) as wire:
        await wire.get(CONFIG_MAP, "default", "system:a b")
        await wire.list(CONFIG_MAP, label_selector="app in (a,b),!c")
    assert seen == [
        "/api/v1/namespaces/default/configmaps/system%3Aa%20b",
        "/api/v1/configmaps?labelSelector=app+in+%28a%2Cb%29%2C%21c",
    ]
