"""What a controller lends to metric providers."""

import base64

import httpx
import pytest

from rollouts.kube.refs import ANALYSIS_RUN, ROLLOUT
from tests import make
from tests.stories.objects import analysis_run, judged, metric, rollout, template
from tests.stories.stage import Stage

pytestmark = pytest.mark.virtual


async def test_credentials_of_a_provider_lie_with_the_controller_and_are_shown_nowhere() -> None:
    metric_ = {"name": "rows", "successCondition": "result.n == 1", "provider": {"newRelic": {"query": "SELECT n"}}}
    async with Stage() as stage:
        home = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "argo-rollouts"}}
        data = {"personal-api-key": b"hush-hush", "account-id": b"42"}
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "newrelic", "namespace": "argo-rollouts"},
            "data": {key: base64.b64encode(value).decode() for key, value in data.items()},
        }
        await stage.deploy(home, secret, template("check", metric_), rollout(make.weight(20), judged()))
        rows = {"data": {"actor": {"account": {"nrql": {"results": [{"n": 1, "key": "hush-hush"}]}}}}}
        stage.prometheus.says("graphql", httpx.Response(200, json=rows))
        await stage.release("img:2")
        await stage.reaches("Healthy")
        (name,) = stage.runs()
        (measured,) = stage.get(ANALYSIS_RUN, name)["status"]["metricResults"][0]["measurements"]
        assert measured["value"] == '{"key":"*****","n":1}'
        assert "hush-hush" not in str(stage.get(ROLLOUT, "r"))


async def test_many_runs_that_ask_the_same_at_once_cost_one_query() -> None:
    async with Stage(controller=False) as stage:
        for number in range(20):
            manifest = analysis_run(metric("errors"))
            manifest["metadata"]["name"] = f"run-{number}"
            await stage.wire.create(ANALYSIS_RUN, "default", manifest)
        stage.prometheus.says("errors", 0.01)
        stage.start()
        await stage.until(lambda: set(stage.runs().values()) == {"Successful"})
        assert len(stage.prometheus.queries) == 1
