"""Prometheus over real HTTP: what it answers, and how it fails."""

import json
from typing import Any

import pytest
from aiohttp import web

from analysis.api import Metric
from tests.analysis.runs import NOON, E, F, I, S, metric
from tests.analysis.served import Handler, always, never, serving, taken


def success(kind: str, result: Any, **more: Any) -> str:
    return json.dumps({"status": "success", "data": {"resultType": kind, "result": result}} | more)


def vector(*values: str) -> str:
    return success("vector", [{"metric": {"pod": str(n)}, "value": [1.5, value]} for n, value in enumerate(values)])


def asking(url: str, success: str = "", failure: str = "", **prometheus: Any) -> Metric:
    provider = {"prometheus": {"address": url, "query": 'up{job="a b"}'} | prometheus}
    return metric(successCondition=success, failureCondition=failure, provider=provider)


@pytest.mark.parametrize(
    ("answer", "condition", "phase", "value"),
    [
        (success("scalar", [1, "10"]), "result == 10", S, "10"),
        (vector("10", "11"), "result[1] == 11", S, "[10,11]"),
        (vector("0.2"), "result[0] > 0.5", F, "[0.2]"),
        (vector(), "len(result) == 0 || result[0] < 1", S, "[]"),
        (success("scalar", [1, "NaN"]), "isNaN(result)", S, "NaN"),
        (success("scalar", [1, "+Inf"]), "isInf(result)", S, "+Inf"),
        (vector("NaN"), "result[0] >= 0.9", F, "[NaN]"),
        (success("scalar", [1, "1e30"]), "result > 1", S, "1000000000000000000000000000000"),
        (success("scalar", [1, "0.0000001"]), "result < 1", S, "0.0000001"),
        (
            success("matrix", [{"metric": {}, "values": [[1, "1"], [2, "2"]]}, {"metric": {}, "values": [[1, "3"]]}]),
            "sum(result) == 6",
            S,
            "[1,2,3]",
        ),
    ],
)
async def test_answers_become_results(answer: str, condition: str, phase: str, value: str) -> None:
    async with serving(always(answer)) as server:
        measurement, metadata = await taken(asking(server.url, condition))
    assert (measurement.phase, measurement.value, measurement.message) == (phase, value, "")
    assert (measurement.started_at, measurement.finished_at) == (NOON, NOON)
    assert metadata == {"ResolvedPrometheusQuery": 'up{job="a b"}'}
    (asked,) = server.asked
    assert (asked.method, asked.path) == ("POST", "/api/v1/query")
    assert asked.form == {"query": 'up{job="a b"}', "time": str(int(NOON.timestamp()))}


async def test_nan_meets_neither_of_two_conditions() -> None:
    async with serving(always(success("scalar", [1, "NaN"]))) as server:
        measurement, _ = await taken(asking(server.url, "result >= 0.9", "result < 0.9"))
    assert measurement.phase is I


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (always("", 500), "server_error: server error: 500"),
        (always("unavailable", 503), "server_error: server error: 503"),
        (always("", 404), "client_error: client error: 404"),
        (
            always('{"status":"error","errorType":"bad_data","error":"parse error"}', 400),
            "bad_data: parse error",
        ),
        (always('{"status":"error","errorType":"execution","error":"too many"}', 422), "execution: too many"),
        (always("<html>garbage"), "bad_response: the answer is not JSON: Expecting value: line 1 column 1 (char 0)"),
        (always(""), "bad_response: the answer is not JSON: Expecting value: line 1 column 1 (char 0)"),
        (always('{"status":"error","errorType":"x","error":"y"}'), "bad_response: inconsistent body for response code"),
        (always(success("string", [1, "x"])), 'unmarshalerDecoder: unexpected value type "string"'),
        (always(vector("many")), 'unmarshalerDecoder: strconv.ParseFloat: parsing "many": invalid syntax'),
        (always(success("vector", [{"value": 3}])), "unmarshalerDecoder: a vector of unexpected shape"),
        (always(success("vector", "x")), "unmarshalerDecoder: a vector of unexpected shape"),
        (always("[1]"), "bad_response: the answer is not a JSON object"),
        (always('{"status":"success"}'), 'unmarshalerDecoder: unexpected value type "<none>"'),
    ],
)
async def test_refusals_and_garbage_are_errors(answer: Handler, message: str) -> None:
    async with serving(answer) as server:
        measurement, metadata = await taken(asking(server.url, "result > 1"))
    assert (measurement.phase, measurement.message, measurement.value) == (E, message, "")
    assert measurement.finished_at == NOON
    assert "ResolvedPrometheusQuery" in metadata


async def test_an_empty_vector_without_a_guard_is_an_error() -> None:
    async with serving(always(vector())) as server:
        measurement, _ = await taken(asking(server.url, "result[0] >= 0.95"))
    assert measurement.phase is E
    assert measurement.message.endswith("metric result is nil or empty: no data returned from the metric provider")


async def test_a_server_that_is_down_is_an_error() -> None:
    async with serving(always()) as server:
        gone = server.url
    measurement, _ = await taken(asking(gone, "result > 1"))
    host = gone.removeprefix("http://")
    assert measurement.phase is E
    assert measurement.message == f'Post "{gone}/api/v1/query": dial tcp {host}: connect: connection refused'


