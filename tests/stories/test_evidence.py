"""Releases whose templates ask for evidence, by annotations that reach the run."""

import json
from typing import Any

import pytest

from rollouts.kube.refs import ANALYSIS_RUN, Obj
from tests import make
from tests.experiment.objects import ends, experiment, uses
from tests.stories.objects import judged, rollout, template
from tests.stories.stage import Stage

pytestmark = pytest.mark.virtual

EVIDENCE = "analysis.rollouts.dev/evidence"
RUN = "r-79dbf75f7b-2-1"
ENOUGH = {"samples": "requests", "atLeast": 20, "nan": "wait", "longestWait": "5m"}


def asking(**fields: Any) -> Obj:
    manifest = template()
    manifest["metadata"]["annotations"] = {EVIDENCE: json.dumps({"errors": fields})}
    return manifest


async def test_a_step_waits_for_enough_samples_and_then_passes() -> None:
    async with Stage() as stage:
        await stage.deploy(asking(**ENOUGH), rollout(make.weight(20), judged(), make.pause()))
        stage.prometheus.says("requests", 3, 7, 25)
        stage.prometheus.says("errors", float("nan"), 0.5, 0.01)
        await stage.release("img:2")
        await stage.reaches("Paused")
        run = stage.get(ANALYSIS_RUN, RUN)
        (result,) = run["status"]["metricResults"]
        assert (result["phase"], result["count"], len(result["measurements"])) == ("Successful", 1, 1)
        assert result["measurements"][0]["metadata"] == {"samples": "25"}
        assert json.loads(run["metadata"]["annotations"][EVIDENCE]) == {"errors": ENOUGH}


async def test_too_little_traffic_pauses_the_release_and_aborts_nothing() -> None:
    async with Stage() as stage:
        await stage.deploy(asking(**ENOUGH), rollout(make.weight(20), judged(), make.pause()))
        stage.prometheus.says("requests", 1)
        stage.prometheus.says("errors", 1.0)
        await stage.release("img:2")
        await stage.reaches("Paused", "InconclusiveAnalysisRun", limit=600)
        (result,) = stage.get(ANALYSIS_RUN, RUN)["status"]["metricResults"]
        assert result["message"] == "waited 300s for evidence: 1 samples of at least 20"


async def test_a_template_with_an_annotation_that_nobody_knows_is_refused() -> None:
    async with Stage() as stage:
        wrong = template()
        wrong["metadata"]["annotations"] = {"analysis.rollouts.dev/burnrate": "{}"}
        await stage.apply(wrong, rollout(make.weight(20), judged()))
        await stage.reaches("Degraded", "annotation analysis.rollouts.dev/burnrate is not known")


async def test_the_analysis_of_an_experiment_weighs_too() -> None:
    async with Stage() as stage:
        stage.prometheus.says("requests", 3, 25)
        stage.prometheus.says("errors", 0.5, 0.01)
        await stage.apply(asking(**ENOUGH), experiment(analyses=[uses(requiredForCompletion=True)]))
        await ends(stage)
        run = stage.get(ANALYSIS_RUN, "e-check")
        assert run["status"]["phase"] == "Successful"
        assert json.loads(run["metadata"]["annotations"][EVIDENCE]) == {"errors": ENOUGH}
