"""The installed plugin as people run it: through kubectl, as a process of its own, over HTTP."""

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeAlias

import pytest
import pytest_asyncio

from rollouts.kube.refs import ROLLOUT
from rollouts.sandbox.apiserver.server import ApiServer
from rollouts.sandbox.apiserver.web.http import serving
from rollouts.sandbox.kubeconfig import kubeconfig, write
from tests.cli import cluster
from tests.cli.served import Served

BIN = Path(sys.executable).parent


class Done(NamedTuple):
    code: int
    out: str
    err: str


Kubectl: TypeAlias = Callable[..., Awaitable[Done]]


@pytest_asyncio.fixture
async def served() -> Served:
    made = Served()
    await made.define()
    for objs in (cluster.routed(), cluster.bluegreen(), cluster.aborted(), cluster.invalid()):
        await made.put(objs)
    return made


@pytest.fixture
def heard() -> Iterator[None]:
    """Control-C reaches those whom we start, also where the tests themselves were started in the background (`&`), deaf
    to it: a child inherits what is ignored, and nothing else."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest_asyncio.fixture
async def plugin(request: pytest.FixtureRequest, served: Served, tmp_path: Path) -> AsyncIterator[Kubectl]:
    """Runs a command of the plugin against the server until it ends; directly, or as the parameter says."""
    command = str(getattr(request, "param", "kubectl-argo-rollouts")).split()
    if shutil.which(command[0], path=f"{BIN}{os.pathsep}{os.environ['PATH']}") is None:
        pytest.skip("there is no kubectl on this machine to call the plugin through")
    environment = os.environ | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "HOME": str(tmp_path)}
    async with serving(served.server) as endpoint:
        config = write(tmp_path / "config", kubeconfig(endpoint.url, namespace="cli"))

        async def run(*argv: str, interrupt_after: bytes = b"") -> Done:
            process = await asyncio.create_subprocess_exec(
                *command,
                *argv,
                env=environment | {"KUBECONFIG": str(config)},
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            async with asyncio.timeout(60):
                seen = b""
                if interrupt_after and process.stdout is not None:
                    seen = await process.stdout.readuntil(interrupt_after)
                    process.send_signal(signal.SIGINT)
                out, err = await process.communicate()
            return Done(process.returncode or 0, (seen + out).decode(), err.decode())

        yield run


@pytest.mark.parametrize("plugin", ["kubectl argo rollouts", "kubectl-argo-rollouts"], indirect=True)
async def test_a_session_with_the_plugin(plugin: Kubectl, served: Served) -> None:
    assert await plugin("status", "r", "--watch=false") == Done(0, "Paused - CanaryPauseStep\n", "")
    assert await plugin("promote", "r") == Done(0, "rollout 'r' promoted\n", "")
    assert await plugin("abort", "r") == Done(0, "rollout 'r' aborted\n", "")
    assert (await served.get(ROLLOUT, "r"))["status"]["abort"] is True
    assert await plugin("set", "image", "r", "c=img:3") == Done(0, 'rollout "r" image updated\n', "")
    assert await plugin("undo", "r") == Done(0, "rollout 'r' undo\n", "")
    assert await plugin("pause", "b", "-n", "cli") == Done(0, "rollout 'b' paused\n", "")


async def test_what_fails_is_told_on_stderr_with_exit_code_1(plugin: Kubectl) -> None:
    reason = f"Error: The rollout is in a degraded state with message: {cluster.ABORTED}\n"
    assert await plugin("status", "f") == Done(1, f"Degraded - {cluster.ABORTED}\n", reason)
    assert await plugin("promote", "nope") == Done(1, "", 'Error: rollouts.argoproj.io "nope" not found\n')
    assert await plugin("get", "rollout", "nope") == Done(1, "", 'Error: rollout.argoproj.io "nope" not found\n')
    unknown = 'Error: unable to find container named "nope"\n'
    assert await plugin("set", "image", "r", "nope=img:3") == Done(1, "", unknown)
    assert await plugin("status", "r", "-t", "1s") == Done(
        1, "Paused - CanaryPauseStep\n", "Error: Rollout status watch exceeded timeout\n"
    )


async def test_a_cluster_without_the_definitions_is_told_from_one_without_the_object(tmp_path: Path) -> None:
    async with serving(ApiServer(lambda: cluster.NOW)) as endpoint:
        for words in (["get", "rollout", "r"], ["list", "rollouts"], ["promote", "r"]):
            process = await asyncio.create_subprocess_exec(
                BIN / "kubectl-argo-rollouts",
                *(*words, "--server", endpoint.url),
                env=os.environ | {"KUBECONFIG": str(tmp_path / "none")},
                stderr=asyncio.subprocess.PIPE,
            )
            _, err = await process.communicate()
            assert process.returncode == 1
            assert err.decode().endswith("(are the CustomResourceDefinitions installed?)\n")


async def test_what_is_shown_over_http_is_what_the_server_holds(plugin: Kubectl, served: Served) -> None:
    code, out, err = await plugin("get", "rollout", "r", "--no-color", "--timeout-seconds", "1", "-w")
    assert (code, err) == (0, "")
    assert out.startswith("Name:            r\nNamespace:       cli\nStatus:          ॥ Paused\n")
    assert "│  └──α r-79dbf75f7b-2-1       AnalysisRun  ✔ Successful" in out
    listed = await plugin("list", "rollouts")
    assert listed == Done(0, await served.run("list", "rollouts"), "")
    assert await plugin("list", "rollouts", "-n", "empty") == Done(0, "", "No resources found.\n")


async def test_watching_ends_with_control_c(heard: None, plugin: Kubectl) -> None:
    timeout = "Error: Rollout status watch exceeded timeout\n"
    ended = await plugin("status", "r", interrupt_after=b"CanaryPauseStep\n")
    assert ended == Done(1, "Paused - CanaryPauseStep\n", timeout)
    code, out, err = await plugin("get", "rollout", "r", "-w", interrupt_after=b"INFO\n")
    assert (code, err) == (0, "")
    assert out.startswith("Name:            r\n")
