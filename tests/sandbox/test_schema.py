from typing import Any

import pytest

from rollouts.kube.refs import Obj
from rollouts.sandbox.apiserver.types.schema import compile_schema

SPEC: Obj = {
    "type": "object",
    "required": ["template"],
    "properties": {
        "replicas": {"type": "integer", "minimum": 0, "default": 1},
        "ratio": {"type": "number", "maximum": 1, "exclusiveMaximum": True},
        "template": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        "surge": {"x-kubernetes-int-or-string": True},
        "mode": {"type": "string", "enum": ["Slow", "Fast"]},
        "name": {"type": "string", "pattern": "^[a-z]+$", "minLength": 2, "maxLength": 5},
        "when": {"type": "string", "format": "date-time"},
        "maybe": {"type": "string", "nullable": True},
        "words": {"type": "object", "additionalProperties": {"type": "string"}},
        "steps": {
            "type": "array",
            "maxItems": 2,
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
            "items": {
                "type": "object",
                "properties": {"name": {"type": "string"}, "weight": {"type": "integer", "default": 5}},
            },
        },
        "nested": {"type": "object", "default": {}, "properties": {"depth": {"type": "integer", "default": 3}}},
        "choice": {"type": "object", "oneOf": [{"required": ["a"]}, {"required": ["b"]}], "additionalProperties": True},
    },
}
NODE = compile_schema({"type": "object", "properties": {"spec": SPEC}})


def causes(**spec: Any) -> list[str]:
    obj = {"apiVersion": "v1", "kind": "X", "metadata": {"name": "x"}, "spec": {"template": {}, **spec}}
    return [str(cause) for cause in NODE.causes(obj)]


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        (
            {"replicas": "3"},
            'spec.replicas: Invalid value: "string": spec.replicas in body must be of type integer: "string"',
        ),
        (
            {"replicas": -1},
            "spec.replicas: Invalid value: -1: spec.replicas in body should be greater than or equal to 0",
        ),
        ({"ratio": 1}, "spec.ratio: Invalid value: 1: spec.ratio in body should be less than 1"),
        ({"mode": "Warp"}, 'spec.mode: Unsupported value: "Warp": supported values: "Slow", "Fast"'),
        ({"name": "A1"}, "spec.name: Invalid value: \"A1\": spec.name in body should match '^[a-z]+$'"),
        ({"name": "a"}, 'spec.name: Invalid value: "a": spec.name in body should be at least 2 chars long'),
        ({"name": "abcdef"}, "spec.name: Too long: may not be more than 5 bytes"),
        ({"when": "noon"}, 'spec.when: Invalid value: "noon": spec.when in body must be of type date-time: "noon"'),
        (
            {"surge": True},
            'spec.surge: Invalid value: "boolean": spec.surge in body must be of type int-or-string: "boolean"',
        ),
        (
            {"words": {"a": 1}},
            'spec.words.a: Invalid value: "integer": spec.words.a in body must be of type string: "integer"',
        ),
        (
            {"steps": [{"name": "a", "weight": None}]},
            'spec.steps[0].weight: Invalid value: "null": spec.steps[0].weight in body must be of type integer: "null"',
        ),
        ({"steps": [{"name": "a"}, {"name": "a"}]}, 'spec.steps[1]: Duplicate value: {"name":"a"}'),
        (
            {"steps": [{"name": "a"}, {"name": "b"}, {"name": "c"}]},
            "spec.steps: Too many: 3: must have at most 2 items",
        ),
        (
            {"choice": {}},
            'spec.choice: Invalid value: "object": "spec.choice" must validate one and only one schema (oneOf). '
            "Found none valid",
        ),
    ],
)
def test_a_broken_rule_is_told_in_the_words_of_kubernetes(spec: Obj, text: str) -> None:
    assert causes(**spec) == [text]


def test_what_keeps_to_the_schema_is_accepted() -> None:
    assert causes(replicas=2, surge="25%", mode="Fast", name="abc", maybe=None, words={"a": "b"}) == []
    assert causes(surge=3, ratio=0.5, when="2026-01-01T00:00:00Z", choice={"a": 1}, steps=[{"name": "a"}]) == []


def test_a_missing_field_is_required() -> None:
    assert [str(cause) for cause in NODE.causes({"spec": {}})] == ["spec.template: Required value"]


def test_unknown_fields_are_pruned_unless_the_schema_keeps_them() -> None:
    spec = {"template": {"any": {"thing": 1}}, "typo": 1, "steps": [{"name": "a", "weigth": 2}], "words": {"k": "v"}}
    shaped = NODE.shaped({"metadata": {"name": "x"}, "more": 1, "spec": spec})
    assert shaped["metadata"] == {"name": "x"}
    assert "more" not in shaped
    assert shaped["spec"]["template"] == {"any": {"thing": 1}}
    assert shaped["spec"]["steps"] == [{"name": "a", "weight": 5}]
    assert shaped["spec"]["words"] == {"k": "v"}
    assert "typo" not in shaped["spec"]


def test_unknown_fields_are_listed_with_their_paths() -> None:
    spec = {"template": {"any": 1}, "typo": 1, "steps": [{"name": "a", "weigth": 2}]}
    assert list(NODE.unknown({"kind": "X", "spec": spec})) == ["spec.typo", "spec.steps[0].weigth"]


def test_defaults_fill_what_is_absent_however_deep() -> None:
    spec = NODE.shaped({"spec": {"template": {}, "replicas": None}})["spec"]
    assert spec == {"template": {}, "replicas": 1, "nested": {"depth": 3}}


def test_a_null_stays_only_where_it_is_allowed() -> None:
    spec = NODE.shaped({"spec": {"template": {}, "maybe": None, "mode": None, "replicas": 2, "nested": {"depth": 1}}})
    assert spec["spec"] == {"template": {}, "maybe": None, "replicas": 2, "nested": {"depth": 1}}


def test_an_object_that_lacks_nothing_is_answered_as_it_is() -> None:
    obj = {"spec": {"template": {"a": 1}, "replicas": 2, "nested": {"depth": 1}}}
    assert NODE.shaped(obj) is obj


def test_what_was_accepted_before_is_not_refused_later_while_it_stays() -> None:
    stored: Obj = {"template": {}, "mode": "Legacy"}
    kept = {"spec": {**stored, "replicas": 3}}
    assert [str(cause) for cause in NODE.causes({"spec": stored})] != []
    unchanged = {"spec": stored, "status": {}}
    assert list(NODE.causes(unchanged, "", {"spec": stored})) == []
    assert list(NODE.causes(kept, "", {"spec": stored})) == []


def test_the_rule_that_a_field_stays_holds_from_its_second_value_on() -> None:
    rule = {"rule": "self == oldSelf", "message": "field is immutable"}
    fixed = {"type": "object", "x-kubernetes-preserve-unknown-fields": True, "x-kubernetes-validations": [rule]}
    node = compile_schema({"type": "object", "properties": {"fixed": fixed}})
    assert list(node.causes({"fixed": {"a": 1}})) == []
    assert list(node.causes({"fixed": {"a": 1}}, "", {})) == []
    found = list(node.causes({"fixed": {"a": 2}}, "", {"fixed": {"a": 1}}))
    assert [str(cause) for cause in found] == ['fixed: Invalid value: "object": field is immutable']


def test_rules_that_are_not_evaluated_are_named() -> None:
    inner = {"type": "string", "x-kubernetes-validations": [{"rule": "self.size() < 9"}]}
    node = compile_schema({"type": "object", "properties": {"a": {"type": "array", "items": inner}}})
    assert node.rules_ignored == ("self.size() < 9",)
