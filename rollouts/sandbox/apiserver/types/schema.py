"""Pure. The structural schema of a custom resource: validation, defaults, pruning, unknown fields.

A schema is compiled once into nodes. Every walk takes the old value beside the new one and passes over whatever is the
very same object, so a small patch of a large object costs little, and what was accepted once is not refused later.
"""

from collections.abc import Iterator
from typing import Any

from rollouts.kube.refs import Obj
from rollouts.sandbox.apiserver.refusals import Cause, bad_type, bad_value, forbidden_field, required
from rollouts.sandbox.apiserver.types.constraints import constraints

_ABSENT: Any = object()
_TRANSITION = "self == oldSelf"
_IMPLICIT = ("apiVersion", "kind", "metadata")
_EMPTY: Obj = {}
_TYPES: dict[str, frozenset[type]] = {
    "object": frozenset({dict}),
    "array": frozenset({list}),
    "string": frozenset({str}),
    "boolean": frozenset({bool}),
    "integer": frozenset({int}),
    "number": frozenset({int, float}),
    "int-or-string": frozenset({int, str}),
}


class Node:
    """One schema node, compiled. `rules_ignored` are the CEL rules below it that are not evaluated."""

    def __init__(self, schema: Obj, *, root: bool = False) -> None:
        self.type = "int-or-string" if schema.get("x-kubernetes-int-or-string") else schema.get("type")
        self.types = _TYPES.get(self.type or "")
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
        self.combines = bool(self.all_of or self.any_of or self.one_of or self.not_)
        rules: list[Obj] = schema.get("x-kubernetes-validations") or []
        self.immutable = tuple(rule for rule in rules if _spaced(rule) == _TRANSITION)
        self.rules_ignored: tuple[str, ...] = tuple(
            rule["rule"] for rule in rules if _spaced(rule) != _TRANSITION
        ) + tuple(text for node in self._below() for text in node.rules_ignored)

        self.has_rules: bool = bool(self.immutable or self.rules_ignored) or any(
            node.has_rules for node in self._below()
        )

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

    def causes(self, value: Any, path: str = "", old: Any = _ABSENT) -> list[Cause]:
        """Why the value breaks the schema; empty when it does not."""
        found: list[Cause] = []
        self._judge(value, path, old, found)
        return found

    def accepts(self, value: Any) -> bool:
        return not self.causes(value)

    def _judge(self, value: Any, path: str, old: Any, found: list[Cause]) -> None:
        if value is old or (value is None and self.nullable):
            return
        if self.types is not None and type(value) not in self.types and not self._is_whole(value):
            found.append(bad_type(path, type_name(value), str(self.type)))
            return
        for constraint in self.constraints:
            cause = constraint(value, path)
            if cause is not None:
                found.append(cause)
        if isinstance(value, dict):
            self._judge_fields(value, path, old if isinstance(old, dict) else _EMPTY, found)
        elif isinstance(value, list) and self.items is not None:
            earlier = old if isinstance(old, list) else []
            for index, item in enumerate(value):
                self.items._judge(item, f"{path}[{index}]", earlier[index] if index < len(earlier) else _ABSENT, found)
        if self.immutable and old is not _ABSENT and value != old:
            found.extend(_broken(rule, value, path) for rule in self.immutable)
        if self.combines:
            self._judge_combined(value, path, found)

    def _is_whole(self, value: Any) -> bool:
        """A number like 3.0 is an integer to JSON."""
        return self.type == "integer" and isinstance(value, float) and value.is_integer()

    def _judge_fields(self, value: Obj, path: str, old: Obj, found: list[Cause]) -> None:
        prefix = f"{path}." if path else ""
        found.extend(required(prefix + key) for key in self.required if key not in value)
        for key, inner in value.items():
            node = self.properties.get(key, self.values)
            if node is not None and key not in self.implicit:
                node._judge(inner, prefix + key, old.get(key, _ABSENT), found)

    def _judge_combined(self, value: Any, path: str, found: list[Cause]) -> None:
        for node in self.all_of:
            node._judge(value, path, _ABSENT, found)
        if self.any_of and not any(node.accepts(value) for node in self.any_of):
            found.append(bad_value(path, _plain(value), f'"{path}" must validate at least one schema (anyOf)'))
        valid = sum(node.accepts(value) for node in self.one_of)
        if self.one_of and valid != 1:
            counted = f"Found {valid} valid alternatives" if valid else "Found none valid"
            text = f'"{path}" must validate one and only one schema (oneOf). {counted}'
            found.append(bad_value(path, _plain(value), text))
        if self.not_ is not None and self.not_.accepts(value):
            found.append(bad_value(path, _plain(value), f'"{path}" must not validate the schema (not)'))


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
