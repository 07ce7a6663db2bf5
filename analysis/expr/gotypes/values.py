"""Pure. What an expression computes with: Go's values in Python clothes.

nil is None, bool is bool, every integer is an int of 64 bits, float64 is float, string is str, []byte is bytes,
[]any is list, map[string]any is dict. The classes here are what Python has no word for.
"""

import math
from collections.abc import Iterator
from typing import Any, ClassVar, TypeAlias

from analysis.expr.errors import RunError

Value: TypeAlias = Any
MIN_INT, MAX_INT = -(2**63), 2**63 - 1
MEMORY_BUDGET = 1_000_000
_SECOND = 1_000_000_000
_DURATION_UNITS = (("h", 3_600 * _SECOND), ("m", 60 * _SECOND))


class TypedList(list[Any]):
    """A Go slice whose elements have one static type."""

    go: ClassVar[str]


class FloatList(TypedList):
    """[]float64: what a vector is."""

    go = "[]float64"


class IntList(TypedList):
    """[]int: what a range is."""

    go = "[]int"


class StringList(TypedList):
    """[]string: what a split text is."""

    go = "[]string"


class PairList(TypedList):
    """[][2]any: what toPairs gives."""

    go = "[][2]interface {}"


class NilList(list[Any]):
    """A []any that is nil: empty, and equal to nil."""


class AnyMap:
    """map[any]any: what fromPairs gives. Keys of different types never meet, as 1, 1.0 and true would in a dict."""

    __slots__ = ("_items",)
    go: ClassVar[str] = "map[interface {}]interface {}"

    def __init__(self) -> None:
        self._items: dict[tuple[str, object], tuple[Value, Value]] = {}

    def set(self, key: Value, item: Value) -> None:
        """Let `item` stand under `key`."""
        self._items[self._tag(key)] = (key, item)

    def get(self, key: Value) -> Value:
        """What stands under `key`; nil when nothing does."""
        found = self._items.get(self._tag(key))
        return None if found is None else found[1]

    def __contains__(self, key: Value) -> bool:
        return self._tag(key) in self._items

    def __len__(self) -> int:
        return len(self._items)

    def items(self) -> Iterator[tuple[Value, Value]]:
        """Keys with what stands under them."""
        return iter(self._items.values())

    @staticmethod
    def _tag(key: Value) -> tuple[str, object]:
        if isinstance(key, (list, dict, AnyMap, bytes, Struct)):
            raise RunError(f"runtime error: hash of unhashable type {go_type(key)}")
        if isinstance(key, float) and math.isnan(key):
            return "float64", object()
        return go_type(key), key


class Groups(AnyMap):
    """map[any][]any: what groupBy gives. Under a key that is missing stands a nil list."""

    __slots__ = ()
    go: ClassVar[str] = "map[interface {}][]interface {}"

    def get(self, key: Value) -> Value:
        """The group of `key`; a nil list when there is none."""
        found = super().get(key)
        return NilList() if found is None else found


class Struct:
    """A Go struct: its fields have Go's names and their order is fixed."""

    __slots__ = ("fields", "go")

    def __init__(self, go: str, fields: dict[str, Value]) -> None:
        self.go, self.fields = go, fields


class Byte(int):
    """uint8: an element of a string or of bytes."""

    go: ClassVar[str] = "uint8"


class Duration(int):
    """time.Duration in nanoseconds."""

    go: ClassVar[str] = "time.Duration"

    def __str__(self) -> str:
        return format_duration(self)


_GO_TYPES: tuple[tuple[type, str], ...] = (
    (bool, "bool"),
    (int, "int"),
    (float, "float64"),
    (str, "string"),
    (list, "[]interface {}"),
    (dict, "map[string]interface {}"),
    (bytes, "[]uint8"),
)


def go_type(value: Value) -> str:
    """The name of the value's type as Go's %T prints it."""
    if value is None:
        return "<nil>"
    named = getattr(value, "go", None)
    if isinstance(named, str):
        return named
    return next((name for kind, name in _GO_TYPES if isinstance(value, kind)), "func")


def reflect_kind(value: Value) -> str:
    """The kind of the value as Go's reflection names it."""
    if value is None:
        return "zero"
    go = go_type(value)
    if go.startswith(("[]", "map[")):
        return "slice" if go.startswith("[]") else "map"
    return _KINDS.get(go, "ptr" if go.startswith("*") else "struct" if "." in go else go)


_KINDS = {"time.Duration": "int64", "time.Month": "int", "time.Weekday": "int"}


def is_number(value: Value) -> bool:
    """Whether the value is an int or a float, which a bool and a Duration are not."""
    return isinstance(value, (int, float)) and not isinstance(value, (bool, Duration))


def is_integer(value: Value) -> bool:
    """Whether the value is an int."""
    return isinstance(value, int) and not isinstance(value, (bool, Duration))


