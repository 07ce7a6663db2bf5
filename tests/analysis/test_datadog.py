"""Datadog over real HTTP, as its API reference describes it."""

import json
from typing import Any

import pytest

from analysis.api import Metric
from tests.analysis.runs import NOON, E, F, S, metric
from tests.analysis.served import Handler, KnownSecrets, Server, always, moved, never, serving, taken

UNTIL = int(NOON.timestamp())
KEYS = {"api-key": b"api-123", "app-key": b"app-456"}


def asking(condition: str = "", **fields: Any) -> Metric:
    return metric(successCondition=condition, provider={"datadog": {"query": "avg:errors{*}"} | fields})


def known(server: Server, name: str = "datadog", namespace: str = "argo-rollouts", **more: bytes) -> KnownSecrets:
    return KnownSecrets({(namespace, name): {**KEYS, "address": server.url.encode(), **more}})


def point(*points: Any) -> str:
    return json.dumps({"status": "ok", "series": [{"metric": "errors", "pointlist": list(points)}]})


def scalar(*columns: Any, errors: str = "") -> str:
    data: dict[str, Any] = {"type": "scalar_response", "attributes": {"columns": list(columns)}}
    return json.dumps({"data": data | ({"errors": errors} if errors else {})})


def number(*values: float | None) -> dict[str, Any]:
    return {"name": "a", "type": "number", "values": list(values), "meta": {"unit": None}}


def group(name: str, *values: list[str]) -> dict[str, Any]:
    return {"name": name, "type": "group", "values": list(values)}


# ── v1 ──


@pytest.mark.parametrize(
    ("answer", "condition", "value"),
    [
        (point([1, 3.0], [2, 0.006121374442409322]), "result < 0.05", "0.006121374442409322"),
        (point([1, 1e21]), "result > 1", "1000000000000000000000"),
        (point([1, 3.0], [2, None]), "result == 0", "0"),
        ('{"series": []}', "default(result, 0) < 0.05", "[]"),
        ('{"status": "ok"}', "isNil(result)", "null"),
        (point(), "isNil(result)", '[{"pointlist":[]}]'),
    ],
)
async def test_v1_takes_the_last_point_of_the_first_series(answer: str, condition: str, value: str) -> None:
    async with serving(always(answer)) as server:
        measurement, _ = await taken(asking(condition, interval="10m"), known(server))
    assert (measurement.phase, measurement.message, measurement.value) == (S, "", value)
    (asked,) = server.asked
    assert (asked.method, asked.path) == ("GET", "/api/v1/query")
    assert asked.query == {"query": "avg:errors{*}", "from": str(UNTIL - 600), "to": str(UNTIL)}
    assert (asked.headers["DD-API-KEY"], asked.headers["DD-APPLICATION-KEY"]) == ("api-123", "app-456")
    assert asked.headers["Content-Type"] == "application/json"


async def test_v1_without_data_and_without_a_default_is_an_error() -> None:
    async with serving(always('{"series": []}')) as server:
        measurement, _ = await taken(asking("result < 0.05"), known(server))
    assert measurement.phase is E
    assert measurement.message.endswith("metric result is nil or empty: no data returned from the metric provider")


# ── v2 ──


@pytest.mark.parametrize(
    ("columns", "condition", "value"),
    [
        ([number(0.0006)], "result < 0.001", "0.0006"),
        ([{"values": [2.5]}], "result == 2.5", "2.5"),
        ([number(None)], "default(result, 0) == 0", ""),
        ([], "isNil(result)", "[]"),
        ([group("env", ["prod"]), number(0.087)], "all(result, # < 0.1)", "[0.087]"),
        ([group("env", ["a"], ["b"], ["c"]), number(1, None, 3)], "len(result) == 2 && result[1] == 3", "[1,3]"),
        ([group("env"), number()], "len(result) == 0", "[]"),
    ],
)
async def test_v2_takes_the_first_numbers(columns: Any, condition: str, value: str) -> None:
    async with serving(always(scalar(*columns))) as server:
        measurement, _ = await taken(asking(condition, apiVersion="v2"), known(server))
    assert (measurement.phase, measurement.message) == (S, "")
    assert measurement.value == (value or '[{"meta":{"unit":null},"name":"a","type":"number","values":[null]}]')


