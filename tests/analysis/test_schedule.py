"""When measurements are due, what is stored of them, and when a run is looked at again."""

from datetime import timedelta
from typing import Any

import pytest

from analysis.api import AnalysisPhase, AnalysisRun, RunSummary
from analysis.arguments import resolve_metrics
from analysis.decide import Assessment, Event, Task, TaskKind, decide, expires_at, record
from tests.analysis.runs import NOON, E, F, I, R, S, drive, measured, metric, result, run, status

SECOND = timedelta(seconds=1)


def look(analysis: AnalysisRun, after: timedelta = timedelta(0)) -> Assessment:
    return decide(analysis, resolve_metrics(analysis.spec.metrics, analysis.spec.args, {}), NOON + after)


def kinds(assessment: Assessment) -> list[tuple[TaskKind, str]]:
    return [(task.kind, task.name) for task in assessment.tasks]


def test_every_metric_begins_at_once() -> None:
    assert kinds(look(run(metric("a"), metric("b")))) == [(TaskKind.START, "a"), (TaskKind.START, "b")]


def test_an_initial_delay_counts_from_the_start_of_the_run() -> None:
    delayed = run(metric(initialDelay="20s"))
    first = look(delayed)
    assert first.tasks == ()
    assert (first.status.phase, first.status.started_at, first.wake_at) == (R, NOON, NOON + 20 * SECOND)
    begun = delayed.model_copy(update={"status": first.status})
    assert look(begun, 19 * SECOND).tasks == ()
    assert kinds(look(begun, 20 * SECOND)) == [(TaskKind.START, "m")]


@pytest.mark.parametrize(
    ("fields", "last", "gap"),
    [
        ({"interval": "5m"}, S, 300),
        ({"interval": "5m"}, E, 10),
        ({"interval": "2s"}, E, 10),
        ({"count": 2}, S, 10),
        ({"interval": "0s"}, S, 0),
        ({"interval": "1m30s"}, F, 90),
    ],
)
def test_the_gap_between_two_measurements(fields: dict[str, Any], last: AnalysisPhase, gap: int) -> None:
    spec = metric(failureLimit=5, **fields) if "count" not in fields else metric(**fields, interval="10s")
    going = run(
        spec, status=status(result(last=last, count=1, failed=int(last is F), consecutive_error=int(last is E)))
    )
    if gap:
        waiting = look(going, timedelta(seconds=gap - 1))
        assert waiting.tasks == ()
        assert waiting.wake_at == NOON + timedelta(seconds=gap)
    assert kinds(look(going, timedelta(seconds=gap))) == [(TaskKind.START, "m")]


def test_a_metric_that_has_reached_its_count_is_left_alone() -> None:
    done = run(
        metric("a"), metric("b", interval="1m"), status=status(result("a", phase=S, count=1), result("b", count=1))
    )
    assert kinds(look(done, timedelta(minutes=5))) == [(TaskKind.START, "b")]


def test_an_open_measurement_waits_for_its_time() -> None:
    resumed = measured(R, resume_at=NOON + 15 * SECOND)
    waiting = result(last=None).model_copy(update={"measurements": (resumed,)})
    going = run(metric(), status=status(waiting))
    assert look(going, 14 * SECOND).tasks == ()
    assert look(going).wake_at == NOON + 15 * SECOND
    assert kinds(look(going, 15 * SECOND)) == [(TaskKind.RESUME, "m")]
    stopped = run(metric(), status=status(waiting), terminate=True)
    assert kinds(look(stopped)) == [(TaskKind.TERMINATE, "m")]


def test_a_terminating_run_begins_nothing() -> None:
    assert look(run(metric(), terminate=True)).tasks == ()
    failed = status(result("a", phase=F, last=F, failed=1), result("b", count=1))
    assert look(run(metric("a"), metric("b", interval="1s"), status=failed), timedelta(hours=1)).tasks == ()


def test_a_failed_dry_run_metric_stops_nobody() -> None:
    failed = status(result("a", phase=F, last=F, failed=1, dry_run=True), result("b", count=1))
    going = run(metric("a"), metric("b", interval="1s"), status=failed, dryRun=[{"metricName": "a"}])
    assert kinds(look(going, timedelta(hours=1))) == [(TaskKind.START, "b")]


