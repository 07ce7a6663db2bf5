"""Rollouts whose template is another object's: from the first hand-over to the day when that object is deleted."""

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest

from rollouts import operations
from rollouts.api import labels
from rollouts.kube.refs import DEPLOYMENT, POD_TEMPLATE, REPLICA_SET, ROLLOUT, Obj, Ref, controller_of, name_of
from tests import make
from tests.stories.objects import rollout, service
from tests.stories.stage import Stage, image_of

pytestmark = pytest.mark.virtual

STEPS = (make.weight(50), make.pause())
NOT_FOUND = 'The Rollout "r" is invalid: deployments.apps "default/d" not found'
GENERATION = labels.WORKLOAD_GENERATION


def deployment(replicas: int = 3, image: str = "img:1", **script: str) -> Obj:
    template = make.template(image)
    if script:
        template["metadata"]["annotations"] = {f"sandbox.rollouts.dev/{key}": value for key, value in script.items()}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d", "namespace": "default"},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "r"}}, "template": template},
    }


def referring(*steps: Obj, kind: str = "Deployment", scale_down: str = "", **rest: Any) -> Obj:
    manifest = rollout(*steps, **{"replicas": 3, **rest})
    for field in ("template", "selector"):
        del manifest["spec"][field]
    version = "v1" if kind == "PodTemplate" else "apps/v1"
    manifest["spec"]["workloadRef"] = {"apiVersion": version, "kind": kind, "name": "d"}
    if scale_down:
        manifest["spec"]["workloadRef"]["scaleDown"] = scale_down
    return manifest


class Handing(Stage):
    """A stage that counts, after every write, the pods ready behind the Service `web`."""

    async def watch(self) -> list[int]:
        served: list[int] = []
        self.whenever(lambda: served.append(len(self.behind("web"))))
        return served

    @property
    def deployed(self) -> int:
        size: int = self.get(DEPLOYMENT, "d")["spec"]["replicas"]
        return size

    async def settled_deployment(self, replicas: int = 3, **script: str) -> None:
        await self.apply(service("web"), deployment(replicas, **script))
        await self.until(lambda: len(self.behind("web")) == replicas)

    async def die(self, deaths: Iterable[int]) -> None:
        """One controller after another goes dead after so many of its writes; the last one lives."""
        for writes in deaths:
            self.line.dies_after = writes
            await self.line.dead.wait()
            await self.kill()
            await self.passes(0.05)
            self.start()

    def own(self) -> list[Obj]:
        uid = self.rollout()["metadata"]["uid"]
        return [each for each in self.all(REPLICA_SET) if (controller_of(each) or {}).get("uid") == uid]


async def test_a_deployments_pods_are_handed_over_as_their_successors_become_available() -> None:
    async with Handing() as stage:
        await stage.settled_deployment()
        served = await stage.watch()
        sizes: list[int] = []
        stage.whenever(lambda: sizes.append(stage.deployed))
        await stage.apply(referring(scale_down="progressively"))
        await stage.reaches("Healthy")
        await stage.until(lambda: len(stage.ready(app="r")) == 3 and stage.deployed == 0)
        await stage.passes(5)
        assert min(served) >= 3
        assert sorted(sizes, reverse=True) == sizes
        assert labels.WORKLOAD_REPLICAS not in stage.rollout()["metadata"]["annotations"]
        assert ("ScalingDeployment", "Scaled down Deployment d") in [
            (reason, message.partition(" from ")[0]) for reason, message in await stage.events()
        ]


async def test_a_rollout_whose_pods_never_become_ready_leaves_the_deployment_whole() -> None:
    async with Handing() as stage:
        await stage.settled_deployment()
        broken = deployment(ready="never")["spec"]["template"]
        await stage.change(DEPLOYMENT, "d", {"spec": {"paused": True, "template": broken}})
        await stage.apply(referring(scale_down="progressively"))
        await stage.passes(700)
        assert stage.deployed == 3
        assert len(stage.behind("web")) == 3


