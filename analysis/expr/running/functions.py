"""Pure. What the language's own functions compute, but for those that take a predicate."""

import base64
import math
from collections.abc import Callable, Iterator
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from analysis.expr.errors import RunError
from analysis.expr.gotypes import layouts
from analysis.expr.gotypes.jsontext import to_json
from analysis.expr.gotypes.numbers import parse_float, parse_int
from analysis.expr.gotypes.times import Location, Time
from analysis.expr.gotypes.values import (
    AnyMap,
    Duration,
    NilList,
    PairList,
    Struct,
    Value,
    format_value,
    go_type,
    is_integer,
    is_number,
    reflect_kind,
    to_text,
    truncate,
    wrap,
)
from analysis.expr.running import texts
from analysis.expr.running.members import fetch, lookup
from analysis.expr.running.operations import equal, less, more
from analysis.expr.running.sorting import insertion_sorted
from analysis.schema import parse_nanoseconds

_KINDS = {"<nil>": "nil", "float64": "float", "uint8": "uint"}
_MAX_DEPTH = 100
_BY_KIND = frozenset(("mean", "median"))
"""Functions for which a duration in a list is a number too."""
_MAX_COMPARED = 1_000


def _invalid(name: str, value: Value) -> RunError:
    return RunError(f"invalid argument for {name} (type {go_type(value)})")


def length(value: Value) -> int:
    """`len`: elements of a list or map, code points of a string."""
    if isinstance(value, (str, list, dict, AnyMap, bytes)):
        return len(value)
    raise _invalid("len", value)


def type_name(value: Value) -> str:
    """`type`."""
    go = go_type(value)
    if isinstance(value, Struct):
        return "struct"
    if go.startswith(("[]", "map[")):
        return "array" if go.startswith("[]") else "map"
    return _KINDS.get(go, go.lstrip("*"))


def absolute(value: Value) -> Value:
    """`abs`."""
    if not is_number(value):
        raise _invalid("abs", value)
    return wrap(-value) if value < 0 and is_integer(value) else -value if value < 0 else value


def _rounding(name: str, apply: Callable[[float], float]) -> Callable[[Value], float]:
    def rounded(value: Value) -> float:
        if not is_number(value):
            raise _invalid(name, value)
        number = float(value)
        return number if not math.isfinite(number) or is_integer(value) else math.copysign(apply(number), number)

    return rounded


def _half_away(number: float) -> float:
    whole = math.trunc(number)
    return float(whole + int(math.copysign(1, number)) if abs(number - whole) >= 0.5 else whole)


def integer(value: Value) -> int:
    """`int`."""
    if is_integer(value) or isinstance(value, Duration):
        return int(value)
    if isinstance(value, float):
        return truncate(value)
    if isinstance(value, str):
        try:
            return parse_int(value)
        except ValueError:
            raise RunError(f"invalid operation: int({value})") from None
    if value is None:
        raise RunError("reflect: call of reflect.Value.Type on zero Value")
    raise RunError(f"invalid operation: int({go_type(value)})")


def floating(value: Value) -> float:
    """`float`."""
    if is_number(value):
        return float(value)
    if isinstance(value, str):
        try:
            return parse_float(value)
        except ValueError:
            raise RunError(f"invalid operation: float({value})") from None
    raise RunError(f"invalid operation: float({go_type(value)})")


# ── numbers ────────────────────────────────────────────────────────────────


def _numbers(name: str, values: tuple[Value, ...], depth: int = 0) -> Iterator[Value]:
    if depth > _MAX_DEPTH:
        raise RunError("recursion depth exceeded")
    for value in values:
        if isinstance(value, list):
            yield from _numbers(name, tuple(value), depth + 1)
        elif is_number(value) or (isinstance(value, Duration) and (name in _BY_KIND or depth == 0)):
            yield value
        else:
            raise _invalid(name, value)


def _extreme(name: str, replaces: Callable[[Value, Value], bool]) -> Callable[..., Value]:
    def extreme(*values: Value) -> Value:
        if len(values) == 1 and not isinstance(values[0], list):
            return values[0]
        best: Value = None
        for value in _numbers(name, values):
            if best is None or replaces(best, value):
                best = value
        return best

    return extreme


