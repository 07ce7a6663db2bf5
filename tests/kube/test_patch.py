"""The smallest patch between two objects, and what applying it gives."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from rollouts.kube.patch import apply_merge, merge_patch, nested, op_add, op_replace, op_test, pointer, same

scalars = st.one_of(st.booleans(), st.integers(-3, 3), st.sampled_from(["", "a", "b"]))
values = st.recursive(
    scalars, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from("abcd"), inner))
)
objects = st.dictionaries(st.sampled_from("abcd"), values)


@given(objects, objects)
def test_a_patch_turns_old_into_new(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert same(apply_merge(old, merge_patch(old, new)), new)


@given(objects)
def test_equal_objects_need_no_patch(obj: dict[str, Any]) -> None:
    assert merge_patch(obj, obj) == {}


@given(objects, objects, objects)
def test_what_others_wrote_beside_us_survives(old: dict[str, Any], new: dict[str, Any], theirs: dict[str, Any]) -> None:
    beside = {**old, "theirs": theirs}
    assert apply_merge(beside, merge_patch(old, new)).get("theirs") == theirs


def test_only_what_changed_is_named() -> None:
    old = {
        "status": {"phase": "Progressing", "weights": {"canary": 0, "stable": 100}, "steps": [1, 2]},
        "spec": {"n": 1},
    }
    new = {"status": {"phase": "Progressing", "weights": {"canary": 20, "stable": 80}, "steps": [1]}, "spec": {"n": 1}}
    assert merge_patch(old, new) == {"status": {"weights": {"canary": 20, "stable": 80}, "steps": [1]}}


def test_a_field_that_is_gone_becomes_null() -> None:
    assert merge_patch({"a": {"b": 1, "c": 2}}, {"a": {"c": 2}}) == {"a": {"b": None}}


def test_a_null_field_is_an_absent_one() -> None:
    assert merge_patch({"a": 1}, {"a": 1, "b": None}) == {}
    assert merge_patch({"a": 1}, {"a": None}) == {"a": None}


def test_true_is_not_one() -> None:
    assert merge_patch({"a": 1, "b": [True]}, {"a": True, "b": [1]}) == {"a": True, "b": [1]}


def test_one_is_one_point_zero() -> None:
    assert merge_patch({"a": 1}, {"a": 1.0}) == {}


def test_an_empty_object_is_not_an_absent_one() -> None:
    assert merge_patch({}, {"pauseConditions": {}}) == {"pauseConditions": {}}
    assert merge_patch({"pauseConditions": {}}, {}) == {"pauseConditions": None}


def test_applying_changes_neither_argument() -> None:
    target, patch = {"a": {"b": 1}}, {"a": {"b": None, "c": {"d": None, "e": 1}}}
    assert apply_merge(target, patch) == {"a": {"c": {"e": 1}}}
    assert target == {"a": {"b": 1}}


def test_a_path_becomes_a_merge_patch() -> None:
    assert nested(3, "spec", "replicas") == {"spec": {"replicas": 3}}


def test_a_pointer_escapes_slashes_and_tildes() -> None:
    assert pointer("metadata", "annotations", "a.io/b~c", 0) == "/metadata/annotations/a.io~1b~0c/0"


def test_operations_of_a_json_patch() -> None:
    assert [op_test(1, "a"), op_replace(2, "a"), op_add(3, "l", 0)] == [
        {"op": "test", "path": "/a", "value": 1},
        {"op": "replace", "path": "/a", "value": 2},
        {"op": "add", "path": "/l/0", "value": 3},
    ]
