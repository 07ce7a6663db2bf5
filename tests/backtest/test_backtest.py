"""`rollouts backtest` over a real Prometheus: what lies in the past is found, and nothing else."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from analysis.schema import parse_time
from rollouts.cli.main import run
from tests.backtest.past import INCIDENTS, NOON, WORSE

TEMPLATE = """\
apiVersion: argoproj.io/v1alpha1
kind: AnalysisTemplate
metadata: {name: errors}
spec:
  args: [{name: service}]
  metrics:
    - name: errors
      interval: 30s
      failureLimit: 3
      successCondition: result[0] < 0.05
      provider:
        prometheus:
          address: http://prometheus.elsewhere:9090
          query: |
            sum(rate(http_requests_total{service="{{args.service}}",status=~"5.."}[1m]))
            / sum(rate(http_requests_total{service="{{args.service}}"}[1m]))
"""
HOUR = ["--from", "2026-01-10T12:02:00Z", "--to", "2026-01-10T13:00:00Z"]


@pytest.fixture
def template(tmp_path: Path) -> Path:
    file = tmp_path / "errors.yaml"
    file.write_text(TEMPLATE)
    return file


def judged(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    assert run(["backtest", *words, "--format", "json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def minute(text: str) -> float:
    return (parse_time(text) - NOON) / timedelta(minutes=1)


def test_both_incidents_of_an_hour_are_found_and_no_others(
    prometheus: str, template: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = judged(capsys, str(template), "--prometheus", prometheus, *HOUR, "--arg", "service=api")
    assert len(found["incidents"]) == len(INCIDENTS)
    for incident, (begin, end) in zip(found["incidents"], INCIDENTS, strict=True):
        # Four bad readings, half a minute apart, over a rate of one minute: it takes a while to see, and to forget.
        assert begin < minute(incident["first"]) <= begin + 3
        assert end - 2 <= minute(incident["last"]) <= end + 2
        assert incident["message"] == 'Metric "errors" assessed Failed due to failed (4) > failureLimit (3)'
    assert (found["releases"], found["paused"]) == (49, 0)  # the last ten minutes are too short for a new one
    assert found["aborted"] == sum(incident["releases"] for incident in found["incidents"])
    assert found["succeeded"] == 49 - found["aborted"] > 15
    assert set(found["readings"]) == {"Successful", "Failed"}


def test_thresholds_are_swept_over_the_same_past(
    prometheus: str, template: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [str(template), "--prometheus", prometheus, *HOUR, "--arg=service=api", "--sweep", "0.001,0.05,0.5"]
    found = judged(capsys, *words)
    strict, given, lax = found["sweep"]
    assert [each["threshold"] for each in found["sweep"]] == [0.001, 0.05, 0.5]
    assert strict["aborted"] == strict["releases"] == 57  # four readings take 90 seconds, so the last has no verdict
    assert (given["aborted"], given["incidents"]) == (found["aborted"], found["incidents"])
    assert (lax["aborted"], lax["incidents"]) == (0, [])


def test_the_report_can_be_read(prometheus: str, template: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["backtest", str(template), "--prometheus", prometheus, "--arg", "service=api", "--watched", "5m"]
    assert run([*words, "--from", "2026-01-10T12:10:00Z", "--to", "2026-01-10T12:40:00Z", "--every", "5m"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "2026-01-10T12:10:00Z to 2026-01-10T12:40:00Z: a release every 300 s"
    assert lines[1] == "6 releases: 5 succeeded, 1 aborted, 0 paused"
    assert lines[3].startswith(
        "  aborts from 2026-01-10T12:16:30Z to 2026-01-10T12:16:30Z: 1 release, the first: Metric"
    )
    assert lines[4] == "with other thresholds in `result[0] < 0.05`:"
    assert [line.split()[0] for line in lines[5:]] == ["0.0125", "0.025", "0.05", "0.1", "0.2"]


def test_a_metric_with_a_count_ends_by_itself_and_other_providers_are_left_out(
    prometheus: str, template: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job = "    - {name: smoke, provider: {job: {spec: {}}}}\n"
    template.write_text(TEMPLATE.replace("failureLimit: 3", "failureLimit: 0\n      count: 2") + job)
    words = ["backtest", str(template), "--prometheus", prometheus, *HOUR, "--arg", "service=api", "--every", "10m"]
    assert run(words) == 0
    out = capsys.readouterr().out
    assert out.startswith("note: metric 'smoke' is left out: job knows no past\n")
    assert "6 releases: 5 succeeded, 1 aborted, 0 paused\n" in out


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ([], "args.service was not resolved"),
        (["--arg", "service"], "--arg service: write NAME=VALUE"),
        (["--arg", "service=api", "--template", "latency"], "there is no template 'latency' in the file"),
        (["--arg", "service=api", "--to", "2026-01-10T12:00:00Z"], "is not before"),
        (["--arg", "service=api", "--to", "noon"], "noon: write a time like"),
        (["--arg", "service=api", "--every", "0s"], "--every and --watched must be more than nothing"),
        (["--arg", "service=api"], "no Prometheus answers at http://127.0.0.1:1"),
    ],
)
def test_what_cannot_be_judged_is_said(
    template: Path, capsys: pytest.CaptureFixture[str], words: list[str], complaint: str
) -> None:
    assert run(["backtest", str(template), "--prometheus", "http://127.0.0.1:1", *HOUR, *words]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert complaint in captured.err


def test_moments_may_be_spans_before_now(template: Path, prometheus: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = [str(template), "--prometheus", prometheus, "--arg", "service=api", "--from", "2h", "--to", "1h"]
    found = judged(capsys, *words, "--every", "30m")
    assert (found["releases"], found["aborted"]) == (2, 2)  # there is no data: five errors in a row
    assert set(found["readings"]) == {"Error"}
    assert datetime.now().astimezone() > parse_time(found["incidents"][0]["first"])


COMPARE = """\
  annotations:
    analysis.rollouts.dev/compare: |
      errors:
        all: http_requests_total{service="{{args.service}}"}
        bad: http_requests_total{service="{{args.service}}",status=~"5.."}
        canary: track="canary"
        stable: track="stable"
        atLeast: 500
        longestWait: 5m
