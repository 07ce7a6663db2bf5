"""Pure. Server-side apply: who owns which field of an object, what an apply changes, and with whom it conflicts.

Owners are written down in `metadata.managedFields`, one entry per (manager, operation, subresource). `apply` merges a
configuration; `track` notes an ordinary write. Both return a new object and change none they are given.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from rollouts.kube.errors import Conflict, Refused
from rollouts.kube.refs import Obj
from rollouts.sandbox.apiserver.merging.compare import Comparison, compare, merge, without
from rollouts.sandbox.apiserver.types.fieldset import (
    FieldSet,
    Path,
    Typed,
    fields_of,
    from_fields_v1,
    spelled,
    to_fields_v1,
)

Operation: TypeAlias = Literal["Apply", "Update"]
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_LAST_APPLIED_PATH: Path = ("f:metadata", "f:annotations", f"f:{LAST_APPLIED}")
_NOBODYS = {("f:apiVersion",), ("f:kind",), ("f:metadata",)} | {
    ("f:metadata", f"f:{name}")
    for name in (
        "name",
        "namespace",
        "creationTimestamp",
        "uid",
        "generation",
        "managedFields",
        "resourceVersion",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "generateName",
    )
}


@dataclass(frozen=True, slots=True)
class Writer:
    """Who writes: the field manager's name, what the write goes to, and when (RFC 3339, UTC)."""

    manager: str
    api_version: str
    now: str
    subresource: str = ""


@dataclass(frozen=True, slots=True)
class Owner:
    """An entry of managedFields without its fields."""

    manager: str
    operation: Operation
    subresource: str
    api_version: str
    time: str = ""

    @property
    def identity(self) -> tuple[str, str, str]:
        return (self.manager, self.operation, self.subresource)

    def __str__(self) -> str:
        with_subresource = f" with subresource {json.dumps(self.subresource)}" if self.subresource else ""
        using = f" using {self.api_version}" if self.operation == "Update" else ""
        return f"{json.dumps(self.manager)}{with_subresource}{using}"


Owned: TypeAlias = dict[tuple[str, str, str], tuple[Owner, FieldSet]]


def apply(live: Obj | None, applied: Obj, kind: Typed, writer: Writer, *, force: bool = False) -> Obj:
    """The object once `applied` is applied to `live` (None: it is created), managedFields included.

    Fields the manager applied before and leaves out now are removed unless somebody else owns them too.

    Raises Conflict when it would change fields others own (unless `force`), Refused when `applied` has managedFields.
    """
    if applied.get("metadata", {}).get("managedFields"):
        raise Refused("metadata.managedFields must be nil")
    base: Obj = live if live is not None else _bare(applied)
    owned = _read_owned(base)
    if live is not None and not owned:
        owned = _owned_before_tracking(base, kind, writer)
    mine = Owner(writer.manager, "Apply", writer.subresource, writer.api_version, writer.now)
    config = _clean(applied)
    before = owned.get(mine.identity, (mine, frozenset()))[1]
    now_mine = _ownable(fields_of(config, kind), writer)
    others = {identity: entry for identity, entry in owned.items() if identity != mine.identity}
    merged = merge(_untracked(base), config, kind)
    pruned = without(merged, _abandoned(before, now_mine, others), kind)
    change = compare(_untracked(base), pruned, kind)
    clashes = _conflicts(others, change)
    if clashes and not force and not _comes_from_client_side(clashes, base, kind, writer):
        raise _conflict(clashes)
    kept = _after_change(others, change, clashes)
    kept[mine.identity] = (mine, now_mine)
    return _signed(_with_last_applied(pruned, config, writer), base, kept)


def track(before: Obj | None, after: Obj, kind: Typed, writer: Writer) -> Obj:
    """`after` with managedFields that say who owns what once `writer` wrote it over `before` by an ordinary write.

    An object that came to be untracked stays so until it is applied. An explicitly empty `metadata.managedFields` in
    `after` ends all tracking; other changes that a client made to managedFields count when they can be read.
    """
    sent = after["metadata"].get("managedFields")
    old: Obj = before if before is not None else {"metadata": {}}
    owned = _sent_owned(sent, old) if before is not None else {}
    if before is not None and (not owned or sent in ([], [{}])):
        return _untracked(after)
    change = compare(_untracked(old), _untracked(after), kind)
    mine = Owner(writer.manager, "Update", writer.subresource, writer.api_version, writer.now)
    mine, had = owned.get(mine.identity, (mine, frozenset()))
    others = {identity: entry for identity, entry in owned.items() if identity != mine.identity}
    kept = _after_change(others, change, _conflicts(others, change))
    has = (had - change.removed) | _ownable(change.changed, writer)
    kept[mine.identity] = (replace(mine, time=writer.now) if has != had else mine, has)
    return _signed(_untracked(after), old, kept)


def _bare(applied: Obj) -> Obj:
    metadata = applied.get("metadata", {})
    named = {key: metadata[key] for key in ("name", "namespace") if key in metadata}
    return {"apiVersion": applied.get("apiVersion"), "kind": applied.get("kind"), "metadata": named}


def _clean(value: Any) -> Any:
    """Without nulls, which say nothing in an applied configuration."""
    if isinstance(value, dict):
        return {key: _clean(inner) for key, inner in value.items() if inner is not None}
    return [_clean(inner) for inner in value] if isinstance(value, list) else value


def _untracked(obj: Obj) -> Obj:
    metadata = obj["metadata"]
    if "managedFields" not in metadata:
        return obj
    return obj | {"metadata": {key: value for key, value in metadata.items() if key != "managedFields"}}


