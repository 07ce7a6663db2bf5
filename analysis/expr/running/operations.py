"""Pure. What the operators make of values, as Go's runtime would."""

import math
from collections.abc import Callable

from analysis.expr import regex
from analysis.expr.errors import RunError
from analysis.expr.gotypes import powers
from analysis.expr.gotypes.times import Time
from analysis.expr.gotypes.values import (
    MEMORY_BUDGET,
    AnyMap,
    Duration,
    Struct,
    TypedList,
    Value,
    go_type,
    is_integer,
    is_nil,
    is_number,
    to_float,
    to_text,
    wrap,
)
from analysis.expr.regex import RegexError

_TEXT_OPERATORS = frozenset(("matches", "contains", "startsWith", "endsWith"))


def equal(left: Value, right: Value) -> bool:
    """`==`: numbers by value whatever their type, a bool never equal to a number, lists element by element."""
    if is_number(left) and is_number(right):
        return bool(left == right) if type(left) is type(right) else float(left) == float(right)
    if isinstance(left, str) or isinstance(right, str):
        return isinstance(left, str) and isinstance(right, str) and left == right
    if isinstance(left, list) and isinstance(right, list):
        generic = not isinstance(left, TypedList) or not isinstance(right, TypedList)
        if generic or type(left) is type(right):
            both = is_nil(left) == is_nil(right) or not (left or right)
            return both and len(left) == len(right) and all(map(equal, left, right))
        return False
    if is_nil(left) and is_nil(right):
        return True
    return _identical(left, right)


def _identical(left: Value, right: Value) -> bool:
    """Deep equality that tells types apart, as within maps."""
    if isinstance(left, AnyMap) and isinstance(right, AnyMap):
        return len(left) == len(right) and all(
            key in right and _identical(v, right.get(key)) for key, v in left.items()
        )
    if isinstance(left, Struct) and isinstance(right, Struct):
        return left.go == right.go and _identical(left.fields, right.fields)
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(_identical(left[key], right[key]) for key in left)
    if isinstance(left, list):
        return len(left) == len(right) and all(map(_identical, left, right))
    return bool(left == right)


def _same_order(left: Value, right: Value) -> bool:
    for kind in (str, Duration, Time):
        if isinstance(left, kind):
            return isinstance(right, kind)
    return False


def _invalid(operator: str, left: Value, right: Value) -> RunError:
    return RunError(f"invalid operation: {go_type(left)} {operator} {go_type(right)}")


def less(left: Value, right: Value) -> bool:
    """`<`."""
    if (is_number(left) and is_number(right)) or _same_order(left, right):
        return bool(left < right)
    raise _invalid("<", left, right)


def more(left: Value, right: Value) -> bool:
    """`>`."""
    if (is_number(left) and is_number(right)) or _same_order(left, right):
        return bool(left > right)
    raise _invalid(">", left, right)


def less_or_equal(left: Value, right: Value) -> bool:
    """`<=`."""
    if (is_number(left) and is_number(right)) or _same_order(left, right):
        return bool(left <= right)
    raise _invalid("<=", left, right)


def more_or_equal(left: Value, right: Value) -> bool:
    """`>=`."""
    if (is_number(left) and is_number(right)) or _same_order(left, right):
        return bool(left >= right)
    raise _invalid(">=", left, right)


def _arithmetic(left: Value, right: Value, result: int | float) -> Value:
    return result if isinstance(result, float) else wrap(result)


def add(left: Value, right: Value) -> Value:
    """`+`."""
    if is_number(left) and is_number(right):
        return _arithmetic(left, right, left + right)
    if isinstance(left, str) and isinstance(right, str):
        if len(left) + len(right) > MEMORY_BUDGET:
            raise RunError("memory budget exceeded")
        return left + right
    match left, right:
        case Time(), Duration():
            return left.plus(right)
        case Duration(), Time():
            return right.plus(left)
        case Duration(), Duration():
            return Duration(wrap(int(left) + int(right)))
    raise _invalid("+", left, right)


def subtract(left: Value, right: Value) -> Value:
    """`-`."""
    if is_number(left) and is_number(right):
        return _arithmetic(left, right, left - right)
    match left, right:
        case Time(), Time():
            return left.since(right)
        case Time(), Duration():
            return left.plus(Duration(-right))
        case Duration(), Duration():
            return Duration(wrap(int(left) - int(right)))
    raise _invalid("-", left, right)


