"""The controller's line to the API server: it counts what is said, refuses on demand, and can go dead after a write."""

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from rollouts.kube.errors import ApiError
from rollouts.kube.refs import EVENT, Resource
from rollouts.kube.wire import Wire

READS = frozenset({"get", "list", "watch"})


class Call(NamedTuple):
    """One call as Kubernetes names it; `body` is the object or patch."""

    verb: str
    resource: Resource
    name: str
    subresource: str
    body: Any


Fault: TypeAlias = Callable[[Call], ApiError | None]


class Line:
    """A Wire around another one. `faults` are asked before each call; Events do not count as writes.

    With `dies_after` = n the n-th write still reaches the server, but its answer never comes back, and neither does
    that of any write after it: what somebody sees of a controller that was killed at this moment.
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self.faults: list[Fault] = []
        self.calls: list[Call] = []
        self.dies_after: int | None = None
        self.dead = asyncio.Event()

    @property
    def writes(self) -> list[Call]:
        """Everything written so far but Events."""
        return [call for call in self.calls if call.verb not in READS and call.resource is not EVENT]

    def _enter(self, call: Call) -> None:
        self.calls.append(call)
        for fault in self.faults:
            error = fault(call)
            if error is not None:
                raise error

    async def _write(self, verb: str, resource: Resource, name: str, body: Any, /, *args: Any, **options: Any) -> Any:
        if self.dead.is_set():
            await asyncio.Event().wait()
        self._enter(Call(verb, resource, name, options.get("subresource", ""), body))
        answer = await getattr(self._wire, verb)(resource, *args, **options)
        if self.dies_after is not None and len(self.writes) >= self.dies_after:
            self.dead.set()
            await asyncio.Event().wait()
        return answer

    async def get(self, resource: Resource, namespace: str, name: str, **options: Any) -> Any:
        self._enter(Call("get", resource, name, options.get("subresource", ""), None))
        return await self._wire.get(resource, namespace, name, **options)

    async def list(self, resource: Resource, namespace: str = "", **options: Any) -> Any:
        self._enter(Call("list", resource, "", "", None))
        return await self._wire.list(resource, namespace, **options)

    def watch(self, resource: Resource, namespace: str = "", **options: Any) -> Any:
        self._enter(Call("watch", resource, "", "", None))
        return self._wire.watch(resource, namespace, **options)

    async def create(self, resource: Resource, namespace: str, obj: Any, **options: Any) -> Any:
        name = obj["metadata"].get("name", "")
        return await self._write("create", resource, name, obj, namespace, obj, **options)

    async def replace(self, resource: Resource, namespace: str, name: str, obj: Any, **options: Any) -> Any:
        return await self._write("replace", resource, name, obj, namespace, name, obj, **options)

    async def patch(self, resource: Resource, namespace: str, name: str, patch: Any, **options: Any) -> Any:
        return await self._write("patch", resource, name, patch, namespace, name, patch, **options)

    async def delete(self, resource: Resource, namespace: str, name: str, **options: Any) -> Any:
        return await self._write("delete", resource, name, None, namespace, name, **options)
