"""Edge cases of Argo Rollouts' engine that have a number in the contract, each by its name (tests/compat/edges)."""

import math
from datetime import timedelta
from typing import Any

import pytest

from analysis.api import AnalysisPhase, AnalysisRun, RunSummary
from analysis.arguments import fill_metrics, resolve_metrics
from analysis.assess import assess
from analysis.decide import Assessment, TaskKind, decide
from analysis.evaluate import NO_DATA, evaluate
from analysis.expr import CompileError, FloatList
from analysis.expr.environment import value_of
from tests.analysis.runs import NOON, E, F, I, R, S, drive, measured, metric, result, run, status

NOBODY: frozenset[str] = frozenset()


def judged(result: Any, success: str = "", failure: str = "") -> tuple[AnalysisPhase, str]:
    return evaluate(metric(successCondition=success, failureCondition=failure), result)


def look(analysis: AnalysisRun, seconds: float = 0) -> Assessment:
    resolved = resolve_metrics(analysis.spec.metrics, analysis.spec.args, {})
    return decide(analysis, resolved, NOON + timedelta(seconds=seconds))


# ── conditions ──


@pytest.mark.parametrize("anything", [1.0, math.nan, None, FloatList(), "text", {"a": 1.0}])
def test_without_conditions_any_result_is_a_success(anything: Any) -> None:
    assert judged(anything) == (S, "")


def test_where_both_conditions_hold_the_failure_wins() -> None:
    assert judged(1.0, "true", "true") == (F, "")


def test_where_neither_condition_holds_it_is_inconclusive() -> None:
    assert judged(1.0, "false", "false") == (I, "")


def test_a_failure_condition_that_cannot_be_evaluated_is_an_error_that_names_it() -> None:
    assert judged(1.0, "true", "foo") == (E, 'could not evaluate failureCondition "foo": unknown name foo')


def test_a_condition_that_is_no_bool_is_an_error() -> None:
    assert judged(1.0, "1") == (E, 'could not evaluate successCondition "1": expected bool, but got int')


def test_nan_meets_neither_of_two_opposite_conditions() -> None:
    assert judged(math.nan, "result >= 0.9", "result < 0.9") == (I, "")


def test_nan_can_be_asked_for() -> None:
    assert judged(math.nan, "result >= 0.9 || isNaN(result)") == (S, "")


def test_infinity_can_be_asked_for() -> None:
    assert judged(math.inf, failure="isInf(result)") == (F, "")


def test_an_empty_vector_has_no_first_element() -> None:
    assert judged(FloatList(), "result[0] >= 0.95") == (
        E,
        f'could not evaluate successCondition "result[0] >= 0.95": {NO_DATA}',
    )


def test_an_empty_vector_can_be_asked_for() -> None:
    assert judged(FloatList(), "len(result) == 0 || result[0] < 1") == (S, "")


def test_all_of_an_empty_vector_is_true() -> None:
    assert judged(FloatList(), "all(result, # < 1)") == (S, "")


def test_a_default_stands_for_a_result_that_is_nil() -> None:
    assert judged(None, "default(result, 0) < 0.05") == (S, "")
    assert judged(None, "default(result, 1) < 0.05") == (F, "")


def test_a_default_of_a_missing_field_is_the_whole_result() -> None:
    assert judged({"a": 1.0}, "default(result.missing, 0) == 0") == (F, "")
    assert value_of("default(result.missing, 0)", {"a": 1.0}) == {"a": 1.0}


def test_as_int_cuts_numbers_and_refuses_texts_of_broken_ones() -> None:
    assert judged("1.1", "asInt(result) == 1")[0] is E
    assert judged(1.123, "asInt(result) == 1") == (S, "")


def test_as_float_is_no_text() -> None:
    phase, message = judged("1.1", 'asFloat(result) == "1.1"')
    assert phase is E
    assert message.endswith("invalid operation: == (mismatched types float64 and string)")


def test_a_number_has_no_elements_and_that_is_no_failure() -> None:
    assert judged(1.0, "result[0] > 1")[0] is E


def test_an_int_is_found_among_floats() -> None:
    assert judged(FloatList([2.0, 2.0]), "2 in result") == (S, "")


def test_a_number_is_looked_for_among_texts_in_vain_and_with_an_error() -> None:
    assert judged({"code": 200.0}, 'result.code in ["200"]')[0] is E