def _ownable(fields: FieldSet, writer: Writer) -> FieldSet:
    """Without the fields nobody owns, and without those this (sub)resource does not write."""
    if writer.subresource == "status":
        return frozenset(path for path in fields if path[:1] == ("f:status",))
    return frozenset(path for path in fields if path not in _NOBODYS and path[:1] != ("f:status",))


def _abandoned(before: FieldSet, now: FieldSet, others: Owned) -> FieldSet:
    """What the manager owned, owns no more, and nobody else does (nor anything below it)."""
    held = {path[:length] for path in _all(others) | now for length in range(1, len(path) + 1)}
    return frozenset(before - held)


def _all(owned: Owned) -> FieldSet:
    return frozenset().union(*(fields for _, fields in owned.values()))


def _conflicts(others: Owned, change: Comparison) -> dict[Owner, FieldSet]:
    found = {owner: fields & change.changed for owner, fields in others.values()}
    return {owner: fields for owner, fields in found.items() if fields}


def _after_change(others: Owned, change: Comparison, lost: Mapping[Owner, FieldSet]) -> Owned:
    """What the others still own: not what was taken from them, not what is gone."""
    left: Owned = {}
    for identity, (owner, fields) in others.items():
        kept = fields - lost.get(owner, frozenset()) - change.removed
        if kept:
            left[identity] = (owner, kept)
    return left


def _conflict(clashes: Mapping[Owner, FieldSet]) -> Conflict:
    listed = [(owner, path) for owner in sorted(clashes, key=str) for path in sorted(clashes[owner])]
    if len(listed) == 1:
        text = f"Apply failed with 1 conflict: conflict with {listed[0][0]}: {spelled(listed[0][1])}"
    else:
        groups = [
            f"conflicts with {owner}:" + "".join(f"\n- {spelled(path)}" for path in sorted(clashes[owner]))
            for owner in sorted(clashes, key=str)
        ]
        text = f"Apply failed with {len(listed)} conflicts: " + "\n".join(groups)
    causes = [
        {"reason": "FieldManagerConflict", "message": f"conflict with {owner}", "field": spelled(path)}
        for owner, path in listed
    ]
    return Conflict(text, details={"causes": causes})


def _comes_from_client_side(clashes: Mapping[Owner, FieldSet], live: Obj, kind: Typed, writer: Writer) -> bool:
    """Whether `kubectl apply --server-side` only takes over what `kubectl apply` itself said before."""
    text = (live["metadata"].get("annotations") or {}).get(LAST_APPLIED)
    if writer.manager != "kubectl" or not text:
        return False
    try:
        said = json.loads(text)
    except ValueError:
        return False
    change = compare(_untracked(live), said, kind)
    its_own = fields_of(said, kind) - change.changed - change.removed
    return all(fields <= its_own for fields in clashes.values())


def _with_last_applied(obj: Obj, config: Obj, writer: Writer) -> Obj:
    """Keeps the annotation of client-side apply true, for those who go back to it."""
    annotations = obj["metadata"].get("annotations") or {}
    if writer.manager != "kubectl" or LAST_APPLIED not in annotations:
        return obj
    text = json.dumps(config, separators=(",", ":")) + "\n"
    return obj | {"metadata": obj["metadata"] | {"annotations": annotations | {LAST_APPLIED: text}}}


def _owned_before_tracking(live: Obj, kind: Typed, writer: Writer) -> Owned:
    """All fields of an object written before anybody was tracked belong to `before-first-apply`."""
    fields = _ownable(fields_of(_untracked(live), kind), writer) - {_LAST_APPLIED_PATH}
    owner = Owner("before-first-apply", "Update", writer.subresource, writer.api_version, writer.now)
    return {owner.identity: (owner, fields)} if fields else {}


def _sent_owned(sent: list[Obj] | None, live: Obj) -> Owned:
    if sent is not None and sent != live["metadata"].get("managedFields"):
        try:
            return _read_owned({"metadata": {"managedFields": sent}})
        except (ValueError, KeyError, TypeError):
            return _read_owned(live)
    return _read_owned(live)


def _read_owned(obj: Obj) -> Owned:
    owned: Owned = {}
    for entry in obj["metadata"].get("managedFields") or []:
        owner = Owner(
            entry["manager"],
            entry["operation"],
            entry.get("subresource", ""),
            entry.get("apiVersion", ""),
            entry.get("time", ""),
        )
        owned[owner.identity] = (owner, from_fields_v1(entry.get("fieldsV1") or {}))
    return owned


def _signed(obj: Obj, before: Obj, owned: Owned) -> Obj:
    """With `owned` as managedFields. Who owns the same fields as before keeps its time."""
    known = {entry[0].identity: entry for entry in _read_owned(before).values()}
    entries = []
    for identity, (owner, fields) in owned.items():
        if not fields:
            continue
        was = known.get(identity)
        time = was[0].time if was and was[1] == fields else owner.time
        entries.append(_entry(replace(owner, time=time), fields))
    entries.sort(key=lambda entry: (entry["operation"], entry["time"], entry["manager"], entry.get("subresource", "")))
    return obj | {"metadata": obj["metadata"] | {"managedFields": entries}}


def _entry(owner: Owner, fields: FieldSet) -> Obj:
    entry = {
        "manager": owner.manager,
        "operation": owner.operation,
        "apiVersion": owner.api_version,
        "time": owner.time,
        "fieldsType": "FieldsV1",
        "fieldsV1": to_fields_v1(fields),
    }
    return entry | ({"subresource": owner.subresource} if owner.subresource else {})
