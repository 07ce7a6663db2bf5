import asyncio
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from rollouts.sandbox import clock


def test_a_day_of_timers_passes_in_well_under_a_second() -> None:
    async def day() -> int:
        ticks = 0
        while asyncio.get_running_loop().time() < 86_400:
            await asyncio.sleep(15)
            ticks += 1
        return ticks

    began = time.perf_counter()
    assert clock.run(day()) == 5760
    assert time.perf_counter() - began < 0.8


@pytest.mark.virtual
async def test_the_date_follows_the_loop() -> None:
    began = clock.now()
    await asyncio.sleep(90 * 60)
    assert clock.now() - began == timedelta(hours=1, minutes=30)
    assert began == clock.EPOCH


@pytest.mark.virtual
async def test_sleepers_wake_in_order_of_their_time() -> None:
    woken: list[int] = []

    async def sleeper(seconds: int) -> None:
        await asyncio.sleep(seconds)
        woken.append(seconds)

    async with asyncio.TaskGroup() as group:
        for seconds in (300, 10, 86_400, 20):
            group.create_task(sleeper(seconds))
    assert woken == [10, 20, 300, 86_400]
    assert asyncio.get_running_loop().time() == 86_400


@pytest.mark.virtual
async def test_a_timeout_fires_at_its_virtual_time() -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.Event().wait(), timeout=3600)
    assert asyncio.get_running_loop().time() == 3600


def test_a_deadlock_is_an_error_that_names_who_waits() -> None:
    async def stuck() -> None:
        await asyncio.Event().wait()

    with pytest.raises(clock.DeadlockError, match="no timer is set") as caught:
        clock.run(stuck())
    assert "test_clock.py" in str(caught.value) or "Event.wait" in str(caught.value)


def test_tasks_that_let_no_time_pass_are_an_error_too() -> None:
    async def restless() -> None:
        loop = asyncio.get_running_loop()
        again = asyncio.Event()

        def wake() -> None:
            loop.call_soon(wake)

        wake()
        await again.wait()

    with pytest.raises(clock.LivelockError, match="time stands still"):
        clock.run(restless())


@pytest.mark.virtual
async def test_time_stands_still_while_a_thread_works() -> None:
    timer = asyncio.create_task(asyncio.sleep(3600))
    release = threading.Event()
    asyncio.get_running_loop().call_soon(release.set)
    assert await asyncio.to_thread(release.wait, 10)
    assert asyncio.get_running_loop().time() == 0
    timer.cancel()


@pytest.mark.virtual
async def test_with_a_socket_open_time_passes_as_on_the_wall() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readline())
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    began = time.monotonic()
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"hello\n")
        assert await reader.readline() == b"hello\n"
        writer.close()
        await writer.wait_closed()
        await asyncio.sleep(0.05)
        assert time.monotonic() - began >= 0.05
    assert asyncio.get_running_loop().time() < 60


async def test_without_the_marker_the_date_is_the_wall_clocks() -> None:
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(minutes=1)


def test_whoever_waits_for_a_moment_a_hair_away_gets_there() -> None:
    async def wait() -> int:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(11.65 - 1e-15)
        due, turns = loop.time() + 1.8e-15, 0
        while loop.time() < due:
            turns += 1
            woken = asyncio.Event()
            loop.call_at(due, woken.set)
            loop.call_soon(lambda: None)  # somebody else is at work in the same moment
            await woken.wait()
        return turns

    assert clock.run(wait()) <= 1
