"""Whole courses of canaries by the ratio of pods: how releases go out, stop, go back and go on."""

import asyncio

import pytest

from rollouts.api import labels
from rollouts.kube.refs import EVENT, POD, REPLICA_SET, ROLLOUT
from tests import make
from tests.stories.objects import rollout
from tests.stories.stage import Stage

pytestmark = pytest.mark.virtual

SURGE = {"maxSurge": 1, "maxUnavailable": 0}
FOUR_STEPS = (make.weight(20), make.pause(), make.weight(60), make.pause())
TWO_STEPS = (make.weight(40), make.pause())
V1, V2 = "9f9bc55f7", "79dbf75f7b"


async def test_the_first_release_skips_all_steps() -> None:
    async with Stage() as stage:
        await stage.deploy(rollout(make.weight(20), make.pause(), replicas=3))
        assert stage.sizes() == {"img:1": 3}
        status = stage.status()
        assert status["stableRS"] == status["currentPodHash"] == V1
        assert status["currentStepIndex"] == 2
        completed = ("RolloutCompleted", f"Rollout completed update to revision 1 ({V1}): Initial deploy")
        assert completed in await stage.events()


async def test_a_canary_grows_step_by_step_and_waits_for_people() -> None:
    async with Stage() as stage:
        await stage.deploy(rollout(*FOUR_STEPS, canary=SURGE))
        await stage.release("img:2")
        await stage.reaches("Paused", "CanaryPauseStep")
        assert stage.sizes() == {"img:1": 4, "img:2": 1}
        await stage.passes(86_400)
        assert stage.phase().phase == "Paused"
        await stage.promote()
        await stage.reaches_step(3)
        assert stage.sizes() == {"img:1": 2, "img:2": 3}
        await stage.promote()
        await stage.reaches("Healthy")
        assert stage.sizes() == {"img:2": 5}
        assert stage.condition("Completed")["status"] == "True"
        assert stage.status()["duration"]["completionStatus"] == "Promoted"


async def test_a_canary_tells_its_phases_in_the_words_of_argo_rollouts() -> None:
    async with Stage() as stage:
        await stage.deploy(rollout(*TWO_STEPS, canary=SURGE))
        stage.course.clear()
        await stage.release("img:2")
        await stage.reaches("Paused")
        await stage.promote()
        await stage.reaches("Healthy")
        told = [f"{phase}: {message}" for phase, message in stage.course]
    assert list(dict.fromkeys(told)) == [
        "Progressing: waiting for rollout spec update to be observed",
        "Progressing: more replicas need to be updated",
        "Paused: CanaryPauseStep",
        "Progressing: waiting for rollout to unpause",
        "Progressing: old replicas are pending termination",
        "Healthy: ",
    ]


async def test_events_tell_an_update_in_the_order_in_which_it_happened() -> None:
    async with Stage() as stage:
        await stage.deploy(rollout(make.weight(50), make.pause("10s"), replicas=2, canary=SURGE))
        known = len(await stage.events())
        await stage.release("img:2")
        await stage.reaches("Healthy")
        events = (await stage.events())[known:]
    assert [reason for reason, _ in events] == [
        "RolloutUpdated",
        "NewReplicaSetCreated",
        "RolloutNotCompleted",
        "ScalingReplicaSet",
        "RolloutStepCompleted",
        "RolloutPaused",
        "RolloutStepCompleted",
        "RolloutResumed",
        "ScalingReplicaSet",
        "RolloutCompleted",
    ]


async def test_who_finds_an_update_ended_finds_its_events() -> None:
    async with Stage() as stage:
        await stage.deploy(rollout(make.weight(50), make.pause("10s"), replicas=2, canary=SURGE))
        told: list[set[str]] = []

        def look() -> None:
            aborted = stage.condition("Progressing").get("reason") == "RolloutAborted"
            if stage.status()["observedGeneration"] == "2" and (stage.phase() == ("Healthy", "") or aborted):
                told.append({event["reason"] for event in stage.all(EVENT) if "revision 2" in event["message"]})

        stage.server.store.listeners.append(look)
        await stage.release("img:2")
        await stage.reaches("Paused")
        await stage.abort()
        await stage.reaches("Degraded")
        assert "RolloutAborted" in told[0]
        await stage.retry()
        await stage.reaches("Progressing")
        told.clear()
        await stage.reaches("Healthy")
    assert {"RolloutUpdated", "ScalingReplicaSet", "RolloutCompleted"} <= told[0]


