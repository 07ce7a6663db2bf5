"""Istio's VirtualService and DestinationRule choose pods as Istio does, and say what the sandbox cannot do."""

from collections import Counter
from typing import Any

import pytest

from rollouts.kube.refs import Obj
from rollouts.sandbox.dialects.istio import DESTINATION_RULE
from rollouts.sandbox.routing import Request
from tests.sandbox.dataplane import make_pod, make_service, make_table, make_virtual_service, pods_chosen, to

PODS = [make_pod("old", app="api", hash="s"), make_pod("new", app="api", hash="c")]
SERVICES = [
    make_service("api", app="api"),
    make_service("old", app="api", hash="s"),
    make_service("new", app="api", hash="c"),
]
OTHERWISE = {"route": [to("old")]}


def chosen(*http: Obj, host: str = "api", hosts: tuple[str, ...] = ("api",), **request: Any) -> str:
    """The pod or the refusal for one request."""
    table = make_table(PODS, SERVICES, [make_virtual_service(*http, hosts=hosts)])
    return pods_chosen(table, 1, host, **request)[0]


@pytest.mark.parametrize(
    ("match", "request_", "pod"),
    [
        ({"uri": {"exact": "/new"}}, {"path": "/new"}, "new"),
        ({"uri": {"exact": "/new"}}, {"path": "/new/1"}, "old"),
        ({"uri": {"prefix": "/new"}}, {"path": "/new/1"}, "new"),
        ({"uri": {"prefix": "/NEW"}, "ignoreUriCase": True}, {"path": "/new/1"}, "new"),
        ({"uri": {"regex": "/v[0-9]+"}}, {"path": "/v2"}, "new"),
        ({"uri": {"regex": "/v[0-9]+"}}, {"path": "/v2/x"}, "old"),
        ({"headers": {"X-Canary": {"exact": "yes"}}}, {"headers": {"x-canary": "yes"}}, "new"),
        ({"headers": {"X-Canary": {"exact": "yes"}}}, {}, "old"),
        ({"headers": {"X-Canary": {}}}, {"headers": {"x-canary": ""}}, "new"),
        ({"withoutHeaders": {"X-Bot": {}}}, {}, "new"),
        ({"withoutHeaders": {"X-Bot": {}}}, {"headers": {"x-bot": "1"}}, "old"),
        ({"method": {"exact": "POST"}}, {"method": "POST"}, "new"),
        ({"authority": {"prefix": "api"}}, {}, "new"),
        ({"queryParams": {"try": {"exact": "new"}}}, {"query": {"try": "new"}}, "new"),
        ({"uri": {"prefix": "/"}, "method": {"exact": "PUT"}}, {"path": "/"}, "old"),
    ],
)
def test_a_match_block_takes_the_requests_that_meet_all_its_conditions(
    match: Obj, request_: dict[str, Any], pod: str
) -> None:
    assert chosen({"match": [match], "route": [to("new")]}, OTHERWISE, **request_) == pod


def test_one_of_several_match_blocks_is_enough_and_the_first_route_wins() -> None:
    either = {"match": [{"uri": {"exact": "/a"}}, {"uri": {"exact": "/b"}}], "route": [to("new")]}
    assert [chosen(either, OTHERWISE, path=path) for path in ("/a", "/b", "/c")] == ["new", "new", "old"]


def test_a_request_that_no_route_takes_is_refused() -> None:
    only = {"match": [{"uri": {"exact": "/a"}}], "route": [to("new")]}
    assert chosen(only, path="/b") == "no route for host 'api' matches GET /b"


@pytest.mark.parametrize(
    ("hosts", "host"),
    [
        (("api",), "api.default.svc.cluster.local"),
        (("api.example.com",), "api.example.com"),
        (("*.example.com",), "deep.api.example.com"),
        (("*",), "anything.else"),
    ],
)
def test_a_virtual_service_is_found_by_each_of_its_hosts(hosts: tuple[str, ...], host: str) -> None:
    assert chosen({"route": [to("new")]}, hosts=hosts, host=host) == "new"


def test_the_more_particular_host_wins() -> None:
    table = make_table(
        PODS,
        SERVICES,
        [
            make_virtual_service({"route": [to("old")]}, hosts=("*",), name="all"),
            make_virtual_service({"route": [to("new")]}, hosts=("*.example.com",), name="some"),
        ],
    )
    assert [pods_chosen(table, 1, host)[0] for host in ("a.example.com", "a.example.org")] == ["new", "old"]


def test_weights_divide_and_an_absent_weight_beside_others_is_none() -> None:
    route = make_virtual_service({"route": [to("old", 70), to("new", 30), to("api")]})
    assert Counter(pods_chosen(make_table(PODS, SERVICES, [route]), 100)) == {"old": 70, "new": 30}


def test_a_subset_narrows_the_service_by_the_destination_rules_labels() -> None:
    rule = {
        "apiVersion": DESTINATION_RULE.api_version,
        "kind": "DestinationRule",
        "metadata": {"name": "api", "namespace": "default"},
        "spec": {"host": "api", "subsets": [{"name": "canary", "labels": {"hash": "c"}}, {"name": "all"}]},
    }
    route = make_virtual_service({"route": [to("api", 50, "canary"), to("api", 50, "all")]})
    seen = Counter(pods_chosen(make_table(PODS, SERVICES, [route, rule]), 100))
    assert seen == {"new": 75, "old": 25}


def test_a_mirror_gets_copies_of_its_percentage_and_answers_nobody() -> None:
    route = make_virtual_service({"route": [to("old")], "mirror": {"host": "new"}, "mirrorPercentage": {"value": 25.0}})
    table = make_table(PODS, SERVICES, [route])
    decisions = [table.route(Request("api")) for _ in range(100)]
    copies = [address.pod[1] for decision in decisions for address in decision.mirrors]
    assert {decision.address.pod[1] for decision in decisions if decision.address} == {"old"}
    assert copies == ["new"] * 25


@pytest.mark.parametrize(
    ("http", "complaint"),
    [
        ({"redirect": {"uri": "/"}}, "spec.http[0].redirect: the sandbox's gateway only chooses pods"),
        ({"match": [{"port": 80}], **OTHERWISE}, "spec.http[0].match[0].port: the sandbox's gateway matches by uri"),
        ({"match": [{"uri": {"exact": "/", "prefix": "/"}}]}, "spec.http[0].match[0].uri: needs exactly one of"),
        ({"match": [{"uri": {"regex": "("}}]}, "spec.http[0].match[0].uri.regex: "),
        ({"route": [to("api", subset="x")]}, "spec.http[0].route[0].destination.subset: no DestinationRule"),
    ],
)
def test_what_the_gateway_cannot_honour_is_refused_by_name(http: Obj, complaint: str) -> None:
    decision = make_table(PODS, SERVICES, [make_virtual_service(http)]).route(Request("api"))
    assert decision.status == 501
    assert decision.reason.startswith(f"VirtualService default/api: {complaint}")
