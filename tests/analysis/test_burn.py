"""An error budget, by an annotation or by a ServiceLevelObjective: through the engine and the real provider."""

import json
from datetime import timedelta
from random import Random
from typing import Any

import pytest

from analysis.api import AnalysisRun, Measurement
from analysis.asked import BURN_RATE, fault
from analysis.asked.burn import BurnRate, burnt, watch
from analysis.asked.lack import AskedError
from analysis.asked.promtime import parse_span, span_text
from analysis.asked.pyrra import objective_of
from analysis.measure import resolve
from analysis.providers.base import ObjectiveError
from analysis.sequential import Counts
from tests.analysis.pods import ALL, BAD, CANARY, Scraped, led, pod, run_of
from tests.analysis.runs import E, F, I, R, S, metric
from tests.analysis.served import KnownSecrets

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
ENTRY: dict[str, Any] = {
    "objective": 99.9,
    "window": "30d",
    "all": ALL,
    "bad": BAD,
    "canary": CANARY,
    "atLeast": 100,
    "longestWait": "10m",
}
NAMED = {"slo": "api", "canary": CANARY, "atLeast": 100, "longestWait": "10m"}


def burning(entry: dict[str, Any] | None = None, **fields: Any) -> AnalysisRun:
    return run_of(BURN_RATE, ENTRY if entry is None else entry, **fields)


def asked(**entry: Any) -> BurnRate:
    return BurnRate.model_validate(ENTRY | entry)


def served(share: float, a_minute: float = 300, minutes: float = 60) -> Scraped:
    return Scraped([pod(Random(7), a_minute, share, minutes) for _ in range(2)])


def last(run: AnalysisRun) -> Measurement:
    return run.status.metric_results[0].measurements[-1]


class Known:
    """ServiceLevelObjectives by name."""

    def __init__(self, **specs: Any) -> None:
        self.specs = specs

    async def get(self, namespace: str, name: str) -> dict[str, Any]:
        """The objective."""
        assert namespace == "ns"
        if name not in self.specs:
            raise ObjectiveError(f'servicelevelobjectives.pyrra.dev "{name}" not found')
        return {"metadata": {"name": name}, "spec": self.specs[name]}


def slo(**fields: Any) -> dict[str, Any]:
    ratio = {"errors": {"metric": BAD}, "total": {"metric": ALL}}
    return {"target": "99.9", "window": "4w", "indicator": {"ratio": ratio}} | fields


# ── the annotation ──


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        ({"objective": None}, "an objective (in percent) and its window are needed"),
        ({"window": None}, "an objective (in percent) and its window are needed"),
        ({"objective": 0.999}, "an objective of 0.999: it is in percent"),
        ({"objective": 100}, "an objective of 100: it is in percent"),
        ({"window": "30"}, "window: Value error, '30' is no duration"),
        ({"window": 30}, 'window: Value error, a duration such as "30d" is wanted'),
        ({"slo": "api"}, "slo names an objective that says objective itself"),
        ({"bad": None}, "one of bad"),
        ({"canary": None}, "canary is missing"),
        ({"atLeast": None}, "atLeast is missing"),
        ({"atLeast": 69}, "atLeast 69: among so few one bad request would abort; 70 or more are needed"),
        ({"stable": CANARY}, "stable: Extra inputs are not permitted"),
    ],
)
def test_what_is_no_objective_is_refused(entry: dict[str, Any], text: str) -> None:
    given = {key: value for key, value in (ENTRY | entry).items() if value is not None}
    assert text in fault({BURN_RATE: json.dumps({"m": given})}, [metric()])


def test_an_objective_may_be_a_name_alone() -> None:
    assert fault({BURN_RATE: json.dumps({"m": NAMED})}, [metric()]) == ""


@pytest.mark.parametrize(
    ("text", "span"),
    [("30d", timedelta(days=30)), ("4w", timedelta(days=28)), ("1h30m", 90 * MINUTE), ("5m", 5 * MINUTE)],
)
def test_windows_are_spelled_as_prometheus_spells_them(text: str, span: timedelta) -> None:
    assert parse_span(text) == span
    assert parse_span(span_text(span)) == span


