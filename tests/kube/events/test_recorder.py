"""Events: combined for a moment, posted off the hot path, never lost in silence."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from rollouts.kube.errors import ApiError, NotFound, Refused, Unreachable
from rollouts.kube.events import Recorder, Severity
from rollouts.kube.events.note import Telling
from rollouts.kube.refs import EVENT, Obj, Resource
from rollouts.sandbox import clock
from rollouts.sandbox.apiserver.server import ApiServer

pytestmark = pytest.mark.virtual

ROLLOUT: Obj = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "Rollout",
    "metadata": {"name": "shop", "namespace": "default", "uid": "u1", "resourceVersion": "7"},
}


@asynccontextmanager
async def recording(
    server: ApiServer, capacity: int = 10_000, busy: Callable[[], bool] = lambda: False
) -> AsyncIterator[Recorder]:
    recorder = Recorder(server, clock.now, capacity=capacity, busy=busy)
    task = asyncio.create_task(recorder.run())
    try:
        yield recorder
    finally:
        await recorder.close()
        await task


async def posted(server: ApiServer, namespace: str = "default") -> list[Obj]:
    events = (await server.list(EVENT, namespace)).items
    return sorted(events, key=lambda event: event["metadata"]["name"])


async def reasons(server: ApiServer) -> list[str]:
    return [event["reason"] for event in await posted(server)]


def writes(server: ApiServer) -> int:
    asked = server.requests.items()
    return sum(
        count for request, count in asked if request.resource == "events" and request.verb in ("create", "patch")
    )


def unreachable(verb: str, resource: Resource, namespace: str, name: str, subresource: str) -> ApiError | None:
    return Unreachable("no answer") if verb in ("create", "patch") else None


async def update(recorder: Recorder) -> None:
    """What is said in a plain update of a canary: steps 20 %, pause 1 s, 50 %, pause 1 s."""
    say = recorder.record
    say(ROLLOUT, "Normal", "RolloutUpdated", "Rollout updated to revision 2")
    say(ROLLOUT, "Normal", "NewReplicaSetCreated", "Created ReplicaSet shop-2 (revision 2)")
    say(ROLLOUT, "Normal", "RolloutNotCompleted", "Rollout not completed, started update to revision 2")
    for step, weight in enumerate((20, 50)):
        say(ROLLOUT, "Normal", "ScalingReplicaSet", f"Scaled up ReplicaSet shop-2 for {weight}")
        await asyncio.sleep(0.5)
        say(ROLLOUT, "Normal", "ScalingReplicaSet", f"Scaled down ReplicaSet shop-1 for {weight}")
        say(ROLLOUT, "Normal", "RolloutStepCompleted", f"Rollout step {2 * step + 1}/4 completed")
        say(ROLLOUT, "Normal", "RolloutPaused", "Rollout is paused (CanaryPauseStep)")
        await asyncio.sleep(1)
        say(ROLLOUT, "Normal", "RolloutResumed", "Rollout is resumed")
        say(ROLLOUT, "Normal", "RolloutStepCompleted", f"Rollout step {2 * step + 2}/4 completed")
    say(ROLLOUT, "Normal", "ScalingReplicaSet", "Scaled up ReplicaSet shop-2 for 100")
    await asyncio.sleep(0.5)
    say(ROLLOUT, "Normal", "RolloutCompleted", "Rollout completed update to revision 2")


async def test_every_reason_of_an_update_is_one_event() -> None:
    server = ApiServer(clock.now)
    async with recording(server) as recorder:
        await update(recorder)
        await asyncio.sleep(1)
        assert await reasons(server) == [
            "RolloutUpdated",
            "NewReplicaSetCreated",
            "RolloutNotCompleted",
            "ScalingReplicaSet",
            "RolloutStepCompleted",
            "RolloutPaused",
            "RolloutResumed",
            "RolloutCompleted",
        ]
        assert writes(server) == 8
        told = " ".join(event["message"] for event in await posted(server))
        for text in ("revision 2", "started update", "for 20", "for 50", "for 100", "step 1/4", "step 4/4", "paused"):
            assert text in told
        assert sum(event["count"] for event in await posted(server)) == 17


async def test_what_says_the_same_a_second_time_is_told_with_it() -> None:
    server = ApiServer(clock.now)
    async with recording(server) as recorder:
        for reason in (
            "SwitchService",
            "Updated VirtualService",
            "TrafficWeightUpdated",
            "AnalysisRunRunning",
            "MetricSuccessful",
            "AnalysisRunSuccessful",
            "RolloutCompleted",
        ):
            recorder.record(ROLLOUT, "Normal", reason, f"text of {reason}")
        await asyncio.sleep(1)
        events = {event["reason"]: event["message"] for event in await posted(server)}
    assert list(events) == [
        "SwitchService",
        "TrafficWeightUpdated",
        "AnalysisRunRunning",
        "AnalysisRunSuccessful",
        "RolloutCompleted",
    ]
    assert "text of Updated VirtualService" in events["TrafficWeightUpdated"]
    assert "text of MetricSuccessful" in events["AnalysisRunSuccessful"]


async def test_an_abort_is_told_apart_from_what_was_said_a_moment_before() -> None:
    server = ApiServer(clock.now)
    async with recording(server) as recorder:
        recorder.record_all(
            ROLLOUT, [Telling("Normal", "ScalingReplicaSet", "Scaled up"), Telling("Normal", "RolloutPaused", "paused")]
        )
        recorder.record_all(
            ROLLOUT,
            [Telling("Normal", "ScalingReplicaSet", "Scaled down"), Telling("Warning", "RolloutAborted", "aborted")],
        )
        recorder.record(ROLLOUT, "Normal", "ScalingReplicaSet", "Scaled up again")
        await asyncio.sleep(3)
        assert [event["message"] for event in await posted(server)] == [
            "Scaled up",
            "paused",
            "Scaled down",
            "aborted",
            "Scaled up again",
        ]


async def test_what_is_said_a_second_time_after_a_retry_is_seen_in_its_place_within_two_seconds() -> None:
    server = ApiServer(clock.now)
    seen: list[tuple[str, int]] = []
    async with recording(server) as recorder:
        watched = server.watch(EVENT, "default", resource_version="")
        for _ in range(2):
            recorder.record(ROLLOUT, "Normal", "RolloutPaused", "Rollout is paused (CanaryPauseStep)")
            recorder.record(ROLLOUT, "Warning", "RolloutAborted", "aborted")
            await asyncio.sleep(0.01)
        async with asyncio.timeout(2):
            while len(seen) < 4:
                event = await anext(watched)
                seen.append((event.object["reason"], event.object["count"]))
    assert seen == [("RolloutPaused", 1), ("RolloutAborted", 1), ("RolloutPaused", 2), ("RolloutAborted", 2)]


async def test_what_is_said_of_an_update_is_not_mixed_with_what_was_said_before_it() -> None:
    server = ApiServer(clock.now)
    async with recording(server) as recorder:
        recorder.record(ROLLOUT, "Normal", "SwitchService", "to 1")
        recorder.record(ROLLOUT, "Normal", "RolloutUpdated", "Rollout updated to revision 2")
        recorder.record(ROLLOUT, "Normal", "SwitchService", "to 2")
        await asyncio.sleep(3)
        assert await reasons(server) == ["SwitchService", "RolloutUpdated", "SwitchService"]


async def test_what_waits_is_posted_for_whoever_needs_it_there() -> None:
    server = ApiServer(clock.now)
    async with recording(server) as recorder:
        await recorder.settled(ROLLOUT, within=1)
        recorder.record(ROLLOUT, "Normal", "ScalingReplicaSet", "Scaled up")
        recorder.record(ROLLOUT, "Normal", "RolloutPaused", "paused")
        await recorder.settled(ROLLOUT, within=1)
        assert await reasons(server) == ["ScalingReplicaSet", "RolloutPaused"]


async def test_nobody_waits_longer_than_they_want_for_a_server_that_is_gone() -> None:
    server, loop = ApiServer(clock.now), asyncio.get_running_loop()
    server.faults.append(unreachable)
    async with recording(server) as recorder:
        recorder.record(ROLLOUT, "Normal", "ScalingReplicaSet", "Scaled up")
        began = loop.time()
        await recorder.settled(ROLLOUT, within=0.5)
        assert loop.time() - began == 0.5
        server.faults.clear()
        await asyncio.sleep(15)
        assert await reasons(server) == ["ScalingReplicaSet"]


async def test_what_is_said_over_and_over_is_written_more_and_more_seldom() -> None:
    server = ApiServer(clock.now)
    async with recording(server) as recorder:
        for _ in range(3600):
            recorder.record(ROLLOUT, "Normal", "TrafficWeightUpdated", "from 0 to 20")
            recorder.record(ROLLOUT, "Normal", "ScalingReplicaSet", "Scaled up")
            await asyncio.sleep(1)
    assert {event["count"] for event in await posted(server)} == {3600}
    assert writes(server) < 60, "for an hour of two things said each second"


async def test_a_rollout_that_stays_paused_says_so_by_itself_after_two_seconds() -> None:
    server = ApiServer(clock.now)
    async with recording(server) as recorder:
        recorder.record(ROLLOUT, "Normal", "RolloutStepCompleted", "Rollout step 1/2 completed")
        recorder.record(ROLLOUT, "Normal", "RolloutPaused", "Rollout is paused")
        await asyncio.sleep(1.9)
        assert await reasons(server) == []
        await asyncio.sleep(0.2)
        assert await reasons(server) == ["RolloutStepCompleted", "RolloutPaused"]


async def test_an_event_looks_as_kubectl_expects_it() -> None:
    server = ApiServer(clock.now)
    async with recording(server) as recorder:
        recorder.record(ROLLOUT, "Warning", "RolloutAborted", "Rollout aborted update to revision 2")
    (event,) = await posted(server)
    assert event["involvedObject"] == {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "namespace": "default",
        "name": "shop",
        "uid": "u1",
        "resourceVersion": "7",
    }
    assert event["source"] == {"component": "rollouts-controller"}
    assert event["type"] == "Warning"
    assert event["count"] == 1
    assert event["firstTimestamp"] == event["lastTimestamp"] == "2026-01-01T00:00:00Z"
    assert event["metadata"]["name"].startswith("shop.")


async def test_a_warning_is_posted_at_once_after_what_was_said_before_it() -> None:
    server = ApiServer(clock.now)
    async with recording(server) as recorder:
        recorder.record(ROLLOUT, "Normal", "ScalingReplicaSet", "Scaled up")
        recorder.record(ROLLOUT, "Warning", "RolloutAborted", "aborted")
        await asyncio.sleep(0.01)
        assert await reasons(server) == ["ScalingReplicaSet", "RolloutAborted"]


async def test_things_said_without_end_are_posted_after_fifteen_seconds() -> None:
    server = ApiServer(clock.now)
    async with recording(server) as recorder:
        for number in range(16):
            recorder.record(ROLLOUT, "Normal", "ScalingReplicaSet", f"Scaled to {number}")
            await asyncio.sleep(1)
        (event,) = await posted(server)
        assert event["count"] == 15


async def test_objects_do_not_wait_for_each_other() -> None:
    server = ApiServer(clock.now)
    async with recording(server) as recorder:
        recorder.record(ROLLOUT, "Normal", "RolloutUpdated", "updated")
        other = {**ROLLOUT, "metadata": {**ROLLOUT["metadata"], "name": "other", "uid": "u2"}}
        recorder.record(other, "Warning", "RolloutAborted", "aborted")
        await asyncio.sleep(0.01)
        assert await reasons(server) == ["RolloutAborted"]


async def test_a_repeated_warning_is_counted_up_and_not_written_each_time() -> None:
    server = ApiServer(clock.now)
    async with recording(server) as recorder:
        for _ in range(360):
            recorder.record(ROLLOUT, "Warning", "ReconciliationError", "no such Service")
            await asyncio.sleep(10)
    (event,) = await posted(server)
    assert event["count"] == 360
    assert event["lastTimestamp"] == "2026-01-01T00:59:50Z"
    assert writes(server) < 30, "for an hour of a failure every ten seconds"


async def test_an_event_that_the_server_has_forgotten_is_posted_anew() -> None:
    server = ApiServer(clock.now)
    async with recording(server) as recorder:
        recorder.record(ROLLOUT, "Warning", "ReconciliationError", "no such Service")
        await asyncio.sleep(1)
        (event,) = await posted(server)
        await server.delete(EVENT, "default", event["metadata"]["name"])
        recorder.record(ROLLOUT, "Warning", "ReconciliationError", "no such Service")
        await asyncio.sleep(20)
        (event,) = await posted(server)
        assert event["count"] == 1


async def test_an_unreachable_server_gets_them_later_in_order() -> None:
    server = ApiServer(clock.now)
    server.faults.append(unreachable)
    async with recording(server) as recorder:
        recorder.record(ROLLOUT, "Normal", "RolloutUpdated", "updated")
        recorder.record(ROLLOUT, "Warning", "RolloutAborted", "aborted")
        await asyncio.sleep(30)
        recorder.record(ROLLOUT, "Normal", "ScalingReplicaSet", "Scaled down")
        server.faults.clear()
        await asyncio.sleep(15)
        assert await reasons(server) == ["RolloutUpdated", "RolloutAborted", "ScalingReplicaSet"]
        assert recorder.dropped == 0


async def test_shutdown_posts_what_waits() -> None:
    server = ApiServer(clock.now)
    async with recording(server) as recorder:
        recorder.record(ROLLOUT, "Normal", "RolloutUpdated", "updated")
        assert await reasons(server) == []
    assert await reasons(server) == ["RolloutUpdated"]


async def test_what_shutdown_cannot_post_is_counted() -> None:
    server = ApiServer(clock.now)
    server.faults.append(unreachable)
    drops: list[None] = []
    recorder = Recorder(server, clock.now, on_drop=lambda: drops.append(None))
    task = asyncio.create_task(recorder.run())
    recorder.record(ROLLOUT, "Normal", "RolloutUpdated", "updated")
    recorder.record(ROLLOUT, "Normal", "ScalingReplicaSet", "Scaled up")
    await recorder.close(within=5)
    await task
    assert recorder.dropped == len(drops) == 2


async def test_a_refused_event_is_counted_and_does_not_hold_up_the_others() -> None:
    server = ApiServer(clock.now)
    refusals = [Refused("namespace is being terminated", code=403)]

    def refuse_once(verb: str, resource: Resource, namespace: str, name: str, subresource: str) -> ApiError | None:
        return refusals.pop() if refusals and verb == "create" else None

    server.faults.append(refuse_once)
    async with recording(server) as recorder:
        recorder.record(ROLLOUT, "Normal", "RolloutUpdated", "updated")
        recorder.record(ROLLOUT, "Warning", "RolloutAborted", "aborted")
        await asyncio.sleep(1)
        assert await reasons(server) == ["RolloutAborted"]
        assert recorder.dropped == 1


async def test_overload_drops_the_ordinary_but_never_warnings_and_ends() -> None:
    def numbered(number: int) -> Obj:
        return {**ROLLOUT, "metadata": {"name": f"r{number}", "namespace": "default", "uid": str(number)}}

    server = ApiServer(clock.now)
    said: list[tuple[int, Severity, str]] = [
        (1, "Normal", "RolloutUpdated"),
        (2, "Normal", "RolloutUpdated"),
        (3, "Normal", "RolloutUpdated"),
        (4, "Normal", "RolloutCompleted"),
        (5, "Warning", "RolloutAborted"),
    ]
    async with recording(server, capacity=2) as recorder:
        for number, type, reason in said:
            recorder.record(numbered(number), type, reason, "said")
        assert recorder.dropped == 1
        await asyncio.sleep(5)
    names = {event["involvedObject"]["name"] for event in await posted(server)}
    assert names == {"r1", "r2", "r4", "r5"}


async def test_a_long_story_keeps_its_latest_parts_and_says_how_many_are_missing() -> None:
    server = ApiServer(clock.now)
    async with recording(server) as recorder:
        for number in range(100):
            recorder.record(ROLLOUT, "Normal", "ScalingReplicaSet", f"Scaled up ReplicaSet shop-2 to {number}")
    (event,) = await posted(server)
    assert len(event["message"]) <= 1024
    assert event["message"].endswith("to 99")
    assert event["message"].startswith("(")
    assert event["count"] == 100


async def test_events_of_cluster_scoped_objects_live_in_default() -> None:
    server = ApiServer(clock.now)
    template = {"apiVersion": "v1", "kind": "ClusterAnalysisTemplate", "metadata": {"name": "t", "uid": "u9"}}
    async with recording(server) as recorder:
        recorder.record(template, "Warning", "Odd", "odd")
    assert [event["involvedObject"]["name"] for event in await posted(server)] == ["t"]


async def test_everything_recorded_is_told_to_who_counts() -> None:
    server, counted = ApiServer(clock.now), list[tuple[str, str]]()
    recorder = Recorder(server, clock.now, on_event=lambda about, type, reason: counted.append((type, reason)))
    recorder.record(ROLLOUT, "Normal", "ScalingReplicaSet", "one")
    recorder.record(ROLLOUT, "Normal", "ScalingReplicaSet", "two")
    assert counted == [("Normal", "ScalingReplicaSet")] * 2
    with pytest.raises(NotFound):
        await server.get(EVENT, "default", "shop")


@pytest.mark.parametrize("reason", ["RolloutUpdated", "RolloutCompleted"])
async def test_news_wait_for_more_urgent_work_but_not_for_ever(reason: str) -> None:
    server = ApiServer(clock.now)
    async with recording(server, busy=lambda: True) as recorder:
        recorder.record(ROLLOUT, "Normal", reason, "so it is")
        await asyncio.sleep(44.9)
        assert await reasons(server) == []
        await asyncio.sleep(0.2)
        assert await reasons(server) == [reason]


async def test_news_that_waited_are_posted_as_soon_as_there_is_room() -> None:
    server, busy = ApiServer(clock.now), True
    async with recording(server, busy=lambda: busy) as recorder:
        recorder.record(ROLLOUT, "Normal", "RolloutUpdated", "so it is")
        await asyncio.sleep(5)
        busy = False
        await asyncio.sleep(0.6)
        assert await reasons(server) == ["RolloutUpdated"]


async def test_a_warning_waits_for_nothing() -> None:
    server = ApiServer(clock.now)
    async with recording(server, busy=lambda: True) as recorder:
        recorder.record(ROLLOUT, "Normal", "RolloutUpdated", "so it is")
        recorder.record(ROLLOUT, "Warning", "RolloutAborted", "no good")
        await asyncio.sleep(0.1)
        assert await reasons(server) == ["RolloutUpdated", "RolloutAborted"]