@pytest.mark.parametrize("scale_down", ["progressively", "onsuccess"])
@pytest.mark.parametrize("deaths", [(n,) for n in range(1, 12)] + [(1,) * 40, (2,) * 20, (3, 1, 2) * 6], ids=str)
async def test_a_hand_over_ends_whenever_its_controller_is_killed(scale_down: str, deaths: tuple[int, ...]) -> None:
    async with Handing() as stage:
        await stage.settled_deployment()
        served = await stage.watch()
        await stage.apply(referring(scale_down=scale_down))
        mortal = asyncio.create_task(stage.die(deaths))
        await stage.until(lambda: stage.deployed == 0 and stage.phase().phase == "Healthy", limit=600)
        await stage.until(lambda: len(stage.ready(app="r")) == 3)
        while not mortal.done():  # killing a controller takes the first cancellation for its own
            mortal.cancel()
            await stage.passes(0.01)
        assert min(served) >= 3


async def test_with_onsuccess_the_deployment_goes_once_the_rollout_is_healthy() -> None:
    async with Handing() as stage:
        await stage.settled_deployment()
        served = await stage.watch()
        await stage.apply(referring(scale_down="onsuccess"))
        await stage.until(lambda: stage.deployed == 0)
        assert stage.phase().phase == "Healthy"
        await stage.until(lambda: len(stage.ready(app="r")) == 3)
        assert min(served) >= 3


async def test_two_rollouts_that_take_over_one_deployment_do_not_pull_at_it_for_ever() -> None:
    async with Handing() as stage:
        await stage.settled_deployment()
        stuck = referring(scale_down="progressively", name="stuck", minReadySeconds=500)
        await stage.apply(stuck, referring(scale_down="progressively"))
        await stage.reaches("Healthy")
        await stage.until(lambda: stage.deployed == 0)
        writes = len(stage.line.writes)
        await stage.passes(100)
        assert len(stage.line.writes) < writes + 10
        assert len(stage.behind("web")) >= 3


async def test_by_default_the_deployment_keeps_its_pods() -> None:
    async with Handing() as stage:
        await stage.settled_deployment()
        await stage.deploy(referring())
        await stage.passes(60)
        assert stage.deployed == 3
        assert not [call for call in stage.line.writes if call.resource is DEPLOYMENT]


async def test_an_edit_of_the_deployment_is_an_update_in_steps_seen_in_both_generations() -> None:
    async with Handing() as stage:
        await stage.settled_deployment()
        await stage.deploy(referring(*STEPS, scale_down="progressively"))
        await stage.until(lambda: stage.deployed == 0)
        ref = operations.workload_of(stage.rollout())
        assert ref == Ref(DEPLOYMENT, "default", "d")
        assert ref is not None
        await stage.operate(operations.set_image(stage.get(DEPLOYMENT, "d"), ref, {"*": "img:2"}))
        await stage.reaches("Paused")
        assert stage.sizes() == {"img:1": 2, "img:2": 2}
        seen = stage.rollout()["metadata"]["annotations"][GENERATION]
        assert seen == str(stage.get(DEPLOYMENT, "d")["metadata"]["generation"])
        assert seen == stage.status()["workloadObservedGeneration"]
        await stage.promote()
        await stage.reaches("Healthy")
        history = [each["metadata"]["annotations"].get("rollout.argoproj.io/revision-history") for each in stage.own()]
        assert history == [None, None]
        undone = operations.undo(stage.rollout(), stage.all(REPLICA_SET), stage.get(DEPLOYMENT, "d"))
        assert await stage.operate(undone) == "rollout 'r' undo"
        await stage.until(lambda: stage.status()["currentStepIndex"] == 1)
        assert stage.sizes() == {"img:1": 2, "img:2": 2}


