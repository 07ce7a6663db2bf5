"""What Argo CD shows of a Rollout on its way, and what a click on each of its actions does."""

import pytest

from rollouts.kube.refs import DEPLOYMENT, ROLLOUT
from tests import make
from tests.compat.argocd import UNOBSERVED, Health, act, health, offered
from tests.stories.objects import rollout, service
from tests.stories.stage import Stage

pytestmark = pytest.mark.virtual

MORE = "Progressing", "more replicas need to be updated"
COMING = "Progressing", "updated replicas are still becoming available"
OLD = "Progressing", "old replicas are pending termination"
STEPS = "Progressing", "waiting for all steps to complete"
PAUSED = "Suspended", "CanaryPauseStep"
HEALTHY = "Healthy", ""


class Watching:
    """Argo CD watches: what it shows of the Rollout `r`, one after another, each version that is ever stored."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.shown: list[Health] = []
        stage.server.store.listeners.append(self._look)

    def _look(self) -> None:
        found = self._stage.find(ROLLOUT, "r")
        if found is None:
            return
        shown = health(found)
        if not self.shown or shown != self.shown[-1]:
            self.shown.append(shown)
        status = found.get("status") or {}
        ended = status.get("stableRS") is not None and status["stableRS"] == status.get("currentPodHash")
        assert shown != HEALTHY or ended, "a sync would go on to its next wave in the middle of an update"


async def click(stage: Stage, action: str) -> None:
    await act(stage.wire, stage.rollout(), action)


async def test_argo_cd_follows_an_update_and_is_healthy_at_its_end_only() -> None:
    async with Stage() as stage:
        argo = Watching(stage)
        await stage.deploy(rollout(make.weight(40), make.pause(), make.weight(60)))
        assert argo.shown[0] == UNOBSERVED
        assert set(argo.shown[1:-1]) <= {MORE, COMING}
        assert argo.shown[-1] == HEALTHY
        argo.shown.clear()
        await stage.release("img:2")
        await stage.reaches("Paused")
        await click(stage, "resume")
        await stage.reaches("Healthy")
        assert argo.shown[:1] == [UNOBSERVED]
        assert argo.shown.index(PAUSED) < argo.shown.index(HEALTHY) == len(argo.shown) - 1
        assert set(argo.shown) <= {UNOBSERVED, MORE, PAUSED, COMING, OLD, STEPS, HEALTHY}


async def test_argo_cd_is_degraded_by_an_abort_and_says_what_was_aborted() -> None:
    async with Stage() as stage:
        argo = Watching(stage)
        await stage.deploy(rollout(make.weight(40), make.pause()))
        await stage.release("img:2")
        await stage.reaches("Paused")
        await click(stage, "abort")
        await stage.reaches("Degraded")
        assert argo.shown[-1] == ("Degraded", "RolloutAborted: Rollout aborted update to revision 2")
        await stage.passes(30)
        assert offered(stage.rollout()) == {"restart", "retry", "promote-full", "skip-current-step"}
        await click(stage, "retry")
        await stage.reaches("Paused")
        assert argo.shown[-1] == PAUSED


async def test_argo_cd_is_degraded_by_what_is_written_wrong() -> None:
    async with Stage() as stage:
        argo = Watching(stage)
        await stage.apply(rollout(make.weight(140)))
        await stage.reaches("Degraded")
        status, message = argo.shown[-1]
        assert status == "Degraded"
        assert message.startswith('InvalidSpec: The Rollout "r" is invalid: ')


async def test_argo_cd_waits_for_the_template_of_a_workload() -> None:
    template = make.rollout()["spec"].pop("template")
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d", "namespace": "default"},
        "spec": {"replicas": 0, "selector": {"matchLabels": {"app": "r"}}, "template": template},
    }
    referring = rollout(make.weight(40), make.pause())
    referring["spec"].pop("template")
    referring["spec"]["workloadRef"] = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}
    async with Stage() as stage:
        argo = Watching(stage)
        await stage.deploy(deployment, referring)
        argo.shown.clear()
        await stage.change(DEPLOYMENT, "d", {"spec": {"template": make.template("img:2")}})
        await stage.reaches("Paused")
        assert argo.shown[-1] == PAUSED
        generation = stage.get(DEPLOYMENT, "d")["metadata"]["generation"]
        assert stage.status()["workloadObservedGeneration"] == str(generation)


GOING_ON = {"abort", "promote-full", "skip-current-step"}


@pytest.mark.parametrize(
    ("action", "then", "shown"),
    [
        ("resume", set(), HEALTHY),
        ("promote-full", set(), HEALTHY),
        ("skip-current-step", set(), HEALTHY),
        ("pause", {"resume", *GOING_ON}, ("Suspended", "manually paused")),
    ],
)
async def test_a_click_at_a_pause(action: str, then: set[str], shown: Health) -> None:
    async with Stage() as stage:
        await stage.deploy(rollout(make.weight(40), make.pause()))
        assert offered(stage.rollout()) == {"restart"}
        await stage.release("img:2")
        await stage.reaches("Paused")
        assert offered(stage.rollout()) == {"restart", "resume", "pause", *GOING_ON}
        await click(stage, action)
        await stage.passes(30)
        assert (offered(stage.rollout()), health(stage.rollout())) == ({"restart", *then}, shown)


async def test_argo_cd_follows_a_blue_green_update_to_its_switch() -> None:
    async with Stage() as stage:
        argo = Watching(stage)
        blue = make.blue_green(activeService="active", autoPromotionEnabled=False)
        blue["metadata"] = {"name": "r", "namespace": "default"}
        await stage.deploy(service("active"), service("preview"), blue)
        argo.shown.clear()
        await stage.release("img:2")
        await stage.reaches("Paused")
        assert argo.shown[-1] == ("Suspended", "BlueGreenPause")
        assert offered(stage.rollout()) == {"restart", "resume", "abort", "pause", "promote-full"}
        await click(stage, "resume")
        await stage.reaches("Healthy")
        assert argo.shown[-1] == HEALTHY
        assert offered(stage.rollout()) == {"restart"}
