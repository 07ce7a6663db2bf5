"""The web provider over real HTTP."""

from typing import Any

import pytest
from aiohttp import web

from analysis.api import Metric
from tests.analysis.runs import E, F, S, metric
from tests.analysis.served import always, never, serving, taken

DOCUMENT = '{"ok": true, "count": "17", "n": 3, "rate": 0.5, "none": null, "list": [{"x": 1}, {"x": 2}], "big": 1e21}'


def asking(url: str, condition: str = "", **fields: Any) -> Metric:
    return metric(successCondition=condition, provider={"web": {"url": url} | fields})


@pytest.mark.parametrize(
    ("path", "condition", "value"),
    [
        ("{$.ok}", "result", "true"),
        ("{$.count}", "asInt(result) == 17", '"17"'),
        ("{$.n}", "result == 3", "3"),
        ("{$.rate}", "result < 1", "0.5"),
        ("{$.none}", "", "null"),
        ("{$.list[*].x}", "result == 1", "1"),
        ("{$.list}", "len(result) == 2", '[{"x":1},{"x":2}]'),
        ("{$.big}", "result > 1", "1e+21"),
        ("{$.n}{$.ok}", "result == 3", "3"),
        ("$.n", "result == '$.n'", '"$.n"'),
        ("", "result.n == 3 && result.list[1].x == 2", ""),
    ],
)
async def test_the_path_finds_the_result(path: str, condition: str, value: str) -> None:
    async with serving(always(DOCUMENT)) as server:
        measurement, _ = await taken(asking(server.url, condition, jsonPath=path))
    assert (measurement.phase, measurement.message) == (S, "")
    assert measurement.value == (
        value or '{"big":1e+21,"count":"17","list":[{"x":1},{"x":2}],"n":3,"none":null,"ok":true,"rate":0.5}'
    )


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("{$.x}", "Could not find JSONPath in body: x is not found"),
        ("{$.none.x}", "Could not find JSONPath in body: x is not found"),
        ("{$.list[5]}", "Could not find JSONPath in body: array index out of bounds: index 5, length 2"),
        ("{$.list[0:0]}", "result of web metric produced no value"),
        ("{$.n", "unclosed action"),
        ("{$.list[rate]}", "invalid array index rate"),
    ],
)
async def test_a_path_that_finds_nothing_is_an_error(path: str, message: str) -> None:
    async with serving(always(DOCUMENT)) as server:
        measurement, _ = await taken(asking(server.url, "true", jsonPath=path))
    assert (measurement.phase, measurement.message, measurement.value) == (E, message, "")


@pytest.mark.parametrize(
    ("text", "status", "condition", "value"),
    [
        ("It worked!", 200, "result == 'It worked!'", "It worked!"),
        ("", 204, "result == ''", ""),
        ("nearly {json", 201, "result contains 'json'", "nearly {json"),
        ("null", 200, "isNil(result)", "null"),
    ],
)
async def test_an_answer_that_is_not_json_is_the_result_itself(
    text: str, status: int, condition: str, value: str
) -> None:
    async with serving(always(text, status, "text/plain")) as server:
        measurement, _ = await taken(asking(server.url, condition, jsonPath="{$}" if text == "null" else "{$.ignored}"))
    assert (measurement.phase, measurement.value) == (S, value)


@pytest.mark.parametrize("status", [300, 400, 404, 500, 503])
async def test_other_codes_are_errors(status: int) -> None:
    async with serving(always("{}", status)) as server:
        measurement, _ = await taken(asking(server.url))
    assert (measurement.phase, measurement.message) == (E, f"received non 2xx response code: {status}")


async def test_redirects_are_followed() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        if request.path == "/old":
            raise web.HTTPFound("/new")
        return web.Response(text='{"path": "new"}')

    async with serving(answer) as server:
        measurement, _ = await taken(asking(f"{server.url}/old", "result.path == 'new'"))
    assert measurement.phase is S


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"method": "POST", "body": "a", "jsonBody": {"a": 1}},
            "use either Body or JSONBody; both cannot exists for WebMetric payload",
        ),
        ({"body": "a"}, "Body/JSONBody can only be used with POST or PUT WebMetric Method types"),
        (
            {"method": "GET", "jsonBody": {"a": 1}},
            "Body/JSONBody can only be used with POST or PUT WebMetric Method types",
        ),
    ],
)
async def test_contradicting_bodies_are_errors(fields: Any, message: str) -> None:
    measurement, _ = await taken(asking("http://127.0.0.1:9", **fields))
    assert (measurement.phase, measurement.message) == (E, message)


async def test_bodies_and_headers_are_sent() -> None:
    headers = [{"key": "X-Key", "value": "v"}, {"key": "Host", "value": "elsewhere"}]
    async with serving(always("{}")) as server:
        await taken(asking(server.url, method="POST", jsonBody={"b": [1, "x"], "a": None}, headers=headers))
        await taken(asking(server.url, method="PUT", body="plain <text>"))
    first, second = server.asked
    assert (first.method, first.body) == ("POST", '{"a":null,"b":[1,"x"]}')
    assert first.headers["Content-Type"] == "application/json"
    assert first.headers["X-Key"] == "v"
    assert first.headers["Host"] in server.url
    assert (second.method, second.body) == ("PUT", "plain <text>")
    assert "Content-Type" not in second.headers


async def test_an_unknown_scheme_is_an_error() -> None:
    measurement, _ = await taken(asking("ftp://x/y"))
    assert (measurement.phase, measurement.message) == (E, 'Get "ftp://x/y": unsupported protocol scheme "ftp"')


async def test_a_slow_server_is_an_error() -> None:
    async with serving(never) as server:
        measurement, _ = await taken(asking(server.url, timeoutSeconds=1))
    assert (measurement.phase, measurement.message) == (E, f'Get "{server.url}": context deadline exceeded')


async def test_a_refused_token_is_an_error() -> None:
    async with serving(always('{"error":"invalid_client"}', 401)) as server:
        oauth = {"tokenUrl": f"{server.url}/token", "clientId": "i", "clientSecret": "s"}
        measurement, _ = await taken(asking(server.url, authentication={"oauth2": oauth}))
    assert measurement.phase is E
    assert "oauth2: cannot fetch token: 401 Unauthorized" in measurement.message


async def test_a_giant_answer_is_refused() -> None:
    async with serving(always("x" * (16 * 1024 * 1024 + 1), content_type="text/plain")) as server:
        measurement, _ = await taken(asking(server.url))
    assert measurement.phase is E
    assert measurement.message == f'Get "{server.url}": the answer is larger than 16777216 bytes'


async def test_a_failing_condition_keeps_the_value() -> None:
    async with serving(always('{"a": 1}')) as server:
        measurement, _ = await taken(asking(server.url, "result.a == 2"))
    assert (measurement.phase, measurement.value) == (F, '{"a":1}')
