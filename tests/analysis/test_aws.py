"""CloudWatch and Amazon's Prometheus over real HTTP: requests that are signed, and answers as AWS writes them."""

import asyncio
import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import httpx
import pytest
from aiohttp import web

from analysis.api import Metric
from analysis.providers import aws
from tests.analysis.runs import NOON, E, F, S, metric
from tests.analysis.served import Handler, always, serving, taken
from tests.analysis.sigv4 import ACCESS_KEY, SECRET_KEY, verified

REGION = "eu-central-1"
ERRORS = {"id": "errors", "expression": "bad / all", "label": "share", "period": "300"}
BAD = {
    "id": "bad",
    "returnData": False,
    "metricStat": {
        "metric": {
            "namespace": "shop",
            "metricName": "bad",
            "dimensions": [{"name": "app", "value": "cart"}],
        },
        "period": 300,
        "stat": "Sum",
        "unit": "Count",
    },
}


@pytest.fixture(autouse=True)
def account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[pytest.MonkeyPatch]:
    """An environment with credentials, and nothing of the machine's own."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ROLE_ARN", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    yield monkeypatch
    aws._known.cache_clear()
    aws._api.cache_clear()


# ── CloudWatch ──


def asking(condition: str = "", *queries: Any, interval: str = "30m") -> Metric:
    provider = {"cloudWatch": {"interval": interval, "metricDataQueries": list(queries or (ERRORS, BAD))}}
    return metric(successCondition=condition, provider=provider)


def answered(*results: tuple[float, ...], messages: tuple[tuple[str, str], ...] = ()) -> Handler:
    """GetMetricData's answer."""
    members = "".join(
        f"<member><Id>m{n}</Id><Values>{''.join(f'<member>{value}</member>' for value in values)}</Values></member>"
        for n, values in enumerate(results)
    )
    said = "".join(f"<member><Code>{code}</Code><Value>{escape(text)}</Value></member>" for code, text in messages)
    return always(
        '<GetMetricDataResponse xmlns="http://monitoring.amazonaws.com/doc/2010-08-01/"><GetMetricDataResult>'
        f"<MetricDataResults>{members}</MetricDataResults><Messages>{said}</Messages></GetMetricDataResult>"
        "<ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></GetMetricDataResponse>",
        content_type="text/xml",
    )


async def measured(spec: Metric, answer: Handler, account: pytest.MonkeyPatch) -> tuple[Any, Any]:
    """The measurement by a server that wants to see a signature, and what the server was asked."""
    async with serving(verified(answer, "monitoring", REGION)) as server:
        account.setenv("AWS_ENDPOINT_URL_CLOUDWATCH", server.url)
        measurement, _ = await taken(spec)
    return measurement, server.asked


@pytest.mark.parametrize(
    ("results", "condition", "value"),
    [
        (((0.1, 0.2), ()), "all(result[0], # < 0.5) && len(result[1]) == 0", "[[0.1 0.2] []]"),
        (((0.005,),), "result[0][0] <= 0.01", "[[0.005]]"),
        ((), "len(result) == 0", "[]"),
    ],
)
async def test_the_values_of_all_queries_are_the_result(
    results: Any, condition: str, value: str, account: pytest.MonkeyPatch
) -> None:
    measurement, (asked,) = await measured(asking(condition), answered(*results), account)
    assert (measurement.phase, measurement.message, measurement.value) == (S, "", value)
    assert measurement.metadata == {}
    assert asked.form == {
        "Action": "GetMetricData",
        "Version": "2010-08-01",
        "StartTime": "2026-01-01T11:30:00Z",
        "EndTime": "2026-01-01T12:00:00Z",
        "MetricDataQueries.member.1.Id": "errors",
        "MetricDataQueries.member.1.Expression": "bad / all",
        "MetricDataQueries.member.1.Label": "share",
        "MetricDataQueries.member.1.Period": "300",
        "MetricDataQueries.member.2.Id": "bad",
        "MetricDataQueries.member.2.ReturnData": "false",
        "MetricDataQueries.member.2.MetricStat.Metric.Namespace": "shop",
        "MetricDataQueries.member.2.MetricStat.Metric.MetricName": "bad",
        "MetricDataQueries.member.2.MetricStat.Metric.Dimensions.member.1.Name": "app",
        "MetricDataQueries.member.2.MetricStat.Metric.Dimensions.member.1.Value": "cart",
        "MetricDataQueries.member.2.MetricStat.Period": "300",
        "MetricDataQueries.member.2.MetricStat.Stat": "Sum",
        "MetricDataQueries.member.2.MetricStat.Unit": "Count",
    }


async def test_the_window_is_five_minutes_unless_the_metric_says_otherwise(account: pytest.MonkeyPatch) -> None:
    _, (asked,) = await measured(asking(interval=""), answered(), account)
    assert asked.form["StartTime"] == "2026-01-01T11:55:00Z"