async def test_v2_sends_its_queries_and_the_formula() -> None:
    queries = {"b": "sum:hits{*}", "a": "sum:errors{*}"}
    async with serving(always(scalar(number(1)))) as server:
        spec = asking(query="", queries=queries, formula="a / b", apiVersion="v2", aggregator="sum")
        measurement, _ = await taken(spec, known(server))
        await taken(asking(apiVersion="v2"), known(server))
    assert measurement.phase is S
    first, second = server.asked
    assert (first.method, first.path) == ("POST", "/api/v2/query/scalar")
    wanted = [
        {"aggregator": "sum", "data_source": "metrics", "name": name, "query": queries[name]} for name in ("a", "b")
    ]
    window = {"from": (UNTIL - 300) * 1000, "to": UNTIL * 1000}
    assert json.loads(first.body) == {
        "data": {
            "type": "scalar_request",
            "attributes": window | {"queries": wanted, "formulas": [{"formula": "a / b"}]},
        }
    }
    only = {"aggregator": "last", "data_source": "metrics", "name": "query", "query": "avg:errors{*}"}
    assert json.loads(second.body)["data"]["attributes"] == window | {"queries": [only], "formulas": []}


async def test_v2_names_the_groups() -> None:
    columns = [group("env", ["prod"], ["dev"]), group("host", ["h1", "h2"], []), number(0.5, 1)]
    async with serving(always(scalar(*columns))) as server:
        measurement, _ = await taken(asking(apiVersion="v2"), known(server))
    assert measurement.metadata == {"groups": '[{"name":"prod,h1,h2","value":0.5},{"name":"dev","value":1}]'}


async def test_v2_names_the_lowest_and_the_highest_of_many_groups_and_judges_all() -> None:
    columns = [group("pod", *([f"p{n}"] for n in range(101))), number(*(float(n) for n in range(101)))]
    async with serving(always(scalar(*columns))) as server:
        measurement, _ = await taken(asking("len(result) == 101", apiVersion="v2"), known(server))
    groups = json.loads(measurement.metadata["groups"])
    assert measurement.phase is S
    assert [each["value"] for each in groups] == [*range(50), *range(51, 101)]
    assert measurement.metadata["groups_truncated"] == "true"


async def test_v2_says_what_was_wrong_with_the_query() -> None:
    async with serving(always(scalar(errors="unknown metric"))) as server:
        measurement, _ = await taken(asking(apiVersion="v2"), known(server))
    assert (measurement.phase, measurement.message) == (E, "There were errors in your query: unknown metric")


# ── refusals ──


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (always('{"errors":["Forbidden"]}', 403), 'received authentication error response code: 403 {"errors":["For'),
        (always("no", 401), "received authentication error response code: 401 no"),
        (always("later", 429), "received non 2xx response code: 429 later"),
        (always("broken", 500), "received non 2xx response code: 500 broken"),
        (always("odd", 201), "received non 2xx response code: 201 odd"),
        (always("<html>"), "could not parse the answer as JSON: "),
        (moved("http://127.0.0.1:9/"), "received non 2xx response code: 302 "),
    ],
)
async def test_refusals_and_garbage_are_errors(version: str, answer: Handler, message: str) -> None:
    async with serving(answer) as server:
        measurement, _ = await taken(asking(apiVersion=version), known(server))
    assert measurement.phase is E
    assert measurement.message.startswith(message)


async def test_a_point_that_is_no_pair_is_an_error() -> None:
    async with serving(always(point([1]))) as server:
        measurement, _ = await taken(asking(), known(server))
    assert (measurement.phase, measurement.message) == (E, "Datapoint does not have 2 values")


async def test_the_timeout_is_the_metrics() -> None:
    async with serving(never) as server:
        measurement, _ = await taken(asking(requestTimeout="200ms"), known(server))
    assert measurement.phase is E
    assert measurement.message.endswith("context deadline exceeded")


