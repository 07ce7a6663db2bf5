"""What single fields of trafficRouting do, where no test of their router is about them: absent, and given."""

import json
from typing import Any

import pytest

from tests.traffic import test_gateway as gateway
from tests.traffic import test_istio_routes as istio
from tests.traffic.stage import Obj, Objects, router, split
from tests.traffic.test_alb import action_path, alb, annotations, plain
from tests.traffic.test_istio import found, virtual_service, weights
from tests.traffic.test_nginx import ingress


@pytest.mark.parametrize(
    ("named", "vs"),
    [
        ({}, virtual_service(istio.PRIMARY)),
        ({"routes": ["primary"]}, virtual_service({**istio.PRIMARY, "name": "other"}, istio.PRIMARY)),
        (
            {"tlsRoutes": [{"port": 443, "sniHosts": ["a"]}]},
            istio.other_sections(tls=[istio.secure(443, "b"), istio.secure(443, "a")]),
        ),
        (
            {"tcpRoutes": [{"port": 5432}]},
            istio.other_sections(tcp=[{**istio.PRIMARY, "match": [{"port": port}]} for port in (1, 5432)]),
        ),
    ],
)
def test_a_virtual_service_of_the_list_is_edited_as_one_that_is_named_alone(named: Obj, vs: Obj) -> None:
    alone = istio.router({"virtualService": {"name": "vs", **named}})
    listed = istio.router({"virtualServices": [{"name": "vs", **named}]})
    (one,), (other,) = (list(subject.edit(found(vs), istio.split(20))) for subject in (alone, listed))
    assert one.want == other.want
    assert one.want != vs


@pytest.mark.parametrize(("given", "prefix"), [({}, "alb.ingress.kubernetes.io"), ({"annotationPrefix": "own"}, "own")])
def test_annotations_of_a_load_balancer_have_its_prefix(given: Obj, prefix: str) -> None:
    objects = Objects(plain())
    objects.say(alb(**given), split(10))
    assert f"{prefix}/actions.stable" in annotations(objects)


@pytest.mark.parametrize("given", [{}, {"stickinessConfig": {"enabled": False, "durationSeconds": 60}}])
def test_nobody_sticks_to_a_target_group_unless_that_is_enabled(given: Obj) -> None:
    objects = Objects(plain())
    objects.say(alb(**given), split(10))
    (action,) = (value for key, value in annotations(objects).items() if "actions" in key)
    assert json.loads(action)["ForwardConfig"].keys() == {"TargetGroups"}


@pytest.mark.parametrize(("given", "root"), [({}, "stable"), ({"rootService": "root"}, "root")])
def test_the_action_is_named_after_the_root_service_or_the_stable_one(given: Obj, root: str) -> None:
    objects = Objects(ingress({"http": {"paths": [action_path(root)]}}))
    objects.say(alb(**given), split(10))
    assert f"alb.ingress.kubernetes.io/actions.{root}" in annotations(objects)


@pytest.mark.parametrize(
    ("given", "name", "service"),
    [({}, "r", "stable"), ({"trafficSplitName": "mine"}, "mine", "stable"), ({"rootService": "root"}, "r", "root")],
)
def test_a_traffic_split_is_named_like_the_rollout_and_shares_the_stable_service(
    given: Obj, name: str, service: str
) -> None:
    objects = Objects()
    objects.say(router("smi", given), split(10))
    assert objects.one("TrafficSplit", name)["spec"]["service"] == service


@pytest.mark.parametrize(
    ("given", "keys"),
    [
        ({}, {"nginx.ingress.kubernetes.io/canary"}),
        ({"annotationPrefix": "own.io"}, {"own.io/canary"}),
        (
            {"additionalIngressAnnotations": {"canary-by-header": "x", "nginx.ingress.kubernetes.io/y": "z"}},
            {"nginx.ingress.kubernetes.io/canary-by-header", "nginx.ingress.kubernetes.io/y"},
        ),
        ({"canaryIngressAnnotations": {"note": "n"}}, {"note"}),
    ],
)
def test_annotations_of_a_canary_ingress(given: dict[str, Any], keys: set[str]) -> None:
    objects = Objects(ingress())
    objects.say(router("nginx", {"stableIngress": "main", **given}), split(10))
    made = objects.one("Ingress", "r-main-canary")["metadata"]["annotations"]
    assert keys <= made.keys()
    if not given:
        assert made == {"nginx.ingress.kubernetes.io/canary": "true", "nginx.ingress.kubernetes.io/canary-weight": "10"}


