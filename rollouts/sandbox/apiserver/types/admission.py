"""Pure. What happens to an object on its way into the store: nulls dropped, unknown fields pruned, defaults filled in,
rules checked. What a write leaves as it was is not looked at again."""

from typing import Any

from rollouts.kube.refs import CRD, Obj, name_of
from rollouts.sandbox.apiserver.refusals import Cause, invalid
from rollouts.sandbox.apiserver.types import crds
from rollouts.sandbox.apiserver.types.defaults import defaulted
from rollouts.sandbox.apiserver.types.names import check_words
from rollouts.sandbox.apiserver.types.registry import Served
from rollouts.sandbox.apiserver.types.schema import Node
from rollouts.sandbox.apiserver.types.validation import validate


def prepare(served: Served, obj: Obj, old: Obj | None) -> Obj:
    """The object pruned and with its defaults; fields that are those of `old` are taken as they are."""
    before = old or {}
    same = {key: before[key] if key in before and before[key] == value else value for key, value in obj.items()}
    if served.shape is None:
        return defaulted(_decoded(same, before))
    shaped: Obj = served.shape.shaped(same, before)
    return shaped


def _decoded(obj: Obj, old: Obj) -> Obj:
    """A built-in object without its nulls: to the API server's types a null is an absent field."""
    return {key: without_nulls(value, old.get(key)) for key, value in obj.items() if value is not None}


def check(served: Served, new: Obj, old: Obj | None) -> None:
    """Invalid (422) with every cause when the object breaks a rule of its kind."""
    core = not served.custom and served.resource != CRD
    causes = check_words(new, old, core=core) + _causes(served, new, old)
    if causes:
        raise invalid(served.resource, name_of(new), causes)


def _causes(served: Served, new: Obj, old: Obj | None) -> list[Cause]:
    if served.shape is not None:
        causes = served.shape.causes(new) if old is None else served.shape.causes(new, "", old)
        return causes + _unchecked(served.shape, causes)
    if served.resource.kind == "CustomResourceDefinition":
        return crds.check(new)
    return validate(new, old)


_BLOCKING = frozenset(f"FieldValue{word}" for word in ("NotSupported", "Required", "TooLong", "TooMany", "TypeInvalid"))
_UNCHECKED = (
    "Invalid value: null: some validation rules were not checked because the object was invalid; "
    "correct the existing errors to complete validation"
)


def _unchecked(shape: Node, causes: list[Cause]) -> list[Cause]:
    """Rules are not looked at where the object has not even the right form; it is said so, if there are any."""
    if shape.has_rules and any(cause.reason in _BLOCKING for cause in causes):
        return [Cause("<nil>", "FieldValueInvalid", _UNCHECKED)]
    return []


def without_nulls(value: Any, old: Any = None) -> Any:
    """The value without the nulls in its objects; the very value when there are none, or when it is `old`."""
    if value is old:
        return value
    if isinstance(value, dict):
        before = old if isinstance(old, dict) else {}
        kept = {key: without_nulls(inner, before.get(key)) for key, inner in value.items() if inner is not None}
        same = len(kept) == len(value) and all(kept[key] is value[key] for key in kept)
        return value if same else kept
    if isinstance(value, list):
        items = [without_nulls(item) for item in value]
        return value if all(new is given for new, given in zip(items, value, strict=True)) else items
    return value