async def test_keys_are_in_no_text() -> None:
    async with serving(always("bad key api-123 for app-456", 403)) as server:
        measurement, _ = await taken(asking(), known(server))
    assert measurement.message == "received authentication error response code: 403 bad key ***** for *****"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"query": ""}, "Must have either a query or queries"),
        ({"queries": {"a": "b"}, "apiVersion": "v2"}, "Cannot have both a query and queries"),
        ({"query": "", "queries": {"a": "b"}}, "Query is empty. API Version v1 only supports"),
        ({"formula": "a", "apiVersion": "v2"}, "Formula are only valid when queries are set"),
        (
            {"query": "", "queries": {"a": "x", "b": "y"}, "apiVersion": "v2"},
            "When multiple queries are provided you must include a formula",
        ),
        ({"aggregator": "sum"}, "Aggregator is not supported in v1"),
        ({"requestTimeout": "soon"}, "Could not parse the request timeout"),
        ({"requestTimeout": "0s"}, "Request timeout must be a positive duration"),
        ({"interval": "week"}, 'time: invalid duration "week"'),
    ],
)
async def test_what_contradicts_itself_is_an_error(fields: Any, message: str) -> None:
    async with serving(always("{}")) as server:
        measurement, _ = await taken(asking(**fields), known(server))
    assert measurement.phase is E
    assert measurement.message.startswith(message)
    assert server.asked == []


# ── credentials ──


async def test_the_secret_that_the_metric_names_comes_first() -> None:
    async with serving(always(point([1, 1]))) as server:
        secrets = KnownSecrets(
            known(server, "own", "ns").data | known(server, "own", "argo-rollouts", **{"api-key": b"shared"}).data
        )
        environ = {"DD_API_KEY": "e", "DD_APP_KEY": "e", "DD_ADDRESS": "http://127.0.0.1:9"}
        for namespaced in (True, False):
            spec = asking(secretRef={"name": "own", "namespaced": namespaced})
            assert (await taken(spec, secrets, environ))[0].phase is S
    assert [asked.headers["DD-API-KEY"] for asked in server.asked] == ["api-123", "shared"]


async def test_the_environment_comes_next_when_it_is_complete() -> None:
    async with serving(always(point([1, 1]))) as server:
        environ = {"DD_API_KEY": "e1", "DD_APP_KEY": "e2", "DD_ADDRESS": server.url}
        await taken(asking(), known(server), environ)
        await taken(asking(), known(server), environ | {"DD_APP_KEY": ""})
    assert [asked.headers["DD-API-KEY"] for asked in server.asked] == ["e1", "api-123"]


@pytest.mark.parametrize(
    ("fields", "secrets", "message"),
    [
        ({}, {}, "failed to find the credentials for datadog metrics provider"),
        ({}, {("ns", "datadog"): KEYS}, "failed to find the credentials for datadog metrics provider"),
        (
            {},
            {("argo-rollouts", "datadog"): {"api-key": b"x"}},
            "failed to find the credentials for datadog metrics provider",
        ),
        ({"secretRef": {"namespaced": True}}, {}, "secret name is required for namespaced credentials"),
        (
            {"secretRef": {"name": "s", "namespaced": True}},
            {("argo-rollouts", "s"): KEYS},
            'secrets "s" not found',
        ),
        ({"secretRef": {"name": "s"}}, {("ns", "s"): KEYS}, 'secrets "s" not found'),
        ({"query": ""}, {}, "failed to find the credentials for datadog metrics provider"),
    ],
)
async def test_without_credentials_nothing_is_asked(fields: Any, secrets: Any, message: str) -> None:
    measurement, _ = await taken(asking(**fields), KnownSecrets(secrets))
    assert measurement.phase is E
    assert measurement.message.startswith(message)


async def test_a_failed_condition_keeps_the_value() -> None:
    async with serving(always(point([1, 0.5]))) as server:
        measurement, _ = await taken(asking("result < 0.05"), known(server))
    assert (measurement.phase, measurement.value) == (F, "0.5")
