"""Pure. Numbers that a spec may not hold: those that nobody could act on.

Argo Rollouts looks at few of them; the others it drops, or hands to an API server that refuses them for ever.
"""

from collections.abc import Iterator
from typing import Any

from analysis.schema import Model
from rollouts.api import fielderrors

_LEAST, _MOST = -(2**31), 2**31 - 1
_TOO_LARGE = "must fit in 32 bits"
_NOT_NEGATIVE = frozenset(
    {
        "spec.strategy.blueGreen.previewReplicaCount",
        "spec.strategy.canary.steps[].setCanaryScale.replicas",
        "spec.strategy.canary.steps[].setCanaryScale.weight",
        "spec.strategy.canary.steps[].experiment.templates[].replicas",
        "spec.strategy.canary.steps[].experiment.templates[].weight",
        "spec.templates[].replicas",
    }
)
"""Numbers of pods and shares."""
_POSITIVE = "spec.strategy.canary.trafficRouting.maxTrafficWeight"
_PERCENT = "spec.strategy.canary.steps[].setMirrorRoute.percentage"


def number_errors(spec: Model) -> Iterator[str]:
    """The numbers in the spec of a Rollout or an Experiment that are too large or too small, as faults."""
    for path, kind, value, wide in _numbers(spec, "spec", "spec"):
        if not wide and not _LEAST <= value <= _MOST:
            yield fielderrors.invalid(path, value, _TOO_LARGE)
        elif value < 0 and kind in _NOT_NEGATIVE:
            yield fielderrors.invalid(path, value, fielderrors.NOT_NEGATIVE)
        elif value < 1 and kind == _POSITIVE:
            yield fielderrors.invalid(path, value, "must be greater than 0")
        elif kind == _PERCENT and not 0 <= value <= 100:
            yield fielderrors.invalid(path, value, "must be between 0 and 100")


def _numbers(value: Any, path: str, kind: str, wide: bool = False) -> Iterator[tuple[str, str, int, bool]]:
    """(path, path with `[]` for each place in a list, number, whether it may have 64 bits) of every whole number."""
    if isinstance(value, Model):
        for name, field in type(value).model_fields.items():
            extra, key = field.json_schema_extra, field.alias or name
            may_be_wide = isinstance(extra, dict) and extra.get("format") == "int64"
            yield from _numbers(getattr(value, name), f"{path}.{key}", f"{kind}.{key}", may_be_wide)
    elif isinstance(value, tuple):
        for at, item in enumerate(value):
            yield from _numbers(item, f"{path}[{at}]", f"{kind}[]", wide)
    elif isinstance(value, int) and not isinstance(value, bool):
        yield path, kind, value, wide
