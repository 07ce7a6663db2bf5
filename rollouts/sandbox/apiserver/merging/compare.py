"""Pure. Merging an applied configuration into an object, comparing two objects field by field, and removing fields."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from rollouts.sandbox.apiserver.types.fieldset import FieldSet, Path, Typed, fields_of, is_leaf, parts


@dataclass(frozen=True, slots=True)
class Comparison:
    """How a second object differs from a first: fields it has anew, has otherwise, and has no more."""

    added: FieldSet
    modified: FieldSet
    removed: FieldSet

    @property
    def changed(self) -> FieldSet:
        return self.added | self.modified


def compare(old: Any, new: Any, kind: Typed) -> Comparison:
    """The fields in which `new` differs from `old`."""
    added: set[Path] = set()
    modified: set[Path] = set()
    removed: set[Path] = set()
    _compare(old, new, kind.resolved(), (), (added, modified, removed))
    return Comparison(frozenset(added), frozenset(modified), frozenset(removed))


_Sinks = tuple[set[Path], set[Path], set[Path]]


def _compare(old: Any, new: Any, kind: Typed, at: Path, sinks: _Sinks) -> None:
    added, modified, removed = sinks
    if old == new:
        return
    if is_leaf(old, kind) and is_leaf(new, kind):
        modified.add(at)
        return
    if is_leaf(old, kind) or is_leaf(new, kind) or type(old) is not type(new):
        removed.update(fields_of(old, kind, at))
        added.update(fields_of(new, kind, at))
        return
    before = {element: (value, inner, owned) for element, value, inner, owned in parts(old, kind)}
    after = {element: (value, inner, owned) for element, value, inner, owned in parts(new, kind)}
    for element, (value, inner, owned) in after.items():
        path = (*at, element)
        if element in before:
            _compare(before[element][0], value, inner, path, sinks)
        else:
            added.update(_whole(value, inner, path, owned))
    for element in before.keys() - after.keys():
        value, inner, owned = before[element]
        removed.update(_whole(value, inner, (*at, element), owned))


def _whole(value: Any, kind: Typed, at: Path, owned: bool) -> Iterator[Path]:
    """All fields of a part that is on one side only; of a map (labels, annotations) also the map itself."""
    if owned or (isinstance(value, dict) and kind.schema and "properties" not in kind.schema):
        yield at
    yield from fields_of(value, kind, at)


def merge(live: Any, applied: Any, kind: Typed) -> Any:
    """`live` with everything `applied` says; granular values are merged, leaves and atomic values replaced."""
    return _merge(live, applied, kind.resolved())


def _merge(live: Any, applied: Any, kind: Typed) -> Any:
    if isinstance(live, dict) and isinstance(applied, dict) and not kind.atomic_map:
        merged = dict(live)
        for key, value in applied.items():
            merged[key] = _merge(live[key], value, kind.child(key)) if key in live else value
        return merged
    if isinstance(live, list) and isinstance(applied, list) and not is_leaf(applied, kind) and not is_leaf(live, kind):
        return _merge_list(live, applied, kind)
    return applied


def _merge_list(live: list[Any], applied: list[Any], kind: Typed) -> list[Any]:
    """Items known to one side stay; items known to both are merged and stand in the applied order."""
    mine = {kind.key_of(item): item for item in applied}
    theirs = {kind.key_of(item): item for item in live}
    shared = iter([key for key in mine if key in theirs])
    order = [next(shared) if key in mine else key for key in theirs] + [key for key in mine if key not in theirs]
    item_kind = kind.item()
    return [
        _merge(theirs[key], mine[key], item_kind) if key in theirs and key in mine else mine.get(key, theirs.get(key))
        for key in order
    ]


def without(value: Any, paths: Iterable[Path], kind: Typed) -> Any:
    """`value` without the fields at `paths`; maps and lists emptied by that go too."""
    tree: dict[str, Any] = {}
    for path in sorted(paths, key=len, reverse=True):
        node = tree
        for element in path[:-1]:
            node = node.setdefault(element, {})
        node[path[-1]] = None
    return _without(value, tree, kind.resolved()) if tree else value


def _without(value: Any, tree: dict[str, Any], kind: Typed) -> Any:
    if is_leaf(value, kind):
        return value
    kept: list[tuple[str, Any]] = []
    for element, inner, inner_kind, _ in parts(value, kind):
        below = tree.get(element, {})
        if below is None:
            continue
        left = _without(inner, below, inner_kind) if below else inner
        if left or left == inner:
            kept.append((element, left))
    if isinstance(value, dict):
        return {element.removeprefix("f:"): inner for element, inner in kept}
    return [inner for _, inner in kept]
