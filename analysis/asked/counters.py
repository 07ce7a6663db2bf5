"""Pure. How much counters rose between two moments, by the samples themselves: nothing is extrapolated."""

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Any

Labels = frozenset[tuple[str, str]]
Sample = tuple[float, float]
"""Seconds since 1970, and the counter's value."""

_NAME = "__name__"


class CounterError(ValueError):
    """An answer holds no counters. The text is for the user."""


def labels_of(series: Mapping[str, Any]) -> Labels:
    """What tells a series from others; its metric's name does not, since functions drop it."""
    return frozenset((name, value) for name, value in series.get("metric", {}).items() if name != _NAME)


def last_values(vector: Sequence[Mapping[str, Any]]) -> dict[Labels, float]:
    """The value of each series of an instant vector."""
    return {labels_of(series): value for series in vector for _, value in _samples(series, [series.get("value")])}


def samples_of(matrix: Sequence[Mapping[str, Any]]) -> dict[Labels, tuple[Sample, ...]]:
    """The samples of each series of a range vector, in the order of time."""
    return {labels_of(series): tuple(_samples(series, series.get("values"))) for series in matrix}


def _samples(series: Mapping[str, Any], points: Any) -> Sequence[Sample]:
    if "histogram" in series or "histograms" in series:
        raise CounterError("a native histogram is no counter: name a bucket or a counter")
    try:
        found = [(float(at), float(value)) for at, value in points]
    except (TypeError, ValueError) as error:
        raise CounterError("the answer holds a series without values") from error
    if any(math.isinf(value) or value < 0 for _, value in found):
        raise CounterError("a series is infinite or negative: it is no counter")
    return [(at, value) for at, value in found if not math.isnan(value)]


def risen(
    before: Mapping[Labels, float], samples: Mapping[Labels, Sequence[Sample]], edges: Sequence[float]
) -> list[float]:
    """How much all series together rose until each of `edges`, since the edge before it.

    `before` are the values at the beginning. A series that is not there began with 0, as a counter does; one that falls
    was begun anew with 0. What a pod counted after the last sample of its life nobody knows.
    """
    found = [0.0] * len(edges)
    for labels, points in samples.items():
        last = before.get(labels, 0.0)
        for at, value in points:
            found[min(bisect_left(edges, at), len(edges) - 1)] += value - last if value >= last else value
            last = value
    return found


def edges(begin: float, end: float, longest: float) -> tuple[float, ...]:
    """The ends of equal slices, none longer than `longest`, that `begin` to `end` is cut into."""
    pieces = max(1, math.ceil((end - begin) / longest - 1e-9))
    return tuple(begin + (end - begin) * piece / pieces for piece in range(1, pieces + 1))
