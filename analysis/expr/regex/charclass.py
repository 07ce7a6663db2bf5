"""Pure. Sets of characters, as regular expressions name them."""

import unicodedata
from collections.abc import Callable, Sequence
from typing import TypeAlias

Member: TypeAlias = Callable[[str], bool]
"""Whether a character belongs to a set."""


class RegexError(ValueError):
    """A pattern is no regular expression of RE2, or too costly to match."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"error parsing regexp: {reason}")


_PERL = {
    "d": (("0", "9"),),
    "s": (("\t", "\n"), ("\f", "\r"), (" ", " ")),
    "w": (("0", "9"), ("A", "Z"), ("a", "z"), ("_", "_")),
}
_POSIX = {
    "alnum": (("0", "9"), ("A", "Z"), ("a", "z")),
    "alpha": (("A", "Z"), ("a", "z")),
    "ascii": (("\x00", "\x7f"),),
    "blank": (("\t", "\t"), (" ", " ")),
    "cntrl": (("\x00", "\x1f"), ("\x7f", "\x7f")),
    "digit": (("0", "9"),),
    "graph": (("!", "~"),),
    "lower": (("a", "z"),),
    "print": ((" ", "~"),),
    "punct": (("!", "/"), (":", "@"), ("[", "`"), ("{", "~")),
    "space": (("\t", "\r"), (" ", " ")),
    "upper": (("A", "Z"),),
    "word": (("0", "9"), ("A", "Z"), ("a", "z"), ("_", "_")),
    "xdigit": (("0", "9"), ("A", "F"), ("a", "f")),
}
_CATEGORIES = frozenset(
    ("L", "M", "N", "P", "S", "Z", "C", "Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No", "Pc", "Pd")
) | frozenset(("Ps", "Pe", "Pi", "Pf", "Po", "Sm", "Sc", "Sk", "So", "Zs", "Zl", "Zp", "Cc", "Cf", "Co", "Cs"))
_SCRIPTS = {
    name: name.upper()
    for name in ("Greek", "Latin", "Cyrillic", "Arabic", "Hebrew", "Hiragana", "Katakana", "Thai", "Hangul")
}
_SCRIPTS["Han"] = "CJK UNIFIED"


def ranges(pairs: Sequence[tuple[str, str]]) -> Member:
    """The characters within any of these ranges, both ends included."""
    if len(pairs) == 1:
        low, high = pairs[0]
        return (lambda char: char == low) if low == high else (lambda char: low <= char <= high)
    return lambda char: any(low <= char <= high for low, high in pairs)


def any_of(members: Sequence[Member]) -> Member:
    """The characters of any of these sets."""
    return members[0] if len(members) == 1 else lambda char: any(member(char) for member in members)


def negated(member: Member) -> Member:
    """All other characters."""
    return lambda char: not member(char)


def folded(member: Member) -> Member:
    """The set without regard to case."""
    return lambda char: member(char) or member(char.lower()) or member(char.upper())


def perl(letter: str) -> Member:
    r"""\d \s \w, and their negation by a capital letter."""
    member = ranges(_PERL[letter.lower()])
    return negated(member) if letter.isupper() else member


def posix(name: str) -> Member:
    """[:name:] and [:^name:]."""
    pairs = _POSIX.get(name.lstrip("^"))
    if pairs is None:
        raise RegexError(f"invalid character class range: `[:{name}:]`")
    return negated(ranges(pairs)) if name.startswith("^") else ranges(pairs)


def named(name: str) -> Member:
    r"""\p{name}: a general category of Unicode, or one of the common scripts."""
    if name in _CATEGORIES:
        return lambda char: unicodedata.category(char).startswith(name)
    if name in _SCRIPTS:
        prefix = _SCRIPTS[name]
        return lambda char: unicodedata.name(char, "").startswith(prefix)
    raise RegexError(f"invalid character class range: `\\p{{{name}}}`")