def test_coalescing_and_comparing_need_parentheses() -> None:
    with pytest.raises(CompileError, match="coalesce expressions"):
        value_of("result ?? 0 > 5", 3.0)


def test_signs_powers_divisions_and_rests_are_gos() -> None:
    for holds in ("-2 ** 2 == -4", "7 / 2 == 3.5", "-7 % 3 == -1"):
        assert value_of(holds, None) is True


def test_comparisons_may_be_chained() -> None:
    assert value_of("1 < result < 5", 3.0) is True
    assert value_of("1 < result < 5", 7.0) is False


def test_a_field_of_a_missing_field_is_an_error_unless_the_chain_is_optional() -> None:
    assert judged({"b": 1.0}, "result.a.b == nil")[0] is E
    assert judged({"b": 1.0}, "result.a?.b == nil") == (S, "")


# ── counts and limits ──


def test_without_count_and_interval_there_is_one_measurement() -> None:
    course = drive(run(metric()), {"m": [S]})
    assert (course.status.phase, len(course.measured_at["m"])) == (S, 1)


def test_a_count_of_nought_with_an_interval_has_no_end() -> None:
    course = drive(run(metric(count=0, interval="1m")), {"m": [S]}, until=timedelta(hours=1))
    assert (course.ended, course.status.phase) == (False, R)
    assert len(course.measured_at["m"]) == 61


def test_a_count_that_an_argument_fills_counts() -> None:
    counted = run(metric(count="{{args.c}}", interval="1s"), args=[{"name": "c", "value": "3"}])
    assert len(drive(counted, {"m": [S]}).measured_at["m"]) == 3


def test_a_count_that_is_no_number_is_one_without_an_interval() -> None:
    course = drive(run(metric(count="abc")), {"m": [S]})
    assert (course.status.phase, len(course.measured_at["m"])) == (S, 1)


def invalid(**fields: Any) -> str:
    refused = look(run(metric(**fields))).status
    assert refused.phase is E
    return refused.message.removeprefix("Analysis spec invalid: metrics[0]: ")


def test_several_measurements_need_an_interval() -> None:
    assert invalid(count=2) == "interval must be specified when count > 1"


def test_a_count_below_the_limits_is_refused() -> None:
    text = "count (1) must be >= failureLimit + consecutiveSuccessLimit (2 + 0) if both >= 0"
    assert invalid(count=1, failureLimit=2) == text


def test_a_metric_that_can_neither_fail_nor_succeed_is_refused() -> None:
    assert invalid(failureLimit=-1) == "failureLimit and consecutiveSuccessLimit cannot both be disabled"
    assert invalid(failureLimit=-2) == "failureLimit must be >= 0, or -1 to be disabled"


def phase_of(result_: Any, terminate: bool = False, **fields: Any) -> AnalysisPhase:
    return assess([metric(**fields)], status(result_), terminate, NOBODY).results[0].phase


def test_one_failure_more_than_the_limit_fails_and_as_many_do_not() -> None:
    three = result(last=F, failed=3, count=3)
    assert phase_of(three, failureLimit=2, interval="1s") is F
    assert phase_of(three, failureLimit=3, interval="1s") is R
    assert phase_of(three, terminate=True, failureLimit=3, interval="1s") is S


def test_enough_successes_in_a_row_end_it_before_its_count() -> None:
    three = result(consecutive_success=3, successful=3, count=3)
    assert phase_of(three, consecutiveSuccessLimit=3, failureLimit=-1, count=9, interval="1s") is S


def test_too_few_successes_in_a_row_at_the_count_fail_and_count_as_successful() -> None:
    spec = metric(consecutiveSuccessLimit=5, failureLimit=-1, count=7, interval="1s")
    verdict = assess([spec], status(result(count=7, failed=4, successful=3, consecutive_success=3)), False, NOBODY)
    assert (verdict.phase, verdict.message) == (F, "")
    assert verdict.run_summary == RunSummary(count=1, successful=1)


def test_too_few_successes_in_a_row_within_the_failure_limit_are_inconclusive() -> None:
    ten = result(count=10, failed=4, successful=6, consecutive_success=3)
    assert phase_of(ten, consecutiveSuccessLimit=4, failureLimit=4, count=10, interval="1s") is I


