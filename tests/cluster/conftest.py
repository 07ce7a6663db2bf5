"""Two kinds of API server: the sandbox, and a real one, which runs only where tests marked `cluster` are asked for."""

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
import yaml

from rollouts.kube.refs import Obj
from rollouts.kube.wire import Wire
from rollouts.sandbox import clock
from rollouts.sandbox.apiserver.server import ApiServer
from rollouts.sandbox.apiserver.web.http import serving
from rollouts.sandbox.controlplane.binaries import Binaries, find_or_build, find_or_build_kubectl
from rollouts.sandbox.controlplane.plane import ControlPlane, control_plane
from rollouts.sandbox.kubeconfig import kubeconfig, write
from tests.cluster.connecting import connected
from tests.cluster.door import Door, door
from tests.cluster.kubectl import Kubectl
from tests.cluster.stage import Doors
from tests.stories.families import definition, routers

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def binaries() -> Iterator[Binaries]:
    """The programs of a control plane, and kubectl on PATH."""
    module, cache = ROOT / "testenv", ROOT / ".cache" / "controlplane"
    kubectl = find_or_build_kubectl(module, cache)
    with pytest.MonkeyPatch.context() as patch:
        if shutil.which("kubectl") is None:
            patch.setenv("PATH", str(kubectl.parent), prepend=os.pathsep)
        yield find_or_build(module, cache)


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    """For everything that lives as long as the session; not pytest's own folders, which are kept afterwards."""
    with tempfile.TemporaryDirectory(prefix="rollouts-cluster-", ignore_cleanup_errors=True) as name:
        yield Path(name)


@pytest.fixture(scope="session")
def bare(binaries: Binaries, folder: Path) -> Iterator[ControlPlane]:
    """An API server beside which no controller runs: objects change only when a test changes them."""
    with control_plane(binaries, folder / "bare", controllers=()) as plane:
        yield plane


@pytest_asyncio.fixture(params=["sandbox", pytest.param("real", marks=pytest.mark.cluster)])
async def kubeconfig_path(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Path]:
    """The way to an API server without controllers, over HTTP: the sandbox's, and a real one."""
    if request.param == "real":
        yield request.getfixturevalue("bare").kubeconfig
    else:
        async with serving(ApiServer(clock.now)) as endpoint:
            yield write(tmp_path / "config", kubeconfig(endpoint.url))


@pytest_asyncio.fixture
async def wire(kubeconfig_path: Path) -> AsyncIterator[Wire]:
    async with connected(kubeconfig_path) as made:
        yield made


@pytest.fixture
def kubeconfig_read(kubeconfig_path: Path) -> Obj:
    return dict(yaml.safe_load(kubeconfig_path.read_text()))


@pytest_asyncio.fixture
async def opened(kubeconfig_read: Obj) -> AsyncIterator[Door]:
    async with door(kubeconfig_read) as made:
        yield made


@pytest.fixture(scope="session")
def plane(binaries: Binaries, folder: Path) -> Iterator[ControlPlane]:
    """A control plane with its controllers, our definitions and rules from `deploy/`, and Istio's definitions."""
    with control_plane(binaries, folder / "plane") as running:
        kubectl = Kubectl(running.kubeconfig, folder)
        kubectl("apply", "--server-side", "-k", str(ROOT / "deploy" / "cluster-install"))
        kubectl("-n", "argo-rollouts", "scale", "deployment", "argo-rollouts", "--replicas=0")
        kubectl("apply", "--server-side", "-f", str(istio_definitions()))
        others = [definition(each) for each in routers() if not each.group.endswith("istio.io")]
        kubectl("apply", "--server-side", "-f", "-", given=yaml.safe_dump_all(others))
        kubectl("wait", "--for=condition=Established", "--timeout=100s", "crd", "--all")
        yield running


@pytest.fixture(scope="session")
def doors(plane: ControlPlane, folder: Path) -> Doors:
    """The administrator's kubeconfig, and the one of the ServiceAccount that `deploy/` makes."""
    kubectl = Kubectl(plane.kubeconfig, folder)
    token = kubectl("-n", "argo-rollouts", "create", "token", "argo-rollouts", "--duration=24h").strip()
    return Doors(plane.kubeconfig, write(folder / "controller.kubeconfig", plane.kubeconfig_of(token, "argo-rollouts")))


def istio_definitions() -> Path:
    """Istio's own CustomResourceDefinitions where they are at hand, else the sandbox's."""
    own = ROOT.parent / "shared" / "upstream" / "crds" / "istio.yaml"
    return own if own.is_file() else ROOT / "rollouts" / "sandbox" / "manifests" / "istio-crds.yaml"
