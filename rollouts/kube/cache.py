"""One kind's objects as last heard, behind one door: an object enters only if it is newer than what is held.

Watch events and the answers to our own writes use the same door, so whoever writes reads its own write at once and a
late echo of it changes nothing. Reads are synchronous look-ups; the objects are shared and must never be changed.

What `version` means here: a resourceVersion as an integer. The floor is the version up to which the watch has told
everything; an object that we do not hold and whose version lies at or below the floor has been deleted since, so a
late answer to one of our writes cannot bring it back.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, TypeAlias

import structlog

from rollouts.kube.refs import Obj, Resource, controller_of, name_of, namespace_of

Key: TypeAlias = tuple[str, str]
"""Namespace ("" when cluster-scoped) and name."""

IndexFunction: TypeAlias = Callable[[Obj], Iterable[str]]
Subscriber: TypeAlias = Callable[[Obj | None, Obj | None], None]
Transform: TypeAlias = Callable[[Obj], Obj]

OWNER = "owner"
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

log = structlog.get_logger(__name__)


class _Entry(NamedTuple):
    obj: Obj
    version: int
    serial: int
    """The cache's count of changes when this entered: tells what entered while a LIST was under way."""


def version_of(obj: Obj) -> int:
    """The object's resourceVersion as an integer; 0 when it has none or one that is no integer."""
    return parse_version(obj["metadata"].get("resourceVersion", ""))


def parse_version(version: str) -> int:
    return int(version) if version.isdecimal() else 0


def lean(obj: Obj) -> Obj:
    """The object without what no decision reads and what weighs most: managed fields and kubectl's last applied copy.

    The object handed in stays as it is (an in-process API server may share it). What a cache gives out must therefore
    never be sent back whole; patches between two of its copies are safe, since neither names the missing fields.
    """
    metadata = obj["metadata"]
    annotations = metadata.get("annotations")
    applied = bool(annotations) and _LAST_APPLIED in annotations
    if not applied and "managedFields" not in metadata:
        return obj
    kept = {key: value for key, value in metadata.items() if key != "managedFields"}
    if applied:
        kept["annotations"] = {key: value for key, value in annotations.items() if key != _LAST_APPLIED}
    return {**obj, "metadata": kept}


def by_owner(obj: Obj) -> Iterable[str]:
    """Index function: the uid of the object's controlling owner."""
    owner = controller_of(obj)
    return (owner.get("uid", ""),) if owner else ()


def by_label(key: str) -> IndexFunction:
    """Index function: the value of one label."""

    def values(obj: Obj) -> Iterable[str]:
        labels = obj["metadata"].get("labels") or {}
        return (labels[key],) if key in labels else ()

    return values


