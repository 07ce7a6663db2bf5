"""Pure. JSONPath in the dialect of Kubernetes: fields, elements, unions, filters, `..`, and text around braces."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from analysis.expr.values import Value, format_value, is_number

MAX_NESTING = 30
MAX_VALUES = 100_000


class JsonPathError(ValueError):
    """A path is not well-formed, or finds nothing; the text is for the user."""


@dataclass(frozen=True, slots=True)
class Text:
    """Characters outside of braces, or quoted within them."""

    text: str


@dataclass(frozen=True, slots=True)
class Constant:
    """A number or a bool in a filter."""

    value: int | float | bool


@dataclass(frozen=True, slots=True)
class Field:
    """`.name` or `['name']`."""

    name: str


@dataclass(frozen=True, slots=True)
class Elements:
    """`[i]` (then `single`), `[start:end:step]`."""

    start: int | None = None
    end: int | None = None
    step: int | None = None
    single: bool = False


@dataclass(frozen=True, slots=True)
class Wildcard:
    """`.*` or `[*]`."""


@dataclass(frozen=True, slots=True)
class Recursive:
    """`..`: a value and everything below it."""


@dataclass(frozen=True, slots=True)
class Union:
    """`[0,2]` or `['a','b']`."""

    paths: "tuple[Steps, ...]"


@dataclass(frozen=True, slots=True)
class Filter:
    """`[?(left operator right)]`; the operator is empty where only existence is asked for."""

    left: "Steps"
    operator: str = ""
    right: "Steps" = ()


@dataclass(frozen=True, slots=True)
class Range:
    """`{range steps}body{end}`."""

    steps: "Steps"
    body: "Path"


Step: TypeAlias = Text | Constant | Field | Elements | Wildcard | Recursive | Union | Filter
Steps: TypeAlias = tuple[Step, ...]
Path: TypeAlias = "tuple[Text | Range | Steps, ...]"

_NAME = re.compile(r"(?:[^\s.\[\]{}(),=!<>:'\"\\]|\\.)+")
_INDEX = re.compile(r"\s*(-?\d+)\s*")
_SLICE = re.compile(r"\s*(-?\d*)\s*:\s*(-?\d*)\s*(?::\s*(-?\d*)\s*)?")
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?")
_OPERATOR = re.compile(r"==|!=|<=|>=|<|>")


# ── reading ────────────────────────────────────────────────────────────────


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


# ── finding ────────────────────────────────────────────────────────────────


def find(path: Path, document: Value) -> list[Value]:
    """The values of the first part of `path` in `document`. JsonPathError when a step finds nothing."""
    results = list(_results(path, document))
    return results[0] if results else []


def _results(path: Path, document: Value) -> Iterator[list[Value]]:
    for part in path:
        match part:
            case Text():
                yield [part.text]
            case Range():
                for value in _walk(part.steps, [document]):
                    yield from _results(part.body, value)
            case _:
                yield _walk(part, [document])


def _walk(steps: Steps, values: list[Value]) -> list[Value]:
    for step in steps:
        values = _taken(step, values)
        if len(values) > MAX_VALUES:
            raise JsonPathError(f"the path selects more than {MAX_VALUES} values")
    return values


def _taken(step: Step, values: list[Value]) -> list[Value]:
    match step:
        case Text():
            return [step.text]
        case Constant():
            return [step.value]
        case Field():
            found = [value[step.name] for value in values if isinstance(value, dict) and step.name in value]
            if not found:
                raise JsonPathError(f"{step.name} is not found")
            return found
        case Wildcard():
            return [child for value in values for child in _children(value)]
        case Recursive():
            return [below for value in values for below in _below(value)]
        case Elements():
            return [item for value in values if value is not None for item in _elements(step, value)]
        case Union():
            return [item for inner in step.paths for item in _walk(inner, values)]
        case Filter():
            return [item for value in values if value is not None for item in _filtered(step, value)]


def _children(value: Value) -> list[Value]:
    if isinstance(value, dict):
        return [value[key] for key in sorted(value)]
    return value if isinstance(value, list) else []


def _below(value: Value) -> Iterator[Value]:
    """The containers at and below `value`, each before its children."""
    children = _children(value)
    if children:
        yield value
        for child in children:
            yield from _below(child)


def _elements(step: Elements, value: Value) -> Sequence[Value]:
    if not isinstance(value, list):
        raise JsonPathError(f"{format_value(value)} is not array or slice")
    length = len(value)
    start = step.start or 0
    start = start + length if start < 0 else start
    end = start + 1 if step.single else length if step.end is None else step.end
    end = end + length if end < 0 else end
    if start == end:
        return []
    for index in (start, end - 1):
        if not 0 <= index < length:
            raise JsonPathError(f"array index out of bounds: index {index}, length {length}")
    if start > end:
        raise JsonPathError(f"starting index {start} is greater than ending index {end}")
    if step.step is not None and step.step <= 0:
        raise JsonPathError("step must be > 0")
    return value[start : end : step.step or 1]


def _filtered(step: Filter, value: Value) -> Iterator[Value]:
    if not isinstance(value, list):
        raise JsonPathError(f"{format_value(value)} is not array or slice and cannot be filtered")
    for item in value:
        if not step.operator:
            if _exists(step.left, item):
                yield item
            continue
        sides = [_walk(step.left, [item]), _walk(step.right, [item])]
        if any(len(side) > 1 for side in sides):
            raise JsonPathError("can only compare one element at a time")
        if all(sides) and _compared(step.operator, sides[0][0], sides[1][0]):
            yield item


def _exists(steps: Steps, item: Value) -> bool:
    try:
        return bool(_walk(steps, [item]))
    except JsonPathError:
        return False


_COMPARE: dict[str, Callable[[Value, Value], bool]] = {
    "==": lambda left, right: left == right,
    "!=": lambda left, right: left != right,
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
}


def _compared(operator: str, left: Value, right: Value) -> bool:
    comparable = (is_number(left) and is_number(right)) or (type(left) is type(right) and isinstance(left, (str, bool)))
    if not comparable or (isinstance(left, bool) and operator not in ("==", "!=")):
        raise JsonPathError("incompatible types for comparison")
    return _COMPARE[operator](left, right)
