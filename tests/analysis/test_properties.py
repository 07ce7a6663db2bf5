"""Laws of the engine, over made-up runs."""

from datetime import timedelta
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.api import AnalysisPhase, Metric
from analysis.arguments import resolve_metrics
from analysis.decide import decide
from analysis.limits import ERROR_RETRY, initial_delay, interval
from analysis.validate import invalid_metrics
from tests.analysis.runs import NOON, E, F, I, S, drive, metric, run

PHASES = st.lists(st.sampled_from((S, F, E, I)), min_size=1, max_size=12)


@st.composite
def metrics(draw: st.DrawFn, name: str) -> Metric:
    count = draw(st.integers(1, 8))
    limit = st.integers(0, count)
    fields = {
        "count": draw(st.sampled_from((count, str(count)))),
        "interval": draw(st.sampled_from(("1s", "0s", "30s", "2m"))),
        "initialDelay": draw(st.sampled_from(("", "5s", "1m"))),
        "failureLimit": draw(limit),
        "inconclusiveLimit": draw(limit),
        "consecutiveErrorLimit": draw(st.integers(0, 5)),
        "consecutiveSuccessLimit": draw(st.sampled_from((0, 0, 1, 2))),
    }
    return metric(name, **fields)


@settings(max_examples=200, deadline=None)
@given(metrics("a"), metrics("b"), PHASES, PHASES)
def test_a_run_with_counts_always_ends_and_never_measures_early(
    first: Metric, second: Metric, for_first: list[AnalysisPhase], for_second: list[AnalysisPhase]
) -> None:
    answers = {"a": for_first, "b": for_second}
    course = drive(run(first, second), answers, until=timedelta(days=1))
    if invalid_metrics((first, second)):
        assert course.status.phase is E
        assert course.measured_at == {}
        return
    assert course.ended
    for one in (first, second):
        times = course.measured_at.get(one.name, [])
        assert all(at >= NOON + initial_delay(one) for at in times)
        for number, (before, after) in enumerate(pairwise(times)):
            phases = answers[one.name]
            erred = phases[min(number, len(phases) - 1)] is E
            assert after - before >= (ERROR_RETRY if erred else interval(one))


@settings(max_examples=100, deadline=None)
@given(metrics("a"), PHASES, st.integers(0, 300))
def test_a_run_that_is_told_to_stop_ends_at_once(one: Metric, phases: list[AnalysisPhase], second: int) -> None:
    stop = NOON + timedelta(seconds=second)
    course = drive(run(one), {"a": phases}, until=timedelta(days=1), terminate_at=stop)
    assert course.ended
    assert course.status.completed_at is None or course.status.completed_at <= stop


@settings(max_examples=100, deadline=None)
@given(metrics("a"), PHASES, st.integers(1, 5))
def test_between_now_and_the_next_look_nothing_is_due(one: Metric, phases: list[AnalysisPhase], passes: int) -> None:
    going = run(one)
    if invalid_metrics((one,)):
        return
    course = drive(going, {"a": phases}, until=timedelta(seconds=passes))
    if course.ended:
        return
    resolved = resolve_metrics(course.run.spec.metrics, (), {})
    now = NOON + timedelta(seconds=passes + 1)
    assessment = decide(course.run, resolved, now)
    if assessment.tasks or assessment.wake_at is None:
        return
    just_before = assessment.wake_at - timedelta(seconds=1)
    if just_before > now:
        assert decide(course.run, resolved, just_before).tasks == ()
    assert decide(course.run, resolved, assessment.wake_at).tasks != ()


@settings(max_examples=60, deadline=None)
@given(metrics("a"), PHASES)
def test_counters_add_up(one: Metric, phases: list[AnalysisPhase]) -> None:
    course = drive(run(one), {"a": phases}, until=timedelta(days=1))
    for kept in course.status.metric_results:
        assert kept.successful + kept.failed + kept.inconclusive == kept.count
        assert kept.count + kept.error == len(course.measured_at["a"])
        assert len(kept.measurements) <= 10
