"""Pure. What an absent field of a Rollout means."""

import re
from datetime import timedelta
from fractions import Fraction
from functools import lru_cache

from analysis.schema import IntOrString, parse_duration
from rollouts.api.bluegreen import BlueGreenStrategy
from rollouts.api.canary import CanaryStrategy
from rollouts.api.rollout import Rollout

REPLICAS = 1
PROGRESS_DEADLINE_SECONDS = 600
REVISION_HISTORY_LIMIT = 10
RUN_HISTORY_LIMIT = 5
MAX_SURGE = "25%"
MAX_UNAVAILABLE = "25%"
SCALE_DOWN_DELAY_SECONDS = 30
ABORT_SCALE_DOWN_DELAY_SECONDS = 30
SCALE_DOWN_DELAY_REVISION_LIMIT = 2**31 - 1
MAX_TRAFFIC_WEIGHT = 100

_WHOLE = re.compile(r"[+-]?[0-9]+")


def _or(value: int | None, default: int) -> int:
    return default if value is None else value


def _strategy(rollout: Rollout) -> CanaryStrategy | BlueGreenStrategy | None:
    return rollout.spec.strategy.blue_green or rollout.spec.strategy.canary


def desired_replicas(rollout: Rollout) -> int:
    """How many pods are wanted."""
    return _or(rollout.spec.replicas, REPLICAS)


def progress_deadline_seconds(rollout: Rollout) -> int:
    """Seconds without progress before the release counts as failed."""
    return _or(rollout.spec.progress_deadline_seconds, PROGRESS_DEADLINE_SECONDS)


def revision_history_limit(rollout: Rollout) -> int:
    """How many old ReplicaSets are kept, beside the new and the stable one."""
    return _or(rollout.spec.revision_history_limit, REVISION_HISTORY_LIMIT)


def run_history_limits(rollout: Rollout) -> tuple[int, int]:
    """How many old runs are kept: (successful, other)."""
    analysis = rollout.spec.analysis
    if analysis is None:
        return RUN_HISTORY_LIMIT, RUN_HISTORY_LIMIT
    return (
        _or(analysis.successful_run_history_limit, RUN_HISTORY_LIMIT),
        _or(analysis.unsuccessful_run_history_limit, RUN_HISTORY_LIMIT),
    )


def max_weight(rollout: Rollout) -> int:
    """The weight that means all traffic."""
    canary = rollout.spec.strategy.canary
    routing = canary.traffic_routing if canary else None
    return _or(routing.max_traffic_weight, MAX_TRAFFIC_WEIGHT) if routing else MAX_TRAFFIC_WEIGHT


def scale_down_delay_seconds(rollout: Rollout) -> int:
    """Seconds before the old version is scaled down; 0 for a canary without traffic routing."""
    strategy = _strategy(rollout)
    if strategy is None or (isinstance(strategy, CanaryStrategy) and strategy.traffic_routing is None):
        return 0
    return _or(strategy.scale_down_delay_seconds, SCALE_DOWN_DELAY_SECONDS)


def scale_down_delay_revision_limit(rollout: Rollout) -> int:
    """How many old versions may wait for their scale-down."""
    strategy = _strategy(rollout)
    return _or(strategy.scale_down_delay_revision_limit if strategy else None, SCALE_DOWN_DELAY_REVISION_LIMIT)


def abort_scale_down_delay_seconds(rollout: Rollout) -> int | None:
    """Seconds before an aborted new version is scaled down: 0 means never, None that there is no delay at all."""
    strategy = _strategy(rollout)
    if strategy is None or (isinstance(strategy, CanaryStrategy) and strategy.traffic_routing is None):
        return None
    return _or(strategy.abort_scale_down_delay_seconds, ABORT_SCALE_DOWN_DELAY_SECONDS)


def resolve_int_or_percent(value: IntOrString, total: int, round_up: bool) -> int:
    """A number of pods out of `total`. Any string is a percentage, with or without `%`; an unparsable one is 0."""
    if isinstance(value, int):
        return value
    text = value.removesuffix("%")
    if not _WHOLE.fullmatch(text):
        return 0
    share = int(text) * total
    return -(-share // 100) if round_up else share // 100


def surge_and_unavailable(rollout: Rollout) -> tuple[int, int]:
    """How many pods may be too many, and how many, of those that there are, may be missing in a roll-out of this size.

    A canary would stand still if both were rounded to 0, so then 1 may be missing. Blue-green has whole versions
    beside each other, and needs no room.
    """
    replicas = desired_replicas(rollout)
    canary, strategy = rollout.spec.strategy.canary, _strategy(rollout)
    surge = unavailable = 0
    if canary is not None:
        surge = resolve_int_or_percent(MAX_SURGE if canary.max_surge is None else canary.max_surge, replicas, True)
    if strategy is not None:
        missing = MAX_UNAVAILABLE if strategy.max_unavailable is None else strategy.max_unavailable
        unavailable = resolve_int_or_percent(missing, replicas, False)
    if canary is not None and surge == 0 and unavailable == 0:
        unavailable = 1
    return surge, min(unavailable, replicas)


@lru_cache(maxsize=1024)
def pause_seconds(duration: IntOrString) -> int:
    """A pause in whole seconds: seconds as number or text, or a Go duration; -1 when it is neither."""
    if isinstance(duration, int):
        return duration
    if _WHOLE.fullmatch(duration) and abs(int(duration)) < 2**31:
        return int(duration)
    try:
        length = parse_duration(duration)
    except ValueError:
        return -1
    return int(Fraction(length // timedelta(microseconds=1), 1_000_000))