@pytest.mark.parametrize("text", ["", "0d", "d", "1d1w", "-1d", "1.5d", "1 d"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no duration"):
        parse_span(text)


# ── which windows count ──


def test_the_fastest_alert_counts_at_once_and_others_when_their_window_has_passed() -> None:
    ages = (timedelta(0), HOUR, 6 * HOUR, timedelta(days=3))
    assert [len(watch(asked(), age).alerts) for age in ages] == [1, 1, 2, 3]


def test_no_window_reaches_back_before_the_run() -> None:
    reach = watch(asked(), 20 * MINUTE).reach
    assert reach == {5 * MINUTE: 5 * MINUTE, HOUR: 20 * MINUTE}


@pytest.mark.parametrize(
    ("short", "long", "phase"),
    [
        ((1000, 20), (10000, 200), F),  # 20 times as fast, in both
        ((1000, 1), (10000, 200), S),  # it is over
        ((1000, 20), (10000, 20), S),  # a blip
        ((10, 9), (10000, 200), None),  # nobody knows whether it is over
        ((10, 9), (10000, 20), S),  # slow within the hour, whatever the last minutes are
        ((0, 0), (0, 0), None),
    ],
)
def test_both_windows_have_to_burn(short: tuple[int, int], long: tuple[int, int], phase: Any) -> None:
    counts = {5 * MINUTE: Counts(*short), HOUR: Counts(*long)}
    found = burnt(asked(), watch(asked(), HOUR), counts)
    assert found.phase is phase
    assert (found.lack is None) == (phase is not None)


@pytest.mark.parametrize("worse", range(0, 1001, 125))
def test_more_bad_requests_never_turn_a_bad_verdict_good(worse: int) -> None:
    of = watch(asked(), HOUR)
    order = [S, F]
    found = [
        burnt(asked(), of, {5 * MINUTE: Counts(1000, bad), HOUR: Counts(1000, bad)}).phase for bad in (worse, 1000)
    ]
    assert order.index(found[0]) <= order.index(found[1])  # type: ignore[arg-type]  # both are known


# ── verdicts ──


async def test_a_canary_that_burns_the_budget_is_aborted_and_the_message_says_how_fast() -> None:
    run = await led(burning(successCondition="result[0] < 0.05"), served(0.03), 30)
    assert run.status.phase is F
    assert last(run).message == (
        "canary 4.2 % bad of 288 requests within 1m: burns the error budget of 99.9 % over 30d 41.7 times as fast as "
        "it may (14.4 times would abort)"
    )


async def test_a_canary_within_its_budget_passes() -> None:
    run = await led(burning(count=20), served(0.0005), 60)
    assert run.status.phase is S
    assert last(run).metadata["samples"].isdecimal()


async def test_a_failure_is_forgiven_as_often_as_the_metric_says() -> None:
    run = await led(burning(failureLimit=3), served(0.03), 30)
    assert (run.status.phase, run.status.metric_results[0].failed) == (F, 4)


async def test_too_few_requests_are_no_verdict() -> None:
    run = await led(burning(), served(0.03, a_minute=2), 30)
    assert run.status.phase is I
    assert "requests of the canary within " in last(run).message


async def test_no_traffic_is_no_verdict() -> None:
    run = await led(burning(), Scraped([]), 5)
    assert (last(run).phase, last(run).message) == (R, "waiting for evidence: the canary had no requests")


async def test_requests_above_a_bucket_burn_a_budget_too() -> None:
    scraped = served(0.2)
    scraped.slow = True
    entry = {**ENTRY, "within": BAD, "objective": 99}
    del entry["bad"]
    run = await led(burning(entry), scraped, 30)
    assert run.status.phase is F
    assert " % too slow of " in last(run).message


async def test_a_bucket_that_is_not_there_is_an_error() -> None:
    scraped = served(1.0)
    scraped.slow = True
    entry = {**ENTRY, "within": BAD}
    del entry["bad"]
    run = await led(burning(entry), scraped, 30)
    assert run.status.phase is E
    assert "within finds no series, all does" in run.status.message


# ── Pyrra ──


async def test_an_objective_of_pyrra_is_judged_by() -> None:
    scraped = served(0.03)
    run = await led(burning(NAMED), scraped, 30, objectives=Known(api=slo()))
    assert run.status.phase is F
    assert "the error budget of 99.9 % over 28d" in last(run).message
    assert any('requests_total{app="api",track="canary"}' in query for query in scraped.queries)


def test_a_latency_objective_counts_what_is_within_the_bucket() -> None:
    latency = {"success": {"metric": 'b_bucket{le="0.5"}'}, "total": {"metric": "b_count"}}
    found = objective_of(BurnRate.model_validate(NAMED), {"spec": slo(indicator={"latency": latency}, target="95")})
    assert (found.all, found.within, found.slow, found.objective) == ("b_count", 'b_bucket{le="0.5"}', True, 95)


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        (slo(target="100"), "target '100' is no percentage"),
        (slo(target="high"), "could not convert"),
        (slo(window="soon"), "'soon' is no duration"),
        (slo(indicator={}), "one of the indicators ratio and latency is needed, not none"),
        (slo(indicator={"bool_gauge": {"metric": "up"}}), "bool_gauge: a gauge counts no requests"),
        (slo(indicator={"latencyNative": {"latency": "1s"}}), "latencyNative: native histograms have no buckets"),
        (
            slo(indicator={"ratio": {"errors": {"metric": "sum(x)"}, "total": {"metric": "x"}}}),
            "indicator errors: a selector",
        ),
        (
            slo(indicator={"ratio": {"errors": {"metric": BAD}, "total": {"metric": ALL}, "grouping": ["handler"]}}),
            "it promises something to each handler (grouping)",
        ),
        ({}, "target None is no percentage"),
        (
            slo(target="99.99"),
            "it promises 99.99 %; atLeast 100: among so few one bad request would abort; 695 or more",
        ),
    ],
)
def test_an_objective_that_cannot_be_judged_by_is_refused(spec: Any, text: str) -> None:
    with pytest.raises(AskedError, match="ServiceLevelObjective 'api': ") as error:
        objective_of(BurnRate.model_validate(NAMED), {"spec": spec})
    assert text in str(error.value)


@pytest.mark.parametrize(
    ("objectives", "text"),
    [
        (Known(), 'servicelevelobjectives.pyrra.dev "api" not found'),
        (None, "there is no cluster to read the ServiceLevelObjective 'api' from"),
        (Known(api=slo(target="")), "target '' is no percentage"),
    ],
)
async def test_an_objective_that_is_not_to_be_had_ends_the_run(objectives: Known | None, text: str) -> None:
    resolved = await resolve(burning(NAMED), KnownSecrets(), objectives)
    assert resolved.error.startswith("Unable to judge by an objective: ")
    assert text in resolved.error
