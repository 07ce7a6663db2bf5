"""A Wire over HTTP, with the transport of kubernetes_asyncio; raw bytes in and out.

Each body is parsed once (pydantic_core), errors become rollouts.kube.errors.

What it does about faults: GET and LIST are repeated when the server is short of capacity (429, 503, as long as it asks
for with Retry-After); a 401 leads to fresh credentials and one more try; everything else is the caller's to decide.
A watch may take any time; every other request has a deadline.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any, TypeAlias, cast

import aiohttp
from pydantic_core import from_json, to_json
from yarl import URL

from rollouts.kube.access import Access, impersonation
from rollouts.kube.client_library import library
from rollouts.kube.credentials import Credentials
from rollouts.kube.errors import ApiError, Unreachable
from rollouts.kube.limit import RateLimit
from rollouts.kube.noanswer import reason
from rollouts.kube.refs import Obj, Resource
from rollouts.kube.rest import METHODS, Call, Lines, refusal, selectors, unreachable, watch_event, with_kind
from rollouts.kube.wire import JsonPatch, Listing, PatchType, Propagation, WatchEvent

_OBJECT_TIMEOUT = 30.0
_LIST_TIMEOUT = 120.0
_CONNECT_TIMEOUT = 10.0
_TRIES = 5
_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 10.0
_LONGEST_LINE = 2 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Request:
    """One answered (or, with status 0, unanswered) request, for those who count them."""

    verb: str
    """Get, List, Watch, Create, Update, Patch or Delete."""
    resource: Resource
    namespace: str
    name: str
    status: int


OnRequest: TypeAlias = Callable[[Request], None]


async def connect(
    access: Access,
    *,
    user_agent: str,
    environ: Mapping[str, str] = os.environ,
    on_request: OnRequest | None = None,
) -> "HttpWire":
    """A wire to the API server that `access` and the environment name. Raises AccessError; sends no request yet
    (but runs an exec plugin, if the configuration names one)."""
    credentials = await Credentials.load(access, environ)
    return HttpWire(access, credentials, user_agent=user_agent, on_request=on_request)


class HttpWire:
    """The verbs of `rollouts.kube.wire.Wire` over one pool of connections. Close it, or use it as a context."""

    def __init__(
        self, access: Access, credentials: Credentials, *, user_agent: str, on_request: OnRequest | None = None
    ) -> None:
        self.namespace = credentials.namespace
        """The namespace to use where nobody names one: flag, context, service account, else "default"."""
        self.server = str(credentials.configuration.host)
        self._access = access
        self._credentials = credentials
        self._rest = library().rest.RESTClientObject(credentials.configuration)
        # The library's own session reads ~/.netrc and the proxy variables before each request, in a thread each time.
        self._session = aiohttp.ClientSession(
            connector=self._rest.pool_manager.connector, connector_owner=False, read_bufsize=_LONGEST_LINE
        )
        self._headers = [("User-Agent", user_agent), ("Accept", "application/json"), *impersonation(access)]
        if access.disable_compression:
            self._headers.append(("Accept-Encoding", "identity"))
        self._limit = RateLimit(access.qps, access.burst or ceil(access.qps * 2)) if access.qps > 0 else None
        self._on_request = on_request

    async def close(self) -> None:
        await self._session.close()
        await self._rest.close()

    async def __aenter__(self) -> "HttpWire":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # ── the verbs ──────────────────────────────────────────────────────────

    async def get(self, resource: Resource, namespace: str, name: str, *, subresource: str = "") -> Obj:
        call = Call("Get", resource, namespace, name, subresource)
        return cast(Obj, await self._repeated(call))

    async def list(
        self,
        resource: Resource,
        namespace: str = "",
        *,
        label_selector: str = "",
        field_selector: str = "",
        limit: int = 0,
        continue_token: str = "",
    ) -> Listing:
        query = selectors(label_selector, field_selector)
        query += [("limit", str(limit))] if limit else []
        query += [("continue", continue_token)] if continue_token else []
        answer = await self._repeated(Call("List", resource, namespace, query=query))
        metadata = answer.get("metadata") or {}
        items = [with_kind(resource, item) for item in answer.get("items") or ()]
        return Listing(items, str(metadata.get("resourceVersion", "")), metadata.get("continue") or "")

    async def watch(
        self,
        resource: Resource,
        namespace: str = "",
        *,
        resource_version: str = "",
        label_selector: str = "",
        field_selector: str = "",
        timeout: float = 0,
    ) -> AsyncIterator[WatchEvent]:
        query = [("watch", "true"), ("allowWatchBookmarks", "true"), *selectors(label_selector, field_selector)]
        query += [("resourceVersion", resource_version)] if resource_version else []
        query += [("timeoutSeconds", str(ceil(timeout)))] if timeout else []
        call = Call("Watch", resource, namespace, query=query)
        try:
            async with await self._open(call, b"", aiohttp.ClientTimeout(sock_connect=_CONNECT_TIMEOUT)) as response:
                if response.status >= 400:
                    raise refusal(response.status, await response.read(), response.headers)
                lines = Lines()
                async for chunk in response.content.iter_any():
                    for line in lines.feed(chunk):
                        yield watch_event(line)
        except (aiohttp.ClientError, OSError) as error:
            raise unreachable(call, reason(error)) from error

    async def create(
        self, resource: Resource, namespace: str, obj: Obj, *, name: str = "", subresource: str = ""
    ) -> Obj:
        call = Call("Create", resource, namespace, name, subresource, called=name or obj["metadata"].get("name", ""))
        return cast(Obj, await self._once(call, to_json(obj)))

    async def replace(self, resource: Resource, namespace: str, name: str, obj: Obj, *, subresource: str = "") -> Obj:
        return cast(Obj, await self._once(Call("Update", resource, namespace, name, subresource), to_json(obj)))

    async def patch(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        patch: Obj | JsonPatch,
        *,
        type: PatchType = PatchType.MERGE,
        subresource: str = "",
        field_manager: str = "",
        force: bool = False,
    ) -> Obj:
        query = [("fieldManager", field_manager)] if field_manager else []
        query += [("force", "true")] if force else []
        call = Call("Patch", resource, namespace, name, subresource, query=query, media_type=type.value)
        return cast(Obj, await self._once(call, to_json(patch)))

    async def delete(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        *,
        propagation: Propagation | None = None,
        uid: str = "",
        grace_period: int | None = None,
    ) -> Any:
        options: Obj = {"apiVersion": "v1", "kind": "DeleteOptions"}
        if propagation:
            options["propagationPolicy"] = propagation
        if uid:
            options["preconditions"] = {"uid": uid}
        if grace_period is not None:
            options["gracePeriodSeconds"] = grace_period
        return await self._once(Call("Delete", resource, namespace, name), to_json(options))

    async def raw(self, path: str) -> Any:
        """The parsed answer to a GET of any other path, like /version."""
        return await self._repeated(Call("Get", Resource("", "", path.strip("/"), ""), "", path=path))

    # ── one request ────────────────────────────────────────────────────────

    async def _repeated(self, call: Call) -> Any:
        """A read, repeated while the server says that it is short of capacity."""
        for attempt in range(_TRIES):
            try:
                return await self._once(call, b"")
            except ApiError as error:
                if error.code not in (429, 503) or attempt == _TRIES - 1:
                    raise
                asked = error.details.get("retryAfterSeconds")
                pause = float(asked) if asked else _FIRST_PAUSE * 2.0**attempt
                await asyncio.sleep(min(pause, _LONGEST_PAUSE))
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def _once(self, call: Call, body: bytes) -> Any:
        seconds = self._access.request_timeout or (_LIST_TIMEOUT if call.verb == "List" else _OBJECT_TIMEOUT)
        timeout = aiohttp.ClientTimeout(total=seconds, sock_connect=min(seconds, _CONNECT_TIMEOUT))
        try:
            async with await self._open(call, body, timeout) as response:
                content = await response.read()
        except (aiohttp.ClientError, OSError) as error:
            raise unreachable(call, reason(error)) from error
        if response.status >= 400:
            raise refusal(response.status, content, response.headers)
        try:
            return from_json(content, cache_strings="all") if content else {}
        except ValueError as error:
            raise Unreachable(f"{call}: the answer is not JSON: {error}", code=response.status) from error

    async def _open(self, call: Call, body: bytes, timeout: aiohttp.ClientTimeout) -> aiohttp.ClientResponse:
        """Send a request and return when its answer begins; on a 401, once more with fresh credentials."""
        if self._limit:
            await self._limit.wait()
        generation = self._credentials.generation
        response = await self._send(call, body, timeout)
        if response.status == 401 and await self._credentials.renewed(generation):
            response.release()
            response = await self._send(call, body, timeout)
        return response

    async def _send(self, call: Call, body: bytes, timeout: aiohttp.ClientTimeout) -> aiohttp.ClientResponse:
        headers = [*self._headers, *await self._credentials.headers()]
        configuration, options = self._credentials.configuration, {}
        if body:
            headers.append(("Content-Type", call.media_type))
        if configuration.proxy:
            options["proxy"] = configuration.proxy
        if configuration.tls_server_name:
            options["server_hostname"] = configuration.tls_server_name
        status = 0
        try:
            response = await self._session.request(
                METHODS[call.verb],
                URL(self.server + call.url(), encoded=True),
                data=body or None,
                headers=headers,
                timeout=timeout,
                **options,
            )
            status = response.status
            return response
        finally:
            if self._on_request:
                self._on_request(Request(call.verb, call.resource, call.namespace, call.called or call.name, status))
