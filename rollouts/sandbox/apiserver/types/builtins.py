"""The types of the built-in kinds as OpenAPI definitions, read once from `types.yaml` and `typedocs.yaml`."""

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import yaml

from rollouts.kube.refs import Obj

PREFIX = "io.k8s."
_NUMBERED = re.compile(r"^(?:(?P<number>[\d.]+) )?(?P<shape>.+)$")
_SHAPE = re.compile(r"^(?P<open>[\[{]?)(?P<of>[\w-]+)[\]}]?(?: by (?P<by>[\w,]+))?(?P<set> set)?(?P<atomic> atomic)?")
_NAMED: dict[str, tuple[str, str]] = {
    "int-or-string": ("IntOrString", "A number, or a text such as a percentage or the name of a port."),
    "quantity": ("Quantity", "An amount: a number with an optional unit, such as 500m or 2Gi."),
}
"""Plain types that are definitions of their own: numbers or texts."""
_PLAIN: dict[str, Obj] = {
    "string": {"type": "string"},
    "integer": {"type": "integer"},
    "number": {"type": "number"},
    "boolean": {"type": "boolean"},
    "date-time": {"type": "string", "format": "date-time"},
    "micro-time": {"type": "string", "format": "date-time"},
    "bytes": {"type": "string", "format": "byte"},
    "any": {"x-kubernetes-preserve-unknown-fields": True},
}


def definition_name(kind: str) -> str:
    """Under which name a kind stands among the definitions."""
    return f"{PREFIX}{kind}"


def reference(kind: str) -> Obj:
    return {"$ref": f"#/components/schemas/{definition_name(kind)}"}


@cache
def definitions() -> dict[str, Obj]:
    """All definitions by name. Shared: not to be changed."""
    types, docs = _read("types.yaml"), _read("typedocs.yaml")
    named = {
        definition_name(name): {"description": about, "x-kubernetes-int-or-string": True}
        for name, about in _NAMED.values()
    }
    return named | {
        definition_name(name.rstrip("~")): _definition(name, fields, docs.get(name.rstrip("~"), {}))
        for name, fields in types.items()
    }


@dataclass(frozen=True, slots=True)
class WireField:
    """A field in protobuf: its name in JSON, what it holds, and whether that is one, a list or a map of it."""

    name: str
    of: str
    form: Literal["one", "list", "map"]


@cache
def wire_fields() -> dict[str, dict[tuple[int, ...], WireField]]:
    """Per kind the fields by their number in protobuf; two numbers for a field of an embedded message."""
    found: dict[str, dict[tuple[int, ...], WireField]] = {}
    for name, fields in _read("types.yaml").items():
        numbered = found.setdefault(name.rstrip("~"), {})
        for key, text in fields.items():
            number, shape = _split(text)
            if number:
                numbered[tuple(map(int, number.split(".")))] = _wire_field(key.rstrip("!"), shape)
    return found


def _wire_field(name: str, shape: str) -> WireField:
    read = _SHAPE.match(shape.partition(" = ")[0])
    if read is None:
        raise ValueError(f"types.yaml: cannot read the type {shape!r}")
    return WireField(name, read["of"], {"[": "list", "{": "map"}.get(read["open"], "one"))  # type: ignore[arg-type] # one of three words


def _split(text: str) -> tuple[str, str]:
    """The protobuf number of a field ("" when it has none) and its shape."""
    read = _NUMBERED.match(text)
    return (read["number"] or "", read["shape"]) if read else ("", text)


def _read(name: str) -> dict[str, Any]:
    text = files("rollouts.sandbox.apiserver.types").joinpath(name).read_text(encoding="utf-8")
    loaded: dict[str, Any] = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return loaded


def _definition(name: str, fields: dict[str, str], docs: dict[str, str]) -> Obj:
    made: Obj = {"type": "object"}
    if fields:
        made["properties"] = {
            key.rstrip("!"): _field(shape, docs.get(key.rstrip("!"), "")) for key, shape in fields.items()
        }
    if docs.get("about"):
        made["description"] = docs["about"]
    required = [key.rstrip("!") for key in fields if key.endswith("!")]
    if required:
        made["required"] = required
    if name.endswith("~"):
        made["x-kubernetes-map-type"] = "atomic"
    return made


def _field(shape: str, description: str) -> Obj:
    plain, _, default = _split(shape)[1].partition(" = ")
    made = _shape(plain)
    if default:
        made["default"] = default
    if not description:
        return made
    return {"description": description} | ({"allOf": [made]} if "$ref" in made else made)


def _shape(shape: str) -> Obj:
    read = _SHAPE.match(shape)
    if read is None:
        raise ValueError(f"types.yaml: cannot read the type {shape!r}")
    inner = dict(_PLAIN[read["of"]]) if read["of"] in _PLAIN else reference(_NAMED.get(read["of"], (read["of"],))[0])
    if read["open"] == "{":
        atomic = {"x-kubernetes-map-type": "atomic"} if read["atomic"] else {}
        return {"type": "object", "additionalProperties": inner} | atomic
    if read["open"] != "[":
        return inner
    if read["by"]:
        keyed = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": read["by"].split(",")}
        return {"type": "array", "items": inner} | keyed
    return {"type": "array", "items": inner, "x-kubernetes-list-type": "set" if read["set"] else "atomic"}
