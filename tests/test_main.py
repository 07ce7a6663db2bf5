"""The controller as a program: how it ends, and its way to the cluster in which Jobs of analysis run."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest
import yaml

from rollouts.kube.access import AccessError
from rollouts.kube.clock import wall_clock
from rollouts.main import _job_wire, _until_stopped
from rollouts.manager import Controllers
from rollouts.sandbox.apiserver.server import ApiServer
from rollouts.settings import Settings


async def test_jobs_run_in_the_controllers_own_cluster_unless_told_otherwise() -> None:
    assert await _job_wire("", "agent") is None


async def test_a_kubeconfig_names_another_one(tmp_path: Path) -> None:
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "a",
        "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
        "clusters": [{"name": "a", "cluster": {"server": "http://127.0.0.1:9"}}],
        "users": [{"name": "a", "user": {}}],
    }
    (tmp_path / "jobs.yaml").write_text(yaml.safe_dump(config))
    wire = await _job_wire(str(tmp_path / "jobs.yaml"), "agent")
    assert wire is not None
    async with wire:
        assert wire.server == "http://127.0.0.1:9"


@pytest.mark.parametrize("named", ["in-cluster", "/nowhere/jobs.yaml"])
async def test_a_cluster_that_cannot_be_found_is_an_error(named: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(AccessError):
        await _job_wire(named, "agent")


async def test_a_controller_that_never_led_stops_when_it_is_told_to() -> None:
    """Nobody is known to hold a lease that cannot be read, and nothing is in hand that would have to be finished."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "rollouts", "controller", "--server=http://127.0.0.1:1", "--healthzPort=0", "--metricsPort=0"),
        env=os.environ | {"KUBECONFIG": "/nowhere"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    async with asyncio.timeout(60):
        while b"the lease could not be read" not in (line := await process.stdout.readline()):
            assert line, "the controller ended by itself"
        process.terminate()
        rest = await process.stdout.read()
        assert await process.wait() == 0, rest
    assert b"stopping" in rest


async def endless() -> None:
    await asyncio.Event().wait()


async def test_a_second_signal_ends_the_controller_at_once_with_one() -> None:
    work = asyncio.create_task(endless())
    controllers = Controllers(ApiServer(wall_clock), Settings())
    ending = asyncio.create_task(_until_stopped(work, controllers, lambda: False))
    for _ in range(2):
        await asyncio.sleep(0)
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.sleep(0)
    async with asyncio.timeout(10):
        assert await ending == 1
