"""What users saw: requests, errors and latency per version that answered, as totals that can be subtracted.

Latencies are kept in buckets 5 % apart, so memory does not grow with the requests and a percentile of any window is the
difference of two snapshots.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

NOBODY = ""
"""The version of a request that no pod answered."""

_FINEST = 0.0001
_RATIO = math.log(1.05)


@dataclass(frozen=True, slots=True)
class Totals:
    """Requests of one kind. `errors` are those answered 5xx or not at all; latencies in seconds."""

    requests: int = 0
    errors: int = 0
    statuses: Mapping[int, int] = field(default_factory=dict)
    buckets: Mapping[int, int] = field(default_factory=dict)

    def minus(self, other: "Totals") -> "Totals":
        return Totals(
            self.requests - other.requests,
            self.errors - other.errors,
            _difference(self.statuses, other.statuses),
            _difference(self.buckets, other.buckets),
        )

    def plus(self, other: "Totals") -> "Totals":
        statuses = Counter(self.statuses) + Counter(other.statuses)
        buckets = Counter(self.buckets) + Counter(other.buckets)
        return Totals(self.requests + other.requests, self.errors + other.errors, statuses, buckets)

    @property
    def error_rate(self) -> float:
        """Share of errors, 0..1; 0 without requests."""
        return self.errors / self.requests if self.requests else 0.0

    def percentile(self, share: float) -> float:
        """Latency in seconds (5 % accurate, upper edge) that `share` (0..1) of the requests kept; NaN without any."""
        left = share * sum(self.buckets.values())
        for bucket in sorted(self.buckets):
            left -= self.buckets[bucket]
            if left <= 0:
                return _FINEST * math.exp(bucket * _RATIO)
        return math.nan


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Totals per version at one moment, or of the window between two."""

    versions: Mapping[str, Totals] = field(default_factory=dict)

    def since(self, earlier: "Snapshot") -> "Snapshot":
        """What happened after `earlier`; versions without requests in that window are left out."""
        window = {name: totals.minus(earlier.of(name)) for name, totals in self.versions.items()}
        return Snapshot({name: totals for name, totals in window.items() if totals.requests})

    def of(self, version: str) -> Totals:
        return self.versions.get(version, Totals())

    @property
    def total(self) -> Totals:
        return _sum(self.versions.values())

    def share(self, version: str) -> float:
        """Share of all requests that this version answered, 0..1."""
        return self.of(version).requests / self.total.requests if self.total.requests else 0.0


class Stats:
    """Counts requests as they end. One writer, any number of readers."""

    def __init__(self) -> None:
        self._statuses: dict[str, Counter[int]] = {}
        self._buckets: dict[str, Counter[int]] = {}

    def record(self, version: str, status: int, seconds: float) -> None:
        """One request: who answered (NOBODY if none), the HTTP status (0: no answer at all), and how long it took."""
        self._statuses.setdefault(version, Counter())[status] += 1
        self._buckets.setdefault(version, Counter())[_bucket(seconds)] += 1

    def snapshot(self) -> Snapshot:
        return Snapshot(
            {
                version: Totals(
                    requests=sum(statuses.values()),
                    errors=sum(number for status, number in statuses.items() if is_error(status)),
                    statuses=dict(statuses),
                    buckets=dict(self._buckets[version]),
                )
                for version, statuses in self._statuses.items()
            }
        )


def is_error(status: int) -> bool:
    """Whether a user calls this answer an error: 5xx, or none at all (0)."""
    return status == 0 or status >= 500


def _bucket(seconds: float) -> int:
    return math.ceil(math.log(max(seconds, _FINEST) / _FINEST) / _RATIO)


def _difference(left: Mapping[int, int], right: Mapping[int, int]) -> dict[int, int]:
    return {key: rest for key, number in left.items() if (rest := number - right.get(key, 0))}


def _sum(parts: Iterable[Totals]) -> Totals:
    total = Totals()
    for part in parts:
        total = total.plus(part)
    return total
