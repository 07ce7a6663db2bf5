"""Pure. JSON as Go writes and reads it."""

import json
import math
import re
from collections.abc import Iterable

from analysis.expr.errors import RunError
from analysis.expr.gotypes.values import Duration, Value, format_float, go_type, is_nil

_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}
_STRAY = re.compile("[\ud800-\udfff]")
_ESCAPED = frozenset("<>&\u2028\u2029")


def decoded(octets: bytes) -> str:
    """UTF-8 as Go reads it: each octet that is no part of a character becomes U+FFFD."""
    text = octets.decode("utf-8", "surrogateescape")
    return text if text.isascii() else _STRAY.sub("\ufffd", text)


def to_json(value: Value, *, indent: str = "") -> str:
    """`value` as JSON with sorted keys and HTML escaped; compact without `indent`. RunError for what has no JSON."""
    return _written(value, indent, "\n" if indent else "")


def from_json(text: str) -> Value:
    """The value of a JSON text, every number a float. ValueError when it is not JSON."""
    return json.loads(text, parse_int=_number, parse_float=_number, parse_constant=_refused)


def _number(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"json: cannot unmarshal number {text} into Go value of type float64")
    return number


def _refused(text: str) -> float:
    raise ValueError(f"invalid character '{text[0]}' looking for beginning of value")


def _written(value: Value, indent: str, newline: str) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case Duration():
            return str(int(value))
        case int():
            return str(value)
        case float():
            return json_float(value)
        case str():
            return _quoted(value)
        case list() if is_nil(value):
            return "null"
        case list():
            return _enclosed("[]", (_written(item, indent, newline + indent) for item in value), indent, newline)
        case dict():
            colon = ": " if indent else ":"
            pairs = (f"{_quoted(key)}{colon}{_written(value[key], indent, newline + indent)}" for key in sorted(value))
            return _enclosed("{}", pairs, indent, newline)
    if go_type(value) == "time.Time":
        return _quoted(value.written("2006-01-02T15:04:05.999999999Z07:00"))
    raise RunError(f"json: unsupported type: {go_type(value)}")


def _enclosed(brackets: str, parts: Iterable[str], indent: str, newline: str) -> str:
    inner = newline + indent
    body = f",{inner}".join(parts)
    return f"{brackets[0]}{inner}{body}{newline}{brackets[1]}" if body else brackets


def json_float(number: float) -> str:
    """A float as Go's encoder writes it: without exponent from 1e-6 up to 1e21."""
    if math.isnan(number) or math.isinf(number):
        raise RunError(f"json: unsupported value: {format_float(number)}")
    text = format_float(number, exponent_from=21, exponent_below=-6)
    return text.replace("e-0", "e-") if "e-0" in text else text


def _quoted(text: str) -> str:
    return f'"{"".join(map(_char, text))}"'


def _char(char: str) -> str:
    if char in _ESCAPES:
        return _ESCAPES[char]
    if char < " " or char in _ESCAPED:
        return f"\\u{ord(char):04x}"
    return char
