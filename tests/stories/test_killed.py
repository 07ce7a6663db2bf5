"""A controller killed at any point of an update: its successor always ends it, and no user notices.

The whole controller goes dead after its n-th write (which still reaches the server) and a new one starts, knowing only
what the cluster holds: for every n of some updates, and for random ones over and over. After every single write to the
cluster the guard looks whether traffic points at ready pods only, and whether enough of them are there.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from rollouts.kube.errors import ApiError, Conflict, Refused, TooManyRequests, Unreachable
from rollouts.kube.refs import Obj
from rollouts.sandbox import clock
from tests import make
from tests.stories.guard import Guard
from tests.stories.line import READS, Call, Fault
from tests.stories.objects import analysis, istio, metric, rollout, template
from tests.stories.stage import Stage, image_of

GRACE = 0.05
"""Seconds between a controller's death and its successor's start."""


async def finish(stage: Stage, deaths: list[int]) -> int:
    """Let controllers die after so many writes each, one after another, until the Rollout is settled.

    Answers how many of them died.
    """
    died = 0
    while True:
        stage.line.dies_after = deaths[died] if died < len(deaths) else None
        dead = asyncio.create_task(stage.line.dead.wait())
        settled = asyncio.create_task(settles(stage))
        done, _ = await asyncio.wait((dead, settled), return_when=asyncio.FIRST_COMPLETED)
        for task in (dead, settled):
            task.cancel()
        await asyncio.gather(dead, settled, return_exceptions=True)
        if settled in done:
            settled.result()
            return died
        died += 1
        await stage.kill()
        await stage.passes(GRACE)
        stage.start()


async def settles(stage: Stage) -> None:
    """Until the new template is all that there is; people promote whatever pauses."""

    async def promote() -> None:
        while True:
            await stage.until(lambda: stage.phase().phase == "Paused", limit=3600)
            await stage.promote()

    promoting = asyncio.create_task(promote())
    try:
        await stage.until(lambda: is_settled(stage), limit=900)
    finally:
        promoting.cancel()
        await asyncio.gather(promoting, return_exceptions=True)


def is_settled(stage: Stage) -> bool:
    manifest = stage.rollout()
    wanted = {image_of(manifest): manifest["spec"]["replicas"]}
    if stage.phase().phase != "Healthy" or stage.sizes() != wanted:
        return False
    if "trafficRouting" not in manifest["spec"]["strategy"]["canary"]:
        return True
    return stage.weights() == {"stable": 100, "canary": 0} and stage.serves("stable") == {image_of(manifest)}


@dataclass(frozen=True)
class Update:
    """An update to be survived: what stands before it, and what people do then."""

    objects: tuple[Obj, ...]
    deed: Callable[[Stage], Awaitable[None]]
    available: int
    most: int | None = None
    replicas: int = 5


async def survive(update: Update, deaths: list[int], *faults: Fault) -> int:
    """Do the deed while controllers die, or (`faults`) their calls fail. Answers how many died."""
    async with Stage() as stage:
        stage.prometheus.says("errors", 0.0)
        await stage.deploy(*update.objects)
        guard = Guard(stage, update.replicas, update.available, update.most)
        stage.line.calls.clear()
        stage.line.faults.extend(faults)
        await update.deed(stage)
        died = await finish(stage, deaths)
        assert guard.broken == []
        return died


async def release(stage: Stage) -> None:
    await stage.release("img:2")


async def first_step(stage: Stage) -> None:
    """Release, and wait until the first step is done."""
    before = stage.status()["currentPodHash"]
    await stage.release("img:2")
    await stage.until(
        lambda: stage.status()["currentPodHash"] != before and stage.status().get("currentStepIndex", 0) >= 1
    )


async def release_twice(stage: Stage) -> None:
    """The second release comes when the first one has some traffic."""
    await first_step(stage)
    await stage.release("img:3")


async def abort_and_release_again(stage: Stage) -> None:
    await first_step(stage)
    await stage.abort()
    await stage.until(lambda: stage.phase().phase == "Degraded")
    await stage.retry()


STEPS = (make.weight(20), make.pause("5s"), make.weight(60), make.pause())
SURGE = {"maxSurge": 1, "maxUnavailable": 0}
WATCHED = {"scaleDownDelaySeconds": 5, "analysis": analysis()}

UPDATES = {
    "basic": Update((rollout(*STEPS, canary=SURGE),), release, available=5, most=6),
    "basic without surge": Update(
        (rollout(*STEPS, canary={"maxSurge": 0, "maxUnavailable": 2}),), release, available=3, most=5
    ),
    "Istio with background analysis": Update(
        (template("check", metric(interval="10s")), *istio(*STEPS, canary=WATCHED)), release, available=5
    ),
}


def failing(plan: list[int]) -> Fault:
    """Of the writes that follow, this many succeed, then one fails, and so on to the plan's end; kinds take turns."""
    kinds: tuple[Callable[[], ApiError], ...] = (
        lambda: Conflict("the object has been modified"),
        lambda: Unreachable("etcdserver: leader changed", code=500),
        lambda: TooManyRequests("too many requests"),
        lambda: Refused("the webhook said no", code=403),
    )
    left = list(plan)

    def fault(call: Call) -> ApiError | None:
        if call.verb in READS or not left:
            return None
        left[0] -= 1
        if left[0] >= 0:
            return None
        left.pop(0)
        return kinds[len(left) % len(kinds)]()

    return fault


