"""InfluxDB over real HTTP: annotated CSV as its v2 API answers."""

import json
from typing import Any

import pytest

from analysis.api import Metric
from tests.analysis.runs import E, S, metric
from tests.analysis.served import Handler, KnownSecrets, Server, always, serving, taken

HEAD = (
    "#group,false,false,true,false\r\n"
    "#datatype,string,long,string,{kind}\r\n"
    "#default,_result,,,\r\n"
    ",result,table,_field,_value\r\n"
)


def asking(condition: str = "", **fields: Any) -> Metric:
    return metric(successCondition=condition, provider={"influxdb": {"query": 'from(bucket: "b")'} | fields})


def known(server: Server, name: str = "influxdb", **fields: bytes) -> KnownSecrets:
    data = {"address": server.url.encode(), "authToken": b"token-1", "org": b"our org"}
    return KnownSecrets({("argo-rollouts", name): data | fields})


def table(kind: str, *values: str) -> str:
    return HEAD.format(kind=kind) + "".join(f",,0,f,{value}\r\n" for value in values) + "\r\n"


@pytest.mark.parametrize(
    ("answer", "condition", "value"),
    [
        (table("double", "1", "6.6"), "result[0] == 1 && result[1] > 6", "[1 6.6]"),
        (table("double", "0.5") + table("long", "7"), "result[0] + result[1] == 7.5", "[0.5 7]"),
        (table("boolean", "true", "false"), "result[0] && !result[1]", "[true false]"),
        (table("string", '"a, ""b"""', "c"), "result[0] == 'a, \"b\"'", '[a, "b" c]'),
        (table("double", "", "2"), "result[0] == nil && result[1] == 2", "[<nil> 2]"),
        (table("unsignedLong", "9"), "result[0] == 9", "[9]"),
    ],
)
async def test_the_values_of_all_tables_are_the_result(answer: str, condition: str, value: str) -> None:
    async with serving(always(answer, content_type="text/csv")) as server:
        measurement, _ = await taken(asking(condition), known(server))
    assert (measurement.phase, measurement.message, measurement.value) == (S, "", value)
    (asked,) = server.asked
    assert (asked.method, asked.path, asked.query) == ("POST", "/api/v2/query", {"org": "our org"})
    assert asked.headers["Authorization"] == "Token token-1"
    body = json.loads(asked.body)
    assert (body["query"], body["type"], body["dialect"]["header"]) == ('from(bucket: "b")', "flux", True)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (always("", content_type="text/csv"), "no results returned from flux query"),
        (always("\r\n", content_type="text/csv"), "no results returned from flux query"),
        (always('{"code":"unauthorized","message":"unauthorized access"}', 401), "unauthorized: unauthorized access"),
        (always("token-1 is bad", 500), "500: ***** is bad"),
        (
            always("#datatype,string,string\r\n,error,reference\r\n,failed to create,897\r\n", content_type="text/csv"),
            "failed to create",
        ),
        (always(table("double", "many"), content_type="text/csv"), "the value 'many' is no double"),
    ],
)
async def test_refusals_garbage_and_nothing_are_errors(answer: Handler, message: str) -> None:
    async with serving(answer) as server:
        measurement, _ = await taken(asking("true"), known(server))
    assert (measurement.phase, measurement.message) == (E, message)


@pytest.mark.parametrize("missing", ["address", "authToken", "org"])
async def test_credentials_that_are_not_complete_are_an_error(missing: str) -> None:
    async with serving(always("")) as server:
        measurement, _ = await taken(asking(), known(server, "influxdb", **{missing: b""}))
    assert (measurement.phase, measurement.message) == (E, "authToken, org, or address not found")
    assert server.asked == []


async def test_the_profile_names_the_secret_which_lies_with_the_controller() -> None:
    async with serving(always(table("double", "1"))) as server:
        found, _ = await taken(asking(profile="other"), known(server, "other"))
        missing, _ = await taken(asking(), known(server, "other"))
    assert found.phase is S
    assert (missing.phase, missing.message) == (E, 'secrets "influxdb" not found')
