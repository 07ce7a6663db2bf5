"""Prometheus down, slow or talking nonsense, heard by the real provider: no release goes on or back by accident."""

import httpx
import pytest

from rollouts.kube.refs import ANALYSIS_RUN
from tests import make
from tests.stories.objects import analysis, istio, judged, metric, rollout, template
from tests.stories.prometheus import Script, never
from tests.stories.stage import Stage

pytestmark = pytest.mark.virtual

RUN = "r-79dbf75f7b-2"
NAN, INFINITE = float("nan"), float("inf")


def body(content: str, status: int = 200) -> httpx.Response:
    return httpx.Response(status, content=content)


DOWN = httpx.ConnectError("All connection attempts failed")
ERROR = '{"status":"error","errorType":"bad_data","error":"parse error"}'

TROUBLE: dict[str, tuple[Script, str]] = {
    "down": (DOWN, "connection refused"),
    "reset": (httpx.ReadError("Connection reset by peer"), "Connection reset by peer"),
    "slow": (never, "context deadline exceeded"),
    "garbage": (body("<html>proxy</html>"), ""),
    "half an answer": (body('{"status":"success","data":{"resultType":"vec'), ""),
    "another type": (body('{"status":"success","data":{"resultType":"string","result":[0,"x"]}}'), ""),
    "an empty body": (body(""), ""),
    "500": (body("boom", 500), "500"),
    "503": (body("", 503), "503"),
    "a bad query": (body(ERROR, 400), "parse error"),
    "no series": ([], "no data returned from the metric provider"),
}


@pytest.mark.parametrize("kind", TROUBLE)
async def test_trouble_is_an_error_that_is_measured_again_and_told_in_words(kind: str) -> None:
    answer, text = TROUBLE[kind]
    async with Stage() as stage:
        await stage.deploy(template(), rollout(make.weight(20), judged()))
        stage.prometheus.says("errors", answer, answer, 0.01)
        await stage.release("img:2")
        await stage.reaches("Healthy", limit=200)
        result = stage.get(ANALYSIS_RUN, f"{RUN}-1")["status"]["metricResults"][0]
        assert (result["error"], result["count"], result["phase"]) == (2, 1, "Successful")
        said = result["measurements"][0]
        assert said["phase"] == "Error"
        assert said["message"]
        assert text in said["message"]


@pytest.mark.parametrize("kind", TROUBLE)
async def test_trouble_that_lasts_aborts_and_gives_the_traffic_back(kind: str) -> None:
    answer, text = TROUBLE[kind]
    async with Stage() as stage:
        await stage.deploy(template(), *istio(make.weight(20), judged()))
        stage.prometheus.says("errors", answer)
        await stage.release("img:2")
        await stage.reaches("Degraded", "consecutiveErrors (5) > consecutiveErrorLimit (4)", limit=300)
        assert text in stage.phase().message
        await stage.until(lambda: stage.weights() == {"stable": 100, "canary": 0}, limit=1)


async def test_a_server_that_is_away_for_a_while_fails_no_background_analysis() -> None:
    async with Stage() as stage:
        watchful = template("check", metric(interval="30s"))
        await stage.deploy(watchful, rollout(make.weight(20), make.pause("10m"), canary={"analysis": analysis()}))
        stage.prometheus.says("errors", 0.01, 0.01, DOWN, DOWN, DOWN, DOWN, 0.01)
        await stage.release("img:2")
        await stage.reaches("Healthy", limit=900)
        assert stage.get(ANALYSIS_RUN, RUN)["status"]["metricResults"][0]["error"] == 4


@pytest.mark.parametrize(
    ("condition", "failure", "phase"),
    [
        ("result[0] < 0.05", "", "Degraded"),
        ("result[0] < 0.05", "result[0] >= 0.05", "Paused"),
        ("isNaN(result[0]) || result[0] < 0.05", "", "Healthy"),
    ],
)
async def test_not_a_number_meets_no_condition_but_the_one_that_asks_for_it(
    condition: str, failure: str, phase: str
) -> None:
    async with Stage() as stage:
        given = metric("errors", condition, **({"failureCondition": failure} if failure else {}))
        await stage.deploy(template("check", given), rollout(make.weight(20), judged()))
        stage.prometheus.says("errors", NAN)
        await stage.release("img:2")
        await stage.reaches("Progressing")
        await stage.reaches(phase)
        measured = stage.get(ANALYSIS_RUN, f"{RUN}-1")["status"]["metricResults"][0]["measurements"]
        assert [each["value"] for each in measured] == ["[NaN]"]


async def test_the_infinite_is_compared_like_any_number() -> None:
    async with Stage() as stage:
        await stage.deploy(template(), rollout(make.weight(20), judged()))
        stage.prometheus.says("errors", INFINITE)
        await stage.release("img:2")
        await stage.reaches("Degraded", "assessed Failed due to failed (1) > failureLimit (0)")


async def test_an_empty_answer_can_be_allowed_for() -> None:
    async with Stage() as stage:
        patient = metric("errors", "len(result) == 0 || result[0] < 0.05")
        await stage.deploy(template("check", patient), rollout(make.weight(20), judged()))
        stage.prometheus.says("errors", [])
        await stage.release("img:2")
        await stage.reaches("Progressing")
        await stage.reaches("Healthy")


async def test_a_slow_answer_holds_up_no_other_run() -> None:
    async with Stage() as stage:
        other = rollout(make.weight(20), judged("quick"), name="other")
        other["spec"]["selector"] = {"matchLabels": {"app": "other"}}
        other["spec"]["template"]["metadata"]["labels"] = {"app": "other"}
        await stage.apply(template(), template("quick", metric("quick")), other)
        await stage.deploy(rollout(make.weight(20), judged()))
        stage.prometheus.says("errors", never)
        stage.prometheus.says("quick", 0.0)
        await stage.release("img:2")
        await stage.until(lambda: stage.prometheus.queries == ["errors"])
        await stage.release("img:2", "other")
        await stage.reaches("Progressing", name="other")
        await stage.reaches("Healthy", name="other", limit=10)


async def test_an_abort_does_not_wait_for_a_slow_answer() -> None:
    async with Stage() as stage:
        await stage.deploy(template(), *istio(make.weight(20), judged()))
        stage.prometheus.says("errors", never)
        await stage.release("img:2")
        await stage.until(lambda: stage.prometheus.queries == ["errors"])
        await stage.abort()
        await stage.until(lambda: stage.weights() == {"stable": 100, "canary": 0}, limit=1)


async def test_a_controller_killed_in_the_middle_of_a_measurement_is_followed_by_one_that_measures() -> None:
    async with Stage() as stage:
        await stage.deploy(template(), rollout(make.weight(20), judged()))
        stage.prometheus.says("errors", never, 0.0)
        await stage.release("img:2")
        await stage.until(lambda: stage.prometheus.queries == ["errors"])
        await stage.kill()
        stage.start()
        await stage.reaches("Healthy")
        assert list(stage.runs().values()) == ["Successful"]
