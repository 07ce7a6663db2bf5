"""The verbs on resources over HTTP: each request becomes one call on the server, and its answer goes back."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, suppress
from typing import Any, TypedDict, cast

from aiohttp import web

from rollouts.kube.errors import ApiError, Gone, Invalid
from rollouts.kube.refs import Obj
from rollouts.kube.wire import PatchType, Propagation, WatchEvent
from rollouts.sandbox.apiserver.refusals import (
    bad_request,
    bad_value,
    forbidden_field,
    method_not_allowed,
    too_new,
    unsupported,
    unsupported_media_type,
    wrong_option,
)
from rollouts.sandbox.apiserver.server import ApiServer, Client, Options
from rollouts.sandbox.apiserver.web import bodies
from rollouts.sandbox.apiserver.web.requests import (
    UNSERVED,
    Form,
    Target,
    check_version_asked,
    flag,
    form_of,
    is_dry_run,
    manager_of,
    whole_number,
)

_LONGEST_WATCH = 3600.0
_INITIAL_EVENTS_END = "k8s.io/initial-events-end"


class Rest:
    """Handles requests for resources on one server."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server
        self._watches: set[asyncio.Timeout] = set()

    async def end_watches(self, _app: web.Application) -> None:
        """Let every stream end as if its time were up."""
        for watch in self._watches:
            watch.reschedule(asyncio.get_running_loop().time())

    async def handle(self, request: web.Request, target: Target) -> web.StreamResponse:
        """Answer one request. Raises ApiError when it is refused."""
        if target.subresource in UNSERVED - target.served.subresources:
            raise _no_node(target)
        form = form_of(request.headers.get("Accept", ""))
        if form is None:
            raise _not_acceptable()
        call = _Call(self._server, request, target, form, self._watches)
        handler = _HANDLERS.get((request.method, bool(target.name)))
        if handler is None:
            raise method_not_allowed()
        return await handler(call)


def _no_node(target: Target) -> ApiError:
    text = f"the pods of the sandbox are no containers, so there is no {target.subresource} of pod {target.name}"
    return ApiError(text, code=501, reason="NotImplemented")


def _not_acceptable() -> ApiError:
    text = "only the following media types are accepted: application/json, as Table or PartialObjectMetadata too"
    return ApiError(text, code=406, reason="NotAcceptable")


class _Selectors(TypedDict):
    label_selector: str
    field_selector: str


