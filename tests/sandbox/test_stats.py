"""What users saw can be counted, subtracted and read as percentiles."""

import math

import pytest

from rollouts.sandbox.stats import NOBODY, Snapshot, Stats


def test_errors_are_answers_of_5xx_and_requests_without_an_answer() -> None:
    stats = Stats()
    for status in (200, 404, 500, 503, 0):
        stats.record("v1", status, 0.01)
    seen = stats.snapshot().of("v1")
    assert (seen.requests, seen.errors, seen.error_rate) == (5, 3, 0.6)


def test_a_window_is_what_happened_between_two_snapshots() -> None:
    stats = Stats()
    stats.record("v1", 500, 0.01)
    stats.record("v2", 200, 0.01)
    earlier = stats.snapshot()
    for _ in range(3):
        stats.record("v1", 200, 2.0)
    stats.record(NOBODY, 0, 10.0)
    window = stats.snapshot().since(earlier)
    assert {name: (seen.requests, seen.errors) for name, seen in window.versions.items()} == {
        "v1": (3, 0),
        NOBODY: (1, 1),
    }
    assert window.of("v1").statuses == {200: 3}
    assert (window.total.requests, window.share("v1")) == (4, 0.75)
    assert window.of("v1").percentile(0.5) == pytest.approx(2.0, rel=0.05)


def test_a_percentile_is_right_to_five_percent() -> None:
    stats = Stats()
    for milliseconds in range(1, 1001):
        stats.record("v1", 200, milliseconds / 1000)
    seen = stats.snapshot().of("v1")
    found = [seen.percentile(share) for share in (0.5, 0.9, 0.99, 1.0)]
    assert found == pytest.approx([0.5, 0.9, 0.99, 1.0], rel=0.051)


def test_nothing_seen_has_no_percentile_and_no_errors() -> None:
    nothing = Snapshot()
    assert math.isnan(nothing.total.percentile(0.99))
    assert (nothing.total.error_rate, nothing.share("v1")) == (0.0, 0.0)
