"""A watch: the changes of one resource that a client asked for, as events, until it ends or falls behind."""

import asyncio
from collections.abc import AsyncIterator

from rollouts.kube.refs import Obj, Resource
from rollouts.kube.wire import WatchEvent
from rollouts.sandbox.apiserver.selectors import Selection
from rollouts.sandbox.apiserver.store import Change, Store, Table


class Hub:
    """Ends or bookmarks every running watch at once.

    Bookmarks are due `every` seconds after a write, so a server that nobody writes to has no timer running.
    """

    def __init__(self, every: float | None) -> None:
        self._every = every
        self._watches: set[Watch] = set()
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._watches)

    def join(self, watch: "Watch") -> None:
        self._watches.add(watch)

    def leave(self, watch: "Watch") -> None:
        self._watches.discard(watch)
        if not self._watches and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def arm(self) -> None:
        """There was a write: see to it that the watches hear of the new version some time."""
        if self._every is None or self._timer is not None or not self._watches:
            return
        self._timer = asyncio.get_running_loop().call_later(self._every, self.bookmark)

    def bookmark(self) -> None:
        """Give every watch a bookmark now, if the version moved since its last event."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for watch in self._watches:
            watch.bookmark()

    def close(self) -> None:
        """End every watch, as an API server does that restarts."""
        for watch in list(self._watches):
            watch.close()


class Watch:
    """One client's place in the log of a table."""

    def __init__(self, store: Store, table: Table, resource: Resource, selection: Selection) -> None:
        self._store, self._table = store, table
        self._resource, self._selection = resource, selection
        self._wake = asyncio.Event()
        self._bookmark_due = False
        self._closed = False
        self._told = store.version

    def bookmark(self) -> None:
        if self._store.version > self._told:
            self._bookmark_due = True
            self._wake.set()

    def close(self) -> None:
        self._closed = True
        self._wake.set()

    async def events(self, position: int, first: list[Obj], hub: Hub, timeout: float) -> AsyncIterator[WatchEvent]:
        """`first` as ADDED, then what the log holds from `position` on, until closed or `timeout` seconds passed."""
        timer = asyncio.get_running_loop().call_later(timeout, self.close) if timeout > 0 else None
        self._table.listeners.append(self._wake.set)
        hub.join(self)
        try:
            for obj in first:
                yield WatchEvent("ADDED", as_version(obj, self._resource))
            while not self._closed:
                self._wake.clear()
                for change in self._table.since(position):
                    position += 1
                    self._told = change.version
                    event = seen(change, self._selection)
                    if event is not None:
                        yield WatchEvent(event.type, as_version(event.object, self._resource))
                if position < self._table.end:
                    continue
                if self._bookmark_due:
                    yield self._bookmarked()
                elif not self._closed:
                    await self._wake.wait()
        finally:
            hub.leave(self)
            self._table.listeners.remove(self._wake.set)
            if timer is not None:
                timer.cancel()

    def _bookmarked(self) -> WatchEvent:
        self._bookmark_due = False
        self._told = self._store.version
        return bookmark(self._resource, self._told)


def bookmark(resource: Resource, version: int) -> WatchEvent:
    metadata = {"resourceVersion": str(version), "creationTimestamp": None}
    return WatchEvent("BOOKMARK", {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata})


def seen(change: Change, selection: Selection) -> WatchEvent | None:
    """A change as a watch with a selector sees it: an object may enter or leave its sight by being modified."""
    before = change.before is not None and selection.matches(change.before)
    after = change.type != "DELETED" and selection.matches(change.object)
    if after:
        return WatchEvent("MODIFIED" if before else "ADDED", change.object)
    if not before or change.before is None:
        return None
    if change.type == "DELETED":
        return WatchEvent("DELETED", change.object)
    metadata = {**change.before["metadata"], "resourceVersion": change.object["metadata"]["resourceVersion"]}
    return WatchEvent("DELETED", {**change.before, "metadata": metadata})


def as_version(obj: Obj, resource: Resource, subresource: str = "") -> Obj:
    """The object in the API version it was asked for (conversion strategy None: only the name differs)."""
    wanted = resource.api_version
    if obj.get("apiVersion") == wanted or subresource not in ("", "status"):
        return obj
    return {**obj, "apiVersion": wanted}