async def test_messages_are_kept_and_so_is_the_value_of_a_condition_that_fails_to_evaluate(
    account: pytest.MonkeyPatch,
) -> None:
    answer = answered((1.0,), messages=(("Partial", "more to come"), ("Other", "x < y")))
    measurement, _ = await measured(asking("result[3][0] < 1"), answer, account)
    assert (measurement.phase, measurement.value) == (E, "[[1]]")
    assert measurement.metadata == {"messages": "Partial: more to come, Other: x < y"}


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (
            always(
                "<ErrorResponse><Error><Type>Sender</Type><Code>ValidationError</Code><Message>no id</Message></Error>"
                "<RequestId>r</RequestId></ErrorResponse>",
                400,
                "text/xml",
            ),
            "operation error GetMetricData: api error ValidationError: no id",
        ),
        (always("<html>down", 503), "operation error GetMetricData: api error 503: Service Unavailable"),
        (always("not xml"), "GetMetricData: answered 200 with what is not its XML: "),
    ],
)
async def test_refusals_and_garbage_are_errors(answer: Handler, message: str, account: pytest.MonkeyPatch) -> None:
    measurement, _ = await measured(asking(), answer, account)
    assert measurement.phase is E
    assert measurement.message.startswith(message)


async def test_a_wrong_key_is_refused_and_not_shown(account: pytest.MonkeyPatch) -> None:
    account.setenv("AWS_SECRET_ACCESS_KEY", "wrong-key")

    async def telling(request: web.Request) -> web.StreamResponse:
        text = "<ErrorResponse><Error><Code>Denied</Code><Message>not wrong-key</Message></Error></ErrorResponse>"
        return web.Response(status=403, text=text)

    async with serving(telling) as server:
        account.setenv("AWS_ENDPOINT_URL_CLOUDWATCH", server.url)
        measurement, _ = await taken(asking())
    assert measurement.message == "operation error GetMetricData: api error Denied: not *****"


async def test_a_session_token_is_signed_too(account: pytest.MonkeyPatch) -> None:
    account.setenv("AWS_SESSION_TOKEN", "session-1")
    measurement, (asked,) = await measured(asking(), answered((1.0,)), account)
    assert measurement.phase is S
    assert asked.headers["X-Amz-Security-Token"] == "session-1"
    assert "x-amz-security-token" in asked.headers["Authorization"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "no credentials for AWS: neither environment, files, "),
        (("AWS_SECRET_ACCESS_KEY",), "no credentials for AWS: Partial credentials found in env"),
        (("AWS_DEFAULT_REGION",), "no AWS region: set it in the metric, where it has such a field, or as AWS_REGION"),
    ],
)
async def test_without_credentials_or_region_nothing_is_asked(
    names: Any, message: str, account: pytest.MonkeyPatch
) -> None:
    for name in names:
        account.delenv(name)
    measurement, asked = await measured(asking(), answered(), account)
    assert measurement.phase is E
    assert measurement.message.startswith(message)
    assert asked == []


async def test_the_region_is_found_under_the_name_that_clusters_give_it(account: pytest.MonkeyPatch) -> None:
    account.delenv("AWS_DEFAULT_REGION")
    account.setenv("AWS_REGION", REGION)
    measurement, (asked,) = await measured(asking(), answered((1.0,)), account)
    assert measurement.phase is S
    assert f"/{REGION}/monitoring/" in asked.headers["Authorization"]


@pytest.mark.parametrize(
    ("queries", "message"),
    [
        (({"id": "x", "metricStat": {"stat": "Sum", "period": 60}},), None),
        ((), "cloudWatch.metricDataQueries is empty: give at least one query"),
    ],
)
async def test_what_the_request_cannot_say_is_an_error(
    queries: Any, message: str | None, account: pytest.MonkeyPatch
) -> None:
    spec = metric(provider={"cloudWatch": {"metricDataQueries": list(queries)}})
    measurement, _ = await measured(spec, answered((1.0,)), account)
    assert (measurement.phase, measurement.message) == ((E, message) if message else (S, ""))


# ── a program that stands in for AWS ──


