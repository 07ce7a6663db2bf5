"""Pure. Tokens become a tree, by operator precedence."""

from dataclasses import dataclass

from analysis.expr.ast import (
    Array,
    Binary,
    BuiltinCall,
    Call,
    Chain,
    Comparison,
    Conditional,
    Let,
    Literal,
    Map,
    Member,
    Name,
    Node,
    Pointer,
    Predicate,
    Sequence,
    Slice,
    Unary,
)
from analysis.expr.checking.signatures import BUILTINS, PREDICATES
from analysis.expr.errors import CompileError
from analysis.expr.gotypes.numbers import literal_number
from analysis.expr.reading.cursor import Cursor
from analysis.expr.reading.lexer import tokenize
from analysis.expr.tokens import Kind, Token

MAX_NODES = 10_000
MAX_NESTING = 60
MAX_HEIGHT = 250
MAX_LENGTH = 100_000

UNARY = {"not": 50, "!": 50, "-": 90, "+": 90}
_COMPARISON = 20
BINARY = {"|": 0, "or": 10, "||": 10, "and": 15, "&&": 15, "..": 25, "+": 30, "-": 30, "*": 60, "/": 60, "%": 60}
BINARY |= {"**": 100, "^": 100, "??": 500}
BINARY |= dict.fromkeys(("==", "!=", "<", ">", ">=", "<=", "in", "matches", "contains"), _COMPARISON)
BINARY |= dict.fromkeys(("startsWith", "endsWith"), _COMPARISON)
_RIGHT = frozenset(("**", "^"))
_ORDERING = frozenset(("<", ">", "<=", ">="))
_NEGATABLE = frozenset(("contains", "matches", "startsWith", "endsWith", "in"))
_CONSTANTS = {"true": True, "false": False, "nil": None}


def parse(source: str, overridden: frozenset[str] = frozenset()) -> Node:
    """The tree of `source`. `overridden` names builtins that the environment replaces. CompileError when it is none."""
    if len(source) > MAX_LENGTH:
        raise CompileError(f"expression is longer than {MAX_LENGTH} characters")
    parser = _Parser(tokenize(source), overridden=overridden)
    node = parser.sequence()
    if parser.current.kind is not Kind.EOF:
        raise parser.unexpected()
    return node


