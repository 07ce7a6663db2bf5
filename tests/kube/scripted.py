"""A Wire whose answers a test writes down beforehand."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from rollouts.kube.refs import Obj, Resource
from rollouts.kube.wire import EventType, Listing, WatchEvent


def loop_time() -> float:
    return asyncio.get_running_loop().time()


def thing(name: str, version: int, *, namespace: str = "ns", **metadata: Any) -> Obj:
    return {"metadata": {"name": name, "namespace": namespace, "resourceVersion": str(version), **metadata}}


def event(type: EventType, obj: Obj) -> WatchEvent:
    return WatchEvent(type, obj)


def bookmark(version: int) -> WatchEvent:
    return WatchEvent("BOOKMARK", {"metadata": {"resourceVersion": str(version)}})


@dataclass
class Stream:
    """One watch: what it says, then an error, an end, or (by default) silence for ever."""

    said: list[WatchEvent | float] = field(default_factory=list)
    """Events; a number is a pause in seconds."""
    error: Exception | None = None
    ends: bool = False


@dataclass
class Asked:
    """What was asked of the wire, and when on the loop's clock."""

    verb: str
    at: float
    version: str = ""
    token: str = ""
    limit: int = 0


class ScriptedWire:
    """Answers lists and watches in the order written; the last list repeats, and watches after the last stay silent."""

    def __init__(self, lists: list[Listing | Exception], streams: list[Stream | Exception] | None = None) -> None:
        self.lists = lists
        self.streams = streams or []
        self.asked: list[Asked] = []
        self.closed = 0

    def verbs(self) -> list[str]:
        return [asked.verb for asked in self.asked]

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
        self.asked.append(Asked("list", loop_time(), token=continue_token, limit=limit))
        answer = self.lists.pop(0) if len(self.lists) > 1 else self.lists[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

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
        self.asked.append(Asked("watch", loop_time(), version=resource_version))
        stream = self.streams.pop(0) if self.streams else Stream()
        try:
            if isinstance(stream, Exception):
                raise stream
            for said in stream.said:
                if isinstance(said, WatchEvent):
                    yield said
                else:
                    await asyncio.sleep(said)
            if stream.error:
                raise stream.error
            if not stream.ends:
                await asyncio.sleep(timeout)
        finally:
            self.closed += 1


async def until(condition: Callable[[], object], *, within: float = 3600.0) -> None:
    """Let (virtual) time pass until something holds."""
    deadline = loop_time() + within
    while not condition():
        assert loop_time() < deadline, "it never came to hold"
        await asyncio.sleep(0.01)


async def stopped(task: "asyncio.Task[Any]") -> None:
    """Cancel a task and see it end."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
