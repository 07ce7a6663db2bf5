"""Pure. Static checking: refuses what can never work, before anything runs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise

from analysis.expr import ast
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
    Unary,
)
from analysis.expr.checking.rules import binary_type, unary_type
from analysis.expr.checking.signatures import BUILTINS, CHECKS, OVERLOADS, SignatureError
from analysis.expr.errors import CompileError
from analysis.expr.gotypes import types
from analysis.expr.gotypes.times import METHODS
from analysis.expr.gotypes.types import ANY, BOOL, INT, LIST, MAP, NIL, UNKNOWN, Function, Sort, Type, assignable


def check(node: Node, environment: Mapping[str, Type]) -> Type:
    """The type of the expression. CompileError where types do not fit. Literals may be rewritten (int to float)."""
    return _Checker(environment).visit(node)


@dataclass(slots=True)
class _Scope:
    """What `#` and its kin mean within a predicate."""

    collection: Type
    names: dict[str, Type] = field(default_factory=dict)


@dataclass(slots=True)
class _Checker:
    environment: Mapping[str, Type]
    variables: list[tuple[str, Type]] = field(default_factory=list)
    scopes: list[_Scope] = field(default_factory=list)

    def visit(self, node: Node) -> Type:
        match node:
            case Literal():
                return types.type_of(node.value)
            case Name():
                return self.name(node)
            case Unary():
                return unary_type(node, self.visit(node.operand))
            case Binary():
                return self.binary(node)
            case Member():
                return self.member(node)
            case Call():
                return self.call(node)
            case BuiltinCall():
                return self.builtin(node)
            case Conditional():
                return self.conditional(node)
            case _:
                return self.construct(node)

    def construct(self, node: Node) -> Type:
        match node:
            case Chain():
                return self.visit(node.node)
            case Comparison():
                return self.comparison(node)
            case Pointer():
                return self.pointer(node)
            case Predicate():
                return self.visit(node.body)
            case Slice():
                return self.slice(node)
            case Let():
                return self.let(node)
            case ast.Sequence():
                return [self.visit(part) for part in node.nodes][-1]
            case Array():
                return self.array(node)
            case Map():
                for key, value in node.pairs:
                    self.visit(key)
                    self.visit(value)
                return MAP
            case _:
                raise TypeError(f"not a node of an expression: {node!r}")

    # ── names ──────────────────────────────────────────────────────────────

    def name(self, node: Name) -> Type:
        for name, bound in reversed(self.variables):
            if name == node.name:
                return bound
        if node.name == "$env":
            return UNKNOWN
        if node.name in self.environment:
            return self.environment[node.name]
        if node.name in BUILTINS:
            return Type(Sort.FUNCTION, "func", function=OVERLOADS.get(node.name, (Function((), ANY),))[0])
        raise CompileError(f"unknown name {node.name}", node.at)

    def binary(self, node: Binary) -> Type:
        left, right = self.visit(node.left), self.visit(node.right)
        result = binary_type(node, left, right)
        if node.operator in ("==", "!=") and left == right and left.go in ("int", "string"):
            node.both = left.go
        if node.operator == "in" and left == INT and isinstance(node.right, Binary) and node.right.operator == "..":
            node.right = IntRange.of(node.right)
        return result

    def comparison(self, node: Comparison) -> Type:
        left, types_left = node.operands[0], self.visit(node.operands[0])
        for operator, right in zip(node.operators, node.operands[1:], strict=True):
            types_right = self.visit(right)
            binary_type(Binary(operator, left, right, node.at), types_left, types_right)
            left, types_left = right, types_right
        return BOOL

    def pointer(self, node: Pointer) -> Type:
        if not self.scopes:
            raise CompileError("cannot use pointer accessor outside predicate", node.at)
        scope = self.scopes[-1]
        if not node.name:
            return UNKNOWN if scope.collection.unknown else scope.collection.item
        if node.name in scope.names:
            return scope.names[node.name]
        raise CompileError(f"unknown pointer #{node.name}", node.at)

    def let(self, node: Let) -> Type:
        if node.name in self.environment:
            raise CompileError(f"cannot redeclare {node.name}", node.at)
        if node.name in BUILTINS:
            raise CompileError(f"cannot redeclare builtin {node.name}", node.at)
        if any(name == node.name for name, _ in self.variables):
            raise CompileError(f"cannot redeclare variable {node.name}", node.at)
        self.variables.append((node.name, self.visit(node.value)))
        result = self.visit(node.body)
        self.variables.pop()
        return result

    # ── members ────────────────────────────────────────────────────────────

    def member(self, node: Member) -> Type:
        if isinstance(node.node, Name) and node.node.name == "$env":
            return self.environment_member(node)
        base, key = self.visit(node.node), self.visit(node.property)
        if base.unknown:
            return UNKNOWN
        name = node.property.value if isinstance(node.property, Literal) else None
        if isinstance(name, str):
            if base.sort is Sort.NIL:
                raise CompileError(f"type nil has no field {name}", node.at)
            if name in METHODS.get(base.sort, {}):
                return METHODS[base.sort][name].type
        match base.sort:
            case Sort.MAP:
                return self.map_member(node, base, key)
            case Sort.LIST:
                if key.sort is not Sort.INTEGER and not key.unknown:
                    text = f"array elements can only be selected using an integer (got {key})"
                    raise CompileError(text, node.property.at)
                return base.item
            case Sort.STRUCT if isinstance(name, str) and name in dict(base.fields):
                return dict(base.fields)[name]
        if isinstance(name, str):
            raise CompileError(f"type {base} has no {'method' if node.method else 'field'} {name}", node.at)
        raise CompileError(f"type {base}[{key}] is undefined", node.at)

    def map_member(self, node: Member, base: Type, key: Type) -> Type:
        if not assignable(key, base.key or ANY) and not key.unknown:
            raise CompileError(f"cannot use {key} to get an element from {base}", node.property.at)
        return base.item

    def environment_member(self, node: Member) -> Type:
        if not isinstance(node.property, Literal) or not isinstance(node.property.value, str):
            return UNKNOWN
        name = node.property.value
        if name not in self.environment and not node.optional:
            raise CompileError(f"unknown name {name}", node.at)
        return self.environment.get(name, UNKNOWN)

    def slice(self, node: Slice) -> Type:
        base = self.visit(node.node)
        if base.unknown:
            return UNKNOWN
        if base.sort not in (Sort.STRING, Sort.LIST):
            raise CompileError(f"cannot slice {base}", node.at)
        for bound in (node.start, node.end):
            if bound is not None:
                index = self.visit(bound)
                if index.sort is not Sort.INTEGER and not index.unknown:
                    raise CompileError(f"non-integer slice index {index}", bound.at)
        return base

    # ── calls ──────────────────────────────────────────────────────────────

    def call(self, node: Call) -> Type:
        if isinstance(node.callee, Name) and node.callee.name == "$env":
            raise CompileError("map[string]interface {} is not callable", node.at)
        callee = self.visit(node.callee)
        name = _called(node.callee)
        if callee.unknown:
            return UNKNOWN
        if callee.sort is Sort.NIL:
            raise CompileError(f"{name} is nil; cannot call nil as function", node.at)
        if callee.function is None:
            raise CompileError(f"{callee} is not callable", node.at)
        return self.arguments(name, (callee.function,), node)

    def arguments(self, name: str, overloads: Sequence[Function], node: Call | BuiltinCall) -> Type:
        """The result of the first overload that the arguments fit. CompileError, that of the last one, when none does.

        An argument is visited when it is needed first, and once, however many overloads there are: nested calls would
        double the work each.
        """
        visited = cache(lambda index: self.visit(node.arguments[index]))
        failure = CompileError(f"no matching overload for {name}", node.at)
        for overload in overloads:
            misfit = self.misfit(name, overload, node, visited)
            if misfit is None:
                return overload.result
            failure = misfit
        raise failure

    def misfit(
        self, name: str, function: Function, node: Call | BuiltinCall, visited: Callable[[int], Type]
    ) -> CompileError | None:
        """Why the arguments do not fit the function's parameters; None when they do."""
        given, wanted = len(node.arguments), len(function.parameters)
        if given < wanted - function.variadic:
            return CompileError(f"not enough arguments to call {name}", node.at)
        if given > wanted and not function.variadic:
            return CompileError(f"too many arguments to call {name}", node.at)
        for index, argument in enumerate(list(node.arguments)):
            parameter, found = function.parameters[min(index, wanted - 1)], visited(index)
            if parameter.sort is Sort.FLOAT and found.sort is Sort.INTEGER:
                node.arguments[index] = _as_float(argument)
            elif found.sort is Sort.NIL:
                if parameter.sort not in (Sort.ANY, Sort.LOCATION):
                    return CompileError(f"cannot use nil as argument (type {parameter}) to call {name}", argument.at)
            elif not (_integers(found, parameter) or assignable(found, parameter) or found.unknown):
                text = f"cannot use {found} as argument (type {parameter}) to call {name} "
                return CompileError(text, argument.at)
        return None

    def builtin(self, node: BuiltinCall) -> Type:
        if node.arguments and len(node.arguments) > 1 and isinstance(node.arguments[1], Predicate):
            return self.predicate_call(node, node.arguments[1])
        if node.name in ("count", "sum"):
            collection = self.collection(node)
            if node.name == "count":
                return INT
            return UNKNOWN if collection.unknown else collection.item
        if node.name == "get":
            return self.get(node)
        if node.name in CHECKS:
            found = [self.visit(argument) for argument in node.arguments]
            try:
                return CHECKS[node.name](node.name, [ANY if type_.unknown else type_ for type_ in found])
            except SignatureError as error:
                raise CompileError(str(error), node.at) from None
        return self.arguments(node.name, OVERLOADS[node.name], node)

    def collection(self, node: BuiltinCall) -> Type:
        found = self.visit(node.arguments[0])
        if found.sort is not Sort.LIST and not found.unknown:
            raise CompileError(f"builtin {node.name} takes only array (got {found})", node.arguments[0].at)
        return found

    def predicate_call(self, node: BuiltinCall, predicate: Predicate) -> Type:
        collection = self.collection(node)
        names = {"map": {"index": INT}, "reduce": {"index": INT, "acc": UNKNOWN}}.get(node.name, {})
        self.scopes.append(_Scope(collection, names))
        result = self.visit(predicate)
        self.scopes.pop()
        if len(node.arguments) == 3:
            third = self.visit(node.arguments[2])
            if node.name == "sortBy" and third.sort is not Sort.STRING and not third.unknown:
                raise CompileError(f"sortBy order argument must be a string (got {third})", node.arguments[2].at)
        if result.sort is Sort.NIL:
            text = "predicate should has two input and one output param"
            raise CompileError(text if node.name == "reduce" else text.replace("two", "one"), predicate.at)
        if node.name in _BOOLEAN and result.sort is not Sort.BOOL and not result.unknown:
            raise CompileError(f"predicate should return boolean (got {result})", predicate.at)
        return _predicate_result(node.name, collection, result)

    def get(self, node: BuiltinCall) -> Type:
        if len(node.arguments) != 2:
            raise CompileError(f"invalid number of arguments (expected 2, got {len(node.arguments)})", node.at)
        base, key = (self.visit(argument) for argument in node.arguments)
        if base.unknown:
            return UNKNOWN
        if base.sort is Sort.LIST:
            if key.sort is not Sort.INTEGER and not key.unknown:
                raise CompileError(f"non-integer slice index {key}", node.arguments[1].at)
            return base.item
        if base.sort is Sort.MAP:
            if not assignable(key, base.key or ANY) and not key.unknown:
                raise CompileError(f"cannot use {key} to get an element from {base}", node.arguments[1].at)
            return base.item
        raise CompileError(f"type {base} does not support indexing", node.arguments[0].at)

    # ── values ─────────────────────────────────────────────────────────────

    def conditional(self, node: Conditional) -> Type:
        condition = self.visit(node.condition)
        if condition.sort is not Sort.BOOL and not condition.unknown:
            text = f"non-bool expression (type {condition.go.lstrip('*')}) used as condition"
            raise CompileError(text, node.condition.at)
        then = condition if node.then is None else self.visit(node.then)
        otherwise = self.visit(node.otherwise)
        if then.sort is Sort.NIL:
            return otherwise
        if otherwise.sort is Sort.NIL:
            return then
        if not assignable(then, otherwise):
            return UNKNOWN
        if then.sort is Sort.LIST and otherwise.sort is Sort.LIST:
            items = then.item, otherwise.item
            if not (assignable(*items) and assignable(*reversed(items))):
                return LIST
        return then

    def array(self, node: Array) -> Type:
        found = [self.visit(part) for part in node.nodes]
        if not found:
            return types.list_of(UNKNOWN)
        same = all(_kind(left) == _kind(right) for left, right in pairwise(found))
        return types.list_of(found[-1]) if same else LIST


