"""Pure. JSON as Go writes it: values read by a table of Go's struct fields, and spelt like `encoding/json` does.

A table says, one struct a line, which fields there are, in order:

    Container: name str, image? str, ports? []ContainerPort, resources? ResourceRequirements, stdin? bool

`?` after a name is Go's `omitempty` (`?0`: `omitzero`). Types are `str int bool intstr quantity resource time raw`
or the name of a struct, behind `*` (pointer), `[]` (slice) or `{}` (map from strings). A struct that is no pointer
is always written, at its zero too. `resource` is a quantity in a list of resources.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from analysis.schema import Obj, format_time, parse_time
from rollouts.api.quantity import parse_quantity


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a Go struct."""

    name: str
    type: str
    omitted: str = ""
    """"?" when left out at its zero, "?0" when also a struct at its zero is left out."""


Types: TypeAlias = Mapping[str, tuple[Field, ...]]
Default: TypeAlias = Any | Callable[[Obj], Any]


def parse_types(table: str) -> Types:
    """The structs of a table in the notation above; an indented line continues the line before it."""
    lines = table.replace("\n    ", " ").strip().splitlines()
    return {name: tuple(map(_field, rest.split(", "))) for name, _, rest in (line.partition(": ") for line in lines)}


def _field(text: str) -> Field:
    name, type_ = text.split(" ")
    bare, mark, zero = name.partition("?")
    return Field(bare, type_, mark + zero)


class WrongType(ValueError):
    """A `value` that Go could not read: its `path`, the type that was `expected` and the one that was `found`."""

    def __init__(self, path: str, expected: str, value: Any) -> None:
        names = {dict: "object", list: "array", str: "string", bool: "boolean", int: "integer", float: "number"}
        self.path, self.expected, self.value = path, expected, value
        self.found = names.get(type(value), type(value).__name__)
        super().__init__(f"{path}: must be of type {expected}: {self.found}")


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads JSON values as Go structs: unknown fields go, absent ones become zeros, the order is the table's.

    `defaults` fill fields of a struct (by struct, then by field) that are absent or zero before it is read; a
    callable default is given the struct. `quantity` and `resource` spell quantities.
    """

    types: Types
    quantity: Callable[[Any], Any] = lambda given: parse_quantity(given).text
    resource: Callable[[Any], Any] = lambda given: parse_quantity(given).text
    defaults: Mapping[str, Mapping[str, Default]] = field(default_factory=dict)

    def read(self, type_: str, value: Any, path: str = "") -> Any:
        """The value as Go would write it after reading it as this type; WrongType when Go could not."""
        if type_[0] == "*":
            return None if value is None else self.read(type_[1:], value, path)
        if type_[:2] == "[]":
            return self._list(type_[2:], value, path)
        if type_[:2] == "{}":
            return self._map(type_[2:], value, path)
        if type_ in self.types:
            return self._struct(type_, value, path)
        return self._scalar(type_, value, path)

    def _list(self, type_: str, value: Any, path: str) -> list[Any] | None:
        if value is not None and not isinstance(value, list | tuple):
            raise WrongType(path, "array", value)
        return None if value is None else [self.read(type_, item, f"{path}[{at}]") for at, item in enumerate(value)]

    def _map(self, type_: str, value: Any, path: str) -> Obj | None:
        if value is None:
            return None
        if not isinstance(value, dict):
            raise WrongType(path, "object", value)
        for key in value:
            if not isinstance(key, str):
                raise WrongType(f"{path}[{key}]", "string", key)
        return {key: self.read(type_, value[key], f"{path}.{key}") for key in sorted(value)}

    def _struct(self, type_: str, value: Any, path: str) -> Obj:
        if value is not None and not isinstance(value, dict):
            raise WrongType(path, "object", value)
        given, filled = value or {}, self.defaults.get(type_, {})
        result: Obj = {}
        for one in self.types[type_]:
            item = given.get(one.name)
            if one.name in filled and (item is None or (not item and one.type[0] != "*")):
                default = filled[one.name]
                item = default(given) if callable(default) else default
            read = self.read(one.type, item, f"{path}.{one.name}" if path else one.name)
            if not (one.omitted and self._is_zero(one, read)):
                result[one.name] = read
        return result

    def _is_zero(self, one: Field, read: Any) -> bool:
        if one.type[0] == "*" or one.omitted == "?0":
            return read is None
        return one.type not in self.types and one.type not in ("intstr", "quantity", "time") and not read

    def _scalar(self, type_: str, value: Any, path: str) -> Any:
        match type_:
            case "str":
                return self._exactly(str, "string", "" if value is None else value, path)
            case "int":
                return self._exactly(int, "integer", 0 if value is None else value, path)
            case "bool":
                return self._exactly(bool, "boolean", False if value is None else value, path)
            case "intstr":
                return value if isinstance(value, str) else self._scalar("int", value, path)
            case "quantity" | "resource":
                return self._quantity(type_, value, path)
            case "time":
                return None if value is None else self._time(self._scalar("str", value, path), path)
        return _sorted(value)

    def _exactly(self, kind: type, name: str, value: Any, path: str) -> Any:
        if type(value) is not kind:
            raise WrongType(path, name, value)
        return value

    def _time(self, value: str, path: str) -> str:
        try:
            return format_time(parse_time(value))
        except ValueError as error:
            raise WrongType(path, "date-time", value) from error

    def _quantity(self, type_: str, value: Any, path: str) -> Any:
        given = "0" if value is None else value
        if type(given) not in (str, int, float):
            raise WrongType(path, "string", value)
        try:
            return self.quantity(given) if type_ == "quantity" else self.resource(given)
        except ValueError as error:
            raise WrongType(path, "quantity", value) from error


def _sorted(value: Any) -> Any:
    """Raw JSON as an API server hands it out: keys in order."""
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list | tuple) else value


_ESCAPED = str.maketrans({char: f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"})


def go_json(value: Any) -> str:
    """Compact JSON with the escapes that Go makes."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).translate(_ESCAPED)
