"""What the watches have not told yet: a controller that takes over, and knows less than stands in the cluster."""

import pytest

from rollouts.kube.refs import REPLICA_SET
from tests import make
from tests.stories.objects import judged, metric, rollout, template
from tests.stories.stage import Stage

pytestmark = pytest.mark.virtual

V2 = "79dbf75f7b"


async def test_a_run_that_the_status_names_and_no_watch_has_told_of_is_kept_and_not_started_twice() -> None:
    async with Stage() as stage:
        endless = metric(interval="1m", count=1000)
        await stage.deploy(template("check", endless), rollout(make.weight(20), judged(), make.pause()))
        stage.prometheus.says("errors", 0.0)
        await stage.release("img:2")
        await stage.until(lambda: stage.runs() == {f"r-{V2}-2-1": "Running"})
        await stage.until(lambda: stage.status()["canary"].get("currentStepAnalysisRunStatus"))
        cache = stage.controllers.caches.analysis_runs
        cache.replace([], 1, cache.mark)
        await stage.passes(30)
        assert stage.runs() == {f"r-{V2}-2-1": "Running"}
        assert [run["metadata"]["name"] for run in cache.objects()] == [f"r-{V2}-2-1"], "it was looked up by its name"
        assert stage.status()["canary"]["currentStepAnalysisRunStatus"]["name"] == f"r-{V2}-2-1"


@pytest.mark.parametrize("metadata", [{}, {"canaryMetadata": {"labels": {"tier": "canary"}}}])
async def test_a_replica_set_that_no_watch_has_told_of_is_taken_for_what_it_is(metadata: make.Obj) -> None:
    """Also where the canary's metadata covers a label of the template."""
    async with Stage() as stage:
        manifest = rollout(make.weight(20), make.pause(), canary={"maxSurge": 1, "maxUnavailable": 0, **metadata})
        manifest["spec"]["template"]["metadata"]["labels"]["tier"] = "web"
        await stage.deploy(manifest)
        await stage.release("img:2")
        await stage.reaches("Paused")
        cache = stage.controllers.caches.replica_sets
        assert cache.remove(stage.replica_set("img:2"))
        await stage.passes(30)
        assert len(stage.all(REPLICA_SET)) == 2
        assert "collisionCount" not in stage.status()
        assert stage.sizes() == {"img:1": 4, "img:2": 1}
        assert stage.phase().phase == "Paused"


async def test_a_controller_that_takes_over_writes_nothing_of_what_it_finds_in_order() -> None:
    async with Stage() as stage:
        await stage.deploy(rollout(make.weight(20), make.pause()))
        await stage.until(lambda: stage.phase().phase == "Healthy")
        assert [reason for reason, _ in await stage.events()].count("RolloutAddedToInformer") == 1
        await stage.stop()
        stage.start()
        await stage.passes(30)
        assert {verb for verb, _ in stage.requests()} == {"list", "watch"}
