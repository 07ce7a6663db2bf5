"""Every rule finds what it is about, at its line, and leaves sound manifests alone."""

import json
from pathlib import Path

import pytest

from rollouts.lint import Finding, Severity, lint
from rollouts.lint.registry import RULES

SOUND = """\
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata:
  name: web
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: example.com/web:1}]}
  strategy:
    canary:
      stableService: web-stable
      canaryService: web-canary
      canaryMetadata: {labels: {track: canary}}
      steps:
        - setWeight: 10
        - pause: {duration: 2h}
        - analysis:
            templates: [{templateName: errors}]
            args: [{name: service, value: web}]
        - setWeight: 50
---
apiVersion: v1
kind: Service
metadata: {name: web-stable}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: web-canary}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: argoproj.io/v1alpha1
kind: AnalysisTemplate
metadata: {name: errors}
spec:
  args:
    - name: service
  metrics:
    - name: errors
      interval: 30s
      count: 5
      successCondition: len(result) == 0 || isNaN(result[0]) || result[0] < 0.05
      provider:
        prometheus:
          address: http://prometheus:9090
          query: |
            sum(rate(errors_total{service="{{args.service}}",track="canary"}[2m]))
            / sum(rate(requests_total{service="{{args.service}}",track="canary"}[2m]))
"""

BLUE_GREEN = """\
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: example.com/web:1}]}
  progressDeadlineSeconds: 60
  strategy:
    blueGreen:
      activeService: active
      previewService: preview
      prePromotionAnalysis:
        templates: [{templateName: slow}]
---
apiVersion: argoproj.io/v1alpha1
kind: AnalysisTemplate
metadata: {name: slow}
spec:
  metrics:
    - name: slow
      interval: 30s
      count: 4
      provider: {job: {spec: {}}}
"""

GUARDED = "len(result) == 0 || isNaN(result[0]) || result[0] < 0.05"
SLIPS: dict[str, tuple[tuple[str, str], str, str]] = {
    # rule: what is changed in the sound manifests, the line it is told at (a piece of it), a piece of the text
    "yaml": (("metadata:\n  name: web", "metadata: [\n  name: web"), "spec:", "expected"),
    "malformed": (
        ("- name: errors\n      interval", "- interval"),
        "- interval",
        "spec.metrics.0.name: Field required",
    ),
    "rollout-spec": (("duration: 2h", "duration: soon"), "duration: soon", "pause.duration: Invalid value"),
    "unsupported": (("  selector: {matchLabels", "  colour: red\n  selector: {matchLabels"), "colour", "unknown field"),
    "unknown-field": (("      count: 5", "      count: 5\n      failurelimit: 3"), "failurelimit", "'failurelimit'"),
    "unknown-template": (("templateName: errors", "templateName: error"), "templateName: error", "'error' is in none"),
    "templates-clash": (
        ("  args:\n    - name", "  templates: [{templateName: errors}]\n  args:\n    - name"),
        "templates: [{templateName: errors}]\n  args",
        "includes itself",
    ),
    "undeclared-arg": (
        ('requests_total{service="{{args.service}}"', 'requests_total{service="{{args.svc}}"'),
        "- name: errors",
        "{{args.svc}}",
    ),
    "unused-arg": (
        ("    - name: service\n", "    - name: service\n    - name: colour\n      value: red\n"),
        "- name: colour",
        "'colour' is not used",
    ),
    "missing-arg": (
        ("            args: [{name: service, value: web}]\n", ""),
        "- analysis:",
        "needs the argument 'service'",
    ),
    "dropped-arg": (("value: web}]", "value: web}, {name: svc, value: web}]"), "args: [{name: service", "'svc'"),
    "metric-spec": (
        ("      count: 5", "      count: 5\n      failureLimit: 6"),
        "- name: errors",
        "count (5) must be >= failureLimit",
    ),
    "annotation": (
        (
            "metadata: {name: errors}",
            "metadata: {name: errors, annotations: {analysis.rollouts.dev/evidence: 'errors: {}'}}",
        ),
        "metadata: {name: errors, annotations",
        "it asks for nothing",
    ),
    "unknown-objective": (
        (
            "metadata: {name: errors}",
            "metadata: {name: errors, annotations: {analysis.rollouts.dev/burn-rate: "
            "'errors: {slo: api, canary: a=\"b\", atLeast: 1, longestWait: 1m}'}}",
        ),
        "metadata: {name: errors, annotations",
        "ServiceLevelObjective 'api' is in none of the files",
    ),
    "traffic-proof": (
        ("  name: web\nspec:", "  name: web\n  annotations: {traffic.rollouts.dev/prove: '{}'}\nspec:"),
        "  annotations: {traffic",
        "annotation traffic.rollouts.dev/prove is not known; traffic.rollouts.dev/proof is the only one",
    ),
    "endless-metric": (("      count: 5\n", ""), "- analysis:", "never ends"),
    "weights-not-rising": (("setWeight: 50", "setWeight: 10"), "setWeight: 10\n---", "setWeight 10 after setWeight 10"),
    "missing-service": (("{name: web-canary}", "{name: web-green}"), "canaryService", '"web-canary" is in none'),
    "service-selector": (
        (
            "metadata: {name: web-canary}\nspec: {selector: {app: web}",
            "metadata: {name: web-canary}\nspec: {selector: {app: wep}",
        ),
        "canaryService",
        "app=wep",
    ),
    "promql": (("sum(rate(errors_total", "sum((rate(errors_total"), "query: |", "does not parse"),
    "condition": ((GUARDED, "result[0] <"), "- name: errors", "successCondition"),
    "empty-result": ((GUARDED, "isNaN(result[0]) || result[0] < 0.05"), "- name: errors", "no data is an error"),
    "nan-result": ((GUARDED, "len(result) == 0 || result[0] < 0.05"), "- name: errors", "counts as bad"),
    "canary-filter": ((',track="canary"', ""), "query: |", "canary of Rollout 'web'"),
}


