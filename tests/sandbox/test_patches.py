from typing import Any

import pytest

from rollouts.kube.errors import ApiError, Refused
from rollouts.kube.refs import Obj
from rollouts.sandbox.apiserver.merging.patches import json_patch, merge
from rollouts.sandbox.apiserver.merging.strategic import strategic_merge

DOC: Obj = {"a": {"b": [1, 2, 3], "c": {"d": "e"}}, "x/y": 1}


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"a": "b"}, ["c"], ["c"]),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_a_merge_patch_merges_as_rfc_7386_says(target: Any, patch: Any, result: Any) -> None:
    assert merge(target, patch) == result


def test_a_patch_shares_what_it_does_not_touch_and_changes_nothing_given() -> None:
    target: Obj = {"kept": {"deep": [1]}, "changed": {"a": 1, "b": [2]}}
    result = merge(target, {"changed": {"a": 2}})
    assert result["kept"] is target["kept"]
    assert result["changed"]["b"] is target["changed"]["b"]
    assert target["changed"]["a"] == 1


@pytest.mark.parametrize(
    ("operation", "result"),
    [
        ({"op": "add", "path": "/a/c/f", "value": 1}, {"a": {"b": [1, 2, 3], "c": {"d": "e", "f": 1}}, "x/y": 1}),
        ({"op": "add", "path": "/a/b/1", "value": 9}, {"a": {"b": [1, 9, 2, 3], "c": {"d": "e"}}, "x/y": 1}),
        ({"op": "add", "path": "/a/b/-", "value": 9}, {"a": {"b": [1, 2, 3, 9], "c": {"d": "e"}}, "x/y": 1}),
        ({"op": "replace", "path": "/a/b/0", "value": 9}, {"a": {"b": [9, 2, 3], "c": {"d": "e"}}, "x/y": 1}),
        ({"op": "replace", "path": "/x~1y", "value": 2}, {"a": {"b": [1, 2, 3], "c": {"d": "e"}}, "x/y": 2}),
        ({"op": "remove", "path": "/a/b/2"}, {"a": {"b": [1, 2], "c": {"d": "e"}}, "x/y": 1}),
        ({"op": "remove", "path": "/a/c/d"}, {"a": {"b": [1, 2, 3], "c": {}}, "x/y": 1}),
        ({"op": "move", "from": "/a/c/d", "path": "/d"}, {"a": {"b": [1, 2, 3], "c": {}}, "x/y": 1, "d": "e"}),
        ({"op": "copy", "from": "/a/b/0", "path": "/a/b/-"}, {"a": {"b": [1, 2, 3, 1], "c": {"d": "e"}}, "x/y": 1}),
        ({"op": "test", "path": "/a/c", "value": {"d": "e"}}, DOC),
        ({"op": "test", "path": "/absent", "value": None}, DOC),
    ],
)
def test_a_json_patch_operation_does_what_rfc_6902_says(operation: Obj, result: Any) -> None:
    assert json_patch(DOC, [operation]) == result
    assert DOC == {"a": {"b": [1, 2, 3], "c": {"d": "e"}}, "x/y": 1}


REJECTED = "the server rejected our request due to an error in our request"


@pytest.mark.parametrize(
    ("operation", "code", "text"),
    [
        ({"op": "remove", "path": "/a/none"}, 422, REJECTED),
        ({"op": "replace", "path": "/none/deep", "value": 1}, 422, REJECTED),
        ({"op": "add", "path": "/none/deep", "value": 1}, 422, REJECTED),
        ({"op": "add", "path": "/a/b/9", "value": 1}, 422, REJECTED),
        ({"op": "test", "path": "/x~1y", "value": 2}, 422, REJECTED),
        ({"op": "test", "path": "/x~1y", "value": True}, 422, REJECTED),
        ({"op": "test", "path": "/none", "value": 2}, 422, REJECTED),
        ({"op": "spin", "path": "/a"}, 422, REJECTED),
        ({"op": "add", "path": "a", "value": 1}, 400, "no usable 'path'"),
        ({"op": "add", "path": "/a"}, 400, "has no 'value'"),
        ({"op": "move", "from": "/a", "path": "/a/c/q"}, 400, "cannot move '/a' into itself"),
    ],
)
def test_a_json_patch_that_cannot_be_done_is_refused(operation: Obj, code: int, text: str) -> None:
    with pytest.raises(Refused, match=text) as refused:
        json_patch(DOC, [operation])
    assert refused.value.code == code


