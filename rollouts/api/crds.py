"""The CustomResourceDefinitions of argoproj.io, made from the models: `python -m rollouts.api.crds <folder>`."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from analysis.api import AnalysisRun, AnalysisTemplate, ClusterAnalysisTemplate
from analysis.schema import Model, Obj
from rollouts.api.experiment import Experiment
from rollouts.api.rollout import Rollout

GROUP = "argoproj.io"
VERSION = "v1alpha1"

_AGE = {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}
_STATUS = {"name": "Status", "type": "string", "jsonPath": ".status.phase", "description": "What it has come to."}
_KEPT = ("description", "type", "format", "enum", "x-kubernetes-int-or-string", "x-kubernetes-preserve-unknown-fields")
_TYPE_META = {
    "apiVersion": "Version of the API that this object is written for.",
    "kind": "Kind of this object.",
}


def _count(name: str, path: str, description: str) -> Obj:
    return {"name": name, "type": "integer", "jsonPath": path, "description": description}


@dataclass(frozen=True, slots=True)
class Definition:
    """What a kind is called, how it is listed, and which subresources it has."""

    model: type[Model]
    plural: str
    short: str
    columns: tuple[Obj, ...] = (_AGE,)
    subresources: Obj | None = None
    namespaced: bool = True

    @property
    def kind(self) -> str:
        return self.model.__name__

    @property
    def file(self) -> str:
        """Name of its file."""
        return f"{self.kind.lower()}.yaml"


DEFINITIONS = (
    Definition(
        Rollout,
        "rollouts",
        "ro",
        columns=(
            _count("Desired", ".spec.replicas", "Pods that are wanted."),
            _count("Current", ".status.replicas", "Pods that there are."),
            _count("Up-to-date", ".status.updatedReplicas", "Pods of the new version."),
            _count("Available", ".status.availableReplicas", "Pods that are available."),
            _AGE,
        ),
        subresources={
            "status": {},
            "scale": {
                "specReplicasPath": ".spec.replicas",
                "statusReplicasPath": ".status.HPAReplicas",
                "labelSelectorPath": ".status.selector",
            },
        },
    ),
    Definition(AnalysisTemplate, "analysistemplates", "at"),
    Definition(ClusterAnalysisTemplate, "clusteranalysistemplates", "cat", namespaced=False),
    Definition(AnalysisRun, "analysisruns", "ar", columns=(_STATUS, _AGE)),
    Definition(Experiment, "experiments", "exp", columns=(_STATUS, _AGE)),
)


def crd(definition: Definition) -> Obj:
    """The CustomResourceDefinition of a kind."""
    version = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "additionalPrinterColumns": list(definition.columns),
        "subresources": definition.subresources,
        "schema": {"openAPIV3Schema": _kind_schema(definition)},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{definition.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "names": {
                "kind": definition.kind,
                "listKind": f"{definition.kind}List",
                "plural": definition.plural,
                "singular": definition.kind.lower(),
                "shortNames": [definition.short],
            },
            "scope": "Namespaced" if definition.namespaced else "Cluster",
            "versions": [{key: value for key, value in version.items() if value is not None}],
        },
    }


def _kind_schema(definition: Definition) -> Obj:
    whole = definition.model.model_json_schema(by_alias=True)
    schema = _structural(whole, whole.get("$defs", {}))
    properties = schema["properties"]
    properties.update({name: {"type": "string", "description": text} for name, text in _TYPE_META.items()})
    properties["metadata"] = {"type": "object"}
    selector = properties["spec"]["properties"].get("selector")
    if selector is not None:
        selector["x-kubernetes-validations"] = [{"rule": "self == oldSelf", "message": ".spec.selector is immutable"}]
    return schema


def _structural(schema: Obj, shared: Obj) -> Obj:
    """A JSON schema as Kubernetes wants it: no references, no null, nothing open unless it says so."""
    schema = _resolved(schema, shared)
    made = {key: schema[key] for key in _KEPT if key in schema}
    if "description" in made:
        made["description"] = made["description"].splitlines()[0]
    if schema.get("type") == "integer":
        made.setdefault("format", "int32")
    default = schema.get("default")
    if default and isinstance(default, str | int):
        made["default"] = default
    if schema.get("properties"):
        made["properties"] = {name: _structural(inner, shared) for name, inner in schema["properties"].items()}
        if "required" in schema:
            made["required"] = schema["required"]
    elif isinstance(schema.get("additionalProperties"), dict):
        made["additionalProperties"] = _structural(schema["additionalProperties"], shared)
    elif "properties" not in schema and schema.get("type", "object") == "object" and not _is_int_or_string(schema):
        made["x-kubernetes-preserve-unknown-fields"] = True
    if "items" in schema:
        made["items"] = _structural(schema["items"], shared)
    return made


def _is_int_or_string(schema: Obj) -> bool:
    return "x-kubernetes-int-or-string" in schema


def _resolved(schema: Obj, shared: Obj) -> Obj:
    """The schema with its reference, and its alternative to null, put in; its own words go first."""
    while "$ref" in schema or "anyOf" in schema:
        rest = {key: value for key, value in schema.items() if key not in ("$ref", "anyOf")}
        if "$ref" in schema:
            inner = shared[schema["$ref"].rpartition("/")[2]]
        else:
            (inner,) = (choice for choice in schema["anyOf"] if choice.get("type") != "null")
        schema = {**inner, **rest}
    return schema


class _Dumper(yaml.SafeDumper):
    """YAML without anchors, whose lists are indented."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def crd_yaml(definition: Definition) -> str:
    """The file of a kind."""
    text: str = yaml.dump(crd(definition), Dumper=_Dumper, sort_keys=False, width=120)
    return f"# Made from rollouts/api by `make crds`; change the models, not this file.\n{text}"


def write(folder: Path, say: Callable[[str], object] = print) -> None:
    """Writes the files of all kinds."""
    folder.mkdir(parents=True, exist_ok=True)
    for definition in DEFINITIONS:
        path = folder / definition.file
        path.write_text(crd_yaml(definition))
        say(str(path))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m rollouts.api.crds <folder>")
    write(Path(sys.argv[1]))
