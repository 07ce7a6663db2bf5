"""The Gateway API: which rules carry the split, header routes, experiments, and what is somebody else's."""

from typing import Any

import pytest

from rollouts.api.canary import SetHeaderRoute
from rollouts.api.rollout import Rollout
from rollouts.api.traffic import GATEWAY_API
from rollouts.decide.plan import Destination, HeaderRoute, Split
from rollouts.decide.world import Hash
from rollouts.traffic.base import RoutingError
from rollouts.traffic.registry import routers
from tests import make
from tests.traffic.stage import SETTINGS, Obj, Objects, header, router, split

LABEL = "rollouts.argoproj.io/gatewayapi-canary"
ROOT: Obj = {"path": {"type": "PathPrefix", "value": "/"}}


def backend(name: str, weight: int = 1, **rest: Any) -> Obj:
    return {"group": "", "kind": "Service", "name": name, "port": 80, "weight": weight, **rest}


def rule(*backends: Obj, **rest: Any) -> Obj:
    return {"matches": [ROOT], **rest, "backendRefs": list(backends)}


def both(**rest: Any) -> Obj:
    return rule(backend("stable", 100), backend("canary", 0), **rest)


def route(*rules: Obj, kind: str = "HTTPRoute", name: str = "h", **metadata: Any) -> Obj:
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": "default", **metadata},
        "spec": {"hostnames": ["shop"], "parentRefs": [{"name": "gateway"}], "rules": list(rules)},
    }


def gateway(managed: tuple[str, ...] = (), **config: Any) -> Any:
    rest = {key: config.pop(key) for key in ("status", "steps", "istio") if key in config}
    return router("plugins", {GATEWAY_API: config or {"httpRoute": "h"}}, managed=managed, **rest)


def weights(found: Obj) -> dict[str, int]:
    return {each["name"]: each["weight"] for each in found["backendRefs"]}


def rules(objects: Objects, kind: str = "HTTPRoute", name: str = "h") -> list[Obj]:
    found: list[Obj] = objects.one(kind, name)["spec"]["rules"]
    return found


def test_every_rule_that_leads_to_both_carries_the_split() -> None:
    third = rule(backend("stable", 100), backend("canary", 0), backend("other", 7), timeouts={"request": "3s"})
    objects = Objects(route(both(), third))
    assert objects.say(gateway(), split(30)) == ["HTTPRouteUpdated"]
    assert [weights(each) for each in rules(objects)] == [
        {"stable": 70, "canary": 30},
        {"stable": 70, "canary": 30, "other": 7},
    ]
    assert rules(objects)[1]["timeouts"] == {"request": "3s"}


def test_rules_for_one_of_the_two_alone_are_left_as_they_are() -> None:
    alone = [rule(backend("stable")), rule(backend("canary"), name="try"), rule(backend("canary", 0, kind="Other"))]
    objects = Objects(route(both(), *alone))
    objects.say(gateway(managed=("testers",)), split(100, managed=("testers",)))
    assert rules(objects)[1:] == alone


def test_a_label_stands_while_there_is_a_weight() -> None:
    objects = Objects(route(both(), labels={"mine": "kept"}))
    objects.say(gateway(), split(0))
    assert objects.one("HTTPRoute", "h")["metadata"]["labels"] == {"mine": "kept"}
    objects.say(gateway(), split(100))
    assert objects.one("HTTPRoute", "h")["metadata"]["labels"] == {"mine": "kept", LABEL: "in-progress"}
    objects.say(gateway(), split(0))
    assert objects.one("HTTPRoute", "h")["metadata"]["labels"] == {"mine": "kept"}


def test_the_label_may_be_another_one_or_none() -> None:
    objects = Objects(route(both()))
    objects.say(gateway(httpRoute="h", disableInProgressLabel=True), split(10))
    assert "labels" not in objects.one("HTTPRoute", "h")["metadata"]
    objects.say(gateway(httpRoute="h", inProgressLabelKey="k", inProgressLabelValue="v"), split(10))
    assert objects.one("HTTPRoute", "h")["metadata"]["labels"] == {"k": "v"}


def test_every_kind_is_edited_and_each_route_once() -> None:
    objects = Objects(
        *(route(both(), kind=kind) for kind in ("HTTPRoute", "GRPCRoute", "TCPRoute", "TLSRoute")),
        route(both(), name="second"),
        route(both(), name="labelled", labels={"app": "shop"}),
        route(both(), name="other", labels={"app": "else"}),
    )
    subject = gateway(
        httpRoute="h",
        httpRoutes=[{"name": "h"}, {"name": "second"}],
        httpRouteSelector={"matchLabels": {"app": "shop"}},
        grpcRoute="h",
        tcpRoute="h",
        tlsRoutes=[{"name": "h"}],
    )
    said = objects.say(subject, split(25))
    assert said == ["HTTPRouteUpdated"] * 3 + ["GRPCRouteUpdated", "TCPRouteUpdated", "TLSRouteUpdated"]
    carrying = {key: weights(obj["spec"]["rules"][0])["canary"] for key, obj in objects.all.items()}
    assert [name for (_, name), canary in carrying.items() if canary == 0] == ["other"]


