"""Pure. The patches of RFC 7386 (merge) and RFC 6902 (JSON patch).

Nothing given is changed; what a patch does not touch is shared between the old value and the new.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from rollouts.kube.errors import Refused
from rollouts.sandbox.refusals import bad_request


def merge(target: Any, patch: Any) -> Any:
    """RFC 7386: objects merge, null removes, everything else replaces."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            result[key] = merge(result.get(key), value)
        else:
            result[key] = value
    return result


def json_patch(target: Any, operations: Sequence[Mapping[str, Any]]) -> Any:
    """RFC 6902: add, remove, replace, move, copy and test, in order.

    Refused (422) when a path is not there or a test fails, (400) when an operation is malformed.
    """
    for operation in operations:
        target = _step(target, operation)
    return target


def _step(target: Any, operation: Mapping[str, Any]) -> Any:
    op, path = operation.get("op"), _pointer(operation, "path")
    match op:
        case "add":
            return _put(target, path, _value(operation), insert=True)
        case "replace":
            _look(target, path, "replace")
            return _put(target, path, _value(operation), insert=False)
        case "remove":
            return _remove(target, path)
        case "move":
            source = _pointer(operation, "from")
            if path[: len(source)] == source and len(path) > len(source):
                raise bad_request(f"jsonpatch move operation cannot move {_spelled(source)!r} into itself")
            return _put(_remove(target, source), path, _look(target, source, "move"), insert=True)
        case "copy":
            return _put(target, path, _look(target, _pointer(operation, "from"), "copy"), insert=True)
        case "test":
            return _tested(target, path, operation.get("value"))
        case _:
            raise bad_request(f"Unexpected kind: {op}")


def _pointer(operation: Mapping[str, Any], key: str) -> list[str]:
    text = operation.get(key)
    if not isinstance(text, str) or (text and not text.startswith("/")):
        raise bad_request(f"jsonpatch operation {operation.get('op')!r} has no usable {key!r}: {text!r}")
    return [part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:]]


def _value(operation: Mapping[str, Any]) -> Any:
    if "value" not in operation:
        raise bad_request(f"jsonpatch operation {operation['op']!r} at {operation['path']!r} has no 'value'")
    return operation["value"]


def _spelled(path: Sequence[str]) -> str:
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in path)


def _missing(path: Sequence[str], op: str) -> Refused:
    text = f"the server rejected our request due to an error in our request: {op} operation does not apply: "
    return Refused(f"{text}doc is missing path: {_spelled(path)}: missing value", code=422, reason="Invalid")


def _tested(target: Any, path: list[str], value: Any) -> Any:
    try:
        actual = _look(target, path, "test")
    except Refused:
        if value is None:
            return target
        raise
    if not _same(actual, value):
        text = "the server rejected our request due to an error in our request: testing value "
        raise Refused(f"{text}{_spelled(path)} failed: test failed", code=422, reason="Invalid")
    return target


def _same(left: Any, right: Any) -> bool:
    """Equality of JSON: true is not 1."""
    return bool(left == right) and isinstance(left, bool) == isinstance(right, bool)


def _position(items: list[Any], part: str, path: Sequence[str], op: str, *, end: bool) -> int:
    if part == "-" and end:
        return len(items)
    index = int(part) if part.removeprefix("-").isdecimal() else None
    if index is None or not 0 <= index < len(items) + end:
        raise _missing(path, op)
    return index


def _look(target: Any, path: list[str], op: str) -> Any:
    for part in path:
        if isinstance(target, dict) and part in target:
            target = target[part]
        elif isinstance(target, list):
            target = target[_position(target, part, path, op, end=False)]
        else:
            raise _missing(path, op)
    return target


def _put(target: Any, path: list[str], value: Any, *, insert: bool, full: Sequence[str] | None = None) -> Any:
    if not path:
        return value
    whole = path if full is None else full
    part, rest = path[0], path[1:]
    if isinstance(target, dict):
        if rest and part not in target:
            raise _missing(whole, "add")
        return {**target, part: _put(target.get(part), rest, value, insert=insert, full=whole)}
    if not isinstance(target, list):
        raise _missing(whole, "add")
    index = _position(target, part, whole, "add", end=insert and not rest)
    if insert and not rest:
        return [*target[:index], value, *target[index:]]
    return [*target[:index], _put(target[index], rest, value, insert=insert, full=whole), *target[index + 1 :]]


def _remove(target: Any, path: list[str]) -> Any:
    _look(target, path, "remove")
    if not path:
        return None
    part, rest = path[0], path[1:]
    if isinstance(target, dict):
        if rest:
            return {**target, part: _remove(target[part], rest)}
        return {key: value for key, value in target.items() if key != part}
    index = int(part)
    middle = [_remove(target[index], rest)] if rest else []
    return [*target[:index], *middle, *target[index + 1 :]]