def linted(folder: Path, text: str) -> tuple[Finding, ...]:
    file = folder / "all.yaml"
    file.write_text(text)
    return lint([str(folder)])


def changed(old: str, new: str) -> str:
    assert old in SOUND, old
    return SOUND.replace(old, new)


def test_sound_manifests_are_left_alone(tmp_path: Path) -> None:
    assert linted(tmp_path, SOUND) == ()


@pytest.mark.parametrize("rule", SLIPS)
def test_each_rule_finds_its_slip_at_its_line_and_no_other_rule_cries(rule: str, tmp_path: Path) -> None:
    change, place, piece = SLIPS[rule]
    text = changed(*change)
    findings = linted(tmp_path, text)
    assert [finding.rule for finding in findings if finding.rule == rule] == [rule], findings
    found = next(finding for finding in findings if finding.rule == rule)
    assert piece in found.message
    assert found.line == text[: text.index(place)].count("\n") + 1
    followed_by = {"yaml": {"missing-service"}, "malformed": {"unknown-template"}, "unsupported": set[str]()}
    assert {one.rule for one in findings} - {rule} <= followed_by.get(rule, set())


@pytest.mark.parametrize(
    ("asked", "piece"),
    [
        ("{}", "requests is missing: only for istio and smi it is known what to count"),
        ("{requests: 'sum(increase(x{pod=\"{{replicaset}}\"}[{{window}}])'}", "does not parse"),
        ("{requests: 'sum(increase(x{pod=\"{{replicaset}}\"}[{{window}}]))'}", ""),
    ],
)
def test_what_is_asked_to_be_proven_of_traffic_has_to_make_sense(asked: str, piece: str, tmp_path: Path) -> None:
    annotation = f"  name: web\n  annotations:\n    traffic.rollouts.dev/proof: |\n      {asked}\nspec:"
    routed = changed("  name: web\nspec:", annotation).replace(
        "      canaryService: web-canary\n",
        "      canaryService: web-canary\n      trafficRouting: {nginx: {stableIngress: web}}\n",
    )
    assert [piece in one.message for one in linted(tmp_path, routed)] == ([True] if piece else [])


def test_every_rule_has_its_slip_here() -> None:
    assert set(RULES) == {*SLIPS, "wait-over-deadline"}


def test_an_analysis_of_a_promotion_that_outlasts_the_deadline_is_told(tmp_path: Path) -> None:
    assert [(one.rule, one.line, one.message) for one in linted(tmp_path, BLUE_GREEN)] == [
        ("wait-over-deadline", 14, "the analysis takes 90 s, and the progress deadline is 60 s")
    ]
    assert linted(tmp_path, BLUE_GREEN.replace("Seconds: 60", "Seconds: 90")) == ()


