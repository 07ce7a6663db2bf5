"""`rollouts sandbox up` as a process: it says how to reach it, serves, and stops when told to."""

import asyncio
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
import yaml

from rollouts.kube.access import Access
from rollouts.kube.http import connect
from rollouts.kube.refs import INGRESS, POD, SERVICE
from rollouts.sandbox import kubeconfig
from rollouts.sandbox.up import Options, default_kubeconfig, definitions, parse, sandbox, welcome
from tests.sandbox.dataplane import make_ingress, make_pod, make_service


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


@pytest.mark.parametrize("flags", [("--no-workloads", "--port"), ("--gateway-port",)])
async def test_a_port_that_is_taken_is_named(tmp_path: Path, flags: tuple[str, ...]) -> None:
    taken = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    port = taken.sockets[0].getsockname()[1]
    args = ("--kubeconfig", str(tmp_path / "k"), *flags, str(port))
    async with taken, asyncio.timeout(60), up(*args) as process:
        _, err = await process.communicate()
    assert process.returncode == 1
    assert re.search(rf"^Error: the sandbox cannot serve: .*'127\.0\.0\.1', {port}\)", err.decode()), err.decode()


async def test_users_come_in_where_it_says_and_meet_pods(tmp_path: Path) -> None:
    options = Options(tmp_path / "kubeconfig")
    pod = make_pod("api-1", app="api")
    bare = {**pod, "metadata": {"name": "api-1", "labels": {"app": "api"}}, "status": {}}
    async with sandbox(options) as doors, await connect(Access(str(options.kubeconfig)), user_agent="test") as wire:
        assert doors.gateway in welcome(doors, options)
        await wire.create(SERVICE, "default", make_service("api", app="api"))
        await wire.create(POD, "default", bare)
        await wire.create(INGRESS, "default", make_ingress("api", host="api.example.com"))
        async with asyncio.timeout(20), aiohttp.ClientSession(headers={"Host": "api.example.com"}) as session:
            while True:
                async with session.get(doors.gateway) as answer:
                    if answer.status == 200:
                        break
                    assert "X-Gateway-Error" in answer.headers
        assert (answer.headers["X-Pod"], answer.headers["X-Version"]) == ("api-1", "1.0.0")


async def test_without_workloads_there_is_no_way_in_for_users(tmp_path: Path) -> None:
    options = Options(tmp_path / "kubeconfig", workloads=False)
    async with sandbox(options) as doors:
        assert "Users come in" not in welcome(doors, options)


def test_options_are_read_and_unknown_ones_refused(capsys: pytest.CaptureFixture[str]) -> None:
    options = parse(["--port", "8001", "--gateway-port", "8002", "--no-workloads"])
    assert options == Options(default_kubeconfig(), 8001, 8002, workloads=False)
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
