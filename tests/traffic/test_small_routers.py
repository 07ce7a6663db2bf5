"""SMI, Traefik, APISIX, Ambassador and App Mesh."""

from typing import Any

import pytest

from rollouts.api.canary import SetHeaderRoute
from rollouts.decide.plan import Destination, HeaderRoute
from rollouts.decide.world import Hash
from rollouts.traffic.base import RoutingError
from tests.traffic.stage import Obj, Objects, header, router, split


def thing(kind: str, name: str, spec: Obj, **metadata: Any) -> Obj:
    return {
        "apiVersion": "x/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": "default", **metadata},
        "spec": spec,
    }


# ── SMI ──


def test_smi_makes_a_split_of_its_own_and_keeps_it() -> None:
    objects, subject = Objects(), router("smi", {"rootService": "root"})
    assert objects.say(subject, split(10)) == ["TrafficSplitCreated"]
    made = objects.one("TrafficSplit", "r")
    assert made["apiVersion"] == "split.smi-spec.io/v1alpha1"
    assert made["spec"] == {
        "service": "root",
        "backends": [{"service": "canary", "weight": "10"}, {"service": "stable", "weight": "90"}],
    }
    assert objects.say(subject, split(20, additional=(Destination("e", Hash("x"), 5),))) == ["TrafficSplitModified"]
    backends = objects.one("TrafficSplit", "r")["spec"]["backends"]
    assert [(one["service"], one["weight"]) for one in backends] == [("canary", "20"), ("e", "5"), ("stable", "75")]


def test_smi_leaves_somebody_elses_split_alone() -> None:
    objects = Objects(thing("TrafficSplit", "mine", {}))
    with pytest.raises(RoutingError, match="Rollout does not own TrafficSplit `mine`"):
        objects.edits(router("smi", {"trafficSplitName": "mine"}), split(10))


# ── Traefik ──


def traefik_service(*names: str) -> Obj:
    services = [{"name": name, "port": 80, "sticky": {"cookie": {}}} for name in names]
    return thing("TraefikService", "t", {"weighted": {"services": services, "healthCheck": {}}})


TRAEFIK = router("traefik", {"weightedTraefikServiceName": "t"})


def test_traefik_weighs_two_services_and_leaves_the_others() -> None:
    objects = Objects(traefik_service("stable", "other", "canary"))
    assert objects.say(TRAEFIK, split(30)) == ["TraefikServiceUpdated"]
    services = objects.one("TraefikService", "t")["spec"]["weighted"]["services"]
    assert [(one["name"], one.get("weight")) for one in services] == [("stable", 70), ("other", None), ("canary", 30)]
    assert all(one["sticky"] == {"cookie": {}} for one in services)


@pytest.mark.parametrize(
    ("found", "fault"),
    [
        ([], 'traefikservices.traefik.io "t" not found'),
        ([thing("TraefikService", "t", {})], "spec.weighted.services was not found"),
        ([traefik_service("stable")], "traefik canary service was not found"),
        ([traefik_service("canary")], "traefik stable service was not found"),
    ],
)
def test_traefik_says_what_is_missing_and_writes_nothing(found: list[Obj], fault: str) -> None:
    with pytest.raises(RoutingError, match=fault):
        Objects(*found).edits(TRAEFIK, split(30))


# ── APISIX ──


def apisix_route(*rules: str) -> Obj:
    backends = [{"serviceName": "stable", "servicePort": 80}, {"serviceName": "canary", "servicePort": 80}]
    http = [{"name": name, "match": {"hosts": ["shop"], "paths": ["/*"]}, "backends": backends} for name in rules]
    return thing("ApisixRoute", "route", {"http": http, "stream": ["kept"]})


def apisix(*rules: str, managed: tuple[str, ...] = ()) -> Any:
    route: Obj = {"name": "route", **({"rules": list(rules)} if rules else {})}
    return router("apisix", {"route": route}, managed=managed)


def shares(rule: Obj) -> Obj:
    return {one["serviceName"]: one.get("weight") for one in rule["backends"]}


def test_apisix_weighs_the_named_rules_only() -> None:
    objects = Objects(apisix_route("a", "b"))
    objects.say(apisix("b"), split(30))
    rules = objects.one("ApisixRoute", "route")["spec"]["http"]
    assert [shares(rule) for rule in rules] == [{"stable": None, "canary": None}, {"stable": 70, "canary": 30}]
    assert objects.one("ApisixRoute", "route")["spec"]["stream"] == ["kept"]