@pytest.mark.parametrize("kind", ["exact", "prefix", "regex"])
@pytest.mark.parametrize(
    ("part", "where"), [("method", ("method",)), ("path", ("uri",)), ("headers", ("headers", "agent"))]
)
def test_requests_to_mirror_are_matched_by_each_part_as_asked(part: str, where: tuple[str, ...], kind: str) -> None:
    asked: Any = {kind: "x"}
    said: Any = {part: {"agent": asked} if part == "headers" else asked}
    wanted = istio.mirror(**said)
    after = istio.edited(
        virtual_service(istio.PRIMARY),
        istio.split(20, routes=(wanted,), managed=("copy",)),
        istio.router(managed=("copy",)),
    )
    (match,) = after["spec"]["http"][0]["match"]
    assert match.keys() == {where[0]}, "what is not asked for is not matched"
    found: Any = match
    for key in where:
        found = found[key]
    assert found == {kind: "x"}


@pytest.mark.parametrize("headers", [None, False, True])
@pytest.mark.parametrize(("kind", "key"), [("HTTPRoute", "httpRoute"), ("GRPCRoute", "grpcRoute")])
def test_routes_of_a_list_get_header_routes_where_they_want_them(kind: str, key: str, headers: bool | None) -> None:
    wants = {} if headers is None else {"useHeaderRoutes": headers}
    objects = Objects(gateway.route(gateway.both(), kind=kind))
    subject = gateway.gateway(("testers",), **{f"{key}s": [{"name": "h", **wants}]})
    objects.say(subject, split(5, routes=(gateway.HEADERS,), managed=("testers",)))
    assert len(gateway.rules(objects, kind)) == (2 if headers else 1)


@pytest.mark.parametrize(
    ("kind", "key"),
    [("HTTPRoute", "httpRoute"), ("GRPCRoute", "grpcRoute"), ("TCPRoute", "tcpRoute"), ("TLSRoute", "tlsRoute")],
)
def test_routes_of_the_gateway_are_named_alone_in_a_list_or_by_labels(kind: str, key: str) -> None:
    labels = {"team": "shop"}
    expression = {"key": "team", "operator": "In", "values": ["shop"]}
    for config in (
        {key: "h"},
        {f"{key}s": [{"name": "h"}]},
        {f"{key}Selector": {"matchLabels": labels}},
        {f"{key}Selector": {"matchExpressions": [expression]}},
    ):
        objects = Objects(
            gateway.route(gateway.both(), kind=kind, labels=labels),
            gateway.route(gateway.both(), kind=kind, name="other"),
        )
        assert objects.say(gateway.gateway(**config), split(25)) == [f"{kind}Updated"]
        assert gateway.weights(gateway.rules(objects, kind)[0]) == {"stable": 75, "canary": 25}


def test_a_rule_without_names_of_subsets_leaves_its_subsets_alone() -> None:
    """Destinations are told by Services then; without these there is nothing to tell them by."""
    named = {"virtualService": {"name": "vs"}, "destinationRule": {"name": "rule"}}
    objects = istio.both(virtual_service(istio.PRIMARY), istio.rule({"name": "s", "labels": {"app": "x"}}))
    edits = {edit.ref.resource.kind: edit.want for edit in istio.router(named).edit(objects, istio.split(20))}
    assert weights(edits["VirtualService"]) == {"stable": 80, "canary": 20}
    assert edits["DestinationRule"]["spec"]["subsets"] == [{"name": "s", "labels": {"app": "x"}}]
    nameless = istio.router(named, canaryService="", stableService="")
    assert "Canary Service '' not found in route" in nameless.fault(objects)