class Cache:
    """The objects of one resource. Every cache is indexed by the uid of the controlling owner (`owned_by`)."""

    def __init__(
        self,
        resource: Resource,
        *,
        transform: Transform = lean,
        indexes: dict[str, IndexFunction] | None = None,
    ) -> None:
        self.resource = resource
        self._transform = transform
        self._entries: dict[Key, _Entry] = {}
        self._floor = 0
        self._serial = 0
        self._functions: dict[str, IndexFunction] = {}
        self._indexes: dict[str, dict[str, set[Key]]] = {}
        self._subscribers: list[Subscriber] = []
        self.unlisted: dict[Key, Obj] = {}
        """Objects that are there though no watch of ours tells of them (they carry other labels): met by whoever wanted
        their name. Never forgotten but for an object of that name that is told of."""
        for name, function in {OWNER: by_owner, **(indexes or {})}.items():
            self.add_index(name, function)

    # ── reading ────────────────────────────────────────────────────────────

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Obj]:
        return iter([entry.obj for entry in self._entries.values()])

    def get(self, namespace: str, name: str) -> Obj | None:
        """The object, or None when there is none (or none heard of yet)."""
        entry = self._entries.get((namespace, name))
        return entry.obj if entry else None

    def objects(self, namespace: str = "") -> list[Obj]:
        """All objects, or those of one namespace, by namespace and name."""
        return [self._entries[key].obj for key in sorted(self._entries) if namespace in ("", key[0])]

    def by(self, index: str, value: str) -> list[Obj]:
        """The objects for which an index function named `value`, by namespace and name. KeyError: no such index."""
        return [self._entries[key].obj for key in sorted(self._indexes[index].get(value, ()))]

    def owned_by(self, uid: str) -> list[Obj]:
        """The objects whose controlling owner has this uid, by namespace and name."""
        return self.by(OWNER, uid)

    @property
    def mark(self) -> int:
        """A moment in this cache's life, to be taken before a LIST is asked for and given to `replace`."""
        return self._serial

    # ── the door ───────────────────────────────────────────────────────────

    def put(self, obj: Obj) -> bool:
        """Take an object in if it is newer than what is held; whether it was. Tells the subscribers."""
        key, version = _key(obj), version_of(obj)
        held = self._entries.get(key)
        newest = held.version if held else self._floor
        if version <= newest and version:
            return False
        self._store(key, self._transform(obj), version)
        return True

    def remove(self, obj: Obj) -> bool:
        """Take in that this object was deleted (its version is that of the deletion); whether it was held."""
        key, version = _key(obj), version_of(obj)
        held = self._entries.get(key)
        self.advance(version)
        if held is None or (version and held.version > version):
            return False
        self._drop(key)
        return True

    def advance(self, version: int) -> None:
        """The watch has told everything up to this version."""
        self._floor = max(self._floor, version)

    def replace(self, items: Iterable[Obj], version: int, mark: int) -> None:
        """Take in a LIST: it replaces everything, except what entered after `mark` and is newer than the list.

        Entries from before `mark` go even when their version is higher: a LIST is never older than what preceded it,
        unless the API server was restored from a backup, and then the list is right.
        """
        self._floor = version
        listed = {_key(obj): obj for obj in items}
        for key, entry in list(self._entries.items()):
            if key not in listed and not (entry.serial > mark and entry.version > version):
                self._drop(key)
        for key, obj in listed.items():
            held, own = self._entries.get(key), version_of(obj)
            if held and (held.version == own or (held.serial > mark and held.version > own)):
                continue
            self._store(key, self._transform(obj), own)

    # ── indexes and subscribers ────────────────────────────────────────────

    def add_index(self, name: str, function: IndexFunction) -> None:
        """Keep an index by a caller's function, which must depend on nothing but the object."""
        self._functions[name] = function
        self._indexes[name] = {}
        for key, entry in self._entries.items():
            self._enter(name, key, entry.obj)

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """Call `subscriber(old, new)` after every change (None: not there); returns how to stop it.

        It is called synchronously and must neither block nor raise; what it raises is logged, and others are told on.
        """
        self._subscribers.append(subscriber)
        return lambda: self._subscribers.remove(subscriber)

    def _store(self, key: Key, obj: Obj, version: int) -> None:
        held = self._entries.get(key)
        self._serial += 1
        self.unlisted.pop(key, None)
        if held:
            self._leave(key, held.obj)
        self._entries[key] = _Entry(obj, version, self._serial)
        for name in self._functions:
            self._enter(name, key, obj)
        self._tell(held.obj if held else None, obj)

    def _drop(self, key: Key) -> None:
        gone = self._entries.pop(key)
        self._serial += 1
        self._leave(key, gone.obj)
        self._tell(gone.obj, None)

    def _enter(self, name: str, key: Key, obj: Obj) -> None:
        for value in self._functions[name](obj):
            self._indexes[name].setdefault(value, set()).add(key)

    def _leave(self, key: Key, obj: Obj) -> None:
        for name, function in self._functions.items():
            for value in function(obj):
                keys = self._indexes[name].get(value)
                if keys is not None:
                    keys.discard(key)
                    if not keys:
                        del self._indexes[name][value]

    def _tell(self, old: Obj | None, new: Obj | None) -> None:
        for subscriber in tuple(self._subscribers):
            try:
                subscriber(old, new)
            except Exception:
                log.exception("subscriber failed", kind=self.resource.kind, object=_key(new or old or {}))


def _key(obj: Obj) -> Key:
    return namespace_of(obj), name_of(obj)
