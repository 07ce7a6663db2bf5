"""The phase tables: what measurements make of a metric, and metrics of a run."""

from typing import Any

import pytest

from analysis.api import AnalysisPhase, MetricResult, RunSummary
from analysis.assess import assess, metric_phase
from tests.analysis.runs import E, F, I, R, S, measured, metric, result, status

P = AnalysisPhase.PENDING
N = AnalysisPhase.NONE


@pytest.mark.parametrize(
    ("fields", "counters", "terminating", "phase"),
    [
        ({"count": 1}, {"last": None}, False, P),
        ({"count": 1}, {"last": None}, True, S),
        ({"count": 1}, {"last": R}, False, R),
        ({"count": 1}, {"last": R}, True, R),
        ({"count": 3}, {"count": 1, "successful": 1}, False, R),
        ({"count": 3}, {"count": 1, "successful": 1}, True, S),
        ({"count": 3}, {"count": 3, "successful": 3}, False, S),
        ({"failureLimit": 2}, {"last": F, "failed": 3, "count": 3}, False, F),
        ({"failureLimit": 3, "count": 9}, {"last": F, "failed": 3, "count": 3}, False, R),
        ({"failureLimit": 3, "count": 9}, {"last": F, "failed": 3, "count": 3}, True, S),
        ({"failureLimit": 5, "count": 5}, {"last": F, "failed": 5, "count": 5}, False, S),
        ({"inconclusiveLimit": 1}, {"last": I, "inconclusive": 2, "count": 2}, False, I),
        ({"inconclusiveLimit": 2, "count": 2}, {"last": I, "inconclusive": 2, "count": 2}, False, S),
        ({}, {"last": E, "error": 5, "consecutive_error": 5}, False, E),
        ({}, {"last": E, "error": 4, "consecutive_error": 4}, False, R),
        ({}, {"last": E, "error": 4, "consecutive_error": 4}, True, S),
        ({"consecutiveErrorLimit": "abc"}, {"last": E, "error": 1, "consecutive_error": 1}, False, E),
        # the later check overrides the earlier one: Error over Inconclusive over Failed
        ({"inconclusiveLimit": 0}, {"last": I, "failed": 1, "inconclusive": 1, "count": 2}, False, I),
        ({}, {"last": E, "failed": 1, "inconclusive": 1, "consecutive_error": 5, "count": 2}, False, E),
        # consecutive successes
        (
            {"consecutiveSuccessLimit": 3, "failureLimit": -1, "count": 9, "interval": "1s"},
            {"consecutive_success": 3, "successful": 3, "count": 3},
            False,
            S,
        ),
        (
            {"consecutiveSuccessLimit": 5, "failureLimit": -1, "count": 7, "interval": "1s"},
            {"consecutive_success": 3, "successful": 3, "failed": 4, "count": 7},
            False,
            F,
        ),
        (
            {"consecutiveSuccessLimit": 4, "failureLimit": 4, "count": 10, "interval": "1s"},
            {"consecutive_success": 3, "successful": 6, "failed": 4, "count": 10},
            False,
            I,
        ),
        (
            {"consecutiveSuccessLimit": 2, "failureLimit": 1, "count": 10, "interval": "1s"},
            {"consecutive_success": 2, "successful": 2, "failed": 2, "count": 4},
            False,
            F,
        ),
        # counts that are not plain numbers
        ({"count": 0, "interval": "1s"}, {"count": 50, "successful": 50}, False, R),
        ({"count": "10%", "interval": "1s"}, {"count": 50, "successful": 50}, False, R),
        ({"count": "abc"}, {"count": 1, "successful": 1}, False, S),
        ({"count": -1, "interval": "1s"}, {"count": 1, "successful": 1}, False, S),
    ],
)
def test_phase_of_a_metric(
    fields: dict[str, Any], counters: dict[str, Any], terminating: bool, phase: AnalysisPhase
) -> None:
    assert metric_phase(metric(**fields), result(**counters), terminating) is phase


def test_a_completed_metric_never_changes() -> None:
    for phase in (S, F, E, I):
        assert metric_phase(metric(failureLimit=0), result(last=F, phase=phase, failed=9), True) is phase


@pytest.mark.parametrize(
    ("first", "second", "phase"),
    [(S, S, S), (S, I, I), (I, E, E), (E, F, F), (F, S, F), (I, S, I)],
)
def test_the_worst_metric_decides(first: AnalysisPhase, second: AnalysisPhase, phase: AnalysisPhase) -> None:
    verdict = assess([metric("a"), metric("b")], status(_ended("a", first), _ended("b", second)), False, frozenset())
    assert verdict.phase is phase