async def test_surge_and_availability_are_kept_at_every_moment() -> None:
    async with Stage() as stage:
        await stage.deploy(rollout(make.weight(20), make.weight(60), make.pause("5s"), canary=SURGE))
        seen: list[tuple[int, int]] = []

        def look() -> None:
            seen.append((sum(stage.sizes().values()), len(stage.ready(app="r"))))

        stage.server.store.listeners.append(look)
        await stage.release("img:2")
        await stage.reaches("Healthy")
    assert max(pods for pods, _ in seen) == 6
    assert min(ready for _, ready in seen) == 5


@pytest.mark.parametrize("duration", [90, "90", "90s", "1m30s"])
async def test_a_timed_pause_takes_its_time_and_not_a_second_more(duration: int | str) -> None:
    async with Stage() as stage:
        await stage.deploy(rollout(make.weight(20), make.pause(duration)))
        await stage.release("img:2")
        await stage.reaches("Paused")
        began = asyncio.get_running_loop().time()
        await stage.reaches_step(2)
        assert 89 <= asyncio.get_running_loop().time() - began <= 91


async def test_a_pause_of_nothing_is_none() -> None:
    async with Stage() as stage:
        await stage.deploy(rollout(make.weight(20), make.pause(0)))
        await stage.release("img:2")
        await stage.reaches("Healthy")
        assert "Paused" not in {phase.phase for phase in stage.course}


async def test_an_abort_brings_stable_back_and_stays_degraded() -> None:
    async with Stage() as stage:
        await stage.deploy(rollout(*TWO_STEPS, canary=SURGE))
        await stage.release("img:2")
        await stage.reaches("Paused")
        await stage.abort()
        await stage.reaches("Degraded")
        assert stage.phase().message == "RolloutAborted: Rollout aborted update to revision 2"
        await stage.until(lambda: stage.sizes() == {"img:1": 5})
        status = stage.status()
        assert (status["currentStepIndex"], status["abort"]) == (0, True)
        assert "abortedAt" in status
        assert stage.condition("Progressing")["reason"] == "RolloutAborted"
        aborted = ("RolloutAborted", "Rollout aborted update to revision 2")
        assert aborted in await stage.events()
        assert stage.phase().phase == "Degraded"


async def test_a_retry_takes_the_steps_again_from_the_first() -> None:
    async with Stage() as stage:
        await stage.deploy(rollout(*TWO_STEPS, canary=SURGE))
        await stage.release("img:2")
        await stage.reaches("Paused")
        await stage.abort()
        await stage.until(lambda: stage.sizes() == {"img:1": 5})
        await stage.retry()
        await stage.reaches("Paused")
        assert stage.sizes() == {"img:1": 3, "img:2": 2}
        assert "abortedAt" not in stage.status()


async def test_full_promotion_passes_over_every_step() -> None:
    async with Stage() as stage:
        await stage.deploy(rollout(*FOUR_STEPS, canary=SURGE))
        await stage.release("img:2")
        await stage.reaches("Paused")
        await stage.promote(full=True)
        await stage.reaches("Healthy")
        assert stage.sizes() == {"img:2": 5}
        assert "promoteFull" not in stage.status()
        assert stage.status()["duration"]["completionStatus"] == "FastPromoted"
        reason = "Full promotion requested"
        assert any(message.endswith(reason) for _, message in await stage.events())


async def test_full_promotion_also_ends_an_abort() -> None:
    async with Stage() as stage:
        await stage.deploy(rollout(*TWO_STEPS, canary=SURGE))
        await stage.release("img:2")
        await stage.reaches("Paused")
        await stage.abort()
        await stage.until(lambda: stage.sizes() == {"img:1": 5})
        await stage.promote(full=True)
        await stage.reaches("Healthy")
        assert stage.sizes() == {"img:2": 5}


async def test_promotion_in_the_middle_of_a_step_skips_it() -> None:
    async with Stage() as stage:
        await stage.deploy(rollout(make.weight(20), make.pause(), script={"start-delay": "4s"}))
        await stage.release("img:2")
        await stage.reaches("Progressing", "more replicas")
        await stage.promote()
        await stage.reaches("Paused", "CanaryPauseStep", limit=2)


