"""Pure. Rewritings that the reference makes and that can be told: a search ends at its first match, so that an element
after it which nobody can judge does no harm; `sum` of a list that is written out adds from its end."""

from collections.abc import Callable

from analysis.expr.ast import Array, Binary, BuiltinCall, IntRange, Literal, Member, Node, Predicate

_ENDS = {0: "filter[0]", -1: "filter[-1]"}


def shorten(node: Node) -> Node:
    """The node as the reference would compute it; its parts have been rewritten before."""
    match node:
        case Member(node=BuiltinCall(name="filter") as search, property=Literal(value=int() as at), optional=False):
            return BuiltinCall(_ENDS[at], search.arguments, node.at) if at in _ENDS and type(at) is int else node
        case BuiltinCall(name="first" | "last", arguments=[BuiltinCall(name="filter") as search]):
            return BuiltinCall("find" if node.name == "first" else "findLast", search.arguments, node.at)
        case BuiltinCall(name="len", arguments=[BuiltinCall(name="filter") as search]):
            return BuiltinCall("count", search.arguments, node.at)
        case BuiltinCall(name="sum", arguments=[only]):
            return _sum(node, only)
        case Binary(left=BuiltinCall(name="count", arguments=[_, Predicate()]), right=Literal(value=int())):
            return _counted(node)
    return node


def _sum(node: BuiltinCall, only: Node) -> Node:
    match only:
        case Array(nodes=[_, _, *_]):
            total = only.nodes[-1]
            for term in reversed(only.nodes[:-1]):
                total = Binary("+", term, total, node.at)
            return total
        case Binary(operator="..", left=Literal(value=int()), right=Literal(value=int())):
            match IntRange.of(only):
                case IntRange(first=first, last=last) if last >= first:
                    return Literal((last - first + 1) * (first + last) // 2, node.at)
    return node


_LEAST: dict[str, Callable[[int], int]] = {
    ">": lambda number: number + 1,
    ">=": lambda number: number,
    "<": lambda number: number,
    "<=": lambda number: number + 1,
}
"""How many matches settle a comparison of their number."""


def _counted(node: Binary) -> Node:
    count, right = node.left, node.right
    if not (isinstance(count, BuiltinCall) and isinstance(right, Literal) and isinstance(right.value, int)):
        return node
    least = _LEAST[node.operator](right.value) if node.operator in _LEAST and right.value >= 0 else 0
    if least == 1 and node.operator in (">", ">="):
        return BuiltinCall("any", count.arguments, node.at)
    if least > 1:
        limited = BuiltinCall("count", [*count.arguments, Literal(least, right.at)], count.at)
        return Binary(node.operator, limited, right, node.at)
    return node
