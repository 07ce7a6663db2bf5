"""Pure. Sets of fields of an object, as `metadata.managedFields` writes them (fieldsV1), and how objects have them.

A path is a tuple of path elements in fieldsV1 form: `f:spec`, `k:{"name":"web"}` (an item of a list with keys),
`v:"finalizer"` (an item of a set). A field set is a frozenset of paths. What a list is (atomic, a set, a map by keys)
comes from an OpenAPI schema, read through `Typed`.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from rollouts.kube.refs import Obj

Path: TypeAlias = tuple[str, ...]
FieldSet: TypeAlias = frozenset[Path]

_REF = "$ref"


@dataclass(frozen=True, slots=True)
class Typed:
    """An OpenAPI schema with the definitions its `$ref`s point to. An empty schema is a value of unknown type."""

    schema: Obj = field(default_factory=dict)
    definitions: Mapping[str, Obj] = field(default_factory=dict)

    def _follow(self, schema: Obj) -> "Typed":
        """The type `schema` points to. What stands beside a `$ref` counts over what it points to."""
        while target := _target(schema):
            rest = {key: value for key, value in schema.items() if key not in (_REF, "allOf")}
            schema = self.definitions.get(target, {}) | rest
        return Typed(schema, self.definitions)

    def resolved(self) -> "Typed":
        return self._follow(self.schema)

    def child(self, key: str) -> "Typed":
        """The type of the field `key` of a struct or map."""
        known: Obj | None = (self.schema.get("properties") or {}).get(key)
        if known is None:
            extra = self.schema.get("additionalProperties")
            known = extra if isinstance(extra, dict) else {}
        return self._follow(known)

    def declares(self, key: str) -> bool:
        """Whether `key` is a named field of a struct rather than a key of a map."""
        return key in (self.schema.get("properties") or {})

    def item(self) -> "Typed":
        items = self.schema.get("items")
        return self._follow(items if isinstance(items, dict) else {})

    @property
    def atomic_map(self) -> bool:
        return self.schema.get("x-kubernetes-map-type") == "atomic"

    @property
    def list_type(self) -> str:
        return str(self.schema.get("x-kubernetes-list-type", "atomic"))

    def key_of(self, item: Any) -> str | None:
        """The path element of an item of this list, or None where it has none (a key is missing)."""
        if self.list_type == "set":
            return f"v:{_compact(item)}"
        if not isinstance(item, dict):
            return None
        keys: list[str] = self.schema.get("x-kubernetes-list-map-keys") or []
        inner = self.item()
        found = {key: item.get(key, inner.child(key).schema.get("default")) for key in keys}
        return None if None in found.values() or not found else f"k:{_compact(found)}"


def _target(schema: Obj) -> str:
    pointer = schema.get(_REF)
    if pointer is None and len(schema.get("allOf") or ()) == 1:
        pointer = schema["allOf"][0].get(_REF)
    return str(pointer).rsplit("/", 1)[-1] if pointer else ""


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)


def is_leaf(value: Any, kind: Typed) -> bool:
    """Whether `value` is owned as a whole: a scalar, something empty, or something atomic."""
    if isinstance(value, dict):
        return not value or kind.atomic_map
    if isinstance(value, list):
        return not value or kind.list_type == "atomic" or any(kind.key_of(item) is None for item in value)
    return True


def parts(value: Any, kind: Typed) -> Iterator[tuple[str, Any, Typed, bool]]:
    """What a granular value is made of: (path element, value, type, whether the element itself is owned)."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield f"f:{key}", inner, kind.child(key), not kind.declares(key) and bool(kind.schema)
        return
    for item in value:
        yield str(kind.key_of(item)), item, kind.item(), True


def fields_of(value: Any, kind: Typed, at: Path = ()) -> FieldSet:
    """All fields a value sets: its leaves, the items of its keyed lists, and the keys of its maps."""
    found: set[Path] = set()
    _gather(value, kind.resolved(), at, found)
    return frozenset(found)


def _gather(value: Any, kind: Typed, at: Path, found: set[Path]) -> None:
    if is_leaf(value, kind):
        found.add(at)
        return
    for element, inner, inner_kind, owned in parts(value, kind):
        if owned:
            found.add((*at, element))
        _gather(inner, inner_kind, (*at, element), found)


def to_fields_v1(fields: Iterable[Path]) -> Obj:
    """The fieldsV1 form. A path that others pass through is marked by the key `.`"""
    tree: Obj = {}
    members = set(fields)
    for path in sorted(members):
        node = tree
        for element in path:
            node = node.setdefault(element, {})
    for path in members:
        node = tree
        for element in path:
            node = node[element]
        if node:
            node["."] = {}
    return _sorted(tree)


def _sorted(tree: Obj) -> Obj:
    return {key: _sorted(tree[key]) for key in sorted(tree)}


def from_fields_v1(tree: Obj) -> FieldSet:
    """The field set of a fieldsV1 tree.

    Raises ValueError when it is not one.
    """
    found: set[Path] = set()
    _read(tree, (), found)
    return frozenset(found)


def _read(tree: Any, at: Path, found: set[Path]) -> None:
    if not isinstance(tree, dict):
        raise ValueError(f"fieldsV1 holds {type(tree).__name__} where an object is due, at {spelled(at)}")
    if at and not tree:
        found.add(at)
    for element, inner in tree.items():
        if element == ".":
            found.add(at)
        elif element[:2] in ("f:", "k:", "v:", "i:"):
            _read(inner, (*at, element), found)
        else:
            raise ValueError(f"fieldsV1 holds the path element {element!r}, which begins with none of f: k: v: i:")


def spelled(path: Path) -> str:
    """A path as people read it: `.spec.containers[name="web"].image`."""
    return "".join(_spelled_element(element) for element in path)


def _spelled_element(element: str) -> str:
    sort, _, rest = element.partition(":")
    if sort == "f":
        return f".{rest}"
    if sort == "k":
        return "[" + ",".join(f"{key}={_compact(value)}" for key, value in json.loads(rest).items()) + "]"
    return f"[={rest}]" if sort == "v" else f"[{rest}]"