@pytest.mark.parametrize(
    "selector",
    [
        'rollouts_pod_template_hash="{{args.canary-hash}}"',
        'pod=~"web-{{args.hash}}-.*"',
        'destination_service_name="web-canary"',
        'service="{{args.canary}}"',
        'version=~".*canary.*"',
    ],
)
def test_there_are_many_ways_to_tell_a_canary(tmp_path: Path, selector: str) -> None:
    text = SOUND.replace('track="canary"', selector.replace("{{args.hash}}", "{{args.service}}")).replace(
        "args: [{name: service, value: web}]",
        "args: [{name: service, valueFrom: {podTemplateHashValue: Latest}}, {name: canary-hash, "
        "valueFrom: {podTemplateHashValue: Latest}}, {name: canary, value: web-canary}]",
    )
    assert "canary-filter" not in {finding.rule for finding in linted(tmp_path, text)}


@pytest.mark.parametrize(
    ("query", "condition", "rules"),
    [
        ("sum(rate(e{track='c'}[1m])) or vector(0)", "result[0] < 1", set()),
        ("scalar(sum(rate(e{track='c'}[1m])))", "result < 1", set()),
        ("scalar(sum(rate(e{track='c'}[1m])))", "result[0] < 1", {"condition"}),
        ("sum(e{track='c'})", "result < 1", {"condition"}),
        ("sum(e{track='c'}) / (sum(a{track='c'}) > 0)", "len(result) == 0 || result[0] < 1", set()),
        ("sum(e{track='c'}) / clamp_min(sum(a{track='c'}), 1)", "len(result) == 0 || result[0] < 1", set()),
        ("histogram_quantile(0.9, sum by (le, track) (e))", "all(result, # < 1)", {"nan-result"}),
        ("rate(e{track='c'}[{{args.window}}]) * {{args.factor}}", "all(result, # < {{args.most}})", set()),
        ("{{args.name}}{track='c'}", "all(result, # < 1)", set()),
    ],
)
def test_a_query_and_its_condition_are_judged_by_what_the_engine_makes_of_them(
    tmp_path: Path, query: str, condition: str, rules: set[str]
) -> None:
    head, _, tail = SOUND.partition("          query: |\n")
    names = [name for name in ("window", "factor", "most", "name") if f"args.{name}}}" in query + condition]
    text = f'{head}          query: "{query} # {{{{args.service}}}}"\n'.replace(GUARDED, json.dumps(condition))
    text = text.replace("    - name: service\n", "".join(f"    - name: {name}\n" for name in ["service", *names]))
    given = ", ".join(f"{{name: {name}, value: ''}}" for name in names)
    text = text.replace("value: web}]", f"value: web}}, {given}]")
    found = {finding.rule for finding in linted(tmp_path, text)}
    assert found == rules
    assert tail


def test_a_metric_without_end_is_right_in_the_background(tmp_path: Path) -> None:
    text = changed("      count: 5\n", "").replace("        - analysis:\n", "      analysis:\n")
    head, _, rest = text.partition("      analysis:\n")
    block, _, rest = rest.partition("        - setWeight: 50\n")
    assert linted(tmp_path, f"{head}        - setWeight: 50\n      analysis:\n{block}{rest}") == ()


def test_a_template_elsewhere_is_only_a_warning_when_no_template_is_here(tmp_path: Path) -> None:
    rollout = SOUND.partition("---\n")[0]
    assert [(one.rule, one.severity) for one in linted(tmp_path, rollout)] == [("unknown-template", Severity.WARNING)]


def test_what_is_good_by_nan_is_only_worth_knowing(tmp_path: Path) -> None:
    text = changed(f"successCondition: {GUARDED}", "failureCondition: len(result) > 0 && result[0] > 0.05")
    assert [(one.rule, one.severity) for one in linted(tmp_path, text)] == [("nan-result", Severity.INFO)]


def test_a_tag_that_asks_for_no_argument_is_told_once(tmp_path: Path) -> None:
    text = changed("interval: 30s", 'interval: "{{args.pace}}"').replace("{{args.service}}", "{{inputs.service}}")
    text = text.replace("- name: service\n", "- name: pace\n").replace(
        "name: service, value: web", "name: pace, value: 30s"
    )
    assert [(one.rule, one.message) for one in linted(tmp_path, text)] == [
        ("undeclared-arg", "metric 'errors': cannot fill {{inputs.service}}")
    ]


