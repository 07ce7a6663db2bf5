"""Pure. What a CustomResourceDefinition means: the resources it adds, and the status it gets."""

import json
import re
from functools import lru_cache
from typing import Any

from rollouts.kube.refs import Obj, Resource
from rollouts.sandbox.apiserver.refusals import Cause, bad_value, required
from rollouts.sandbox.apiserver.types.registry import CUSTOM_VERBS, ScalePaths, Served
from rollouts.sandbox.apiserver.types.schema import Node, compile_schema

CLEANUP = "customresourcecleanup.apiextensions.k8s.io"


def completed(crd: Obj, time: str) -> Obj:
    """The definition with its defaults, its finalizer and the status that makes `kubectl wait` happy."""
    spec = crd.get("spec") or {}
    names = spec.get("names") or {}
    kind = str(names.get("kind", ""))
    names = {"singular": kind.lower(), "listKind": f"{kind}List", **names}
    spec = {"conversion": {"strategy": "None"}, **spec, "names": names}
    finalizers = list(dict.fromkeys([*(crd["metadata"].get("finalizers") or ()), CLEANUP]))
    if "deletionTimestamp" in crd["metadata"]:
        finalizers = crd["metadata"].get("finalizers") or []
    metadata = {**crd["metadata"], "finalizers": finalizers}
    return {**crd, "metadata": metadata, "spec": spec, "status": _status(crd, spec, names, time)}


def _status(crd: Obj, spec: Obj, names: Obj, time: str) -> Obj:
    before = crd.get("status") or {}
    stored = [version["name"] for version in spec.get("versions") or () if version.get("storage")]
    return {
        "acceptedNames": names,
        "conditions": before.get("conditions")
        or [
            _condition("NamesAccepted", "NoConflicts", "no conflicts found", time),
            _condition("Established", "InitialNamesAccepted", "the initial names have been accepted", time),
        ],
        "storedVersions": list(dict.fromkeys([*(before.get("storedVersions") or ()), *stored])),
    }


def _condition(kind: str, reason: str, message: str, time: str) -> Obj:
    return {"type": kind, "status": "True", "reason": reason, "message": message, "lastTransitionTime": time}


def check(crd: Obj) -> list[Cause]:
    """Why the definition cannot be accepted; empty when it can."""
    spec = crd.get("spec") or {}
    names = spec.get("names") or {}
    causes = [required(f"spec.{key}") for key in ("group", "scope") if not spec.get(key)]
    causes += [required(f"spec.names.{key}") for key in ("plural", "kind") if not names.get(key)]
    if causes:
        return causes
    if crd["metadata"]["name"] != f"{names['plural']}.{spec['group']}":
        causes.append(bad_value("metadata.name", crd["metadata"]["name"], 'must be spec.names.plural+"."+spec.group'))
    versions = spec.get("versions") or []
    if sum(bool(version.get("storage")) for version in versions) != 1:
        text = "must have exactly one version marked as storage version"
        causes.append(bad_value("spec.versions", [version.get("name") for version in versions], text))
    for index, version in enumerate(versions):
        causes += _schema_causes(version, f"spec.versions[{index}].schema.openAPIV3Schema")
    return causes


def _schema_causes(version: Obj, path: str) -> list[Cause]:
    schema = (version.get("schema") or {}).get("openAPIV3Schema")
    if not schema:
        return [required(path, "schemas are required")]
    try:
        shape_of(schema)
    except re.error as error:
        return [bad_value(path, str(error.pattern), f"must be a valid regular expression: {error}")]
    return []


def unevaluated(crd: Obj) -> list[str]:
    """Warnings about the CEL rules of a definition that the sandbox does not evaluate."""
    shapes = ((version["name"], shape_of(version["schema"]["openAPIV3Schema"])) for version in _versions(crd))
    return [
        f"version {name}: x-kubernetes-validations rule {rule!r} is not evaluated by the sandbox"
        for name, shape in shapes
        for rule in shape.rules_ignored
    ]


def _versions(crd: Obj) -> list[Obj]:
    return [version for version in crd["spec"]["versions"] if version.get("served")]


def shape_of(schema: Obj) -> Node:
    """The schema compiled; equal schemas share one result, since compiling a large one takes milliseconds."""
    return _compiled(json.dumps(schema))


@lru_cache(maxsize=128)
def _compiled(text: str) -> Node:
    return compile_schema(json.loads(text))


def served_versions(crd: Obj) -> list[Served]:
    """The resources that the definition adds, one per served version."""
    return [_served(crd, version) for version in _versions(crd)]


def _served(crd: Obj, version: Obj) -> Served:
    spec, names = crd["spec"], crd["spec"]["names"]
    namespaced = spec["scope"] == "Namespaced"
    declared: Obj = version.get("subresources") or {}
    return Served(
        Resource(spec["group"], version["name"], names["plural"], names["kind"], namespaced),
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        subresources=frozenset(key for key in ("status", "scale") if key in declared),
        generation=True,
        custom=True,
        verbs=CUSTOM_VERBS,
        schema=version["schema"]["openAPIV3Schema"],
        shape=shape_of(version["schema"]["openAPIV3Schema"]),
        scale=_scale(declared["scale"]) if "scale" in declared else None,
        columns=tuple(version.get("additionalPrinterColumns") or ()),
        singular=names["singular"],
        list_kind=names["listKind"],
        storage=bool(version.get("storage")),
        selectable=frozenset(one["jsonPath"].lstrip(".") for one in version.get("selectableFields") or ()),
    )


def _scale(declared: dict[str, Any]) -> ScalePaths:
    return ScalePaths(
        declared["specReplicasPath"], declared["statusReplicasPath"], declared.get("labelSelectorPath", "")
    )
