"""The controller of the demo is a process of its own, and its end is not overlooked."""

import asyncio
from pathlib import Path

import pytest

from rollouts.kube.refs import CRD
from rollouts.sandbox.apiserver.server import ApiServer
from rollouts.sandbox.apiserver.web.http import serving
from rollouts.sandbox.clock import now
from rollouts.sandbox.demo.process import Controller, ControllerFailed
from rollouts.sandbox.kubeconfig import kubeconfig, write
from rollouts.sandbox.up import definitions


async def until_it_ends(controller: Controller) -> None:
    async with asyncio.timeout(30):
        while True:
            controller.check()
            await asyncio.sleep(0.05)


async def test_a_controller_that_ends_is_reported_with_its_last_words(tmp_path: Path) -> None:
    controller = Controller(tmp_path / "there-is-none", tmp_path / "log")
    await controller.start()
    with pytest.raises(ControllerFailed, match=r"(?s)ended with exit code [1-9].*there-is-none"):
        await until_it_ends(controller)


async def test_a_controller_that_is_stopped_is_gone_and_not_a_failure(tmp_path: Path) -> None:
    server = ApiServer(now)
    for definition in definitions():
        await server.create(CRD, "", definition)
    async with serving(server) as endpoint:
        controller = Controller(write(tmp_path / "kubeconfig", kubeconfig(endpoint.url)), tmp_path / "log")
        await controller.start()
        async with asyncio.timeout(30):
            while server.watching < 5:  # noqa: ASYNC110 # another process gives no event to wait for
                await asyncio.sleep(0.05)
        await controller.stop()
        controller.check()
        assert server.watching == 0
