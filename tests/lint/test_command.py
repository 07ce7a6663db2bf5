"""`rollouts lint` as a command, and on manifests that people wrote."""

import json
from pathlib import Path

import pytest

from rollouts.cli.main import run
from rollouts.lint import lint
from rollouts.lint.registry import RULES

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the manifests of others lie beside the repository")


def judged(folder: Path) -> set[tuple[str, int, str]]:
    return {(str(Path(one.path).relative_to(folder)), one.line, one.rule) for one in lint([str(folder)])}


@needs_shared
def test_the_users_manifests_hold_an_undeclared_argument_and_a_query_without_canary_filter() -> None:
    found = judged(SHARED / "manifests")
    assert ("api/latency-p99.yaml", 7, "undeclared-arg") in found
    assert ("payment-service/rollout.yaml", 55, "canary-filter") in found
    assert [rule for _, _, rule in found].count("canary-filter") == 1  # the API's queries ask for version=~".*canary.*"


@needs_shared
def test_what_else_is_told_of_the_users_manifests_is_true() -> None:
    found = judged(SHARED / "manifests") - {
        ("api/latency-p99.yaml", 7, "undeclared-arg"),
        ("payment-service/rollout.yaml", 55, "canary-filter"),
    }
    assert found == {
        # No metric has a count, so the steps that wait for them would never end; Argo Rollouts refuses both Rollouts.
        ("api/rollout.yaml", 27, "endless-metric"),
        ("api/rollout.yaml", 33, "endless-metric"),
        ("payment-service/rollout.yaml", 23, "endless-metric"),
        # success-rate declares service-name without a value, and the steps hand none over.
        ("api/rollout.yaml", 27, "missing-arg"),
        ("api/rollout.yaml", 33, "missing-arg"),
        # Before the canary's first request there is no series, and without requests 0/0.
        ("api/latency-p99.yaml", 7, "empty-result"),
        ("api/latency-p99.yaml", 7, "nan-result"),
        ("api/success-rate.yaml", 9, "empty-result"),
        ("api/success-rate.yaml", 9, "nan-result"),
        ("payment-service/rollout.yaml", 49, "empty-result"),
        ("payment-service/rollout.yaml", 49, "nan-result"),
    }


@needs_shared
def test_the_examples_of_argo_rollouts_raise_no_false_alarm() -> None:
    assert judged(SHARED / "upstream" / "argo-rollouts-examples") == {
        # `linkerd.io/inject: {{args.linkerd-enabled}}` without quotes is a mapping as a key: kubectl refuses the file.
        ("traffic-management/rollout-linkerd.yaml", 101, "yaml"),
        # A success rate of nothing: no series before the first request, 0/0 when requests stop.
        ("appmesh/canary-rollout.yaml", 10, "empty-result"),
        ("appmesh/canary-rollout.yaml", 10, "nan-result"),
    }


def test_errors_make_the_exit_code_and_warnings_do_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "t.yaml"
    file.write_text(
        "apiVersion: argoproj.io/v1alpha1\nkind: AnalysisTemplate\nmetadata: {name: t}\nspec:\n  args:\n  - name: a\n"
        "  metrics:\n  - name: m\n    provider: {web: {url: 'http://x'}}\n"
    )
    assert run(["lint", str(file)]) == 0
    assert capsys.readouterr().out == f"{file}:6: warning: argument 'a' is not used [unused-arg]\n1 warning\n"
    file.write_text(file.read_text().replace("http://x", "http://x/{{args.b}}"))
    assert run(["lint", "--format", "json", str(tmp_path)]) == 1
    first, second = json.loads(capsys.readouterr().out)
    assert (first["rule"], first["severity"]) == ("unused-arg", "warning")
    assert second == {
        "path": str(file),
        "line": 8,
        "rule": "undeclared-arg",
        "severity": "error",
        "message": "metric 'm' uses {{args.b}}, which AnalysisTemplate 't' does not declare",
    }


def test_a_path_that_is_none_is_said_to_be_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["lint", "no/such/place.yaml"]) == 1
    assert capsys.readouterr().err == "Error: no/such/place.yaml: no such file or folder\n"


def test_the_documentation_lists_every_rule_as_the_command_does(capsys: pytest.CaptureFixture[str]) -> None:
    text = (ROOT / "docs" / "checks.md").read_text().partition("## rollouts explain")[0]
    rows = [f"| `{rule.id}` | {rule.severity} | {rule.about} |" for rule in RULES.values()]
    assert [line for line in text.splitlines() if line.startswith("| `")] == rows
    assert run(["lint", "--rules"]) == 0
    assert all(rule.about in capsys.readouterr().out for rule in list(RULES.values())[:1])
