"""Pure. Objects as the table an API server draws for kubectl: kind Table of meta.k8s.io/v1.

Built-in kinds have the columns of `printcolumns`; a custom resource those of its definition's
`additionalPrinterColumns`; any other kind NAME and AGE.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

from rollouts.kube.refs import Obj

Cell: TypeAlias = str | int | float | bool | None
IncludeObject: TypeAlias = Literal["None", "Metadata", "Object"]


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its heading, what it says of an object at a time, and whether only `-o wide` shows it."""

    name: str
    cell: Callable[[Obj, datetime], Cell]
    type: str = "string"
    wide: bool = False
    description: str = ""

    def definition(self) -> Obj:
        return {
            "name": self.name,
            "type": self.type,
            "format": "name" if self.name == "Name" else "",
            "description": self.description or self.name,
            "priority": 1 if self.wide else 0,
        }


def table(
    columns: Sequence[Column],
    objects: Iterable[Obj],
    now: datetime,
    *,
    metadata: Obj | None = None,
    include: IncludeObject = "Metadata",
) -> Obj:
    """The Table of `objects`. `metadata` is the list's: resourceVersion, continue."""
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata or {},
        "columnDefinitions": [column.definition() for column in columns],
        "rows": [_row(columns, obj, now, include) for obj in objects],
    }


def _row(columns: Sequence[Column], obj: Obj, now: datetime, include: IncludeObject) -> Obj:
    row: Obj = {"cells": [column.cell(obj, now) for column in columns]}
    if include == "Metadata":
        row["object"] = partial(obj)
    elif include == "Object":
        row["object"] = obj
    return row


def partial(obj: Obj) -> Obj:
    """Only an object's metadata, as kind PartialObjectMetadata."""
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj.get("metadata", {})}


def name_cell(obj: Obj, _now: datetime) -> Cell:
    return str(obj["metadata"].get("name", ""))


def age_cell(obj: Obj, now: datetime) -> Cell:
    return since(obj["metadata"].get("creationTimestamp"), now)


NAME = Column("Name", name_cell)
AGE = Column("Age", age_cell)
DEFAULT = (NAME, AGE)


def since(time: Any, now: datetime) -> str:
    """How long ago an RFC 3339 time was, in kubectl's words; `<unknown>` for none."""
    if not time:
        return "<unknown>"
    try:
        then = datetime.fromisoformat(str(time).replace("Z", "+00:00"))
    except ValueError:
        return "<invalid>"
    if then.tzinfo is None:
        then = then.replace(tzinfo=UTC)
    return lasted((now - then).total_seconds())


def lasted(seconds: float) -> str:
    """A duration in kubectl's words: two units at most, and the coarser the longer it is."""
    if seconds < -1:
        return "<invalid>"
    whole = max(int(seconds), 0)
    minutes, hours = whole // 60, whole // 3600
    if whole < 120:
        return f"{whole}s"
    if minutes < 10:
        return _two(minutes, "m", whole % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    return _lasted_days(hours)


def _lasted_days(hours: int) -> str:
    days = hours // 24
    if hours < 24 * 8:
        return _two(days, "d", hours % 24, "h")
    if days < 365 * 2:
        return f"{days}d"
    if days < 365 * 8:
        return _two(days // 365, "y", days % 365, "d")
    return f"{days // 365}y"


def _two(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large}{large_unit}{small}{small_unit}" if small else f"{large}{large_unit}"


def custom_columns(declared: Sequence[Obj]) -> tuple[Column, ...]:
    """The columns by a version's `additionalPrinterColumns`: NAME, then its own; without any, NAME and AGE."""
    return (NAME, *(_custom(column) for column in declared)) if declared else DEFAULT


def _custom(column: Obj) -> Column:
    path, kind = str(column["jsonPath"]), str(column.get("type", "string"))

    def cell(obj: Obj, now: datetime) -> Cell:
        found = list(find(obj, path))
        if not found:
            return None
        return since(found[0], now) if kind == "date" else _cell_of(found[0], kind)

    wide = int(column.get("priority", 0)) > 0
    return Column(str(column["name"]), cell, kind, wide, str(column.get("description", "")))


def _cell_of(first: Any, kind: str) -> Cell:
    """Of what a path leads to only the first is shown, as on a real API server."""
    if kind == "integer" and isinstance(first, int | float):
        return int(first)
    if kind == "number" and isinstance(first, int | float):
        return float(first)
    if kind == "boolean" and isinstance(first, bool):
        return first
    return _spelled(first) if kind == "string" else None


def _spelled(value: Any) -> str:
    """A text as it is, and anything else as the JSON that it is in."""
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), ensure_ascii=False)


_STEP = re.compile(
    r"""\.(?P<name>(?:\\.|[^.\[\]\\])+)
      | \[\?\(\s*@(?P<path>[^=!<>\s]+)\s*(?P<op>==|!=)\s*(?P<literal>"[^"]*"|'[^']*'|[^)\s]+)\s*\)\]
      | \[(?P<quoted>'[^']*'|"[^"]*")\]
      | \[(?P<index>\*|-?\d+)\]""",
    re.VERBOSE,
)


def find(value: Any, path: str) -> Iterator[Any]:
    """What a JSONPath of a printer column points to: names, indices, `[*]` and `[?(@.x=="y")]`.

    Nothing for what is not there, and nothing for a path that is not understood.
    """
    step = _STEP.match(path)
    if step is None:
        if not path and value is not None:
            yield value
        return
    for inner in _taken(value, step):
        yield from find(inner, path[step.end() :])


def _taken(value: Any, step: re.Match[str]) -> Iterator[Any]:
    name = step["name"] or (step["quoted"] or "")[1:-1]
    if name:
        name = re.sub(r"\\(.)", r"\1", name)
        if isinstance(value, dict) and name in value:
            yield value[name]
    elif step["index"] == "*":
        yield from value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    elif step["index"] and isinstance(value, list):
        yield from value[int(step["index"]) :][:1]
    elif step["path"] and isinstance(value, list):
        literal = step["literal"].strip("\"'")
        for item in value:
            equal = any(_spelled(found) == literal for found in find(item, step["path"]))
            if equal == (step["op"] == "=="):
                yield item
