"""Where kube-apiserver, kube-controller-manager and etcd come from: a cache folder, else Go builds them into it.
kubectl, too, where the machine has none.

They are ordinary Go modules, pinned by the go.mod and go.sum of a small module (`testenv/`). What has been built is
kept under the hash of those files, so that another version is another folder and nothing is built twice.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog

log = structlog.get_logger(__name__)

_PINS = ("go.mod", "go.sum")
_KUBERNETES = "k8s.io/kubernetes"
_ETCD = "go.etcd.io/etcd/server/v3"
_BUILT_IN = 3600.0
"""Seconds that one build may take: minutes on two cores, more where they are busy."""


class ControlPlaneMissing(RuntimeError):
    """There are no binaries and none can be built here; the message says in one line what to do."""


@dataclass(frozen=True, slots=True)
class Binaries:
    """Three programs that belong together."""

    api_server: Path
    controller_manager: Path
    etcd: Path

    @property
    def there(self) -> bool:
        return all(os.access(path, os.X_OK) for path in (self.api_server, self.controller_manager, self.etcd))


def find(module: Path, cache: Path) -> Binaries | None:
    """What has been built into `cache` of the versions that `module` pins."""
    built = _in(_folder(module, cache))
    return built if built.there else None


def find_or_build(module: Path, cache: Path) -> Binaries:
    """The binaries of the versions that the Go module in the folder `module` pins, kept in the folder `cache`.

    The first call takes minutes and some hundred MB of downloads; it builds at the lowest priority, and others who
    want the same wait for it. Raises ControlPlaneMissing.
    """
    if built := find(module, cache):
        return built
    cache.mkdir(parents=True, exist_ok=True)
    with _locked(cache / ".lock"):
        return find(module, cache) or _build(module, cache)


def find_or_build_kubectl(module: Path, cache: Path) -> Path:
    """The machine's kubectl, else one of the version that the module in `module`/kubectl pins, built and kept likewise.

    Raises ControlPlaneMissing.
    """
    if own := shutil.which("kubectl"):
        return Path(own)
    module = module / "kubectl"
    built = _folder(module, cache) / "kubectl"
    cache.mkdir(parents=True, exist_ok=True)
    with _locked(cache / ".lock"):
        if not os.access(built, os.X_OK):
            _build_kubectl(module, built)
    return built


def _folder(module: Path, cache: Path) -> Path:
    digest = hashlib.sha256()
    for name in _PINS:
        digest.update((module / name).read_bytes())
    return cache / digest.hexdigest()[:16]


def _in(folder: Path) -> Binaries:
    return Binaries(folder / "kube-apiserver", folder / "kube-controller-manager", folder / "etcd")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One process at a time; the lock ends with its holder, however that ends."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _build_kubectl(module: Path, built: Path) -> None:
    go, version = _compiler(), pinned_version(module)
    log.info("building kubectl, since there is none on PATH", kubernetes=version)
    built.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=built.parent, prefix="build-") as scratch:
        _go(go, module, f"{scratch}/kubectl", f"-s -w {_stamps(version)}", f"{_KUBERNETES}/cmd/kubectl")
        Path(scratch, "kubectl").replace(built)


def _compiler() -> str:
    go = shutil.which("go")
    if go is None:
        raise ControlPlaneMissing(
            "a real control plane is built with Go and there is none on PATH: install it (https://go.dev/dl)"
        )
    return go


def _build(module: Path, cache: Path) -> Binaries:
    go = _compiler()
    version = pinned_version(module)
    log.info("building a control plane, which takes some minutes", kubernetes=version)
    with tempfile.TemporaryDirectory(dir=cache, prefix="build-") as scratch:
        # Only whole sets of binaries ever bear the final name.
        programs = [f"{_KUBERNETES}/cmd/kube-apiserver", f"{_KUBERNETES}/cmd/kube-controller-manager"]
        _go(go, module, f"{scratch}/set/", f"-s -w {_stamps(version)}", *programs)
        _go(go, module, f"{scratch}/set/etcd", "-s -w", _ETCD)
        return _in(Path(scratch, "set").replace(_folder(module, cache)))


def pinned_version(module: Path) -> str:
    """The version of Kubernetes that a go.mod requires, like "v1.34.1"."""
    lines = (line.split() for line in (module / "go.mod").read_text().splitlines())
    return next(words[-1] for words in lines if words[-2:-1] == [_KUBERNETES])


def _stamps(version: str) -> str:
    """Linker flags by which the programs know their version: without them they call themselves v0.0.0."""
    major, minor, _ = version.removeprefix("v").split(".", 2)
    package = "k8s.io/component-base/version"
    return f"-X {package}.gitVersion={version} -X {package}.gitMajor={major} -X {package}.gitMinor={minor}"


def _go(go: str, module: Path, output: str, linking: str, *packages: str) -> None:
    command = [go, "build", "-mod=readonly", "-trimpath", "-ldflags", linking, "-o", output, *packages]
    kind = [nice, "-n", "19"] if (nice := shutil.which("nice")) else []
    try:
        subprocess.run(
            [*kind, *command],
            cwd=module,
            env=os.environ | {"CGO_ENABLED": "0"},
            check=True,
            capture_output=True,
            timeout=_BUILT_IN,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip().splitlines() or ["it said nothing"]
        raise ControlPlaneMissing(f"the control plane cannot be built with `go build`: {said[-1]}") from error
    except subprocess.TimeoutExpired as error:
        raise ControlPlaneMissing(f"the control plane was not built within {_BUILT_IN:g} s") from error
