"""Pure. The scale subresource: an object's replicas as an autoscaling/v1 Scale, and back."""

from typing import Any

from rollouts.kube.errors import error_from
from rollouts.kube.refs import Obj, Resource
from rollouts.sandbox.apiserver.refusals import bad_request, bad_value, invalid
from rollouts.sandbox.apiserver.types.registry import ScalePaths

SCALE = Resource("autoscaling", "v1", "scales", "Scale")
_NO_REPLICAS = 'Internal error occurred: the spec replicas field "{}" does not exist'
_SHOWN = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


def scale_of(obj: Obj, paths: ScalePaths) -> Obj:
    """The Scale of an object."""
    status: Obj = {"replicas": _at(obj, paths.status) or 0}
    selector = _at(obj, paths.selector) if paths.selector else None
    if selector:
        status["selector"] = selector if isinstance(selector, str) else selector_text(selector)
    metadata = {key: obj["metadata"][key] for key in _SHOWN if key in obj["metadata"]}
    replicas = _at(obj, paths.spec)
    if replicas is None:
        raise error_from(500, "InternalError", _NO_REPLICAS.format(paths.spec))
    wanted = {"replicas": replicas} if replicas else {}  # to the API server's types, none is an absent field
    return {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": metadata, "spec": wanted, "status": status}


def scaled(obj: Obj, scale: Obj, paths: ScalePaths, resource: Resource | None = None) -> Obj:
    """The object with the replicas its Scale asks for; Invalid when that is no number from zero up.

    `resource`: the custom resource, if it is one: its refusals have words of their own.
    """
    wanted, metadata = scale.get("spec") or {}, scale.get("metadata") or {}
    if not isinstance(wanted, dict) or not isinstance(metadata, dict):
        raise bad_request("the object provided is no Scale: its metadata and spec are objects")
    replicas = wanted.get("replicas", 0)
    if not isinstance(replicas, int) or isinstance(replicas, bool) or replicas < 0:
        cause = bad_value("spec.replicas", replicas, "must be greater than or equal to 0")
        if resource is not None:
            cause = bad_value(".spec.replicas", replicas, "should be a non-negative integer")
        raise invalid(resource or SCALE, obj["metadata"]["name"], [cause])
    changed = _set(obj, paths.spec.strip(".").split("."), replicas)
    return {**changed, "metadata": {**obj["metadata"], "resourceVersion": metadata.get("resourceVersion") or ""}}


def selector_text(selector: Obj) -> str:
    """A matchLabels/matchExpressions selector as the one line that `-l` takes."""
    parts = [f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items())]
    for term in selector.get("matchExpressions") or ():
        values = ",".join(sorted(term.get("values") or ()))
        form = {"In": "{} in ({})", "NotIn": "{} notin ({})", "Exists": "{}", "DoesNotExist": "!{}"}
        parts.append(form[term["operator"]].format(term["key"], values))
    return ",".join(parts)


def _at(obj: Obj, path: str) -> Any:
    value: Any = obj
    for key in path.strip(".").split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _set(obj: Obj, path: list[str], value: Any) -> Obj:
    inner = value if len(path) == 1 else _set(obj.get(path[0]) or {}, path[1:], value)
    return {**obj, path[0]: inner}