def test_successes_in_a_row_do_not_make_up_for_too_many_failures() -> None:
    four = result(last=S, failed=2, successful=2, consecutive_success=2, count=4)
    assert phase_of(four, consecutiveSuccessLimit=2, failureLimit=1, count=10, interval="1s") is F


def test_the_fifth_error_in_a_row_is_one_too_many_and_four_are_forgiven_at_the_end() -> None:
    assert phase_of(result(last=E, error=5, consecutive_error=5)) is E
    assert phase_of(result(last=E, error=4, consecutive_error=4), terminate=True) is S


def test_a_success_ends_the_errors_in_a_row_and_is_counted() -> None:
    kept = drive(run(metric()), {"m": [E, S]}).status.metric_results[0]
    assert (kept.consecutive_error, kept.error, kept.count) == (0, 1, 1)


@pytest.mark.parametrize("interval", ["5m", "2s"])
def test_after_an_error_the_interval_does_not_count(interval: str) -> None:
    course = drive(run(metric(interval=interval, count=2)), {"m": [E, S]}, until=timedelta(minutes=1))
    assert course.measured_at["m"][1] - NOON == timedelta(seconds=10)


def test_an_initial_delay_needs_a_run_that_has_begun() -> None:
    delayed = run(metric(initialDelay="20s"))
    assert look(delayed, 3600).tasks == ()
    begun = delayed.model_copy(update={"status": status()})
    assert [task.kind for task in look(begun, 20).tasks] == [TaskKind.START]


# ── the end of runs ──


def test_a_run_that_is_terminated_before_it_measured_is_successful() -> None:
    ended = look(run(metric(), terminate=True)).status
    assert (ended.phase, ended.message) == (S, "Run Terminated")


def test_an_endless_metric_with_a_failure_within_its_limit_ends_well() -> None:
    verdict = assess([metric(interval="1s", failureLimit=1)], status(result(last=F, failed=1)), True, NOBODY)
    assert verdict.phase is S


def test_a_failed_metric_stops_another_that_is_under_way_and_speaks_for_the_run() -> None:
    def answer(task: Any, number: int) -> AnalysisPhase:
        return F if task.name == "a" else I if task.kind is TaskKind.TERMINATE else R

    course = drive(run(metric("a"), metric("b")), answer)
    assert [each.measurements[-1].phase for each in course.status.metric_results] == [F, I]
    assert (course.status.phase, course.status.message) == (
        F,
        'Metric "a" assessed Failed due to failed (1) > failureLimit (0)',
    )


def test_of_two_that_fail_together_the_first_in_the_spec_speaks() -> None:
    course = drive(run(metric("a"), metric("b")), {"a": [F], "b": [F]})
    assert course.status.message.startswith('Metric "a"')


def test_an_error_outweighs_what_is_inconclusive() -> None:
    course = drive(run(metric("a"), metric("b")), {"a": [I], "b": [E, E, E, E, E]})
    assert course.status.phase is I, "the inconclusive one ends the run before the errors are too many"
    both = status(result("a", last=I, inconclusive=1, count=1), result("b", last=E, consecutive_error=5))
    assert assess([metric("a"), metric("b")], both, False, NOBODY).phase is E


def test_what_a_metric_says_is_quoted_by_the_run() -> None:
    verdict = assess([metric()], status(result(last=F, failed=1, said="too slow")), False, NOBODY)
    assert verdict.message.endswith(': "Error Message: too slow"')


def test_metrics_on_trial_cannot_fail_a_run() -> None:
    course = drive(run(metric(), dryRun=[{"metricName": "m"}]), {"m": [F]})
    assert course.status.phase is S
    assert course.status.dry_run_summary == RunSummary(count=1, failed=1)
    told = "Metric assessed Failed due to failed (1) > failureLimit (0)"
    assert course.status.metric_results[0].message == told


def test_a_metric_on_trial_without_end_keeps_the_run_going() -> None:
    trial = run(metric("a"), metric("b", interval="1m"), dryRun=[{"metricName": "b"}])
    course = drive(trial, {"a": [S], "b": [S]}, until=timedelta(minutes=10))
    assert (course.ended, course.status.phase) == (False, R)


@pytest.mark.parametrize(("rule", "trial"), [(".*", True), ("rate", True), ("^rate", None), ("*", None)])
def test_rules_for_metrics_on_trial_are_searched_for_in_names(rule: str, trial: bool | None) -> None:
    ended = drive(run(metric("error-rate"), dryRun=[{"metricName": rule}]), {"error-rate": [S]}).status
    if trial is None:
        assert ended.message == "Analysis spec invalid: dryRun[0]: Rule didn't match any metric name(s)"
    else:
        assert [each.dry_run for each in ended.metric_results] == [True]


