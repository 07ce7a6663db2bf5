"""A Wire over HTTP, with the configuration, authentication and transport of kubernetes_asyncio; raw bytes in and out.

This is the only module that knows that library, and it loads only what it uses of it: `kubernetes_asyncio` imports its
~800 generated models (38 MB, a third of a second) as soon as it is named, and none of them is wanted here.

    connect(access)   kubeconfig files, flags, exec plugins, OIDC, or the service account of the pod we run in
    HttpWire          the verbs. Each body is parsed once (pydantic_core), errors become rollouts.kube.errors

What it does about faults: GET and LIST are repeated when the server is short of capacity (429, 503, as long as it asks
for with Retry-After); a 401 leads to fresh credentials and one more try; everything else is the caller's to decide.
A watch may take any time; every other request has a deadline.
"""

import asyncio
import importlib.util
import os
import sys
import types
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any, TypeAlias, cast

import aiohttp
import yaml
from pydantic_core import from_json, to_json
from yarl import URL

from rollouts.kube.access import (
    SERVICE_ACCOUNT,
    Access,
    AccessError,
    impersonation,
    kubeconfig_paths,
    no_cluster,
    proxy_of,
    runs_in_a_pod,
    with_scheme,
)
from rollouts.kube.errors import ApiError, Unreachable
from rollouts.kube.limit import RateLimit
from rollouts.kube.noanswer import reason
from rollouts.kube.refs import Obj, Resource
from rollouts.kube.rest import METHODS, Call, Lines, Query, refusal, selectors, unreachable, watch_event, with_kind
from rollouts.kube.wire import JsonPatch, Listing, PatchType, Propagation, WatchEvent

_OBJECT_TIMEOUT = 30.0
_LIST_TIMEOUT = 120.0
_CONNECT_TIMEOUT = 10.0
_TRIES = 5
_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 10.0
_CREDENTIALS_CHECK = 60.0
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
    credentials = await _Credentials.load(access, environ)
    return HttpWire(access, credentials, user_agent=user_agent, on_request=on_request)


class HttpWire:
    """The verbs of `rollouts.kube.wire.Wire` over one pool of connections. Close it, or use it as a context."""

    def __init__(
        self, access: Access, credentials: "_Credentials", *, user_agent: str, on_request: OnRequest | None = None
    ) -> None:
        self.namespace = credentials.namespace
        """The namespace to use where nobody names one: flag, context, service account, else "default"."""
        self.server = str(credentials.configuration.host)
        self._access = access
        self._credentials = credentials
        self._rest = _library().rest.RESTClientObject(credentials.configuration)
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

    async def _repeated(self, call: "Call") -> Any:
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

    async def _once(self, call: "Call", body: bytes) -> Any:
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

    async def _open(self, call: "Call", body: bytes, timeout: aiohttp.ClientTimeout) -> aiohttp.ClientResponse:
        """Send a request and return when its answer begins; on a 401, once more with fresh credentials."""
        if self._limit:
            await self._limit.wait()
        generation = self._credentials.generation
        response = await self._send(call, body, timeout)
        if response.status == 401 and await self._credentials.renewed(generation):
            response.release()
            response = await self._send(call, body, timeout)
        return response

    async def _send(self, call: "Call", body: bytes, timeout: aiohttp.ClientTimeout) -> aiohttp.ClientResponse:
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


# ── configuration ──────────────────────────────────────────────────────────


