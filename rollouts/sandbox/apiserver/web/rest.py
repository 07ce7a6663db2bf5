"""The verbs on resources over HTTP: each request becomes one call on the server, and its answer goes back."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import cast

from aiohttp import web

from rollouts.kube.errors import ApiError, Gone
from rollouts.kube.refs import Obj
from rollouts.kube.wire import PatchType, Propagation
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
from rollouts.sandbox.apiserver.server import ApiServer
from rollouts.sandbox.apiserver.web import bodies
from rollouts.sandbox.apiserver.web.call import Call
from rollouts.sandbox.apiserver.web.requests import (
    UNSERVED,
    Target,
    check_version_asked,
    flag,
    form_of,
    is_dry_run,
    whole_number,
)
from rollouts.sandbox.apiserver.web.streaming import watch


class Rest:
    """Handles requests for resources on one server."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server
        self._watches: set[asyncio.Timeout] = set()

    async def end_watches(self, _app: web.Application) -> None:
        """Let every stream end as if its time were up."""
        for stream in self._watches:
            stream.reschedule(asyncio.get_running_loop().time())

    async def handle(self, request: web.Request, target: Target) -> web.StreamResponse:
        """Answer one request. Raises ApiError when it is refused."""
        if target.subresource in UNSERVED - target.served.subresources:
            raise _no_node(target)
        form = form_of(request.headers.get("Accept", ""))
        if form is None:
            raise _not_acceptable()
        call = Call(self._server, request, target, form, self._watches)
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


async def _get(call: Call) -> web.StreamResponse:
    """One object. That is not watched by its path, whatever the query says."""
    target = call.target
    return call.answer(await call.client.get(target.served.resource, *call.place, subresource=target.subresource))


async def _list(call: Call) -> web.StreamResponse:
    if flag(call.query, "watch"):
        return await watch(call)
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


async def _create(call: Call) -> web.StreamResponse:
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


async def _create_below(call: Call) -> web.StreamResponse:
    if not call.target.subresource:
        raise method_not_allowed()
    return await _create(call)


async def _replace(call: Call) -> web.StreamResponse:
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


async def _patch(call: Call) -> web.StreamResponse:
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


async def _deletion(call: Call) -> _Deletion:
    return _Deletion(await call.body() if call.request.body_exists else {}, call.query)


async def _delete(call: Call) -> web.StreamResponse:
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


async def _delete_collection(call: Call) -> web.StreamResponse:
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


_Handler = Callable[[Call], Awaitable[web.StreamResponse]]
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
