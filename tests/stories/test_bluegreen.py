"""Whole courses of blue-green rollouts: previewed, judged, switched, taken back, and what users have meanwhile."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from rollouts.kube.refs import REPLICA_SET, SERVICE, Obj
from rollouts.sandbox import clock
from tests import make
from tests.stories.objects import analysis, metric, service, template
from tests.stories.stage import Stage

V1, V2 = "9f9bc55f7", "79dbf75f7b"
MANUAL = {"autoPromotionEnabled": False}
RUN = f"r-{V2}-2"


def blue_green(replicas: int = 3, **strategy: Any) -> tuple[Obj, ...]:
    """A blue-green Rollout `r` with all that it needs."""
    manifest = make.blue_green(replicas=replicas, **strategy)
    manifest["metadata"] = {"name": "r", "namespace": "default"}
    return (service("active"), service("preview"), template(), manifest)


class Users:
    """Look at the active Service after every write: `broken` tells when it led to fewer ready pods than `least`,
    or to pods of several versions. On a real cluster, whose watches tell of Services and pods in no order, it is
    looked at and not judged."""

    def __init__(self, stage: Stage, least: int) -> None:
        self._stage, self._least = stage, least
        self.broken: list[str] = []
        self.checks = 0
        stage.whenever(self._look)

    def _look(self) -> None:
        self.checks += 1
        pods, versions = len(self._stage.behind("active")), self._stage.serves("active")
        if self._stage.in_order and (pods < self._least or len(versions) > 1):
            self.broken.append(f"{pods} ready pods of {versions}: {self._stage.status()}")


@pytest.mark.virtual
async def test_the_first_release_is_previewed_before_it_has_pods() -> None:
    async with Stage() as stage:
        await stage.apply(*blue_green())
        await stage.until(lambda: "selector" in stage.get(SERVICE, "preview")["spec"] and previewed(stage) == V1)
        assert stage.ready(app="r") == []
        await stage.reaches("Healthy")
        assert stage.serves("active") == stage.serves("preview") == {"img:1"}
        reasons = list(dict.fromkeys(reason for reason, _ in await stage.events()))
        assert "RolloutNotCompleted" not in reasons
        assert ("RolloutCompleted", f"Rollout completed update to revision 1 ({V1}): Initial deploy") in (
            await stage.events()
        )


def previewed(stage: Stage) -> str | None:
    selector: Obj = stage.get(SERVICE, "preview")["spec"].get("selector") or {}
    return selector.get("rollouts-pod-template-hash")


@pytest.mark.virtual
async def test_a_release_waits_behind_the_preview_until_somebody_promotes() -> None:
    async with Stage() as stage:
        await stage.deploy(*blue_green(2, **MANUAL, scaleDownDelaySeconds=3))
        users = Users(stage, 2)
        known = len(await stage.events())
        stage.course.clear()
        await stage.release("img:2")
        await stage.reaches("Paused", "BlueGreenPause")
        assert stage.serves("preview") == {"img:2"}
        await stage.passes(86_400)
        assert stage.serves("active") == {"img:1"}
        await stage.promote()
        await stage.reaches("Healthy")
        assert stage.serves("active") == {"img:2"}
        status = stage.status()
        assert status["stableRS"] == status["blueGreen"]["activeSelector"] == V2
        assert status["selector"] == f"app=r,rollouts-pod-template-hash={V2}"
        assert (status["HPAReplicas"], status["readyReplicas"], status["availableReplicas"]) == (2, 2, 2)
        await stage.until(lambda: stage.sizes() == {"img:2": 2})
        assert users.broken == []
        assert users.checks > 10
        told = [f"{phase}: {message}" for phase, message in stage.course]
        reasons = [reason for reason, _ in (await stage.events())[known:]]
    assert list(dict.fromkeys(told)) == [
        "Progressing: waiting for rollout spec update to be observed",
        "Progressing: more replicas need to be updated",
        "Paused: BlueGreenPause",
        "Progressing: waiting for rollout to unpause",
        "Healthy: ",
    ]
    assert reasons.count("SwitchService") == 2
    unordered = ("SwitchService", "RolloutNotCompleted")
    assert list(dict.fromkeys(reason for reason in reasons if reason not in unordered)) == [
        "RolloutUpdated",
        "NewReplicaSetCreated",
        "ScalingReplicaSet",
        "RolloutPaused",
        "RolloutCompleted",
    ]


@pytest.mark.virtual
async def test_a_switch_moves_all_users_at_once() -> None:
    async with Stage() as stage:
        await stage.deploy(*blue_green(4, scaleDownDelaySeconds=3))
        users = Users(stage, 4)
        await stage.release("img:2")
        await stage.reaches("Healthy")
        await stage.until(lambda: stage.sizes() == {"img:2": 4})
        assert users.broken == []


@pytest.mark.virtual
async def test_judged_before_and_after_the_switch_a_release_becomes_stable() -> None:
    async with Stage() as stage:
        gates: Obj = {"prePromotionAnalysis": analysis(), "postPromotionAnalysis": analysis()}
        await stage.deploy(*blue_green(**gates))
        stage.prometheus.says("errors", 0.01)
        await stage.release("img:2")
        await stage.reaches("Healthy")
        assert stage.runs() == {f"{RUN}-pre": "Successful", f"{RUN}-post": "Successful"}
        entries = stage.status()["blueGreen"]
        assert entries["prePromotionAnalysisRunStatus"]["name"] == f"{RUN}-pre"
        assert entries["postPromotionAnalysisRunStatus"]["status"] == "Successful"
        events = str(await stage.events())
        assert f"PrePromotion Analysis Run '{RUN}-pre' Status New: 'Successful'" in events
        assert f"PostPromotion Analysis Run '{RUN}-post' Status New: 'Successful'" in events


@pytest.mark.virtual
async def test_users_never_meet_a_release_that_fails_its_preview() -> None:
    async with Stage() as stage:
        await stage.deploy(*blue_green(prePromotionAnalysis=analysis(), abortScaleDownDelaySeconds=5))
        users = Users(stage, 3)
        met: set[str] = set()
        stage.server.store.listeners.append(lambda: met.update(stage.serves("active")))
        stage.prometheus.says("errors", 0.2, 0.01)
        await stage.release("img:2")
        await stage.reaches("Degraded")
        cause = 'Metric "errors" assessed Failed due to failed (1) > failureLimit (0)'
        assert stage.phase().message.endswith(f"Blue/green pre-promotion analysis phase error/failed: {cause}")
        await stage.until(lambda: stage.sizes() == {"img:1": 3})
        assert met == {"img:1"}
        await stage.retry()
        await stage.reaches("Healthy")
        assert stage.runs() == {f"{RUN}-pre": "Failed", f"{RUN}-pre.1": "Successful"}
        assert stage.serves("active") == {"img:2"}
        assert users.broken == []


@pytest.mark.virtual
async def test_users_are_taken_back_from_a_release_that_fails_after_the_switch() -> None:
    async with Stage() as stage:
        judged = metric(interval="3s", count=5)
        objects = blue_green(postPromotionAnalysis=analysis(), abortScaleDownDelaySeconds=5)
        await stage.deploy(*objects[:2], template("check", judged), objects[-1])
        users = Users(stage, 3)
        stage.prometheus.says("errors", 0.01, 0.01, 0.2)
        await stage.release("img:2")
        await stage.reaches("Progressing", "waiting for analysis to complete")
        assert stage.serves("active") == {"img:2"}
        assert stage.sizes() == {"img:1": 3, "img:2": 3}
        await stage.reaches("Degraded")
        await stage.until(lambda: stage.serves("active") == {"img:1"}, limit=1)
        await stage.until(lambda: stage.sizes() == {"img:1": 3})
        assert users.broken == []


@pytest.mark.virtual
async def test_an_undo_within_the_scale_down_delay_is_there_at_once() -> None:
    async with Stage() as stage:
        await stage.deploy(*blue_green(**MANUAL))
        await stage.passes(60)  # which of two versions is older is told by whole seconds
        await stage.release("img:2")
        await stage.reaches("Paused")
        await stage.promote()
        await stage.reaches("Healthy")
        await stage.passes(5)
        users = Users(stage, 3)
        loop = asyncio.get_running_loop()
        began = loop.time()
        await stage.undo()
        await stage.until(lambda: stage.serves("active") == {"img:1"}, limit=1)
        assert loop.time() - began < 0.1
        await stage.reaches("Healthy")
        assert f"Rollout completed update to revision 3 ({V1}): Fast rollback" in str(await stage.events())
        await stage.until(lambda: stage.sizes() == {"img:1": 3})
        assert users.broken == []


@pytest.mark.virtual
async def test_a_preview_of_one_pod_grows_before_users_come() -> None:
    async with Stage() as stage:
        await stage.deploy(*blue_green(previewReplicaCount=1, autoPromotionSeconds=10))
        users = Users(stage, 3)
        await stage.release("img:2")
        await stage.reaches("Paused")
        assert stage.sizes() == {"img:1": 3, "img:2": 1}
        await stage.reaches("Healthy", limit=20)
        assert stage.serves("active") == {"img:2"}
        assert users.broken == []


@pytest.mark.virtual
async def test_a_full_promotion_skips_everything_but_pods() -> None:
    async with Stage() as stage:
        await stage.deploy(*blue_green(**MANUAL, previewReplicaCount=1, prePromotionAnalysis=analysis()))
        users = Users(stage, 3)
        await stage.release("img:2")
        await stage.until(lambda: stage.sizes() == {"img:1": 3, "img:2": 1} and stage.status()["currentPodHash"] == V2)
        await stage.promote(full=True)
        await stage.reaches("Healthy")
        assert stage.serves("active") == {"img:2"}
        assert "Full promotion requested" in str(await stage.events())
        assert users.broken == []


@pytest.mark.virtual
async def test_a_settled_rollout_asks_for_nothing() -> None:
    async with Stage() as stage:
        await stage.deploy(*blue_green(scaleDownDelaySeconds=3))
        await stage.release("img:2")
        await stage.reaches("Healthy")
        await stage.until(lambda: stage.sizes() == {"img:2": 3})
        await stage.passes(60)
        stage.line.calls.clear()
        await stage.passes(86_400)
        assert stage.line.writes == []


@pytest.mark.virtual
async def test_a_service_that_comes_late_is_waited_for() -> None:
    async with Stage() as stage:
        active, preview, *rest = blue_green()
        await stage.apply(preview, *rest)
        await stage.reaches("Degraded", 'spec.strategy.blueGreen.activeService: Invalid value: "active"')
        assert stage.all(REPLICA_SET) == []
        await stage.apply(active)
        await stage.reaches("Healthy")


# ── a controller that dies ──


async def release(stage: Stage) -> None:
    await stage.release("img:2")


async def release_twice(stage: Stage) -> None:
    await stage.release("img:2")
    await stage.until(lambda: "img:2" in stage.sizes())
    await stage.release("img:3")


async def release_and_undo(stage: Stage) -> None:
    await stage.release("img:2")
    await stage.until(lambda: stage.serves("active") == {"img:2"})
    await stage.undo()


@pytest.mark.parametrize("deed", [release, release_twice, release_and_undo])
@pytest.mark.parametrize("every", [1, 2, 3])
def test_killed_again_and_again_an_update_ends_and_users_notice_nothing(
    deed: Callable[[Stage], Awaitable[None]], every: int
) -> None:
    clock.run(_survive(deed, every))


async def _survive(deed: Callable[[Stage], Awaitable[None]], every: int) -> None:
    gates: Obj = {"prePromotionAnalysis": analysis(), "postPromotionAnalysis": analysis()}
    async with Stage() as stage:
        stage.prometheus.says("errors", 0.01)
        await stage.deploy(*blue_green(scaleDownDelaySeconds=5, previewReplicaCount=1, **gates))
        users = Users(stage, 3)
        await stage.passes(60)
        deaths: list[int] = []
        mortal = asyncio.create_task(_dies_often(stage, every, deaths))
        await deed(stage)
        await stage.until(lambda: _is_settled(stage), limit=600)
        mortal.cancel()
        await asyncio.gather(mortal, return_exceptions=True)
        assert users.broken == []
        assert len(deaths) > 4


async def _dies_often(stage: Stage, every: int, deaths: list[int]) -> None:
    """The controller goes dead after every few of its writes, and another one takes its place."""
    while len(deaths) < 200:
        stage.line.dies_after = every
        await stage.line.dead.wait()
        deaths.append(every)
        await stage.kill()
        await stage.passes(0.05)
        stage.start()


def _is_settled(stage: Stage) -> bool:
    wanted = stage.rollout()["spec"]["template"]["spec"]["containers"][0]["image"]
    whole = stage.sizes() == {wanted: 3} and stage.serves("active") == {wanted}
    return whole and stage.phase().phase == "Healthy"
