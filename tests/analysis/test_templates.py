"""Templates become the spec of a run."""

from typing import Any

import pytest

from analysis.api import AnalysisTemplate, AnalysisTemplateRef, Argument, ClusterAnalysisTemplate, DryRun
from analysis.templates import (
    TemplateError,
    TemplateNotFoundError,
    not_found,
    resolve_templates,
    run_spec,
    validate_background,
    validate_inline,
)
from tests.analysis.runs import metric


def template(name: str, *metrics: str, cluster: bool = False, **spec: Any) -> AnalysisTemplate:
    kind = ClusterAnalysisTemplate if cluster else AnalysisTemplate
    body = {"metrics": [metric(one).wire() for one in metrics]} | spec
    return kind.model_validate({"metadata": {"name": name}, "spec": body})


def using(name: str, arg: str, **spec: Any) -> AnalysisTemplate:
    """A template whose one metric uses an argument."""
    provider = {"prometheus": {"address": "http://p", "query": f"q{{{{args.{arg}}}}}"}}
    return template(name, metrics=[{"name": f"{name}-metric", "provider": provider} | spec.pop("metric", {})], **spec)


def ref(name: str, cluster: bool = False) -> AnalysisTemplateRef:
    return AnalysisTemplateRef(template_name=name, cluster_scope=cluster)


def arg(name: str, value: str | None = None) -> Argument:
    return Argument(name=name, value=value)


def lookup(*templates: AnalysisTemplate) -> Any:
    known = {(isinstance(one, ClusterAnalysisTemplate), one.name): one for one in templates}
    return lambda reference: known.get((reference.cluster_scope, reference.template_name))


def names(*found: AnalysisTemplate) -> list[str]:
    return [one.name for one in found]


def including(name: str, *references: str, cluster: bool = False) -> AnalysisTemplate:
    return template(name, cluster=cluster, templates=[{"templateName": one} for one in references])


def test_included_templates_come_once_and_cluster_wide_ones_last() -> None:
    wide = template("wide", cluster=True, templates=[{"templateName": "leaf"}])
    top = template("top", templates=[{"templateName": "wide", "clusterScope": True}, {"templateName": "leaf"}])
    found = resolve_templates([ref("top"), ref("leaf")], lookup(wide, top, template("leaf", "m")))
    assert names(*found) == ["top", "leaf", "wide"]
    assert [one.name for one in run_spec(found).metrics] == ["m"]


def test_one_name_may_stand_for_two_kinds() -> None:
    found = resolve_templates([ref("a"), ref("a", True)], lookup(template("a", "m"), template("a", "n", cluster=True)))
    assert [one.name for one in run_spec(found).metrics] == ["m", "n"]


@pytest.mark.parametrize(("cluster", "kind"), [(False, "AnalysisTemplate"), (True, "ClusterAnalysisTemplate")])
def test_a_missing_template_is_named(cluster: bool, kind: str) -> None:
    with pytest.raises(TemplateNotFoundError, match=f"^{kind} 'gone' not found$") as refused:
        resolve_templates([ref("gone", cluster)], lookup())
    assert not refused.value.nested
    fault = not_found([ref("top")], lookup(including("top", "gone")))
    assert fault is not None
    assert (fault.value, fault.text) == ("gone", "AnalysisTemplate 'gone' not found")


def test_templates_that_include_themselves_are_refused() -> None:
    with pytest.raises(TemplateError, match=r"'a' includes itself: a -> a"):
        resolve_templates([ref("a")], lookup(including("a", "a")))
    circle = lookup(including("a", "b"), including("b", "c"), including("c", "a"))
    with pytest.raises(TemplateError, match=r"includes itself: a -> b -> c -> a"):
        resolve_templates([ref("a")], circle)


def test_a_template_included_twice_is_no_circle() -> None:
    diamond = lookup(including("a", "b", "c"), including("b", "d"), including("c", "d"), template("d", "m"))
    assert names(*resolve_templates([ref("a")], diamond)) == ["a", "b", "d", "c"]


def test_a_long_chain_of_inclusions_is_refused() -> None:
    chain = lookup(*(including(f"t{n}", f"t{n + 1}") for n in range(300)))
    with pytest.raises(TemplateError, match=r"more than 100 deep"):
        resolve_templates([ref("t0")], chain)


def test_metrics_have_one_name_each() -> None:
    with pytest.raises(TemplateError, match=r"^two metrics have the same name 'm'$"):
        run_spec([template("a", "m"), template("b", "m")])


def test_rules_are_unique_over_rollout_and_templates() -> None:
    rule: Any = {"dryRun": [{"metricName": "m"}]}
    with pytest.raises(TemplateError, match=r"^two Dry-Run metric rules have the same name 'm'$"):
        run_spec([template("a", "m", **rule), template("b", "n", **rule)])
    with pytest.raises(TemplateError, match=r"^two Dry-Run metric rules have the same name 'm'$"):
        run_spec([template("a", "m", **rule)], dry_run=[DryRun(metric_name="m")])
    spec = run_spec([template("a", "m", **rule)], dry_run=[DryRun(metric_name="n")])
    assert [one.metric_name for one in spec.dry_run] == ["n", "m"]
    retention: Any = {"measurementRetention": [{"metricName": "m", "limit": 1}]}
    with pytest.raises(TemplateError, match=r"^two Measurement Retention metric rules have the same name 'm'$"):
        run_spec([template("a", "m", **retention), template("b", "n", **retention)])


