"""The sandbox's API server over HTTP on loopback, so that kubectl and every other Kubernetes client can talk to it.

    async with serving(ApiServer(clock), port=0) as endpoint:
        print(endpoint.url)

It asks for no credentials: over plain HTTP, kubectl sends none. Whoever reaches it is its administrator, so it listens
on loopback only and answers only requests that address it there, which no web page elsewhere can make a browser do.
Whom the administrator impersonates (`kubectl --as`) may do what RBAC in the sandbox allows.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

import structlog
from aiohttp import web

from rollouts.kube.errors import ApiError, NotFound, Refused
from rollouts.kube.refs import Obj
from rollouts.sandbox.apiserver.ownership import FieldOwnership
from rollouts.sandbox.apiserver.rbac import ADMIN, Attempt, Policy, User, impersonated
from rollouts.sandbox.apiserver.refusals import method_not_allowed, no_such_resource
from rollouts.sandbox.apiserver.reviews import reviewed
from rollouts.sandbox.apiserver.server import ApiServer
from rollouts.sandbox.apiserver.types import openapi
from rollouts.sandbox.apiserver.types.registry import (
    CLUSTER_ROLE,
    CLUSTER_ROLE_BINDING,
    ROLE,
    ROLE_BINDING,
    Registry,
    Served,
)
from rollouts.sandbox.apiserver.web import bodies, discovery
from rollouts.sandbox.apiserver.web.requests import Target, flag, target_of
from rollouts.sandbox.apiserver.web.rest import Rest

log = structlog.get_logger(__name__)

_LARGEST_BODY = 3 * 1024 * 1024
_HEALTH_PATHS = ("/healthz", "/livez", "/readyz")
_HERE = ("localhost", "127.0.0.1", "::1")
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the server can be reached. `url` has no trailing slash."""

    url: str