@pytest.fixture
def moto(account: pytest.MonkeyPatch) -> Iterator[str]:
    program = shutil.which("moto_server") or shutil.which("moto_server", path=str(Path(sys.executable).parent))
    if program is None:
        pytest.skip("moto_server, which stands in for AWS, is absent: make install brings it")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    account.setenv("AWS_ENDPOINT_URL", url)
    with subprocess.Popen(
        [program, "-H", "127.0.0.1", "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as server:
        try:
            yield url
        finally:
            server.terminate()


async def test_against_a_stand_in_for_aws(moto: str) -> None:
    await _up(moto)
    now = datetime.now(UTC)
    signer = await aws.signer(aws.Account(), now)
    api = await aws.api("cloudwatch", signer.region, now)
    data = [{"MetricName": "bad", "Value": value, "Timestamp": NOON - timedelta(minutes=2)} for value in (3.0, 4.0)]
    put = api.write("PutMetricData", {"Namespace": "shop", "MetricData": data}, timedelta(seconds=10))
    signed = signer.signed(put, "monitoring")
    async with httpx.AsyncClient() as client:
        answer = await client.post(signed.url, content=signed.content, headers=dict(signed.headers))
    assert answer.status_code == 200, answer.text
    stat = {"metric": {"namespace": "shop", "metricName": "bad"}, "period": 60, "stat": "Sum"}
    good, _ = await taken(asking("sum(result[0]) == 7", {"id": "bad", "metricStat": stat}))
    bad, _ = await taken(asking("sum(result[0]) == 8", {"id": "bad", "metricStat": stat}))
    assert (good.phase, good.message, good.value) == (S, "", "[[7]]")
    assert bad.phase is F


async def _up(url: str) -> None:
    async with httpx.AsyncClient() as client, asyncio.timeout(30):
        while True:
            try:
                await client.get(f"{url}/moto-api/")
                return
            except httpx.HTTPError:
                await asyncio.sleep(0.1)


# ── Amazon's Prometheus ──

SCALAR = '{"status":"success","data":{"resultType":"scalar","result":[1,"0.99"]}}'


def amazons(url: str, **sigv4: str) -> Metric:
    spec = {"address": f"{url}/aps-workspaces/ws 1", "query": 'up{a="b c"}', "authentication": {"sigv4": sigv4}}
    return metric(provider={"prometheus": spec})


async def test_queries_to_amazons_prometheus_are_signed() -> None:
    async with serving(verified(always(SCALAR), "aps", "us-west-2")) as server:
        measurement, _ = await taken(amazons(server.url, region="us-west-2"))
    assert (measurement.phase, measurement.message, measurement.value) == (S, "", "0.99")
    assert server.asked[0].form == {"query": 'up{a="b c"}', "time": str(int(NOON.timestamp()))}


async def test_and_so_is_the_query_by_get() -> None:
    async def no_post(request: web.Request) -> web.StreamResponse:
        return web.Response(text=SCALAR) if request.method == "GET" else web.Response(status=405)

    async with serving(verified(no_post, "aps", REGION)) as server:
        measurement, _ = await taken(amazons(server.url, region=REGION))
    assert (measurement.phase, measurement.message) == (S, "")
    assert [asked.method for asked in server.asked] == ["POST", "GET"]


async def test_the_profile_names_the_credentials(account: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "credentials").write_text(
        "[monitor]\naws_access_key_id = OTHER\naws_secret_access_key = other-key\nregion = us-west-2\n"
    )
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
        account.delenv(name)
    async with serving(verified(always(SCALAR), "aps", "us-west-2", {"OTHER": "other-key"}.get)) as server:
        measurement, _ = await taken(amazons(server.url, profile="monitor"))
    assert (measurement.phase, measurement.message) == (S, "")


async def test_a_profile_that_is_not_there_is_an_error() -> None:
    measurement, _ = await taken(amazons("http://127.0.0.1:9", profile="monitor"))
    assert measurement.phase is E
    assert measurement.message == "no credentials for AWS: The config profile (monitor) could not be found"


async def test_a_role_is_assumed(account: pytest.MonkeyPatch) -> None:
    until = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    found = "<AccessKeyId>ROLE</AccessKeyId><SecretAccessKey>role-key</SecretAccessKey><SessionToken>t</SessionToken>"
    credentials = f"<Credentials>{found}<Expiration>{until}</Expiration></Credentials>"
    user = "<AssumedRoleUser><Arn>a</Arn><AssumedRoleId>i</AssumedRoleId></AssumedRoleUser>"
    answer = (
        '<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
        f"<AssumeRoleResult>{credentials}{user}</AssumeRoleResult></AssumeRoleResponse>"
    )
    role = "arn:aws:iam::123456789012:role/monitor"
    async with (
        serving(verified(always(answer, content_type="text/xml"), "sts", REGION)) as sts,
        serving(verified(always(SCALAR), "aps", REGION, {"ROLE": "role-key"}.get)) as server,
    ):
        account.setenv("AWS_ENDPOINT_URL_STS", sts.url)
        measurement, _ = await taken(amazons(server.url, region=REGION, roleArn=role))
    assert (measurement.phase, measurement.message) == (S, "")
    assert (sts.asked[0].form["Action"], sts.asked[0].form["RoleArn"]) == ("AssumeRole", role)
    assert server.asked[0].headers["X-Amz-Security-Token"] == "t"


async def test_other_addresses_are_not_signed_for() -> None:
    async with serving(always(SCALAR)) as server:
        spec = {"address": server.url, "query": "up", "authentication": {"sigv4": {"region": REGION}}}
        measurement, _ = await taken(metric(provider={"prometheus": spec}))
    assert measurement.phase is S
    assert "Authorization" not in server.asked[0].headers


async def test_amazons_library_is_loaded_only_when_it_is_needed() -> None:
    code = "import sys; import analysis.providers.registry; print(any('botocore' in name for name in sys.modules))"
    ran = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    told, _ = await ran.communicate()
    assert json.loads(told.decode().strip().lower()) is False