def test_routes_may_be_in_another_namespace() -> None:
    (ref,) = gateway(httpRoute="h", namespace="edge").needs({})
    assert (ref.namespace, ref.name) == ("edge", "h")


# ── header routes ──

HEADERS = header("testers", agent="x", lang="de")
STEP = {
    "setHeaderRoute": {
        "name": "testers",
        "match": [
            {"headerName": "agent", "headerValue": {"exact": "x"}},
            {"headerName": "lang", "headerValue": {"exact": "de"}},
        ],
    }
}
CONDITIONS = [
    {"name": "agent", "type": "Exact", "value": "x"},
    {"name": "lang", "type": "Exact", "value": "de"},
]


def test_a_header_route_is_one_rule_for_each_that_carries_the_split() -> None:
    api = {"path": {"type": "Exact", "value": "/api"}, "headers": [{"name": "v", "type": "Exact", "value": "2"}]}
    objects = Objects(route(both(name="main"), rule(backend("else")), both(matches=[api, ROOT], filters=[{"a": 1}])))
    before = objects.one("HTTPRoute", "h")
    subject, standing = gateway(managed=("testers",)), Obj(routes=(HEADERS,), managed=("testers",))
    objects.say(subject, split(30, **standing))
    assert rules(objects)[3:] == [
        {"name": "testers", "matches": [{**ROOT, "headers": CONDITIONS}], "backendRefs": [backend("canary")]},
        {
            "name": "testers-1",
            "filters": [{"a": 1}],
            "matches": [{**api, "headers": [*api["headers"], *CONDITIONS]}, {**ROOT, "headers": CONDITIONS}],
            "backendRefs": [backend("canary")],
        },
    ]
    objects.say(subject, split(60, **standing))
    assert weights(rules(objects)[3]) == {"canary": 1}, "a rule of its own is no part of the split"
    objects.say(subject, split(0, managed=("testers",)))
    assert objects.one("HTTPRoute", "h")["spec"] == before["spec"]


@pytest.mark.parametrize(
    ("value", "condition"),
    [
        ({"exact": "a", "prefix": "b"}, ("Exact", "a")),
        ({"prefix": "b"}, ("RegularExpression", "b.*")),
        ({"prefix": "1.2 (b)-c"}, ("RegularExpression", r"1\.2 \(b\)-c.*")),
        ({"regex": "c+"}, ("RegularExpression", "c+")),
    ],
)
def test_headers_are_matched_as_asked(value: dict[str, str], condition: tuple[str, str]) -> None:
    match = SetHeaderRoute.model_validate({"name": "t", "match": [{"headerName": "h", "headerValue": value}]}).match
    objects = Objects(route(both()))
    objects.say(gateway(managed=("t",)), split(5, routes=(HeaderRoute("t", match),), managed=("t",)))
    (found,) = rules(objects)[1]["matches"][0]["headers"]
    assert (found["type"], found["value"]) == condition


def test_a_request_that_a_rule_excludes_gets_no_rule_of_its_own() -> None:
    excluded = {**ROOT, "headers": [{"name": "Agent", "type": "Exact", "value": "other"}]}
    objects = Objects(route(both(matches=[excluded])))
    objects.say(gateway(managed=("testers",)), split(5, routes=(HEADERS,), managed=("testers",)))
    assert len(rules(objects)) == 1


def test_only_routes_that_want_header_routes_get_them() -> None:
    objects = Objects(route(both()), route(both(), name="plain"), route(both(), kind="TCPRoute"))
    subject = gateway(("testers",), httpRoute="h", httpRoutes=[{"name": "plain"}], tcpRoute="h")
    objects.say(subject, split(5, routes=(HEADERS,), managed=("testers",)))
    counts = [len(rules(objects, *key)) for key in (("HTTPRoute", "h"), ("HTTPRoute", "plain"), ("TCPRoute", "h"))]
    assert counts == [2, 1, 1]


def test_a_route_that_is_named_and_selected_gets_header_routes_and_one_that_is_selected_only_does_not() -> None:
    mine = {"team": "shop"}
    objects = Objects(route(both(), labels=mine), route(both(), name="selected", labels=mine))
    subject = gateway(("testers",), httpRoute="h", httpRouteSelector={"matchLabels": mine})
    assert objects.say(subject, split(5, routes=(HEADERS,), managed=("testers",))) == ["HTTPRouteUpdated"] * 2
    assert [len(rules(objects, name=name)) for name in ("h", "selected")] == [2, 1]
    assert [weights(rules(objects, name=name)[0])["canary"] for name in ("h", "selected")] == [5, 5]


def test_grpc_rules_without_matches_are_narrowed_too() -> None:
    bare = {"backendRefs": both()["backendRefs"]}
    objects = Objects(route(bare, kind="GRPCRoute"))
    objects.say(gateway(("testers",), grpcRoute="h"), split(5, routes=(HEADERS,), managed=("testers",)))
    assert rules(objects, "GRPCRoute")[1]["matches"] == [{"headers": CONDITIONS}]


