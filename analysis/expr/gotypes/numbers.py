"""Pure. Numbers as Go reads them from a text."""

import re

from analysis.expr.errors import CompileError
from analysis.expr.gotypes.values import MAX_INT, MIN_INT
from analysis.expr.tokens import Token

_BASES = {"0x": 16, "0b": 2, "0o": 8}
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_HEXADECIMAL = re.compile(r"[+-]?0[xX](?:[0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)[pP][+-]?[0-9]+")
_NAMED = re.compile(r"[+-]?(?:inf|infinity|nan)", re.IGNORECASE)
_UNDERSCORE = re.compile(r"(?<=[0-9])_(?=[0-9])")
_HEXADECIMAL_UNDERSCORE = re.compile(r"(?<=[0-9a-fA-FxX])_(?=[0-9a-fA-F])")
_INTEGER = re.compile(r"[+-]?[0-9]+")
_ESCAPES = dict(zip('\a\b\f\n\r\t\v\\"', (f"\\{letter}" for letter in 'abfnrtv\\"'), strict=True))


def quoted(text: str) -> str:
    """A text as Go quotes it in a message."""
    return f'"{"".join(map(_quoted_char, text))}"'


def _quoted_char(char: str) -> str:
    if char in _ESCAPES or char.isprintable():
        return _ESCAPES.get(char, char)
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def literal_number(token: Token) -> int | float:
    """The value of a number literal; CompileError when it has none."""
    text = token.text.replace("_", "")
    base = _BASES.get(text[:2].lower())
    try:
        if base is not None:
            return _fitting(int(text[2:], base), token)
        if "." in text or "e" in text.lower():
            number = float(text)
            if number == float("inf"):
                raise CompileError(f'invalid float literal: strconv.ParseFloat: parsing "{text}": value out of range')
            return number
        return _fitting(int(text), token)
    except CompileError:
        raise
    except ValueError:
        raise CompileError(f'invalid number literal: parsing "{text}": invalid syntax', token.at) from None


def _fitting(number: int, token: Token) -> int:
    if number > MAX_INT:
        text = f'invalid integer literal: strconv.ParseInt: parsing "{token.text}": value out of range'
        raise CompileError(text, token.at)
    return number


def parse_int(text: str) -> int:
    """A decimal integer of 64 bits; ValueError in Go's words."""
    if not _INTEGER.fullmatch(text):
        raise ValueError(f"strconv.ParseInt: parsing {quoted(text)}: invalid syntax")
    if len(text) > 20 or not MIN_INT <= int(text) <= MAX_INT:
        raise ValueError(f'strconv.ParseInt: parsing "{text}": value out of range')
    return int(text)


def parse_float(text: str) -> float:
    """A float; ValueError in Go's words."""
    hexadecimal = text.lstrip("+-")[:2] in ("0x", "0X")
    plain = (_HEXADECIMAL_UNDERSCORE if hexadecimal else _UNDERSCORE).sub("", text)
    if _DECIMAL.fullmatch(plain):
        number = float(plain)
    elif _HEXADECIMAL.fullmatch(plain):
        number = float.fromhex(plain)
    elif _NAMED.fullmatch(text):
        return float(text)
    else:
        raise ValueError(f"strconv.ParseFloat: parsing {quoted(text)}: invalid syntax")
    if number in (float("inf"), float("-inf")):
        raise ValueError(f'strconv.ParseFloat: parsing "{text}": value out of range')
    return number
