"""The files in crds/ are the models, as an API server wants them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from rollouts.api.crds import DEFINITIONS, Definition, crd, crd_yaml, write
from rollouts.sandbox.apiserver.types.schema import compile_schema
from tests.api.shared import needs_shared, of_kind

FOLDER = Path(__file__).parents[2] / "crds"
LARGEST_ANNOTATION = 262_144
TYPELESS = {"x-kubernetes-int-or-string", "x-kubernetes-preserve-unknown-fields"}

each = pytest.mark.parametrize("definition", [pytest.param(one, id=one.kind) for one in DEFINITIONS])


def schema_of(definition: Definition) -> dict[str, Any]:
    schema: dict[str, Any] = crd(definition)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return schema


def kind(name: str) -> Definition:
    return next(one for one in DEFINITIONS if one.kind == name)


def parts(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, schema
    for name, inner in schema.get("properties", {}).items():
        yield from parts(inner, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if key in schema:
            yield from parts(schema[key], f"{path}[]")


def test_the_files_are_those_of_the_models() -> None:
    assert {path.name for path in FOLDER.glob("*.yaml")} == {one.file for one in DEFINITIONS}
    for definition in DEFINITIONS:
        assert (FOLDER / definition.file).read_text() == crd_yaml(definition), "run `make crds`"


def test_writing_makes_the_folder_and_says_what_it_wrote(tmp_path: Path) -> None:
    said: list[str] = []
    write(tmp_path / "new" / "crds", said.append)
    assert [Path(line).name for line in said] == [one.file for one in DEFINITIONS]


@each
def test_a_plain_kubectl_apply_has_room_for_it(definition: Definition) -> None:
    assert len(json.dumps(crd(definition))) < LARGEST_ANNOTATION / 4


@each
def test_every_part_is_structural_and_described(definition: Definition) -> None:
    allowed = {"description", "type", "format", "enum", "default", "properties", "required", "items"}
    allowed |= {"additionalProperties", "x-kubernetes-validations"} | TYPELESS
    for path, schema in parts(schema_of(definition)):
        assert set(schema) <= allowed, path
        assert "type" in schema or TYPELESS & set(schema), path
        assert not ("properties" in schema and "additionalProperties" in schema), path
        assert set(schema.get("required", ())) <= set(schema.get("properties", {})), path
        assert "\n" not in schema.get("description", ""), path
        assert path.endswith((".metadata", "[]")) or schema["description"], path


@each
def test_it_compiles_and_every_rule_is_understood(definition: Definition) -> None:
    assert compile_schema(schema_of(definition)).rules_ignored == ()


def test_only_a_rollout_has_subresources() -> None:
    by_kind = {one.kind: crd(one)["spec"]["versions"][0].get("subresources") for one in DEFINITIONS}
    assert by_kind.pop("Rollout") == {
        "status": {},
        "scale": {
            "specReplicasPath": ".spec.replicas",
            "statusReplicasPath": ".status.HPAReplicas",
            "labelSelectorPath": ".status.selector",
        },
    }
    assert set(by_kind.values()) == {None}


@pytest.mark.parametrize(
    ("name", "plural", "short", "scope", "columns"),
    [
        ("Rollout", "rollouts", "ro", "Namespaced", ["Desired", "Current", "Up-to-date", "Available", "Age"]),
        ("AnalysisTemplate", "analysistemplates", "at", "Namespaced", ["Age"]),
        ("ClusterAnalysisTemplate", "clusteranalysistemplates", "cat", "Cluster", ["Age"]),
        ("AnalysisRun", "analysisruns", "ar", "Namespaced", ["Status", "Age"]),
        ("Experiment", "experiments", "exp", "Namespaced", ["Status", "Age"]),
    ],
)
def test_it_is_listed_as_argos(name: str, plural: str, short: str, scope: str, columns: list[str]) -> None:
    spec = crd(kind(name))["spec"]
    assert (spec["names"]["plural"], spec["names"]["shortNames"], spec["scope"]) == (plural, [short], scope)
    assert [column["name"] for column in spec["versions"][0]["additionalPrinterColumns"]] == columns


@pytest.mark.parametrize(
    ("name", "path", "fields"),
    [
        ("Rollout", "", ["spec"]),
        ("AnalysisTemplate", "", ["spec"]),
        ("AnalysisRun", "", ["spec"]),
        ("AnalysisRun", ".spec", ["metrics"]),
        ("AnalysisRun", ".status", ["phase"]),
        ("Experiment", "", ["spec"]),
        ("Experiment", ".spec", ["templates"]),
    ],
)
def test_what_argo_requires_is_required(name: str, path: str, fields: list[str]) -> None:
    assert dict(parts(schema_of(kind(name))))[path]["required"] == fields


def test_datadog_alone_has_defaults() -> None:
    defaults = {
        path.rpartition(".provider")[2]: schema["default"]
        for path, schema in parts(schema_of(kind("AnalysisTemplate")))
        if "default" in schema
    }
    assert defaults == {".datadog.interval": "5m", ".datadog.apiVersion": "v1", ".datadog.requestTimeout": "10s"}


def test_the_selector_of_a_rollout_cannot_change() -> None:
    selector = dict(parts(schema_of(kind("Rollout"))))[".spec.selector"]
    assert selector["x-kubernetes-validations"] == [
        {"rule": "self == oldSelf", "message": ".spec.selector is immutable"}
    ]


@needs_shared
@pytest.mark.parametrize("document", of_kind())
def test_a_manifest_is_accepted_and_nothing_of_it_is_pruned(document: dict[str, Any]) -> None:
    node = compile_schema(schema_of(kind(document["kind"])))
    assert node.shaped(document) == document
    assert node.causes(document) == []


def test_yaml_says_the_same_as_the_definition() -> None:
    for definition in DEFINITIONS:
        assert yaml.safe_load(crd_yaml(definition)) == crd(definition)
