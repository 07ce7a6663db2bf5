"""Pure. What the language's own functions make of texts."""

import base64
import binascii
from collections.abc import Callable

from analysis.expr.errors import RunError
from analysis.expr.jsontext import from_json
from analysis.expr.values import MEMORY_BUDGET, FloatList, StringList, Value, go_type, to_int, to_text

_SPACE = " \t\n\v\f\r\x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))


def trim(text: Value, characters: Value = _SPACE) -> str:
    """`trim`: without the characters at both ends."""
    return to_text(text).strip(to_text(characters)) if characters else to_text(text)


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
    if not isinstance(parts, list) or isinstance(parts, FloatList):
        raise RunError(f"invalid argument for join (type {go_type(parts)})")
    return to_text(glue).join(map(to_text, parts))


def index(find: Callable[[bytes, bytes], int]) -> Callable[[Value, Value], int]:
    """`indexOf` and `lastIndexOf`, counted in bytes."""
    return lambda text, part: find(to_text(text).encode(), to_text(part).encode())


def from_base64(text: Value) -> str:
    """`fromBase64`."""
    try:
        return base64.b64decode(to_text(text).replace("\n", "").replace("\r", ""), validate=True).decode(
            "utf-8", "replace"
        )
    except (binascii.Error, ValueError):
        raise RunError("illegal base64 data at input byte 0") from None


def parsed(text: Value) -> Value:
    """`fromJSON`."""
    try:
        return from_json(to_text(text))
    except (ValueError, RecursionError) as error:
        raise RunError(f"fromJSON: {error}") from None
