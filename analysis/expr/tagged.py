"""Pure. Values tagged by their type, so that two implementations of the language can be compared."""

import json
from datetime import datetime
from typing import Any

from analysis.expr.environment import value_of
from analysis.expr.errors import CompileError, RunError
from analysis.expr.gotypes.values import AnyMap, FloatList, Value, format_float, format_value

NAN, INF = float("nan"), float("inf")
BUILT_IN: dict[str, Value] = {"nan-vector": FloatList([NAN]), "inf-vector": FloatList([INF])}
"""Shapes that JSON cannot hold."""

INTEGERS = frozenset(("int",))
"""Shapes whose number is an integer; every other number is a float."""


def shapes(text: str) -> dict[str, Value]:
    """The named values of a JSON document; a top-level list of numbers is a vector."""
    named: dict[str, Any] = json.loads(text, parse_int=float)
    found: dict[str, Value] = {}
    for name, value in named.items():
        if name in INTEGERS:
            found[name] = int(value)
        elif isinstance(value, list) and all(isinstance(item, float) for item in value):
            found[name] = FloatList(value)
        else:
            found[name] = value
    return found | BUILT_IN


def outcome(source: str, result: Value, now: datetime | None = None) -> dict[str, Any]:
    """`{"value": tagged}`, or `{"error": "compile" | "run", "message": text}`."""
    try:
        return {"value": tag(value_of(source, result, now))}
    except CompileError as error:
        return {"error": "compile", "message": str(error), "column": error.column}
    except (RunError, OverflowError) as error:  # the latter: a moment before the year 1 has no text
        return {"error": "run", "message": str(error)}


def tag(value: Value) -> dict[str, Any]:
    """A value with its type: `bool`, `int`, `float`, `string`, `nil`, `array` or `map`; numbers as texts."""
    match value:
        case None:
            return {"nil": True}
        case bool():
            return {"bool": value}
        case int():
            return {"int": str(int(value))}
        case float():
            return {"float": format_float(value)}
        case str():
            return {"string": str(value)}
        case list():
            return {"array": [tag(item) for item in value]}
        case dict():
            return {"map": {key: tag(item) for key, item in value.items()}}
        case AnyMap():
            return {"map": {format_value(key): tag(group) for key, group in value.items()}}
        case _:
            return {"other": format_value(value)}