def test_apisix_takes_the_rule_named_like_the_route_when_none_is_named() -> None:
    objects = Objects(apisix_route("route", "b"))
    objects.say(apisix(), split(30))
    assert shares(objects.one("ApisixRoute", "route")["spec"]["http"][0]) == {"stable": 70, "canary": 30}


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"exact": "1.2"}, ("Equal", "1.2")),
        ({"prefix": "1.2"}, ("RegexMatch", r"^1\.2.*")),
        ({"regex": "1."}, ("RegexMatch", "1.")),
    ],
)
def test_an_apisix_header_route_says_what_the_header_is_like(value: Obj, said: tuple[str, str]) -> None:
    match = SetHeaderRoute.model_validate({"name": "h", "match": [{"headerName": "X", "headerValue": value}]}).match
    objects = Objects(apisix_route("route"))
    objects.say(apisix(managed=("h",)), split(30, routes=(HeaderRoute("h", match),), managed=("h",)))
    (expression,) = objects.one("ApisixRoute", "h")["spec"]["http"][0]["match"]["exprs"]
    assert (expression["op"], expression["value"]) == said


def test_an_apisix_header_route_is_a_route_of_its_own_that_goes_again() -> None:
    objects, subject = Objects(apisix_route("a", "b")), apisix("b", managed=("h",))
    objects.say(subject, split(30, routes=(header("h", agent="x"),), managed=("h",)))
    made = objects.one("ApisixRoute", "h")
    assert made["metadata"]["ownerReferences"][0]["uid"] == "uid-r"
    (rule,) = made["spec"]["http"]
    assert (rule["priority"], shares(rule)) == (1, {"canary": 100})
    assert rule["match"]["exprs"] == [{"subject": {"scope": "Header", "name": "agent"}, "op": "Equal", "value": "x"}]
    objects.say(subject, split(0, managed=("h",)))
    assert ("ApisixRoute", "h") not in objects.all


def test_an_apisix_route_of_somebody_else_is_neither_taken_nor_deleted() -> None:
    objects, subject = Objects(apisix_route("route"), thing("ApisixRoute", "h", {})), apisix(managed=("h",))
    with pytest.raises(RoutingError, match=r"duplicate ApisixRoute \[h\] already exists"):
        objects.edits(subject, split(30, routes=(header("h", agent="x"),), managed=("h",)))
    objects.say(subject, split(30, managed=("h",)))
    assert objects.one("ApisixRoute", "h")


@pytest.mark.parametrize(
    ("found", "fault"),
    [
        ([thing("ApisixRoute", "route", {})], "spec.http was not found"),
        ([apisix_route("x")], "Apisix http route rule route not found"),
        ([thing("ApisixRoute", "route", {"http": [{"name": "route"}]})], "route backends not found"),
        (
            [thing("ApisixRoute", "route", {"http": [{"name": "route", "backends": [{"serviceName": "stable"}]}]})],
            "apisix route canary backend was not found",
        ),
    ],
)
def test_apisix_says_what_is_missing(found: list[Obj], fault: str) -> None:
    with pytest.raises(RoutingError, match=fault):
        Objects(*found).edits(apisix(), split(30))


def test_apisix_without_a_route_is_refused() -> None:
    told = Objects().fault(router("apisix", {}))
    assert told.startswith("spec.strategy.canary.trafficRouting.apisix.route: Required value")


# ── Ambassador ──


def mapping(name: str = "m", **spec: Any) -> Obj:
    return thing("Mapping", name, {"prefix": "/x", "service": "stable:80", **spec})


def ambassador(recorded: int | None = None) -> Any:
    weights = {"canary": {"weight": recorded}, "stable": {"weight": 100 - recorded}} if recorded is not None else None
    return router("ambassador", {"mappings": ["m"]}, status={"canary": {"weights": weights}})


def test_an_ambassador_canary_mapping_lives_as_long_as_its_weight() -> None:
    objects = Objects(mapping(timeout_ms=5))
    assert objects.say(ambassador(), split(0)) == []
    objects.say(ambassador(0), split(30))
    assert objects.one("Mapping", "m-canary")["spec"] == {
        "prefix": "/x",
        "service": "canary:80",
        "timeout_ms": 5,
        "weight": 30,
    }
    objects.say(ambassador(30), split(0))
    assert objects.one("Mapping", "m-canary")["spec"]["weight"] == 0, "Ambassador has to see the 0 first"
    (edit,) = objects.edits(ambassador(0), split(0))
    assert edit.want is None


