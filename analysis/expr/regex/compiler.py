"""Pure. The text of a regular expression of RE2 becomes its program."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from analysis.expr.regex.charclass import Member, RegexError, any_of, folded, named, negated, perl, posix, ranges
from analysis.expr.regex.program import Program

MAX_REPEAT = 1_000
MAX_GROUPS = 100

_ESCAPES = {"a": "\a", "f": "\f", "t": "\t", "n": "\n", "r": "\r", "v": "\v"}
_ASSERTIONS = {"A": "begin", "z": "end", "b": "word", "B": "not word"}
_FLAGS = "imsU"

Fragment: TypeAlias = Callable[[int], int]
"""Adds its states before a given one and returns where it begins."""


@lru_cache(maxsize=256)
def compile(pattern: str) -> Program:
    """The program of `pattern`; RegexError in RE2's words when it is no expression."""
    program = Program()
    parser = _Parser(pattern, program)
    fragment = parser.alternatives()
    if parser.at < len(pattern):
        raise RegexError(f"unexpected ): `{pattern}`")
    program.start = fragment(program.add("match", None, -1))
    return program


@dataclass(slots=True)
class _Parser:
    pattern: str
    program: Program
    at: int = 0
    flags: frozenset[str] = frozenset()
    depth: int = 0

    def peek(self, text: str) -> bool:
        return self.pattern.startswith(text, self.at)

    def take(self, text: str) -> bool:
        found = self.peek(text)
        self.at += len(text) * found
        return found

    def alternatives(self) -> Fragment:
        branches = [self.sequence()]
        while self.take("|"):
            branches.append(self.sequence())
        return branches[0] if len(branches) == 1 else self.either(branches)

    def either(self, branches: list[Fragment]) -> Fragment:
        def build(following: int) -> int:
            starts = [branch(following) for branch in branches]
            start = starts[-1]
            for other in reversed(starts[:-1]):
                start = self.program.add("split", other, start)
            return start

        return build

    def sequence(self) -> Fragment:
        parts: list[Fragment] = []
        while self.at < len(self.pattern) and not self.peek("|") and not self.peek(")"):
            part = self.atom()
            if part is not None:
                parts.append(self.repeated(part))

        def build(following: int) -> int:
            for part in reversed(parts):
                following = part(following)
            return following

        return build

    # ── repetition ─────────────────────────────────────────────────────────

    def repeated(self, part: Fragment) -> Fragment:
        begin = self.at
        bounds = self.bounds()
        if bounds is None:
            return part
        self.take("?")
        after = self.at
        if self.bounds() is not None:
            raise RegexError(f"invalid nested repetition operator: `{self.pattern[begin : self.at]}`")
        self.at = after
        least, most = bounds
        if least > MAX_REPEAT or (most is not None and (most > MAX_REPEAT or most < least)):
            raise RegexError(f"invalid repeat count: `{self.pattern[begin:after]}`")
        return lambda following: self.unrolled(part, least, most, following)

    def bounds(self) -> tuple[int, int | None] | None:
        for text, bounds in (("*", (0, None)), ("+", (1, None)), ("?", (0, 1))):
            if self.take(text):
                return bounds
        end = self.pattern.find("}", self.at) if self.peek("{") else -1
        least, comma, most = self.pattern[self.at + 1 : max(end, 0)].partition(",")
        if end < 0 or not least.isdigit() or not (most.isdigit() or most == ""):
            return None
        self.at = end + 1
        return int(least), (int(most) if most else None if comma else int(least))

    def unrolled(self, part: Fragment, least: int, most: int | None, following: int) -> int:
        if most is None:
            loop = self.program.add("split", following, following)
            body = part(loop)
            self.program.states[loop] = ("split", body, following)
            start = loop
        else:
            start = following
            for _ in range(most - least):
                start = self.program.add("split", part(start), following)
        for _ in range(least):
            start = part(start)
        return start

    # ── atoms ──────────────────────────────────────────────────────────────

    def atom(self) -> Fragment | None:
        char = self.pattern[self.at]
        if self.peek("("):
            return self.group()
        if self.peek("["):
            return self.character(self.bracket())
        if char in "*+?":
            raise RegexError(f"missing argument to repetition operator: `{char}`")
        if self.peek("\\"):
            return self.escape()
        self.at += 1
        match char:
            case ".":
                return self.character(lambda c: True) if "s" in self.flags else self.character(lambda c: c != "\n")
            case "^":
                return self.assertion("line begin" if "m" in self.flags else "begin")
            case "$":
                return self.assertion("line end" if "m" in self.flags else "end")
        return self.literal(char)

    def character(self, member: Member) -> Fragment:
        return lambda following: self.program.add("char", member, following)

    def assertion(self, kind: str) -> Fragment:
        return lambda following: self.program.add("assert", kind, following)

    def literal(self, char: str) -> Fragment:
        return self.character(folded(ranges(((char, char),))) if "i" in self.flags else ranges(((char, char),)))

    def group(self) -> Fragment | None:
        begin, outer = self.at, self.flags
        self.at += 1
        self.depth += 1
        if self.depth > MAX_GROUPS:
            raise RegexError("expression nests too deeply")
        if self.take("?") and not self.named_group() and not self.flag_group(begin):
            self.depth -= 1
            return None
        fragment = self.alternatives()
        if not self.take(")"):
            raise RegexError(f"missing closing ): `{self.pattern}`")
        self.flags = outer
        self.depth -= 1
        return fragment

    def named_group(self) -> bool:
        """Skip `P<name>` or `<name>`; False when the group has no name."""
        for opening in ("P<", "<"):
            if self.peek(opening) and self.pattern[self.at + len(opening) : self.at + len(opening) + 1] not in "=!":
                end = self.pattern.find(">", self.at)
                name = self.pattern[self.at + len(opening) : max(end, 0)]
                if end < 0 or not name.replace("_", "a").isalnum():
                    raise RegexError(f"invalid named capture: `(?{self.pattern[self.at :]}`")
                self.at = end + 1
                return True
        return False

    def flag_group(self, begin: int) -> bool:
        """Read `flags:` (True: a group follows) or `flags)` (False: they hold for the rest of the group around)."""
        flags, adding, seen = set(self.flags), True, False
        while self.at < len(self.pattern):
            char = self.pattern[self.at]
            self.at += 1
            if char in _FLAGS:
                seen = True
                (flags.add if adding else flags.discard)(char)
            elif char == "-" and adding:
                adding, seen = False, False
            elif char in ":)" and (adding or seen):
                self.flags = frozenset(flags)
                return char == ":"
            else:
                break
        raise RegexError(f"invalid or unsupported Perl syntax: `{self.pattern[begin : self.at]}`")

    def escape(self) -> Fragment | None:
        char = self.pattern[self.at + 1 : self.at + 2]
        if char == "Q":
            end = self.pattern.find("\\E", self.at)
            text = self.pattern[self.at + 2 : end if end >= 0 else len(self.pattern)]
            self.at = end + 2 if end >= 0 else len(self.pattern)
            parts = [self.literal(quoted) for quoted in text]

            def build(following: int) -> int:
                for part in reversed(parts):
                    following = part(following)
                return following

            return build if parts else None
        if char in _ASSERTIONS:
            self.at += 2
            return self.assertion(_ASSERTIONS[char])
        if char == "C":
            raise RegexError("invalid escape sequence: `\\C`")
        member = self.class_escape()
        return self.character(member) if member is not None else self.literal(self.escaped_char())

    def class_escape(self) -> Member | None:
        r"""\d, \pL, \p{Greek} and their like; None when the escape stands for one character."""
        char = self.pattern[self.at + 1 : self.at + 2]
        if char and char in "dDsSwW":
            self.at += 2
            return perl(char)
        if char and char in "pP":
            end = self.pattern.find("}", self.at) if self.pattern.startswith("{", self.at + 2) else self.at + 2
            name = self.pattern[self.at + 2 : end + 1].strip("{}")
            if end < 0 or not name:
                raise RegexError(f"invalid character class range: `{self.pattern[self.at :]}`")
            self.at = end + 1
            member = named(name.lstrip("^"))
            return negated(member) if (char == "P") != name.startswith("^") else member
        return None

    def escaped_char(self) -> str:
        begin = self.at
        char = self.pattern[self.at + 1 : self.at + 2]
        self.at += 2
        if not char:
            raise RegexError("trailing backslash at end of expression: ``")
        if char in _ESCAPES:
            return _ESCAPES[char]
        if char == "x":
            digits = next(self.hexadecimal(), "")
            if digits and int(digits, 16) <= 0x10FFFF:
                return chr(int(digits, 16))
        elif char in "01234567" and (char == "0" or self.pattern[self.at : self.at + 1] in tuple("01234567")):
            while self.at < begin + 4 and self.pattern[self.at : self.at + 1] in tuple("01234567"):
                self.at += 1
            return chr(int(self.pattern[begin + 1 : self.at], 8))
        elif char.isascii() and not char.isalnum():
            return char
        raise RegexError(f"invalid escape sequence: `{self.pattern[begin : self.at]}`")

    def hexadecimal(self) -> Iterator[str]:
        end = self.pattern.find("}", self.at) if self.peek("{") else self.at + 1
        digits = self.pattern[self.at : end + 1].strip("{}")
        self.at = end + 1
        if end > 0 and digits and all(digit in "0123456789abcdefABCDEF" for digit in digits):
            yield digits

    # ── classes ────────────────────────────────────────────────────────────

    def bracket(self) -> Member:
        begin = self.at
        self.at += 1
        inverted = self.take("^")
        members: list[Member] = []
        pairs: list[tuple[str, str]] = []
        first = True
        while first or not self.peek("]"):
            if self.at >= len(self.pattern):
                raise RegexError(f"missing closing ]: `{self.pattern[begin:]}`")
            first = False
            member = self.posix_class() or (self.class_escape() if self.peek("\\") else None)
            if member is not None:
                members.append(member)
            else:
                pairs.append(self.range())
        self.at += 1
        members.append(ranges(tuple(pairs)))
        member = any_of(members)
        if "i" in self.flags:
            member = folded(member)
        return negated(member) if inverted else member

    def posix_class(self) -> Member | None:
        end = self.pattern.find(":]", self.at) if self.peek("[:") else -1
        if end < 0:
            return None
        name = self.pattern[self.at + 2 : end]
        self.at = end + 2
        return posix(name)

    def range(self) -> tuple[str, str]:
        begin = self.at
        low = self.class_char()
        if not self.peek("-") or self.pattern.startswith("-]", self.at) or self.at + 1 >= len(self.pattern):
            return low, low
        self.at += 1
        high = self.class_char()
        if high < low:
            raise RegexError(f"invalid character class range: `{self.pattern[begin : self.at]}`")
        return low, high

    def class_char(self) -> str:
        if self.peek("\\"):
            return self.escaped_char()
        self.at += 1
        return self.pattern[self.at - 1]
