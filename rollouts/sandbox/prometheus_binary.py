"""Where a prometheus binary comes from: PATH, else our cache folder, else the system's packages unpacked into it.

Nothing of the system is touched and no rights are needed: the package is downloaded and unpacked, not installed. The
cache folder is `.cache/prometheus` in a clone of the repository, `$XDG_CACHE_HOME/rollouts/prometheus` elsewhere.
"""

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

log = structlog.get_logger(__name__)

_PACKAGE = "prometheus"
_PROGRAMS = (_PACKAGE, "promtool")
_DOWNLOAD_IN = 300.0


class PrometheusMissing(RuntimeError):
    """There is no prometheus and none can be had here; the message says in one line what to do."""


def find_or_install(program: str = _PACKAGE) -> Path:
    """A binary that runs: prometheus, or promtool beside it. May download some 20 MB, once, and takes part in a lock
    meanwhile.

    Raises PrometheusMissing.
    """
    folder = cache_folder()
    if found := find(folder, program):
        return found
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder / ".lock"):
        return find(folder, program) or _install(folder, program)


def find(folder: Path, program: str = _PACKAGE) -> Path | None:
    """The first of PATH and the cache folder that runs."""
    on_path = shutil.which(program)
    candidates = ([Path(on_path)] if on_path else []) + [folder / program]
    return next((candidate for candidate in candidates if accepts(candidate)), None)


def accepts(binary: Path, *flags: str) -> bool:
    """Whether this is a prometheus, or its promtool, that runs on this machine and knows these flags."""
    try:
        answer = subprocess.run([binary, *flags, "--version"], capture_output=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    said = answer.stdout + answer.stderr
    return answer.returncode == 0 and any(f"{program}, version".encode() in said for program in _PROGRAMS)


def cache_folder() -> Path:
    """Where an unpacked binary is kept."""
    clone = Path(__file__).parents[2]
    if (clone / "pyproject.toml").is_file():
        return clone / ".cache" / "prometheus"
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "rollouts" / "prometheus"


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One process at a time; the lock ends with its holder, however that ends."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _install(folder: Path, program: str) -> Path:
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise PrometheusMissing(
            "no prometheus on PATH, and no apt-get to fetch one: install prometheus (https://prometheus.io/download) "
            "so that `prometheus --version` works, then try again"
        )
    log.info("fetching prometheus from the system's packages", into=str(folder))
    with tempfile.TemporaryDirectory(dir=folder, prefix="unpack-") as scratch:
        binary = _unpacked(Path(scratch)) / program
        if not accepts(binary):
            raise PrometheusMissing(
                f"the package {_PACKAGE} does not run unpacked on this machine: install prometheus so that "
                "`prometheus --version` works, then try again"
            )
        return binary.replace(folder / program)


def _unpacked(scratch: Path) -> Path:
    """The folder of the package's programs: downloaded with the machine's lists, else with lists of our own."""
    complaints = []
    for lists in ([], _own_lists(scratch)):
        try:
            if lists:
                _run(["apt-get", *lists, "-qq", "update"], scratch)
            _run(["apt-get", *lists, "-o", "APT::Sandbox::User=root", "-qq", "download", _PACKAGE], scratch)
            package = next(scratch.glob(f"{_PACKAGE}_*.deb"))
            _run(["dpkg-deb", "-x", str(package), str(scratch / "tree")], scratch)
            return scratch / "tree" / "usr" / "bin"
        except (subprocess.SubprocessError, OSError, StopIteration) as error:
            complaints.append(_complaint(error))
    raise PrometheusMissing(
        f"prometheus is neither on PATH nor to be had by apt-get ({complaints[-1]}): install it so that "
        "`prometheus --version` works, then try again"
    )


def _own_lists(scratch: Path) -> list[str]:
    """Options that keep apt's package lists in our folder, for machines where they are absent, old or forbidden."""
    state, cache = scratch / "apt-state", scratch / "apt-cache"
    for folder in (state / "lists" / "partial", cache / "archives" / "partial"):
        folder.mkdir(parents=True, exist_ok=True)
    status = "/var/lib/dpkg/status"
    pairs = (
        ("Dir::State", state),
        ("Dir::Cache", cache),
        ("Dir::State::status", status),
        ("APT::Sandbox::User", "root"),
    )
    return [part for key, value in pairs for part in ("-o", f"{key}={value}")]


def _run(command: list[str], cwd: Path) -> None:
    subprocess.run(command, cwd=cwd, check=True, capture_output=True, timeout=_DOWNLOAD_IN, stdin=subprocess.DEVNULL)


def _complaint(error: BaseException) -> str:
    """The last line a failed command said."""
    said = (getattr(error, "stderr", None) or b"").decode(errors="replace").strip()
    return said.splitlines()[-1] if said else f"{type(error).__name__}: {error}"
