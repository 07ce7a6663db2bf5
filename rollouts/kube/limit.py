"""A limit on how many requests leave per second: a bucket of `burst` tokens that fills at `qps` a second.

Off unless somebody asks for it. Since 1.20 the API server itself shares its capacity out fairly (priority and fairness)
and says 429 when it is short; a fixed limit in the client only delays a fleet that the server would have served.
"""

import asyncio


class RateLimit:
    """Waits so that on average at most `qps` callers a second go on; `burst` may go on at once."""

    def __init__(self, qps: float, burst: int) -> None:
        self._interval = 1.0 / qps
        self._slack = max(0, burst - 1) * self._interval
        self._paid = 0.0  # loop time up to which tokens have been taken, if they came one by one

    async def wait(self) -> None:
        """Return when this caller may go on. Callers go on in the order in which they asked."""
        now = asyncio.get_running_loop().time()
        delay = self._paid - self._slack - now
        self._paid = max(self._paid, now) + self._interval
        if delay > 0:
            await asyncio.sleep(delay)
