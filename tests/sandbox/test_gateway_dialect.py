"""The Gateway API's HTTPRoute chooses pods by its own precedence, and says what the sandbox cannot do."""

from collections import Counter
from typing import Any

import pytest

from rollouts.kube.refs import Obj
from rollouts.sandbox.routing import Request
from tests.sandbox.dataplane import make_http_route, make_pod, make_service, make_table, pods_chosen

PODS = [make_pod("old", app="api", hash="s"), make_pod("new", app="api", hash="c")]
SERVICES = [
    make_service("api", app="api"),
    make_service("old", app="api", hash="s"),
    make_service("new", app="api", hash="c"),
]


def rule(service: str, *matches: Obj, **rest: Any) -> Obj:
    return {"backendRefs": [{"name": service, "port": 80}], **({"matches": list(matches)} if matches else {}), **rest}


def header(value: str, **rest: str) -> Obj:
    return {"headers": [{"name": "X-Canary", "value": value, **rest}]}


def shared(*shares: tuple[str, int]) -> Obj:
    return {"backendRefs": [{"name": name, "port": 80, "weight": weight} for name, weight in shares]}


def chosen(*rules: Obj, host: str = "api", hosts: tuple[str, ...] = ("api",), **request: Any) -> str:
    """The pod or the refusal for one request."""
    return pods_chosen(make_table(PODS, SERVICES, [make_http_route(*rules, hosts=hosts)]), 1, host, **request)[0]


@pytest.mark.parametrize(
    ("match", "request_", "pod"),
    [
        ({"path": {"type": "Exact", "value": "/new"}}, {"path": "/new"}, "new"),
        ({"path": {"type": "Exact", "value": "/new"}}, {"path": "/new/1"}, "old"),
        ({"path": {"value": "/new"}}, {"path": "/new/1"}, "new"),
        ({"path": {"type": "PathPrefix", "value": "/new/"}}, {"path": "/new"}, "new"),
        ({"path": {"type": "PathPrefix", "value": "/new"}}, {"path": "/newer"}, "old"),
        ({"path": {"type": "RegularExpression", "value": "/v[0-9]+"}}, {"path": "/v2"}, "new"),
        ({"path": {"type": "RegularExpression", "value": "/v[0-9]+"}}, {"path": "/v2/x"}, "old"),
        (header("yes"), {"headers": {"x-canary": "yes"}}, "new"),
        (header("yes"), {"headers": {"x-canary": "yes!"}}, "old"),
        (header("yes"), {}, "old"),
        (header("y.*", type="RegularExpression"), {"headers": {"x-canary": "yes"}}, "new"),
        ({"method": "POST"}, {"method": "POST"}, "new"),
        ({"queryParams": [{"name": "try", "value": "new"}]}, {"query": {"try": "new"}}, "new"),
        ({"queryParams": [{"name": "try", "value": "new"}]}, {"query": {"try": "old"}}, "old"),
        ({"path": {"value": "/"}, "method": "PUT"}, {"path": "/"}, "old"),
    ],
)
def test_a_match_takes_the_requests_that_meet_all_its_conditions(
    match: Obj, request_: dict[str, Any], pod: str
) -> None:
    assert chosen(rule("old"), rule("new", match), **request_) == pod


EXACT, LONG, SHORT = (
    {"path": {"type": kind, "value": value}}
    for kind, value in (("Exact", "/a/b"), ("PathPrefix", "/a/b"), ("PathPrefix", "/a"))
)


@pytest.mark.parametrize(
    ("weaker", "stronger"),
    [
        (LONG, EXACT),
        ({**LONG, **header("yes"), "method": "GET"}, EXACT),
        (SHORT, LONG),
        ({**SHORT, **header("yes")}, LONG),
        (SHORT, {**SHORT, "method": "GET"}),
        ({**SHORT, **header("yes")}, {**SHORT, "method": "GET"}),
        (SHORT, {**SHORT, **header("yes")}),
        ({**SHORT, "queryParams": [{"name": "q", "value": "1"}]}, {**SHORT, **header("yes")}),
    ],
)
def test_the_more_particular_match_wins_wherever_it_stands(weaker: Obj, stronger: Obj) -> None:
    request: dict[str, Any] = {"path": "/a/b", "headers": {"x-canary": "yes"}, "query": {"q": "1"}}
    rules = [rule("old", weaker), rule("new", stronger)]
    assert [chosen(*order, **request) for order in (rules, rules[::-1])] == ["new", "new"]