def is_nil(value: Value) -> bool:
    """Whether Go would call the value nil."""
    return value is None or isinstance(value, NilList)


def wrap(number: int) -> int:
    """A number as Go's int holds it: 64 bits, wrapping."""
    if MIN_INT <= number <= MAX_INT:
        return number
    return (number + 2**63) % 2**64 - 2**63


def truncate(number: float) -> int:
    """A float as an int, as amd64 converts it: towards zero, and the least int for what does not fit."""
    if math.isnan(number) or math.isinf(number):
        return MIN_INT
    whole = int(number)
    return whole if MIN_INT <= whole <= MAX_INT else MIN_INT


def to_int(value: Value) -> int:
    """A number where an int is needed."""
    if is_integer(value):
        return int(value)
    if isinstance(value, float):
        return truncate(value)
    raise RunError(f"invalid operation: int({go_type(value)})")


def to_float(value: Value) -> float:
    """A number where a float is needed."""
    if is_number(value):
        return float(value)
    raise RunError(f"invalid operation: float({go_type(value)})")


def to_text(value: Value) -> str:
    """A string where one is needed."""
    if isinstance(value, str):
        return value
    raise RunError(f"interface conversion: interface {{}} is {interface_type(value)}, not string")


def to_bool(value: Value) -> bool:
    """A bool where one is needed."""
    if isinstance(value, bool):
        return value
    raise RunError(f"interface conversion: interface {{}} is {interface_type(value)}, not bool")


def interface_type(value: Value) -> str:
    """The name of the value's type in an error about a conversion."""
    return "nil" if value is None else go_type(value)


def format_float(number: float, *, exponent_from: int = 6, exponent_below: int = -4) -> str:
    """A float in Go's shortest form; the exponent form begins at 10**exponent_from and below 10**exponent_below.

    The defaults are those of `%v`: 123456.5, and 1.2345675e+06.
    """
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "+Inf" if number > 0 else "-Inf"
    if number == 0:
        return "-0" if math.copysign(1, number) < 0 else "0"
    sign, digits, point = _shortest(number)
    if exponent_below <= point - 1 < exponent_from:
        if point <= 0:
            return f"{sign}0.{'0' * -point}{digits}"
        whole, rest = digits[:point].ljust(point, "0"), digits[point:]
        return f"{sign}{whole}.{rest}" if rest else f"{sign}{whole}"
    mantissa = digits[0] + (f".{digits[1:]}" if len(digits) > 1 else "")
    return f"{sign}{mantissa}e{'+' if point > 0 else '-'}{abs(point - 1):02d}"


def _shortest(number: float) -> tuple[str, str, int]:
    """Sign, significant digits, and where the decimal point stands relative to their beginning."""
    mantissa, _, exponent = f"{number!r}".partition("e")
    sign = "-" if mantissa.startswith("-") else ""
    whole, _, fraction = mantissa.lstrip("-").partition(".")
    digits = whole + ("" if fraction == "0" else fraction)
    point = len(whole) + int(exponent or 0)
    stripped = digits.lstrip("0")
    point -= len(digits) - len(stripped)
    return sign, stripped.rstrip("0") or "0", point


def format_value(value: Value) -> str:
    """A value as Go's %v prints it."""
    match value:
        case None:
            return "<nil>"
        case bool():
            return "true" if value else "false"
        case float():
            return format_float(value)
        case str():
            return value
        case bytes():
            return f"[{' '.join(map(str, value))}]"
        case list() | tuple():
            return f"[{' '.join(map(format_value, value))}]"
        case dict():
            return f"map[{' '.join(f'{key}:{format_value(value[key])}' for key in sorted(value))}]"
        case AnyMap():
            pairs = sorted(value.items(), key=lambda pair: (go_type(pair[0]), pair[0]))
            return f"map[{' '.join(f'{format_value(key)}:{format_value(group)}' for key, group in pairs)}]"
        case Struct():
            return f"{{{' '.join(map(format_value, value.fields.values()))}}}"
        case _:
            return str(value)


def format_duration(duration: int) -> str:
    """A duration as Go prints it: `1h30m0s`, `1.5s`, `2ms`, `0s`."""
    if duration == 0:
        return "0s"
    sign, rest = ("-" if duration < 0 else ""), abs(duration)
    if rest < _SECOND:
        for unit, size in (("ms", 1_000_000), ("µs", 1_000), ("ns", 1)):
            if rest >= size:
                return f"{sign}{_decimal(rest, size)}{unit}"
    text = ""
    for unit, size in _DURATION_UNITS:
        if rest >= size or text:
            text += f"{rest // size}{unit}"
            rest %= size
    return f"{sign}{text}{_decimal(rest, _SECOND)}s"


def _decimal(amount: int, unit: int) -> str:
    whole, part = divmod(amount, unit)
    digits = f"{part:0{len(str(unit)) - 1}d}".rstrip("0") if unit > 1 else ""
    return f"{whole}.{digits}" if digits else str(whole)
