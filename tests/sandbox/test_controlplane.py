"""Where the programs of a real control plane come from: built once, and one line says what is missing."""

from pathlib import Path

import pytest

from rollouts.sandbox.controlplane.__main__ import main
from rollouts.sandbox.controlplane.binaries import (
    ControlPlaneMissing,
    find_or_build,
    find_or_build_kubectl,
    pinned_version,
)

ROOT = Path(__file__).parents[2]

GO_MOD_OF_KUBECTL = "module testenv/kubectl\n\nrequire k8s.io/kubernetes v1.34.1\n"
GO_MOD = "module testenv\n\nrequire (\n\tk8s.io/kubernetes v1.34.1\n)\n"

GO = """#!/bin/sh
# What `go build -o OUTPUT PACKAGE...` leaves behind, and a line for each call.
while [ "$1" != -o ]; do shift; done
output=$2; shift 2
echo "$@" >> "$CALLS"
for package in "$@"; do
    case "$output" in */) target=$output${package##*/} ;; *) target=$output ;; esac
    /bin/mkdir -p "${target%/*}"
    echo "$package" > "$target"
    /bin/chmod +x "$target"
done
"""


@pytest.fixture
def module(tmp_path: Path) -> Path:
    folder = tmp_path / "testenv"
    folder.mkdir()
    (folder / "go.mod").write_text(GO_MOD)
    (folder / "go.sum").write_text("")
    (folder / "kubectl").mkdir()
    (folder / "kubectl" / "go.mod").write_text(GO_MOD_OF_KUBECTL)
    (folder / "kubectl" / "go.sum").write_text("")
    return folder


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on PATH, and empty."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    return folder


def install(path: Path, name: str, text: str) -> Path:
    program = path / name
    program.write_text(text)
    program.chmod(0o755)
    return program


def calls(tmp_path: Path) -> list[str]:
    return (tmp_path / "calls").read_text().splitlines()


def test_where_go_is_missing_one_line_says_so(
    module: Path, path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(module), str(tmp_path / "cache")]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    (line,) = said.err.splitlines()
    assert line == (
        "Error: a real control plane is built with Go and there is none on PATH: install it (https://go.dev/dl)"
    )


def test_what_go_says_last_is_why_it_cannot_be_built(module: Path, path: Path, tmp_path: Path) -> None:
    install(path, "go", "#!/bin/sh\necho first >&2\necho 'go.mod requires go >= 1.24' >&2\nexit 1\n")
    with pytest.raises(ControlPlaneMissing, match=r"cannot be built with `go build`: go\.mod requires go >= 1\.24$"):
        find_or_build(module, tmp_path / "cache")


def test_kubectl_is_of_the_version_of_the_control_plane() -> None:
    assert pinned_version(ROOT / "testenv" / "kubectl") == pinned_version(ROOT / "testenv")


def test_all_is_built_once_and_anew_for_other_versions(module: Path, path: Path, tmp_path: Path) -> None:
    install(path, "go", GO)
    built = find_or_build(module, tmp_path / "cache")
    assert built.there
    assert find_or_build(module, tmp_path / "cache") == built
    assert calls(tmp_path) == [
        "k8s.io/kubernetes/cmd/kube-apiserver k8s.io/kubernetes/cmd/kube-controller-manager",
        "go.etcd.io/etcd/server/v3",
    ]
    (module / "go.sum").write_text("another")
    assert find_or_build(module, tmp_path / "cache") != built
    assert len(calls(tmp_path)) == 4


def test_kubectl_is_the_machines_own_and_built_only_where_there_is_none(
    module: Path, path: Path, tmp_path: Path
) -> None:
    install(path, "go", GO)
    built = [find_or_build_kubectl(module, tmp_path / "cache") for _ in range(2)]
    assert built[0] == built[1]
    assert built[0].read_text().strip() == "k8s.io/kubernetes/cmd/kubectl"
    assert calls(tmp_path) == ["k8s.io/kubernetes/cmd/kubectl"]
    own = install(path, "kubectl", "#!/bin/sh\n")
    assert find_or_build_kubectl(module, tmp_path / "cache") == own
