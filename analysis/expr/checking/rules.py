"""Pure. Which types the operators join, and what type comes of it."""

from collections.abc import Callable

from analysis.expr import regex
from analysis.expr.ast import Binary, Literal, Unary
from analysis.expr.errors import CompileError
from analysis.expr.gotypes.types import (
    BOOL,
    DURATION,
    FLOAT,
    INT,
    STRING,
    TIME,
    UNKNOWN,
    Sort,
    Type,
    assignable,
    comparable,
    compatible,
    list_of,
)
from analysis.expr.regex import RegexError

_NUMBERS = (Sort.INTEGER, Sort.FLOAT)


def unary_type(node: Unary, operand: Type) -> Type:
    """The type of a unary operation."""
    if node.operator in ("!", "not"):
        if operand.sort is Sort.BOOL or operand.unknown:
            return BOOL
    elif operand.number:
        return operand
    elif operand.unknown:
        return UNKNOWN
    raise CompileError(f"invalid operation: {node.operator} (mismatched type {operand})", node.at)


def binary_type(node: Binary, left: Type, right: Type) -> Type:
    """The type of a binary operation."""
    if node.operator == "matches" and isinstance(node.right, Literal) and isinstance(node.right.value, str):
        try:
            regex.compile(node.right.value)
        except RegexError as error:
            raise CompileError(str(error), node.at) from None
    if node.operator == "??":
        return _coalesced(left, right)
    found = _in_type(node, left, right) if node.operator == "in" else _RULES[node.operator](left, right)
    if found is None:
        text = f"invalid operation: {node.operator} (mismatched types {left} and {right})"
        raise CompileError(text, node.at)
    return found


def _coalesced(left: Type, right: Type) -> Type:
    if left.sort is Sort.NIL:
        return right
    if right.sort is Sort.NIL or assignable(right, left):
        return left
    return UNKNOWN


def _in_type(node: Binary, left: Type, right: Type) -> Type | None:
    if right.sort in (Sort.STRUCT, Sort.TIME) and (left.sort is Sort.STRING or left.unknown):
        return BOOL
    if right.sort is Sort.MAP:
        key = right.key or STRING
        if not left.unknown and not assignable(left, key):
            raise CompileError(f"cannot use {left} as type {key} in map key", node.at)
        return BOOL
    if right.sort is Sort.LIST:
        if not comparable(left, right.item):
            raise CompileError(f"cannot use {left} as type {right.item} in array", node.at)
        return BOOL
    if right.unknown or (left.unknown and right.sort is Sort.STRING):
        return BOOL
    return None


def _equality(left: Type, right: Type) -> Type | None:
    return BOOL if comparable(left, right) else None


def _logic(left: Type, right: Type) -> Type | None:
    return BOOL if left.sort is right.sort is Sort.BOOL or compatible(left, right, Sort.BOOL) else None


def _order(left: Type, right: Type) -> Type | None:
    same = left.sort is right.sort and left.sort in (Sort.STRING, Sort.TIME, Sort.DURATION)
    if same or (left.number and right.number):
        return BOOL
    return BOOL if compatible(left, right, *_NUMBERS, Sort.STRING, Sort.TIME, Sort.DURATION) else None


def _promoted(left: Type, right: Type) -> Type:
    return FLOAT if Sort.FLOAT in (left.sort, right.sort) else INT


def _addition(left: Type, right: Type) -> Type | None:
    if left.number and right.number:
        return _promoted(left, right)
    match left.sort, right.sort:
        case Sort.STRING, Sort.STRING:
            return STRING
        case (Sort.TIME, Sort.DURATION) | (Sort.DURATION, Sort.TIME):
            return TIME
        case Sort.DURATION, Sort.DURATION:
            return DURATION
    return UNKNOWN if compatible(left, right, *_NUMBERS, Sort.STRING, Sort.TIME, Sort.DURATION) else None


def _subtraction(left: Type, right: Type) -> Type | None:
    if left.number and right.number:
        return _promoted(left, right)
    match left.sort, right.sort:
        case (Sort.TIME, Sort.TIME) | (Sort.DURATION, Sort.DURATION):
            return DURATION
        case Sort.TIME, Sort.DURATION:
            return TIME
    return UNKNOWN if compatible(left, right, *_NUMBERS, Sort.TIME, Sort.DURATION) else None


def _multiplication(left: Type, right: Type) -> Type | None:
    if left.number and right.number:
        return _promoted(left, right)
    sorts = (*_NUMBERS, Sort.DURATION)
    if left.sort in sorts and right.sort in sorts:
        return DURATION
    return UNKNOWN if compatible(left, right, *sorts) else None


def _division(left: Type, right: Type) -> Type | None:
    return FLOAT if (left.number and right.number) or compatible(left, right, *_NUMBERS) else None


def _integers(result: Type) -> Callable[[Type, Type], Type | None]:
    def rule(left: Type, right: Type) -> Type | None:
        whole = left.sort is right.sort is Sort.INTEGER
        return result if whole or compatible(left, right, Sort.INTEGER) else None

    return rule


def _texts(left: Type, right: Type) -> Type | None:
    return BOOL if left.sort is right.sort is Sort.STRING or compatible(left, right, Sort.STRING) else None


def _matching(left: Type, right: Type) -> Type | None:
    return BOOL if left.go == "[]uint8" and right.sort is Sort.STRING else _texts(left, right)


_RULES: dict[str, Callable[[Type, Type], Type | None]] = {
    **dict.fromkeys(("==", "!="), _equality),
    **dict.fromkeys(("or", "||", "and", "&&"), _logic),
    **dict.fromkeys(("<", ">", "<=", ">="), _order),
    "+": _addition,
    "-": _subtraction,
    "*": _multiplication,
    **dict.fromkeys(("/", "**", "^"), _division),
    "%": _integers(INT),
    "..": _integers(list_of(INT)),
    "matches": _matching,
    **dict.fromkeys(("contains", "startsWith", "endsWith"), _texts),
}
