"""A limit on requests, in virtual time."""

import asyncio

import pytest

from rollouts.kube.limit import RateLimit
from tests.kube.scripted import loop_time

pytestmark = pytest.mark.virtual


async def times(limit: RateLimit, count: int) -> list[float]:
    """When each of so many callers that come at once may go on."""

    async def go() -> float:
        await limit.wait()
        return round(loop_time(), 3)

    return await asyncio.gather(*(go() for _ in range(count)))


async def test_a_burst_goes_at_once_and_the_rest_in_steps() -> None:
    assert await times(RateLimit(10, 3), 6) == [0, 0, 0, 0.1, 0.2, 0.3]


async def test_the_bucket_fills_again_but_never_beyond_the_burst() -> None:
    limit = RateLimit(10, 3)
    await times(limit, 3)
    await asyncio.sleep(100)
    assert await times(limit, 5) == [100, 100, 100, 100.1, 100.2]


async def test_without_a_burst_each_waits_for_the_one_before() -> None:
    assert await times(RateLimit(2, 1), 3) == [0, 0.5, 1]