async def test_the_stable_template_again_ends_an_update_at_once() -> None:
    async with Stage() as stage:
        await stage.deploy(rollout(*TWO_STEPS, canary=SURGE))
        await stage.release("img:2")
        await stage.reaches("Paused")
        await stage.release("img:1")
        await stage.reaches("Healthy")
        assert stage.sizes() == {"img:1": 5}
        annotations = stage.replica_set("img:1")["metadata"]["annotations"]
        assert annotations[labels.REVISION] == "3"
        assert annotations[labels.REVISION_HISTORY] == "1"
        events = await stage.events()
        assert ("SkipSteps", "Rollback to stable ReplicaSets") in events
        assert sum(reason == "RolloutCompleted" for reason, _ in events) == 1  # the first deploy
        assert stage.status()["duration"]["completionStatus"] == "FastRolledBack"


async def test_undo_brings_an_earlier_revision_back_through_all_steps() -> None:
    async with Stage() as stage:
        await stage.deploy(rollout(*TWO_STEPS, canary=SURGE))
        for image in ("img:2", "img:3"):
            await stage.release(image)
            await stage.reaches("Paused")
            await stage.promote()
            await stage.reaches("Healthy")
        assert await stage.undo(to_revision=1) == "rollout 'r' undo"
        await stage.reaches("Paused")
        assert stage.sizes() == {"img:1": 2, "img:3": 3}
        await stage.promote()
        await stage.reaches("Healthy")
        assert stage.rollout()["metadata"]["annotations"][labels.REVISION] == "4"


async def test_a_third_template_in_the_middle_replaces_the_second() -> None:
    async with Stage() as stage:
        await stage.deploy(rollout(*TWO_STEPS, canary=SURGE))
        await stage.release("img:2")
        await stage.reaches("Paused")
        await stage.release("img:3")
        await stage.reaches("Paused")
        assert stage.sizes() == {"img:1": 3, "img:3": 2}
        await stage.promote()
        await stage.reaches("Healthy")
        assert stage.sizes() == {"img:3": 5}


async def test_other_steps_in_the_middle_begin_anew() -> None:
    async with Stage() as stage:
        await stage.deploy(rollout(*TWO_STEPS, canary=SURGE))
        await stage.release("img:2")
        await stage.reaches("Paused")
        await stage.edit(strategy={"canary": {"steps": [make.weight(20), make.pause(), make.pause()]}})
        await stage.reaches_step(1)
        await stage.reaches("Paused")
        await stage.until(lambda: stage.sizes() == {"img:1": 4, "img:2": 1})


async def test_other_steps_on_a_promoted_rollout_change_nothing() -> None:
    async with Stage() as stage:
        await stage.deploy(rollout(*TWO_STEPS))
        await stage.edit(strategy={"canary": {"steps": [make.pause()]}})
        await stage.reaches("Healthy")
        assert stage.status()["currentStepIndex"] == 1
        assert ("SkipSteps", "Rollback to stable ReplicaSets") in await stage.events()


async def test_scaling_in_the_middle_keeps_the_share() -> None:
    async with Stage() as stage:
        await stage.deploy(rollout(*TWO_STEPS, canary=SURGE))
        await stage.release("img:2")
        await stage.reaches("Paused")
        await stage.edit(replicas=10)
        await stage.until(lambda: stage.sizes() == {"img:1": 6, "img:2": 4})
        await stage.reaches("Paused")
        await stage.edit(replicas=5)
        await stage.until(lambda: stage.sizes() == {"img:1": 3, "img:2": 2})


async def test_a_horizontal_pod_autoscaler_scales_through_the_subresource() -> None:
    async with Stage() as stage:
        await stage.deploy(rollout(replicas=2))
        await stage.change(ROLLOUT, "r", {"spec": {"replicas": 4}}, subresource="scale")
        await stage.until(lambda: len(stage.ready(app="r")) == 4)
        await stage.reaches("Healthy")
        scale = await stage.wire.get(ROLLOUT, "default", "r", subresource="scale")
        assert scale["status"] == {"replicas": 4, "selector": "app=r"}


async def test_absent_replicas_are_written_out_as_one() -> None:
    async with Stage() as stage:
        await stage.deploy(rollout(replicas=None))
        assert stage.rollout()["spec"]["replicas"] == 1
        assert stage.sizes() == {"img:1": 1}