"""
BURN_RATE = """\
  annotations:
    analysis.rollouts.dev/burn-rate: |
      errors: {slo: web, canary: track="canary", atLeast: 500, longestWait: 5m}
"""
OBJECTIVE = """\
---
apiVersion: pyrra.dev/v1alpha1
kind: ServiceLevelObjective
metadata: {name: web}
spec:
  target: "99.9"
  window: 4w
  indicator:
    ratio:
      errors: {metric: 'http_requests_total{service="web",status="500"}'}
      total: {metric: 'http_requests_total{service="web"}'}
"""


@pytest.mark.parametrize(
    ("annotations", "message"),
    [(COMPARE, "worse with certainty"), (BURN_RATE, "burns the error budget of 99.9 % over 28d")],
)
def test_what_annotations_ask_is_asked_of_the_past_too(
    prometheus: str, template: Path, capsys: pytest.CaptureFixture[str], annotations: str, message: str
) -> None:
    job = "    - {name: smoke, provider: {job: {spec: {}}}}\n"
    text = TEMPLATE.replace("metadata: {name: errors}\n", f"metadata:\n  name: errors\n{annotations}")
    template.write_text(text + job + OBJECTIVE)
    found = judged(capsys, str(template), "--prometheus", prometheus, *HOUR, "--arg", "service=web")
    (incident,) = found["incidents"]
    assert WORSE[0] < minute(incident["first"]) <= WORSE[0] + 3
    assert WORSE[1] - 2 < minute(incident["last"]) <= WORSE[1] + 3
    assert message in incident["message"]
    assert (found["succeeded"], found["paused"], found["sweep"]) == (49 - found["aborted"], 0, [])
