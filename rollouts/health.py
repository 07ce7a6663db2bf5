"""The controller's three questions over HTTP: is it alive, is it ready, and what has it counted.

* `/healthz` answers 200 `ok`. It turns 500 when `alive` names a fault: by `stuck`, when a key has been worked on for
  ten minutes, which no pass takes, as each of its waits has a deadline. (A blocked event loop answers nothing at all,
  which a probe counts as a failure too.)
* `/readyz` answers 200 `ok` once `ready` names nothing to wait for: the caches have been filled, or this replica stands
  by for another leader. Argo Rollouts has no such question.
* `/metrics` answers in Prometheus' text format. A port serves `/metrics` or the other two; the same port serves all.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from aiohttp import web

from rollouts.kube.queue import Queue
from rollouts.metrics.metrics import CONTENT_TYPE

STUCK = 600.0
_STOP_WITHIN = 5.0


def stuck(queues: Iterable[Queue[Any]], longest: float = STUCK) -> str:
    """Which queue has had a key in hand for longer than `longest` seconds, in words; "" when none has."""
    for queue in queues:
        seconds = max(queue.unfinished(), default=0.0)
        if seconds > longest:
            return f"a key of the queue {queue.name} has been worked on for {seconds:.0f} s"
    return ""


class HealthServer:
    """Serves the questions while it is entered. `alive` and `ready` give "" when all is well, else what is not."""

    def __init__(
        self,
        *,
        alive: Callable[[], str],
        ready: Callable[[], str],
        metrics: Callable[[], bytes],
        host: str = "0.0.0.0",
        healthz_port: int = 8080,
        metrics_port: int = 8090,
    ) -> None:
        self.healthz_port = healthz_port
        """The port; once entered, the one taken if 0 was asked for."""
        self.metrics_port = metrics_port
        self._host = host
        self._answers: dict[str, Callable[[], web.Response]] = {
            "/healthz": lambda: _said(alive()),
            "/readyz": lambda: _said(ready()),
            "/metrics": lambda: web.Response(body=metrics(), headers={"Content-Type": CONTENT_TYPE}),
        }
        self._runners: list[web.AppRunner] = []

    async def __aenter__(self) -> "HealthServer":
        """Raises OSError when a port is taken."""
        try:
            if self.healthz_port == self.metrics_port != 0:
                await self._serve(self.metrics_port, "/healthz", "/readyz", "/metrics")
            else:
                self.healthz_port = await self._serve(self.healthz_port, "/healthz", "/readyz")
                self.metrics_port = await self._serve(self.metrics_port, "/metrics")
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.gather(*(runner.cleanup() for runner in self._runners))
        self._runners.clear()

    async def _serve(self, port: int, *paths: str) -> int:
        app = web.Application()
        for path in paths:
            app.router.add_get(path, self._answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=_STOP_WITHIN)
        self._runners.append(runner)
        await runner.setup()
        await web.TCPSite(runner, self._host, port).start()
        return int(runner.addresses[0][1])

    async def _answer(self, request: web.Request) -> web.Response:
        return self._answers[request.path]()


def _said(fault: str) -> web.Response:
    headers = {"X-Content-Type-Options": "nosniff"}
    return web.Response(text=fault or "ok", status=500 if fault else 200, headers=headers)
