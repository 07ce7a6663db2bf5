"""Pure. The tree of an expression. `at` is the column at which a node begins, counted from 0."""

from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(slots=True)
class Literal:
    """nil, a bool, an int, a float, a string, bytes, or a list folded from these."""

    value: object
    at: int = 0


@dataclass(slots=True)
class StringSet:
    """A list of string literals after `in`, which is looked up by a string only."""

    values: frozenset[str]
    at: int = 0


@dataclass(slots=True)
class IntRange:
    """A range of integer literals after `in`, with whose ends an int is compared."""

    first: int
    last: int
    at: int = 0

    @staticmethod
    def of(range_: "Binary") -> "Binary | IntRange":
        """The range that `..` stands for, if its ends are literals; otherwise the operation itself."""
        match range_.left, range_.right:
            case Literal(value=int() as first), Literal(value=int() as last):
                return IntRange(first, last, range_.at)
        return range_


@dataclass(slots=True)
class Name:
    """A variable: of the environment, or bound by `let`."""

    name: str
    at: int = 0


@dataclass(slots=True)
class Pointer:
    """`#`, `#index` or `#acc` within a predicate."""

    name: str
    at: int = 0


@dataclass(slots=True)
class Unary:
    """An operator before its operand."""

    operator: str
    operand: "Node"
    at: int = 0


@dataclass(slots=True)
class Binary:
    """An operator between its operands.

    `both` is the type that the two sides of `==` and `!=` are said to have, if that is int or string: then they must,
    and what turns out to be something else (`findIndex` of nothing is nil) is an error, not unequal.
    """

    operator: str
    left: "Node"
    right: "Node"
    at: int = 0
    both: str = ""


@dataclass(slots=True)
class Comparison:
    """`a < b <= c`: every neighbouring two compared, until one is false. One operator less than operands."""

    operators: list[str]
    operands: list["Node"]
    at: int = 0


@dataclass(slots=True)
class Chain:
    """The extent of an optional chain: nil as soon as an optional member of it is taken from nil."""

    node: "Node"
    at: int = 0


@dataclass(slots=True)
class Member:
    """`node.property`, `node[property]` and their optional forms."""

    node: "Node"
    property: "Node"
    optional: bool = False
    method: bool = False
    at: int = 0


@dataclass(slots=True)
class Slice:
    """`node[start:end]`."""

    node: "Node"
    start: "Node | None"
    end: "Node | None"
    at: int = 0


@dataclass(slots=True)
class Call:
    """A call of a function in the environment, or of a method."""

    callee: "Node"
    arguments: list["Node"]
    at: int = 0


@dataclass(slots=True)
class BuiltinCall:
    """A call of one of the language's own functions."""

    name: str
    arguments: list["Node"]
    at: int = 0


@dataclass(slots=True)
class Predicate:
    """The body that a builtin evaluates for each element."""

    body: "Node"
    at: int = 0


@dataclass(slots=True)
class Conditional:
    """`condition ? then : otherwise`, or the same with `if`; without `then` it is `condition ?: otherwise`."""

    condition: "Node"
    then: "Node | None"
    otherwise: "Node"
    at: int = 0


@dataclass(slots=True)
class Let:
    """`let name = value; body`."""

    name: str
    value: "Node"
    body: "Node"
    at: int = 0


@dataclass(slots=True)
class Sequence:
    """`a; b`: the value is the last one's."""

    nodes: list["Node"]
    at: int = 0


@dataclass(slots=True)
class Array:
    """`[a, b]`."""

    nodes: list["Node"]
    at: int = 0


@dataclass(slots=True)
class Map:
    """`{key: value}`."""

    pairs: list[tuple["Node", "Node"]] = field(default_factory=list)
    at: int = 0


Node: TypeAlias = (
    Literal
    | StringSet
    | IntRange
    | Name
    | Pointer
    | Unary
    | Binary
    | Chain
    | Comparison
    | Member
    | Slice
    | Call
    | BuiltinCall
    | Predicate
    | Conditional
    | Let
    | Sequence
    | Array
    | Map
)
