"""SkyWalking over real HTTP: answers of its GraphQL API."""

import json
from datetime import timedelta

import pytest

from analysis.api import Metric
from tests.analysis.runs import NOON, E, S, metric
from tests.analysis.served import Handler, always, serving, taken

QUERY = "query queryData($duration: Duration!) { service_apdex: getLinearIntValues(duration: $duration) }"
DATA = {"service_apdex": {"values": {"values": [{"value": 9900}]}}}


def asking(address: str, condition: str = "", interval: str = "5m") -> Metric:
    provider = {"skywalking": {"address": address, "query": QUERY, "interval": interval}}
    return metric(successCondition=condition, provider=provider)


async def test_the_data_are_the_result() -> None:
    async with serving(always(json.dumps({"data": DATA}))) as server:
        condition = "all(result.service_apdex.values.values, {asFloat(.value) >= 9900})"
        measurement, _ = await taken(asking(f"{server.url}/", condition))
    assert (measurement.phase, measurement.message) == (S, "")
    assert measurement.value == '{"service_apdex":{"values":{"values":[{"value":9900}]}}}'
    (asked,) = server.asked
    assert (asked.method, asked.path) == ("POST", "/graphql")
    until = NOON.astimezone()
    start, end = ((until - age).strftime("%Y-%m-%d %H%M") for age in (timedelta(minutes=5), timedelta()))
    duration = {"start": start, "end": end, "step": "MINUTE"}
    assert json.loads(asked.body) == {"query": QUERY, "variables": {"duration": duration}}


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (always('{"data": null}'), "no results returned from SkyWalking query"),
        (always("{}"), "no results returned from SkyWalking query"),
        (always('{"errors": [{"message": "bad field"}, {"message": "x"}], "data": {}}'), "graphql: bad field"),
        (always("down", 503), "graphql: server returned a non-200 status code: 503"),
        (always("<html>"), "could not parse the answer as JSON: Expecting value: line 1 column 1 (char 0)"),
    ],
)
async def test_refusals_garbage_and_nothing_are_errors(answer: Handler, message: str) -> None:
    async with serving(answer) as server:
        measurement, _ = await taken(asking(server.url, "true"))
    assert (measurement.phase, measurement.message) == (E, message)


async def test_the_interval_must_be_given() -> None:
    measurement, _ = await taken(asking("http://127.0.0.1:9", interval=""))
    assert (measurement.phase, measurement.message) == (E, 'time: invalid duration ""')


async def test_a_server_that_is_down_is_an_error() -> None:
    measurement, _ = await taken(asking("http://127.0.0.1:9"))
    assert measurement.phase is E
    assert measurement.message.endswith("connect: connection refused")
