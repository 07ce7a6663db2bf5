"""Canary against stable by an annotation: through the engine and the real provider, over pods that are scraped."""

import json
from datetime import timedelta
from random import Random
from typing import Any

import pytest

from analysis.api import AnalysisRun, Measurement, MetricResult
from analysis.asked import COMPARE, fault, read
from analysis.asked.comparison import STATE, Compare, certain, read_back
from analysis.limits import failure_limit
from analysis.measure import resolve
from tests.analysis.pods import ALL, BAD, CANARY, STABLE, Pod, Scraped, led, pod, run_of
from tests.analysis.runs import NOON, E, F, I, R, S, metric
from tests.analysis.served import KnownSecrets

ENTRY: dict[str, Any] = {
    "all": ALL,
    "bad": BAD,
    "canary": CANARY,
    "stable": STABLE,
    "atLeast": 100,
    "longestWait": "10m",
}


def compared(entry: dict[str, Any] | None = None, **fields: Any) -> AnalysisRun:
    return run_of(COMPARE, ENTRY | (entry or {}), **fields)


def served(seed: int, canary: float, stable: float = 0.005, *, a_minute: float = 300, minutes: float = 60) -> Scraped:
    """One pod of the canary, three of stable, each with so many requests, and their shares of bad ones."""
    chance = Random(seed)
    pods = [pod(chance, a_minute, share, minutes) for share in (canary, stable, stable, stable)]
    return Scraped(pods[:1], pods[1:])


def result(run: AnalysisRun) -> MetricResult:
    return run.status.metric_results[0]


def last(run: AnalysisRun) -> Measurement:
    return result(run).measurements[-1]


def totals(run: AnalysisRun) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(last(run).metadata[STATE])
    return {side: found[side] for side in ("canary", "stable")}


# ── the annotation ──


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        ({"all": ""}, "all is missing"),
        ({"bad": ""}, "one of bad (bad requests) and within"),
        ({"within": 'b{le="1"}'}, "one of bad (bad requests) and within"),
        ({"bad": ALL}, "all and bad are the same"),
        ({"all": "sum(requests_total)"}, "all: a selector of one counter is wanted"),
        ({"bad": "rate(requests_total[1m])"}, "bad: a selector of one counter is wanted"),
        ({"canary": ""}, "canary is missing"),
        ({"stable": ""}, "stable is missing"),
        ({"canary": "canary"}, "canary: labels as in a selector are wanted"),
        ({"stable": CANARY}, "canary and stable are the same labels"),
        ({"atLeast": None}, "atLeast is missing"),
        ({"longestWait": None}, "longestWait is missing"),
        ({"alpha": 0}, "alpha: Input should be greater than 0"),
        ({"alpha": 1}, "alpha: Input should be less than 1"),
        ({"tolerated": 0.5}, "tolerated: Input should be greater than or equal to 1"),
        ({"nan": "fail"}, "nan: Extra inputs are not permitted"),
        ({"delay": "soon"}, "delay: Value error"),
    ],
)
def test_what_cannot_be_compared_is_refused(entry: dict[str, Any], text: str) -> None:
    asked = {key: value for key, value in (ENTRY | entry).items() if value is not None}
    assert text in fault({COMPARE: json.dumps({"m": asked})}, [metric()])


def test_one_metric_is_judged_in_one_way() -> None:
    annotations = {COMPARE: json.dumps({"m": ENTRY}), "analysis.rollouts.dev/evidence": '{"m": {"nan": "fail"}}'}
    assert "another annotation judges it already" in fault(annotations, [metric()])


def test_only_prometheus_is_asked() -> None:
    web = metric(provider={"web": {"url": "http://x"}})
    assert "can be counted by Prometheus only" in fault({COMPARE: json.dumps({"m": ENTRY})}, [web])


@pytest.mark.parametrize(("given", "expected"), [(None, 0), (3, 0), ("3", 0), (0, 0), (-1, -1)])
def test_its_verdict_stands_whatever_number_of_failures_is_forgiven(given: Any, expected: int) -> None:
    spec = metric(failureLimit=given, successCondition="result[0] < 0.05")
    judging = read({COMPARE: json.dumps({"m": ENTRY})}, [spec])["m"].judging(spec)
    assert (failure_limit(judging), judging.success_condition) == (expected, "")


@pytest.mark.parametrize(
    ("p_value", "text"),
    [
        (1.0, "0 %"),
        (0.6321, "36 %"),
        (0.0099, "99 %"),
        (0.003, "99.7 %"),
        (0.00012, "99.988 %"),
        (1e-9, "over 99.99 %"),
    ],
)
def test_a_certainty_never_says_more_than_is_known(p_value: float, text: str) -> None:
    assert certain(p_value) == text


# ── verdicts ──