def _mean(*values: Value) -> float:
    found = list(map(float, _numbers("mean", values)))
    return _total(found) / len(found) if found else 0.0


def _total(numbers: list[float]) -> float:
    total = 0.0
    for number in numbers:  # not sum(): it would compensate, and Go does not
        total += number
    return total


def _median(*values: Value) -> float:
    found = sorted(map(float, _numbers("median", values)), key=lambda number: (not math.isnan(number), number))
    middle = len(found) // 2
    if not found:
        return 0.0
    return found[middle] if len(found) % 2 else (found[middle - 1] + found[middle]) / 2


def _bits(name: str, apply: Callable[[int, int], int]) -> Callable[[Value, Value], int]:
    def operate(left: Value, right: Value) -> int:
        for value in (left, right):
            if not is_integer(value):
                raise RunError(f"cannot use {go_type(value)} as argument (type int) to call {name}")
        if "sh" in name and right < 0:
            raise RunError(f"invalid operation: negative shift count {right} (type int)")
        return wrap(apply(left, right))

    return operate


def _bitnot(value: Value) -> int:
    if not is_integer(value):
        raise RunError(f"cannot use {go_type(value)} as argument (type int) to call bitnot")
    return ~int(value)


# ── lists and maps ─────────────────────────────────────────────────────────


def _list(verb: str, value: Value) -> list[Value]:
    if isinstance(value, bytes):
        return list(value)
    if not isinstance(value, list):
        raise RunError(f"cannot {verb} {_kind(value)}")
    return value


def _kind(value: Value) -> str:
    return "invalid" if value is None else reflect_kind(value)


def _map(text: str, value: Value) -> list[tuple[Value, Value]]:
    if isinstance(value, (dict, AnyMap)):
        return list(value.items())
    raise RunError(text.format(_kind(value)))


def _end(at: int) -> Callable[[Value], Value]:
    def end(value: Value) -> Value:
        try:
            return fetch(value, at)
        except RunError:
            return None

    return end


def _take(value: Value, count: Value) -> Value:
    items = _list("take from", value)
    if not is_integer(count):
        raise RunError(f"cannot take {_kind(count)} elements")
    if count < 0:
        raise RunError("reflect.Value.Slice: slice index out of bounds")
    return type(items)(items[:count])


def _from_pairs(value: Value) -> AnyMap:
    made = AnyMap()
    for pair in _list("transform", value):
        if not isinstance(pair, list):
            raise RunError(f"invalid pair {format_value(pair)}")
        if len(pair) != 2:
            raise RunError(f"invalid pair length {format_value(pair)}")
        made.set(pair[0], pair[1])
    return made


def _uniq(value: Value) -> list[Value]:
    found: list[Value] = []
    seen: set[tuple[bool, Value]] = set()
    others: list[Value] = []
    for item in _list("uniq", value):
        if isinstance(item, str) or (is_number(item) and item == item):
            known = (isinstance(item, str), item) in seen
            seen.add((isinstance(item, str), item))
        else:
            known = any(equal(item, other) for other in others)
            others.append(item)
            if len(others) > _MAX_COMPARED:
                raise RunError("step budget exceeded")
        if not known:
            found.append(item)
    return found


def _concat(*values: Value) -> list[Value]:
    joined = [item for value in values for item in _list("concat", value)]
    return joined or NilList()


def _flatten(value: Value, depth: int = 0) -> list[Value]:
    if depth > _MAX_DEPTH:
        raise RunError("recursion depth exceeded")
    flat: list[Value] = []
    for item in _list("flatten", value):
        flat += _flatten(item, depth + 1) if isinstance(item, (list, bytes)) else [item]
    return flat


def _sort(value: Value, order: Value = "asc") -> list[Value]:
    if order not in ("asc", "desc"):
        if not isinstance(order, str):
            raise RunError(f"sort order argument must be a string (got {go_type(order)})")
        raise RunError(f"invalid order {order}, expected asc or desc")
    if not isinstance(value, list) or isinstance(value, PairList):
        return NilList()
    items = list(value)
    return insertion_sorted(items, items, descending=order == "desc")


