"""Pure. The values that the steps of a JSONPath lead to."""

from collections.abc import Callable, Iterator, Sequence

from analysis.expr.gotypes.values import Value, format_value, is_number
from analysis.jsonpath.path import (
    Constant,
    Elements,
    Field,
    Filter,
    JsonPathError,
    Path,
    Range,
    Recursive,
    Step,
    Steps,
    Text,
    Union,
    Wildcard,
)

MAX_VALUES = 100_000


def find(path: Path, document: Value) -> list[Value]:
    """The values of the first part of `path` in `document`. JsonPathError when a step finds nothing."""
    results = list(_results(path, document))
    return results[0] if results else []


def _results(path: Path, document: Value) -> Iterator[list[Value]]:
    for part in path:
        match part:
            case Text():
                yield [part.text]
            case Range():
                for value in _walk(part.steps, [document]):
                    yield from _results(part.body, value)
            case _:
                yield _walk(part, [document])


def _walk(steps: Steps, values: list[Value]) -> list[Value]:
    for step in steps:
        values = _taken(step, values)
        if len(values) > MAX_VALUES:
            raise JsonPathError(f"the path selects more than {MAX_VALUES} values")
    return values


def _taken(step: Step, values: list[Value]) -> list[Value]:
    match step:
        case Text():
            return [step.text]
        case Constant():
            return [step.value]
        case Field():
            found = [value[step.name] for value in values if isinstance(value, dict) and step.name in value]
            if not found:
                raise JsonPathError(f"{step.name} is not found")
            return found
        case Wildcard():
            return [child for value in values for child in _children(value)]
        case Recursive():
            return [below for value in values for below in _below(value)]
        case Elements():
            return [item for value in values if value is not None for item in _elements(step, value)]
        case Union():
            return [item for inner in step.paths for item in _walk(inner, values)]
        case Filter():
            return [item for value in values if value is not None for item in _filtered(step, value)]


def _children(value: Value) -> list[Value]:
    if isinstance(value, dict):
        return [value[key] for key in sorted(value)]
    return value if isinstance(value, list) else []


def _below(value: Value) -> Iterator[Value]:
    """The containers at and below `value`, each before its children."""
    children = _children(value)
    if children:
        yield value
        for child in children:
            yield from _below(child)


def _elements(step: Elements, value: Value) -> Sequence[Value]:
    if not isinstance(value, list):
        raise JsonPathError(f"{format_value(value)} is not array or slice")
    length = len(value)
    start = step.start or 0
    start = start + length if start < 0 else start
    end = start + 1 if step.single else length if step.end is None else step.end
    end = end + length if end < 0 else end
    if start == end:
        return []
    for index in (start, end - 1):
        if not 0 <= index < length:
            raise JsonPathError(f"array index out of bounds: index {index}, length {length}")
    if start > end:
        raise JsonPathError(f"starting index {start} is greater than ending index {end}")
    if step.step is not None and step.step <= 0:
        raise JsonPathError("step must be > 0")
    return value[start : end : step.step or 1]


def _filtered(step: Filter, value: Value) -> Iterator[Value]:
    if not isinstance(value, list):
        raise JsonPathError(f"{format_value(value)} is not array or slice and cannot be filtered")
    for item in value:
        if not step.operator:
            if _exists(step.left, item):
                yield item
            continue
        sides = [_walk(step.left, [item]), _walk(step.right, [item])]
        if any(len(side) > 1 for side in sides):
            raise JsonPathError("can only compare one element at a time")
        if all(sides) and _compared(step.operator, sides[0][0], sides[1][0]):
            yield item


def _exists(steps: Steps, item: Value) -> bool:
    try:
        return bool(_walk(steps, [item]))
    except JsonPathError:
        return False


_COMPARE: dict[str, Callable[[Value, Value], bool]] = {
    "==": lambda left, right: left == right,
    "!=": lambda left, right: left != right,
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
}


def _compared(operator: str, left: Value, right: Value) -> bool:
    comparable = (is_number(left) and is_number(right)) or (type(left) is type(right) and isinstance(left, (str, bool)))
    if not comparable or (isinstance(left, bool) and operator not in ("==", "!=")):
        raise JsonPathError("incompatible types for comparison")
    return _COMPARE[operator](left, right)
