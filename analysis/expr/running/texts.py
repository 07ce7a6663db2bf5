"""Pure. What the language's own functions make of texts."""

import base64
import binascii
import re
from collections.abc import Callable

from analysis.expr.errors import RunError
from analysis.expr.gotypes.jsontext import decoded, from_json
from analysis.expr.gotypes.values import MEMORY_BUDGET, StringList, TypedList, Value, go_type, to_int, to_text

_SPACE = " \t\n\v\f\r\x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))


def trim(text: Value, characters: Value = _SPACE) -> str:
    """`trim`: without the characters at both ends."""
    cut = to_text(characters)
    return to_text(text).strip(cut) if cut else to_text(text)


def upper(text: str) -> str:
    """`upper`: letter by letter, so that no letter becomes two."""
    return "".join(map(_upper, text))


def _upper(char: str) -> str:
    return next((form for form in (char.upper(), char.title()) if len(form) == 1), char)


def lower(text: str) -> str:
    """`lower`: letter by letter."""
    return "".join(char.lower()[0] for char in text)


def split(after: bool) -> Callable[..., Value]:
    """`split`, or `splitAfter` which keeps the separators."""

    def split(text: Value, separator: Value, limit: Value = -1) -> StringList:
        source, cut, most = to_text(text), to_text(separator), to_int(limit)
        if most == 0:
            return StringList()
        if not cut:
            parts = list(source) if most < 0 or most >= len(source) else [*source[: most - 1], source[most - 1 :]]
            return StringList(parts)
        parts = source.split(cut, most - 1 if most > 0 else -1)
        if after:
            parts = [part + cut for part in parts[:-1]] + parts[-1:]
        return StringList(parts)

    return split


def replace(text: Value, old: Value, new: Value, limit: Value = -1) -> str:
    """`replace`: the first `limit` ones, or all."""
    source, before, after, most = to_text(text), to_text(old), to_text(new), to_int(limit)
    found = source.count(before) if most < 0 else min(most, source.count(before))
    if len(source) + found * len(after) > MEMORY_BUDGET:
        raise RunError("memory budget exceeded")
    return source.replace(before, after, most)


def repeat(text: Value, count: Value) -> str:
    """`repeat`, of bounded length."""
    source, times = to_text(text), to_int(count)
    if times < 0:
        raise RunError(f"invalid argument for repeat (expected positive integer, got {times})")
    if times > MEMORY_BUDGET or len(source) * times > MEMORY_BUDGET:
        raise RunError("memory budget exceeded")
    return source * times


def join(parts: Value, glue: Value = "") -> str:
    """`join`: strings only."""
    if not isinstance(parts, list) or (isinstance(parts, TypedList) and not isinstance(parts, StringList)):
        raise RunError(f"invalid argument for join (type {'%!s(<nil>)' if parts is None else go_type(parts)})")
    return to_text(glue).join(map(to_text, parts))


def index(find: Callable[[bytes, bytes], int]) -> Callable[[Value, Value], int]:
    """`indexOf` and `lastIndexOf`, counted in bytes."""
    return lambda text, part: find(to_text(text).encode(), to_text(part).encode())


def from_base64(text: Value) -> str:
    """`fromBase64`."""
    source = to_text(text)
    try:
        return decoded(base64.b64decode(source.replace("\n", "").replace("\r", ""), validate=True))
    except (binascii.Error, ValueError):
        raise RunError(f"illegal base64 data at input byte {_first_illegal(source)}") from None


def _first_illegal(source: str) -> int:
    """Where a text stops being base64: its first strange character, or its last group when that is cut short."""
    strange = re.search(rb"[^A-Za-z0-9+/\r\n]", source.encode())
    return strange.start() if strange else len(source) - len(source) % 4


def parsed(text: Value) -> Value:
    """`fromJSON`."""
    try:
        return from_json(to_text(text))
    except (ValueError, RecursionError) as error:
        raise RunError(f"fromJSON: {error}") from None
