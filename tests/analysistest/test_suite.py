"""`rollouts test`: what a test writes down reaches the provider, and what the run comes to is compared."""

from datetime import timedelta
from pathlib import Path
from xml.etree import ElementTree

import pytest

from rollouts.analysistest import Outcome, run_tests
from rollouts.cli.main import run

TEMPLATE = """\
apiVersion: argoproj.io/v1alpha1
kind: AnalysisTemplate
metadata: {name: errors}
spec:
  args:
    - name: service
    - {name: most, value: "0.05"}
  metrics:
    - name: errors
      interval: 30s
      failureLimit: 3
      successCondition: result[0] < {{args.most}}
      provider:
        prometheus:
          query: rate(errors_total{service="{{args.service}}"}[2m])
---
"""
HEAD = """\
kind: AnalysisTest
templates: [errors]
args: {service: web}
tests:
"""


def outcomes(folder: Path, tests: str, template: str = TEMPLATE, head: str = HEAD) -> tuple[Outcome, ...]:
    (folder / "all.yaml").write_text(template + head + tests)
    return run_tests([str(folder)])


def faults(folder: Path, tests: str, template: str = TEMPLATE, head: str = HEAD) -> list[str]:
    return [fault for one in outcomes(folder, tests, template, head) for fault in one.faults]


BAD = """\
  - name: four bad readings abort
    answers: {errors: [0.01, {value: 0.2, times: 3}, 0.01, 0.2]}
    expect:
      phase: Failed
      message: 'Metric "errors" assessed Failed due to failed (4) > failureLimit (3)'
      after: 150s
      metrics: {errors: {phase: Failed, successful: 2, failed: 4, count: 6}}
"""


def test_a_run_is_led_through_its_answers(tmp_path: Path) -> None:
    (one,) = outcomes(tmp_path, BAD)
    assert (one.name, one.faults, one.took) == ("four bad readings abort", (), timedelta(seconds=150))
    assert one.line == TEMPLATE.count("\n") + 5


def test_what_is_not_as_expected_is_said(tmp_path: Path) -> None:
    tests = (
        BAD.replace("phase: Failed\n", "phase: Successful\n").replace("150s", "2m").replace("failed: 4", "failed: 5")
    )
    assert faults(tmp_path, tests.replace("due to", "because of")) == [
        'phase is Failed (Metric "errors" assessed Failed due to failed (4) > failureLimit (3)), expected Successful',
        "message is 'Metric \"errors\" assessed Failed due to failed (4) > failureLimit (3)', expected "
        "'Metric \"errors\" assessed Failed because of failed (4) > failureLimit (3)'",
        "it ended after 150 s, expected 120 s",
        "metric 'errors': failed is 4, expected 5",
    ]


@pytest.mark.parametrize(
    ("answers", "expect"),
    [
        ("[[]]", "{phase: Error, after: 40s, metrics: {errors: {error: 5}}}"),
        ("[.nan]", "{phase: Failed, after: 90s}"),
        ("[{status: 503, body: down}]", "{phase: Error, after: 40s}"),
        ("[{scalar: 0.01}]", "{phase: Error}"),
        ("[{value: 0.01, delay: 31s}]", "{phase: Error, after: 190s}"),
        ("[{value: [0.01, 7]}]", "{phase: Successful, after: 1h, message: Run Terminated}"),
        ("[{phase: Inconclusive}]", "{phase: Inconclusive, after: 0s}"),
        ("[{json: {status: success, data: {resultType: vector, result: []}}}]", "{phase: Error, after: 40s}"),
    ],
)
def test_every_kind_of_answer_reaches_the_engine(tmp_path: Path, answers: str, expect: str) -> None:
    test = f"  - name: x\n    answers: {{errors: {answers}}}\n    terminateAfter: 1h\n    expect: {expect}\n"
    assert faults(tmp_path, test) == []


def test_arguments_of_a_test_win_over_those_of_its_suite_and_of_the_template(tmp_path: Path) -> None:
    test = "  - name: x\n    args: {most: '0.5'}\n    answers: {errors: [0.2]}\n    terminateAfter: 5m\n"
    assert faults(tmp_path, f"{test}    expect: {{phase: Successful, metrics: {{errors: {{failed: 0}}}}}}\n") == []