def test_terminating_before_the_first_measurement_ends_the_run() -> None:
    ended = look(run(metric(), terminate=True)).status
    assert (ended.phase, ended.message, ended.metric_results) == (S, "Run Terminated", ())
    assert ended.completed_at == NOON
    assert ended.wire()["runSummary"] == {"count": 1}


def test_a_completed_run_is_not_touched() -> None:
    ended = run(metric(), status=status(phase=S))
    assert look(ended, timedelta(days=9)) == Assessment(ended.status)


def test_a_spec_that_cannot_be_carried_out_is_an_error_without_times() -> None:
    refused = look(run(metric(count=2)))
    assert refused.status.wire() == {
        "phase": "Error",
        "message": "Analysis spec invalid: metrics[0]: interval must be specified when count > 1",
        "runSummary": {},
    }
    assert refused.events == (Event("Warning", "AnalysisRunError", "Analysis Completed. Result: Error"),)
    ttl = run(metric(), status=refused.status, ttlStrategy={"secondsAfterCompletion": 0})
    assert not look(ttl, timedelta(days=9)).delete


def test_an_argument_without_value_is_an_error() -> None:
    reference = {"name": "x", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
    refused = look(run(metric(), args=[reference])).status
    assert (refused.phase, refused.message) == (E, 'Unable to resolve metric arguments: argument "x" was not supplied')


def test_an_argument_that_nobody_declares_is_an_error_also_in_a_dry_run() -> None:
    unknown = run(metric("a"), metric("b", successCondition="{{args.x}}"), dryRun=[{"metricName": ".*"}])
    refused = look(unknown).status
    assert (refused.phase, refused.metric_results) == (E, ())
    assert refused.message == "Unable to resolve metric arguments: metric 'b': failed to resolve {{args.x}}"


def test_an_argument_error_later_keeps_what_was_measured() -> None:
    going = run(metric(), status=status(result(count=1)), args=[{"name": "x"}])
    refused = look(going).status
    assert (refused.phase, refused.completed_at) == (E, None)
    assert refused.metric_results == going.status.metric_results


@pytest.mark.parametrize(
    ("phase", "ttl", "seconds", "deleted"),
    [
        (S, {"secondsAfterSuccess": 86400}, 86400, False),
        (S, {"secondsAfterSuccess": 86400}, 86401, True),
        (S, {"secondsAfterSuccess": 60, "secondsAfterCompletion": 5}, 6, False),
        (F, {"secondsAfterFailure": 60}, 61, True),
        (F, {"secondsAfterSuccess": 60}, 10**6, False),
        (I, {"secondsAfterFailure": 60}, 10**6, False),
        (E, {"secondsAfterFailure": 60}, 10**6, False),
        (E, {"secondsAfterCompletion": 60}, 61, True),
    ],
)
def test_a_run_outlives_its_ttl(phase: AnalysisPhase, ttl: dict[str, int], seconds: int, deleted: bool) -> None:
    ended = run(metric(), status=status(phase=phase, completed_at=NOON), ttlStrategy=ttl)
    assert look(ended, timedelta(seconds=seconds)).delete is deleted
    expiry = expires_at(ended)
    assert look(ended).wake_at == expiry
    assert expiry is None or look(ended, expiry - NOON).delete


def test_one_measurement_without_interval_or_count() -> None:
    course = drive(run(metric()), {"m": [S]})
    assert course.status.phase is S
    assert len(course.measured_at["m"]) == 1
    assert [event.reason for event in course.events] == ["MetricSuccessful", "AnalysisRunSuccessful"]
    assert course.events[0].message == "Metric 'm' Completed. Result: Successful"


def test_a_count_from_an_argument() -> None:
    counted = run(metric(count="{{args.c}}", interval="1m"), args=[{"name": "c", "value": "3"}])
    course = drive(counted, {"m": [S]})
    assert course.measured_at["m"] == [NOON, NOON + timedelta(minutes=1), NOON + timedelta(minutes=2)]
    assert course.status.phase is S


def test_a_provider_that_keeps_failing_is_asked_five_times_ten_seconds_apart() -> None:
    course = drive(run(metric()), {"m": [E]})
    assert [at - NOON for at in course.measured_at["m"]] == [timedelta(seconds=10 * n) for n in range(5)]
    assert course.status.metric_results[0].count == 0
    assert course.status.message == (
        'Metric "m" assessed Error due to consecutiveErrors (5) > consecutiveErrorLimit (4): "Error Message: boom"'
    )
    assert [event.type for event in course.events] == ["Warning", "Warning"]


def test_a_success_forgets_the_errors_in_a_row() -> None:
    course = drive(run(metric(count=2, interval="1s")), {"m": [E, E, S, F]})
    kept = course.status.metric_results[0]
    assert (kept.error, kept.consecutive_error, kept.count, kept.successful, kept.failed) == (2, 0, 2, 1, 1)
    assert course.status.phase is F


def test_successes_in_a_row_end_a_metric_early() -> None:
    spec = metric(consecutiveSuccessLimit=3, failureLimit=-1, count=9, interval="1s")
    course = drive(run(spec), {"m": [S, F, S, S, S]})
    assert course.status.phase is S
    assert course.status.metric_results[0].count == 5


def test_an_endless_metric_runs_until_it_is_told_to_stop() -> None:
    course = drive(
        run(metric(interval="1m", failureLimit=1)), {"m": [S, F, S]}, terminate_at=NOON + timedelta(minutes=5)
    )
    assert (course.status.phase, course.status.message) == (S, "Run Terminated")


def test_ten_measurements_are_kept_and_all_are_counted() -> None:
    course = drive(run(metric(count=25, interval="1s")), {"m": [S]})
    kept = course.status.metric_results[0]
    assert (len(kept.measurements), kept.count) == (10, 25)
    assert kept.measurements[-1].finished_at == NOON + 24 * SECOND


def test_retention_rules_name_their_metrics() -> None:
    rules = [{"metricName": "^a", "limit": 2}, {"metricName": "b", "limit": 0}]
    specs = [metric(name, count=25, interval="1s") for name in ("a", "b", "c")]
    course = drive(run(*specs, measurementRetention=rules), {"a": [S], "b": [S], "c": [S]})
    assert [len(one.measurements) for one in course.status.metric_results] == [2, 10, 10]
    assert [(one.count, one.successful) for one in course.status.metric_results] == [(25, 25)] * 3


def test_a_failing_metric_stops_the_others() -> None:
    course = drive(run(metric("a"), metric("b", interval="1h")), {"a": [F], "b": [S]})
    assert course.ended
    assert course.status.message == 'Metric "a" assessed Failed due to failed (1) > failureLimit (0)'
    assert course.status.completed_at == NOON


def test_dry_run_metrics_are_marked_and_summed_apart() -> None:
    course = drive(run(metric("a"), metric("b"), dryRun=[{"metricName": "b"}]), {"a": [S], "b": [F]})
    assert course.status.phase is S
    assert [one.dry_run for one in course.status.metric_results] == [False, True]
    assert course.status.dry_run_summary == RunSummary(count=1, failed=1)
    assert course.status.wire()["dryRunSummary"] == {"count": 1, "failed": 1}


def test_the_status_leaves_out_what_is_zero() -> None:
    going = drive(run(metric(interval="1h")), {"m": [S]}, until=timedelta(minutes=1)).status
    assert going.wire() == {
        "phase": "Running",
        "startedAt": "2026-01-01T12:00:00Z",
        "runSummary": {"count": 1},
        "dryRunSummary": {},
        "metricResults": [
            {
                "name": "m",
                "phase": "Running",
                "count": 1,
                "successful": 1,
                "consecutiveSuccess": 1,
                "measurements": [
                    {
                        "phase": "Successful",
                        "startedAt": "2026-01-01T12:00:00Z",
                        "finishedAt": "2026-01-01T12:00:00Z",
                    }
                ],
            }
        ],
    }


def test_a_terminated_job_leaves_the_run_inconclusive() -> None:
    def answer(task: Task, number: int) -> AnalysisPhase:
        return I if task.kind is TaskKind.TERMINATE else R

    course = drive(run(metric(count=1)), answer, terminate_at=NOON)
    assert course.status.phase is S, "nothing had begun"
    begun = status(result(last=R))
    course = drive(run(metric(), status=begun, terminate=True), answer)
    assert course.status.phase is I
    assert course.status.message == 'Metric "m" assessed Inconclusive due to inconclusive (1) > inconclusiveLimit (0)'


def test_recording_into_a_completed_run_changes_nothing() -> None:
    ended = run(metric(), status=status(phase=S))
    assert record(ended, resolve_metrics(ended.spec.metrics, (), {}), (), NOON) == Assessment(ended.status)