# ── time ───────────────────────────────────────────────────────────────────


def _duration(text: Value) -> Duration:
    try:
        return Duration(parse_nanoseconds(to_text(text)))
    except ValueError as error:
        raise RunError(str(error)) from None


def _timezone(name: Value) -> Location:
    try:
        return Location(ZoneInfo(to_text(name) or "UTC"))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise RunError(f"unknown time zone {name}") from None


def _date(*values: Value) -> Time:
    given = list(values)
    zone = given.pop(0).zone if isinstance(given[0], Location) else None
    text = to_text(given[0])
    if len(given) == 3:
        zone = _timezone(given[2]).zone
    tried = layouts.COMMON if len(given) == 1 else (to_text(given[1]),)
    failure = ""
    for layout in tried:
        try:
            return Time.of(*(layouts.parse_layout(text, layout, zone) if zone else layouts.parse_layout(text, layout)))
        except ValueError as error:
            failure = str(error)
    raise RunError(failure if len(given) > 1 else f"invalid date {text}")


FUNCTIONS: dict[str, Callable[..., Value]] = {
    "len": length,
    "type": type_name,
    "abs": absolute,
    "ceil": _rounding("ceil", lambda number: float(math.ceil(number))),
    "floor": _rounding("floor", lambda number: float(math.floor(number))),
    "round": _rounding("round", _half_away),
    "int": integer,
    "float": floating,
    "string": format_value,
    "trim": texts.trim,
    "trimPrefix": lambda text, prefix=" ": to_text(text).removeprefix(to_text(prefix)),
    "trimSuffix": lambda text, suffix=" ": to_text(text).removesuffix(to_text(suffix)),
    "upper": lambda text: texts.upper(to_text(text)),
    "lower": lambda text: texts.lower(to_text(text)),
    "split": texts.split(after=False),
    "splitAfter": texts.split(after=True),
    "replace": texts.replace,
    "repeat": texts.repeat,
    "join": texts.join,
    "indexOf": texts.index(bytes.find),
    "lastIndexOf": texts.index(bytes.rfind),
    "hasPrefix": lambda text, prefix: to_text(text).startswith(to_text(prefix)),
    "hasSuffix": lambda text, suffix: to_text(text).endswith(to_text(suffix)),
    "max": _extreme("max", less),
    "min": _extreme("min", more),
    "mean": _mean,
    "median": _median,
    "toJSON": lambda value: to_json(value, indent="  "),
    "fromJSON": texts.parsed,
    "toBase64": lambda text: base64.b64encode(to_text(text).encode()).decode(),
    "fromBase64": texts.from_base64,
    "duration": _duration,
    "date": _date,
    "timezone": _timezone,
    "first": _end(0),
    "last": _end(-1),
    "get": lookup,
    "take": _take,
    "keys": lambda value: [key for key, _ in _map("cannot get keys from {}", value)],
    "values": lambda value: [item for _, item in _map("cannot get values from {}", value)],
    "toPairs": lambda value: PairList(list(pair) for pair in _map("cannot transform {} to pairs", value)),
    "fromPairs": _from_pairs,
    "reverse": lambda value: list(reversed(_list("reverse", value))),
    "uniq": _uniq,
    "concat": _concat,
    "flatten": _flatten,
    "sort": _sort,
    "bitand": _bits("bitand", lambda left, right: left & right),
    "bitor": _bits("bitor", lambda left, right: left | right),
    "bitxor": _bits("bitxor", lambda left, right: left ^ right),
    "bitnand": _bits("bitnand", lambda left, right: left & ~right),
    "bitshl": _bits("bitshl", lambda left, right: left << right if right < 64 else 0),
    "bitshr": _bits("bitshr", lambda left, right: left >> min(right, 64)),
    "bitushr": _bits("bitushr", lambda left, right: (left % 2**64) >> min(right, 64)),
    "bitnot": _bitnot,
}
"""Builtins by name. `now` is missing: it needs a clock, which the caller lends."""