@dataclass(slots=True)
class _Parser(Cursor):
    overridden: frozenset[str] = frozenset()
    predicates: int = 0
    nesting: int = 0
    nodes: int = 0

    def made(self, node: Node) -> Node:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise CompileError("compilation failed: expression exceeds maximum allowed nodes", node.at)
        return node

    # ── expressions ────────────────────────────────────────────────────────

    def sequence(self) -> Node:
        nodes = [self.expression(0)]
        while self.next_is_operator(";"):
            if self.current.kind is Kind.EOF:
                break
            nodes.append(self.expression(0))
        return nodes[0] if len(nodes) == 1 else self.made(Sequence(nodes, nodes[0].at))

    def expression(self, precedence: int) -> Node:
        self.nesting += 1
        if self.nesting > MAX_NESTING:
            raise CompileError("expression is nested too deeply", self.current.at)
        if precedence == 0 and self.current.is_operator("let"):
            node = self.let()
        elif precedence == 0 and self.current.is_operator("if"):
            node = self.conditional_if()
        else:
            node = self.operators(self.primary(), precedence)
            if precedence == 0:
                node = self.conditional(node)
        self.nesting -= 1
        return node

    def operators(self, left: Node, precedence: int) -> Node:
        previous = ""
        for _ in range(MAX_HEIGHT):
            operator = self.current
            negated = self.negation(precedence)
            if negated is not None:
                operator = negated
            if operator.kind is not Kind.OPERATOR or BINARY.get(operator.text, -1) < precedence:
                return left
            if previous == "??" and operator.text not in ("??", "|"):
                raise CompileError(
                    f"Operator ({operator.text}) and coalesce expressions (??) cannot be mixed. "
                    "Wrap either by parentheses.",
                    operator.at,
                )
            self.next()
            left = self.applied(left, operator, negated is not None)
            previous = operator.text
        raise CompileError(f"more than {MAX_HEIGHT} operators in a row", self.current.at)

    def negation(self, precedence: int) -> Token | None:
        """The operator that the `not` here negates, with the `not` consumed; None when it negates none."""
        if not self.current.is_operator("not"):
            return None
        following = self.peek(1)
        if following.text not in _NEGATABLE:
            raise self.unexpected(following)
        if precedence > _COMPARISON:
            return None
        self.next()
        return following

    def applied(self, left: Node, operator: Token, negated: bool) -> Node:
        if operator.text == "|":
            return self.call(self.identifier(), [left], overridable=True)
        if operator.text in _ORDERING:
            return self.comparison(left, operator)
        level = BINARY[operator.text]
        right = self.expression(level if operator.text in _RIGHT else level + 1)
        node = self.made(Binary(operator.text, left, right, operator.at))
        return self.made(Unary("not", node, operator.at)) if negated else node

    def comparison(self, left: Node, operator: Token) -> Node:
        """`a < b`, or `a < b < c`, which means `a < b && b < c`."""
        first = Binary(operator.text, left, self.expression(_COMPARISON + 1), operator.at)
        if not self.current.is_operator(*_ORDERING):
            return self.made(first)
        operands, operators = [first.left, first.right], [operator.text]
        while self.current.is_operator(*_ORDERING):
            operators.append(self.next().text)
            operands.append(self.made(self.expression(_COMPARISON + 1)))
        return self.made(Comparison(operators, operands, operator.at))

    def let(self) -> Node:
        self.next()
        name = self.identifier()
        self.operator("=")
        value = self.expression(0)
        self.operator(";")
        return self.made(Let(name.text, value, self.sequence(), name.at))

    def conditional_if(self) -> Node:
        at = self.next().at
        condition = self.expression(0)
        self.bracket("{")
        then = self.sequence()
        self.bracket("}")
        self.operator("else")
        if self.current.is_operator("if"):
            self.nesting += 1
            if self.nesting > MAX_NESTING:
                raise CompileError("expression is nested too deeply", self.current.at)
            otherwise = self.conditional_if()
            self.nesting -= 1
        else:
            self.bracket("{")
            otherwise = self.sequence()
            self.bracket("}")
        return self.made(Conditional(condition, then, otherwise, at))

    def conditional(self, node: Node) -> Node:
        while self.current.is_operator("?"):
            at = self.next().at
            then = None
            if not self.next_is_operator(":"):
                then = self.expression(0)
                self.operator(":")
            node = self.made(Conditional(node, then, self.expression(0), at))
        return node

    # ── operands ───────────────────────────────────────────────────────────

    def primary(self) -> Node:
        token = self.current
        if token.is_operator(*UNARY):
            self.next()
            operand = self.expression(UNARY[token.text])
            return self.postfix(self.made(Unary(token.text, operand, token.at)))
        if self.next_is_bracket("("):
            node = self.sequence()
            self.bracket(")")
            return self.postfix(node)
        if self.predicates and token.is_operator("#", "."):
            return self.postfix(self.pointer())
        if self.next_is_operator("::"):
            return self.postfix(self.call(self.identifier(), [], overridable=False))
        return self.secondary()

    def pointer(self) -> Node:
        """`#`, `#name`, or the `#` that a leading dot stands for."""
        token, name = self.current, ""
        if token.is_operator("#"):
            self.next()
            if self.current.kind is Kind.IDENTIFIER:
                name = self.next().text
        return self.made(Pointer(name, token.at))

    def secondary(self) -> Node:
        token = self.current
        match token.kind:
            case Kind.IDENTIFIER:
                self.next()
                if token.text in _CONSTANTS:
                    return self.made(Literal(_CONSTANTS[token.text], token.at))
                if self.current.is_bracket("("):
                    node = self.call(token, [], overridable=True)
                else:
                    node = self.made(Name(token.text, token.at))
            case Kind.NUMBER:
                self.next()
                return self.made(Literal(literal_number(token), token.at))
            case Kind.STRING:
                node = self.made(Literal(self.next().text, token.at))
            case Kind.BYTES:
                node = self.made(Literal(self.next().text.encode("latin-1"), token.at))
            case _ if token.is_bracket("["):
                node = self.array()
            case _ if token.is_bracket("{"):
                node = self.map()
            case _:
                raise self.unexpected()
        return self.postfix(node)

    def array(self) -> Node:
        at = self.next().at
        nodes: list[Node] = []
        while not self.current.is_bracket("]"):
            if nodes:
                self.operator(",")
                if self.current.is_bracket("]"):
                    break
            nodes.append(self.expression(0))
        self.bracket("]")
        return self.made(Array(nodes, at))

    def map(self) -> Node:
        at = self.next().at
        pairs: list[tuple[Node, Node]] = []
        while not self.current.is_bracket("}"):
            if pairs:
                self.operator(",")
                if self.current.is_bracket("}"):
                    break
            key = self.key()
            self.operator(":")
            pairs.append((key, self.expression(0)))
        self.bracket("}")
        return self.made(Map(pairs, at))

    def key(self) -> Node:
        token = self.current
        if token.kind in (Kind.NUMBER, Kind.STRING, Kind.IDENTIFIER):
            return self.made(Literal(self.next().text, token.at))
        if token.is_bracket("("):
            return self.expression(0)
        raise CompileError(
            "a map key must be a quoted string, a number, a identifier, or an expression enclosed in parentheses "
            f"(unexpected token {token})",
            token.at,
        )

    # ── calls and members ──────────────────────────────────────────────────

    def call(self, name: Token, given: list[Node], *, overridable: bool) -> Node:
        """A call whose opening parenthesis is next; `given` are the arguments that a pipe brought."""
        own = not (overridable and name.text in self.overridden)
        if own and name.text in PREDICATES:
            return self.made(BuiltinCall(name.text, self.predicate_arguments(name.text, given), name.at))
        arguments = self.arguments(given)
        if own and name.text in BUILTINS:
            return self.made(BuiltinCall(name.text, arguments, name.at))
        return self.made(Call(self.made(Name(name.text, name.at)), arguments, name.at))

    def predicate_arguments(self, name: str, given: list[Node]) -> list[Node]:
        self.bracket("(")
        parameters = PREDICATES[name][len(given) :]
        arguments = list(given)
        for index, parameter in enumerate(parameters):
            if self.current.is_bracket(")"):
                if parameter.endswith("?"):
                    break
                raise CompileError(f"expected at least {len(parameters)} arguments", self.current.at)
            if index > 0:
                self.operator(",")
            arguments.append(self.predicate() if parameter.startswith("predicate") else self.expression(0))
        self.next_is_operator(",")
        self.bracket(")")
        return arguments

    def predicate(self) -> Node:
        at = self.current.at
        self.predicates += 1
        if self.next_is_bracket("{"):
            body = self.sequence()
            self.bracket("}")
        else:
            body = self.expression(0)
            if self.current.is_operator(";"):
                raise CompileError("wrap predicate with brackets { and }", self.current.at)
        self.predicates -= 1
        return self.made(Predicate(body, at))

    def arguments(self, given: list[Node]) -> list[Node]:
        self.bracket("(")
        arguments = list(given)
        while not self.current.is_bracket(")"):
            if len(arguments) > len(given):
                self.operator(",")
                if self.current.is_bracket(")"):
                    break
            arguments.append(self.expression(0))
        self.bracket(")")
        return arguments

    def postfix(self, node: Node) -> Node:
        for _ in range(MAX_HEIGHT):
            token = self.current
            if token.is_operator(".", "?."):
                self.next()
                optional = token.text == "?."
                if optional and self.next_is_bracket("["):
                    node = self.subscript(node, token.at, optional=True)
                else:
                    node = self.member(node, optional)
            elif self.next_is_bracket("["):
                node = self.subscript(node, token.at, optional=False)
            else:
                return node
        raise CompileError(f"more than {MAX_HEIGHT} members in a row", self.current.at)

    def member(self, node: Node, optional: bool) -> Node:
        token = self.next()
        if token.kind is not Kind.IDENTIFIER and not (token.kind is Kind.OPERATOR and token.text.isidentifier()):
            raise CompileError("expected name", self.current.at)
        chained = isinstance(node, Chain)
        base = node.node if isinstance(node, Chain) else node
        member = Member(base, self.made(Literal(token.text, token.at)), optional, at=token.at)
        result = self.made(member)
        if self.current.is_bracket("("):
            member.method = True
            result = self.made(Call(member, self.arguments([]), token.at))
        return self.made(Chain(result, token.at)) if chained or optional else result

    def subscript(self, node: Node, at: int, *, optional: bool) -> Node:
        start: Node | None = None
        if not self.current.is_operator(":"):
            start = self.expression(0)
            if not self.current.is_operator(":"):
                self.bracket("]")
                member = self.made(Member(node, start, optional, at=at))
                return self.made(Chain(member, at)) if optional else member
        self.operator(":")
        end = None if self.current.is_bracket("]") else self.expression(0)
        self.bracket("]")
        return self.made(Slice(node, start, end, at))
