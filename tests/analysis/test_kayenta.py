"""Kayenta over real HTTP: a canary analysis from its beginning to its score."""

import json
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web

from analysis.api import AnalysisRun, Measurement, Metric
from analysis.decide import Task, TaskKind, decide, record
from analysis.measure import measure, resolve
from tests.analysis.runs import NOON, E, F, I, R, S, metric, run
from tests.analysis.served import Handler, Server, always, context, serving, taken

ACCOUNTS = {
    "application": "guestbook",
    "metricsAccountName": "metrics",
    "configurationAccountName": "configuration",
    "storageAccountName": "storage",
}
CONFIGS = json.dumps([{"id": "c0", "name": "other"}, {"id": "c1", "name": "my-test", "applications": ["guestbook"]}])


def asking(address: str, **fields: Any) -> Metric:
    side = {"scope": "app=guestbook", "region": "us-central1", "step": 60}
    scopes = [{"name": "default", "controlScope": side, "experimentScope": {**side, "scope": "app=canary"}}]
    kayenta = {
        "address": address,
        **ACCOUNTS,
        "canaryConfigName": "my-test",
        "threshold": {"pass": 90, "marginal": 70},
        "scopes": scopes,
    }
    return metric(
        successCondition="false", interval=fields.pop("interval", "5m"), provider={"kayenta": kayenta | fields}
    )


def kayenta(*polls: str, configs: str = CONFIGS, status: int = 200) -> Handler:
    """Answers as Kayenta does; `polls` follow each other, the last one stays."""
    left = list(polls)

    async def answer(request: web.Request) -> web.StreamResponse:
        text = '{"canaryExecutionId": "e1"}'
        if request.path == "/canaryConfig":
            text = configs
        elif request.method == "GET":
            text = left.pop(0) if len(left) > 1 else left[0]
        return web.Response(text=text, status=status)

    return answer


def done(score: Any) -> str:
    return json.dumps({"complete": True, "result": {"judgeResult": {"score": {"score": score}}}})


async def followed(analysis: AnalysisRun, kinds: str = "start resume") -> list[Measurement]:
    """What the measurement is after each of these steps."""
    found: list[Measurement] = []
    async with context(analysis) as lent:
        resolved = await resolve(analysis, lent.secrets)
        for kind in kinds.split():
            task = Task(TaskKind(kind), resolved.measured[0], "m", found[-1] if found else None)
            (one,) = await measure([task], resolved, lent)
            found.append(one.measurement)
    return found


async def test_an_analysis_is_begun_with_its_configuration_scopes_and_thresholds() -> None:
    async with serving(kayenta(done(100))) as server:
        (begun,) = await followed(run(asking(server.url)), "start")
    assert (begun.phase, begun.metadata, begun.resume_at) == (
        R,
        {"canaryExecutionId": "e1"},
        NOON + timedelta(seconds=15),
    )
    first, second = server.asked
    assert (first.method, first.path) == ("GET", "/canaryConfig")
    assert first.query == {"application": "guestbook", "configurationAccountName": "storage"}
    assert (second.method, second.path, second.query) == ("POST", "/canary/c1", ACCOUNTS)
    window = {"start": "2026-01-01T11:55:00Z", "end": "2026-01-01T12:00:00Z"}
    side = {"location": "us-central1", "step": 60, **window}
    assert json.loads(second.body) == {
        "scopes": {
            "default": {
                "controlScope": {"scope": "app=guestbook", **side},
                "experimentScope": {"scope": "app=canary", **side},
            }
        },
        "thresholds": {"pass": 90, "marginal": 70},
    }


@pytest.mark.parametrize(("score", "phase"), [(60, F), (69.9, F), (70, I), (80.5, I), (90, S), (100, S)])
async def test_the_score_is_the_verdict_whatever_the_conditions_say(score: float, phase: Any) -> None:
    async with serving(kayenta(done(score))) as server:
        _, ended = await followed(run(asking(server.url)))
    assert (ended.phase, ended.value, ended.message, ended.finished_at) == (phase, str(int(score)), "", NOON)
    assert (server.asked[-1].method, server.asked[-1].path) == ("GET", "/canary/e1")


async def test_an_analysis_that_is_not_complete_is_looked_at_again() -> None:
    async with serving(kayenta('{"complete": false}', done(100))) as server:
        _, waiting, ended = await followed(run(asking(server.url)), "start resume resume")
    assert (waiting.phase, waiting.resume_at) == (R, NOON + timedelta(seconds=15))
    assert ended.phase is S