def test_an_ambassador_base_mapping_must_be_there_without_weight() -> None:
    assert "must provide at least one mapping" in Objects().fault(router("ambassador", {"mappings": []}))
    assert 'mappings.getambassador.io "m" not found' in Objects().fault(ambassador())
    weighted = Objects(mapping(weight=5))
    assert 'Ambassador mapping "m" can not define weight' in weighted.fault(ambassador())


# ── App Mesh ──

MESH: Obj = {
    "virtualService": {"name": "vs"},
    "virtualNodeGroup": {"canaryVirtualNodeRef": {"name": "vn-c"}, "stableVirtualNodeRef": {"name": "vn-s"}},
}


MESH_PATH = "spec.strategy.canary.trafficRouting.appMesh.virtualNodeGroup"


def mesh() -> Objects:
    targets = [{"virtualNodeRef": {"name": name}, "weight": 50} for name in ("vn-c", "vn-s")]
    route = {"name": "primary", "httpRoute": {"match": {"prefix": "/"}, "action": {"weightedTargets": targets}}}
    return Objects(
        thing("VirtualService", "vs", {"provider": {"virtualRouter": {"virtualRouterRef": {"name": "vr"}}}}),
        thing("VirtualRouter", "vr", {"routes": [route]}),
        thing("VirtualNode", "vn-c", {"podSelector": {"matchLabels": {"app": "x"}}}),
        thing("VirtualNode", "vn-s", {}),
    )


def test_app_mesh_nodes_follow_the_pods_before_the_router_the_weights() -> None:
    objects, subject = mesh(), router("appMesh", MESH)
    assert objects.say(subject, split(30)) == ["VirtualNodeUpdated", "VirtualNodeUpdated", "VirtualRouterUpdated"]
    node = objects.one("VirtualNode", "vn-c")["spec"]["podSelector"]["matchLabels"]
    assert node == {"app": "x", "rollouts-pod-template-hash": "new"}
    action = objects.one("VirtualRouter", "vr")["spec"]["routes"][0]["httpRoute"]["action"]
    assert [one["weight"] for one in action["weightedTargets"]] == [30, 70]


def test_an_app_mesh_canary_node_selects_nobody_while_there_is_no_canary() -> None:
    objects = mesh()
    objects.say(router("appMesh", MESH), split(0, same=True))
    labels = {
        name: objects.one("VirtualNode", name)["spec"]["podSelector"]["matchLabels"]["rollouts-pod-template-hash"]
        for name in ("vn-c", "vn-s")
    }
    assert labels == {"vn-c": "canary-hash", "vn-s": "old"}


def test_app_mesh_says_what_is_missing() -> None:
    assert "must provide virtual-service" in Objects().fault(router("appMesh", {}))
    assert 'virtualservices.appmesh.k8s.aws "vs" not found' in Objects().fault(router("appMesh", MESH))
    unrouted = Objects(thing("VirtualService", "vs", {}))
    assert "not associated with virtual-router" in unrouted.fault(router("appMesh", MESH))
    alone = {**MESH, "virtualNodeGroup": {"stableVirtualNodeRef": {"name": "vn-s"}}}
    for spec, role in ((alone, "canary"), ({"virtualService": {"name": "vs"}}, "canary")):
        told = mesh().fault(router("appMesh", spec))
        assert told == f"{MESH_PATH}.{role}VirtualNodeRef: Required value: weights are those of two virtual-nodes"
    objects = mesh()
    del objects.all["VirtualNode", "vn-c"]
    with pytest.raises(RoutingError, match="Virtual-node is missing"):
        objects.edits(router("appMesh", MESH), split(30))


def test_app_mesh_edits_the_named_routes_only_and_misses_none() -> None:
    named = {**MESH, "virtualService": {"name": "vs", "routes": ["primary"]}}
    objects = mesh()
    routes = objects.one("VirtualRouter", "vr")["spec"]["routes"]
    objects.one("VirtualRouter", "vr")["spec"]["routes"] = [*routes, {**routes[0], "name": "other"}]
    objects.say(router("appMesh", named), split(30))
    found = objects.one("VirtualRouter", "vr")["spec"]["routes"]
    weights = [[one["weight"] for one in route["httpRoute"]["action"]["weightedTargets"]] for route in found]
    assert weights == [[30, 70], [50, 50]]
    wrong = {**MESH, "virtualService": {"name": "vs", "routes": ["primary", "secondary"]}}
    with pytest.raises(RoutingError, match="route `secondary` is not found in virtual-router"):
        objects.edits(router("appMesh", wrong), split(40))
