"""Pure. The language of conditions: compile once, evaluate often. Nothing in an expression reaches into Python."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import TypeAlias

from analysis.expr.checking.checker import check
from analysis.expr.checking.fold import fold
from analysis.expr.errors import CompileError, ExprError, RunError
from analysis.expr.gotypes.types import Type, type_of
from analysis.expr.gotypes.values import FloatList, Value
from analysis.expr.reading.parser import parse
from analysis.expr.running.frame import Frame
from analysis.expr.running.interp import FunctionValue, Step, build

Environment: TypeAlias = tuple[tuple[str, Type], ...]
"""The names that an expression may use, with their static types."""

_TOO_DEEP = "expression is nested too deeply"


@dataclass(frozen=True, slots=True)
class Program:
    """A compiled expression. `type` is the static type of its value."""

    source: str
    type: Type
    step: Step
    slots: int

    def run(self, values: Mapping[str, Value], now: datetime | None = None) -> Value:
        """The value of the expression with `values` for the names of its environment. RunError when it has none."""
        try:
            return self.step(Frame(values, [None] * self.slots, now))
        except RecursionError:
            raise RunError(_TOO_DEEP) from None
        except (OverflowError, MemoryError, TypeError) as error:  # TypeError: parts of `$env[...]` are not checked
            raise RunError(str(error)) from None


@lru_cache(maxsize=2048)
def compile(source: str, environment: Environment = ()) -> Program:
    """The program of `source`. CompileError when it cannot run in `environment`."""
    names = dict(environment)
    try:
        tree = parse(source, frozenset(names))
        type_ = check(tree, names)
        step, slots = build(fold(tree))
    except RecursionError:
        raise CompileError(_TOO_DEEP) from None
    return Program(source, type_, step, slots)


__all__ = [
    "CompileError",
    "Environment",
    "ExprError",
    "FloatList",
    "FunctionValue",
    "Program",
    "RunError",
    "Type",
    "Value",
    "compile",
    "type_of",
]
