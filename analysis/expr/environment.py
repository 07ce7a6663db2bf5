"""Pure. What a condition may use beside the language itself: the result, and the functions that Argo Rollouts adds."""

import math
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache

from analysis import expr
from analysis.expr.gotypes.numbers import parse_float, parse_int
from analysis.expr.gotypes.types import ANY, BOOL, FLOAT, INT64, UNKNOWN, Sort, Type, function, type_of
from analysis.expr.gotypes.values import Value, format_value, go_type, interface_type, is_integer, is_number, truncate

_FUNCTIONS: dict[str, Type] = {
    "asInt": function(INT64, ANY),
    "asFloat": function(FLOAT, ANY),
    "isNaN": function(BOOL, FLOAT),
    "isInf": function(BOOL, FLOAT),
    "isNil": function(BOOL, ANY),
    "default": function(ANY, ANY, ANY),
}
_RANGE_FUNCTIONS = {name: _FUNCTIONS[name] for name in ("isNaN", "isInf")}


def holds(condition: str, result: Value, now: datetime | None = None) -> bool:
    """Whether `condition` holds for `result`. ExprError when it cannot be told."""
    value = value_of(condition, result, now)
    if not isinstance(value, bool):
        raise expr.RunError(f"expected bool, but got {go_type(value)}")
    return value


def value_of(source: str, result: Value, now: datetime | None = None) -> Value:
    """The value of any expression over `result`; ExprError when it has none."""
    return _program(source, type_of(result)).run(_values(source, result), now)


@lru_cache(maxsize=2048)
def _program(source: str, result: Type) -> expr.Program:
    return expr.compile(source, (("result", result), *_FUNCTIONS.items()))


def time_of(source: str, now: datetime) -> float:
    """The moment that an expression of a range query yields, in seconds since 1970. ExprError when it yields none."""
    program = expr.compile(source, tuple(_RANGE_FUNCTIONS.items()))
    if program.type.sort is not Sort.TIME and not program.type.unknown:
        name = "unknown" if program.type is UNKNOWN else program.type.go
        raise expr.CompileError(f"expected time.Time, but got {name}")
    value = program.run({name: _ARGO[name] for name in _RANGE_FUNCTIONS}, now)
    if go_type(value) != "time.Time":
        raise expr.RunError(f"expected time.Time, but got {go_type(value)}")
    return float(value.ns) / 1e9


def _values(source: str, result: Value) -> Mapping[str, Value]:
    """What the names of the environment stand for. `isNil` and `default` look at the result, not at their argument."""
    values = _ARGO | {"result": result}
    if "isNil" in source or "default" in source or "$env" in source:
        missing = result is None
        values["isNil"] = expr.FunctionValue(lambda _: missing, 1)
        values["default"] = expr.FunctionValue(lambda _, otherwise: otherwise if missing else result, 2)
    return values


def _as_int(value: Value) -> int:
    if is_integer(value):
        return int(value)
    if isinstance(value, float):
        return truncate(value)
    if isinstance(value, str):
        try:
            return parse_int(value)
        except ValueError as error:
            raise expr.RunError(str(error)) from None
    raise expr.RunError(f"asInt() not supported on {go_type(value)} {format_value(value)}")


def _as_float(value: Value) -> float:
    if is_number(value):
        return float(value)
    if isinstance(value, str):
        try:
            return parse_float(value)
        except ValueError as error:
            raise expr.RunError(str(error)) from None
    raise expr.RunError(f"asFloat() not supported on {go_type(value)} {format_value(value)}")


def _float_only(test: Callable[[float], bool]) -> Value:
    def check(value: Value) -> bool:
        if not isinstance(value, float):
            raise expr.RunError(f"interface conversion: interface {{}} is {interface_type(value)}, not float64")
        return test(value)

    return expr.FunctionValue(check, 1)


_ARGO: dict[str, Value] = {
    "asInt": expr.FunctionValue(_as_int, 1),
    "asFloat": expr.FunctionValue(_as_float, 1),
    "isNaN": _float_only(math.isnan),
    "isInf": _float_only(math.isinf),
}
