"""Keys: each once, one worker at a time, delays and back-off, all in virtual time."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from rollouts.kube.errors import Unreachable
from rollouts.kube.queue import Handler, Queue
from tests.kube.scripted import loop_time, until

pytestmark = pytest.mark.virtual


@asynccontextmanager
async def running(queue: Queue[str], handle: Handler[str], workers: int = 2) -> AsyncIterator[None]:
    task = asyncio.create_task(queue.run(handle, workers))
    await asyncio.sleep(0)
    try:
        yield
    finally:
        queue.close()
        await task


class Passes:
    """A handler that notes when each key was worked on; each pass takes `takes` seconds and fails while `broken`."""

    def __init__(self, takes: float = 0.0, again: float | None = None) -> None:
        self.takes, self.again = takes, again
        self.broken = False
        self.seen: list[tuple[str, float]] = []
        self.at_once, self.most_at_once = 0, 0

    async def __call__(self, key: str) -> float | None:
        self.seen.append((key, round(loop_time(), 3)))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(self.takes)
        self.at_once -= 1
        if self.broken:
            raise Unreachable("no answer")
        return self.again

    @property
    def times(self) -> list[float]:
        return [at for _, at in self.seen]


async def test_a_key_named_ten_times_is_worked_on_once() -> None:
    queue, passes = Queue[str]("test"), Passes()
    for _ in range(10):
        queue.add("a")
    async with running(queue, passes):
        await asyncio.sleep(1)
    assert passes.seen == [("a", 0.0)]


async def test_a_key_in_hand_is_not_handed_out_twice_but_looked_at_again_afterwards() -> None:
    queue, passes = Queue[str]("test"), Passes(takes=5)
    async with running(queue, passes):
        queue.add("a")
        await asyncio.sleep(1)
        queue.add("a")
        queue.add("a")
        await asyncio.sleep(20)
    assert passes.seen == [("a", 0.0), ("a", 5.0)]
    assert passes.most_at_once == 1


@pytest.mark.parametrize(
    ("heard", "times"),
    [(("7",), [0.0]), (("7", "8"), [0.0]), (("7", "9"), [0.0, 5.0]), (("7", ""), [0.0, 5.0]), ((), [0.0])],
)
async def test_what_a_pass_has_foreseen_is_not_looked_at_again(heard: tuple[str, ...], times: list[float]) -> None:
    """Whether the answer or the watch tells first of what it wrote: the versions 7 and 8."""
    queue, seen = Queue[str]("test"), []

    async def handle(key: str) -> None:
        seen.append(loop_time())
        await asyncio.sleep(5)
        queue.foreseen(key, {"7", "8"})

    async with running(queue, handle):
        queue.add("a")
        await asyncio.sleep(1)
        for version in heard:
            queue.add("a", version)
        await asyncio.sleep(20)
    assert seen == times


async def test_no_more_workers_than_allowed() -> None:
    queue, passes = Queue[str]("test"), Passes(takes=1)
    async with running(queue, passes, workers=3):
        for name in "abcdefg":
            queue.add(name)
        assert queue.depth == 4
        await asyncio.sleep(10)
    assert passes.most_at_once == 3
    assert [key for key, _ in passes.seen] == list("abcdefg")
    assert passes.times == [0, 0, 0, 1, 1, 1, 2]


async def test_a_delayed_key_keeps_the_earliest_of_its_times() -> None:
    queue, passes = Queue[str]("test"), Passes()
    async with running(queue, passes):
        queue.add_after("a", 60)
        queue.add_after("a", 10)
        queue.add_after("a", 30)
        await asyncio.sleep(100)
    assert passes.times == [10]


async def test_an_event_before_its_time_replaces_a_delay() -> None:
    queue, passes = Queue[str]("test"), Passes()
    async with running(queue, passes):
        queue.add_after("a", 60)
        await asyncio.sleep(5)
        queue.add("a")
        await asyncio.sleep(100)
    assert passes.times == [5]


async def test_a_pass_says_when_to_look_again() -> None:
    queue, passes = Queue[str]("test"), Passes(again=3600)
    async with running(queue, passes):
        queue.add("a")
        await asyncio.sleep(3600 * 3 + 1)
    assert passes.times == [0, 3600, 7200, 10800]


async def test_failures_in_succession_back_off_exponentially_to_a_limit() -> None:
    queue, passes = Queue[str]("test"), Passes()
    passes.broken = True
    async with running(queue, passes):
        queue.add("a")
        await until(lambda: len(passes.seen) == 12)
    gaps = [round(later - earlier, 2) for earlier, later in itertools.pairwise(passes.times)]
    assert gaps == [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10, 10, 10]


async def test_a_success_ends_the_back_off() -> None:
    queue, passes = Queue[str]("test"), Passes()
    passes.broken = True
    async with running(queue, passes):
        queue.add("a")
        await until(lambda: queue.failures("a") == 5)
        passes.broken = False
        await until(lambda: queue.failures("a") == 0)
        passes.broken = True
        queue.add("a")
        await asyncio.sleep(0.04)
        assert queue.failures("a") == 1
        await asyncio.sleep(0.02)
        assert queue.failures("a") == 2


async def test_an_event_bypasses_the_back_off_so_that_a_repair_takes_effect_at_once() -> None:
    queue, passes = Queue[str]("test"), Passes()
    passes.broken = True
    async with running(queue, passes):
        queue.add("a")
        await until(lambda: queue.failures("a") == 10)
        passes.broken = False
        repaired = round(loop_time(), 3)
        queue.add("a")
        await asyncio.sleep(0.001)
        assert passes.times[-1] == repaired
        assert queue.failures("a") == 0


async def test_a_pass_that_fails_and_writes_does_not_chase_its_own_echo() -> None:
    queue: Queue[str] = Queue("test")
    times: list[float] = []

    async def writes_and_fails(key: str) -> float | None:
        times.append(loop_time())
        queue.add(key)
        raise Unreachable("no answer")

    async with running(queue, writes_and_fails):
        queue.add("a")
        await asyncio.sleep(60)
    assert 55 <= len(times) <= 70, "once a second after the first few"


async def test_one_failing_key_does_not_hold_up_another() -> None:
    queue: Queue[str] = Queue("test")
    worked: list[str] = []

    async def handle(key: str) -> None:
        if key == "bad":
            raise ValueError("a bug")
        worked.append(key)

    async with running(queue, handle, workers=1):
        queue.add("bad")
        queue.add("good")
        await asyncio.sleep(0.01)
    assert worked == ["good"]


async def test_closing_finishes_what_is_in_hand_and_hands_out_no_more() -> None:
    queue, passes = Queue[str]("test"), Passes(takes=5)
    task = asyncio.create_task(queue.run(passes, 1))
    queue.add("a")
    queue.add("b")
    queue.add_after("c", 1)
    await asyncio.sleep(0.5)
    queue.close()
    queue.add("d")
    await task
    assert passes.seen == [("a", 0.0)]
    assert loop_time() == 5
    assert queue.idle


async def test_a_forgotten_key_is_not_looked_at_again() -> None:
    queue, passes = Queue[str]("test"), Passes()
    async with running(queue, passes):
        queue.add_after("a", 10)
        queue.forget("a")
        await asyncio.sleep(100)
    assert passes.seen == []


async def test_a_meter_is_told_what_happens() -> None:
    class Meter:
        def __init__(self) -> None:
            self.told: list[tuple[str, float]] = []

        def added(self) -> None:
            self.told.append(("added", 0))

        def retried(self) -> None:
            self.told.append(("retried", 0))

        def taken(self, waited: float) -> None:
            self.told.append(("taken", waited))

        def finished(self, took: float) -> None:
            self.told.append(("finished", took))

    meter = Meter()
    queue, passes = Queue[str]("test", meter=meter), Passes(takes=2)
    async with running(queue, passes, workers=1):
        queue.add("a")
        await asyncio.sleep(0.5)
        queue.add("b")
        assert queue.unfinished() == [0.5]
        await asyncio.sleep(10)
    assert meter.told == [
        ("added", 0),
        ("taken", 0),
        ("added", 0),
        ("finished", 2),
        ("taken", 1.5),
        ("finished", 2),
    ]
