"""Pure. A metric's numbers and durations, with the meaning that an absent or unreadable one has."""

import re
from datetime import timedelta

from analysis.api import Metric
from analysis.schema import IntOrString, parse_duration

ERROR_RETRY = timedelta(seconds=10)
"""Gap before the next measurement when the last one ended in an error, or when no interval is given."""

DEFAULT_CONSECUTIVE_ERROR_LIMIT = 4
DEFAULT_RETENTION = 10
_INTEGER = re.compile(r"[+-]?[0-9]+")


def int_value(value: IntOrString | None, default: int = 0) -> int:
    """An int-or-string as a number: `default` when absent, 0 for a text that is not a plain decimal integer."""
    if value is None:
        return default
    if isinstance(value, int):
        return value
    return int(value) if _INTEGER.fullmatch(value) else 0


def effective_count(metric: Metric) -> int | None:
    """How many measurements the metric takes; None means without end."""
    count = int_value(metric.count)
    if count == 0:
        return None if metric.interval else 1
    return count


def failure_limit(metric: Metric) -> int:
    """Failures tolerated; -1 means any number."""
    return int_value(metric.failure_limit)


def inconclusive_limit(metric: Metric) -> int:
    """Inconclusive measurements tolerated."""
    return int_value(metric.inconclusive_limit)


def consecutive_error_limit(metric: Metric) -> int:
    """Errors in a row tolerated."""
    return int_value(metric.consecutive_error_limit, DEFAULT_CONSECUTIVE_ERROR_LIMIT)


def consecutive_success_limit(metric: Metric) -> int:
    """Successes in a row that are enough; 0 means that none are."""
    return int_value(metric.consecutive_success_limit)


def interval(metric: Metric) -> timedelta:
    """Gap between two measurements."""
    return parse_duration(metric.interval) if metric.interval else ERROR_RETRY


def initial_delay(metric: Metric) -> timedelta:
    """Gap between the start of the run and the first measurement."""
    return parse_duration(metric.initial_delay) if metric.initial_delay else timedelta(0)