def multiply(left: Value, right: Value) -> Value:
    """`*`."""
    if is_number(left) and is_number(right):
        return _arithmetic(left, right, left * right)
    if isinstance(left, Duration) or isinstance(right, Duration):
        numbers = [value for value in (left, right) if is_number(value) or isinstance(value, Duration)]
        if len(numbers) == 2:
            product = numbers[0] * numbers[1]
            return product if isinstance(product, float) else Duration(wrap(product))
    raise _invalid("*", left, right)


def divide(left: Value, right: Value) -> float:
    """`/`: always a float; by zero infinite or NaN."""
    if not (is_number(left) and is_number(right)):
        raise _invalid("/", left, right)
    dividend, divisor = float(left), float(right)
    if divisor == 0:
        if dividend == 0 or math.isnan(dividend):
            return math.nan
        return math.copysign(math.inf, math.copysign(1, dividend) * math.copysign(1, divisor))
    return dividend / divisor


def modulo(left: Value, right: Value) -> int:
    """`%`: integers only, with the sign of the dividend."""
    if not (is_integer(left) and is_integer(right)):
        raise _invalid("%", left, right)
    if right == 0:
        raise RunError("runtime error: integer divide by zero")
    rest: int = abs(left) % abs(right)
    return -rest if left < 0 else rest


def power(left: Value, right: Value) -> float:
    """`**`: always a float."""
    return powers.power(to_float(left), to_float(right))


def negate(operand: Value) -> Value:
    """Unary `-`."""
    if not is_number(operand):
        raise RunError(f"invalid operation: - {go_type(operand)}")
    return -operand if isinstance(operand, float) else wrap(-operand)


def contained(needle: Value, haystack: Value) -> bool:
    """`in`: an element of a list, a key of a map, a field of a struct."""
    if haystack is None:
        return False
    if isinstance(haystack, list):
        return any(equal(item, needle) for item in haystack)
    if isinstance(haystack, bytes):
        return is_number(needle) and any(octet == needle for octet in haystack)
    if isinstance(haystack, dict):
        return map_key(needle) in haystack
    if isinstance(haystack, AnyMap):
        return needle in haystack
    if isinstance(haystack, Struct):
        if not isinstance(needle, str):
            raise RunError(f"cannot use {go_type(needle)} as field name of {haystack.go}")
        return needle in haystack.fields
    if isinstance(haystack, Time) and isinstance(needle, str):
        return False
    raise RunError(f'operator "in" not defined on {go_type(haystack)}')


def map_key(key: Value) -> str:
    """A key of a map[string]any; nil is the empty one."""
    if isinstance(key, str):
        return key
    if key is None:
        return ""
    text = f"value of type {go_type(key)} is not assignable to type string"
    raise RunError(f"reflect.Value.MapIndex: {text}")


def text_operator(name: str) -> Callable[[Value, Value], bool]:
    """`contains`, `startsWith`, `endsWith` or `matches`: false when a side is nil."""
    if name not in _TEXT_OPERATORS:
        raise ValueError(f"not an operator on texts: {name}")
    compare = _COMPARE_TEXTS[name]

    def apply(left: Value, right: Value) -> bool:
        if is_nil(left) or is_nil(right):
            return False
        if isinstance(left, bytes) and name == "matches":
            left = left.decode("utf-8", "replace")
        return compare(to_text(left), to_text(right))

    return apply


def _matches(text: str, pattern: str) -> bool:
    try:
        return regex.search(pattern, text)
    except RegexError as error:
        raise RunError(str(error)) from None


_COMPARE_TEXTS: dict[str, Callable[[str, str], bool]] = {
    "contains": lambda text, part: part in text,
    "startsWith": str.startswith,
    "endsWith": str.endswith,
    "matches": _matches,
}

OPERATORS: dict[str, Callable[[Value, Value], Value]] = {
    "==": equal,
    "!=": lambda left, right: not equal(left, right),
    "<": less,
    ">": more,
    "<=": less_or_equal,
    ">=": more_or_equal,
    "+": add,
    "-": subtract,
    "*": multiply,
    "/": divide,
    "%": modulo,
    "**": power,
    "^": power,
    "in": contained,
    **{name: text_operator(name) for name in ("contains", "startsWith", "endsWith", "matches")},
}
"""Operators that evaluate both their operands."""