async def test_scaled_to_zero_an_update_ends_without_pods() -> None:
    async with Stage() as stage:
        await stage.deploy(rollout(*TWO_STEPS, replicas=0))
        await stage.release("img:2")
        await stage.reaches("Paused")
        await stage.promote()
        await stage.reaches("Healthy")
        assert stage.status()["stableRS"] == V2
        assert stage.all(POD) == []


async def test_template_and_size_in_one_edit_never_overshoot_the_step() -> None:
    async with Stage() as stage:
        await stage.deploy(rollout(*FOUR_STEPS, replicas=4, canary=SURGE))
        most = [0]

        def watch() -> None:
            most.append(max((r["spec"]["replicas"] for r in stage.all(REPLICA_SET) if "79db" in str(r)), default=0))

        stage.server.store.listeners.append(watch)
        await stage.edit(replicas=8, template=make.template("img:2"))
        await stage.reaches("Paused")
        assert stage.sizes() == {"img:1": 7, "img:2": 2}
        assert max(most) == 2


async def test_a_paused_spec_stops_pods_and_steps_until_it_is_resumed() -> None:
    async with Stage() as stage:
        await stage.deploy(rollout(make.weight(20), make.pause("30s"), make.weight(60), make.pause()))
        await stage.edit(paused=True)
        await stage.reaches("Paused", "manually paused")
        await stage.release("img:2")
        await stage.passes(600)
        assert stage.sizes() == {"img:1": 5}
        assert stage.phase() == ("Paused", "manually paused")
        await stage.edit(paused=False)
        await stage.reaches("Paused", "CanaryPauseStep")
        await stage.edit(paused=True)
        await stage.passes(600)
        assert stage.status()["currentStepIndex"] == 1
        await stage.promote()  # takes away both, as the plugin does
        await stage.reaches_step(3)


async def test_old_revisions_are_forgotten_beyond_the_limit() -> None:
    async with Stage() as stage:
        await stage.deploy(rollout(replicas=1, revisionHistoryLimit=2))
        for number in range(2, 7):
            await stage.release(f"img:{number}")
            await stage.reaches("Healthy")
            await stage.passes(5)
        revisions = {rs["metadata"]["annotations"][labels.REVISION] for rs in stage.all(REPLICA_SET)}
        assert revisions == {"6", "5", "4"}


async def test_the_progress_deadline_is_reported_and_taken_back_when_pods_come() -> None:
    async with Stage() as stage:
        await stage.deploy(rollout(make.weight(20), replicas=2, progressDeadlineSeconds=8))
        stuck = make.template("img:2")
        stuck["metadata"]["annotations"] = {"sandbox.rollouts.dev/ready": "after 14s"}
        await stage.edit(template=stuck)
        await stage.reaches("Degraded", "ProgressDeadlineExceeded", limit=15)
        name = stage.replica_set("img:2")["metadata"]["name"]
        assert stage.condition("Progressing")["message"] == f'ReplicaSet "{name}" has timed out progressing.'
        await stage.reaches("Healthy", limit=600)


async def test_a_pause_longer_than_the_progress_deadline_is_no_failure() -> None:
    async with Stage() as stage:
        await stage.deploy(rollout(make.weight(50), make.pause("15s"), replicas=2, progressDeadlineSeconds=5))
        stage.course.clear()
        await stage.release("img:2")
        await stage.reaches("Healthy")
        assert "Degraded" not in {phase.phase for phase in stage.course}


async def test_metadata_of_the_roles_reaches_live_pods_and_follows_the_promotion() -> None:
    roles = {
        "canaryMetadata": {"labels": {"role": "canary"}, "annotations": {"note": "new"}},
        "stableMetadata": {"labels": {"role": "stable"}},
    }
    async with Stage() as stage:
        await stage.deploy(rollout(*TWO_STEPS, canary={**SURGE, **roles}))
        assert len(stage.ready(role="stable")) == 5
        await stage.release("img:2")
        await stage.reaches("Paused")
        canaries = {pod["metadata"]["uid"] for pod in stage.ready(role="canary")}
        assert len(canaries) == 2
        await stage.promote()
        await stage.reaches("Healthy")
        await stage.until(lambda: len(stage.ready(role="stable")) == 5)
        assert stage.ready(role="canary") == []
        stable = stage.ready(role="stable")
        assert canaries <= {pod["metadata"]["uid"] for pod in stable}, "pods were restarted for a label"
        assert all("note" not in (pod["metadata"].get("annotations") or {}) for pod in stable)