class _Call:
    """One request for a resource, read as far as all verbs need it."""

    def __init__(
        self, server: ApiServer, request: web.Request, target: Target, form: Form, watches: set[asyncio.Timeout]
    ) -> None:
        self.server, self.request, self.target, self.form = server, request, target, form
        self.watches = watches
        self.query: Mapping[str, str] = request.query
        self.agent = request.headers.get("User-Agent", "")
        self.client: Client = server.as_user(self.agent.split("/", 1)[0])
        self.warnings: list[str] = []
        self._headed = False

    @property
    def place(self) -> tuple[str, str]:
        return self.target.namespace, self.target.name

    @property
    def selectors(self) -> _Selectors:
        return {
            "label_selector": self.query.get("labelSelector", ""),
            "field_selector": self.query.get("fieldSelector", ""),
        }

    @property
    def kind(self) -> str:
        """What the options of this write are called."""
        return {"POST": "CreateOptions", "PUT": "UpdateOptions"}.get(self.request.method, "PatchOptions")

    @property
    def manager(self) -> str:
        return manager_of(self.query, self.agent, self.kind)

    def options(self) -> Options:
        validation = self.query.get("fieldValidation", "")
        if validation not in ("", "Ignore", "Warn", "Strict"):
            raise bad_request(f'Invalid value: "{validation}": fieldValidation: must be Ignore, Warn or Strict')
        return {
            "dry_run": is_dry_run(self.request.query.getall("dryRun", []), self.kind),
            "field_validation": validation or "Warn",
            "warnings": self.warnings,
        }

    async def body(self) -> Obj:
        media = self.request.content_type if "Content-Type" in self.request.headers else ""
        return bodies.read_object(await self.request.read(), media)

    def answer(self, obj: Obj, status: int = 200) -> web.Response:
        shown = bodies.one(self.target.served, obj, self.form, self.server.now(), self._include())
        return self._response(shown, status)

    def answer_list(self, listing: Any) -> web.Response:
        shown = bodies.many(self.target.served, listing, self.form, self.server.now(), self._include())
        return self._response(shown, 200)

    def shown_event(self, event: WatchEvent) -> bytes:
        obj = event.object
        if event.type != "BOOKMARK" or not self.form.shape:
            obj = bodies.one(self.target.served, obj, self.form, self.server.now(), self._include())
            if obj.get("kind") == "Table":
                obj, self._headed = ({**obj, "columnDefinitions": None} if self._headed else obj), True
        elif self.form.shape == "Table":
            kind: Obj = {"kind": "Table", "apiVersion": f"meta.k8s.io/{self.form.version}"}
            obj = kind | {
                "metadata": obj["metadata"],
                "columnDefinitions": None,
                "rows": [{"cells": [], "object": obj}],
            }
        return bodies.write({"type": event.type, "object": obj}) + b"\n"

    def _include(self) -> Any:
        return bodies.include_of(self.query.get("includeObject", ""))

    def _response(self, body: Obj, status: int) -> web.Response:
        response = web.Response(
            body=bodies.write_yaml(body) if self.form.yaml else bodies.write(body),
            status=status,
            headers={"Content-Type": bodies.YAML_MEDIA if self.form.yaml else bodies.JSON_MEDIA},
        )
        for text in self.warnings:
            escaped = text.replace("\\", "\\\\").replace('"', '\\"')
            response.headers.add("Warning", f'299 - "{escaped}"')
        return response


async def _get(call: _Call) -> web.StreamResponse:
    """One object. That is not watched by its path, whatever the query says."""
    target = call.target
    return call.answer(await call.client.get(target.served.resource, *call.place, subresource=target.subresource))


async def _list(call: _Call) -> web.StreamResponse:
    if flag(call.query, "watch"):
        return await _watch(call)
    check_version_asked(call.query)
    listing = await call.client.list(
        call.target.served.resource,
        call.target.namespace,
        **call.selectors,
        limit=whole_number(call.query, "limit"),
        continue_token=call.query.get("continue", ""),
    )
    asked = call.query.get("resourceVersion", "")
    if call.query.get("resourceVersionMatch") == "Exact" and asked != listing.resource_version:
        raise Gone(f"The provided resource version is too old: {asked}; only {listing.resource_version} can be listed")
    if asked.isdecimal() and int(asked) > int(listing.resource_version):
        raise too_new(int(asked), int(listing.resource_version))
    return call.answer_list(listing)


async def _create(call: _Call) -> web.StreamResponse:
    target, body = call.target, await call.body()
    made = await call.client.create(
        target.served.resource,
        target.namespace,
        body,
        name=target.name,
        subresource=target.subresource,
        field_manager=call.manager,
        **call.options(),
    )
    return call.answer(made, 201)


async def _create_below(call: _Call) -> web.StreamResponse:
    if not call.target.subresource:
        raise method_not_allowed()
    return await _create(call)


async def _replace(call: _Call) -> web.StreamResponse:
    target, body = call.target, await call.body()
    made = await call.client.replace(
        target.served.resource,
        *call.place,
        body,
        subresource=target.subresource,
        field_manager=call.manager,
        **call.options(),
    )
    return call.answer(made)


async def _patch(call: _Call) -> web.StreamResponse:
    target, media = call.target, call.request.content_type
    try:
        kind = PatchType(media)
    except ValueError:
        raise unsupported_media_type([one.value for one in PatchType]) from None
    patch = bodies.read(await call.request.read(), media, [media])
    if not isinstance(patch, list if kind is PatchType.JSON else dict):
        raise bad_request(f"a patch of type {media} must be {'a list' if kind is PatchType.JSON else 'an object'}")
    force = flag(call.query, "force")
    if force and kind is not PatchType.APPLY:
        raise wrong_option(call.kind, forbidden_field("force", "may not be specified for non-apply patch"))
    made = await call.client.patch(
        target.served.resource,
        *call.place,
        patch,
        type=kind,
        subresource=target.subresource,
        field_manager=call.query.get("fieldManager", "") if kind is PatchType.APPLY else call.manager,
        force=force,
        **call.options(),
    )
    return call.answer(made)


