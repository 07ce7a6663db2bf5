"""Pure. The text of a JSONPath becomes its steps."""

import re
from dataclasses import dataclass

from analysis.jsonpath.path import (
    Constant,
    Elements,
    Field,
    Filter,
    JsonPathError,
    Path,
    Range,
    Recursive,
    Step,
    Steps,
    Text,
    Union,
    Wildcard,
)

MAX_NESTING = 30

_NAME = re.compile(r"(?:[^\s.\[\]{}(),=!<>:'\"\\]|\\.)+")
_INDEX = re.compile(r"\s*(-?\d+)\s*")
_SLICE = re.compile(r"\s*(-?\d*)\s*:\s*(-?\d*)\s*(?::\s*(-?\d*)\s*)?")
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?")
_OPERATOR = re.compile(r"==|!=|<=|>=|<|>")


def parse(text: str) -> Path:
    """The steps of a template; JsonPathError when it is not well-formed."""
    reader = _Reader(text)
    path = reader.path(within_range=False)
    if reader.at < len(text):
        raise JsonPathError("not in range, nothing to end")
    return path


@dataclass(slots=True)
class _Reader:
    text: str
    at: int = 0
    nesting: int = 0

    def path(self, *, within_range: bool) -> Path:
        parts: list[Text | Range | Steps] = []
        while self.at < len(self.text):
            opening = self.text.find("{", self.at)
            if opening != self.at:
                end = opening if opening >= 0 else len(self.text)
                parts.append(Text(self.text[self.at : end]))
                self.at = end
                continue
            self.at += 1
            word = re.compile(r"\s*(range|end)\b\s*").match(self.text, self.at)
            if word and word[1] == "end":
                if not within_range:
                    raise JsonPathError("not in range, nothing to end")
                self.at = word.end()
                self.close()
                return tuple(parts)
            if word:
                self.at = word.end()
                steps = self.steps("}")
                self.close()
                self.deeper()
                parts.append(Range(steps, self.path(within_range=True)))
                self.nesting -= 1
            else:
                parts.append(self.steps("}"))
                self.close()
        if within_range:
            raise JsonPathError("unterminated range")
        return tuple(parts)

    def deeper(self) -> None:
        self.nesting += 1
        if self.nesting > MAX_NESTING:
            raise JsonPathError("the path is nested too deeply")

    def close(self) -> None:
        if not self.text.startswith("}", self.at):
            raise JsonPathError("unclosed action")
        self.at += 1

    def steps(self, until: str) -> Steps:
        """The steps up to one of the characters `until`, which is left to be read."""
        steps: list[Step] = []
        while self.at < len(self.text) and self.text[self.at] not in until:
            step = self.step()
            if step is not None:
                steps.append(step)
        return tuple(steps)

    def step(self) -> Step | None:
        char = self.text[self.at]
        if char.isspace() or char in "$@":
            self.at += 1
            return None
        if self.text.startswith("..", self.at):
            self.at += 1 if self.text[self.at + 2 : self.at + 3] not in ("[", "") else 2
            return Recursive()
        if char == ".":
            self.at += 1
            return self.field()
        if char == "[":
            return self.bracket()
        if char in "'\"":
            return Text(self.quoted())
        number = _NUMBER.match(self.text, self.at)
        if number:
            self.at = number.end()
            return Constant(float(number[0]) if "." in number[0] else int(number[0]))
        for word, value in (("true", True), ("false", False)):
            if self.text.startswith(word, self.at):
                self.at += len(word)
                return Constant(value)
        if char.isalpha() or char == "_":
            name = _NAME.match(self.text, self.at)
            raise JsonPathError(f"unrecognized identifier {name[0] if name else char}")
        raise JsonPathError(f"unrecognized character in action: U+{ord(char):04X} '{char}'")

    def field(self) -> Step | None:
        if self.text.startswith("*", self.at):
            self.at += 1
            return Wildcard()
        name = _NAME.match(self.text, self.at)
        if name is None:
            return None
        self.at = name.end()
        return Field(re.sub(r"\\(.)", r"\1", name[0]))

    def quoted(self) -> str:
        quote, begin = self.text[self.at], self.at + 1
        end = begin
        while end < len(self.text) and self.text[end] != quote:
            end += 2 if self.text[end] == "\\" else 1
        if end >= len(self.text):
            raise JsonPathError("unterminated quoted string")
        self.at = end + 1
        return re.sub(r"\\(.)", r"\1", self.text[begin:end])

    def bracket(self) -> Step:
        self.deeper()
        self.at += 1
        if self.text.startswith("?(", self.at):
            self.at += 2
            step: Step = self.filter()
        else:
            step = self.subscript(self.inside())
        self.nesting -= 1
        return step

    def inside(self) -> str:
        """The text up to the bracket that closes, quotes respected."""
        begin = self.at
        while self.at < len(self.text):
            char = self.text[self.at]
            if char in "'\"":
                self.quoted()
            elif char == "]":
                self.at += 1
                return self.text[begin : self.at - 1]
            else:
                self.at += 1
        raise JsonPathError("unterminated array")

    def subscript(self, inside: str) -> Step:
        parts = _split(inside)
        if len(parts) > 1:
            return Union(tuple((self.subscript(part.strip()),) for part in parts))
        if inside.strip() == "*":
            return Wildcard()
        if index := _INDEX.fullmatch(inside):
            return Elements(int(index[1]), single=True)
        if bounds := _SLICE.fullmatch(inside):
            start, end, step = (int(bound) if bound else None for bound in bounds.groups())
            return Elements(start, end, step)
        stripped = inside.strip()
        if len(stripped) >= 2 and stripped[0] in "'\"" and stripped[-1] == stripped[0]:
            return Field(_Reader(stripped).quoted())
        raise JsonPathError(f"invalid array index {inside}")

    def filter(self) -> Filter:
        left = self.steps(")=!<>")
        operator = _OPERATOR.match(self.text, self.at)
        right: Steps = ()
        if operator:
            self.at = operator.end()
            right = self.steps(")")
        if not self.text.startswith(")]", self.at):
            raise JsonPathError(
                "unclosed array expect ]" if self.text.startswith(")", self.at) else "unterminated filter"
            )
        self.at += 2
        return Filter(left, operator[0] if operator else "", right)


def _split(inside: str) -> list[str]:
    """`inside` cut at the commas that stand outside of quotes."""
    parts, quote = [""], ""
    for char in inside:
        if char == "," and not quote:
            parts.append("")
            continue
        if char in "'\"":
            quote = "" if char == quote else quote or char
        parts[-1] += char
    return parts
