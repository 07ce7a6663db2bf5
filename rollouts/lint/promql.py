"""Pure. What can be told of a PromQL query by reading it. The only importer of promql_parser."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import promql_parser

Query = promql_parser.Expr
Selector = promql_parser.VectorSelector

_NEVER_EMPTY = frozenset({"vector", "scalar", "time", "pi"})
_COMPARISONS = frozenset({"==", "!=", "<", ">", "<=", ">="})
_QUANTILES = frozenset({"histogram_quantile", "histogram_fraction", "histogram_avg", "quantile_over_time"})
_COUNTS = frozenset({"count", "group"})


class PromqlError(ValueError):
    """The query does not parse; the text says why."""


@lru_cache(maxsize=512)
def parse(query: str) -> Query:
    """The query as a tree. PromqlError when it is none."""
    try:
        return promql_parser.parse(query)
    except ValueError as error:
        raise PromqlError(str(error)) from error


def nodes(query: Query) -> Iterator[Any]:
    """The query and every expression in it."""
    found: list[Any] = []
    promql_parser.walk(query, found.append)
    yield from found


def matchers(query: Query) -> Iterator[tuple[str, str]]:
    """The labels that any selector in the query asks for, each with the value or the pattern."""
    for node in nodes(query):
        if isinstance(node, promql_parser.VectorSelector):
            groups = (node.matchers.matchers, *node.matchers.or_matchers)
            yield from ((matcher.name, matcher.value) for group in groups for matcher in group)


def grouped_by(query: Query) -> Iterator[str]:
    """The labels by which the query groups."""
    for node in nodes(query):
        modifier = node.modifier if isinstance(node, promql_parser.AggregateExpr) else None
        if modifier is not None and modifier.type == promql_parser.AggModifierType.By:
            yield from modifier.labels


def is_scalar(query: Query) -> bool:
    """Whether the answer is one number and no list."""
    query = _bare(query)
    if isinstance(query, promql_parser.BinaryExpr):
        return is_scalar(query.lhs) and is_scalar(query.rhs)
    if isinstance(query, promql_parser.Call):
        return query.func.name in ("scalar", "time", "pi")
    return isinstance(query, promql_parser.NumberLiteral)


def can_be_empty(query: Query) -> bool:
    """Whether there may be no series to answer with, as before the first request."""
    query = _bare(query)
    if isinstance(query, promql_parser.NumberLiteral | promql_parser.StringLiteral):
        return False
    if isinstance(query, promql_parser.Call):
        return query.func.name not in _NEVER_EMPTY and any(can_be_empty(arg) for arg in query.args)
    if isinstance(query, promql_parser.AggregateExpr):
        return can_be_empty(query.expr)
    if isinstance(query, promql_parser.BinaryExpr):
        if str(query.op) == "or":
            return can_be_empty(query.lhs) and can_be_empty(query.rhs)
        return _filters(query) or can_be_empty(query.lhs) or can_be_empty(query.rhs)
    return True


def can_be_nan(query: Query) -> bool:
    """Whether the answer may be NaN, as 0/0 is when there are no requests."""
    query = _bare(query)
    if isinstance(query, promql_parser.Call):
        return query.func.name in _QUANTILES or any(can_be_nan(arg) for arg in query.args)
    if isinstance(query, promql_parser.AggregateExpr):
        return str(query.op) not in _COUNTS and can_be_nan(query.expr)
    if isinstance(query, promql_parser.BinaryExpr):
        if _filters(query):
            return False  # no comparison holds for NaN
        divides = str(query.op) in ("/", "%") and not _never_zero(query.rhs)
        return divides or can_be_nan(query.lhs) or can_be_nan(query.rhs)
    return False


def _bare(query: Any) -> Any:
    while isinstance(query, promql_parser.ParenExpr | promql_parser.UnaryExpr):
        query = query.expr
    return query


def _filters(query: Any) -> bool:
    """Whether it is a comparison that drops what it does not hold for."""
    return str(query.op) in _COMPARISONS and not (query.modifier is not None and query.modifier.return_bool)


def _never_zero(query: Any) -> bool:
    query = _bare(query)
    if isinstance(query, promql_parser.NumberLiteral):
        return bool(query.val != 0)
    if isinstance(query, promql_parser.BinaryExpr):
        return _filters(query)
    return isinstance(query, promql_parser.Call) and query.func.name == "clamp_min"
