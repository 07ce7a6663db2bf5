"""The network of the providers: where it leads, what it shares, and how it waits."""

import asyncio
import socket
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web

from analysis.api import AnalysisPhase, Metric
from analysis.decide import decide
from analysis.measure import measure, resolve
from analysis.providers.egress import Egress, EgressError
from analysis.providers.flights import Flights
from analysis.providers.http import Http, HttpError, Request
from rollouts.sandbox.clock import VirtualLoop
from tests.analysis.runs import NOON, E, S, metric, run
from tests.analysis.served import Server, always, context, in_turn, moved, never, serving, taken

METADATA = "169.254.169.254"


def web_metric(url: str, name: str = "m", **fields: Any) -> Metric:
    return metric(name, provider={"web": {"url": url} | fields})


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    lent = Http()
    yield lent
    await lent.close()


# ── where connections may lead ──


@pytest.mark.parametrize(
    "address",
    [
        METADATA,
        "169.254.170.2",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "fe80::1",
        "fe80::1%eth0",
        "fd00:ec2::254",
        "fd00:ec2::23",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::",
    ],
)
def test_addresses_of_clouds_are_refused_in_every_wrapping(address: str) -> None:
    with pytest.raises(EgressError, match="refused: link-local and cloud metadata addresses"):
        Egress().check("metadata", address)


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "8.8.8.8", "::1", "2001:db8::1", "::ffff:10.0.0.1"])
def test_other_addresses_are_open(address: str) -> None:
    Egress().check("prometheus", address)


def test_what_is_allowed_by_name_is_spared() -> None:
    egress = Egress(("169.254.10.0/24", METADATA))
    egress.check("proxy", "169.254.10.7")
    egress.check(METADATA, METADATA)
    with pytest.raises(EgressError):
        egress.check("other", "169.254.11.7")


@pytest.mark.parametrize("host", [METADATA, "2852039166", "0xa9fea9fe", "[fe80::1]", "[::ffff:a9fe:a9fe]"])
async def test_no_spelling_of_a_metadata_address_gets_through(host: str) -> None:
    measurement, _ = await taken(web_metric(f"http://{host}/latest/meta-data"))
    assert measurement.phase is E
    refused = ("refused: link-local and cloud metadata addresses", "is not a canonical IPv4 address")
    assert any(text in measurement.message for text in refused)


async def test_a_redirect_does_not_lead_there_either() -> None:
    async with serving(moved(f"http://{METADATA}/latest/meta-data")) as server:
        measurement, _ = await taken(web_metric(server.url))
    assert measurement.phase is E
    assert f"dial tcp {METADATA}: refused" in measurement.message


