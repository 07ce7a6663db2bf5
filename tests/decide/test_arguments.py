"""Arguments of a Rollout's analysis: values, hashes, and fields of the Rollout itself."""

from typing import Any

import pytest

from rollouts.api.rollout import Rollout
from rollouts.api.runs import AnalysisRunArgument
from rollouts.decide.analyses.arguments import FieldError, field, resolve
from rollouts.decide.world import Hash
from tests import make


def subject(**spec: Any) -> Rollout:
    manifest = make.rollout(make.weight(20), **spec)
    manifest["metadata"] |= {"labels": {"team": "blue", "app.io/a": "1"}, "annotations": {"note": 'a "b"'}}
    return Rollout.model_validate(manifest)


def value(**arg: Any) -> str | None:
    given = AnalysisRunArgument.model_validate({"name": "a", **arg})
    (resolved,) = resolve([given], subject(), stable=Hash("s1"), latest=Hash("n2"))
    return resolved.value


def test_a_literal_is_its_own_value_even_when_empty() -> None:
    assert value(value="x") == "x"
    assert value() == ""


def test_hashes_are_those_of_the_stable_and_the_latest_pods() -> None:
    assert value(valueFrom={"podTemplateHashValue": "Stable"}) == "s1"
    assert value(valueFrom={"podTemplateHashValue": "Latest"}) == "n2"


def test_a_source_wins_over_a_literal() -> None:
    assert value(value="x", valueFrom={"podTemplateHashValue": "Latest"}) == "n2"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("metadata.name", "r"),
        ("metadata.namespace", "default"),
        ("metadata.uid", "uid-r"),
        ("metadata.labels['team']", "blue"),
        ("metadata.labels['app.io/a']", "1"),
        ("metadata.labels['absent']", ""),
        ("metadata.annotations['note']", 'a "b"'),
        ("metadata.labels", 'app.io/a="1"\nteam="blue"'),
        ("spec.replicas", "5"),
        ("spec.template.spec.containers[0].image", "img:1"),
        ("spec.strategy.canary.steps[0].setWeight", "20"),
    ],
)
def test_a_field_becomes_text(path: str, expected: str) -> None:
    assert field(subject(), path) == expected


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("metadata.labels.team", "invalid path metadata.labels.team in rollout"),
        ("spec.nowhere", "invalid path spec.nowhere in rollout"),
        ("spec.template.spec.containers[3].image", "index 3 out of range"),
        ("spec.template.spec.containers[x].image", "invalid index 'x'"),
        ("spec.template.spec", "path spec.template.spec in rollout must terminate in a primitive value"),
    ],
)
def test_a_field_that_is_not_there_is_named(path: str, error: str) -> None:
    with pytest.raises(FieldError, match="^" + error.replace("[", r"\[").replace("]", r"\]")):
        field(subject(), path)


def test_numbers_print_as_go_prints_them() -> None:
    assert field(subject(replicas=1_000_000), "spec.replicas") == "1e+06"
    assert field(subject(replicas=1_234_567), "spec.replicas") == "1.234567e+06"
    assert field(subject(replicas=999_999), "spec.replicas") == "999999"
