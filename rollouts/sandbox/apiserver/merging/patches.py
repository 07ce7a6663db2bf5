"""Pure. The patches of RFC 7386 (merge) and RFC 6902 (JSON patch).

Nothing given is changed; what a patch does not touch is shared between the old value and the new.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from rollouts.kube.errors import Refused
from rollouts.sandbox.apiserver.refusals import bad_request


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
            if path:
                _look(target, path[:-1])
            return _put(target, path, _value(operation), insert=False)
        case "remove":
            return _remove(target, path)
        case "move":
            source = _pointer(operation, "from")
            if path[: len(source)] == source and len(path) > len(source):
                raise bad_request(f"jsonpatch move operation cannot move {_spelled(source)!r} into itself")
            return _put(_remove(target, source), path, _look(target, source), insert=True)
        case "copy":
            return _put(target, path, _copied(target, _pointer(operation, "from")), insert=True)
        case "test":
            return _tested(target, path, operation.get("value"))
        case _:
            raise _rejected()


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


def _rejected() -> Refused:
    """An API server does not tell which operation failed, nor why."""
    return Refused("the server rejected our request due to an error in our request", code=422, reason="Invalid")


def _copied(target: Any, path: list[str]) -> Any:
    """The value to copy; null for a member that an object does not have."""
    if path and isinstance(within := _look(target, path[:-1]), dict):
        return within.get(path[-1])
    return _look(target, path)


def _tested(target: Any, path: list[str], value: Any) -> Any:
    try:
        actual = _look(target, path)
    except Refused:
        if value is None:
            return target
        raise
    if not _same(actual, value):
        raise _rejected()
    return target


def _same(left: Any, right: Any) -> bool:
    """Equality of JSON: true is not 1."""
    return bool(left == right) and isinstance(left, bool) == isinstance(right, bool)


def _position(items: list[Any], part: str, *, end: bool) -> int:
    if part == "-" and end:
        return len(items)
    index = int(part) if part.removeprefix("-").isdecimal() else None
    if index is None or not 0 <= index < len(items) + end:
        raise _rejected()
    return index


def _look(target: Any, path: list[str]) -> Any:
    for part in path:
        if isinstance(target, dict) and part in target:
            target = target[part]
        elif isinstance(target, list):
            target = target[_position(target, part, end=False)]
        else:
            raise _rejected()
    return target


def _put(target: Any, path: list[str], value: Any, *, insert: bool) -> Any:
    if not path:
        return value
    part, rest = path[0], path[1:]
    if isinstance(target, dict):
        if rest and part not in target:
            raise _rejected()
        return {**target, part: _put(target.get(part), rest, value, insert=insert)}
    if not isinstance(target, list):
        raise _rejected()
    index = _position(target, part, end=insert and not rest)
    if insert and not rest:
        return [*target[:index], value, *target[index:]]
    return [*target[:index], _put(target[index], rest, value, insert=insert), *target[index + 1 :]]


def _remove(target: Any, path: list[str]) -> Any:
    _look(target, path)
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
