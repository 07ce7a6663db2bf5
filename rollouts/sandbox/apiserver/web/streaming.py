"""Watches over HTTP: a stream of events, one JSON document a line, until the client, the time or the server ends it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing, suppress
from typing import Any, cast

from aiohttp import web

from rollouts.kube.errors import ApiError, Invalid
from rollouts.kube.wire import WatchEvent
from rollouts.sandbox.apiserver.web import bodies
from rollouts.sandbox.apiserver.web.call import Call, Selectors
from rollouts.sandbox.apiserver.web.requests import flag, whole_number

_LONGEST_WATCH = 3600.0
_INITIAL_EVENTS_END = "k8s.io/initial-events-end"


async def watch(call: Call) -> web.StreamResponse:
    """Answer with the stream. Raises ApiError where it cannot begin."""
    events = _events(call)
    call.include()
    response = web.StreamResponse(headers={"Content-Type": bodies.JSON_MEDIA})
    response.enable_chunked_encoding()
    await response.prepare(call.request)
    try:
        await _stream(call, events, response)
    except ApiError as error:
        await response.write(bodies.write({"type": "ERROR", "object": bodies.status_of(error)}) + b"\n")
    except ConnectionError:
        return response
    await response.write_eof()
    return response


async def _stream(call: Call, events: AsyncIterator[WatchEvent], response: web.StreamResponse) -> None:
    """Write events until there are no more, or the server stops."""
    bookmarks = flag(call.query, "allowWatchBookmarks")
    async with aclosing(cast(Any, events)):
        with suppress(TimeoutError):
            async with asyncio.timeout(None) as scope:
                call.watches.add(scope)
                try:
                    async for event in events:
                        if event.type != "BOOKMARK" or bookmarks:
                            await response.write(call.shown_event(event))
                finally:
                    call.watches.discard(scope)


def _events(call: Call) -> AsyncIterator[WatchEvent]:
    """The events asked for; refused before the first of them when they cannot be had."""
    query, target = call.query, call.target
    selectors = call.selectors
    timeout = float(whole_number(query, "timeoutSeconds") or _LONGEST_WATCH)
    initial = _asks_initial_events(query)
    version = "" if initial else query.get("resourceVersion", "")

    def begin(since: str) -> AsyncIterator[WatchEvent]:
        return call.client.watch(
            target.served.resource, target.namespace, resource_version=since, timeout=timeout, **selectors
        )

    return _with_initial(call, begin, selectors) if initial else begin(version)


def _asks_initial_events(query: Mapping[str, str]) -> bool:
    if "sendInitialEvents" not in query:
        return False
    if query.get("resourceVersionMatch") != "NotOlderThan":
        text = (
            "resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
        )
        raise Invalid(f"ListOptions.meta.k8s.io is invalid: {text}")
    return flag(query, "sendInitialEvents")


async def _with_initial(
    call: Call, begin: Callable[[str], AsyncIterator[WatchEvent]], selectors: Selectors
) -> AsyncIterator[WatchEvent]:
    """What is there as ADDED, a bookmark that says so, then the changes."""
    resource = call.target.served.resource
    listing = await call.client.list(resource, call.target.namespace, **selectors)
    for obj in listing.items:
        yield WatchEvent("ADDED", obj)
    metadata = {"resourceVersion": listing.resource_version, "annotations": {_INITIAL_EVENTS_END: "true"}}
    mark = {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": metadata}
    yield WatchEvent("BOOKMARK", mark)
    async for event in begin(listing.resource_version):
        yield event
