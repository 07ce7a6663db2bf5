"""Pure. What a JSONPath is once it has been read: the steps that lead from a document to values in it."""

from dataclasses import dataclass
from typing import TypeAlias


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
