"""Measurements that follow each other fast are stored together, and nothing that counts is lost or late by it."""

from datetime import timedelta
from typing import Any

import pytest

from analysis.schema import parse_time
from rollouts.analysisrun.known import LONGEST_WAIT
from rollouts.kube.refs import ANALYSIS_RUN, Obj
from tests.stories.objects import metric
from tests.stories.prometheus import never
from tests.stories.stage import Stage

pytestmark = pytest.mark.virtual


def run(*metrics: Obj, **spec: object) -> Obj:
    return {
        "apiVersion": ANALYSIS_RUN.api_version,
        "kind": ANALYSIS_RUN.kind,
        "metadata": {"name": "run", "namespace": "default"},
        "spec": {"metrics": list(metrics), **spec},
        "status": {"phase": ""},
    }


async def begin(stage: Stage, *metrics: Obj, says: tuple[float, ...] = (0.01,)) -> None:
    stage.prometheus.says("errors", *says)
    await stage.wire.create(ANALYSIS_RUN, "default", run(*metrics))


def status(stage: Stage) -> Obj:
    found: Obj = stage.get(ANALYSIS_RUN, "run").get("status") or {}
    return found


def stored(stage: Stage) -> int:
    return stage.requests()["patch", "analysisruns"]


async def test_a_run_that_measures_every_second_is_written_every_five() -> None:
    async with Stage() as stage:
        await begin(stage, metric(interval="1s"))
        await stage.passes(60)
        assert 58 <= len(stage.prometheus.queries) <= 61
        assert 11 <= stored(stage) <= 14
        assert len(stage.prometheus.queries) - status(stage)["metricResults"][0]["count"] <= 5


async def test_a_run_that_measures_every_six_seconds_is_written_each_time() -> None:
    async with Stage() as stage:
        await begin(stage, metric(interval="6s"))
        await stage.passes(61)
        assert len(stage.prometheus.queries) == 11
        assert stored(stage) == 11
        assert status(stage)["metricResults"][0]["count"] == 11


async def test_a_verdict_waits_for_nothing() -> None:
    async with Stage() as stage:
        await begin(stage, metric(interval="1s"), says=(0.01, 0.01, 0.2, 0.01))
        await stage.until(lambda: status(stage).get("phase") == "Failed", limit=2.5)
        result = status(stage)["metricResults"][0]
        assert (result["successful"], result["failed"]) == (2, 1)
        assert [each["phase"] for each in result["measurements"]] == ["Successful", "Successful", "Failed"]


async def test_what_waits_is_stored_when_the_controller_stops() -> None:
    async with Stage() as stage:
        await begin(stage, metric(interval="1s"))
        await stage.passes(3.5)
        assert status(stage)["metricResults"][0]["count"] == 1
        await stage.stop()
        assert status(stage)["metricResults"][0]["count"] == len(stage.prometheus.queries) == 4


async def test_what_waited_when_the_controller_died_is_measured_again() -> None:
    async with Stage() as stage:
        await begin(stage, metric(interval="1s", count=6))
        await stage.passes(3.5)
        await stage.kill()
        stage.start()
        await stage.until(lambda: status(stage).get("phase") == "Successful")
        assert status(stage)["metricResults"][0]["count"] == 6
        assert len(stage.prometheus.queries) == 4 + 5


async def test_a_run_that_is_told_to_stop_ends_with_all_that_was_measured() -> None:
    async with Stage() as stage:
        await begin(stage, metric(interval="1s"))
        await stage.passes(3.5)
        await stage.change(ANALYSIS_RUN, "run", {"spec": {"terminate": True}})
        await stage.until(lambda: status(stage).get("phase") == "Successful", limit=0.5)
        assert status(stage)["message"] == "Run Terminated"
        assert status(stage)["metricResults"][0]["count"] == 4


async def test_a_run_that_is_told_to_stop_while_it_is_written_stops() -> None:
    """The answer to our own write holds what somebody else wrote just before it."""
    async with Stage() as stage:
        write = stage.line.patch

        async def late(*args: Any, **options: Any) -> Any:
            stage.line.patch = write  # type: ignore[method-assign] # once
            await stage.change(ANALYSIS_RUN, "run", {"spec": {"terminate": True}})
            return await write(*args, **options)

        stage.line.patch = late  # type: ignore[method-assign] # so that two writes meet
        await begin(stage, metric(interval="1h"))
        await stage.until(lambda: status(stage).get("phase") == "Successful", limit=5)
        assert status(stage)["message"] == "Run Terminated"


async def test_a_status_that_somebody_else_writes_is_taken_over() -> None:
    async with Stage() as stage:
        await begin(stage, metric(interval="1s"))
        await stage.passes(2.5)
        await stage.change(ANALYSIS_RUN, "run", {"status": {"metricResults": None}})
        await stage.passes(0.2)
        assert [result["count"] for result in status(stage)["metricResults"]] == [1]


async def test_a_label_that_somebody_sets_loses_nothing() -> None:
    async with Stage() as stage:
        await begin(stage, metric(interval="1s"))
        await stage.passes(2.5)
        await stage.change(ANALYSIS_RUN, "run", {"metadata": {"labels": {"a": "b"}}})
        await stage.stop()
        assert status(stage)["metricResults"][0]["count"] == 3


async def test_an_interval_lasts_to_the_fraction_of_a_second() -> None:
    """The status keeps whole seconds of a moment; a run that starts at 0.9 s is not measured again at 1.0 s."""
    async with Stage() as stage:
        await stage.passes(0.9)
        await begin(stage, metric(interval="2s"))
        await stage.passes(1.9)
        assert len(stage.prometheus.queries) == 1
        await stage.passes(0.3)
        assert len(stage.prometheus.queries) == 2
        first = status(stage)["metricResults"][0]["measurements"][0]
        assert parse_time(first["finishedAt"]).microsecond == 0


async def test_providers_that_do_not_answer_hold_up_nobody_else() -> None:
    async with Stage() as stage:
        stage.prometheus.says("slow", never)
        stage.prometheus.says("errors", 0.01)
        for number in range(40):
            silent = run(metric("slow"))
            silent["metadata"]["name"] = f"silent-{number}"
            silent["spec"]["metrics"][0]["provider"]["prometheus"]["query"] = f"slow {number}"
            await stage.wire.create(ANALYSIS_RUN, "default", silent)
        await stage.passes(1)
        await stage.wire.create(ANALYSIS_RUN, "default", run(metric()))
        await stage.until(lambda: status(stage).get("phase") == "Successful", limit=1)


def test_no_measurement_waits_longer_than_five_seconds() -> None:
    assert timedelta(seconds=5) == LONGEST_WAIT