class _Credentials:
    """The library's configuration of one cluster, and how to renew what expires in it."""

    def __init__(self, access: Access, environ: Mapping[str, str]) -> None:
        self._access, self._environ = access, environ
        self.configuration = _library().configuration.Configuration()
        self.namespace = "default"
        self.generation = 0
        self._loader: Any = None
        self._checked = 0.0
        self._lock = asyncio.Lock()

    @classmethod
    async def load(cls, access: Access, environ: Mapping[str, str]) -> "_Credentials":
        self = cls(access, environ)
        self.configuration.disable_strict_ssl_verification = True  # many clusters' own authorities lack key identifiers
        config_error: type[Exception] = _library().kube_config.ConfigException
        try:
            await self._read()
        except (config_error, yaml.YAMLError, OSError, ValueError, TypeError, AssertionError, AttributeError) as error:
            said = " ".join(str(error).split()) or type(error).__name__
            raise AccessError(f"the cluster configuration cannot be used: {said}") from error
        self._override()
        return self

    async def headers(self) -> Query:
        """The Authorization header as it stands; renews a plugin's token that is about to expire."""
        now = asyncio.get_running_loop().time()
        if hasattr(self._loader, "exec_plugin_expiry") and now - self._checked > _CREDENTIALS_CHECK:
            self._checked = now
            try:
                await self._loader.load_from_exec_plugin()
            except Exception as error:
                raise Unreachable(f"the credentials plugin of the kubeconfig failed: {error}") from error
            self.configuration.api_key["BearerToken"] = self._loader.token
        value = await self.configuration.get_api_key_with_prefix("BearerToken")
        return [("Authorization", value.strip())] if value else []

    async def renewed(self, generation: int) -> bool:
        """Read the credentials anew, unless another request already did since `generation`; whether they are others."""
        async with self._lock:
            if generation != self.generation:
                return True
            before = self.configuration.api_key.get("BearerToken")
            fresh = await _Credentials.load(self._access, self._environ)
            token = fresh.configuration.api_key.get("BearerToken")
            if not token or token == before:
                return False
            self.configuration.api_key["BearerToken"] = token
            self.configuration.refresh_api_key_hook = fresh.configuration.refresh_api_key_hook
            self._loader = fresh._loader
            self.generation += 1
            return True

    async def _read(self) -> None:
        named = kubeconfig_paths(self._access, self._environ)
        paths = _existing(named)
        if self._access.kubeconfig and not paths:
            raise AccessError(f"--kubeconfig {self._access.kubeconfig}: there is no such file")
        if paths:
            await self._read_kubeconfig(":".join(paths))
        elif runs_in_a_pod(self._environ):
            _library().incluster_config.load_incluster_config(
                self.configuration,
                environ=self._environ,
                token_filename=f"{SERVICE_ACCOUNT}/token",
                cert_filename=f"{SERVICE_ACCOUNT}/ca.crt",
            )
            self.namespace = _pod_namespace() or self.namespace
        elif not self._access.server:
            raise AccessError(no_cluster(named))

    async def _read_kubeconfig(self, paths: str) -> None:
        library, access = _library().kube_config, self._access
        merger = library.KubeConfigMerger(paths)
        name = access.context or merger.config["current-context"]
        context = merger.config["contexts"].get_with_name(name)["context"].value
        context.update({key: value for key, value in (("cluster", access.cluster), ("user", access.user)) if value})
        self._loader = library.KubeConfigLoader(
            merger.config, active_context=name, config_base_path=None, config_persister=None
        )
        await self._loader.load_and_set(self.configuration)
        self.namespace = context.get("namespace") or self.namespace

    def _override(self) -> None:
        """Flags win over files."""
        access, configuration = self._access, self.configuration
        flags = {
            "host": access.server.rstrip("/"),
            "tls_server_name": access.tls_server_name,
            "ssl_ca_cert": access.certificate_authority,
            "cert_file": access.client_certificate,
            "key_file": access.client_key,
            "proxy": access.proxy_url,
        }
        for field, value in flags.items():
            if value:
                setattr(configuration, field, value)
        secured = bool(configuration.ssl_ca_cert or configuration.cert_file)
        configuration.host = with_scheme(str(configuration.host), secured)
        configuration.proxy = configuration.proxy or proxy_of(str(configuration.host), self._environ) or None
        if access.insecure_skip_tls_verify is not None:
            configuration.verify_ssl = not access.insecure_skip_tls_verify
        if access.token:
            configuration.api_key["BearerToken"] = f"Bearer {access.token}"
        elif access.username:
            configuration.api_key["BearerToken"] = aiohttp.encode_basic_auth(access.username, access.password)
        self.namespace = access.namespace or self.namespace


def _existing(paths: list[str]) -> list[str]:
    return [path for path in paths if Path(path).exists()]


def _pod_namespace() -> str:
    path = Path(SERVICE_ACCOUNT, "namespace")
    return path.read_text().strip() if path.exists() else ""


@dataclass(frozen=True, slots=True)
class _Library:
    configuration: Any
    rest: Any
    kube_config: Any
    incluster_config: Any


_loaded: _Library | None = None


def _library() -> _Library:
    """The modules of kubernetes_asyncio that are used here, loaded without its generated models."""
    global _loaded
    if _loaded is None:
        _loaded = _load_library()
    return _loaded


def _load_library() -> _Library:
    spec = importlib.util.find_spec("kubernetes_asyncio")
    if spec is None or not spec.submodule_search_locations:
        raise AccessError("the Python package kubernetes-asyncio is not installed")
    stand_in = "kubernetes_asyncio" not in sys.modules
    if stand_in:
        # Stand-ins whose own __init__ never runs: the submodules below find each other through them.
        package, client = types.ModuleType("kubernetes_asyncio"), types.ModuleType("kubernetes_asyncio.client")
        package.__path__ = list(spec.submodule_search_locations)
        client.__path__ = [os.path.join(root, "client") for root in package.__path__]
        sys.modules |= {package.__name__: package, client.__name__: client}
    try:
        from kubernetes_asyncio.client import configuration, rest

        if stand_in:
            client.__dict__.update(Configuration=configuration.Configuration, ApiClient=object)
        from kubernetes_asyncio.config import incluster_config, kube_config

        return _Library(configuration, rest, kube_config, incluster_config)
    finally:
        if stand_in:  # whoever imports the library elsewhere gets it whole
            for name in [name for name in sys.modules if name.split(".")[0] == "kubernetes_asyncio"]:
                del sys.modules[name]