async def test_a_pod_template_and_a_bare_replica_set_serve_as_well() -> None:
    async with Handing() as stage:
        held = {"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": "d"}, "template": make.template()}
        await stage.wire.create(POD_TEMPLATE, "default", held)
        first = referring(*STEPS, kind="PodTemplate")
        first["spec"]["selector"] = {"matchLabels": {"app": "r"}}
        await stage.deploy(first)
        await stage.change(POD_TEMPLATE, "d", {"template": make.template("img:2")})
        await stage.reaches("Paused")
        assert stage.sizes() == {"img:1": 2, "img:2": 2}
        spec = {**deployment(0)["spec"], "template": make.template("img:3")}
        await stage.wire.create(
            REPLICA_SET,
            "default",
            {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "d"}, "spec": spec},
        )
        await stage.edit(workloadRef={"apiVersion": "apps/v1", "kind": "ReplicaSet"})
        await stage.until(lambda: "img:3" in stage.sizes())


async def test_only_the_kinds_that_are_referred_to_are_watched() -> None:
    async with Handing() as stage:
        await stage.deploy(rollout(replicas=1))
        watched = {call.resource for call in stage.line.calls if call.verb == "list"}
        assert not watched & {DEPLOYMENT, POD_TEMPLATE}
        await stage.apply(referring(name="other"))
        await stage.until(lambda: stage.status("other").get("phase") == "Degraded")
        watched = {call.resource for call in stage.line.calls if call.verb == "list"}
        assert watched & {DEPLOYMENT, POD_TEMPLATE} == {DEPLOYMENT}


async def test_a_deployment_that_comes_later_ends_the_fault_at_once() -> None:
    async with Handing() as stage:
        await stage.apply(referring())
        await stage.reaches("Degraded", f"InvalidSpec: {NOT_FOUND}")
        assert stage.condition("InvalidSpec")["message"] == NOT_FOUND
        assert stage.all(REPLICA_SET) == []
        await stage.apply(deployment(0))
        await stage.until(lambda: stage.phase().phase == "Progressing", limit=1)
        await stage.reaches("Healthy")


async def test_a_deployment_deleted_and_made_again_takes_no_pods_from_the_rollout() -> None:
    """With the selector unset and the Deployment gone, nothing says which ReplicaSets are ours but their owner."""
    async with Handing() as stage:
        await stage.settled_deployment(2)
        await stage.deploy(referring(replicas=2, scale_down="progressively"))
        await stage.until(lambda: stage.deployed == 0 and len(stage.ready(app="r")) == 2)
        served = await stage.watch()
        before = [(name_of(each), each["spec"]["replicas"]) for each in stage.own()]
        await stage.delete(DEPLOYMENT, "d")
        await stage.reaches("Degraded", NOT_FOUND)
        await stage.passes(60)
        assert [(name_of(each), each["spec"]["replicas"]) for each in stage.own()] == before
        await stage.apply(deployment(0))
        await stage.reaches("Healthy")
        await stage.passes(60)
        assert [(name_of(each), each["spec"]["replicas"]) for each in stage.own()] == before
        assert "collisionCount" not in stage.status()
        assert stage.rollout()["metadata"]["annotations"][labels.REVISION] == "1"
        assert min(served) == 2


async def test_a_deployment_deleted_without_its_pods_leaves_them_to_nobody() -> None:
    async with Handing() as stage:
        await stage.settled_deployment(2)
        await stage.deploy(referring(replicas=2))
        await stage.wire.delete(DEPLOYMENT, "default", "d", propagation="Orphan")
        await stage.reaches("Degraded", NOT_FOUND)
        await stage.passes(60)
        assert len(stage.behind("web")) == 4
        assert [image_of(each) for each in stage.own()] == ["img:1"]


async def test_a_rollout_that_turns_to_a_template_of_its_own_forgets_the_workload() -> None:
    async with Handing() as stage:
        await stage.settled_deployment(2)
        await stage.deploy(referring(replicas=2, scale_down="progressively"))
        await stage.until(lambda: stage.deployed == 0)
        own = {"workloadRef": None, "selector": {"matchLabels": {"app": "r"}}, "template": make.template()}
        own["template"] = stage.get(DEPLOYMENT, "d")["spec"]["template"]
        await stage.change(ROLLOUT, "r", {"spec": own})
        await stage.until(lambda: "workloadObservedGeneration" not in stage.status())
        await stage.delete(DEPLOYMENT, "d")
        await stage.passes(30)
        assert stage.phase().phase == "Healthy"
        assert len(stage.own()) == 1
