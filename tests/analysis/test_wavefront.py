"""Wavefront over real HTTPS."""

import json
import shutil
import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest

from analysis.api import Metric
from tests.analysis.runs import NOON, E, S, metric
from tests.analysis.served import Handler, KnownSecrets, Server, always, serving, taken

pytestmark = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="openssl, which makes the certificates, is absent"
)

NOW = int(NOON.timestamp())


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path]:
    """A server's side of TLS on 127.0.0.1, and the authority that its clients have to trust."""
    folder = tmp_path_factory.mktemp("certificates")
    command = "openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=wavefront"
    names = ["-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command.split(), *names], cwd=folder, check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context, folder / "cert.pem"


@pytest.fixture(autouse=True)
def trusted(tls: tuple[ssl.SSLContext, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tls[1]))


def asking(server: Server, condition: str = "") -> Metric:
    provider = {"wavefront": {"address": server.url.removeprefix("https://"), "query": "avg(ts(errors))"}}
    return metric(successCondition=condition, provider=provider)


def known(server: Server) -> KnownSecrets:
    tokens = {server.url.removeprefix("https://"): b"token-1", "other": b"token-2"}
    return KnownSecrets({("argo-rollouts", "wavefront-api-tokens"): tokens})


def series(*data: Any, **more: Any) -> str:
    return json.dumps({"query": "q", "timeseries": [{"label": "l", "data": points} for points in data]} | more)


@pytest.mark.parametrize(
    ("answer", "condition", "value", "metadata"),
    [
        (
            series([[NOW - 60, 3], [NOW - 5, 10], [NOW - 90, 4]]),
            "result == 10",
            "10.00",
            {"timestamps": str(NOW - 5), "drift": "5"},
        ),
        (
            series([[NOW + 7, 10]], [[NOW, 11.256]], warnings="slow"),
            "10 in result && result[1] > 11",
            "[10.00,11.26]",
            {"timestamps": f"[{NOW + 7},{NOW}]", "drift": "[7,0]", "warnings": "slow"},
        ),
    ],
)
async def test_the_point_nearest_to_now_is_the_result(
    tls: Any, answer: str, condition: str, value: str, metadata: Any
) -> None:
    async with serving(always(answer), tls[0]) as server:
        measurement, _ = await taken(asking(server, condition), known(server))
    assert (measurement.phase, measurement.message, measurement.value) == (S, "", value)
    assert measurement.metadata == metadata
    (asked,) = server.asked
    assert (asked.method, asked.path) == ("GET", "/api/v2/chart/api")
    assert asked.headers["Authorization"] == "Bearer token-1"
    moment = str(NOW * 1000)
    false = dict.fromkeys(("autoEvents", "listmode", "strict", "includeObsoleteMetrics"), "false")
    assert asked.query == {"q": "avg(ts(errors))", "s": moment, "e": moment, "g": "s", "p": "1", "i": "true"} | false


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (always(series()), "No TimeSeries found in response from Wavefront"),
        (always(series([])), "No TimeSeries found in response from Wavefront"),
        (always('{"query": "q"}'), "No TimeSeries found in response from Wavefront"),
        (always('{"errorType": "QuerySyntaxError", "errorMessage": "line 1"}'), "QuerySyntaxError: line 1"),
        (always("token-1 expired", 401), "server returned 401: ***** expired"),
        (always("<html>"), "could not parse the answer as JSON: Expecting value: line 1 column 1 (char 0)"),
    ],
)
async def test_refusals_garbage_and_nothing_are_errors(tls: Any, answer: Handler, message: str) -> None:
    async with serving(answer, tls[0]) as server:
        measurement, _ = await taken(asking(server, "true"), known(server))
    assert (measurement.phase, measurement.message) == (E, message)


async def test_without_a_token_for_the_address_nothing_is_asked(tls: Any) -> None:
    async with serving(always("{}"), tls[0]) as server:
        tokens = {("argo-rollouts", "wavefront-api-tokens"): {"other": b"token-2"}}
        unknown, _ = await taken(asking(server), KnownSecrets(tokens))
        missing, _ = await taken(asking(server))
    assert (unknown.phase, unknown.message) == (E, "API token not found")
    assert (missing.phase, missing.message) == (E, 'secrets "wavefront-api-tokens" not found')
    assert server.asked == []


async def test_a_certificate_that_nobody_vouches_for_is_an_error(tls: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    async with serving(always("{}"), tls[0]) as server:
        measurement, _ = await taken(asking(server), known(server))
    assert measurement.phase is E
    assert "certificate verify failed" in measurement.message
