"""Pure. Resource quantities (`500m`, `1Gi`, `1e3`): their value, and the text that Go writes for them."""

import json
import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

_FORM = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?([eE][+-]?[0-9]+|[KMGTPE]i|[numkMGTPE]|)")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_DECIMAL_SUFFIX = {exponent: suffix for suffix, exponent in _DECIMAL.items()}
_BINARY_SUFFIX = {0: "", **{exponent: suffix for suffix, exponent in _BINARY.items()}}
_LARGEST_BINARY = 2**63 - 1
_LARGEST_EXPONENT = 300
_NANO = 10**9


@dataclass(frozen=True, slots=True)
class Quantity:
    """An amount of a resource and its spelling in Go's JSON."""

    value: Fraction
    text: str

    def rounded_up(self, parts: int) -> "Quantity":
        """The next amount away from zero that is a whole number of 1/`parts`."""
        value = _away_from_zero(self.value, parts)
        return self if value == self.value else Quantity(value, _decimal(value, exponential=False))


def parse_quantity(given: str | int | float) -> Quantity:
    """Reads a quantity as a manifest gives it, text or number; ValueError when it is none."""
    return _parse(given if isinstance(given, str) else json.dumps(given))


@lru_cache(maxsize=1024)
def _parse(given: str) -> Quantity:
    text = given.strip()
    match = _FORM.fullmatch(text)
    if match is None or not text:
        raise ValueError(f"{given!r} is not a quantity; write it like 500m, 2 or 1Gi")
    sign, whole, rest, suffix = match[1], match[2].lstrip("0") or "0", match[3] or "", match[4]
    digits = whole + rest
    number = Fraction(int(sign + digits), 10 ** len(rest))
    if suffix in _BINARY:
        exponent = _BINARY[suffix]
        value = _away_from_zero(number * 2**exponent, _NANO)
        kept = not rest and len(whole) + exponent * 3 // 10 <= 14 and int(whole) % 8 != 0
        return Quantity(value, text if kept else _binary(value))
    exponential = suffix not in _DECIMAL
    exponent = int(suffix[1:]) if exponential else _DECIMAL[suffix]
    if abs(exponent) > _LARGEST_EXPONENT:
        raise ValueError(f"{given!r} is too large or too small for a quantity")
    scale = exponent - len(rest)
    value = _away_from_zero(number * Fraction(10) ** exponent, _NANO)
    # Go keeps a text that looks canonical to it at a glance, even where it is not quite so ("1.500").
    kept = len(digits) <= 18 and scale >= -9 and scale % 3 == 0 and not digits.endswith("000") and digits[0] != "0"
    return Quantity(value, text if kept else _decimal(value, exponential))


def _away_from_zero(value: Fraction, parts: int) -> Fraction:
    magnitude = Fraction(-(-abs(value) * parts // 1), parts)
    return magnitude if value >= 0 else -magnitude


def _decimal(value: Fraction, exponential: bool) -> str:
    if value == 0:
        return "0"
    mantissa, exponent = int(value * _NANO), -9
    while mantissa % 1000 == 0:
        mantissa, exponent = mantissa // 1000, exponent + 3
    if exponential:
        return f"{mantissa}e{exponent}" if exponent else str(mantissa)
    return f"{mantissa}{_DECIMAL_SUFFIX.get(exponent, '')}"


def _binary(value: Fraction) -> str:
    if abs(value) < 1024 or value.denominator != 1:
        return _decimal(value, exponential=False)
    mantissa, exponent = min(int(value), _LARGEST_BINARY), 0
    while mantissa % 1024 == 0:
        mantissa, exponent = mantissa // 1024, exponent + 10
    return f"{mantissa}{_BINARY_SUFFIX.get(exponent, '')}"
