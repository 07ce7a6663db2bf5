"""The types of the built-in kinds agree with those the Kubernetes client library carries, and are described."""

import re
from importlib.resources import files
from typing import Any

import pytest
import yaml
from kubernetes_asyncio import client

from rollouts.kube.refs import POD
from rollouts.sandbox.apiserver.types.builtins import definition_name, definitions, wire_fields
from rollouts.sandbox.apiserver.types.openapi import typed
from rollouts.sandbox.apiserver.types.registry import Registry

_PLAIN = {"string": "str", "integer": "int", "number": "float", "boolean": "bool"}
_FREE = ("x-kubernetes-int-or-string", "x-kubernetes-preserve-unknown-fields")


def model(name: str) -> Any:
    """The client library's class for one of our definitions."""
    short = name.removeprefix("io.k8s.")
    known = {"Event": "CoreV1Event", "EndpointPort": "CoreV1EndpointPort"}
    prefixed = re.sub(r"^(Apiextensions|Discovery|Rbac|Authentication)(?=[A-Z])", r"\1V1", short)
    for guess in (known.get(short), prefixed, f"V2{short}", f"V1{short}", f"CoreV1{short}"):
        if guess and hasattr(client, guess):
            return getattr(client, guess)
    return None


LIBRARY = {name: model(name) for name in definitions()}
KNOWN = [name for name, found in LIBRARY.items() if found is not None]


def test_all_but_the_named_scalars_are_known_to_the_client_library() -> None:
    assert {*LIBRARY} - {*KNOWN} == {"io.k8s.IntOrString", "io.k8s.Quantity"}


@pytest.mark.parametrize("name", KNOWN)
def test_every_field_is_there_under_its_name_and_with_its_type(name: str) -> None:
    theirs = {LIBRARY[name].attribute_map[key]: kind for key, kind in LIBRARY[name].openapi_types.items()}
    for field, schema in definitions()[name].get("properties", {}).items():
        assert field in theirs, f"{name} has no field {field}"
        assert _agrees(schema, theirs[field]), f"{name}.{field} is a {theirs[field]}, not {schema}"


def _agrees(schema: dict[str, Any], theirs: str) -> bool:
    schema = schema["allOf"][0] if "allOf" in schema else schema
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        return theirs in ("str", "object") if LIBRARY[name] is None else theirs == LIBRARY[name].__name__
    if any(schema.get(key) for key in _FREE):
        return theirs == "object"
    if schema["type"] == "array":
        return theirs.startswith("list[") and _agrees(schema["items"], theirs[5:-1])
    if schema["type"] == "object":
        inner = re.match(r"dict[\[(]str, (.*)[\])]$", theirs)
        return inner is not None and _agrees(schema["additionalProperties"], inner[1])
    if schema.get("format") == "date-time":
        return theirs == "datetime"
    return _PLAIN[schema["type"]] == theirs


def test_every_served_kind_has_its_type() -> None:
    untyped = [one.resource.kind for one in Registry() if not typed(one).declares("metadata")]
    assert untyped == []


def test_every_description_belongs_to_a_field() -> None:
    said = yaml.safe_load(files("rollouts.sandbox.apiserver.types").joinpath("typedocs.yaml").read_text())
    for kind, lines in said.items():
        fields = definitions()[definition_name(kind)].get("properties", {})
        assert {*lines} - {"about"} <= {*fields}, kind


def test_no_two_fields_of_a_message_share_a_number() -> None:
    for kind, fields in wire_fields().items():
        names = [field.name for field in fields.values()]
        assert len(names) == len({*names}), kind
    assert wire_fields()["Volume"][(2, 19)].name == "configMap"


def test_lists_with_keys_say_which() -> None:
    containers = typed(Registry().of(POD)).child("spec").child("containers")
    assert containers.list_type == "map"
    assert containers.key_of({"name": "a"}) == 'k:{"name":"a"}'
    assert containers.item().child("ports").key_of({"containerPort": 80}) == 'k:{"containerPort":80,"protocol":"TCP"}'