def test_of_equal_matches_the_first_counts_and_of_equal_routes_the_oldest() -> None:
    assert chosen(rule("old"), rule("new")) == "old"
    young, aged = make_http_route(rule("old"), name="a"), make_http_route(rule("new"), name="b")
    young["metadata"]["creationTimestamp"] = "2026-02-01T00:00:00Z"
    aged["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z"
    assert pods_chosen(make_table(PODS, SERVICES, [young, aged]), 1) == ["new"]


def test_rules_of_several_routes_of_a_host_are_one_list() -> None:
    one = make_http_route(rule("old", {"path": {"value": "/"}}), name="a")
    other = make_http_route(rule("new", {"path": {"value": "/new"}}), name="b")
    table = make_table(PODS, SERVICES, [one, other])
    assert [pods_chosen(table, 1, path=path)[0] for path in ("/", "/new", "/newer")] == ["old", "new", "old"]


def test_weights_divide_and_an_absent_weight_is_one() -> None:
    seen = Counter(pods_chosen(make_table(PODS, SERVICES, [make_http_route(shared(("old", 70), ("new", 30)))]), 100))
    assert seen == {"old": 70, "new": 30}
    refs = [{"name": "old", "port": 80, "weight": 3}, {"name": "new", "port": 80}]
    table = make_table(PODS, SERVICES, [make_http_route({"backendRefs": refs})])
    assert Counter(pods_chosen(table, 100)) == {"old": 75, "new": 25}


def test_the_shares_of_a_rule_are_one_for_all_its_matches() -> None:
    one, other = {"path": {"value": "/a"}}, {"path": {"value": "/b"}}
    table = make_table(PODS, SERVICES, [make_http_route({**shared(("old", 1), ("new", 1)), "matches": [one, other]})])
    assert [pods_chosen(table, 1, path=path)[0] for path in ("/a", "/b", "/a", "/b")] == ["old", "new"] * 2


@pytest.mark.parametrize(
    ("spec", "host"),
    [
        ({}, "API"),
        ({"hostnames": ["*.example.com"]}, "deep.api.example.com"),
        ({"hostnames": []}, "anything.else"),
        ({"parentRefs": [{"kind": "Service", "name": "api"}]}, "api.default.svc.cluster.local"),
        ({"parentRefs": [{"kind": "Service", "name": "s", "namespace": "shop"}]}, "s.shop"),
    ],
)
def test_a_route_is_found_by_each_of_its_hosts(spec: Obj, host: str) -> None:
    assert pods_chosen(make_table(PODS, SERVICES, [make_http_route(rule("new"), **spec)]), 2, host) == ["new", "new"]


def test_a_route_for_a_service_alone_does_not_take_other_hosts() -> None:
    route = make_http_route(rule("new"), parentRefs=[{"kind": "Service", "name": "api"}], hostnames=["x.example.com"])
    refused = make_table(PODS, SERVICES, [route]).route(Request("x.example.com"))
    assert (refused.status, refused.reason) == (404, "no route and no Service for host 'x.example.com'")


@pytest.mark.parametrize(
    ("share", "copies"), [({}, 40), ({"percent": 25}, 10), ({"fraction": {"numerator": 1, "denominator": 8}}, 5)]
)
def test_a_mirror_gets_copies_of_its_share_and_answers_nobody(share: Obj, copies: int) -> None:
    mirror = {"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "new", "port": 80}, **share}}
    table = make_table(PODS, SERVICES, [make_http_route(rule("old", filters=[mirror]))])
    decisions = [table.route(Request("api")) for _ in range(40)]
    assert {decision.address.pod[1] for decision in decisions if decision.address} == {"old"}
    assert [address.pod[1] for decision in decisions for address in decision.mirrors] == ["new"] * copies


def test_filters_that_choose_no_pod_are_let_be() -> None:
    modified = {"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "a", "value": "b"}]}}
    assert chosen(rule("new", filters=[modified], timeouts={"request": "1s"})) == "new"


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"filters": [{"type": "RequestRedirect"}]}, ".filters[0].type: the sandbox's gateway only chooses pods"),
        ({"sessionPersistence": {"type": "Cookie"}}, ".sessionPersistence: the sandbox's gateway keeps no sessions"),
        ({"backendRefs": [{"kind": "Bucket", "name": "b"}]}, ".backendRefs[0].kind: the sandbox's gateway leads to"),
        (
            {"backendRefs": [{"name": "b", "filters": [{"type": "URLRewrite"}]}]},
            ".backendRefs[0].filters: the sandbox's gateway has no URLRewrite",
        ),
        ({"matches": [{"path": {"type": "Glob"}}]}, ".matches[0].path.type: the sandbox's gateway knows no Glob"),
        ({"matches": [header("(", type="RegularExpression")]}, ".matches[0].headers[0].value: "),
    ],
)
def test_what_the_gateway_cannot_honour_is_refused_by_name(given: Obj, complaint: str) -> None:
    decision = make_table(PODS, SERVICES, [make_http_route(rule("old"), {**rule("new"), **given})]).route(
        Request("api")
    )
    assert decision.status == 501
    assert decision.reason.startswith(f"HTTPRoute default/api: spec.rules[1]{complaint}")