def test_templates_that_disagree_on_an_argument_are_refused() -> None:
    one, two = template("a", args=[{"name": "x", "value": "1"}]), template("b", args=[{"name": "x", "value": "2"}])
    with pytest.raises(TemplateError) as refused:
        run_spec([one, two])
    assert str(refused.value) == "Argument `x` specified multiple times with different values: '1', '2'"


@pytest.mark.parametrize(("first", "second", "value"), [(None, "2", "2"), ("1", None, "1"), ("1", "1", "1")])
def test_a_value_fills_the_gap_of_another_template(first: str | None, second: str | None, value: str) -> None:
    args = [[{"name": "x"} | ({"value": one} if one else {})] for one in (first, second)]
    spec = run_spec([template("a", args=args[0]), template("b", args=args[1])])
    assert [(one.name, one.value) for one in spec.args] == [("x", value)]


def test_given_arguments_override_and_unknown_ones_are_dropped() -> None:
    one = template("a", "m", args=[{"name": "x", "value": "default"}])
    assert run_spec([one], [arg("x", ""), arg("y", "1")]).args == (arg("x", ""),)


def test_a_given_value_keeps_the_source_of_the_template() -> None:
    source = {"secretKeyRef": {"name": "s", "key": "k"}}
    spec = run_spec([template("a", "m", args=[{"name": "x", "valueFrom": source}])], [arg("x", "v")])
    assert spec.args[0].wire() == {"name": "x", "value": "v", "valueFrom": source}


def test_an_argument_without_value_is_named() -> None:
    with pytest.raises(TemplateError, match=r"^args\.x was not resolved$"):
        run_spec([template("a", "m", args=[{"name": "x"}])])


# ── validation on the side of the Rollout ──────────────────────────────────


def test_fine_templates_have_no_fault() -> None:
    fine = using("a", "x", args=[{"name": "x"}])
    assert validate_inline([fine], [arg("x", "1")]) == ()
    assert validate_background([fine], [arg("x", "1")]) == ()


def test_an_undeclared_argument_names_template_metric_and_argument() -> None:
    declaring, lacking = using("a", "x", args=[{"name": "x"}]), using("b", "x")
    (fault,) = validate_inline([declaring, lacking], [arg("x", "1")])
    assert (fault.value, fault.text) == ("b", "AnalysisTemplate b: metric 'b-metric': failed to resolve {{args.x}}")
    assert validate_background([declaring, lacking], [arg("x", "1")]) == ()
    (fault,) = validate_background([lacking], [arg("x", "1")])
    assert fault.text == "AnalysisTemplate b: metric 'b-metric': failed to resolve {{args.x}}"


def test_an_argument_that_nobody_gives_is_named_first() -> None:
    declaring, lacking = using("a", "x", args=[{"name": "x"}]), using("b", "x")
    (fault,) = validate_inline([declaring, lacking])
    assert fault.value == "templateNames: [a b]"
    assert fault.text == (
        "args.x was not resolved; AnalysisTemplate b: metric 'b-metric': failed to resolve {{args.x}}"
    )
    (fault,) = validate_background([declaring, lacking])
    assert fault.text == "args.x was not resolved"


@pytest.mark.parametrize(
    ("fields", "args", "shown"),
    [
        ({"interval": "1s"}, [], "<nil>"),
        ({"interval": "1s", "count": 0}, [], "0"),
        ({"interval": "1s", "count": "{{args.n}}"}, [{"name": "n"}], "dummy-value"),
    ],
)
def test_an_endless_metric_is_refused_inline_and_fine_in_the_background(
    fields: dict[str, Any], args: list[Any], shown: str
) -> None:
    endless = using("a", "x", metric=fields, args=[{"name": "x", "value": "1"}, *args])
    (fault,) = validate_inline([endless], [arg("n", "3")])
    assert fault.text == (
        f"AnalysisTemplate a has metric a-metric which runs indefinitely. Invalid value for count: {shown}"
    )
    assert validate_background([endless], [arg("n", "3")]) == ()


def test_an_argument_with_two_sources_is_refused_inline() -> None:
    source = {"fieldRef": {"fieldPath": "metadata.name"}}
    doubled = template("a", "m", args=[{"name": "x", "value": "1", "valueFrom": source}])
    (fault,) = validate_inline([doubled])
    assert fault.text == "AnalysisTemplate a: arg 'x' has both Value and ValueFrom fields"


def test_a_background_argument_supplied_by_another_template_only_is_refused() -> None:
    one = template("a", "m", args=[{"name": "x"}])
    two = template("b", "n", args=[{"name": "x", "value": "1"}])
    (fault,) = validate_background([one, two])
    assert fault.text == "missing analysis arguments in rollout spec"
    (fault,) = validate_background([one, two], [arg("y", "1")])
    assert fault.text == "x"
    assert validate_inline([one, two]) == ()