def test_evidence_that_a_template_asks_for_is_weighed(tmp_path: Path) -> None:
    asked = "'errors: {samples: \"sum(requests)\", atLeast: 100, longestWait: 5m}'"
    annotated = f"metadata: {{name: errors, annotations: {{analysis.rollouts.dev/evidence: {asked}}}}}"
    template = TEMPLATE.replace("metadata: {name: errors}", annotated)
    test = "  - name: x\n    answers: {{errors: [{{value: 0.2, samples: {0}, times: 3}}, 0.2]}}\n    expect: {1}\n"
    assert faults(tmp_path, test.format(100, "{phase: Failed, after: 90s}"), template) == []
    assert faults(tmp_path, test.format(99, "{phase: Failed, after: 180s}"), template) == []


COMPARE = """\
metadata:
  name: errors
  annotations:
    analysis.rollouts.dev/compare: |
      errors: {all: requests, bad: errors, canary: 'a="c"', stable: 'a="s"', atLeast: 500, longestWait: 5m}
"""
BURN_RATE = """\
metadata:
  name: errors
  annotations:
    analysis.rollouts.dev/burn-rate: |
      errors: {slo: api, canary: 'a="c"', atLeast: 500, longestWait: 5m}
"""
SLO = """\
apiVersion: pyrra.dev/v1alpha1
kind: ServiceLevelObjective
metadata: {name: api}
spec: {target: "99.9", window: 4w, indicator: {ratio: {errors: {metric: errors}, total: {metric: requests}}}}
---
"""
LOOK = "{{canary: {{all: 1000, bad: {0}}}, stable: {{all: 9000, bad: 45}}, times: {1}}}"


def comparing(*looks: str, template: str = COMPARE) -> tuple[str, str]:
    """A test whose metric hears these, and the template it is of."""
    test = f"  - name: x\n    answers: {{errors: [{', '.join(looks)}]}}\n    terminateAfter: 10m\n    expect: "
    return test, TEMPLATE.replace("metadata: {name: errors}\n", template)


def test_requests_of_canary_and_stable_are_compared(tmp_path: Path) -> None:
    test, template = comparing(LOOK.format(5, 3), LOOK.format(30, 1))
    assert (
        faults(tmp_path, f"{test}{{phase: Failed, after: 120s, metrics: {{errors: {{successful: 3}}}}}}\n", template)
        == []
    )
    test, template = comparing(LOOK.format(5, 1))
    assert faults(tmp_path, f"{test}{{phase: Successful, after: 10m}}\n", template) == []
    test, template = comparing("{canary: {all: 10}, stable: {all: 9000, bad: 45}}")
    assert faults(tmp_path, f"{test}{{phase: Inconclusive, after: 5m}}\n", template) == []
    test, template = comparing("{status: 503}")
    assert faults(tmp_path, f"{test}{{phase: Error, after: 70s}}\n", template) == []


def test_requests_within_a_bucket_are_compared_too(tmp_path: Path) -> None:
    test, template = comparing(LOOK.format(300, 1), template=COMPARE.replace("bad: errors", "within: errors"))
    assert faults(tmp_path, f"{test}{{phase: Failed, after: 30s}}\n", template) == []


def test_an_objective_beside_the_test_is_judged_by(tmp_path: Path) -> None:
    test, template = comparing("{canary: {all: 1000, bad: 30}}", template=BURN_RATE)
    expected = f"{test}{{phase: Failed, after: 2m}}\n"
    assert faults(tmp_path, expected, SLO + template) == []
    missing = faults(tmp_path, expected, template)[0]
    assert "ServiceLevelObjective 'api' is in none of the files" in missing


def test_an_answer_that_is_no_comparison_is_refused(tmp_path: Path) -> None:
    test, template = comparing("0.2")
    assert faults(tmp_path, f"{test}{{phase: Failed}}\n", template) == [
        "metric 'errors' compares requests: answer with canary and stable"
    ]


