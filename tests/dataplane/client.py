"""Users in a hurry: one after another on each of a few raw connections, counting who answered and how.

A request is sent once. Whatever becomes of it counts: an answer by its status and the version that gave it, no answer
(the connection ended, or refused to open, or stayed silent) under the name of what happened.
"""

import asyncio
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field

_LONGEST = 20.0
"""Seconds that an answer may take."""


@dataclass(slots=True)
class Seen:
    """What users saw: answers with 200 by version, and everything else by what it was."""

    versions: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)

    @property
    def requests(self) -> int:
        return self.versions.total() + self.failures.total()

    def share(self, version: str) -> float:
        """In percent of all requests."""
        return 100 * self.versions[version] / max(1, self.requests)


class Connection:
    """One way to a server, opened when it is first needed. With `keep` it serves many requests, otherwise one."""

    def __init__(self, port: int, host: str, *, keep: bool, headers: str = "") -> None:
        self._port, self._keep = port, keep
        manner = "" if keep else "Connection: close\r\n"
        self._request = f"GET / HTTP/1.1\r\nHost: {host}\r\n{manner}{headers}\r\n".encode()
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, seen: Seen) -> None:
        """Send one request, and count what becomes of it."""
        try:
            async with asyncio.timeout(_LONGEST):
                status, version = await self._exchange()
        except (OSError, EOFError, TimeoutError) as error:
            seen.failures[type(error).__name__] += 1
            await self.close()
            return
        if status == 200:
            seen.versions[version] += 1
        else:
            seen.failures[str(status)] += 1
        if not self._keep:
            await self.close()

    async def _exchange(self) -> tuple[int, str]:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        writer.write(self._request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        status, *lines = head.split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        await reader.readexactly(int(headers["content-length"]))
        return int(status.split()[1]), headers.get("x-version", "")

    async def close(self) -> None:
        streams, self._streams = self._streams, None
        if streams is not None:
            streams[1].close()
            with suppress(OSError):
                await streams[1].wait_closed()


async def ask(port: int, host: str, times: int, *, connections: int = 16, headers: str = "", keep: bool = True) -> Seen:
    """So many requests, as fast as they are answered; with `keep` on connections that stay open."""
    seen, left = Seen(), iter(range(times))

    async def one() -> None:
        connection = Connection(port, host, keep=keep, headers=headers)
        for _ in left:
            await connection.ask(seen)
        await connection.close()

    await asyncio.gather(*(one() for _ in range(connections)))
    return seen
