"""Users come at their rate whatever happens, and count what they get."""

import asyncio

import pytest

from rollouts.sandbox.app import App, Behaviour
from rollouts.sandbox.load import Load
from rollouts.sandbox.stats import NOBODY, Snapshot
from tests.sandbox.dataplane import eventually


async def users_of(app: App, rate: float, requests: int, timeout: float = 10.0) -> tuple[Snapshot, float]:
    """What at least so many users saw, and how long that took."""
    host, port = await app.start()
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with Load(f"http://{host}:{port}", "api", rate, timeout=timeout) as load:
        await eventually(lambda: load.sent >= requests)
        took = loop.time() - began
    await app.stop()
    return load.snapshot(), took


async def test_a_slow_release_meets_as_many_users_as_a_fast_one() -> None:
    seen, took = await users_of(App(Behaviour("v1", latency=0.3)), rate=200, requests=200)
    assert took == pytest.approx(1.0, abs=0.3)
    assert seen.of("v1").requests == seen.total.requests >= 200
    assert seen.of("v1").percentile(0.5) == pytest.approx(0.31, abs=0.1)


async def test_answers_that_are_due_when_users_stop_are_still_counted() -> None:
    seen, _ = await users_of(App(Behaviour("v1", latency=0.5)), rate=100, requests=20)
    assert seen.of("v1").requests >= 20
    assert seen.total.errors == 0


async def test_an_answer_that_does_not_come_is_an_error_of_nobody() -> None:
    seen, _ = await users_of(App(Behaviour("v1", latency=2.0)), rate=50, requests=5, timeout=0.1)
    assert seen.of(NOBODY).errors == seen.total.requests >= 5


async def test_no_connection_is_an_error_and_not_the_end_of_the_users() -> None:
    app = App(Behaviour())
    host, port = await app.start()
    await app.stop()
    async with Load(f"http://{host}:{port}", "api", 100) as load:
        await eventually(lambda: load.snapshot().total.errors >= 10)
    assert load.snapshot().of(NOBODY).statuses.keys() == {0}
