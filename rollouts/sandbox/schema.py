"""Pure. The structural schema of a custom resource: validation, defaults, pruning, unknown fields.

A schema is compiled once into nodes. Every walk takes the old value beside the new one and passes over whatever is the
very same object, so a small patch of a large object costs little, and what was accepted once is not refused later.
"""

from collections.abc import Iterator
from typing import Any

from rollouts.kube.refs import Obj
from rollouts.sandbox.constraints import constraints
from rollouts.sandbox.refusals import Cause, bad_type, bad_value, forbidden_field, required

_ABSENT: Any = object()
_TRANSITION = "self == oldSelf"
_IMPLICIT = ("apiVersion", "kind", "metadata")
_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "int-or-string": (int, str),
}


class Node:
    """One schema node, compiled. `rules_ignored` are the CEL rules below it that are not evaluated."""

    def __init__(self, schema: Obj, *, root: bool = False) -> None:
        self.type = "int-or-string" if schema.get("x-kubernetes-int-or-string") else schema.get("type")
        self.python_types = _TYPES.get(self.type or "")
        self.nullable = bool(schema.get("nullable"))
        self.preserves = bool(schema.get("x-kubernetes-preserve-unknown-fields"))
        self.implicit = _IMPLICIT if root or schema.get("x-kubernetes-embedded-resource") else ()
        self.required: tuple[str, ...] = tuple(schema.get("required") or ())
        self.default: Any = schema.get("default", _ABSENT)
        properties: Obj = schema.get("properties") or {}
        self.properties = {key: Node(inner) for key, inner in properties.items() if key not in self.implicit}
        self.items = Node(schema["items"]) if schema.get("items") else None
        extra = schema.get("additionalProperties")
        self.values = Node(extra if isinstance(extra, dict) else _ANYTHING) if extra else None
        self.defaulted = tuple(key for key, node in self.properties.items() if node.default is not _ABSENT)
        self.constraints = constraints(schema)
        self.all_of = tuple(Node(inner) for inner in schema.get("allOf") or ())
        self.any_of = tuple(Node(inner) for inner in schema.get("anyOf") or () if self.type != "int-or-string")
        self.one_of = tuple(Node(inner) for inner in schema.get("oneOf") or ())
        self.not_ = Node(schema["not"]) if "not" in schema else None
        rules: list[Obj] = schema.get("x-kubernetes-validations") or []
        self.immutable = tuple(rule for rule in rules if _spaced(rule) == _TRANSITION)
        self.rules_ignored: tuple[str, ...] = tuple(
            rule["rule"] for rule in rules if _spaced(rule) != _TRANSITION
        ) + tuple(text for node in self._below() for text in node.rules_ignored)

    def _below(self) -> Iterator["Node"]:
        yield from self.properties.values()
        yield from (node for node in (self.items, self.values) if node is not None)

    def child(self, key: str) -> "Node | None":
        return self.properties.get(key, self.values)

    # ── pruning and defaulting ─────────────────────────────────────────────

    def shaped(self, value: Any, old: Any = None) -> Any:
        """The value without unknown fields and with its defaults; nothing given is changed."""
        if value is old:
            return value
        if isinstance(value, dict):
            return self._shaped_object(value, old if isinstance(old, dict) else {})
        if isinstance(value, list):
            return self._shaped_list(value, old if isinstance(old, list) else [])
        return old if type(value) is type(old) and value == old else value

    def _shaped_object(self, value: Obj, old: Obj) -> Obj:
        result: Obj = {}
        changed = False
        for key, inner in value.items():
            node = None if key in self.implicit else self.child(key)
            if node is not None:
                kept = node._shaped_field(inner, old.get(key))
                changed = changed or kept is not inner
                if kept is not _ABSENT:
                    result[key] = kept
            elif self.preserves or key in self.implicit:
                result[key] = inner
            else:
                changed = True
        for key in self.defaulted:
            if key not in result:
                node = self.properties[key]
                result[key] = node.shaped(node.default)
                changed = True
        return result if changed else value

    def _shaped_field(self, value: Any, old: Any) -> Any:
        """A null that may not be one gives way to the default, and is dropped where there is none."""
        if value is None and not self.nullable:
            return self.default if self.default is _ABSENT else self.shaped(self.default)
        return self.shaped(value, old)

    def _shaped_list(self, value: list[Any], old: list[Any]) -> list[Any]:
        node = self.items
        if node is None:
            return value
        items = [node.shaped(item, old[index] if index < len(old) else None) for index, item in enumerate(value)]
        return value if all(new is given for new, given in zip(items, value, strict=True)) else items

    def unknown(self, value: Any, path: str = "") -> Iterator[str]:
        """Paths of the fields that the schema does not know."""
        if isinstance(value, dict):
            for key, inner in value.items():
                at = f"{path}.{key}" if path else key
                node = None if key in self.implicit else self.child(key)
                if node is not None:
                    yield from node.unknown(inner, at)
                elif not self.preserves and key not in self.implicit:
                    yield at
        elif isinstance(value, list) and self.items is not None:
            for index, item in enumerate(value):
                yield from self.items.unknown(item, f"{path}[{index}]")

    # ── validation ─────────────────────────────────────────────────────────

    def causes(self, value: Any, path: str = "", old: Any = _ABSENT) -> Iterator[Cause]:
        """Why the value breaks the schema; nothing when it does not."""
        if value is old:
            return
        if value is None and self.nullable:
            return
        if self.python_types is not None and not self._is_of_type(value):
            yield bad_type(path, type_name(value), str(self.type))
            return
        for constraint in self.constraints:
            cause = constraint(value, path)
            if cause is not None:
                yield cause
        if isinstance(value, dict):
            yield from self._object_causes(value, path, old if isinstance(old, dict) else {})
        elif isinstance(value, list) and self.items is not None:
            earlier = old if isinstance(old, list) else []
            for index, item in enumerate(value):
                before = earlier[index] if index < len(earlier) else _ABSENT
                yield from self.items.causes(item, f"{path}[{index}]", before)
        if self.immutable and old is not _ABSENT and value != old:
            yield from (_broken(rule, value, path) for rule in self.immutable)
        if self.all_of or self.any_of or self.one_of or self.not_ is not None:
            yield from self._combined_causes(value, path)

    def _is_of_type(self, value: Any) -> bool:
        if isinstance(value, bool):
            return self.type == "boolean"
        if isinstance(value, float) and self.type == "integer":
            return value.is_integer()
        return isinstance(value, self.python_types or ())

    def _object_causes(self, value: Obj, path: str, old: Obj) -> Iterator[Cause]:
        for key in self.required:
            if key not in value:
                yield required(f"{path}.{key}" if path else key)
        for key, inner in value.items():
            node = None if key in self.implicit else self.child(key)
            if node is not None:
                yield from node.causes(inner, f"{path}.{key}" if path else key, old.get(key, _ABSENT))

    def _combined_causes(self, value: Any, path: str) -> Iterator[Cause]:
        for node in self.all_of:
            yield from node.causes(value, path)
        if self.any_of and not any(node.accepts(value) for node in self.any_of):
            yield bad_value(path, _plain(value), f'"{path}" must validate at least one schema (anyOf)')
        if self.one_of:
            valid = sum(node.accepts(value) for node in self.one_of)
            if valid != 1:
                found = f"Found {valid} valid alternatives" if valid else "Found none valid"
                yield bad_value(path, _plain(value), f'"{path}" must validate one and only one schema (oneOf). {found}')
        if self.not_ is not None and self.not_.accepts(value):
            yield bad_value(path, _plain(value), f'"{path}" must not validate the schema (not)')

    def accepts(self, value: Any) -> bool:
        return next(self.causes(value), None) is None


_ANYTHING: Obj = {"x-kubernetes-preserve-unknown-fields": True}


def _spaced(rule: Obj) -> str:
    return " ".join(str(rule.get("rule", "")).split())


def _broken(rule: Obj, value: Any, path: str) -> Cause:
    text = rule.get("message") or f"failed rule: {_TRANSITION}"
    if rule.get("reason") == "FieldValueForbidden":
        return forbidden_field(path, text)
    return bad_value(path, _plain(value), text)


def _plain(value: Any) -> Any:
    """What an error shows of a value: of objects and lists, only what they are."""
    return type_name(value) if isinstance(value, dict | list) else value


def type_name(value: Any) -> str:
    """The JSON type of a value, as Kubernetes names it."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"


def compile_schema(schema: Obj) -> Node:
    """The schema of a whole object: apiVersion, kind and metadata are known without being said."""
    return Node(schema, root=True)