class _Deletion:
    """The options of a delete: from the body, else from the query."""

    def __init__(self, body: Obj, query: Mapping[str, str]) -> None:
        asked: Obj = body.get("preconditions") or {}
        self.uid, self.version = str(asked.get("uid") or ""), str(asked.get("resourceVersion") or "")
        grace = body.get("gracePeriodSeconds")
        if grace is None and "gracePeriodSeconds" in query:
            grace = whole_number(query, "gracePeriodSeconds")
        if grace is not None and (not isinstance(grace, int) or isinstance(grace, bool)):
            raise bad_request(f"gracePeriodSeconds must be a whole number, not {grace!r}")
        self.grace: int | None = grace
        self.propagation = _propagation(body, query)
        dry_run = [query["dryRun"]] if "dryRun" in query else body.get("dryRun") or []
        self.dry_run = is_dry_run(dry_run, "DeleteOptions")


def _propagation(body: Obj, query: Mapping[str, str]) -> Propagation | None:
    """What becomes of dependents: told by the body, else by the query. Invalid when that cannot be meant."""
    policy = body.get("propagationPolicy") or query.get("propagationPolicy") or None
    orphan = body.get("orphanDependents")
    if orphan is None and "orphanDependents" in query:
        orphan = flag(query, "orphanDependents")
    if policy not in (None, "Background", "Foreground", "Orphan"):
        known = ["Foreground", "Background", "Orphan", "nil"]
        raise wrong_option("DeleteOptions", unsupported("propagationPolicy", policy, known))
    if policy is not None and orphan is not None:
        text = "orphanDependents and deletionPropagation cannot be both set"
        raise wrong_option("DeleteOptions", bad_value("propagationPolicy", policy, text))
    if orphan is not None:
        return "Orphan" if orphan else "Background"
    return cast(Propagation | None, policy)


async def _deletion(call: _Call) -> _Deletion:
    return _Deletion(await call.body() if call.request.body_exists else {}, call.query)


async def _delete(call: _Call) -> web.StreamResponse:
    if call.target.subresource:
        raise method_not_allowed()
    options = await _deletion(call)
    gone = await call.client.delete(
        call.target.served.resource,
        *call.place,
        propagation=options.propagation,
        uid=options.uid,
        grace_period=options.grace,
        resource_version=options.version,
        dry_run=options.dry_run,
    )
    return call.answer(gone)


async def _delete_collection(call: _Call) -> web.StreamResponse:
    options = await _deletion(call)
    gone = await call.client.delete_collection(
        call.target.served.resource,
        call.target.namespace,
        **call.selectors,
        propagation=options.propagation,
        grace_period=options.grace,
        dry_run=options.dry_run,
    )
    return call.answer_list(gone)


async def _watch(call: _Call) -> web.StreamResponse:
    """A stream of events, one JSON document a line, until the client or the timeout ends it."""
    events = _events(call)
    call._include()
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


async def _stream(call: _Call, events: AsyncIterator[WatchEvent], response: web.StreamResponse) -> None:
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


def _events(call: _Call) -> AsyncIterator[WatchEvent]:
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
    call: _Call, begin: Callable[[str], AsyncIterator[WatchEvent]], selectors: _Selectors
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


_Handler = Callable[[_Call], Awaitable[web.StreamResponse]]
_HANDLERS: dict[tuple[str, bool], _Handler] = {
    ("GET", True): _get,
    ("GET", False): _list,
    ("POST", False): _create,
    ("POST", True): _create_below,
    ("PUT", True): _replace,
    ("PATCH", True): _patch,
    ("DELETE", True): _delete,
    ("DELETE", False): _delete_collection,
}
