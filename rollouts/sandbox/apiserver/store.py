"""Objects by resource, one rising version for them all, and what happened to them lately.

A stored object is never changed: a write puts a new one in its place, so a reader may keep what it was given.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from rollouts.kube.refs import Obj
from rollouts.sandbox.apiserver.refusals import expired, too_new
from rollouts.sandbox.apiserver.selectors import Selection

Key: TypeAlias = tuple[str, str]
"""A resource as the store knows it: (group, plural). Versions of one resource share their objects."""

ChangeType: TypeAlias = Literal["ADDED", "MODIFIED", "DELETED"]

_NOTHING: dict[str, Obj] = {}


@dataclass(frozen=True, slots=True)
class Change:
    """One write: the version it made, the object after it (when DELETED: as it was last), and before it."""

    version: int
    type: ChangeType
    object: Obj
    before: Obj | None


class Table:
    """The objects of one resource, an index of their labels, and a bounded log of their changes."""

    def __init__(self, keep: int) -> None:
        self.objects: dict[str, dict[str, Obj]] = {}
        self.log: list[Change] = []
        self.dropped = 0
        self.floor = 0
        self.listeners: list[Callable[[], None]] = []
        self._keep = keep
        self._labelled: dict[tuple[str, str], dict[tuple[str, str], None]] = {}
        self._order: list[tuple[str, str]] | None = []

    @property
    def end(self) -> int:
        """The position after the last change."""
        return self.dropped + len(self.log)

    def get(self, namespace: str, name: str) -> Obj | None:
        return self.objects.get(namespace, _NOTHING).get(name)

    def apply(self, namespace: str, name: str, change: Change) -> None:
        """Make the change true, write it down, and tell who listens."""
        if change.type == "DELETED":
            del self.objects[namespace][name]
        else:
            self.objects.setdefault(namespace, {})[name] = change.object
        if change.type != "MODIFIED":
            self._order = None
        self._index((namespace, name), change)
        self.log.append(change)
        if len(self.log) > 2 * self._keep:
            self._drop(len(self.log) - self._keep)
        for listener in self.listeners:
            listener()

    def _index(self, place: tuple[str, str], change: Change) -> None:
        old = (change.before["metadata"].get("labels") if change.before else None) or {}
        new = {} if change.type == "DELETED" else change.object["metadata"].get("labels") or {}
        if old == new:
            return
        for label in old.items() - new.items():
            del self._labelled[label][place]
            if not self._labelled[label]:
                del self._labelled[label]
        for label in new.items() - old.items():
            self._labelled.setdefault(label, {})[place] = None

    def _drop(self, count: int) -> None:
        if count:
            self.floor = self.log[count - 1].version
            self.dropped += count
            del self.log[:count]

    def compact(self, version: int) -> None:
        self._drop(len(self.log))
        self.floor = version

    def select(self, selection: Selection) -> Iterator[Obj]:
        """The objects meant, ordered by namespace and name."""
        for namespace, name in self._candidates(selection):
            obj = self.objects[namespace][name]
            if selection.matches(obj):
                yield obj

    def _candidates(self, selection: Selection) -> Iterable[tuple[str, str]]:
        pinned = selection.labels.pinned()
        if pinned is not None:
            return sorted(self._labelled.get(pinned, ()))
        if selection.namespace:
            return [(selection.namespace, name) for name in sorted(self.objects.get(selection.namespace, ()))]
        if self._order is None:
            self._order = sorted((namespace, name) for namespace, names in self.objects.items() for name in names)
        return self._order

    def position(self, version: int) -> int:
        """Where in the log the changes after `version` begin; Gone when some of them are no longer kept."""
        if version < self.floor:
            raise expired(version, self.floor)
        return self.dropped + bisect_right(self.log, version, key=lambda change: change.version)

    def since(self, position: int) -> list[Change]:
        """The changes from a position on; Gone when the reader was so slow that some are no longer kept."""
        if position < self.dropped:
            raise expired(position, self.dropped)
        return self.log[position - self.dropped :]


class Store:
    """Tables by resource under one version. `keep` is how many changes of each resource a watch can go back.

    `listeners` are called after every write of whatever resource.
    """

    def __init__(self, keep: int = 10_000) -> None:
        self.version = 0
        self.listeners: list[Callable[[], None]] = []
        self._keep = keep
        self._tables: dict[Key, Table] = {}

    def table(self, key: Key) -> Table:
        found = self._tables.get(key)
        if found is None:
            found = self._tables[key] = Table(self._keep)
        return found

    def tables(self) -> Iterable[tuple[Key, Table]]:
        return self._tables.items()

    def put(self, key: Key, obj: Obj) -> Obj:
        """Store an object under the next version; answers it with its resourceVersion."""
        self.version += 1
        metadata = {**obj["metadata"], "resourceVersion": str(self.version)}
        stored = {**obj, "metadata": metadata}
        table = self.table(key)
        namespace, name = metadata.get("namespace", ""), metadata["name"]
        before = table.get(namespace, name)
        change = Change(self.version, "ADDED" if before is None else "MODIFIED", stored, before)
        table.apply(namespace, name, change)
        self._tell()
        return stored

    def remove(self, key: Key, obj: Obj) -> Obj:
        """Take an object out; answers it as a watcher sees it last, with the version of its removal."""
        self.version += 1
        metadata = {**obj["metadata"], "resourceVersion": str(self.version)}
        last = {**obj, "metadata": metadata}
        table = self.table(key)
        namespace, name = metadata.get("namespace", ""), metadata["name"]
        table.apply(namespace, name, Change(self.version, "DELETED", last, table.get(namespace, name)))
        self._tell()
        return last

    def _tell(self) -> None:
        for listener in self.listeners:
            listener()

    def position(self, key: Key, version: int) -> int:
        """Where a watch from `version` begins; Gone when that is too old, 504 when it is yet to come."""
        if version > self.version:
            raise too_new(version, self.version)
        return self.table(key).position(version)

    def compact(self) -> None:
        """Forget the past of every resource: watches and lists from an earlier version get 410 Gone."""
        for table in self._tables.values():
            table.compact(self.version)
