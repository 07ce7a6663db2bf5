"""Alive, ready, counted: what the endpoints answer."""

import asyncio
from collections.abc import Callable

import aiohttp
import pytest

from rollouts.health import HealthServer, stuck
from rollouts.kube.queue import Queue


def well() -> str:
    return ""


async def ask(port: int, path: str) -> tuple[int, str, str]:
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}{path}") as answer:
        return answer.status, await answer.text(), answer.headers["Content-Type"]


def server(
    alive: Callable[[], str] = well, ready: Callable[[], str] = well, healthz_port: int = 0, metrics_port: int = 0
) -> HealthServer:
    return HealthServer(
        alive=alive,
        ready=ready,
        metrics=lambda: b"answers 42\n",
        host="127.0.0.1",
        healthz_port=healthz_port,
        metrics_port=metrics_port,
    )


async def test_a_healthy_controller_says_ok_as_argo_rollouts_does() -> None:
    async with server() as health:
        assert await ask(health.healthz_port, "/healthz") == (200, "ok", "text/plain; charset=utf-8")
        assert await ask(health.healthz_port, "/readyz") == (200, "ok", "text/plain; charset=utf-8")
        status, body, kind = await ask(health.metrics_port, "/metrics")
        assert (status, body, kind.partition(";")[0]) == (200, "answers 42\n", "text/plain")


async def test_a_fault_is_named_with_500() -> None:
    async with server(alive=lambda: "stuck", ready=lambda: "waiting for the first list of rollouts") as health:
        assert (await ask(health.healthz_port, "/healthz"))[:2] == (500, "stuck")
        assert (await ask(health.healthz_port, "/readyz"))[:2] == (500, "waiting for the first list of rollouts")


async def test_each_port_answers_its_own_questions_only() -> None:
    async with server() as health:
        assert (await ask(health.healthz_port, "/metrics"))[0] == 404
        assert (await ask(health.metrics_port, "/healthz"))[0] == 404


async def test_one_port_may_serve_all() -> None:
    async with server() as first:
        port = first.healthz_port
    async with server(healthz_port=port, metrics_port=port):
        assert [(await ask(port, path))[0] for path in ("/healthz", "/readyz", "/metrics")] == [200, 200, 200]


async def test_a_port_that_is_taken_is_an_error_and_leaves_nothing_open() -> None:
    async with server() as first:
        with pytest.raises(OSError, match="address already in use"):
            await server(metrics_port=first.metrics_port).__aenter__()


@pytest.mark.virtual
async def test_a_key_that_never_ends_makes_the_controller_unwell() -> None:
    queue: Queue[str] = Queue("Rollouts")
    release = asyncio.Event()

    async def never_ends(key: str) -> None:
        await release.wait()

    task = asyncio.create_task(queue.run(never_ends, 1))
    queue.add("a")
    await asyncio.sleep(599)
    assert stuck([queue]) == ""
    await asyncio.sleep(2)
    assert "Rollouts" in stuck([queue])
    release.set()
    queue.close()
    await task