def test_rules_keep_their_meaning_where_the_definition_drops_their_names() -> None:
    objects = Objects(route(both()))
    subject, standing = gateway(("testers",), httpRoute="h", steps=(STEP,)), Obj(managed=("testers",))
    (edit,) = objects.edits(subject, split(5, routes=(HEADERS,), **standing))
    assert edit.want is not None
    for each in edit.want["spec"]["rules"]:
        each.pop("name", None)
    objects.all["HTTPRoute", "h"] = edit.want
    assert objects.edits(subject, split(5, routes=(HEADERS,), **standing)) == []
    objects.say(subject, split(0, **standing))
    assert rules(objects) == [both()]


def test_an_unnamed_rule_of_somebody_for_the_canary_alone_stays() -> None:
    tested = rule(backend("canary"), matches=[{**ROOT, "headers": [{"name": "qa", "type": "Exact", "value": "1"}]}])
    objects = Objects(route(both(), tested))
    objects.say(gateway(("testers",), httpRoute="h", steps=(STEP,)), split(0, managed=("testers",)))
    assert rules(objects) == [both(), tested]


# ── experiments ──


def test_experiments_get_backends_and_lose_them_again() -> None:
    objects = Objects(route(both()))
    objects.say(gateway(), split(20, additional=(Destination("e", Hash("x"), 5),)))
    assert weights(rules(objects)[0]) == {"stable": 75, "canary": 20, "e": 5}
    assert rules(objects)[0]["backendRefs"][2] == backend("e", 5, namespace="default", port=8080)
    share = {"weight": 5, "serviceName": "e"}
    status = {"canary": {"weights": {"canary": {"weight": 20}, "stable": {"weight": 75}, "additional": [share]}}}
    objects.say(gateway(status=status), split(20))
    assert weights(rules(objects)[0]) == {"stable": 80, "canary": 20}


# ── faults ──


@pytest.mark.parametrize(
    ("config", "objects", "fault"),
    [
        ({"httpRoute": "h"}, [], 'httproutes.gateway.networking.k8s.io "h" not found'),
        ({"httpRoute": "h"}, [route(rule(backend("stable")))], "backendRef was not found in httpRoute"),
        ({"grpcRoute": "h"}, [route(kind="GRPCRoute")], "backendRef was not found in grpcRoute"),
        ({"tcpRoute": "h"}, [route(kind="TCPRoute")], "backendRef list was not found in tcpRoute"),
        ({"namespace": "n"}, [], "No routes configured."),
        ({"httpRouteSelector": {"matchLabels": {"a": "b"}}}, [route(both())], "No routes configured."),
    ],
)
def test_what_is_missing_is_named_and_nothing_is_written(config: Obj, objects: list[Obj], fault: str) -> None:
    with pytest.raises(RoutingError, match=fault):
        Objects(*objects).edits(gateway(**config), split(30))


def test_what_the_configuration_gets_wrong_is_refused() -> None:
    path = f"spec.strategy.canary.trafficRouting.plugins[{GATEWAY_API}]"
    assert Objects().fault(gateway(httpRuote="h")).startswith(f"{path}.httpRuote: Forbidden: unknown field")
    assert Objects().fault(gateway(httpRoutes=[{}])).startswith(f"{path}.httpRoutes[0].name: Invalid value: ")
    assert Objects().fault(gateway(httpRoutes=[{"name": "h", "port": 1}])).startswith(f"{path}.httpRoutes[0].port: ")
    told = Objects().fault(gateway(tcpRoutes=[{"name": "h"}, {"name": "i", "useHeaderRoutes": True}]))
    assert told == f"{path}.tcpRoutes[1].useHeaderRoutes: Forbidden: a TCPRoute matches no headers"
    assert Objects().fault(gateway(configMap="older", tlsRoutes=[{"name": "h", "useHeaderRoutes": False}])) == ""


def test_backends_are_told_by_services_so_these_have_to_be_named() -> None:
    manifest = make.rollout(canary={"stableService": "s", "trafficRouting": {"plugins": {GATEWAY_API: {}}}})
    (subject,) = routers(Rollout.model_validate(manifest), SETTINGS)
    assert Objects().fault(subject).startswith('spec.strategy.canary.canaryService: Invalid value: "": Canary service')


def test_services_that_take_turns_are_told_by_the_split() -> None:
    manifest = make.rollout(
        canary={
            "pingPong": {"pingService": "ping", "pongService": "pong"},
            "trafficRouting": {"plugins": {GATEWAY_API: {"httpRoute": "h"}}},
        }
    )
    (subject,) = routers(Rollout.model_validate(manifest), SETTINGS)
    objects = Objects(route(rule(backend("ping"), backend("pong"))))
    assert objects.fault(subject) == ""
    objects.say(subject, Split(Destination("pong", Hash("new"), 15), Destination("ping", Hash("old"), 85)))
    assert weights(rules(objects)[0]) == {"pong": 15, "ping": 85}
