"""Graphite over real HTTP: answers of its render API."""

import json
from datetime import timedelta
from typing import Any

import pytest

from analysis.api import Metric
from tests.analysis.runs import E, F, S, metric
from tests.analysis.served import Handler, always, never, serving, taken


def asking(address: str, condition: str = "", query: str = "target=stats.requests&from=-5min") -> Metric:
    return metric(successCondition=condition, provider={"graphite": {"address": address, "query": query}})


def target(*values: Any) -> dict[str, Any]:
    return {"target": "t", "tags": {}, "datapoints": [[value, 1.0] for value in values]}


@pytest.mark.parametrize(
    ("targets", "condition", "value"),
    [
        ([target(100)], "result[0] == 100", "[100.000000]"),
        ([target(1.5, None, "2.25"), target(9)], "len(result) == 2 && result[1] == 2.25", "[1.500000,2.250000]"),
        ([target(None, None)], "len(result) == 0", "[]"),
    ],
)
async def test_the_first_targets_values_are_the_result(targets: Any, condition: str, value: str) -> None:
    async with serving(always(json.dumps(targets))) as server:
        measurement, _ = await taken(asking(server.url, condition))
    assert (measurement.phase, measurement.message, measurement.value) == (S, "", value)


async def test_the_query_is_sent_as_it_is_but_for_spaces() -> None:
    query = "target=summarize(\n  asPercent(sumSeries(a.*),\n sumSeries(b.*)), '5min')\n&from=-5min"
    async with serving(always(json.dumps([target(1)]))) as server:
        await taken(asking(f"{server.url}/graphite/", query=query))
    (asked,) = server.asked
    assert (asked.method, asked.path) == ("GET", "/graphite/render")
    wanted = "summarize(asPercent(sumSeries(a.*),sumSeries(b.*)),'5min')"
    assert asked.query == {"target": wanted, "from": "-5min", "format": "json"}


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (always("foo", 400), "error response: foo"),
        (always("down", 503), "error response: down"),
        (always("[]"), "no values found"),
        (always(json.dumps([target()])), "no values found"),
        (always('{"an": "object"}'), "no values found"),
        (always(json.dumps([target("many")])), "the value 'many' of a datapoint is not a number"),
        (always("<html>"), "could not parse the answer as JSON: Expecting value: line 1 column 1 (char 0)"),
    ],
)
async def test_refusals_garbage_and_nothing_are_errors(answer: Handler, message: str) -> None:
    async with serving(answer) as server:
        measurement, _ = await taken(asking(server.url, "true"))
    assert (measurement.phase, measurement.message) == (E, message)


async def test_nulls_only_are_an_error_only_where_the_condition_needs_a_number() -> None:
    async with serving(always(json.dumps([target(None)]))) as server:
        measurement, _ = await taken(asking(server.url, "result[0] < 1"))
    assert measurement.phase is E
    assert measurement.message.endswith("metric result is nil or empty: no data returned from the metric provider")
    assert measurement.value == "[]"


@pytest.mark.parametrize("address", ["", "graphite:80", "/path", "http://[broken"])
async def test_an_address_that_is_none_is_an_error(address: str) -> None:
    measurement, _ = await taken(asking(address))
    assert (measurement.phase, measurement.message) == (E, f"Graphite address {address} is not a valid URL")


async def test_a_failed_condition_keeps_the_value() -> None:
    async with serving(always(json.dumps([target(5)]))) as server:
        measurement, _ = await taken(asking(server.url, "result[0] < 1"))
    assert (measurement.phase, measurement.value) == (F, "[5.000000]")


async def test_a_server_that_is_slow_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("analysis.providers.graphite.TIMEOUT", timedelta(seconds=0.2))
    async with serving(never) as server:
        measurement, _ = await taken(asking(server.url))
    assert measurement.phase is E
    assert measurement.message.endswith("context deadline exceeded")