def _ended(name: str, phase: AnalysisPhase) -> MetricResult:
    counters = {S: {}, F: {"failed": 1}, I: {"inconclusive": 1}, E: {"consecutive_error": 5}}[phase]
    return result(name, last=phase, phase=phase, count=1, **counters)


def test_of_two_failures_the_first_in_the_spec_speaks() -> None:
    verdict = assess([metric("a"), metric("b")], status(_ended("b", F), _ended("a", F)), False, frozenset())
    assert verdict.message == 'Metric "a" assessed Failed due to failed (1) > failureLimit (0)'


def test_a_message_of_the_metric_is_quoted() -> None:
    failing = result(last=E, consecutive_error=5, said="dial tcp: refused")
    verdict = assess([metric()], status(failing), False, frozenset())
    assert verdict.message == (
        'Metric "m" assessed Error due to consecutiveErrors (5) > consecutiveErrorLimit (4): '
        '"Error Message: dial tcp: refused"'
    )


def test_a_phase_that_comes_from_the_count_has_no_message() -> None:
    spec = metric(consecutiveSuccessLimit=5, failureLimit=-1, count=7, interval="1s")
    verdict = assess([spec], status(result(count=7, failed=4, successful=3)), False, frozenset())
    assert (verdict.phase, verdict.message) == (F, "")
    assert verdict.run_summary == RunSummary(count=1, successful=1)


def test_a_run_goes_on_until_every_metric_has_ended() -> None:
    verdict = assess([metric("a"), metric("b")], status(_ended("a", S)), False, frozenset())
    assert (verdict.phase, verdict.message) == (R, "")


def test_a_failed_metric_ends_the_run_on_the_next_look() -> None:
    metrics = [metric("a"), metric("b", count=9, interval="1m")]
    first = assess(metrics, status(result("a", last=F, failed=1), result("b", count=1)), False, frozenset())
    assert first.phase is R
    second = assess(metrics, status(*first.results), False, frozenset())
    assert second.phase is F
    assert second.message == 'Metric "a" assessed Failed due to failed (1) > failureLimit (0)'
    assert [one.phase for one in second.results] == [F, S]


def test_termination_before_any_measurement_is_a_success() -> None:
    verdict = assess([metric()], status(), True, frozenset())
    assert (verdict.phase, verdict.message, verdict.run_summary) == (S, "Run Terminated", RunSummary(count=1))


def test_termination_within_the_limits_is_a_success() -> None:
    endless = metric(interval="1s", failureLimit=1)
    verdict = assess([endless], status(result(last=F, failed=1, count=4)), True, frozenset())
    assert (verdict.phase, verdict.message) == (S, "Run Terminated")


def test_termination_does_not_wait_for_an_open_measurement() -> None:
    verdict = assess([metric()], status(result(last=R)), True, frozenset())
    assert verdict.phase is S
    assert verdict.results[0].phase is R


def test_dry_run_metrics_never_fail_a_run() -> None:
    verdict = assess([metric()], status(result(last=F, failed=1, count=1, dry_run=True)), False, frozenset({"m"}))
    assert (verdict.phase, verdict.message) == (S, "")
    assert verdict.dry_run_summary == RunSummary(count=1, failed=1)
    assert verdict.run_summary == RunSummary()
    assert verdict.results[0].message == "Metric assessed Failed due to failed (1) > failureLimit (0)"


def test_a_dry_run_metric_keeps_the_run_running() -> None:
    metrics = [metric("a"), metric("dry", interval="1s")]
    going = status(_ended("a", S), result("dry", count=5, dry_run=True))
    assert assess(metrics, going, False, frozenset({"dry"})).phase is R


def test_a_metric_completed_by_termination_carries_the_text_of_its_last_measurement() -> None:
    endless = metric(interval="1s")
    verdict = assess([endless], status(result(last=E, consecutive_error=1, said="refused")), True, frozenset())
    assert (verdict.results[0].phase, verdict.results[0].message) == (S, "refused")


def test_only_new_ends_are_reported() -> None:
    metrics = [metric("a"), metric("b")]
    verdict = assess(metrics, status(_ended("a", S), result("b", last=S, count=1)), False, frozenset())
    assert [one.name for one in verdict.completed] == ["b"]


def test_no_phase_is_worse_than_none() -> None:
    assert not N.completed
    assert measured(R).finished_at is None