async def test_a_server_that_is_slow_is_an_error() -> None:
    async with serving(never) as server:
        measurement, _ = await taken(asking(server.url, "result > 1", timeout=0))
    assert measurement.phase is E
    assert measurement.message == f'Post "{server.url}/api/v1/query": context deadline exceeded'


@pytest.mark.parametrize("status", [405, 501])
async def test_a_server_that_takes_no_post_is_asked_by_get(status: int) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(text=vector("1"), status=200 if request.method == "GET" else status)

    async with serving(answer) as server:
        measurement, _ = await taken(asking(server.url, "result[0] == 1"))
    assert measurement.phase is S
    assert [asked.method for asked in server.asked] == ["POST", "GET"]
    assert server.asked[1].query["query"] == 'up{job="a b"}'


async def test_warnings_are_kept() -> None:
    answer = success("scalar", [1, "1"], warnings=["w1", "w2"])
    async with serving(always(answer)) as server:
        measurement, _ = await taken(asking(server.url))
    assert measurement.metadata == {"warnings": '"w1", "w2"'}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"address": ""}, "prometheus address is not configured"),
        ({"address": "prometheus:9090"}, "prometheus address is not is url format"),
        ({"address": ":invalid::url"}, "prometheus address is not is url format"),
        ({"timeout": -20}, "prometheus timeout should not be negative"),
        (
            {"authentication": {"basicAuth": {"password": "p"}}},
            "missing mandatory parameter in metric for basic auth setup: username",
        ),
        (
            {"authentication": {"basicAuth": {"username": "u"}}},
            "missing mandatory parameter in metric for basic auth setup: password",
        ),
        (
            {"authentication": {"oauth2": {"tokenUrl": "http://t"}}},
            "missing mandatory parameter in metric for OAuth2 setup",
        ),
    ],
)
async def test_a_provider_that_cannot_be_built_is_an_error_without_metadata(fields: Any, message: str) -> None:
    measurement, metadata = await taken(asking("http://p", "result > 1", **fields))
    assert (measurement.phase, measurement.message) == (E, message)
    assert (measurement.started_at, measurement.finished_at) == (NOON, NOON)
    assert metadata == {}


async def test_the_address_may_come_from_the_environment_and_have_a_path() -> None:
    async with serving(always(vector("1"))) as server:
        environ = {"ARGO_ROLLOUTS_PROMETHEUS_ADDRESS": f"{server.url}/prom/"}
        measurement, _ = await taken(asking(""), environ=environ)
    assert measurement.phase is S
    assert server.asked[0].path == "/prom/api/v1/query"


async def test_basic_auth_and_headers_are_sent() -> None:
    authentication = {"basicAuth": {"username": "u", "password": "p"}}
    headers = [{"key": "X-Scope-OrgID", "value": "tenant"}]
    async with serving(always(vector("1"))) as server:
        await taken(asking(server.url, authentication=authentication, headers=headers))
        headers.append({"key": "authorization", "value": "own"})
        await taken(asking(server.url, authentication=authentication, headers=headers))
    first, second = server.asked
    assert first.headers["Authorization"] == "Basic dTpw"
    assert first.headers["X-Scope-OrgID"] == "tenant"
    assert {key.lower(): value for key, value in second.headers.items()}["authorization"] == "own"


async def test_an_oauth_token_is_fetched_for_the_query() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        if request.path == "/token":
            return web.json_response({"access_token": "t0ken"})
        return web.Response(text=vector("1"))

    async with serving(answer) as server:
        oauth = {"tokenUrl": f"{server.url}/token", "clientId": "i", "clientSecret": "s", "scopes": ["a", "b"]}
        measurement, _ = await taken(asking(server.url, authentication={"oauth2": oauth}))
    assert measurement.phase is S
    token, query = server.asked
    assert token.form == {"grant_type": "client_credentials", "scope": "a b"}
    assert query.headers["Authorization"] == "Bearer t0ken"


async def test_a_range_query_has_its_window() -> None:
    window = {"start": "now() - duration('1h')", "end": "now()", "step": "1m"}
    answer = success("matrix", [{"metric": {}, "values": [[1, "1"]]}])
    async with serving(always(answer)) as server:
        measurement, _ = await taken(asking(server.url, "result[0] == 1", rangeQuery=window))
    assert measurement.phase is S
    asked = server.asked[0]
    noon = int(NOON.timestamp())
    assert asked.path == "/api/v1/query_range"
    assert (asked.form["start"], asked.form["end"], asked.form["step"]) == (str(noon - 3600), str(noon), "60")


@pytest.mark.parametrize(
    ("window", "message"),
    [
        (
            {"start": "now().Unix()", "end": "now()", "step": "1m"},
            "failed to parse rangeQuery.start as time: expected time.Time, but got int64",
        ),
        (
            {"start": "now()", "end": "then()", "step": "1m"},
            "failed to parse rangeQuery.end as time: unknown name then",
        ),
        (
            {"start": "now()", "end": "now()", "step": "x"},
            'failed to parse rangeQuery.step as duration: time: invalid duration "x"',
        ),
    ],
)
async def test_a_range_query_without_a_window_is_an_error(window: Any, message: str) -> None:
    measurement, _ = await taken(asking("http://127.0.0.1:9", rangeQuery=window))
    assert (measurement.phase, measurement.message) == (E, message)
