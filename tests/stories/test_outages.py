"""Outages that Argo Rollouts has, each with the very condition under which it was seen there. None happens here.

The others of their kind have their place beside what they are about: `tests/compat/edges/outages.toml` names them.
"""

import pytest

from rollouts.kube.refs import ROLLOUT
from rollouts.sandbox.dialects.istio import VIRTUAL_SERVICE
from tests import make
from tests.stories.guard import Guard
from tests.stories.objects import analysis, istio, metric, rollout, template
from tests.stories.stage import Stage

pytestmark = pytest.mark.virtual

UNCLEAR = {"condition": "result[0] < 0.05", "failureCondition": "result[0] > 0.1"}


async def test_a_rollback_to_a_stable_version_that_had_shrunk_is_healthy_only_when_it_serves_alone() -> None:
    """There it reads Healthy with one of five stable pods and 80 % of the traffic on the canary."""
    slow = {"start-delay": "5s"}
    async with Stage() as stage:
        steps = (make.weight(40), make.pause("1s"), make.weight(80), make.pause())
        await stage.deploy(*istio(*steps, canary={"dynamicStableScale": True}, script=slow))
        guard = Guard(stage, replicas=5, available=0)
        back = stage.rollout()["spec"]["template"]
        await stage.edit(template=make.template("img:2"))
        await stage.until(lambda: stage.weights() == {"stable": 20, "canary": 80})
        await stage.until(lambda: stage.sizes() == {"img:1": 1, "img:2": 4})
        seen: list[tuple[str, int, int]] = []

        def look() -> None:
            seen.append((stage.phase().phase, stage.weights()["canary"], len(stage.behind("stable"))))

        stage.server.store.listeners.append(look)
        await stage.edit(template=back)
        await stage.reaches("Progressing")
        await stage.reaches("Healthy")
        await stage.until(lambda: stage.sizes() == {"img:1": 5})
        assert {state for state in seen if state[0] == "Healthy"} <= {("Healthy", 0, 5)}, seen
        assert any(weight == 80 and pods < 5 for _, weight, pods in seen), "it did take a while"
        assert guard.broken == []


@pytest.mark.parametrize("reached", ["before the verdict", "after it"])
async def test_a_pause_lasts_beside_a_verdict_that_is_unclear(reached: str) -> None:
    """There a pause step that is reached while an inconclusive analysis pauses too counts as resumed."""
    async with Stage() as stage:
        watchful = template("check", metric(interval="10s", **UNCLEAR))
        early = {} if reached == "before the verdict" else {"start-delay": "60s"}
        steps = (make.weight(20), make.pause("1h"), make.pause())
        manifest = rollout(*steps, canary={"analysis": analysis()}, replicas=5)
        await stage.deploy(watchful, manifest)
        stage.prometheus.says("errors", 0.01, 0.07)
        pods = make.template("img:2")
        pods["metadata"]["annotations"] = {f"sandbox.rollouts.dev/{key}": value for key, value in early.items()}
        await stage.edit(template=pods)
        await stage.until(lambda: "InconclusiveAnalysisRun" in str(stage.status().get("pauseConditions")))
        if reached == "after it":
            assert stage.status()["currentStepIndex"] == 0
            skipped = {"status": {"currentStepIndex": 1}}
            await stage.wire.patch(ROLLOUT, "default", "r", skipped, subresource="status")
        assert stage.status()["controllerPause"] is True
        await stage.passes(600)
        assert stage.status()["currentStepIndex"] == 1
        assert stage.phase().phase == "Paused"


async def test_an_abort_behind_a_router_is_quiet_for_the_whole_of_its_delay() -> None:
    """There the canary Service is switched there and back some fifty times a second while its pods remain."""
    async with Stage() as stage:
        canary = {"abortScaleDownDelaySeconds": 600}
        await stage.deploy(*istio(make.weight(40), make.pause(), canary=canary))
        await stage.release("img:2")
        await stage.reaches("Paused")
        await stage.abort()
        await stage.reaches("Degraded")
        await stage.passes(5)
        assert len(stage.ready(app="r")) == 7, "canary pods that are ready are the condition"
        stage.line.calls.clear()
        await stage.passes(500)
        assert stage.line.writes == []
        assert stage.serves("canary") == {"img:1"}
        assert stage.find(VIRTUAL_SERVICE, "vs") is not None
