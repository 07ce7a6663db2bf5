"""What an API server says about the shape of its objects: OpenAPI v3 per group version, and v2 in one document.

`kubectl explain` reads it, and so does whoever asks which query parameters a PATCH understands; server-side apply
reads the same definitions through `typed`.
"""

import hashlib
import json
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from rollouts.kube.refs import Obj, Resource
from rollouts.sandbox.apiserver.types.builtins import definition_name, definitions, reference
from rollouts.sandbox.apiserver.types.fieldset import Typed
from rollouts.sandbox.apiserver.types.registry import Served

_PARAMETERS = ("dryRun", "fieldManager", "fieldValidation")
_PATCHES = ("application/json-patch+json", "application/merge-patch+json", "application/apply-patch+yaml")
_INFO = {"title": "Kubernetes", "version": "v1.32.0"}
PROTOBUF_V2 = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
EMPTY_V2 = b"\x0a\x032.0\x12\x15\x0a\x0aKubernetes\x12\x07v1.32.0"
"""An OpenAPI v2 document without definitions, in protobuf. kubectl asks for one when it meets a kind that is not
served, and takes a kind that is not in it as one it cannot check."""
_GVK = "x-kubernetes-group-version-kind"


def schema_of(served: Served) -> Obj:
    """The schema of a resource's objects, `$ref`s included; that of a custom one has typed metadata."""
    if not served.custom:
        return reference(served.resource.kind)
    schema = served.schema or {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    own = schema.get("properties") or {}
    described = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}} | own
    return schema | {"properties": described | {"metadata": reference("ObjectMeta")}}


@lru_cache(maxsize=256)
def typed(served: Served) -> Typed:
    """The type of a resource's objects, for server-side apply."""
    return Typed(schema_of(served), definitions()).resolved()


def group_path(group: str, version: str) -> str:
    """`api/v1`, `apis/apps/v1`: a group version as a key of the OpenAPI index."""
    return f"apis/{group}/{version}" if group else f"api/{version}"


def index(resources: Iterable[Served]) -> Obj:
    """What /openapi/v3 answers: where the document of each group version is. The hash changes with its content."""
    groups: dict[str, list[Served]] = {}
    for served in resources:
        groups.setdefault(group_path(served.resource.group, served.resource.version), []).append(served)
    return {
        "paths": {
            path: {"serverRelativeURL": f"/openapi/v3/{path}?hash={_fingerprint(members)}"}
            for path, members in sorted(groups.items())
        }
    }


def _fingerprint(members: Iterable[Served]) -> str:
    said = json.dumps([[one.resource.path(), one.schema, sorted(one.subresources)] for one in members], sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()[:32].upper()


def document(members: Iterable[Served]) -> Obj:
    """The OpenAPI v3 document of one group version's resources."""
    paths: Obj = {}
    schemas: dict[str, Obj] = {}
    for served in members:
        name = _schema_name(served)
        schemas[name] = _own_schema(served)
        for path in _paths(served.resource):
            paths[path] = _path_item(served, path, f"#/components/schemas/{name}")
    return {"openapi": "3.0.0", "info": _INFO, "paths": paths, "components": {"schemas": _closure(schemas)}}


def document_v2(resources: Iterable[Served]) -> Obj:
    """The OpenAPI v2 document of all resources: definitions without paths."""
    schemas: dict[str, Obj] = {_schema_name(served): _own_schema(served) for served in resources}
    text = json.dumps({"swagger": "2.0", "info": _INFO, "paths": {}, "definitions": _closure(schemas)})
    loaded: Obj = json.loads(text.replace("#/components/schemas/", "#/definitions/"))
    return loaded


def _schema_name(served: Served) -> str:
    resource = served.resource
    if not served.custom:
        return definition_name(resource.kind)
    return ".".join([*reversed(resource.group.split(".")), resource.version, resource.kind])


def _own_schema(served: Served) -> Obj:
    resource = served.resource
    schema = schema_of(served) if served.custom else definitions()[_schema_name(served)]
    return schema | {_GVK: [{"group": resource.group, "version": resource.version, "kind": resource.kind}]}


def _closure(schemas: dict[str, Obj]) -> dict[str, Obj]:
    """The schemas with all definitions they refer to."""
    known, found = definitions(), dict(schemas)
    todo = list(schemas.values())
    while todo:
        for name in _referred(todo.pop()):
            if name not in found and name in known:
                found[name] = known[name]
                todo.append(known[name])
    return found


def _referred(value: Any) -> Iterable[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"].rsplit("/", 1)[-1]
        for inner in value.values():
            yield from _referred(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _referred(inner)


def _paths(resource: Resource) -> tuple[str, ...]:
    collection = resource.path("{namespace}")
    return (collection, f"{collection}/{{name}}")


def _path_item(served: Served, path: str, schema: str) -> Obj:
    resource = served.resource
    gvk = {"group": resource.group, "version": resource.version, "kind": resource.kind}
    answer = {"200": {"description": "OK", "content": {"application/json": {"schema": {"$ref": schema}}}}}
    query = [{"name": name, "in": "query", "schema": {"type": "string"}} for name in _PARAMETERS]

    def operation(action: str, **more: Any) -> Obj:
        return {_GVK: gvk, "x-kubernetes-action": action, "responses": answer} | more

    named = path.endswith("{name}")
    item: Obj = {"get": operation("get" if named else "list")}
    if named:
        body = {"content": {media: {"schema": {"type": "object"}} for media in _PATCHES}}
        item["patch"] = operation("patch", parameters=query, requestBody=body)
        item["put"] = operation("put", parameters=query)
        item["delete"] = operation("delete", parameters=query[:1])
    else:
        item["post"] = operation("post", parameters=query)
    return item