def test_what_an_annotation_gives_a_meaning_to_is_no_surprise(tmp_path: Path) -> None:
    text = changed(GUARDED, "result[0] < 0.05")
    assert {finding.rule for finding in linted(tmp_path, text)} == {"empty-result", "nan-result"}
    asked = "'errors: {noData: fail, nan: inconclusive}'"
    annotations = f"{{name: errors, annotations: {{analysis.rollouts.dev/evidence: {asked}}}}}"
    assert linted(tmp_path, text.replace("metadata: {name: errors}", f"metadata: {annotations}")) == ()


def annotated(**annotations: str) -> str:
    """The sound manifests with annotations on the template."""
    told = "".join(
        f"\n    analysis.rollouts.dev/{key.replace('_', '-')}: {value}" for key, value in annotations.items()
    )
    return changed("metadata: {name: errors}", f"metadata:\n  name: errors\n  annotations:{told}")


COMPARED = {
    "all": 'requests_total{service="{{args.service}}"}',
    "bad": 'errors_total{service="{{args.service}}"}',
    "canary": 'track="canary"',
    "stable": 'track="stable"',
    "atLeast": 100,
    "longestWait": "5m",
}


def compared(**fields: str) -> str:
    return annotated(compare=json.dumps(json.dumps({"errors": COMPARED | fields})))


def test_a_query_that_is_not_asked_surprises_nobody(tmp_path: Path) -> None:
    assert linted(tmp_path, compared()) == ()
    assert linted(tmp_path, compared().replace(GUARDED, "result[0] < 0.05")) == ()


def test_what_annotations_ask_of_prometheus_has_to_parse(tmp_path: Path) -> None:
    (found,) = linted(tmp_path, compared(canary='track=~"("'))
    assert (found.rule, found.severity) == ("promql", Severity.ERROR)
    assert found.message.startswith("metric 'errors': canary of its annotation does not parse: ")


def test_what_annotations_ask_takes_declared_arguments_only(tmp_path: Path) -> None:
    found = linted(tmp_path, compared(stable='track="{{args.track}}"'))
    assert {one.rule for one in found} == {"undeclared-arg"}
    assert found[0].message.startswith("metric 'errors' uses {{args.track}}, which AnalysisTemplate 'errors' does not")


SLO = """\
---
apiVersion: pyrra.dev/v1alpha1
kind: ServiceLevelObjective
metadata: {name: api}
spec:
  target: "99.9"
  window: 4w
  indicator: {ratio: {errors: {metric: errors_total}, total: {metric: requests_total}}}
"""
BURNING = json.dumps("errors: {slo: api, canary: 'a=\"b\"', atLeast: 70, longestWait: 1m}")


def test_an_objective_among_the_files_is_read(tmp_path: Path) -> None:
    text = annotated(burn_rate=BURNING)
    assert linted(tmp_path, text + SLO) == ()
    (found,) = linted(tmp_path, text + SLO.replace("99.9", "0.999"))
    assert (found.rule, found.severity) == ("unknown-objective", Severity.ERROR)
    assert "target '0.999' is no percentage" in found.message
    (found,) = linted(tmp_path, text + SLO.replace("name: api", "name: web"))
    assert (found.rule, found.severity) == ("unknown-objective", Severity.ERROR)
    (found,) = linted(tmp_path, text)
    assert (found.rule, found.severity) == ("unknown-objective", Severity.WARNING)


def test_a_run_written_by_hand_asks_too(tmp_path: Path) -> None:
    run = """\
apiVersion: argoproj.io/v1alpha1
kind: AnalysisRun
metadata: {name: r, annotations: {analysis.rollouts.dev/comparison: 'errors: {}'}}
spec: {metrics: [{name: errors, provider: {job: {spec: {}}}}]}
"""
    (found,) = linted(tmp_path, run)
    assert (found.rule, found.line) == ("annotation", 3)
    assert "annotation analysis.rollouts.dev/comparison is not known" in found.message


def test_a_bad_document_leaves_the_others_of_its_file_alone(tmp_path: Path) -> None:
    text = SOUND.replace("sum(rate(errors", "sum((rate(errors") + "---\nkind: X\nspec: {{args.a}}\n"
    assert [finding.rule for finding in linted(tmp_path, text)] == ["promql", "yaml"]
