"""The wire over TLS: a trusted authority, a client certificate, and the service account of a pod."""

import base64
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from rollouts.kube import credentials
from rollouts.kube.access import Access
from rollouts.kube.errors import Unreachable
from rollouts.kube.http import connect
from rollouts.kube.refs import CONFIG_MAP
from rollouts.sandbox.kubeconfig import kubeconfig, write

pytestmark = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="openssl, which makes the certificates, is absent"
)

AGENT = "rollouts-controller/0.0.0"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a self-signed certificate for 127.0.0.1 (cert.pem, key.pem), its own authority."""
    folder = tmp_path_factory.mktemp("certificates")
    command = "openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=sandbox"
    names = ["-addext", "subjectAltName=IP:127.0.0.1,DNS:kubernetes"]
    subprocess.run([*command.split(), *names], cwd=folder, check=True, capture_output=True)
    return folder


@asynccontextmanager
async def secured(certificates: Path, seen: list[str], *, mutual: bool = False) -> AsyncIterator[int]:
    """A port that serves over TLS, wants the client certificate (`mutual`), and takes the token `good` only."""

    async def handler(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Authorization", ""))
        status = 401 if seen[-1] == "Bearer old" else 200
        return web.json_response({"metadata": {"name": "a"}}, status=status)

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificates / "cert.pem", certificates / "key.pem")
    if mutual:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(certificates / "cert.pem")
    app = web.Application()
    app.router.add_get("/{path:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.5)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def data(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


async def test_authority_and_client_certificate_come_from_the_kubeconfig(certificates: Path, tmp_path: Path) -> None:
    seen: list[str] = []
    async with secured(certificates, seen, mutual=True) as port:
        config = kubeconfig(f"https://127.0.0.1:{port}")
        config["clusters"][0]["cluster"]["certificate-authority-data"] = data(certificates / "cert.pem")
        config["users"][0]["user"] = {
            "client-certificate-data": data(certificates / "cert.pem"),
            "client-key": str(certificates / "key.pem"),
        }
        path = write(tmp_path / "config", config)
        async with await connect(Access(kubeconfig=str(path)), user_agent=AGENT, environ={}) as wire:
            assert await wire.get(CONFIG_MAP, "default", "a") == {"metadata": {"name": "a"}}
    assert seen == [""]


async def test_an_unknown_authority_is_not_trusted_unless_told_to(certificates: Path) -> None:
    async with secured(certificates, []) as port:
        server = f"https://127.0.0.1:{port}"
        async with await connect(Access(server=server), user_agent=AGENT, environ={}) as wire:
            with pytest.raises(Unreachable, match="certificate"):
                await wire.get(CONFIG_MAP, "default", "a")
        for access in (
            Access(server=server, insecure_skip_tls_verify=True),
            Access(server=server, certificate_authority=str(certificates / "cert.pem"), tls_server_name="kubernetes"),
        ):
            async with await connect(access, user_agent=AGENT, environ={}) as wire:
                assert await wire.get(CONFIG_MAP, "default", "a")


async def test_a_pod_uses_its_service_account_and_its_rotated_token(
    certificates: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(credentials, "SERVICE_ACCOUNT", str(tmp_path))
    shutil.copy(certificates / "cert.pem", tmp_path / "ca.crt")
    (tmp_path / "token").write_text("old")
    (tmp_path / "namespace").write_text("delivery\n")
    seen: list[str] = []
    async with secured(certificates, seen) as port:
        environ = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(port)}
        async with await connect(Access(), user_agent=AGENT, environ=environ) as wire:
            assert wire.namespace == "delivery"
            (tmp_path / "token").write_text("good")
            await wire.get(CONFIG_MAP, "default", "a")
            await wire.get(CONFIG_MAP, "default", "a")
    assert seen == ["Bearer old", "Bearer good", "Bearer good"]
