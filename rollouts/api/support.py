"""Pure. What the controller does not do yet: a spec that asks for it is refused, never half done."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from analysis.schema import Model
from rollouts.api import fielderrors
from rollouts.api.rollout import Rollout
from rollouts.api.traffic import GATEWAY_API

NOT_SUPPORTED_YET = ("spec.strategy.canary.steps[].plugin",)
"""Fields that are refused; `[]` stands for every item of a list. An entry goes when the controller acts on it."""


def unsupported(rollout: Rollout) -> str | None:
    """The first field of the spec that the controller does not act on, or does not know, as a fault; else None."""
    for field in NOT_SUPPORTED_YET:
        for path in _given(rollout, "", field.split(".")):
            return fielderrors.forbidden(path, "not supported yet by this controller")
    for name in _plugins(rollout):
        path = f"spec.strategy.canary.trafficRouting.plugins[{name}]"
        return fielderrors.forbidden(path, f"the only router of this kind that this controller has is {GATEWAY_API}")
    for path in _unknown(rollout.spec, "spec"):
        return fielderrors.forbidden(path, "unknown field; check its spelling and place, or remove it")
    return None


def _plugins(rollout: Rollout) -> Iterator[str]:
    """Routers that would have to be run as a program of their own."""
    canary = rollout.spec.strategy.canary
    routing = canary.traffic_routing if canary is not None else None
    yield from (name for name in sorted(routing.plugins if routing else ()) if name != GATEWAY_API)


def _given(value: Any, path: str, rest: list[str]) -> Iterator[str]:
    """Paths under `value` that match `rest` and hold more than a zero."""
    if not rest:
        if not (value is None or value is False or value in ("", (), {})):
            yield path
        return
    if not isinstance(value, Model):
        return
    name, many = rest[0].removesuffix("[]"), rest[0].endswith("[]")
    child, at = getattr(value, _names(type(value))[name]), f"{path}.{name}" if path else name
    if not many:
        yield from _given(child, at, rest[1:])
        return
    for index, item in enumerate(child):
        yield from _given(item, f"{at}[{index}]", rest[1:])


@cache
def _names(model: type[Model]) -> Mapping[str, str]:
    """Python's name of each field of a model, by its name in the manifest."""
    return {field.alias or name: name for name, field in model.model_fields.items()}


def _unknown(value: Any, path: str) -> Iterator[str]:
    """Paths of fields that no model knows, the outermost first."""
    if isinstance(value, Model):
        yield from (f"{path}.{name}" for name in value.unknown)
        for alias, name in _names(type(value)).items():
            child = getattr(value, name)
            if isinstance(child, Model | tuple):
                yield from _unknown(child, f"{path}.{alias}")
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from _unknown(item, f"{path}[{index}]")
