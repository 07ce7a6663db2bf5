"""`rollouts explain` as a command."""

from pathlib import Path

import pytest

from rollouts.cli.main import run
from tests.lint.test_rules import BLUE_GREEN, SOUND

STORY = """\
Rollout web ({path}:1)
  1. 10 % to the canary
  2. waits 7200 s
  3. waits for the analysis errors (120 s when all is good); its failure aborts
  4. 50 % to the canary
  then all pods are of the new version

AnalysisTemplate errors ({path}:33)
  needs the argument service
  metric errors
    asks prometheus 5 times, every 30 s
    a reading is good when `len(result) == 0 || isNaN(result[0]) || result[0] < 0.05` holds
    a reading is bad when `len(result) == 0 || isNaN(result[0]) || result[0] < 0.05` does not hold
    aborts on the 1st bad reading, at once
    aborts (Error) on the 5th error in a row, at the earliest after 40 s
    succeeds after 5 good readings, at the earliest after 120 s
    no data is good, NaN is good
"""


def explained(folder: Path, text: str, capsys: pytest.CaptureFixture[str]) -> str:
    file = folder / "all.yaml"
    file.write_text(text)
    assert run(["explain", str(file)]) == 0
    return capsys.readouterr().out


def test_a_release_and_its_templates_are_told_in_order(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert explained(tmp_path, SOUND, capsys) == STORY.format(path=tmp_path / "all.yaml")


def test_arguments_that_the_template_knows_are_filled_in(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = SOUND.replace("    - name: service\n", "    - {name: service}\n    - {name: times, value: '3'}\n")
    out = explained(tmp_path, text.replace("count: 5", "count: '{{args.times}}'"), capsys)
    assert "succeeds after 3 good readings, at the earliest after 60 s" in out


def test_an_analysis_beside_the_steps_and_one_that_never_ends_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = SOUND.replace("      count: 5\n", "").replace(
        "      steps:\n", "      analysis: {templates: [{templateName: errors}], startingStep: 1}\n      steps:\n"
    )
    lines = explained(tmp_path, text, capsys).splitlines()
    assert "  beside the steps, from step 2 on: the analysis errors; its failure aborts" in lines
    assert (
        "  3. waits for the analysis errors, which never ends, so the Rollout is refused; its failure aborts" in lines
    )


def test_a_blue_green_release_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = explained(tmp_path, BLUE_GREEN, capsys).splitlines()
    assert lines[1:3] == [
        "  before the switch: waits for the analysis slow; its failure aborts",
        "  switches all traffic by itself",
    ]


def test_dry_runs_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = SOUND.replace("spec:\n  args:", "spec:\n  dryRun: [{metricName: err}]\n  args:")
    assert "    decides nothing: it is measured as a dry run\n" in explained(tmp_path, text, capsys)


def test_evidence_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = "'errors: {samples: q, atLeast: 100, noData: wait, nan: fail, longestWait: 5m}'"
    annotated = f"metadata: {{name: errors, annotations: {{analysis.rollouts.dev/evidence: {asked}}}}}"
    lines = explained(tmp_path, SOUND.replace("metadata: {name: errors}", annotated), capsys).splitlines()
    assert "    a reading over fewer than 100 samples is waited out" in lines
    assert "    what is waited out is inconclusive after 300 s" in lines
    assert lines[-1] == "    no data is waited out, NaN is bad"


def asking(tmp_path: Path, capsys: pytest.CaptureFixture[str], annotation: str, asked: str) -> list[str]:
    """The lines about the metric whose template asks for this."""
    annotations = f"  annotations:\n    analysis.rollouts.dev/{annotation}: |\n      errors: {asked}"
    text = SOUND.replace("metadata: {name: errors}", f"metadata:\n  name: errors\n{annotations}")
    lines = explained(tmp_path, text, capsys).splitlines()
    return [line.strip() for line in lines[lines.index("  metric errors") + 1 :]]


def test_a_comparison_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = "{all: requests_total, bad: errors_total, canary: t='c', stable: t='s', atLeast: 100, longestWait: 5m}"
    assert asking(tmp_path, capsys, "compare", asked) == [
        "asks prometheus 5 times, every 30 s",
        "compares requests errors_total among requests_total at the canary (t='c') and stable (t='s')",
        "a reading is bad when the canary is worse: by chance in 1 % of all runs at most",
        "that verdict stands, however often it looks; failureLimit forgives none",
        "conditions and query of the metric are asked by Argo Rollouts only",
        "a reading over fewer than 100 requests of canary or stable is waited out",
        "a reading without new requests is waited out",
        "what is waited out is inconclusive after 300 s",
        "aborts on the 1st bad reading, at the earliest after 30 s",
        "aborts (Error) on the 5th error in a row, at the earliest after 70 s",
        "succeeds after 5 good readings, at the earliest after 150 s",
    ]


def test_an_objective_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = "{objective: 99.9, window: 30d, all: r, bad: e, canary: t='c', atLeast: 100, longestWait: 5m}"
    lines = asking(tmp_path, capsys, "burn-rate", asked)
    budget = "the error budget of 99.9 % over 30d"
    assert lines[1:5] == [
        "counts requests e among r at the canary (t='c')",
        f"a reading is bad when {budget} burns 14.4 times as fast as it may, within 5m and 1h",
        f"a reading is bad when {budget} burns 6 times as fast as it may, within 30m and 6h, "
        "once the run is as old as 6h",
        f"a reading is bad when {budget} burns 1 times as fast as it may, within 6h and 3d, "
        "once the run is as old as 3d",
    ]
    named = asking(tmp_path, capsys, "burn-rate", "{slo: api, canary: t='c', atLeast: 100, longestWait: 5m}")
    assert "a reading is bad when the budget of the ServiceLevelObjective api burns too fast" in named


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("kind: Service\n", "there is neither a Rollout nor a template to explain"),
        ("a: [\n", ":2: "),
        ("apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {name: x}\n", "Rollout x cannot be read"),
    ],
)
def test_what_cannot_be_explained_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, complaint: str
) -> None:
    file = tmp_path / "x.yaml"
    file.write_text(text)
    assert run(["explain", str(file)]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert complaint in captured.err