def test_measurements_beyond_the_retention_are_forgotten_and_stay_counted() -> None:
    rules = [{"metricName": "^a$", "limit": 2}]
    specs = [metric(name, count=12, interval="1s") for name in ("a", "b")]
    kept = drive(run(*specs, measurementRetention=rules), {"a": [S], "b": [S]}).status.metric_results
    assert [(len(each.measurements), each.count) for each in kept] == [(2, 12), (10, 12)]


# ── arguments ──


def test_the_last_of_two_unknown_arguments_is_named_and_of_two_metrics_the_first_also_on_trial() -> None:
    one = metric("a", interval="{{args.early}}", successCondition="{{args.late}}")
    other = metric("b", interval="{{args.other}}")
    refused = look(run(one, other, dryRun=[{"metricName": ".*"}])).status
    assert refused.phase is E
    assert refused.message.endswith("failed to resolve {{args.late}}")


@pytest.mark.parametrize("value", ['a "quoted" one', "two\nlines", "a\ttab"])
def test_quotes_and_line_breaks_of_an_argument_arrive_as_they_are(value: str) -> None:
    (filled,) = fill_metrics([metric(provider={"web": {"url": "{{args.x}}"}})], {"x": value})
    assert filled.provider.web is not None
    assert filled.provider.web.url == value


def test_a_field_of_an_object_is_no_value_for_a_run() -> None:
    field = {"name": "x", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
    refused = look(run(metric(), args=[field])).status
    assert (refused.phase, refused.message) == (E, 'Unable to resolve metric arguments: argument "x" was not supplied')


def test_a_spec_that_is_invalid_leaves_no_time_for_a_ttl_to_count_from() -> None:
    refused = look(run(metric(count=2))).status
    assert (refused.phase, refused.completed_at) == (E, None)
    kept = run(metric(count=2), status=refused, ttlStrategy={"secondsAfterCompletion": 0})
    assert not look(kept, 10**6).delete


@pytest.mark.parametrize(("seconds", "deleted"), [(86_400, False), (86_401, True)])
def test_a_successful_run_is_deleted_a_second_after_its_ttl(seconds: int, deleted: bool) -> None:
    ended = run(metric(), status=status(phase=S, completed_at=NOON), ttlStrategy={"secondsAfterSuccess": 86_400})
    assert look(ended, seconds).delete is deleted


def test_a_ttl_beyond_all_time_keeps_a_run() -> None:
    ended = run(metric(), status=status(phase=S, completed_at=NOON), ttlStrategy={"secondsAfterCompletion": 10**15})
    assert not look(ended, 10**6).delete


def test_a_ttl_for_failures_is_none_for_the_inconclusive() -> None:
    ended = run(metric(), status=status(phase=I, completed_at=NOON), ttlStrategy={"secondsAfterFailure": 1})
    assert not look(ended, 10**6).delete


def test_a_run_that_is_over_is_left_as_it_is() -> None:
    ended = run(metric(interval="1s"), status=status(result(count=1), phase=S))
    assert look(ended, 10**6) == Assessment(ended.status)


def test_five_attempts_of_a_provider_that_fails_take_forty_seconds() -> None:
    course = drive(run(metric()), {"m": [E]})
    assert course.measured_at["m"][-1] - NOON == timedelta(seconds=40)
    assert course.status.metric_results[0].count == 0
    assert "consecutiveErrors (5) > consecutiveErrorLimit (4)" in course.status.message


def test_all_failed_within_the_limit_is_a_success_at_the_count() -> None:
    course = drive(run(metric(count=3, failureLimit=3, interval="1s")), {"m": [F]})
    assert course.status.phase is S
    course = drive(run(metric(count=3, inconclusiveLimit=3, interval="1s")), {"m": [I]})
    assert course.status.phase is S


def test_the_last_measurement_of_a_terminated_kayenta_stays_open_and_the_run_ends() -> None:
    going = run(metric(), status=status(result(last=R)), terminate=True)
    course = drive(going, lambda task, number: R)
    assert course.status.phase is S
    assert course.status.metric_results[0].phase is R
    assert measured(R).finished_at is None