@pytest.mark.parametrize(
    ("poll", "message"),
    [
        ("{}", "Missing Complete Status"),
        ('{"complete": "yes"}', "Missing Complete Status"),
        ('{"complete": true}', "Missing Score"),
        ('{"complete": true, "result": {"judgeResult": {"score": null}}}', "Missing Score"),
        ("<html>", "could not parse the answer as JSON: Expecting value: line 1 column 1 (char 0)"),
    ],
)
async def test_an_answer_without_a_verdict_is_an_error(poll: str, message: str) -> None:
    async with serving(kayenta(poll)) as server:
        _, ended = await followed(run(asking(server.url)))
    assert (ended.phase, ended.message) == (E, message)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (kayenta(done(1), configs="[]"), "Canary config not found"),
        (kayenta(done(1), configs="{}"), "Canary config not found"),
        (kayenta(done(1), status=500), "Invalid Response: HTTP 500"),
        (always("no", 404), "Invalid Response: HTTP 404"),
        (always("no"), "could not parse the answer as JSON: Expecting value: line 1 column 1 (char 0)"),
        (always('[{"id": "c1", "name": "my-test"}]'), "Invalid Response: no canaryExecutionId"),
    ],
)
async def test_an_analysis_that_cannot_be_begun_is_an_error(answer: Handler, message: str) -> None:
    async with serving(answer) as server:
        measurement, _ = await taken(asking(server.url))
    assert (measurement.phase, measurement.message) == (E, message)


def scoped(server: Server, control: Any, experiment: Any, **fields: Any) -> Metric:
    return asking(server.url, scopes=[{"name": "s", "controlScope": control, "experimentScope": experiment}], **fields)


async def test_a_window_may_be_given_on_both_sides_and_not_on_one() -> None:
    window = {"start": "2020-11-10T00:00:00Z", "end": "2020-11-10T00:15:00Z"}
    async with serving(kayenta(done(100))) as server:
        good, _ = await taken(scoped(server, window, window, interval=""))
        bad = [(await taken(scoped(server, {end: window[end]}, {})))[0] for end in window]
    assert good.phase is R
    sides = json.loads(server.asked[1].body)["scopes"]["s"]
    assert all(side.items() >= window.items() for side in sides.values())
    text = "scope s: start and end must be set on both of controlScope and experimentScope, or on none"
    assert [(each.phase, each.message) for each in bad] == [(E, text)] * 2


async def test_looking_back_means_from_the_start_of_the_run() -> None:
    async with serving(kayenta(done(100))) as server:
        analysis = run(asking(server.url, lookback=True))
        started = analysis.status.model_copy(update={"started_at": NOON - timedelta(hours=2)})
        await followed(analysis.model_copy(update={"status": started}), "start")
    side = json.loads(server.asked[1].body)["scopes"]["default"]["controlScope"]
    assert (side["start"], side["end"]) == ("2026-01-01T10:00:00Z", "2026-01-01T12:00:00Z")


async def test_a_window_without_a_start_and_without_an_interval_is_an_error() -> None:
    measurement, _ = await taken(asking("http://127.0.0.1:9", interval=""))
    assert measurement.phase is E
    assert measurement.message == 'a scope without a start needs the metric\'s interval: time: invalid duration ""'


async def test_a_terminated_run_ends_while_its_metric_stays_running() -> None:
    async with serving(kayenta('{"complete": false}')) as server:
        analysis = run(asking(server.url))
        async with context(analysis) as lent:
            resolved = await resolve(analysis, lent.secrets)
            begun = await measure(decide(analysis, resolved, NOON).tasks, resolved, lent)
            status = record(analysis, resolved, begun, NOON).status
            stopping = analysis.model_copy(
                update={"status": status, "spec": analysis.spec.model_copy(update={"terminate": True})}
            )
            due = decide(stopping, resolved, NOON)
            assert [task.kind for task in due.tasks] == [TaskKind.TERMINATE]
            after = record(stopping, resolved, await measure(due.tasks, resolved, lent), NOON).status
    assert (after.phase, after.message) == (S, "Run Terminated")
    assert after.metric_results[0].phase is R
    assert len(server.asked) == 2
