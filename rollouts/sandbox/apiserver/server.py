"""A Kubernetes API server in a process: the Wire without sockets, with the manners of the real one.

Nothing here waits for anything but a watch for changes. Time is what `now` says, so it may be virtual.
"""

import base64
import binascii
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias, TypedDict, Unpack

from rollouts.kube.errors import ApiError
from rollouts.kube.refs import Obj, Resource
from rollouts.kube.wire import JsonPatch, Listing, PatchType, Propagation, WatchEvent
from rollouts.sandbox.apiserver import refusals
from rollouts.sandbox.apiserver.deletion import DeleteOptions
from rollouts.sandbox.apiserver.selectors import Selection, parse_fields, parse_labels
from rollouts.sandbox.apiserver.store import Store
from rollouts.sandbox.apiserver.types.registry import Registry, Served
from rollouts.sandbox.apiserver.verbs import Call, Ownership, Verbs
from rollouts.sandbox.apiserver.watches import Hub, Watch, as_version

Fault: TypeAlias = Callable[[str, Resource, str, str, str], ApiError | None]
"""(verb, resource, namespace, name, subresource) → what the call fails with, or None."""


class Request(NamedTuple):
    """What is counted: who called which verb (Kubernetes' words: get list watch create update patch delete
    deletecollection) on which resource (plural) and subresource."""

    actor: str
    verb: str
    resource: str
    subresource: str


class Options(TypedDict, total=False):
    """What a write may say besides its object. `warnings` receives the texts of Warning headers."""

    dry_run: bool
    field_validation: str
    warnings: list[str]


class Client:
    """A Wire to the server under the name of an actor: its calls are counted, and may be made to fail."""

    def __init__(self, core: "_Core", actor: str) -> None:
        self._core = core
        self.actor = actor

    def _enter(self, verb: str, resource: Resource, namespace: str, name: str, subresource: str = "") -> Served:
        return self._core.enter(Request(self.actor, verb, resource.plural, subresource), resource, namespace, name)

    async def get(self, resource: Resource, namespace: str, name: str, *, subresource: str = "") -> Obj:
        served = self._enter("get", resource, namespace, name, subresource)
        return as_version(self._core.verbs.get(served, namespace, name, subresource), resource, subresource)

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
        served = self._enter("list", resource, namespace, "")
        selection = _selection(served, namespace, label_selector, field_selector)
        return self._core.page(served, selection, limit, continue_token)

    def watch(
        self,
        resource: Resource,
        namespace: str = "",
        *,
        resource_version: str = "",
        label_selector: str = "",
        field_selector: str = "",
        timeout: float = 0,
    ) -> AsyncIterator[WatchEvent]:
        """Refuses at once, not only when iterated. Without a version (or "0") what is there comes first, as ADDED."""
        served = self._enter("watch", resource, namespace, "")
        selection = _selection(served, namespace, label_selector, field_selector)
        return self._core.watch(served, selection, resource_version, timeout)

    async def create(
        self,
        resource: Resource,
        namespace: str,
        obj: Obj,
        *,
        name: str = "",
        subresource: str = "",
        field_manager: str = "",
        **options: Unpack[Options],
    ) -> Obj:
        served = self._enter("create", resource, namespace, name, subresource)
        call = _call(subresource, field_manager, options)
        return as_version(self._core.verbs.create(served, namespace, obj, name, call), resource, subresource)

    async def replace(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        obj: Obj,
        *,
        subresource: str = "",
        field_manager: str = "",
        **options: Unpack[Options],
    ) -> Obj:
        served = self._enter("update", resource, namespace, name, subresource)
        call = _call(subresource, field_manager, options)
        return as_version(self._core.verbs.replace(served, namespace, name, obj, call), resource, subresource)

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
        **options: Unpack[Options],
    ) -> Obj:
        served = self._enter("patch", resource, namespace, name, subresource)
        call = _call(subresource, field_manager, options, force)
        return as_version(self._core.verbs.patch(served, namespace, name, patch, type, call), resource, subresource)

    async def delete(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        *,
        propagation: Propagation | None = None,
        uid: str = "",
        grace_period: int | None = None,
        resource_version: str = "",
        dry_run: bool = False,
    ) -> Any:
        """A Status when the object is gone at once; the object itself when it lives on for a while."""
        served = self._enter("delete", resource, namespace, name)
        options = DeleteOptions(propagation, uid, resource_version, grace_period, dry_run)
        return self._core.verbs.delete(served, namespace, name, options)

    async def delete_collection(
        self,
        resource: Resource,
        namespace: str = "",
        *,
        label_selector: str = "",
        field_selector: str = "",
        propagation: Propagation | None = None,
        grace_period: int | None = None,
        dry_run: bool = False,
    ) -> Listing:
        """Delete everything selected; answers the objects as they were."""
        served = self._enter("deletecollection", resource, namespace, "")
        selection = _selection(served, namespace, label_selector, field_selector)
        options = DeleteOptions(propagation, grace_period=grace_period, dry_run=dry_run)
        gone = self._core.verbs.delete_collection(served, selection, options)
        return Listing(gone, str(self._core.store.version))


