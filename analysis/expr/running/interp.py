"""Pure. A checked tree becomes nested functions, each of which computes one node. No eval, no Python attributes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias

from analysis.expr.ast import (
    Array,
    Binary,
    BuiltinCall,
    Call,
    Chain,
    Comparison,
    Conditional,
    IntRange,
    Let,
    Literal,
    Map,
    Member,
    Name,
    Node,
    Pointer,
    Predicate,
    Slice,
    StringSet,
    Unary,
)
from analysis.expr.ast import (
    Sequence as SequenceNode,
)
from analysis.expr.errors import RunError
from analysis.expr.gotypes.values import (
    MAX_INT,
    Value,
    go_type,
    interface_type,
    is_nil,
    is_number,
    to_bool,
    to_int,
    to_text,
)
from analysis.expr.running import predicates
from analysis.expr.running.frame import Frame
from analysis.expr.running.functions import FUNCTIONS, length
from analysis.expr.running.members import cut, fetch
from analysis.expr.running.operations import OPERATORS, add, less_or_equal, more_or_equal, negate

Step: TypeAlias = Callable[[Frame], Value]
"""Computes one node within a frame."""

_CUT_SHORT = object()
"""What an optional member gives when there is nothing to take it from; the chain around it turns it into nil."""


def build(node: Node) -> tuple[Step, int]:
    """The function that computes `node`, and how many variables a frame for it must hold."""
    builder = _Builder()
    return builder.build(node), builder.slots


@dataclass(slots=True)
class _Builder:
    names: list[tuple[str, int]] = field(default_factory=list)
    slots: int = 0

    def build(self, node: Node) -> Step:
        match node:
            case Literal():
                return _constant(node.value)
            case Name():
                return self.name(node)
            case Binary():
                return self.binary(node)
            case Member():
                return self.member(node)
            case Unary():
                return _unary(node.operator, self.build(node.operand))
            case BuiltinCall():
                return self.builtin(node)
            case Call():
                return self.call(node)
            case Conditional():
                then = _constant(True) if node.then is None else self.build(node.then)
                return _conditional(self.build(node.condition), then, self.build(node.otherwise))
            case _:
                return self.construct(node)

    def construct(self, node: Node) -> Step:
        match node:
            case Chain():
                return _chain(self.build(node.node))
            case Comparison():
                steps = [self.build(operand) for operand in node.operands]
                return _comparison(steps[0], [OPERATORS[operator] for operator in node.operators], steps[1:])
            case Pointer():
                return _POINTERS[node.name]
            case Predicate():
                return self.build(node.body)
            case StringSet():
                return _constant(node.values)
            case Let():
                return self.let(node)
            case SequenceNode():
                return _sequence([self.build(part) for part in node.nodes])
            case Array():
                return _array([self.build(part) for part in node.nodes])
            case Map():
                return _map([(self.build(key), self.build(value)) for key, value in node.pairs])
            case Slice():
                start = self.build(node.start) if node.start else _constant(0)
                return _slice(self.build(node.node), start, self.build(node.end) if node.end else None)
            case _:
                raise TypeError(f"not a node of an expression: {node!r}")

    def name(self, node: Name) -> Step:
        for name, slot in reversed(self.names):
            if name == node.name:
                return lambda frame: frame.variables[slot]
        if node.name == "$env":
            return lambda frame: frame.environment
        name = node.name
        return lambda frame: frame.environment.get(name)

    def let(self, node: Let) -> Step:
        slot, self.slots = self.slots, self.slots + 1
        value = self.build(node.value)
        self.names.append((node.name, slot))
        body = self.build(node.body)
        self.names.pop()

        def run(frame: Frame) -> Value:
            frame.variables[slot] = value(frame)
            return body(frame)

        return run

    def binary(self, node: Binary) -> Step:
        left = self.build(node.left)
        if node.operator == "in" and isinstance(node.right, StringSet):
            return _in_strings(left, node.right.values)
        if node.operator == "in" and isinstance(node.right, IntRange):
            return _in_range(left, node.right.first, node.right.last)
        right = self.build(node.right)
        if node.operator in _LAZY:
            return _LAZY[node.operator](left, right)
        if node.operator == "..":
            return lambda frame: frame.range(to_int(left(frame)), to_int(right(frame)))
        if node.both:
            return _same(left, right, node.both, node.operator == "!=")
        if isinstance(node.right, Literal) and is_number(node.right.value) and node.operator in _QUICK:
            return _compared(_QUICK[node.operator], left, node.right.value, OPERATORS[node.operator])
        apply = OPERATORS[node.operator]
        return _sum(left, right) if node.operator == "+" else lambda frame: apply(left(frame), right(frame))

    def member(self, node: Member) -> Step:
        base, key = self.build(node.node), self.build(node.property)
        if isinstance(node.property, Literal):
            return _constant_member(base, node.property.value, node.optional)

        def run(frame: Frame) -> Value:
            found = base(frame)
            if found is _CUT_SHORT or (node.optional and is_nil(found)):
                return _CUT_SHORT
            return fetch(found, key(frame))

        return run

    def call(self, node: Call) -> Step:
        callee, arguments = self.build(node.callee), [self.build(argument) for argument in node.arguments]

        def run(frame: Frame) -> Value:
            function = callee(frame)
            if function is _CUT_SHORT:
                return _CUT_SHORT
            if function is None:
                raise RunError("invalid operation: cannot call nil")
            if not isinstance(function, (partial, FunctionValue)):
                raise RunError(f"invalid operation: cannot call non-function of type {go_type(function)}")
            return _called(function, [argument(frame) for argument in arguments])

        return run

    def builtin(self, node: BuiltinCall) -> Step:
        arguments = [self.build(argument) for argument in node.arguments]
        if node.name in predicates.LOOPS:
            return predicates.LOOPS[node.name](*arguments)
        if node.name == "now":
            return lambda frame: frame.now(*(argument(frame) for argument in arguments))
        apply = FUNCTIONS[node.name]
        if len(arguments) == 1:
            only = arguments[0]
            return lambda frame: frame.sized(apply(only(frame)))
        return lambda frame: frame.sized(apply(*[argument(frame) for argument in arguments]))


@dataclass(frozen=True, slots=True)
class FunctionValue:
    """A function that the environment lends to expressions."""

    call: Callable[..., Value]
    parameters: int
    go: str = "func"

    def __call__(self, *arguments: Value) -> Value:
        if len(arguments) != self.parameters:
            raise RunError(f"invalid number of arguments: expected {self.parameters}, got {len(arguments)}")
        return self.call(*arguments)


def _called(function: "partial[Value] | FunctionValue", arguments: list[Value]) -> Value:
    try:
        return function(*arguments)
    except RunError:
        raise
    except (TypeError, AttributeError, ValueError, OverflowError, ZeroDivisionError) as error:
        shown = ", ".join(map(go_type, arguments))
        raise RunError(f"reflect: Call using {shown or 'no arguments'}: {error}") from None


def _constant(value: Value) -> Step:
    return lambda frame: value


def _unary(operator: str, operand: Step) -> Step:
    if operator in ("!", "not"):
        return lambda frame: not to_bool(operand(frame))
    if operator == "-":
        return lambda frame: negate(operand(frame))
    return operand


def _chain(inner: Step) -> Step:
    def run(frame: Frame) -> Value:
        found = inner(frame)
        return None if found is _CUT_SHORT or is_nil(found) else found

    return run


def _comparison(first: Step, comparisons: Sequence[Callable[[Value, Value], Value]], others: Sequence[Step]) -> Step:
    pairs = tuple(zip(comparisons, others, strict=True))

    def run(frame: Frame) -> bool:
        left = first(frame)
        for holds, other in pairs:
            right = other(frame)
            if not holds(left, right):
                return False
            left = right
        return True

    return run


def _constant_member(base: Step, key: Value, optional: bool) -> Step:
    whole = type(key) is int

    def run(frame: Frame) -> Value:
        found = base(frame)
        if whole and isinstance(found, list) and 0 <= key < len(found):
            return found[key]
        if found is _CUT_SHORT or (optional and is_nil(found)):
            return _CUT_SHORT
        return fetch(found, key)

    return run


def _conditional(condition: Step, then: Step, otherwise: Step) -> Step:
    return lambda frame: then(frame) if to_bool(condition(frame)) else otherwise(frame)


def _and(left: Step, right: Step) -> Step:
    return lambda frame: right(frame) if to_bool(left(frame)) else False


def _or(left: Step, right: Step) -> Step:
    return lambda frame: True if to_bool(left(frame)) else right(frame)


def _coalesce(left: Step, right: Step) -> Step:
    def run(frame: Frame) -> Value:
        found = left(frame)
        return right(frame) if is_nil(found) else found

    return run


_LAZY: dict[str, Callable[[Step, Step], Step]] = {"and": _and, "&&": _and, "or": _or, "||": _or, "??": _coalesce}
_QUICK: dict[str, Callable[[float, float], bool]] = {
    "<": lambda left, right: left < right,
    ">": lambda left, right: left > right,
    "<=": lambda left, right: left <= right,
    ">=": lambda left, right: left >= right,
}


def _compared(
    quick: Callable[[float, float], bool], left: Step, right: Value, apply: Callable[[Value, Value], Value]
) -> Step:
    """A comparison with a literal number, which most conditions are: floats take the short way."""

    def run(frame: Frame) -> Value:
        found = left(frame)
        return quick(found, right) if type(found) is float else apply(found, right)

    return run


def _sum(left: Step, right: Step) -> Step:
    def run(frame: Frame) -> Value:
        total = add(left(frame), right(frame))
        return frame.sized(total) if type(total) is str else total

    return run


def _in_strings(left: Step, texts: frozenset[str]) -> Step:
    def run(frame: Frame) -> Value:
        needle = left(frame)
        if needle is None:
            return "" in texts
        if not isinstance(needle, str):
            text = f"value of type {go_type(needle)} is not assignable to type string"
            raise RunError(f"reflect.Value.MapIndex: {text}")
        return needle in texts

    return run


def _in_range(left: Step, first: int, last: int) -> Step:
    def run(frame: Frame) -> bool:
        needle = left(frame)
        return more_or_equal(needle, first) and less_or_equal(needle, last)

    return run


def _same(left: Step, right: Step, go: str, unequal: bool) -> Step:
    def run(frame: Frame) -> bool:
        sides = (left(frame), right(frame))
        for side in reversed(sides):
            if go_type(side) != go:
                raise RunError(f"interface conversion: interface {{}} is {interface_type(side)}, not {go}")
        return bool(sides[0] == sides[1]) is not unequal

    return run


def _sequence(steps: Sequence[Step]) -> Step:
    return lambda frame: [step(frame) for step in steps][-1]


def _array(steps: Sequence[Step]) -> Step:
    return lambda frame: frame.sized([step(frame) for step in steps])


def _map(pairs: Sequence[tuple[Step, Step]]) -> Step:
    def run(frame: Frame) -> Value:
        made: dict[str, Value] = {}
        for key, value in reversed([(key(frame), value(frame)) for key, value in pairs]):
            made[to_text(key)] = value
        return frame.sized(made)

    return run


def _slice(base: Step, start: Step, end: Step | None) -> Step:
    """The end is computed before the start, and is the length where none is given."""

    def run(frame: Frame) -> Value:
        found = base(frame)
        until = end(frame) if end is not None else MAX_INT if isinstance(found, str) else length(found)
        return cut(found, start(frame), until)

    return run


_POINTERS: dict[str, Step] = {
    "": lambda frame: frame.scope.item(),
    "index": lambda frame: frame.scope.index,
    "acc": lambda frame: frame.scope.accumulated,
}