@asynccontextmanager
async def serving(server: ApiServer, *, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[Endpoint]:
    """Serve `server` until the block is left; then running watches end and the port is closed.

    `port=0` takes a free one. Raises ValueError for a host that is not loopback, OSError for a port that is taken.
    """
    if not ip_address(host).is_loopback:
        raise ValueError(f"the sandbox serves plain HTTP on loopback only, not on {host}; use 127.0.0.1")
    runner = web.AppRunner(application(server), access_log=None, handler_cancellation=True, shutdown_timeout=2.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        where, bound = runner.addresses[0][:2]
        yield Endpoint(f"http://{f'[{where}]' if ':' in where else where}:{bound}")
    finally:
        await runner.cleanup()


def application(server: ApiServer) -> web.Application:
    """The server as an aiohttp application. Lends it server-side apply if it has none yet."""
    if server.ownership is None:
        server.ownership = FieldOwnership()
    app = web.Application(middlewares=[_answer_refusals], client_max_size=_LARGEST_BODY)
    api = _Api(server)
    app.router.add_route("*", "/{path:.*}", api.handle)
    app.on_shutdown.append(api.rest.end_watches)
    return app


@web.middleware
async def _answer_refusals(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """A refusal goes back as a Status; so does a failure of our own, which is logged."""
    try:
        return await handler(request)
    except ApiError as error:
        return _refusal(error)
    except web.HTTPRequestEntityTooLarge:
        return _refusal(Refused(f"limit is {_LARGEST_BODY} bytes", code=413, reason="RequestEntityTooLarge"))
    except web.HTTPException:
        raise
    except Exception as error:
        log.exception("sandbox request failed", method=request.method, path=request.path)
        text = f"Internal error occurred: {type(error).__name__}: {error}"
        return _refusal(ApiError(text, code=500, reason="InternalError"))


def _refusal(error: ApiError) -> web.Response:
    headers = {"Content-Type": bodies.JSON_MEDIA}
    retry = error.details.get("retryAfterSeconds")
    if retry:
        headers["Retry-After"] = str(retry)
    return web.Response(body=bodies.write(bodies.status_of(error)), status=error.code or 500, headers=headers)


def _json(value: Obj, content_type: str = bodies.JSON_MEDIA, status: int = 200) -> web.Response:
    return web.Response(body=bodies.write(value), status=status, headers={"Content-Type": content_type})


class _Api:
    """Every path of the API server."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server
        self.rest = Rest(server)

    @property
    def _registry(self) -> Registry:
        return self._server.registry

    @property
    def _all(self) -> Iterable[Served]:
        return [*self._registry, *discovery.REVIEWS]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        _check_addressed_here(request)
        if request.path in _HEALTH_PATHS:
            return web.Response(text="ok")
        user = _user(request)
        parts = [part for part in request.path.split("/") if part]
        match parts:
            case []:
                return _json({"paths": ["/api", "/apis", "/healthz", "/livez", "/openapi/v3", "/readyz", "/version"]})
            case ["api"] | ["apis"] | ["api", _] | ["apis", _] | ["apis", _, _]:
                return self._discovery(request, parts)
            case ["version"]:
                return _json(discovery.VERSION)
            case ["openapi", *rest]:
                return self._openapi(request, rest)
            case ["api" | "apis", *_]:
                return await self._resource(request, parts, user)
            case _:
                raise no_such_resource()

    # ── who asks, and whether they may ─────────────────────────────────────

    async def _policy(self, user: User) -> Policy:
        if user.is_master:
            return Policy()
        found = [
            tuple((await self._server.list(kind)).items)
            for kind in (CLUSTER_ROLE, CLUSTER_ROLE_BINDING, ROLE, ROLE_BINDING)
        ]
        return Policy(*found)

    async def _authorize(self, request: web.Request, target: Target, user: User) -> None:
        if user.is_master:
            return
        resource, verb = target.served.resource, _verb(request, target)
        plural = "/".join(part for part in (resource.plural, target.subresource) if part)
        attempt = Attempt(verb, resource.group, plural, target.namespace, target.name)
        if (await self._policy(user)).allows(user, attempt):
            return
        where = f'in the namespace "{target.namespace}"' if target.namespace else "at the cluster scope"
        qualified = f"{resource.plural}.{resource.group}" if resource.group else resource.plural
        named = f' "{target.name}"' if target.name else ""
        text = f'{qualified}{named} is forbidden: User "{user.name}" cannot {verb} resource "{plural}"'
        details = {"name": target.name, "group": resource.group, "kind": resource.plural}
        text = f'{text} in API group "{resource.group}" {where}'
        raise Refused(text, code=403, reason="Forbidden", details=details)

    # ── what there is ──────────────────────────────────────────────────────

    def _discovery(self, request: web.Request, parts: list[str]) -> web.Response:
        if request.method != "GET":
            raise method_not_allowed()
        accept = request.headers.get("Accept", "").replace(" ", "")
        found: Obj | None
        match parts:
            case [root] if _wants_aggregated(accept):
                return _json(discovery.aggregated(self._all, core=root == "api"), discovery.AGGREGATED)
            case ["api"]:
                found = discovery.core_versions(request.host)
            case ["apis"]:
                found = discovery.groups(self._all)
            case ["api", version]:
                found = discovery.resource_list("", version, self._all)
            case ["apis", group]:
                found = discovery.group(group, self._all)
            case _:
                found = discovery.resource_list(parts[1], parts[2], self._all)
        if found is None:
            raise no_such_resource()
        return _json(found)

    def _openapi(self, request: web.Request, rest: list[str]) -> web.Response:
        match rest:
            case ["v2"]:
                if request.headers.get("Accept", "").startswith(openapi.PROTOBUF_V2):
                    return web.Response(
                        body=openapi.EMPTY_V2, headers={"Content-Type": openapi.PROTOBUF_V2.replace("@", ".")}
                    )
                return _json(openapi.document_v2(self._registry))
            case ["v3"]:
                return _json(openapi.index(self._registry))
            case ["v3", *path]:
                members = [
                    one
                    for one in self._registry
                    if openapi.group_path(one.resource.group, one.resource.version) == "/".join(path)
                ]
                if members:
                    return _json(openapi.document(members))
        raise NotFound("the server could not find the requested resource")

    # ── resources ──────────────────────────────────────────────────────────

    async def _resource(self, request: web.Request, parts: list[str], user: User) -> web.StreamResponse:
        review = next((one for one in discovery.REVIEWS if one.resource.path() == f"/{'/'.join(parts)}"), None)
        if review is not None:
            return await self._review(request, review, user)
        target = target_of(request.path, self._registry)
        await self._authorize(request, target, user)
        return await self.rest.handle(request, target)

    async def _review(self, request: web.Request, served: Served, user: User) -> web.Response:
        if request.method != "POST":
            raise method_not_allowed()
        asked = bodies.read_object(await request.read(), request.content_type)
        named = {"apiVersion": served.resource.api_version, "kind": served.resource.kind, "metadata": {}}
        answer = reviewed(served.resource.kind, asked | named, user, await self._policy(user))
        return _json(answer, status=201)


def _check_addressed_here(request: web.Request) -> None:
    """Refused (403) when the Host header names another place: a page that made its own name point to loopback."""
    host = urlsplit(f"//{request.host}").hostname
    if host not in _HERE:
        text = f"the sandbox answers only requests to {', '.join(_HERE)}, not to {host}"
        raise Refused(text, code=403, reason="Forbidden")


def _user(request: web.Request) -> User:
    name = request.headers.get("Impersonate-User")
    return impersonated(name, request.headers.getall("Impersonate-Group", [])) if name else ADMIN


def _wants_aggregated(accept: str) -> bool:
    return any({*choice.split(";")} >= {*discovery.AGGREGATED.split(";")} for choice in accept.split(","))


def _verb(request: web.Request, target: Target) -> str:
    match request.method:
        case "GET" if flag(request.query, "watch"):
            return "watch"
        case "GET":
            return "get" if target.name else "list"
        case "POST":
            return "create"
        case "PUT":
            return "update"
        case "DELETE":
            return "delete" if target.name else "deletecollection"
        case _:
            return "patch"
