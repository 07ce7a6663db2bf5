"""Pure. What an OpenAPI schema demands of a single value: enum, pattern, bounds, lengths, formats, unique items."""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeAlias

from rollouts.kube.refs import Obj
from rollouts.sandbox.apiserver.refusals import Cause, bad_value, duplicate, shown, too_long, too_many, unsupported

Constraint: TypeAlias = Callable[[Any, str], Cause | None]
"""(value, path) → why the value will not do, or None. A value of another type is not its concern."""


def constraints(schema: Obj) -> tuple[Constraint, ...]:
    """The demands of one schema node on its own value, ready to be asked."""
    return tuple(make(schema[key], schema) for key, make in _MAKERS.items() if key in schema)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _enum(allowed: Any, _: Obj) -> Constraint:
    def check(value: Any, path: str) -> Cause | None:
        return None if value in allowed else unsupported(path, value, allowed)

    return check


def _pattern(pattern: Any, _: Obj) -> Constraint:
    expression = re.compile(pattern)

    def check(value: Any, path: str) -> Cause | None:
        if not isinstance(value, str) or expression.search(value):
            return None
        return bad_value(path, value, f"{path} in body should match '{pattern}'")

    return check


def _minimum(bound: Any, schema: Obj) -> Constraint:
    exclusive = bool(schema.get("exclusiveMinimum"))

    def check(value: Any, path: str) -> Cause | None:
        if not _number(value) or value > bound or (value == bound and not exclusive):
            return None
        return bad_value(
            path, value, f"{path} in body should be greater than {'' if exclusive else 'or equal to '}{bound}"
        )

    return check


def _maximum(bound: Any, schema: Obj) -> Constraint:
    exclusive = bool(schema.get("exclusiveMaximum"))

    def check(value: Any, path: str) -> Cause | None:
        if not _number(value) or value < bound or (value == bound and not exclusive):
            return None
        return bad_value(
            path, value, f"{path} in body should be less than {'' if exclusive else 'or equal to '}{bound}"
        )

    return check


def _multiple(factor: Any, _: Obj) -> Constraint:
    def check(value: Any, path: str) -> Cause | None:
        if not _number(value) or value % factor == 0:
            return None
        return bad_value(path, value, f"{path} in body should be a multiple of {factor}")

    return check


def _min_length(bound: Any, _: Obj) -> Constraint:
    def check(value: Any, path: str) -> Cause | None:
        if not isinstance(value, str) or len(value) >= bound:
            return None
        return bad_value(path, value, f"{path} in body should be at least {bound} chars long")

    return check


def _max_length(bound: Any, _: Obj) -> Constraint:
    def check(value: Any, path: str) -> Cause | None:
        return too_long(path, bound) if isinstance(value, str) and len(value) > bound else None

    return check


def _min_items(bound: Any, _: Obj) -> Constraint:
    def check(value: Any, path: str) -> Cause | None:
        if not isinstance(value, list) or len(value) >= bound:
            return None
        return bad_value(path, len(value), f"{path} in body should have at least {bound} items")

    return check


def _max_items(bound: Any, _: Obj) -> Constraint:
    def check(value: Any, path: str) -> Cause | None:
        return too_many(path, len(value), bound) if isinstance(value, list) and len(value) > bound else None

    return check


def _min_properties(bound: Any, _: Obj) -> Constraint:
    def check(value: Any, path: str) -> Cause | None:
        if not isinstance(value, dict) or len(value) >= bound:
            return None
        return bad_value(path, len(value), f"{path} in body should have at least {bound} properties")

    return check


def _max_properties(bound: Any, _: Obj) -> Constraint:
    def check(value: Any, path: str) -> Cause | None:
        return too_many(path, len(value), bound) if isinstance(value, dict) and len(value) > bound else None

    return check


def _format(name: Any, _: Obj) -> Constraint:
    """Only date-time is looked at: it is the format that people get wrong."""

    def check(value: Any, path: str) -> Cause | None:
        if name != "date-time" or not isinstance(value, str) or _is_time(value):
            return None
        return bad_value(path, value, f"{path} in body must be of type date-time: {shown(value)}")

    return check


def _is_time(text: str) -> bool:
    try:
        return "T" in text and datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _list_type(kind: Any, schema: Obj) -> Constraint:
    keys: tuple[str, ...] = tuple(schema.get("x-kubernetes-list-map-keys") or ())
    defaults = {key: _item_default(schema, key) for key in keys}

    def check(value: Any, path: str) -> Cause | None:
        if kind not in ("map", "set") or not isinstance(value, list):
            return None
        seen: set[str] = set()
        for index, item in enumerate(value):
            identity = {key: item.get(key, defaults[key]) for key in keys} if isinstance(item, dict) and keys else item
            if shown(identity) in seen:
                return duplicate(f"{path}[{index}]", identity)
            seen.add(shown(identity))
        return None

    return check


def _item_default(schema: Obj, key: str) -> Any:
    return ((schema.get("items") or {}).get("properties") or {}).get(key, {}).get("default")


_MAKERS: dict[str, Callable[[Any, Obj], Constraint]] = {
    "enum": _enum,
    "pattern": _pattern,
    "minimum": _minimum,
    "maximum": _maximum,
    "multipleOf": _multiple,
    "minLength": _min_length,
    "maxLength": _max_length,
    "minItems": _min_items,
    "maxItems": _max_items,
    "minProperties": _min_properties,
    "maxProperties": _max_properties,
    "format": _format,
    "x-kubernetes-list-type": _list_type,
}