async def test_a_name_is_judged_by_where_it_leads(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve_name = asyncio.get_running_loop().getaddrinfo

    async def rebound(host: Any, port: Any, **options: Any) -> Any:
        return await resolve_name(METADATA if host == "innocent.test" else host, port, **options)

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", rebound)
    measurement, _ = await taken(web_metric("http://innocent.test/"))
    assert f"dial tcp innocent.test ({METADATA}): refused" in measurement.message


async def test_a_name_that_leads_elsewhere_the_second_time_gains_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first look-up says a harmless address, the connection is made to a refused one: nothing is sent there."""
    monkeypatch.setattr(Egress, "check", _only_second(Egress.check))
    async with serving(always("{}")) as server:
        http = Http()
        with pytest.raises(HttpError, match="refused"):
            await http.send(Request("GET", server.url))
        await http.close()
    assert server.asked == []


def _only_second(check: Any) -> Any:
    calls = 0

    def checked(self: Egress, host: str, address: str) -> None:
        nonlocal calls
        calls += 1
        check(self, host, METADATA if calls == 2 else address)  # literal, dial

    return checked


async def test_behind_a_proxy_written_addresses_are_refused_and_names_are_the_proxys(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with serving(always('{"by": "proxy"}')) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", "spared.test")
        through, _ = await taken(web_metric("http://somewhere.test/a"))
        refused, _ = await taken(web_metric(f"http://{METADATA}/a"))
        async with serving(always('{"by": "itself"}')) as server:
            direct, _ = await taken(web_metric(server.url))
        spared, _ = await taken(web_metric("http://spared.test/a"))
    assert through.value == '{"by":"proxy"}'
    assert [asked.headers["Host"] for asked in proxy.asked] == ["somewhere.test"]
    assert "refused" in refused.message
    assert direct.value == '{"by":"itself"}'
    assert "no such host" in spared.message


# ── pauses that a server asks for ──


def busy(retry_after: str) -> Any:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(status=429, headers={"Retry-After": retry_after}, text="slow down")

    return answer


async def test_a_short_pause_is_waited_for(http: Http) -> None:
    async with serving(in_turn(busy("1"), always("{}"))) as server:
        before = asyncio.get_running_loop().time()
        answer = await http.send(Request("GET", server.url))
        assert asyncio.get_running_loop().time() - before >= 1
    assert (answer.status, len(server.asked)) == (200, 2)


@pytest.mark.parametrize("retry_after", ["60", "Fri, 31 Dec 2100 23:59:59 GMT"])
async def test_during_a_long_pause_nothing_is_sent(http: Http, retry_after: str) -> None:
    async with serving(busy(retry_after)) as server:
        first = await http.send(Request("GET", server.url))
        assert (first.status, first.text) == (429, "slow down")
        with pytest.raises(HttpError, match=r"not sent: the server asked for a pause of another (60|300)s \(429\)"):
            await http.send(Request("GET", f"{server.url}/other"))
        somebody_else = await http.send(Request("GET", server.url, {"Api-Key": "other"}))
    assert somebody_else.status == 429
    assert len(server.asked) == 2


@pytest.mark.parametrize("retry_after", ["", "soon", "Fri, 31 Dec 1999 23:59:59 GMT", "0"])
async def test_429_without_a_pause_is_an_answer(http: Http, retry_after: str) -> None:
    async with serving(busy(retry_after)) as server:
        answers = [await http.send(Request("GET", server.url)) for _ in range(2)]
    assert [answer.status for answer in answers] == [429, 429]


# ── equal questions ──


async def together(server: Server, *metrics: Metric, runs: int = 1) -> list[AnalysisPhase]:
    """The phases that the metrics get in as many runs at the same time."""
    first = run(*metrics)
    async with context(first) as lent:

        async def one(number: int) -> list[AnalysisPhase]:
            analysis = first.model_copy(update={"metadata": {"name": "run", "namespace": "ns", "uid": f"u{number}"}})
            own = type(lent)(analysis, lent.http, lent.now, lent.secrets)
            resolved = await resolve(analysis, own.secrets)
            taken_ = await measure(decide(analysis, resolved, NOON).tasks, resolved, own)
            return [each.measurement.phase for each in taken_]

        return [phase for phases in await asyncio.gather(*map(one, range(runs))) for phase in phases]


async def test_equal_questions_are_asked_once() -> None:
    scalar = '{"status":"success","data":{"resultType":"scalar","result":[1,"0.99"]}}'
    async with serving(always(scalar)) as server:
        prometheus = metric(provider={"prometheus": {"address": server.url, "query": "q"}})
        assert await together(server, prometheus, runs=20) == [S] * 20
    assert len(server.asked) == 1


async def test_questions_that_differ_in_anything_are_asked_each() -> None:
    async with serving(always("{}")) as server:
        headers = [{"key": "Authorization", "value": "Bearer other"}]
        metrics = [
            web_metric(server.url, "a"),
            web_metric(f"{server.url}/b", "b"),
            web_metric(server.url, "c", headers=headers),
        ]
        assert await together(server, *metrics) == [S, S, S]
    assert len(server.asked) == 3


async def test_what_may_change_something_is_never_shared() -> None:
    async with serving(always("{}")) as server:
        assert await together(server, web_metric(server.url, method="POST", body="x"), runs=3) == [S] * 3
    assert len(server.asked) == 3


async def test_a_failure_is_shared_too() -> None:
    async with serving(always("{}", 500)) as server:
        assert await together(server, web_metric(server.url), runs=3) == [E] * 3
    assert len(server.asked) == 1


def flown(scenario: Any) -> Any:
    """Run a scenario on a loop in which waiting is free."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(scenario())


def test_an_answer_serves_others_for_a_second_and_its_asker_once() -> None:
    asked: list[float] = []

    async def ask() -> int:
        asked.append(asyncio.get_running_loop().time())
        return len(asked)

    async def scenario() -> list[int]:
        flights, answers = Flights(), []
        for asker, pause in (("a", 0.0), ("b", 0.5), ("a", 0.2), ("b", 0.1), ("c", 1.0), ("d", 0.0)):
            await asyncio.sleep(pause)
            answers.append(await flights.once("q", asker, ask))
        return answers

    assert flown(scenario) == [1, 1, 2, 2, 3, 3]


def test_who_gives_up_does_not_take_the_answer_from_others_and_the_last_one_ends_it() -> None:
    ended: list[str] = []

    async def ask() -> str:
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise
        return "answer"

    async def scenario() -> None:
        flights = Flights()
        one, two = (asyncio.create_task(flights.once("q", asker, ask)) for asker in "ab")
        await asyncio.sleep(1)
        one.cancel()
        assert await two == "answer"
        assert ended == []
        three = asyncio.create_task(flights.once("q", "a", ask))
        await asyncio.sleep(1)
        three.cancel()
        four = asyncio.create_task(flights.once("q", "b", ask))
        assert await four == "answer"
        assert ended == ["cancelled"]

    flown(scenario)


# ── what is stored ──


async def test_an_answer_of_megabytes_does_not_become_a_status_of_megabytes() -> None:
    async with serving(always("x" * 1_000_000, content_type="text/plain")) as server:
        measurement, _ = await taken(web_metric(server.url))
    assert measurement.phase is S
    assert measurement.value.endswith("x… (1000000 characters)")
    assert len(measurement.value) < 17_000


async def test_a_client_secret_is_in_no_text() -> None:
    async with serving(always('{"error": "hunter2 is wrong"}', 401)) as server:
        oauth = {"tokenUrl": server.url, "clientId": "me", "clientSecret": "hunter2"}
        measurement, _ = await taken(web_metric(server.url, authentication={"oauth2": oauth}))
    assert "***** is wrong" in measurement.message
    assert "hunter2" not in str(measurement)


async def test_urls_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    async with serving(always("{}")) as server:
        await taken(web_metric(f"{server.url}/?token=hunter2"))
    theirs = [record.getMessage() for record in caplog.records if not record.name.startswith("aiohttp.access")]
    assert "hunter2" not in "".join(theirs)


async def test_a_port_where_nobody_listens_is_refused_by_the_host() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    measurement, _ = await taken(web_metric(f"http://127.0.0.1:{port}"))
    assert measurement.message.endswith(f"dial tcp 127.0.0.1:{port}: connect: connection refused")


async def test_a_server_that_never_answers_is_given_up(http: Http) -> None:
    async with serving(never) as server:
        with pytest.raises(HttpError, match="context deadline exceeded"):
            await http.send(Request("GET", server.url, timeout=timedelta(seconds=0.2)))
