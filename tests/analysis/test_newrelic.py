"""New Relic over real HTTP: NerdGraph's answers."""

import json
from typing import Any

import pytest

from analysis.api import Metric
from tests.analysis.runs import E, S, metric
from tests.analysis.served import Handler, KnownSecrets, Server, always, in_turn, moved, serving, taken

QUERY = "FROM Transaction SELECT percentage(count(*), WHERE httpResponseCode != 500) as successRate"


def asking(condition: str = "", **fields: Any) -> Metric:
    return metric(successCondition=condition, provider={"newRelic": {"query": QUERY} | fields})


def known(server: Server, name: str = "newrelic", **fields: bytes) -> KnownSecrets:
    data = {"personal-api-key": b"NRAK-1", "account-id": b"42", "base-url-nerdgraph": f"{server.url}/graphql".encode()}
    return KnownSecrets({("argo-rollouts", name): data | fields})


def rows(*found: Any) -> str:
    return json.dumps({"data": {"actor": {"account": {"nrql": {"results": list(found)}}}}})


@pytest.mark.parametrize(
    ("answer", "condition", "value"),
    [
        (
            rows({"count": 10, "average.duration": 12.34}),
            "result['average.duration'] < 15.0 and result.count == 10",
            '{"average.duration":12.34,"count":10}',
        ),
        (
            rows({"facet": "a", "count": 1}, {"facet": "b", "count": 2}),
            "all(result, {.count > 0}) && len(result) == 2",
            '[{"count":1,"facet":"a"},{"count":2,"facet":"b"}]',
        ),
    ],
)
async def test_rows_become_the_result(answer: str, condition: str, value: str) -> None:
    async with serving(always(answer)) as server:
        measurement, metadata = await taken(asking(condition, timeout=7), known(server))
    assert (measurement.phase, measurement.message, measurement.value) == (S, "", value)
    assert metadata == {"ResolvedNewRelicQuery": QUERY}
    (asked,) = server.asked
    assert (asked.method, asked.path, asked.headers["Api-Key"]) == ("POST", "/graphql", "NRAK-1")
    body = json.loads(asked.body)
    assert body["variables"] == {"accountId": 42, "query": QUERY, "timeout": 7}
    assert "nrql(query: $query, timeout: $timeout)" in body["query"]


@pytest.mark.parametrize("answer", [rows(), rows({}), '{"data": {"actor": {"account": {"nrql": null}}}}', "{}"])
async def test_no_rows_are_an_error(answer: str) -> None:
    async with serving(always(answer)) as server:
        measurement, _ = await taken(asking("true"), known(server))
    assert (measurement.phase, measurement.message) == (E, "no results returned from NRQL query")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (always('{"errors": [{"message": "NRQL Syntax Error"}, {"message": "at 3"}]}'), "NRQL Syntax Error, at 3"),
        (always("NRAK-1 unknown", 401), "received non 2xx response code: 401 ***** unknown"),
        (always("broken", 503), "received non 2xx response code: 503 broken"),
        (always("<html>"), "could not parse the answer as JSON"),
        (moved("http://127.0.0.1:9/"), "received non 2xx response code: 302 "),
    ],
)
async def test_refusals_and_garbage_are_errors(answer: Handler, message: str) -> None:
    async with serving(answer) as server:
        measurement, _ = await taken(asking(), known(server))
    assert measurement.phase is E
    assert measurement.message.startswith(message)


async def test_a_server_that_fails_is_asked_three_more_times() -> None:
    down = always("broken", 502)
    async with serving(in_turn(down, down, down, always(rows({"count": 1})))) as server:
        measurement, _ = await taken(asking("result.count == 1"), known(server))
    assert measurement.phase is S
    assert len(server.asked) == 4


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"personal-api-key": b""}, "account ID or personal API key not found"),
        ({"account-id": b""}, "account ID or personal API key not found"),
        ({"account-id": b"mine"}, "the account ID is not a whole number: correct account-id in the Secret"),
        ({"base-url-nerdgraph": b"", "region": b"mars"}, "unknown region 'mars': use one of us, eu"),
    ],
)
async def test_credentials_that_are_not_complete_are_an_error(fields: Any, message: str) -> None:
    async with serving(always("{}")) as server:
        measurement, _ = await taken(asking(), known(server, **fields))
    assert (measurement.phase, measurement.message, server.asked) == (E, message, [])


async def test_the_profile_names_the_secret_which_lies_with_the_controller() -> None:
    async with serving(always(rows({"count": 1}))) as server:
        found, _ = await taken(asking(profile="eu"), known(server, "eu"))
        missing, _ = await taken(asking(), KnownSecrets({("ns", "newrelic"): {}}))
    assert found.phase is S
    assert (missing.phase, missing.message) == (E, 'secrets "newrelic" not found')


async def test_a_negative_timeout_is_an_error() -> None:
    measurement, metadata = await taken(asking(timeout=-1))
    assert (measurement.phase, measurement.message) == (E, "timeout value needs to be a positive value")
    assert metadata == {}
