"""Who owns which field, what an apply merges and removes, and with whom it conflicts."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollouts.kube.errors import Conflict, Refused
from rollouts.kube.refs import DEPLOYMENT, POD, SERVICE, Obj, Resource
from rollouts.sandbox.apiserver.merging.compare import compare, merge, without
from rollouts.sandbox.apiserver.merging.serverside import LAST_APPLIED, Writer, apply, track
from rollouts.sandbox.apiserver.types.fieldset import Typed, fields_of, from_fields_v1, spelled, to_fields_v1
from rollouts.sandbox.apiserver.types.openapi import typed
from rollouts.sandbox.apiserver.types.registry import Registry

NOW = "2026-01-01T00:00:00Z"
LATER = "2026-01-01T00:01:00Z"
_LEAVES = st.text(max_size=3) | st.integers() | st.booleans()
_NAMES = st.text("abc:.", min_size=1, max_size=3)
VALUES = st.recursive(_LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=3))


def kind(resource: Resource) -> Typed:
    return typed(Registry().of(resource))


def by(manager: str, at: str = NOW, subresource: str = "") -> Writer:
    return Writer(manager, "apps/v1", at, subresource)


def deployment(**spec: Any) -> Obj:
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}


def containers(*listed: Obj) -> Obj:
    return {"template": {"spec": {"containers": [*listed]}}}


def owners(obj: Obj) -> dict[str, Obj]:
    return {entry["manager"]: entry for entry in obj["metadata"].get("managedFields", [])}


# ── field sets ─────────────────────────────────────────────────────────────


def test_fields_are_named_by_the_types_of_their_lists() -> None:
    spec = containers({"name": "main", "ports": [{"containerPort": 80}], "args": ["a", "b"]})
    spec["selector"] = {"matchLabels": {"app": "web"}}
    assert {spelled(path) for path in fields_of({"spec": spec}, kind(DEPLOYMENT))} == {
        ".spec.selector",
        '.spec.template.spec.containers[name="main"]',
        '.spec.template.spec.containers[name="main"].args',
        '.spec.template.spec.containers[name="main"].name',
        '.spec.template.spec.containers[name="main"].ports[containerPort=80,protocol="TCP"]',
        '.spec.template.spec.containers[name="main"].ports[containerPort=80,protocol="TCP"].containerPort',
    }


def test_a_set_is_owned_value_by_value_and_a_list_without_keys_as_a_whole() -> None:
    metadata = {"metadata": {"finalizers": ["a/b"], "labels": {"x": "y"}}, "spec": {"tolerations": [{"key": "k"}]}}
    assert {spelled(path) for path in fields_of(metadata, kind(POD))} == {
        '.metadata.finalizers[="a/b"]',
        ".metadata.labels.x",
        ".spec.tolerations",
    }


@settings(deadline=None)
@given(VALUES)
def test_a_field_set_survives_being_written_down(value: Any) -> None:
    fields = fields_of({"root": value}, Typed())
    assert from_fields_v1(to_fields_v1(fields)) == fields


def test_a_broken_field_set_is_refused() -> None:
    with pytest.raises(ValueError, match="begins with none of"):
        from_fields_v1({"spec": {}})


# ── comparing and merging ──────────────────────────────────────────────────


@settings(deadline=None)
@given(VALUES, VALUES)
def test_merging_is_idempotent_and_contains_what_was_applied(live: Any, applied: Any) -> None:
    merged = merge({"root": live}, {"root": applied}, Typed())
    assert merge(merged, {"root": applied}, Typed()) == merged
    assert fields_of({"root": applied}, Typed()) >= compare(merged, {"root": applied}, Typed()).changed


@settings(deadline=None)
@given(VALUES)
def test_nothing_differs_from_itself(value: Any) -> None:
    change = compare({"root": value}, {"root": value}, Typed())
    assert change.changed | change.removed == frozenset()


def test_items_known_to_both_are_merged_in_the_applied_order() -> None:
    live = {"spec": containers({"name": "a", "image": "a:1"}, {"name": "x", "image": "x:1"}, {"name": "b"})}
    applied = {"spec": containers({"name": "b", "image": "b:2"}, {"name": "a", "tty": True}, {"name": "new"})}
    merged = merge(live, applied, kind(DEPLOYMENT))["spec"]["template"]["spec"]["containers"]
    assert merged == [
        {"name": "b", "image": "b:2"},
        {"name": "x", "image": "x:1"},
        {"name": "a", "image": "a:1", "tty": True},
        {"name": "new"},
    ]


def test_what_becomes_empty_by_a_removal_goes_too() -> None:
    value = {"spec": {"a": {"b": {"c": 1}}, "d": {}}}
    assert without(value, [("f:spec", "f:a", "f:b", "f:c")], Typed()) == {"spec": {"d": {}}}


# ── applying ───────────────────────────────────────────────────────────────


def test_applying_twice_changes_nothing_not_even_the_time() -> None:
    first = apply(None, deployment(replicas=1), kind(DEPLOYMENT), by("me"))
    assert apply(first, deployment(replicas=1), kind(DEPLOYMENT), by("me", LATER)) == first


def test_defaults_that_the_server_filled_in_belong_to_nobody() -> None:
    made = apply(None, deployment(replicas=1), kind(DEPLOYMENT), by("me"))
    made["spec"]["paused"] = False
    assert apply(made, deployment(replicas=1, paused=True), kind(DEPLOYMENT), by("other"))["spec"]["paused"] is True


def test_a_conflict_names_manager_version_and_field() -> None:
    live = track(None, deployment(replicas=1, paused=False), kind(DEPLOYMENT), by("kubectl"))
    with pytest.raises(Conflict) as raised:
        apply(live, deployment(replicas=2), kind(DEPLOYMENT), by("me"))
    text = 'Apply failed with 1 conflict: conflict with "kubectl" using apps/v1: .spec.replicas'
    assert raised.value.message == text
    assert raised.value.details["causes"] == [
        {
            "reason": "FieldManagerConflict",
            "message": 'conflict with "kubectl" using apps/v1',
            "field": ".spec.replicas",
        }
    ]


def test_several_conflicts_are_listed_by_manager() -> None:
    live = track(None, deployment(replicas=1, paused=False), kind(DEPLOYMENT), by("b"))
    live = track(live, deployment(replicas=1, paused=False, minReadySeconds=1), kind(DEPLOYMENT), by("a"))
    with pytest.raises(Conflict) as raised:
        apply(live, deployment(replicas=2, paused=True, minReadySeconds=2), kind(DEPLOYMENT), by("me"))
    assert raised.value.message == (
        'Apply failed with 3 conflicts: conflicts with "a" using apps/v1:\n- .spec.minReadySeconds\n'
        'conflicts with "b" using apps/v1:\n- .spec.paused\n- .spec.replicas'
    )


def test_force_takes_the_field_from_its_owner() -> None:
    live = track(None, deployment(replicas=1, paused=False), kind(DEPLOYMENT), by("kubectl"))
    forced = apply(live, deployment(replicas=2), kind(DEPLOYMENT), by("me"), force=True)
    assert forced["spec"]["replicas"] == 2
    assert owners(forced)["kubectl"]["fieldsV1"] == {"f:spec": {"f:paused": {}}}
    assert owners(forced)["me"]["fieldsV1"] == {"f:spec": {"f:replicas": {}}}


def test_the_same_value_is_no_conflict() -> None:
    live = track(None, deployment(replicas=1), kind(DEPLOYMENT), by("kubectl"))
    assert set(owners(apply(live, deployment(replicas=1), kind(DEPLOYMENT), by("me")))) == {"kubectl", "me"}


def test_an_item_no_longer_applied_goes_with_its_defaults() -> None:
    live = apply(None, deployment(**containers({"name": "a"}, {"name": "b"})), kind(DEPLOYMENT), by("me"))
    live["spec"]["template"]["spec"]["containers"][1]["imagePullPolicy"] = "Always"
    left = apply(live, deployment(**containers({"name": "a"})), kind(DEPLOYMENT), by("me"))
    assert left["spec"]["template"]["spec"]["containers"] == [{"name": "a"}]


def test_an_item_that_somebody_else_uses_stays() -> None:
    live = apply(None, deployment(**containers({"name": "a", "image": "x"})), kind(DEPLOYMENT), by("me"))
    live = apply(live, deployment(**containers({"name": "a", "tty": True})), kind(DEPLOYMENT), by("other"))
    left = apply(live, deployment(replicas=1), kind(DEPLOYMENT), by("me"))
    assert left["spec"]["template"]["spec"]["containers"] == [{"name": "a", "tty": True}]


def test_two_ports_of_one_number_differ_by_protocol() -> None:
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "dns"}}
    live = apply(None, service | {"spec": {"ports": [{"port": 53}]}}, kind(SERVICE), by("me"))
    udp = {"spec": {"ports": [{"port": 53, "protocol": "UDP"}]}}
    both = apply(live, service | udp, kind(SERVICE), by("other"))
    assert both["spec"]["ports"] == [{"port": 53}, {"port": 53, "protocol": "UDP"}]


def test_what_was_written_before_anybody_was_tracked_has_an_owner() -> None:
    with pytest.raises(Conflict, match=r'conflict with "before-first-apply" using apps/v1: \.spec\.replicas'):
        apply(deployment(replicas=1), deployment(replicas=2), kind(DEPLOYMENT), by("me"))


def test_an_applied_object_may_not_bring_its_owners() -> None:
    brought = deployment() | {"metadata": {"name": "web", "managedFields": [{}]}}
    with pytest.raises(Refused, match=r"metadata\.managedFields must be nil"):
        apply(None, brought, kind(DEPLOYMENT), by("me"))


def test_kubectl_may_change_what_it_said_itself_before() -> None:
    said = '{"spec":{"replicas":1}}'
    annotated = deployment(replicas=1) | {"metadata": {"name": "web", "annotations": {LAST_APPLIED: said}}}
    live = track(None, annotated, kind(DEPLOYMENT), by("kubectl-client-side-apply"))
    taken = apply(live, deployment(replicas=2), kind(DEPLOYMENT), by("kubectl"))
    assert taken["spec"]["replicas"] == 2
    assert '"replicas":2' in taken["metadata"]["annotations"][LAST_APPLIED]
    with pytest.raises(Conflict):
        apply(live, deployment(replicas=2), kind(DEPLOYMENT), by("somebody"))


# ── ordinary writes ────────────────────────────────────────────────────────


def test_a_writer_owns_what_it_changed_and_loses_what_it_removed() -> None:
    live = track(None, deployment(replicas=1, paused=True), kind(DEPLOYMENT), by("me"))
    live = track(live, deployment(replicas=2), kind(DEPLOYMENT), by("other", LATER))
    assert "me" not in owners(live)
    assert owners(live)["other"]["fieldsV1"] == {"f:spec": {"f:replicas": {}}}
    assert owners(live)["other"]["time"] == LATER


def test_a_status_write_is_owned_apart() -> None:
    live = track(None, deployment(replicas=1), kind(DEPLOYMENT), by("me"))
    after = live | {"status": {"readyReplicas": 1, "conditions": [{"type": "Available", "status": "True"}]}}
    entry = owners(track(live, after, kind(DEPLOYMENT), by("controller", subresource="status")))["controller"]
    assert entry["subresource"] == "status"
    assert 'k:{"type":"Available"}' in entry["fieldsV1"]["f:status"]["f:conditions"]


def test_an_untracked_object_stays_untracked_until_it_is_applied() -> None:
    after = track(deployment(replicas=1), deployment(replicas=2), kind(DEPLOYMENT), by("me"))
    assert "managedFields" not in after["metadata"]


def test_an_empty_list_of_owners_ends_the_tracking() -> None:
    live = track(None, deployment(replicas=1), kind(DEPLOYMENT), by("me"))
    reset = live | {"metadata": {"name": "web", "managedFields": [{}]}}
    assert "managedFields" not in track(live, reset, kind(DEPLOYMENT), by("me"))["metadata"]


def test_owners_that_cannot_be_read_are_replaced_by_those_there_were() -> None:
    live = track(None, deployment(replicas=1), kind(DEPLOYMENT), by("me"))
    broken = live | {"metadata": {"name": "web", "managedFields": [{"manager": "x"}]}}
    assert set(owners(track(live, broken, kind(DEPLOYMENT), by("me")))) == {"me"}
