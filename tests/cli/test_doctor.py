"""`rollouts doctor gitops`: what it prints is YAML that Argo CD and Flux take as it is."""

from pathlib import Path

import pytest
import yaml

from rollouts.cli.doctor import rules
from rollouts.cli.main import run
from tests import make


def written(tmp_path: Path, *manifests: make.Obj) -> str:
    file = tmp_path / "rollouts.yaml"
    file.write_text(yaml.safe_dump_all(manifests))
    return str(file)


def named(name: str) -> make.Obj:
    manifest = make.rollout(make.weight(20), name=name, canary=make.ISTIO)
    manifest["metadata"] = {"name": name}
    return manifest


def test_rules_for_argo_cd_of_a_manifest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}}
    assert run(["doctor", "gitops", "-f", written(tmp_path, service, named("a"))]) == 0
    told = yaml.safe_load(capsys.readouterr().out)
    assert [(each["kind"], each["name"]) for each in told["ignoreDifferences"]] == [
        ("Service", "stable"),
        ("Service", "canary"),
        ("VirtualService", "vs"),
    ]
    assert "namespace" not in told["ignoreDifferences"][0], "the manifest names none"


def test_rules_for_flux_of_one_of_several_in_a_list(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    both = {"apiVersion": "v1", "kind": "List", "items": [named("a"), make.blue_green()]}
    assert run(["doctor", "gitops", "r", "--for", "flux", "-f", written(tmp_path, both)]) == 0
    out = capsys.readouterr().out
    assert out.startswith("# Goes into spec of the Kustomization")
    assert [each["target"]["name"] for each in yaml.safe_load(out)["ignore"]] == ["active", "preview"]


def test_objects_of_two_rollouts_are_named_once() -> None:
    assert rules([named("a"), named("b")], [], "argocd") == rules([named("a")], [], "argocd")


@pytest.mark.parametrize(
    ("text", "words", "fault"),
    [
        ("kind: Service\nmetadata: {name: s}", [], "Error: there is no Rollout; name one with -f FILE"),
        (yaml.safe_dump(named("a")), ["b"], "Error: there is no Rollout b"),
        ("kind: Rollout\nspec: {}", [], "Error: a Rollout has no metadata.name"),
        ("kind: Rollout\nmetadata: {name: a}\nspec: {replicas: many}", [], "Error: Rollout a: "),
        ("{", [], "Error: "),
    ],
)
def test_what_cannot_be_told_is_named(
    text: str, words: list[str], fault: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "x.yaml"
    file.write_text(text)
    assert run(["doctor", "gitops", *words, "-f", str(file)]) == 1
    assert capsys.readouterr().err.startswith(fault)
