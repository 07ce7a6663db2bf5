"""Pure. Constant folding, which changes what an expression means: dead operands vanish, `% 0` is refused."""

from collections.abc import Callable
from dataclasses import fields

from analysis.expr.ast import Array, Binary, BuiltinCall, Literal, Node, Predicate, StringSet, Unary
from analysis.expr.checking.shortcuts import shorten
from analysis.expr.errors import CompileError, RunError
from analysis.expr.gotypes.values import is_integer, is_number
from analysis.expr.running.operations import OPERATORS, negate

_ARITHMETIC = frozenset(("+", "-", "*", "/", "**", "^"))
_FOLDABLE = (bool, int, float, str)


def fold(node: Node) -> Node:
    """The same expression with its constant parts computed. CompileError for `% 0`."""
    return _shortened(_folded(_string_sets(node)))


def _shortened(node: Node) -> Node:
    _children(node, _shortened)
    return shorten(node)


def _children(node: Node, change: Callable[[Node], Node]) -> None:
    """Replace every node within `node` by what `change` makes of it."""
    if isinstance(node, Literal):
        return
    for one in fields(node):
        value = getattr(node, one.name)
        if isinstance(value, list):
            for index, item in enumerate(value):
                if isinstance(item, str):
                    continue
                value[index] = tuple(map(change, item)) if isinstance(item, tuple) else change(item)
        elif hasattr(value, "at"):
            setattr(node, one.name, change(value))


def _string_sets(node: Node) -> Node:
    """`x in ["a", "b"]` becomes a look-up, before anything else is folded."""
    _children(node, _string_sets)
    if isinstance(node, Binary) and node.operator == "in" and isinstance(node.right, Array) and node.right.nodes:
        texts = [part.value for part in node.right.nodes if isinstance(part, Literal) and isinstance(part.value, str)]
        if len(texts) == len(node.right.nodes):
            node.right = StringSet(frozenset(texts), node.right.at)
    return node


def _folded(node: Node) -> Node:
    _children(node, _folded)
    match node:
        case Unary():
            return _unary(node)
        case Binary(operator="and" | "&&" | "or" | "||"):
            return _logic(node, node.operator in ("or", "||"))
        case Binary():
            return _binary(node)
        case Array(nodes=[_, *_]) if all(_literal(part) for part in node.nodes):
            return Literal([part.value for part in node.nodes if isinstance(part, Literal)], node.at)
        case BuiltinCall(name="filter", arguments=[BuiltinCall(name="filter") as inner, Predicate() as outer]):
            first = inner.arguments[1]
            if isinstance(first, Predicate):
                both = Predicate(_folded(Binary("&&", first.body, outer.body, node.at)), outer.at)
                return BuiltinCall("filter", [inner.arguments[0], both], node.at)
    return node


def _literal(node: Node) -> bool:
    return isinstance(node, Literal) and isinstance(node.value, _FOLDABLE)


def _unary(node: Unary) -> Node:
    if not isinstance(node.operand, Literal):
        return node
    value = node.operand.value
    if node.operator in ("!", "not"):
        return Literal(not value, node.at) if isinstance(value, bool) else node
    if not is_number(value):
        return node
    return Literal(negate(value) if node.operator == "-" else value, node.at)


def _logic(node: Binary, disjunction: bool) -> Node:
    """`or`: false operands vanish, a true one decides. `and` the other way round."""
    sides = [side.value if isinstance(side, Literal) else None for side in (node.left, node.right)]
    if sides[0] is not disjunction and isinstance(sides[0], bool):
        return node.right
    if sides[1] is not disjunction and isinstance(sides[1], bool):
        return node.left
    if disjunction in (sides[0], sides[1]) and any(side is disjunction for side in sides):
        return Literal(disjunction, node.at)
    return node


def _binary(node: Binary) -> Node:
    if not (isinstance(node.left, Literal) and isinstance(node.right, Literal)):
        return node
    left, right = node.left.value, node.right.value
    numbers = is_number(left) and is_number(right)
    texts = isinstance(left, str) and isinstance(right, str)
    if node.operator == "%" and is_integer(left) and is_integer(right):
        if right == 0:
            raise CompileError("integer divide by zero", node.at)
    elif node.operator == "==":
        same = (is_integer(left) and is_integer(right)) or (isinstance(left, bool) and isinstance(right, bool))
        if not (same or texts):
            return node
    elif node.operator not in _ARITHMETIC or not (numbers or (texts and node.operator == "+")):
        return node
    try:
        return Literal(OPERATORS[node.operator](left, right), node.at)
    except RunError:
        return node
