"""`rollouts sandbox up` as a process: it says how to reach it, serves, and stops when told to."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
import yaml

from rollouts.sandbox import kubeconfig
from rollouts.sandbox.up import default_kubeconfig, definitions, parse


@asynccontextmanager
async def up(*args: str) -> AsyncIterator[asyncio.subprocess.Process]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "rollouts", "sandbox", "up", *args, stdout=pipe, stderr=pipe
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_it_serves_until_it_is_told_to_stop(tmp_path: Path, number: signal.Signals) -> None:
    where = tmp_path / "deep" / "kubeconfig"
    async with asyncio.timeout(60), up("--kubeconfig", str(where)) as process:
        assert process.stdout is not None
        first = (await process.stdout.readline()).decode()
        url = yaml.safe_load(where.read_text())["clusters"][0]["cluster"]["server"]
        assert f"at {url};" in first
        assert where.stat().st_mode & 0o077 == 0
        async with aiohttp.ClientSession(url) as session:
            for path in ("/apis/argoproj.io/v1alpha1", "/api/v1/namespaces/argo-rollouts"):
                async with session.get(path) as answer:
                    assert answer.status == 200
        process.send_signal(number)
        assert await process.wait() == 0
    assert not where.exists()


async def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    taken = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    port = taken.sockets[0].getsockname()[1]
    args = ("--port", str(port), "--no-workloads", "--kubeconfig", str(tmp_path / "k"))
    async with taken, asyncio.timeout(60), up(*args) as process:
        _, err = await process.communicate()
    assert process.returncode == 1
    assert f"the sandbox cannot serve on 127.0.0.1:{port}" in err.decode()


def test_options_are_read_and_unknown_ones_refused(capsys: pytest.CaptureFixture[str]) -> None:
    options = parse(["--port", "8001", "--no-workloads"])
    assert (options.port, options.workloads, options.kubeconfig) == (8001, False, default_kubeconfig())
    with pytest.raises(SystemExit):
        parse(["--prot", "8001"])
    assert "unrecognized arguments: --prot" in capsys.readouterr().err


def test_it_begins_with_the_definitions_of_rollouts_and_of_routers() -> None:
    groups = {one["spec"]["group"] for one in definitions()}
    assert groups == {"argoproj.io", "networking.istio.io", "gateway.networking.k8s.io"}


def test_a_kubeconfig_is_removed_only_while_it_is_the_own_one(tmp_path: Path) -> None:
    path = tmp_path / "config"
    mine, other = kubeconfig.kubeconfig("http://127.0.0.1:1"), kubeconfig.kubeconfig("http://127.0.0.1:2")
    kubeconfig.write(path, mine)
    kubeconfig.write(path, other)
    kubeconfig.remove(path, mine)
    assert path.exists()
    kubeconfig.remove(path, other)
    assert not path.exists()
    assert [*tmp_path.iterdir()] == []
