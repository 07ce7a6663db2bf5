"""What kubectl makes of the sandbox, it makes of a real API server: the same commands, the same words."""

import inspect
import secrets
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from rollouts.sandbox.controlplane.plane import ControlPlane
from rollouts.sandbox.kubeconfig import write
from tests.cluster.conftest import ROOT
from tests.cluster.kubectl import Kubectl
from tests.sandbox import kubectl as sandbox
from tests.sandbox import test_kubectl, test_kubectl_apply

pytestmark = pytest.mark.cluster

Session: TypeAlias = Callable[[sandbox.Kubectl], Awaitable[None]]

ELSEWHERE: dict[str, str] = {
    "test_it_knows_the_server_and_what_it_has": "the sandbox says what it is",
    "test_the_administrator_may_do_everything_and_others_what_rbac_allows": "the sandbox's administrator has its name",
    "test_a_pod_has_no_logs_and_cannot_be_entered": "the sandbox says why",
}
"""Sessions that are about the sandbox itself."""


def sessions() -> Iterator[Any]:
    for module in (test_kubectl, test_kubectl_apply):
        for name, session in vars(module).items():
            if name.startswith("test_") and inspect.iscoroutinefunction(session) and name not in ELSEWHERE:
                yield pytest.param(session, id=f"{module.__name__.rpartition('.')[2]}-{name.removeprefix('test_')}")


@pytest.fixture(scope="module")
def defined(bare: ControlPlane, folder: Path) -> ControlPlane:
    """An API server without controllers that knows our definitions."""
    kubectl = Kubectl(bare.kubeconfig, folder)
    kubectl("apply", "--server-side", "--force-conflicts", "-f", str(ROOT / "crds"))
    kubectl("wait", "--for=condition=Established", "--timeout=100s", "crd", "--all")
    return bare


@pytest.mark.parametrize("session", list(sessions()))
async def test_kubectl_finds_on_a_real_server_what_it_finds_in_the_sandbox(
    session: Session, defined: ControlPlane, folder: Path, tmp_path: Path
) -> None:
    namespace = f"k{secrets.token_hex(4)}"
    Kubectl(defined.kubeconfig, folder)("create", "namespace", namespace)
    kubeconfig = write(tmp_path / "kubeconfig", defined.kubeconfig_of(defined.token, namespace))
    await session(sandbox.Kubectl(kubeconfig, tmp_path))
