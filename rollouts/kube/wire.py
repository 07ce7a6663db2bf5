"""Pure. The one seam to a cluster: six verbs on dicts. A real API server and the sandbox both stand behind it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal, Protocol, TypeAlias

from rollouts.kube.refs import Obj, Resource


class PatchType(StrEnum):
    """How a patch is to be read; the value is its media type."""

    MERGE = "application/merge-patch+json"
    STRATEGIC = "application/strategic-merge-patch+json"
    JSON = "application/json-patch+json"
    APPLY = "application/apply-patch+yaml"


@dataclass(frozen=True, slots=True)
class Listing:
    """What a LIST answers: the objects, and the version from which a watch goes on."""

    items: list[Obj] = field(default_factory=list)
    resource_version: str = ""
    continue_token: str = ""


EventType: TypeAlias = Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """One line of a watch. A BOOKMARK's object holds only its resourceVersion."""

    type: EventType
    object: Obj


Propagation: TypeAlias = Literal["Background", "Foreground", "Orphan"]


JsonPatch: TypeAlias = list[Obj]


class Wire(Protocol):
    """The Kubernetes REST API.

    Every verb raises `rollouts.kube.errors.ApiError` when refused. What a verb returns, the caller must not change:
    it may be shared with a cache. `namespace=""` on list and watch means all namespaces.
    """

    async def get(self, resource: Resource, namespace: str, name: str, *, subresource: str = "") -> Obj: ...

    async def list(
        self,
        resource: Resource,
        namespace: str = "",
        *,
        label_selector: str = "",
        field_selector: str = "",
        limit: int = 0,
        continue_token: str = "",
    ) -> Listing: ...

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
        """Changes after `resource_version`, bookmarks included; ends after `timeout` seconds or when the server
        closes it; raises Gone when that version is no longer kept."""
        ...

    async def create(
        self, resource: Resource, namespace: str, obj: Obj, *, name: str = "", subresource: str = ""
    ) -> Obj:
        """POST. `name` and `subresource` are for subresources that are created, like pods/eviction."""
        ...

    async def replace(self, resource: Resource, namespace: str, name: str, obj: Obj, *, subresource: str = "") -> Obj:
        """PUT. A resourceVersion in the object makes it conditional (Conflict)."""
        ...

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
        """PATCH. A metadata.resourceVersion in a merge patch makes it conditional (Conflict)."""
        ...

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
        """DELETE. A `uid` makes it conditional on the object still being that one (Conflict)."""
        ...