async def test_a_canary_with_six_times_the_errors_is_aborted_with_both_shares_in_the_message() -> None:
    run = await led(compared(failureLimit=3, successCondition="result[0] < 0.05"), served(1, 0.03), 30)
    assert (run.status.phase, result(run).failed) == (F, 1)
    said = last(run).message
    assert said == "canary 4.8 % bad of 250 requests, stable 0.15 % of 665: worse with certainty 99.998 %"
    assert (
        run.status.message
        == f'Metric "m" assessed Failed due to failed (1) > failureLimit (0): "Error Message: {said}"'
    )
    assert run.status.completed_at is not None
    assert run.status.completed_at - NOON <= timedelta(minutes=10)


async def test_a_canary_like_stable_passes() -> None:
    run = await led(compared(count=20), served(2, 0.005), 60)
    assert (run.status.phase, result(run).successful) == (S, 20)
    assert ": not worse (certainty " in last(run).message
    assert ", 99 % would abort)" in last(run).message


async def test_the_first_look_waits_until_there_is_something_to_compare() -> None:
    run = await led(compared(), served(2, 0.005), 0)
    assert last(run).message.startswith(
        "waiting for evidence: nothing new to compare: canary had no requests and stable"
    )
    assert (last(run).phase, last(run).resume_at, result(run).count) == (R, NOON + timedelta(minutes=1), 0)


async def test_too_few_requests_are_waited_for_and_a_person_is_asked_in_the_end() -> None:
    scraped = served(3, 0.005, a_minute=2)
    run = await led(compared(), scraped, 5)
    assert "of at least 100 requests of the canary; so far canary" in last(run).message
    assert (last(run).phase, result(run).count) == (R, 0)
    run = await led(compared(), scraped, 30)
    assert (run.status.phase, last(run).message.split(":")[0]) == (I, "waited 600s for evidence")


async def test_a_canary_that_is_far_worse_is_seen_at_few_requests_too() -> None:
    run = await led(compared(), served(4, 0.9, a_minute=5), 30)
    assert run.status.phase is F
    assert totals(run)["canary"][1] < 100


async def test_without_traffic_at_stable_nothing_is_compared_and_a_person_is_asked() -> None:
    scraped = served(5, 0.03)
    scraped.pods["stable"] = []
    run = await led(compared(), scraped, 30)
    assert run.status.phase is I
    assert last(run).message.startswith(
        "waited 600s for evidence: nothing new to compare: stable had no requests; so far"
    )


async def test_stable_that_loses_its_traffic_keeps_what_was_compared() -> None:
    scraped = served(6, 0.005)
    for one in scraped.pods["stable"]:
        one.ends = 600
    run = await led(compared({"noData": "inconclusive"}, inconclusiveLimit=100), scraped, 15)
    assert (last(run).phase, result(run).successful, result(run).inconclusive) == (I, 11, 5)
    assert "stable had no requests; so far canary 0." in last(run).message


async def test_a_tolerated_ratio_forgives_as_much() -> None:
    assert (await led(compared({"tolerated": 10}), served(1, 0.03), 30)).status.phase is R
    run = await led(compared({"tolerated": 2}), served(1, 0.08), 30)
    assert ": more than 2 times as bad with certainty over 99.99 %" in last(run).message


async def test_requests_above_a_bucket_are_too_slow() -> None:
    scraped = served(7, 0.2)
    scraped.slow = True
    run = await led(compared({"bad": "", "within": BAD}), scraped, 30)
    assert run.status.phase is F
    assert " % too slow of " in last(run).message


# ── what is counted ──


async def test_no_request_is_counted_twice_and_none_is_lost() -> None:
    scraped = served(8, 0.005)
    run = await led(compared(count=10), scraped, 60)
    until = json.loads(last(run).metadata[STATE])["until"] - NOON.timestamp()
    for side, pods in scraped.pods.items():
        bad, all_ = (sum(list(one.samples(kind(one), 0, until))[-1][1] for one in pods) for kind in (_bad, _all))
        assert totals(run)[side] == [bad, all_]


def _bad(one: Pod) -> list[float]:
    return one.bad


def _all(one: Pod) -> list[float]:
    return one.all


async def test_requests_before_the_run_do_not_count() -> None:
    scraped = served(9, 0.005)
    late = NOON - timedelta(minutes=30)
    for pods in scraped.pods.values():
        for one in pods:
            one.all, one.bad = ([at - 1800 for at in moments] for moments in (one.all, one.bad))
            one.scraped_at -= 1800
    run = await led(compared(count=5), scraped, 30)
    assert late < NOON
    assert totals(run)["canary"][1] < 300 * 7


async def test_pods_that_restart_lose_at_most_what_was_not_scraped() -> None:
    scraped, chance = served(10, 0.005), Random(10)
    for pods in scraped.pods.values():
        for one in pods:
            one.restarts = sorted(chance.uniform(0, 3600) for _ in range(30))
    run = await led(compared(count=30), scraped, 60)
    assert run.status.phase is S
    bad, all_ = totals(run)["canary"]
    assert 0.7 < all_ / (300 * 30) < 1
    assert bad <= all_ * 0.02


