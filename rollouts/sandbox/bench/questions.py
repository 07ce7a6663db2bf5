"""A stand-in for Prometheus that remembers when it was asked: a process of its own, so that it takes nobody's time.

It answers every query with 1, and tells at /gaps how many seconds passed between its answer to a query and the next
time that query came. Its port is the first line that it prints; it ends when its input does.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qs

import uvloop
from aiohttp import web

_ONE = b'{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[0,"1"]}]}}'


class Questions:
    """When queries came, by their text."""

    def __init__(self) -> None:
        self._answered: dict[str, float] = {}
        self._gaps: list[float] = []

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """1 to a query; at /gaps what was remembered since the last such question."""
        if request.path == "/gaps":
            gaps, self._gaps = self._gaps, []
            return web.json_response(gaps)
        came = time.monotonic()
        query = parse_qs((await request.read()).decode())["query"][0]
        if query in self._answered:
            self._gaps.append(came - self._answered[query])
        self._answered[query] = time.monotonic()
        return web.Response(body=_ONE, content_type="application/json")


@asynccontextmanager
async def asked() -> AsyncIterator[str]:
    """The address of such a process, while it is needed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        f"from {__name__} import serve; serve()",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        yield f"http://127.0.0.1:{(await process.stdout.readline()).decode().strip()}"
    finally:
        process.stdin.close()
        await process.wait()


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(web.Server(Questions().answer), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


def serve() -> None:
    """Be that process."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve())
