"""Pure. What a number of requests proves about a share of the traffic.

A share is proven when the interval in which it lies, at 95 % (Wilson's, which holds for few requests and for shares
near none and all), is within the tolerance; it differs when all of that interval is outside. Anything between is not
known yet. So little traffic neither passes by luck nor counts as a fault.
"""

from enum import StrEnum
from math import sqrt

_Z = 1.959964
"""Of the normal distribution, for 95 %."""


class Verdict(StrEnum):
    """What is known of a share."""

    PROVEN = "proven"
    UNKNOWN = "unknown"
    DIFFERS = "differs"


def bounds(count: float, total: float) -> tuple[float, float]:
    """Between what the share lies of which `count` requests out of `total` (more than none) were seen."""
    seen = min(1.0, max(0.0, count / total))
    square = _Z * _Z / total
    middle = (seen + square / 2) / (1 + square)
    half = _Z / (1 + square) * sqrt(seen * (1 - seen) / total + square / (4 * total))
    return max(0.0, middle - half), min(1.0, middle + half)


def judge(count: float, total: float, share: float, tolerance: float, at_least: int, *, more: bool) -> Verdict:
    """What `count` of `total` requests say about `share` (0..1). `more`: a larger share than that is all right."""
    if total < at_least:
        return Verdict.UNKNOWN
    low, high = bounds(count, total)
    least, most = share - tolerance, 1.0 if more else share + tolerance
    if least <= low and high <= most:
        return Verdict.PROVEN
    return Verdict.DIFFERS if high < least or most < low else Verdict.UNKNOWN
