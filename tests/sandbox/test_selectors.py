import pytest

from rollouts.kube.errors import Refused
from rollouts.sandbox.apiserver.selectors import label_selector, parse_fields, parse_labels

LABELS = {"app": "web", "tier": "front", "example.com/rank": "3"}


@pytest.mark.parametrize(
    ("text", "selected"),
    [
        ("", True),
        ("app=web", True),
        ("app==web", True),
        ("app = web , tier=front", True),
        ("app!=web", False),
        ("absent!=web", True),
        ("app in (web, api)", True),
        ("app notin (web,api),tier", False),
        ("absent notin (web)", True),
        ("tier", True),
        ("!tier", False),
        ("!absent", True),
        ("example.com/rank>2", True),
        ("example.com/rank<3", False),
        ("app>2", False),
        ("absent=", False),
    ],
)
def test_a_label_selector_selects_as_kubectl_means_it(text: str, selected: bool) -> None:
    assert parse_labels(text).matches(LABELS) is selected


@pytest.mark.parametrize("text", ["app=web=x", "a b", "app in web", "app in (w!)", ",", "-a=b"])
def test_what_is_no_label_selector_is_refused_with_its_text(text: str) -> None:
    with pytest.raises(Refused, match="unable to parse requirement"):
        parse_labels(text)


def test_a_selector_object_means_the_same_as_its_text() -> None:
    spec = {
        "matchLabels": {"app": "web"},
        "matchExpressions": [
            {"key": "tier", "operator": "In", "values": ["front", "back"]},
            {"key": "gone", "operator": "DoesNotExist"},
            {"key": "app", "operator": "Exists"},
            {"key": "app", "operator": "NotIn", "values": ["api"]},
        ],
    }
    assert label_selector(spec).matches(LABELS)
    assert not label_selector(spec).matches({**LABELS, "gone": "no"})
    assert not label_selector(spec).matches({**LABELS, "tier": "middle"})
    with pytest.raises(ValueError, match="'Like' is not a valid label selector operator"):
        label_selector({"matchExpressions": [{"key": "a", "operator": "Like"}]})


def test_the_label_an_index_can_look_up_is_one_with_a_single_value() -> None:
    assert parse_labels("tier,app in (web)").pinned() == ("app", "web")
    assert parse_labels("app in (web,api),!x").pinned() is None


def test_a_field_selector_compares_fields_as_text() -> None:
    pod = {"metadata": {"name": "a", "namespace": "n"}, "spec": {"nodeName": "one", "hostNetwork": True}}
    assert parse_fields("metadata.name=a,spec.nodeName!=two", "Pod").matches(pod)
    assert parse_fields("spec.hostNetwork=true,status.phase=", "Pod").matches(pod)
    assert not parse_fields("metadata.namespace=other", "Pod").matches(pod)


def test_events_are_selected_by_the_object_they_speak_of() -> None:
    event = {"metadata": {"name": "e"}, "involvedObject": {"kind": "Rollout", "name": "web"}, "type": "Normal"}
    assert parse_fields("involvedObject.kind=Rollout,involvedObject.name=web,type!=Warning", "Event").matches(event)
    assert not parse_fields("involvedObject.uid=1", "Event").matches(event)


def test_a_field_that_cannot_be_selected_by_is_refused() -> None:
    with pytest.raises(Refused, match=r'"spec\.replicas" is not a known field selector: only "metadata\.name"'):
        parse_fields("spec.replicas=1", "ReplicaSet")
    with pytest.raises(Refused, match="invalid selector: 'name'"):
        parse_fields("name", "Pod")
    assert parse_fields("spec.colour=red", "Widget", frozenset({"spec.colour"})).terms
