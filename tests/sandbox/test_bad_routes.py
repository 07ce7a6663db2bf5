"""A routing object that has not the shape of its kind is told of, and spoils nobody else's requests."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollouts.kube.refs import Obj
from rollouts.sandbox.routing import Request
from tests.sandbox.dataplane import (
    make_http_route,
    make_ingress,
    make_pod,
    make_service,
    make_table,
    make_virtual_service,
    pods_chosen,
    to,
)

PODS, SERVICES = [make_pod("one", app="api")], [make_service("api", app="api")]
WHOLE = (
    make_virtual_service(
        {"match": [{"headers": {"a": {"exact": "b"}}}], "route": [to("api", 1, "s")]}, hosts=("x.example.com",)
    ),
    make_http_route(
        {"matches": [{"headers": [{"name": "a", "value": "b"}]}], "backendRefs": [{"name": "api", "weight": 1}]},
        hosts=("x.example.com",),
    ),
    make_ingress("api", host="x.example.com", canary="true", canary_weight="1"),
    {**make_virtual_service(), "kind": "DestinationRule", "spec": {"host": "api", "subsets": [{"name": "s"}]}},
)
"""A whole object of each kind."""


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every place in a value, as a container and a key."""
    if not isinstance(value, dict | list):
        return []
    keys = list(value) if isinstance(value, dict) else range(len(value))
    return [(value, key) for key in keys] + [place for key in keys for place in places(value[key])]


@st.composite
def broken(draw: st.DrawFn) -> Obj:
    """A routing object in whose spec one thing is something else."""
    kind = draw(st.sampled_from(range(len(WHOLE))))
    obj: Obj = _copy(WHOLE[kind])
    container, key = draw(st.sampled_from(places(obj["spec"])))
    container[key] = draw(st.sampled_from([None, 7, "text", "", [], [None], {}, {"x": 1}, [["y"]], True, -1]))
    return obj


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(part) for key, part in value.items()}
    return [_copy(part) for part in value] if isinstance(value, list) else value


@settings(max_examples=300, deadline=None)
@given(broken())
def test_whatever_is_wrong_with_an_object_each_request_is_decided(obj: Obj) -> None:
    good = make_ingress("api", name="good", host="good.example.com")
    table = make_table(PODS, SERVICES, [obj, good])
    assert pods_chosen(table, 2, "good.example.com") == ["one", "one"]
    for host in ("x.example.com", "y.example.com"):
        decision = table.route(Request(host, headers={"a": "b"}))
        assert decision.address or decision.reason


@pytest.mark.parametrize(
    ("obj", "host", "complaint"),
    [
        (
            make_virtual_service({"route": [{"weight": 1}]}),
            "api",
            "VirtualService default/api: {}: KeyError('destination')",
        ),
        (make_http_route({"backendRefs": [{}]}), "api", "HTTPRoute default/api: {}: KeyError('name')"),
        (make_http_route({"backendRefs": [{"name": 7}]}), "api", "HTTPRoute default/api: {}: 7 is no text"),
        ({**make_http_route(), "spec": {"hostnames": 7}}, "any", "HTTPRoute default/api: {}: "),
        ({**make_ingress("api"), "spec": {"rules": [7]}}, "any", "Ingress default/api: {}: "),
    ],
)
def test_whoever_asks_for_it_is_told_what_is_wrong(obj: Obj, host: str, complaint: str) -> None:
    decision = make_table(PODS, SERVICES, [obj]).route(Request(host))
    assert decision.status == 501
    assert decision.reason.startswith(complaint.format("has not the shape of its kind"))
