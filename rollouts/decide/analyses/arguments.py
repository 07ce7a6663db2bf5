"""Pure. Where the arguments of a Rollout's analysis get their values: literals, pod template hashes, its own fields."""

import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from analysis.api import Argument
from rollouts.api.rollout import Rollout
from rollouts.api.runs import AnalysisRunArgument
from rollouts.decide.world import Hash

_METADATA = ("name", "namespace", "uid")
_KEYED = re.compile(r"metadata\.(labels|annotations)(?:\['([^']*)'\])?")
_PART = re.compile(r"[.\[\]]+")


class FieldError(Exception):
    """A valueFrom names nothing that holds a plain value. The text is for the user."""


def resolve(
    given: Iterable[AnalysisRunArgument], rollout: Rollout, *, stable: Hash, latest: Hash
) -> tuple[Argument, ...]:
    """The arguments, each with a value. `valueFrom` wins over `value`. FieldError names what cannot be had."""
    return tuple(Argument(name=arg.name, value=_value(arg, rollout, stable, latest)) for arg in given)


def _value(arg: AnalysisRunArgument, rollout: Rollout, stable: Hash, latest: Hash) -> str:
    source = arg.value_from
    if source is None:
        return arg.value
    if source.pod_template_hash_value is not None:
        return _hash(source.pod_template_hash_value, stable, latest)
    if source.field_ref is not None:
        return field(rollout, source.field_ref.field_path)
    return arg.value


def _hash(whose: str, stable: Hash, latest: Hash) -> Hash:
    hashes = {"Stable": stable, "Latest": latest}
    if whose not in hashes:
        raise FieldError(f"podTemplateHashValue has to be Stable or Latest, and is {whose!r}")
    return hashes[whose]


def field(rollout: Rollout, path: str) -> str:
    """A field of a Rollout as text: metadata in the downward API's forms, anything else by walking its JSON."""
    return _metadata(rollout, path) if path.startswith("metadata") else _walked(rollout.wire(), path)


def _metadata(rollout: Rollout, path: str) -> str:
    metadata = rollout.metadata
    keyed = _KEYED.fullmatch(path)
    if keyed is not None:
        pairs = metadata.labels if keyed[1] == "labels" else metadata.annotations
        if keyed[2] is not None:
            return pairs.get(keyed[2], "")
        return "\n".join(f'{key}="{value}"' for key, value in sorted(pairs.items()))
    name = path.removeprefix("metadata.")
    if name not in _METADATA:
        raise FieldError(f"invalid path {path} in rollout")
    return str(getattr(metadata, name))


def _walked(value: Any, path: str) -> str:
    for part in filter(None, _PART.split(path)):
        value = _child(value, part.strip("'\""), path)
    if isinstance(value, dict | list) or value is None:
        raise FieldError(f"path {path} in rollout must terminate in a primitive value")
    return _printed(value)


def _child(value: Any, part: str, path: str) -> Any:
    if isinstance(value, list):
        if not part.isdecimal():
            raise FieldError(f"invalid index '{part}'")
        if int(part) >= len(value):
            raise FieldError(f"index {part} out of range")
        return value[int(part)]
    if not isinstance(value, dict) or part not in value:
        raise FieldError(f"invalid path {path} in rollout")
    return value[part]


def _printed(value: Any) -> str:
    """As Go prints a decoded JSON value: every number is a float64 there, with an exponent from a million on."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, int | float):
        return str(value)
    if value == 0 or 1e-4 <= abs(value) < 1e6:
        return f"{value:.17g}" if isinstance(value, int) else repr(value).removesuffix(".0")
    mantissa, exponent = f"{Decimal(repr(float(value))).normalize():e}".split("e")
    return f"{mantissa}e{exponent[0]}{exponent[1:].zfill(2)}"