def test_a_member_that_is_not_there_is_made_by_a_replacement_and_copied_as_null() -> None:
    assert json_patch({"a": 1}, [{"op": "replace", "path": "/b", "value": 2}]) == {"a": 1, "b": 2}
    assert json_patch({"a": 1}, [{"op": "copy", "from": "/c", "path": "/b"}]) == {"a": 1, "b": None}


def containers(*names: str) -> Obj:
    return {"spec": {"containers": [{"name": name, "image": f"{name}:1"} for name in names]}}


def test_containers_are_merged_by_their_names() -> None:
    result = strategic_merge(containers("a", "b"), {"spec": {"containers": [{"name": "b", "image": "b:2"}]}})
    assert result["spec"]["containers"] == [{"name": "a", "image": "a:1"}, {"name": "b", "image": "b:2"}]


def test_a_new_element_is_added_and_a_deleted_one_taken_out() -> None:
    patch = {"spec": {"containers": [{"name": "c", "image": "c:1"}, {"name": "a", "$patch": "delete"}]}}
    assert strategic_merge(containers("a", "b"), patch) == containers("c", "b")


def test_a_list_can_be_replaced_instead_of_merged() -> None:
    patch = {"spec": {"containers": [{"$patch": "replace"}, {"name": "c", "image": "c:1"}]}}
    assert strategic_merge(containers("a", "b"), patch) == containers("c")


def test_a_map_can_be_replaced_or_deleted() -> None:
    assert strategic_merge({"data": {"a": "1"}}, {"data": {"$patch": "replace", "b": "2"}}) == {"data": {"b": "2"}}
    assert strategic_merge({"data": {"a": "1"}}, {"data": {"$patch": "delete"}}) == {"data": {}}


def test_the_ports_of_a_container_and_of_a_service_have_different_keys() -> None:
    pod = {"spec": {"containers": [{"name": "a", "ports": [{"containerPort": 80, "name": "http"}]}]}}
    patch = {"spec": {"containers": [{"name": "a", "ports": [{"containerPort": 81}]}]}}
    ports = strategic_merge(pod, patch)["spec"]["containers"][0]["ports"]
    assert [port["containerPort"] for port in ports] == [81, 80]
    service = {"spec": {"ports": [{"port": 80, "targetPort": 1}]}}
    result = strategic_merge(service, {"spec": {"ports": [{"port": 80, "targetPort": 2}]}})
    assert result == {"spec": {"ports": [{"port": 80, "targetPort": 2}]}}


def test_conditions_are_merged_by_type_and_unkeyed_lists_replaced() -> None:
    old = {"status": {"conditions": [{"type": "A", "status": "True"}, {"type": "B", "status": "True"}]}, "args": [1]}
    new = strategic_merge(old, {"status": {"conditions": [{"type": "B", "status": "False"}]}, "args": [2]})
    assert [one["status"] for one in new["status"]["conditions"]] == ["True", "False"]
    assert new["args"] == [2]


def test_the_order_of_elements_is_the_one_the_patch_asks_for() -> None:
    patch = {"spec": {"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}], "containers": []}}
    assert strategic_merge(containers("a", "b"), patch) == containers("b", "a")
    kept = strategic_merge(containers("a", "side", "b"), patch)
    assert [one["name"] for one in kept["spec"]["containers"]] == ["side", "b", "a"]


def test_finalizers_are_a_set_of_words() -> None:
    old = {"metadata": {"finalizers": ["a", "b"]}}
    added = strategic_merge(old, {"metadata": {"finalizers": ["b", "c"]}})
    assert added["metadata"]["finalizers"] == ["a", "b", "c"]
    fewer = strategic_merge(old, {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}})
    assert fewer["metadata"]["finalizers"] == ["b"]


def test_retained_keys_drop_every_other_key() -> None:
    old = {"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}}
    patch = {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}
    assert strategic_merge(old, patch) == {"spec": {"strategy": {"type": "Recreate"}}}


def test_a_directive_nobody_knows_and_an_element_without_key_are_refused() -> None:
    with pytest.raises(ApiError, match=r"unknown patch type: explode in map: map\[\$patch:explode\]"):
        strategic_merge({}, {"spec": {"$patch": "explode"}})
    with pytest.raises(ApiError, match=r"map: map\[image:a\] does not contain declared merge key: name"):
        strategic_merge({}, {"spec": {"containers": [{"image": "a"}]}})