def test_other_providers_are_answered_in_json_and_secrets_are_written_down(tmp_path: Path) -> None:
    template = """\
apiVersion: argoproj.io/v1alpha1
kind: ClusterAnalysisTemplate
metadata: {name: errors}
spec:
  args: [{name: token, valueFrom: {secretKeyRef: {name: api, key: token}}}]
  metrics:
    - name: score
      successCondition: result.good > 3
      provider:
        web:
          url: https://example.com/score
          headers: [{key: Authorization, value: "{{args.token}}"}]
          jsonPath: "{$.data}"
---
"""
    head = "kind: AnalysisTest\ntemplates: [errors]\nsecrets: {api: {token: s3cret}}\ntests:\n"
    test = "  - name: x\n    answers: {score: [{json: {data: {good: 4}}}]}\n    expect: {phase: Successful}\n"
    assert faults(tmp_path, test, template, head) == []
    assert faults(tmp_path, test, template, head.replace("api: {", "other: {")) == [
        'phase is Error (Unable to resolve metric arguments: secrets "api" not found), expected Successful'
    ]
    assert faults(tmp_path, test.replace("{json: {data: {good: 4}}}", "4"), template, head) == [
        "metric 'score' asks no Prometheus: answer with json, body or phase"
    ]


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        (
            "errors: [0.01, {value: 0.2, times: 3}, 0.01, 0.2]",
            "other: [1]",
            "the test has no answers for metric 'errors'",
        ),
        ("[0.01, {value: 0.2, times: 3}, 0.01, 0.2]", "[0.01]", "the run never ends: give the test a terminateAfter"),
        ("templates: [errors]", "templates: [error]", "AnalysisTemplate 'error' not found"),
        ("args: {service: web}", "args: {}", "args.service was not resolved"),
        ("answers:", "answer:", "tests.0.answer: Extra inputs are not permitted"),
        (
            "{value: 0.2, times: 3}",
            "{value: 0.2, body: x}",
            "an answer has one of value, scalar, json, body, phase and canary",
        ),
        ("after: 150s", "after: long", 'time: invalid duration "long"'),
        ("tests:", "tests: [", "expected"),
    ],
)
def test_what_is_wrong_with_a_test_itself_is_said(tmp_path: Path, old: str, new: str, fault: str) -> None:
    text = HEAD + BAD
    assert old in text
    found = faults(tmp_path, text.replace(old, new), head="")
    assert len(found) == 1
    assert fault in found[0]


def test_the_command_prints_reports_and_tells_by_its_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, report = tmp_path / "t.yaml", tmp_path / "junit.xml"
    wrong = BAD.replace("four bad", "3 & more").replace("after: 150s", "after: 90s")
    file.write_text(TEMPLATE + HEAD + BAD + wrong)
    assert run(["test", str(file), "--junit", str(report)]) == 1
    assert capsys.readouterr().out == (
        "ok   errors: four bad readings abort (150 s)\n"
        "FAIL errors: 3 & more readings abort (150 s)\n"
        f"       {file}:28: it ended after 150 s, expected 90 s\n"
        "1 passed, 1 failed\n"
    )
    (suite,) = ElementTree.parse(report).getroot()
    assert (suite.get("name"), suite.get("tests"), suite.get("failures")) == ("errors", "2", "1")
    good, bad = suite
    assert list(good) == []
    failure = bad.find("failure")
    assert failure is not None
    assert (bad.get("name"), failure.get("message")) == (
        "3 & more readings abort",
        "it ended after 150 s, expected 90 s",
    )
    file.write_text(TEMPLATE + HEAD + BAD)
    assert run(["test", str(file)]) == 0


def test_a_template_that_cannot_be_read_is_told_as_such(tmp_path: Path) -> None:
    assert faults(tmp_path, BAD, TEMPLATE.replace("provider:", "provide:")) == [
        "AnalysisTemplate errors cannot be read: spec.metrics.0.provider: Field required; see rollouts lint",
        "AnalysisTemplate 'errors' not found",
    ]


def test_no_test_is_no_success(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "t.yaml").write_text(TEMPLATE)
    assert run(["test", str(tmp_path)]) == 1
    assert "there is no test" in capsys.readouterr().err
    assert run(["test", "nowhere"]) == 1
    assert capsys.readouterr().err == "Error: nowhere: no such file or folder\n"
