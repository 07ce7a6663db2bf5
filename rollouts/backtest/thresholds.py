"""Pure. The number that a condition compares with, and the same condition with others."""

import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass

from analysis.api import AnalysisRunSpec, Metric
from analysis.expr import ast
from analysis.expr.errors import ExprError
from analysis.expr.reading.parser import parse

_COMPARISONS = frozenset({"<", "<=", ">", ">="})
_NUMBER = re.compile(r"-?[0-9][0-9_]*(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)


def threshold(condition: str) -> tuple[int, int, float] | None:
    """The only number that `condition` compares with: its columns from and to, and itself; None for none or several.

    A comparison of `len(...)` does not count: it asks whether there is data.
    """
    try:
        found = list(_compared(parse(condition)))
    except ExprError:
        return None
    if len(found) != 1:
        return None
    match = _NUMBER.match(condition, found[0].at)
    return (match.start(), match.end(), float(match[0].replace("_", ""))) if match else None


def around(number: float) -> tuple[float, ...]:
    """Thresholds to try beside `number`, itself among them; those of a share near one keep below one."""
    if 0.5 < number < 1:
        return tuple(sorted(round(1 - (1 - number) * factor, 10) for factor in _FACTORS if (1 - number) * factor < 1))
    return tuple(sorted(round(number * factor, 10) for factor in _FACTORS))


def with_threshold(spec: AnalysisRunSpec, number: float) -> AnalysisRunSpec:
    """The run with `number` in the first condition that compares with a number."""
    metrics = list(spec.metrics)
    place = place_of(spec)
    if place is not None:
        index, field = place
        condition: str = getattr(metrics[index], field)
        found = threshold(condition)
        assert found is not None, "a place has a threshold"
        text = f"{condition[: found[0]]}{number:g}{condition[found[1] :]}"
        metrics[index] = metrics[index].model_copy(update={field: text})
    return spec.model_copy(update={"metrics": tuple(metrics)})


def place_of(spec: AnalysisRunSpec) -> tuple[int, str] | None:
    """The first condition that compares with a number: which metric, and which field of it."""
    for index, metric in enumerate(spec.metrics):
        for field in ("success_condition", "failure_condition"):
            if threshold(getattr(metric, field)) is not None:
                return index, field
    return None


def condition_of(metric: Metric, field: str) -> str:
    """The condition in that field."""
    return str(getattr(metric, field))


def _compared(node: object) -> Iterator[ast.Literal]:
    if isinstance(node, ast.Binary) and node.operator in _COMPARISONS:
        for side, other in ((node.left, node.right), (node.right, node.left)):
            if isinstance(side, ast.Literal) and isinstance(side.value, int | float) and not _is_length(other):
                yield side
    for child in _children(node):
        yield from _compared(child)


def _is_length(node: object) -> bool:
    return isinstance(node, ast.BuiltinCall) and node.name in ("len", "count")


def _children(node: object) -> Iterator[object]:
    if isinstance(node, list | tuple):
        yield from node
    elif is_dataclass(node):
        yield from (getattr(node, field.name) for field in fields(node))
