"""Pure. Reaching into values: elements, keys, fields, methods and slices. Never into Python objects."""

from functools import partial

from analysis.expr.errors import RunError
from analysis.expr.gotypes.jsontext import decoded
from analysis.expr.gotypes.times import methods_of
from analysis.expr.gotypes.values import AnyMap, Byte, Struct, TypedList, Value, format_value, go_type, to_int
from analysis.expr.running.operations import map_key


def fetch(base: Value, key: Value) -> Value:
    """`base[key]` or `base.key`; a missing key of a map is nil. RunError when there is nothing to fetch."""
    if isinstance(base, list):
        return base[_index(to_int(key), len(base))]
    if isinstance(base, dict):
        return base.get(map_key(key))
    if isinstance(key, str):
        method = methods_of(base).get(key)
        if method is not None:
            return partial(method.call, base)
    if isinstance(base, AnyMap):
        return base.get(key)
    if isinstance(base, (str, bytes)):
        octets = base.encode() if isinstance(base, str) else base
        return Byte(octets[_index(to_int(key), len(octets))])
    if isinstance(base, Struct) and isinstance(key, str) and key in base.fields:
        return base.fields[key]
    raise RunError(f"cannot fetch {format_value(key)} from {go_type(base)}")


def _index(index: int, length: int) -> int:
    if index < 0:
        index += length
    if not 0 <= index < length:
        raise RunError(f"index out of range: {index} (array length is {length})")
    return index


def lookup(base: Value, key: Value) -> Value:
    """`get`: like `fetch`, but nil where there is nothing."""
    if isinstance(base, (list, str, bytes)):
        to_int(key)
    elif isinstance(base, dict):
        map_key(key)
    elif isinstance(base, AnyMap) and key not in base:
        return None
    try:
        return fetch(base, key)
    except RunError:
        return None


def cut(base: Value, start: Value, end: Value) -> Value:
    """`base[start:end]`, clamped to the length; a string is cut by bytes."""
    if isinstance(base, str):
        return decoded(_slice(base.encode(), start, end))
    if isinstance(base, (list, bytes)):
        return _slice(base, start, end)
    raise RunError(f"cannot slice {format_value(start)}")


def _slice(items: Value, start: Value, end: Value) -> Value:
    length = len(items)
    first, last = to_int(start), to_int(end)
    first = max(first + length if first < 0 else first, 0)
    last = min(max(last + length if last < 0 else last, 0), length)
    part = items[min(first, last) : last]
    return type(items)(part) if isinstance(items, TypedList) else part
