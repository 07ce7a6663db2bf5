"""The configuration of a cluster: where it is found, what is told of one that cannot be used, and how it is renewed."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from aiohttp import web

from rollouts.kube.access import Access, AccessError
from rollouts.kube.clock import wall_clock
from rollouts.kube.errors import Refused, Unreachable
from rollouts.kube.http import connect
from rollouts.kube.refs import CONFIG_MAP, Obj, name_of
from rollouts.sandbox.apiserver.server import ApiServer
from rollouts.sandbox.apiserver.web.http import serving
from rollouts.sandbox.kubeconfig import kubeconfig
from tests.kube.served import AGENT, answered, config_map, refusal

EXEC = "client.authentication.k8s.io/v1"


def written(path: Path, config: Obj) -> str:
    path.write_text(yaml.safe_dump(config))
    return str(path)


async def test_a_kubeconfig_is_found_by_flag_environment_and_home(tmp_path: Path) -> None:
    (tmp_path / ".kube").mkdir()
    flag = written(tmp_path / "flag", kubeconfig("http://flag", namespace="one"))
    named = written(tmp_path / "env", kubeconfig("http://env"))
    written(tmp_path / ".kube" / "config", kubeconfig("http://home"))
    home = {"HOME": str(tmp_path)}
    ways: list[tuple[Access, dict[str, str], str]] = [
        (Access(kubeconfig=flag), {**home, "KUBECONFIG": named}, "http://flag"),
        (Access(), {**home, "KUBECONFIG": f"{tmp_path}/absent:{named}"}, "http://env"),
        (Access(), home, "http://home"),
        (Access(server="http://server/"), home, "http://server"),
    ]
    for access, environ, url in ways:
        async with await connect(access, user_agent=AGENT, environ=environ) as wire:
            assert wire.server == url
    async with await connect(Access(kubeconfig=flag), user_agent=AGENT, environ={}) as wire:
        assert wire.namespace == "one"


async def test_flags_choose_context_cluster_and_namespace(tmp_path: Path) -> None:
    config = kubeconfig("http://first")
    config["clusters"].append({"name": "second", "cluster": {"server": "http://second"}})
    config["contexts"].append({"name": "other", "context": {"cluster": "second", "user": "sandbox", "namespace": "n2"}})
    path = written(tmp_path / "config", config)
    async with await connect(Access(kubeconfig=path, context="other"), user_agent=AGENT, environ={}) as wire:
        assert (wire.server, wire.namespace) == ("http://second", "n2")
    access = Access(kubeconfig=path, cluster="second", namespace="mine")
    async with await connect(access, user_agent=AGENT, environ={}) as wire:
        assert (wire.server, wire.namespace) == ("http://second", "mine")


@pytest.mark.parametrize(
    ("access", "config", "named"),
    [
        (Access(kubeconfig="/does/not/exist"), "", "there is no such file"),
        (Access(), "", "no cluster to talk to"),
        (Access(context="nowhere"), yaml.safe_dump(kubeconfig("http://a")), "nowhere"),
        (Access(), "just words", "cannot be used"),
        (Access(), "current-context: a", "cannot be used"),
        (Access(), "{: bad", "cannot be used: while parsing a flow node .* line 1, column 2"),
    ],
)
async def test_a_configuration_that_cannot_be_used_says_why(
    access: Access, config: str, named: str, tmp_path: Path
) -> None:
    environ: dict[str, str] = {}
    if config:
        path = tmp_path / "config"
        path.write_text(config)
        environ["KUBECONFIG"] = str(path)
    with pytest.raises(AccessError, match=named):
        await connect(access, user_agent=AGENT, environ=environ)


async def test_a_server_may_be_written_without_a_scheme() -> None:
    async with await connect(Access(server="127.0.0.1:1"), user_agent=AGENT, environ={}) as wire:
        assert wire.server == "http://127.0.0.1:1"


async def test_a_server_that_speaks_no_tls_is_told_so() -> None:
    async with serving(ApiServer(wall_clock)) as endpoint:
        secured = endpoint.url.replace("http:", "https:")
        async with await connect(Access(server=secured), user_agent=AGENT, environ={}) as wire:
            with pytest.raises(Unreachable, match=r"no connection to 127\.0\.0\.1:[0-9]+: no TLS: "):
                await wire.get(CONFIG_MAP, "default", "a")


async def test_a_file_that_kubeconfig_names_and_is_not_there_is_told_by_its_name(tmp_path: Path) -> None:
    missing = f"{tmp_path}/gone"
    with pytest.raises(AccessError, match=f"no cluster to talk to .*{missing}"):
        await connect(Access(), user_agent=AGENT, environ={"KUBECONFIG": missing})


async def test_credentials_of_a_plugin_are_renewed_when_the_server_no_longer_takes_them(tmp_path: Path) -> None:
    counter = tmp_path / "count"
    counter.write_text("0")
    plugin = tmp_path / "plugin.py"
    plugin.write_text(
        "import json, pathlib\n"
        f"path = pathlib.Path({str(counter)!r})\n"
        "number = int(path.read_text()) + 1\n"
        "path.write_text(str(number))\n"
        "status = {'token': f'token-{number}'}\n"
        f"said = {{'apiVersion': {EXEC!r}, 'kind': 'ExecCredential', 'status': status}}\n"
        "print(json.dumps(said))\n"
    )
    seen: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append(request.headers["Authorization"])
        if seen[-1] == "Bearer token-1":
            return refusal(401, "Unauthorized")
        return web.json_response(config_map("a"))

    async with answered(handler) as plain:
        config = kubeconfig(plain.server)
        exec_ = {"apiVersion": EXEC, "command": sys.executable, "args": [str(plugin)]}
        config["users"] = [{"name": "sandbox", "user": {"exec": exec_}}]
        path = written(tmp_path / "config", config)
        async with await connect(Access(kubeconfig=path), user_agent=AGENT, environ={}) as wire:
            both = await asyncio.gather(*(wire.get(CONFIG_MAP, "default", "a") for _ in range(2)))
    assert [name_of(obj) for obj in both] == ["a", "a"]
    assert sorted(seen) == ["Bearer token-1"] * 2 + ["Bearer token-2"] * 2
    assert counter.read_text() == "2", "two requests that are refused together renew once"


async def test_a_401_with_nothing_to_renew_is_a_refusal() -> None:
    seen: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append(request.path)
        return refusal(401, "Unauthorized", "Unauthorized")

    async with answered(handler, token="old") as wire:
        with pytest.raises(Refused, match="Unauthorized") as caught:
            await wire.get(CONFIG_MAP, "default", "a")
    assert caught.value.code == 401
    assert len(seen) == 1


def test_the_librarys_generated_models_are_never_loaded() -> None:
    code = (
        "import sys, rollouts.kube.http\n"
        "from rollouts.kube.client_library import library\n"
        "assert not any(name.startswith('kubernetes_asyncio') for name in sys.modules)\n"
        "library()\n"
        "assert library().rest.RESTClientObject\n"
        "print(sum('models' in name for name in sys.modules if name.startswith('kubernetes_asyncio')))\n"
        "import kubernetes_asyncio\n"
        "print(kubernetes_asyncio.client.V1Pod.__name__)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout.split(), done.returncode) == (["0", "V1Pod"], 0), done.stderr
