"""Pure. Rollouts and Experiments as rows of a list."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from analysis.schema import format_time, parse_duration, parse_time
from rollouts.cli.tree import columns
from rollouts.kube.fields import number, text
from rollouts.kube.refs import Obj, name_of, namespace_of
from rollouts.view import human_duration, rollout_phase, set_weight, step_text, strategy_of

# Values are padded to about the width of their headings, so that rows printed one at a time line up with earlier ones.
_ROLLOUT_COLUMNS = {
    "NAME": 10,
    "STRATEGY": 9,
    "STATUS": 12,
    "STEP": 4,
    "SET-WEIGHT": 10,
    "READY": 5,
    "DESIRED": 7,
    "UP-TO-DATE": 10,
    "AVAILABLE": 9,
}
_TIMESTAMP, _NAMESPACE = 20, 9
_ENDED = ("Successful", "Failed", "Error", "Inconclusive")


def rollouts_header(*, namespaces: bool = False, timestamps: bool = False) -> list[str]:
    return [*["TIMESTAMP"] * timestamps, *["NAMESPACE"] * namespaces, *_ROLLOUT_COLUMNS]


def rollout_row(rollout: Obj, *, namespaces: bool = False, timestamp: datetime | None = None) -> list[str]:
    """One Rollout's cells, each padded to its least width."""
    canary = strategy_of(rollout) == "Canary"
    cells = [
        name_of(rollout),
        strategy_of(rollout) or "unknown",
        rollout_phase(rollout).phase,
        (step_text(rollout) if canary else "") or "-",
        str(set_weight(rollout)) if canary else "-",
        f"{number(rollout, 'status', 'readyReplicas')}/{number(rollout, 'status', 'replicas')}",
        str(number(rollout, "spec", "replicas", default=1)),
        str(number(rollout, "status", "updatedReplicas")),
        str(number(rollout, "status", "availableReplicas")),
    ]
    padded = [cell.ljust(width) for cell, width in zip(cells, _ROLLOUT_COLUMNS.values(), strict=True)]
    if namespaces:
        padded.insert(0, namespace_of(rollout).ljust(_NAMESPACE))
    if timestamp:
        padded.insert(0, format_time(timestamp).ljust(_TIMESTAMP))
    return padded


def experiments_table(experiments: Sequence[Obj], now: datetime, *, namespaces: bool = False) -> str:
    header = [*["NAMESPACE"] * namespaces, "NAME", "STATUS", "DURATION", "REMAINING", "AGE"]
    return table([header, *(_experiment_row(each, now, namespaces) for each in experiments)])


def table(rows: Sequence[Sequence[str]]) -> str:
    """Aligned rows, ending in a newline."""
    return "".join(f"{line}\n" for line in columns(rows))


def _experiment_row(experiment: Obj, now: datetime, namespaces: bool) -> list[str]:
    duration, remaining = _duration(experiment), _remaining(experiment, now)
    created = text(experiment, "metadata", "creationTimestamp")
    return [
        *[namespace_of(experiment)] * namespaces,
        name_of(experiment),
        text(experiment, "status", "phase"),
        "-" if duration is None else human_duration(duration),
        "-" if remaining is None else human_duration(remaining),
        human_duration(now - parse_time(created)) if created else "",
    ]


def _duration(experiment: Obj) -> timedelta | None:
    written = text(experiment, "spec", "duration")
    try:
        return parse_duration(written) if written else None
    except ValueError:
        return None


def _remaining(experiment: Obj, now: datetime) -> timedelta | None:
    """How long it still runs; None when it has ended, is not yet available, or has no set duration."""
    duration, since = _duration(experiment), text(experiment, "status", "availableAt")
    if duration is None or not since or text(experiment, "status", "phase") in _ENDED:
        return None
    return max(parse_time(since) + duration - now, timedelta(0))