class _Core:
    """What all clients of one server share."""

    def __init__(self, verbs: Verbs, bookmark_every: float | None) -> None:
        self.verbs, self.store, self.registry = verbs, verbs.store, verbs.registry
        self.hub = Hub(bookmark_every)
        self.store.listeners.append(self.hub.arm)
        self.faults: list[Fault] = []
        self.requests: Counter[Request] = Counter()

    def enter(self, request: Request, resource: Resource, namespace: str, name: str) -> Served:
        """Count the call, let faults have their say, find how the resource is served."""
        self.requests[request] += 1
        for fault in self.faults:
            error = fault(request.verb, resource, namespace, name, request.subresource)
            if error is not None:
                raise error
        return self.registry.of(resource)

    def page(self, served: Served, selection: Selection, limit: int, token: str) -> Listing:
        version, after = _read_token(token) if token else (self.store.version, None)
        if token:
            self.store.position(served.key, version)
        items: list[Obj] = []
        for obj in self.store.table(served.key).select(selection):
            place = (obj["metadata"].get("namespace", ""), obj["metadata"]["name"])
            if after is not None and place <= after:
                continue
            if limit and len(items) == limit:
                last = items[-1]["metadata"]
                more = _token(version, last.get("namespace", ""), last["name"])
                return Listing(items, str(version), more)
            items.append(as_version(obj, served.resource))
        return Listing(items, str(version))

    def watch(
        self, served: Served, selection: Selection, resource_version: str, timeout: float
    ) -> AsyncIterator[WatchEvent]:
        table = self.store.table(served.key)
        first: list[Obj] = []
        if resource_version in ("", "0"):
            first, position = list(table.select(selection)), table.end
        else:
            position = self.store.position(served.key, _version(resource_version))
        return Watch(self.store, table, served.resource, selection).events(position, first, self.hub, timeout)


class ApiServer(Client):
    """The server, and a Wire to it for whoever does not mind being nobody in particular.

    `now` gives aware datetimes. `history`: how many changes of each resource a watch can go back. `bookmark_every`:
    seconds after a write until watches get a bookmark, None for never. `seed` makes uids and names repeatable.
    `faults` are asked before each call and may make it fail; `requests` counts calls.
    """

    def __init__(
        self,
        now: Callable[[], datetime],
        *,
        auto_create_namespaces: bool = False,
        history: int = 10_000,
        bookmark_every: float | None = 60.0,
        seed: int | None = None,
    ) -> None:
        store, registry = Store(history), Registry()
        verbs = Verbs(store, registry, now, auto_create_namespaces=auto_create_namespaces, seed=seed)
        core = _Core(verbs, bookmark_every)
        super().__init__(core, "")
        self.now = now
        self.store, self.registry = store, registry
        self.faults, self.requests = core.faults, core.requests

    def as_user(self, actor: str) -> Client:
        """The same server for an actor: its calls are counted under that name."""
        return Client(self._core, actor)

    @property
    def ownership(self) -> Ownership | None:
        """Who knows about managedFields; without it server-side apply is refused and nothing is tracked."""
        return self._core.verbs.ownership

    @ownership.setter
    def ownership(self, ownership: Ownership | None) -> None:
        self._core.verbs.ownership = ownership

    def compact(self) -> None:
        """Forget the past: watches and pages from an earlier version get 410 Gone."""
        self.store.compact()

    def bookmark(self) -> None:
        """Send every running watch a bookmark now."""
        self._core.hub.bookmark()

    def disconnect(self) -> None:
        """End every running watch, as when the server restarts."""
        self._core.hub.close()

    @property
    def watching(self) -> int:
        """How many watches are running."""
        return len(self._core.hub)


def _call(subresource: str, manager: str, options: Options, force: bool = False) -> Call:
    warnings = options.get("warnings")
    return Call(
        subresource,
        manager,
        force,
        options.get("dry_run", False),
        options.get("field_validation", ""),
        [] if warnings is None else warnings,
    )


def _selection(served: Served, namespace: str, labels: str, fields: str) -> Selection:
    where = namespace if served.resource.namespaced else ""
    return Selection(where, parse_labels(labels), parse_fields(fields, served.resource.kind, served.selectable))


def _version(text: str) -> int:
    if not text.isdecimal():
        raise refusals.bad_request(f"Invalid value: {json.dumps(text)}: resourceVersion is not a number")
    return int(text)


def _token(version: int, namespace: str, name: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([version, namespace, name]).encode()).decode()


def _read_token(token: str) -> tuple[int, tuple[str, str]]:
    try:
        version, namespace, name = json.loads(base64.urlsafe_b64decode(token))
    except (ValueError, binascii.Error) as error:
        raise refusals.bad_request("continue key is not valid") from error
    return int(version), (str(namespace), str(name))