async def writes_of(update: Update) -> int:
    async with Stage() as stage:
        stage.prometheus.says("errors", 0.0)
        await stage.deploy(*update.objects)
        stage.line.calls.clear()
        await update.deed(stage)
        await finish(stage, [])
        return len(stage.line.writes)


@pytest.mark.parametrize("name", UPDATES)
def test_killed_after_any_of_its_writes_an_update_ends_and_nobody_notices(name: str) -> None:
    update = UPDATES[name]
    count = clock.run(writes_of(update))
    assert count > 8
    for death in range(1, count):
        try:
            assert clock.run(survive(update, [death])) == 1
        except BaseException as error:
            error.add_note(f"killed after write {death} of {count}")
            raise


@pytest.mark.parametrize("name", UPDATES)
def test_killed_after_each_of_its_writes_an_update_still_ends(name: str) -> None:
    died = clock.run(survive(UPDATES[name], [1] * 200))
    assert 8 < died < 200


@pytest.mark.parametrize("deed", [release_twice, abort_and_release_again])
def test_killed_again_and_again_other_deeds_end_too(deed: Callable[[Stage], Awaitable[None]]) -> None:
    for deaths in ([2] * 100, [3] * 100, [5, 1, 7, 1, 1, 2] * 10):
        clock.run(survive(Update(istio(*STEPS), deed, available=5), deaths))


steps = st.lists(
    st.one_of(
        st.integers(0, 100).map(make.weight),
        st.sampled_from([make.pause(), make.pause("10s"), make.pause(0)]),
    ),
    max_size=4,
)


def any_update(
    steps: list[Obj], replicas: int, limits: tuple[int, int], deed: Callable[[Stage], Awaitable[None]], *, routing: str
) -> Update:
    surge, unavailable = limits
    canary = {"maxSurge": surge, "maxUnavailable": unavailable, "dynamicStableScale": routing == "dynamic"}
    deed = deed if steps and "setWeight" in steps[0] else release
    if routing:
        return Update(istio(*steps, canary=canary, replicas=replicas), deed, replicas, None, replicas)
    least = max(0, replicas - unavailable)
    return Update((rollout(*steps, canary=canary, replicas=replicas),), deed, least, replicas + surge, replicas)


updates = st.builds(
    any_update,
    steps,
    st.integers(1, 6),
    st.sampled_from([(0, 1), (0, 2), (1, 0), (1, 1), (2, 0), (3, 2)]),
    st.sampled_from([release, release_twice]),
    routing=st.sampled_from(["", "routed", "dynamic"]),
)


@settings(
    max_examples=80,
    deadline=None,
    derandomize=True,
    phases=(Phase.explicit, Phase.generate),  # each example is a whole update: looking for a smaller one takes minutes
    suppress_health_check=[HealthCheck.too_slow],
)
@given(updates, st.lists(st.integers(1, 12), max_size=6))
def test_any_update_survives_any_deaths(update: Update, deaths: list[int]) -> None:
    clock.run(survive(update, deaths))


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow],
)
@given(updates, st.lists(st.integers(0, 6), max_size=20))
def test_any_update_survives_an_api_server_that_refuses_now_and_then(update: Update, plan: list[int]) -> None:
    clock.run(survive(update, [], failing(plan)))
