"""The users: so many requests per second over real HTTP, whether or not the earlier ones have been answered.

Open loop on purpose: a slow release then meets the same crowd as a fast one, as in life. A request that falls behind
schedule is sent late, never left out; each is waited for at most `timeout` seconds and then counts as an error.
"""

import asyncio
from time import perf_counter

from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector

from rollouts.sandbox.stats import NOBODY, Snapshot, Stats

MOST_IN_FLIGHT = 4000
"""Requests under way at once; beyond it a new one fails at once (status 0) instead of eating the machine."""


class Load:
    """Users of one host. `async with` is a whole life of it; `stats` is what they saw, per version that answered."""

    def __init__(
        self, url: str, host: str, rate: float, *, path: str = "/", timeout: float = 10.0, stats: Stats | None = None
    ) -> None:
        self.stats = stats or Stats()
        self.sent = 0
        """Requests sent up to now, answered or not."""
        self._url = f"{url.rstrip('/')}{path}"
        self._headers = {"Host": host}
        self._rate = rate
        self._timeout = timeout
        self._in_flight: set[asyncio.Task[None]] = set()
        self._sender: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Load":
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        self._session = ClientSession(
            connector=TCPConnector(limit=0), timeout=ClientTimeout(total=self._timeout), auto_decompress=False
        )
        self._sender = asyncio.create_task(self._send_on_schedule(), name="load")

    async def stop(self) -> None:
        """Send nothing more, and wait for the answers that are still due."""
        if self._sender is None:
            return
        self._sender.cancel()
        await asyncio.gather(self._sender, return_exceptions=True)
        await asyncio.gather(*self._in_flight)
        await self._session.close()
        self._sender = None

    def snapshot(self) -> Snapshot:
        """What users have seen up to now; `later.since(earlier)` is the window between two."""
        return self.stats.snapshot()

    async def _send_on_schedule(self) -> None:
        loop = asyncio.get_running_loop()
        began, before = loop.time(), self.sent
        while True:
            due = before + int((loop.time() - began) * self._rate) + 1
            while self.sent < due:
                self._send()
            await asyncio.sleep(max(0.0, began + (self.sent - before) / self._rate - loop.time()))

    def _send(self) -> None:
        self.sent += 1
        if len(self._in_flight) >= MOST_IN_FLIGHT:
            self.stats.record(NOBODY, 0, 0.0)
            return
        task = asyncio.create_task(self._request())
        self._in_flight.add(task)
        task.add_done_callback(self._in_flight.discard)

    async def _request(self) -> None:
        began = perf_counter()  # a loop's own clock may stand still within one round
        version, status = NOBODY, 0
        try:
            async with self._session.get(self._url, headers=self._headers, allow_redirects=False) as answer:
                await answer.read()
                version, status = answer.headers.get("X-Version", NOBODY), answer.status
        except (ClientError, OSError, TimeoutError):
            status = 0  # a user who got no answer does not know why
        self.stats.record(version, status, perf_counter() - began)
