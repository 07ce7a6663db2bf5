"""Pure. Quantities of a pod template that cannot be read, which Argo Rollouts passes over: pods run without them.

The definition of a Rollout takes any text for a quantity, so a cluster may hold such a manifest, and have it running.
"""

from typing import Any

from analysis.schema import Obj
from rollouts.api.pod.defaults import TEMPLATE_TYPES
from rollouts.api.quantity import parse_quantity

_UNDEFINED = object()


def readable(template: Obj) -> tuple[Obj, tuple[str, ...]]:
    """The template without its unreadable quantities, and what was left out, as `<path>: <value>`.

    Ephemeral containers go all together when one of them has such a quantity, as they do in Go.
    """
    left_out: list[str] = []
    return _kept("PodTemplateSpec", template, "spec.template", left_out), tuple(left_out)


def _kept(type_: str, value: Any, path: str, left_out: list[str]) -> Any:
    """The part of a value that can be read; what has another form than its type is somebody else's to refuse."""
    bare = type_.lstrip("*")
    if bare in ("quantity", "resource"):
        return _quantity(value, path, left_out)
    if bare[:2] == "{}" and isinstance(value, dict):
        kept = {key: _kept(bare[2:], item, f"{path}.{key}", left_out) for key, item in value.items()}
        return _defined(kept)
    if bare[:2] == "[]" and isinstance(value, list):
        before = len(left_out)
        items = [_kept(bare[2:], item, f"{path}[{at}]", left_out) for at, item in enumerate(value)]
        return _UNDEFINED if bare == "[]EphemeralContainer" and len(left_out) > before else items
    if bare in TEMPLATE_TYPES and isinstance(value, dict):
        types = {field.name: field.type for field in TEMPLATE_TYPES[bare]}
        kept = {key: _kept(types.get(key, "raw"), item, f"{path}.{key}", left_out) for key, item in value.items()}
        return _defined(kept)
    return value


def _quantity(value: Any, path: str, left_out: list[str]) -> Any:
    if isinstance(value, str):
        try:
            parse_quantity(value)
        except ValueError:
            left_out.append(f'{path}: "{value}"')
            return _UNDEFINED
    return value


def _defined(values: Obj) -> Obj:
    return {key: value for key, value in values.items() if value is not _UNDEFINED}