_BOOLEAN = frozenset(("all", "none", "any", "one", "filter", "count", "find", "findLast", "findIndex", "findLastIndex"))


def _predicate_result(name: str, collection: Type, result: Type) -> Type:
    match name:
        case "all" | "none" | "any" | "one":
            return BOOL
        case "count" | "findIndex" | "findLastIndex":
            return INT
        case "filter":
            return LIST if collection.unknown else types.list_of(collection.item)
        case "find" | "findLast":
            return UNKNOWN if collection.unknown else collection.item
        case "map":
            return types.list_of(result)
        case "groupBy":
            return types.GROUPS
        case "sortBy":
            return collection
        case _:
            return ANY if result.unknown and name == "sum" else result


def _kind(type_: Type) -> object:
    """What makes two elements of an array literal alike: Go's kind, which is finer than the sort for numbers."""
    return type_.go if type_.number else (Sort.UNKNOWN if type_ is NIL else type_.sort)


def _integers(*found: Type) -> bool:
    return all(type_.sort is Sort.INTEGER for type_ in found)


def _called(callee: Node) -> str:
    if isinstance(callee, Name):
        return callee.name
    if isinstance(callee, Member) and isinstance(callee.property, Literal) and isinstance(callee.property.value, str):
        return callee.property.value
    return "function"


def _as_float(node: Node) -> Node:
    """The node with its integer literals as floats, because a float is wanted."""
    match node:
        case Literal(value=int() as number) if not isinstance(number, bool):
            return Literal(float(number), node.at)
        case Unary():
            return Unary(node.operator, _as_float(node.operand), node.at)
        case Binary(operator="+" | "-" | "*"):
            return Binary(node.operator, _as_float(node.left), _as_float(node.right), node.at)
        case _:
            return node
