"""Pure. A text becomes tokens."""

import re
from collections.abc import Iterator

from analysis.expr.errors import CompileError
from analysis.expr.tokens import Kind, Token

_WORD = re.compile(r"(?:[^\W]|\$)+")
_NUMBER = re.compile(
    r"(?:0[xX][0-9a-fA-F_]*|0[oO][0-7_]*|0[bB][01_]*|[0-9_]*)(?:\.(?!\.)[0-9_]*)?(?:[eE][+-]?[0-9_]*)?"
)
_HEX_NUMBER = re.compile(r"0[xX][0-9a-fA-F_]*")
_SPACE = re.compile(r"\s+")
_COMMENT = re.compile(r"//[^\n]*\n?|/\*.*?\*/", re.DOTALL)
_OPERATORS = re.compile(r"\?\.|\?\?|\?|\|\||\||::|:|\.\.|\.|[&!=*<>][&=*]?|[,;%+\-^/]")
_WORD_OPERATORS = frozenset(
    ("not", "in", "or", "and", "matches", "contains", "startsWith", "endsWith", "let", "if", "else")
)
_SIMPLE_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\"}
_DIGITS = {"x": 2, "u": 4, "U": 8}


def tokenize(source: str) -> Iterator[Token]:
    """The tokens of `source`, an EOF last. CompileError at the first character that begins none."""
    at = 0
    while at < len(source):
        skipped = _SPACE.match(source, at) or _COMMENT.match(source, at)
        if skipped:
            at = skipped.end()
            continue
        if source.startswith("/*", at):
            raise CompileError("unclosed comment", at)
        token, at = _token(source, at)
        yield token
        if token.is_operator("#"):
            word = _WORD.match(source, at)
            if word:
                yield Token(Kind.IDENTIFIER, word[0], at)
                at = word.end()
    yield Token(Kind.EOF, "", len(source))


def _token(source: str, at: int) -> tuple[Token, int]:
    char, after = source[at], source[at + 1 : at + 2]
    if char in "'\"":
        text, end = _string(source, at)
        return Token(Kind.STRING, text, at), end
    if char == "`":
        return _raw_string(source, at)
    if char in "bB" and after and after in "'\"":
        text, end = _string(source, at + 1, octets=True)
        return Token(Kind.BYTES, text, at), end
    if char.isdigit() or (char == "." and after.isdigit()):
        return _number(source, at)
    if char in "([{)]}":
        return Token(Kind.BRACKET, char, at), at + 1
    if char == "#":
        return Token(Kind.OPERATOR, "#", at), at + 1
    operator = _OPERATORS.match(source, at)
    if operator:
        return Token(Kind.OPERATOR, operator[0], at), operator.end()
    word = _WORD.match(source, at)
    if word:
        kind = Kind.OPERATOR if word[0] in _WORD_OPERATORS else Kind.IDENTIFIER
        return Token(kind, word[0], at), word.end()
    raise CompileError(f"unrecognized character: U+{ord(char):04X} '{char}'", at)


def _number(source: str, at: int) -> tuple[Token, int]:
    pattern = _HEX_NUMBER if source[at : at + 2].lower() == "0x" else _NUMBER
    found = pattern.match(source, at)
    assert found is not None, "the caller saw a digit"
    end = found.end()
    if _WORD.match(source, end):
        raise CompileError(f'bad number syntax: "{source[at : end + 1]}"', end)
    return Token(Kind.NUMBER, found[0], at), end


def _raw_string(source: str, at: int) -> tuple[Token, int]:
    end = at + 1
    while True:
        end = source.find("`", end)
        if end < 0:
            raise CompileError("literal not terminated", len(source))
        if source[end : end + 2] != "``":
            break
        end += 2
    return Token(Kind.STRING, source[at + 1 : end].replace("``", "`"), at), end + 1


def _string(source: str, at: int, *, octets: bool = False) -> tuple[str, int]:
    """The decoded literal that opens at `at`, and where it ends. Bytes come as characters up to U+00FF."""
    quote, here = source[at], at + 1
    parts: list[str] = []
    while True:
        char = source[here : here + 1]
        if char == "" or char == "\n":
            raise CompileError("literal not terminated", here)
        if char == quote:
            text = "".join(parts)
            return text, here + 1
        if char == "\\":
            decoded, here = _escape(source, here + 1, quote)
            parts.append(decoded)
        else:
            parts.append(char.encode().decode("latin-1") if octets else char)
            here += 1


def _escape(source: str, at: int, quote: str) -> tuple[str, int]:
    char = source[at : at + 1]
    if char == quote:
        return quote, at + 1
    if char in _SIMPLE_ESCAPES:
        return _SIMPLE_ESCAPES[char], at + 1
    if source.startswith("u{", at):
        end = source.find("}", at)
        return _code(source[at + 2 : end], 16, at, 1, 6), end + 1
    if char in _DIGITS:
        return _code(source[at + 1 : at + 1 + _DIGITS[char]], 16, at, _DIGITS[char], 8), at + 1 + _DIGITS[char]
    return _code(source[at : at + 3], 8, at, 3, 3), at + 3


def _code(digits: str, base: int, at: int, least: int, most: int) -> str:
    if not least <= len(digits) <= most or not digits.isalnum():
        raise CompileError("invalid char escape", at)
    try:
        return chr(int(digits, base))
    except ValueError:
        raise CompileError("invalid char escape", at) from None
