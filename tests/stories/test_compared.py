"""Releases that are compared with stable, or judged by an objective, by annotations that reach the run."""

import json
from random import Random
from typing import Any

import pytest

from rollouts.kube.refs import ANALYSIS_RUN, CRD, SERVICE_LEVEL_OBJECTIVE, Obj
from rollouts.sandbox import clock
from tests import make
from tests.analysis.pods import ALL, BAD, CANARY, STABLE, Scraped, pod
from tests.stories.objects import analysis, judged, metric, rollout, template
from tests.stories.stage import Stage

pytestmark = pytest.mark.virtual

COMPARE, BURN_RATE = "analysis.rollouts.dev/compare", "analysis.rollouts.dev/burn-rate"
RUN = "r-79dbf75f7b-2-1"
COMPARED = {"all": ALL, "bad": BAD, "canary": CANARY, "stable": STABLE, "atLeast": 100, "longestWait": "10m"}
OBJECTIVE = {"slo": "api", "canary": CANARY, "atLeast": 100, "longestWait": "10m"}


def asking(key: str, **fields: Any) -> Obj:
    manifest = template("check", metric(condition="result[0] < 0.05", interval="1m", count=10, failureLimit=3))
    manifest["metadata"]["annotations"] = {key: json.dumps({"errors": fields})}
    return manifest


def slo() -> Obj:
    ratio = {"errors": {"metric": BAD}, "total": {"metric": ALL}}
    metadata = {"name": "api", "namespace": "default"}
    spec = {"target": "99.9", "window": "4w", "indicator": {"ratio": ratio}}
    return {"apiVersion": "pyrra.dev/v1alpha1", "kind": "ServiceLevelObjective", "metadata": metadata, "spec": spec}


def pyrra() -> Obj:
    """The definition that Pyrra brings, as far as it matters here."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1alpha1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"plural": "servicelevelobjectives", "singular": "servicelevelobjective", "kind": "ServiceLevelObjective"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "servicelevelobjectives.pyrra.dev"},
        "spec": {"group": "pyrra.dev", "names": names, "scope": "Namespaced", "versions": [version]},
    }


async def released(stage: Stage, errors: float, a_minute: float, *manifests: Obj) -> None:
    """A release at 20 % whose canary has these errors, stable a sixth of 3 %."""
    chance = Random(3)
    began = clock.now()
    canary, stable = (pod(chance, rate, share, 120) for rate, share in ((a_minute, errors), (4 * a_minute, 0.005)))
    stage.prometheus = Scraped([canary], [stable], began=began)  # type: ignore[assignment]  # it answers as Prometheus
    stage.start()
    await stage.deploy(*manifests)
    await stage.release("img:2")


def message(stage: Stage) -> str:
    (result,) = stage.get(ANALYSIS_RUN, RUN)["status"]["metricResults"]
    return str(result["measurements"][-1]["message"])


async def test_three_percent_of_errors_abort_a_release_that_a_line_at_five_lets_through() -> None:
    async with Stage(controller=False) as stage:
        await released(stage, 0.03, 1000, asking(COMPARE, **COMPARED), rollout(make.weight(20), judged(), make.pause()))
        await stage.reaches("Degraded", limit=300)
        assert "worse with certainty over 99.99 %" in message(stage)
        assert f'Error Message: {message(stage)}"' in stage.phase().message
        run = stage.get(ANALYSIS_RUN, RUN)
        assert json.loads(run["metadata"]["annotations"][COMPARE]) == {"errors": COMPARED}


async def test_a_healthy_release_at_low_traffic_is_not_aborted() -> None:
    async with Stage(controller=False) as stage:
        few = COMPARED | {"longestWait": "1h"}
        await released(stage, 0.005, 10, asking(COMPARE, **few), rollout(make.weight(20), judged(), make.pause()))
        await stage.reaches("Paused", limit=3600)
        assert stage.runs()[RUN] == "Successful"
        assert ": not worse (certainty " in message(stage)


async def test_what_was_compared_outlives_the_controller() -> None:
    async with Stage(controller=False) as stage:
        canary = {"analysis": analysis()}
        manifest = rollout(make.weight(20), make.pause(), canary=canary)
        endless = asking(COMPARE, **COMPARED)
        del endless["spec"]["metrics"][0]["count"]
        await released(stage, 0.005, 300, endless, manifest)
        await stage.passes(600)
        before = _counted(stage)
        await stage.kill()
        await stage.passes(300)
        stage.start()
        await stage.passes(130)
        after = _counted(stage)
        assert before["canary"][1] > 300 * 8
        assert after["canary"][1] - before["canary"][1] > 300 * 6
        assert after["until"] - before["until"] == pytest.approx(420, abs=61)
        assert stage.runs()[RUN.removesuffix("-1")] == "Running"


def _counted(stage: Stage) -> Any:
    (result,) = stage.get(ANALYSIS_RUN, RUN.removesuffix("-1"))["status"]["metricResults"]
    return json.loads(result["measurements"][-1]["metadata"]["comparison"])


async def test_an_objective_of_pyrra_aborts_a_release_that_burns_its_budget() -> None:
    async with Stage(controller=False) as stage:
        await stage.wire.create(CRD, "", pyrra())
        await stage.wire.create(SERVICE_LEVEL_OBJECTIVE, "default", slo())
        await released(
            stage, 0.03, 1000, asking(BURN_RATE, **OBJECTIVE), rollout(make.weight(20), judged(), make.pause())
        )
        await stage.reaches("Degraded", limit=600)
        assert "burns the error budget of 99.9 % over 28d" in message(stage)


@pytest.mark.parametrize("installed", [True, False])
async def test_a_run_says_which_objective_is_missing(installed: bool) -> None:
    async with Stage(controller=False) as stage:
        if installed:
            await stage.wire.create(CRD, "", pyrra())
        await released(stage, 0.005, 1000, asking(BURN_RATE, **OBJECTIVE), rollout(make.weight(20), judged()))
        await stage.reaches("Degraded", limit=600)
        said = stage.get(ANALYSIS_RUN, RUN)["status"]["message"]
        assert (
            "Unable to judge by an objective: ServiceLevelObjective 'api' (pyrra.dev) in namespace 'default': " in said
        )
        assert ("not found" if installed else "the cluster knows no such kind; is Pyrra installed?") in said
        if installed:
            await stage.wire.delete(CRD, "", "servicelevelobjectives.pyrra.dev")
