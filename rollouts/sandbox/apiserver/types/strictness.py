"""Fields that a resource's types do not know, and values of the wrong type: what decoding an object would refuse.

Custom resources have their schema; the built-in kinds have the definitions that OpenAPI publishes.
"""

from collections.abc import Iterator
from typing import Any

from rollouts.kube.refs import Obj
from rollouts.sandbox.apiserver.types.fieldset import Typed
from rollouts.sandbox.apiserver.types.openapi import typed
from rollouts.sandbox.apiserver.types.registry import Served
from rollouts.sandbox.apiserver.types.schema import type_name

_IMPLICIT = frozenset({"apiVersion", "kind"})
_METADATA = frozenset(
    {
        "name",
        "generateName",
        "namespace",
        "selfLink",
        "uid",
        "resourceVersion",
        "generation",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "labels",
        "annotations",
        "ownerReferences",
        "finalizers",
        "managedFields",
    }
)
_ACCEPTED = {"integer": ("integer",), "number": ("integer", "number")}
_PRESERVES = "x-kubernetes-preserve-unknown-fields"


def unknown_fields(served: Served, obj: Obj) -> list[str]:
    """Paths of the fields that nobody declared, like `spec.foo` and `spec.containers[0].imagee`."""
    found = [f"metadata.{key}" for key in obj.get("metadata") or () if key not in _METADATA]
    if served.shape is not None:
        return found + list(served.shape.unknown(obj))
    rest = {key: value for key, value in obj.items() if key not in _IMPLICIT and key != "metadata"}
    return found + list(_unknown(rest, typed(served), ""))


def _unknown(value: Any, kind: Typed, path: str) -> Iterator[str]:
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _unknown(item, kind.item(), f"{path}[{index}]")
    if not isinstance(value, dict) or not kind.schema or kind.schema.get(_PRESERVES):
        return
    for key, inner in value.items():
        at = f"{path}.{key}" if path else key
        if kind.declares(key) or "additionalProperties" in kind.schema:
            yield from _unknown(inner, kind.child(key), at)
        elif "properties" in kind.schema:
            yield at


def mistyped(served: Served, obj: Obj) -> str:
    """Why a built-in object cannot be decoded, in the decoder's words; "" when it can. Custom ones are validated."""
    if served.shape is not None:
        return ""
    return next(_mistyped(obj, typed(served), ""), "")


def _mistyped(value: Any, kind: Typed, path: str) -> Iterator[str]:
    if kind.schema.get("x-kubernetes-int-or-string") and isinstance(value, float):
        yield f"json: cannot unmarshal number {value} into field {path} of type int32"
    wanted = kind.schema.get("type")
    if value is None or wanted is None:
        return
    actual = type_name(value)
    if actual not in _ACCEPTED.get(wanted, (wanted,)):
        yield f"json: cannot unmarshal {actual} into field {path} of type {wanted}"
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _mistyped(inner, kind.child(key), f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _mistyped(item, kind.item(), f"{path}[{index}]")