async def test_prometheus_that_is_down_for_a_while_costs_nothing_but_time() -> None:
    scraped = served(8, 0.005)
    whole = await led(compared(count=10), scraped, 60)
    scraped.down = [(130, 170)]
    run = await led(compared(count=10, measurementRetention=[]), scraped, 60)
    assert result(run).error > 0
    found = [one.metadata[STATE] for one in result(run).measurements]
    assert len(found) == len(result(run).measurements)
    assert abs(totals(run)["canary"][1] - totals(whole)["canary"][1]) < 300


async def test_what_it_remembers_is_small_and_is_read_back() -> None:
    run = await led(compared(), served(8, 0.005), 30)
    text = last(run).metadata[STATE]
    asked = Compare.model_validate(ENTRY)
    assert len(text) < 300
    assert read_back(asked, text) is not None
    assert json.loads(text)["until"] == (NOON + timedelta(minutes=29, seconds=50)).timestamp()


@pytest.mark.parametrize("text", ["", "x", "[]", "{}", '{"until":1}', "*****"])
def test_a_memory_that_cannot_be_read_is_none(text: str) -> None:
    assert read_back(Compare.model_validate(ENTRY), text) is None


async def test_a_memory_that_is_lost_is_counted_again_from_the_beginning_of_the_run() -> None:
    def forgetful(run: AnalysisRun) -> AnalysisRun:
        wire = run.wire()
        for found in wire["status"].get("metricResults", ()):
            for measurement in found["measurements"]:
                measurement.pop("metadata", None)
        return AnalysisRun.model_validate(wire)

    kept = await led(compared(count=10), served(8, 0.005), 60)
    lost = await led(compared(count=10), served(8, 0.005), 60, between=forgetful)
    assert totals(lost)["stable"] == totals(kept)["stable"]
    assert lost.status.phase is S


@pytest.mark.parametrize("interval", ["20s", "150s", "10m"])
async def test_the_interval_changes_neither_the_counts_nor_the_verdict(interval: str) -> None:
    for seed, share in ((11, 0.005), (12, 0.03)):
        often = await led(compared(interval="1m"), served(seed, share), 20)
        other = await led(compared(interval=interval, initialDelay="1s"), served(seed, share), 20)
        assert other.status.phase is often.status.phase
        if often.status.phase is R:
            before, after = (json.loads(last(one).metadata[STATE]) for one in (often, other))
            assert abs(before["until"] - after["until"]) <= 600
            assert after["peak"] == pytest.approx(before["peak"], abs=0.3)


# ── what is wrong with the counters ──


async def test_bad_requests_that_are_no_part_of_all_are_an_error() -> None:
    scraped = served(1, 0.03)
    for one in scraped.pods["canary"]:
        one.bad = [at + 0.001 * n for at in one.all for n in range(2)]
    run = await led(compared(), scraped, 30)
    assert run.status.phase is E
    assert "canary: bad counts " in last(run).message
    assert "it has to be part of all" in last(run).message


async def test_a_bucket_that_is_not_there_is_an_error() -> None:
    scraped = served(1, 1.0)
    scraped.slow = True
    run = await led(compared({"bad": "", "within": BAD}), scraped, 30)
    assert run.status.phase is E
    assert "canary: within finds no series, all does: is there such a bucket (le)?" in run.status.message


async def test_a_counter_of_something_else_than_requests_is_an_error() -> None:
    scraped = served(1, 0.0)
    for one in scraped.pods["canary"]:
        one.weight = 10**9
    run = await led(compared(), scraped, 30)
    assert "that is no counter of requests" in run.status.message


async def test_selectors_take_arguments_and_hide_secrets() -> None:
    entry = {"canary": 'track="{{args.track}}"', "stable": 'track="stable",tenant="{{args.tenant}}"'}
    secret = {"name": "tenant", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}
    run = compared(entry, args=[{"name": "track", "value": "canary"}, secret])
    scraped = served(2, 0.005)
    run = await led(run, scraped, 2, secrets=KnownSecrets({("ns", "s"): {"k": b"hush"}}))
    assert any('app="api",track="stable",tenant="hush"}' in query for query in scraped.queries)
    assert result(run).metadata["canary all"] == 'requests_total{app="api",track="canary"}'
    assert result(run).metadata["stable all"] == 'requests_total{app="api",track="stable",tenant="*****"}'


async def test_labels_that_an_argument_makes_invalid_are_an_error() -> None:
    run = compared({"canary": "{{args.labels}}"}, args=[{"name": "labels", "value": "canary"}])
    assert (await resolve(run, KnownSecrets())).error == ""
    run = await led(run, served(1, 0.03), 1)
    assert (last(run).phase, last(run).message) == (E, "'canary' are no label matchers")
