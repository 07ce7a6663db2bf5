"""Istio beyond http weights: header and mirror routes, DestinationRule subsets, tls and tcp routes."""

from typing import Any

import pytest

from rollouts.api.canary import SetHeaderRoute, SetMirrorRoute
from rollouts.api.rollout import Rollout
from rollouts.decide.plan import Destination, HeaderRoute, MirrorRoute, Split
from rollouts.decide.world import Hash
from rollouts.kube.refs import Ref
from rollouts.traffic.base import RoutingError, TrafficSettings
from rollouts.traffic.istio.destinationrule import release
from rollouts.traffic.registry import routers
from tests import make
from tests.traffic.test_istio import destination, found, virtual_service, weights

Obj = dict[str, Any]
SETTINGS = TrafficSettings()
PRIMARY: Obj = {"name": "primary", "route": [destination("stable", 100, port={"number": 80}), destination("canary", 0)]}


def router(istio: Obj | None = None, managed: tuple[str, ...] = (), **canary: Any) -> Any:
    routing = {
        "istio": istio or {"virtualService": {"name": "vs"}},
        "managedRoutes": [{"name": name} for name in managed],
    }
    manifest = make.rollout(make.weight(20), canary={**make.ISTIO, "trafficRouting": routing, **canary})
    (built,) = routers(Rollout.model_validate(manifest), SETTINGS)
    return built


def split(canary: int, **rest: Any) -> Split:
    return Split(Destination("canary", Hash("new"), canary), Destination("stable", Hash("old"), 100 - canary), **rest)


def header(name: str = "head", **value: str) -> HeaderRoute:
    wanted = {"name": name, "match": [{"headerName": "agent", "headerValue": value or {"exact": "x"}}]}
    return HeaderRoute(name, SetHeaderRoute.model_validate(wanted).match)


def mirror(name: str = "copy", percentage: int = 100, **match: Any) -> MirrorRoute:
    wanted = {"name": name, "match": [match or {"method": {"exact": "GET"}}]}
    return MirrorRoute(name, SetMirrorRoute.model_validate(wanted).match, percentage)


def edited(vs: Obj, wanted: Split, subject: Any = None) -> Obj:
    subject = subject or router(managed=("head", "copy"))
    edits = [edit for edit in subject.edit(found(vs), wanted) if edit.ref.resource == SETTINGS.virtual_services]
    return edits[0].want if edits else vs


MANAGED = ("head", "copy")


@pytest.mark.parametrize("value", [{"exact": "x"}, {"prefix": "x"}, {"regex": "x.*"}])
def test_a_header_route_sends_matching_requests_to_the_canary(value: Obj) -> None:
    after = edited(virtual_service(PRIMARY), split(20, routes=(header(**value),), managed=MANAGED))
    assert after["spec"]["http"][0] == {
        "name": "head",
        "match": [{"headers": {"agent": value}}],
        "route": [{"destination": {"host": "canary", "port": {"number": 80}}, "weight": 100}],
    }
    assert weights(after, 1) == {"stable": 80, "canary": 20}


def test_a_mirror_route_copies_requests_and_follows_the_weights() -> None:
    wanted = split(
        20, routes=(mirror(percentage=35, path={"prefix": "/api"}, headers={"a": {"exact": "b"}}),), managed=MANAGED
    )
    after = edited(virtual_service(PRIMARY), wanted)
    assert after["spec"]["http"][0] == {
        "name": "copy",
        "match": [{"uri": {"prefix": "/api"}, "headers": {"a": {"exact": "b"}}}],
        "route": [
            {"destination": {"host": "stable", "port": {"number": 80}}, "weight": 80},
            {"destination": {"host": "canary"}, "weight": 20},
        ],
        "mirror": {"host": "canary", "port": {"number": 80}},
        "mirrorPercentage": {"value": 35},
    }


def test_ours_come_first_in_their_order_and_others_keep_theirs() -> None:
    other = {"name": "other", "match": [{"uri": {"exact": "/x"}}], "route": PRIMARY["route"]}
    istio = {"virtualService": {"name": "vs", "routes": ["primary"]}}
    wanted = split(0, routes=(mirror(), header()), managed=("copy", "head"))
    subject = router(istio, managed=("copy", "head"))
    after = edited(virtual_service(other, PRIMARY), wanted, subject)
    assert [route["name"] for route in after["spec"]["http"]] == ["copy", "head", "other", "primary"]


@pytest.mark.parametrize("name", [{}, {"name": "primary"}], ids=["without a name", "by name"])
def test_the_only_route_of_others_keeps_getting_weights_beside_a_header_route(name: Obj) -> None:
    """Upstream then silently writes none to one that has a name."""
    primary = {**name, "route": PRIMARY["route"]}
    first = edited(virtual_service(primary), split(0, routes=(header(),), managed=MANAGED))
    after = edited(first, split(30, routes=(header(),), managed=MANAGED))
    assert weights(after, 1) == {"stable": 70, "canary": 30}


@pytest.mark.parametrize("name", [{}, {"name": "primary"}], ids=["without a name", "by name"])
def test_the_only_route_of_others_keeps_getting_weights_beside_a_mirror(name: Obj) -> None:
    """Upstream then writes those of the mirror alone."""
    primary = {**name, "route": PRIMARY["route"]}
    first = edited(virtual_service(primary), split(0, routes=(mirror(),), managed=MANAGED))
    after = edited(first, split(30, routes=(mirror(),), managed=MANAGED))
    assert [weights(after, place) for place in (0, 1)] == [{"stable": 70, "canary": 30}] * 2


def test_managed_routes_that_stood_behind_others_come_first_in_their_order() -> None:
    header_routes = (header("b"), header("a"))
    behind = [{"name": name, "route": [destination("canary", 100)]} for name in ("x", "a", "b")]
    istio = {"virtualService": {"name": "vs", "routes": ["primary"]}}
    wanted = split(0, routes=header_routes, managed=("b", "a"))
    after = edited(virtual_service(*behind, PRIMARY), wanted, router(istio, ("b", "a")))
    assert [route["name"] for route in after["spec"]["http"]] == ["b", "a", "x", "primary"]


def test_a_route_that_stands_already_is_not_written_again() -> None:
    """Upstream updates it in each pass."""
    wanted = split(20, routes=(header(), mirror()), managed=MANAGED)
    after = edited(virtual_service(PRIMARY), wanted)
    assert list(router(managed=MANAGED).edit(found(after), wanted)) == []


def test_unnamed_routes_are_not_multiplied() -> None:
    """Upstream makes n² of n unnamed routes."""
    plain = {"route": PRIMARY["route"]}
    istio = {"virtualService": {"name": "vs", "routes": ["primary"]}}
    before = virtual_service(plain, plain, PRIMARY)
    after = edited(before, split(0, routes=(header(),), managed=MANAGED), router(istio, MANAGED))
    assert len(after["spec"]["http"]) == 4


def test_routes_that_stand_no_longer_are_removed_once() -> None:
    with_route = edited(virtual_service(PRIMARY), split(20, routes=(header(), mirror()), managed=MANAGED))
    after = edited(with_route, split(0, managed=MANAGED))
    assert after == virtual_service(PRIMARY)
    assert list(router(managed=MANAGED).edit(found(after), split(0, managed=MANAGED))) == []


# ── DestinationRule ──

SUBSETS: Obj = {
    "virtualService": {"name": "vs"},
    "destinationRule": {"name": "rule", "canarySubsetName": "c", "stableSubsetName": "s"},
}
BY_SUBSET: Obj = {"route": [destination("shop", 100, subset="s"), destination("shop", 0, subset="c")]}


def rule(*subsets: Obj) -> Obj:
    return {
        "apiVersion": "networking.istio.io/v1alpha3",
        "kind": "DestinationRule",
        "metadata": {"name": "rule", "namespace": "default", "resourceVersion": "3"},
        "spec": {"host": "shop", "subsets": list(subsets)},
    }


def both(vs: Obj, destination_rule: Obj) -> dict[Ref, Obj]:
    return {**found(vs), Ref(SETTINGS.destination_rules, "default", "rule"): destination_rule}


def subset_router(managed: tuple[str, ...] = ()) -> Any:
    return router(SUBSETS, managed, canaryService="", stableService="")


def test_subsets_select_pods_by_hash_before_they_get_a_share() -> None:
    before = rule({"name": "s", "labels": {"app": "x"}}, {"name": "c", "trafficPolicy": {"a": 1}}, {"name": "qa"})
    edits = list(subset_router().edit(both(virtual_service(BY_SUBSET), before), split(20)))
    assert [edit.event.reason for edit in edits] == ["UpdatedDestinationRule", "Updated VirtualService"]
    after = edits[0].want
    assert after["metadata"]["annotations"] == {"argo-rollouts.argoproj.io/managed-by-rollouts": "r"}
    assert after["spec"]["subsets"] == [
        {"name": "s", "labels": {"app": "x", "rollouts-pod-template-hash": "old"}},
        {"name": "c", "trafficPolicy": {"a": 1}, "labels": {"rollouts-pod-template-hash": "new"}},
        {"name": "qa"},
    ]
    shares = {d["destination"]["subset"]: d["weight"] for d in edits[1].want["spec"]["http"][0]["route"]}
    assert shares == {"s": 80, "c": 20}
    settled = both(edits[1].want, after)
    assert list(subset_router().edit(settled, split(20))) == []


@pytest.mark.parametrize(("weight", "first"), [(0, "Updated VirtualService"), (20, "UpdatedDestinationRule")])
def test_a_subset_gives_up_its_share_before_it_changes_its_pods_and_has_them_before_it_gets_one(
    weight: int, first: str
) -> None:
    old = {"rollouts-pod-template-hash": "old"}
    before = rule({"name": "s", "labels": old}, {"name": "c", "labels": {"rollouts-pod-template-hash": "older"}})
    shared = {"route": [destination("shop", 50, subset="s"), destination("shop", 50, subset="c")]}
    edits = list(subset_router().edit(both(virtual_service(shared), before), split(weight)))
    others = {"Updated VirtualService", "UpdatedDestinationRule"} - {first}
    assert [edit.event.reason for edit in edits] == [first, *others]


def test_subsets_of_experiments_come_and_go() -> None:
    extra = Destination("exp", Hash("e"), 0)
    before = rule({"name": "s"}, {"name": "c"}, {"name": "qa"})
    vs = virtual_service(BY_SUBSET)
    (edit, *_) = subset_router().edit(both(vs, before), split(20, additional=(extra,)))
    assert {"name": "exp", "labels": {"rollouts-pod-template-hash": "e"}} in edit.want["spec"]["subsets"]
    (edit, *_) = subset_router().edit(both(vs, edit.want), split(20))
    assert [subset["name"] for subset in edit.want["spec"]["subsets"]] == ["s", "c", "qa"]


def test_a_header_route_goes_to_the_subset_of_the_rule() -> None:
    (_, edit) = subset_router(("head",)).edit(
        both(virtual_service(BY_SUBSET), rule({"name": "s"}, {"name": "c"})),
        split(0, routes=(header(),), managed=("head",)),
    )
    assert edit.want["spec"]["http"][0]["route"] == [{"destination": {"host": "shop", "subset": "c"}, "weight": 100}]


def test_a_missing_rule_or_subset_is_named() -> None:
    with pytest.raises(RoutingError, match='"rule" not found'):
        list(subset_router().edit(found(virtual_service(BY_SUBSET)), split(20)))
    lacking = virtual_service({"route": [destination("shop", 100, subset="s")]})
    assert "Canary DestinationRule subset 'c' not found in route" in subset_router().fault(found(lacking))


def test_other_subsets_keep_their_share() -> None:
    istio = {**SUBSETS, "destinationRule": {**SUBSETS["destinationRule"], "additionalSubsetNames": ["exp"]}}
    three = {"route": [*BY_SUBSET["route"], destination("shop", 20, subset="exp")]}
    subject = router(istio, canaryService="", stableService="")
    for canary, stable in ((30, 50), (90, 0)):
        (*_, edit) = subject.edit(both(virtual_service(three), rule({"name": "s"}, {"name": "c"})), split(canary))
        shares = {d["destination"]["subset"]: d["weight"] for d in edit.want["spec"]["http"][0]["route"]}
        assert shares == {"s": stable, "c": canary, "exp": 20}


def test_a_released_rule_selects_by_hash_no_longer() -> None:
    before = rule({"name": "s", "labels": {"app": "x"}}, {"name": "c", "labels": {}})
    (edit, *_) = subset_router().edit(both(virtual_service(BY_SUBSET), before), split(20))
    assert release(edit.want)["spec"] == before["spec"]
    assert release(edit.want)["metadata"]["annotations"] == {}


# ── tls and tcp ──


def secure(port: int | None, *hosts: str) -> Obj:
    match: Obj = {"sniHosts": list(hosts), **({"port": port} if port else {})}
    return {"match": [match], "route": [destination("stable", 100), destination("canary", 0)]}


def other_sections(**sections: Any) -> Obj:
    vs = virtual_service()
    return {**vs, "spec": {"hosts": ["shop"], **sections}}


def test_a_sole_tls_route_is_edited() -> None:
    after = edited(other_sections(tls=[secure(443, "a")]), split(20), router())
    assert [d["weight"] for d in after["spec"]["tls"][0]["route"]] == [80, 20]


def test_tls_routes_are_found_by_port_and_names_in_any_order() -> None:
    istio = {"virtualService": {"name": "vs", "tlsRoutes": [{"port": 443, "sniHosts": ["b", "a"]}]}}
    vs = other_sections(tls=[secure(443, "c"), secure(443, "a", "b"), secure(8443, "a", "b")])
    after = edited(vs, split(20), router(istio))
    assert [route["route"][1]["weight"] for route in after["spec"]["tls"]] == [0, 20, 0]


@pytest.mark.parametrize(
    ("wanted", "edited_ones"),
    [
        ({"port": 443}, [20, 0, 0]),
        ({"port": 8443}, [0, 20, 0]),
        ({"sniHosts": ["a"]}, [0, 0, 20]),
        ({"sniHosts": ["b"]}, [0, 20, 0]),
    ],
)
def test_tls_routes_are_found_by_port_or_names_alone_where_none_is_without_the_other(
    wanted: Obj, edited_ones: list[int]
) -> None:
    istio = {"virtualService": {"name": "vs", "tlsRoutes": [wanted]}}
    vs = other_sections(tls=[secure(443, "a"), secure(8443, "b"), secure(None, "a")])
    after = edited(vs, split(20), router(istio))
    assert [route["route"][1]["weight"] for route in after["spec"]["tls"]] == edited_ones


def test_of_two_routes_with_one_name_the_first_is_edited() -> None:
    istio = {"virtualService": {"name": "vs", "routes": ["primary"]}}
    after = edited(virtual_service(PRIMARY, PRIMARY), split(20), router(istio))
    assert [weights(after, place)["canary"] for place in (0, 1)] == [20, 0]


@pytest.mark.parametrize(
    ("sections", "wanted", "told"),
    [
        ({}, {}, "Unable to get any of the HTTP, TCP or TLS routes for the Istio VirtualService"),
        ({"tls": [secure(443, "a")] * 2}, {}, "has invalid TLS routes. Error: spec.tls[] should be set in"),
        ({"tls": [secure(443, "a")]}, {"tlsRoutes": [{"port": 1}]}, "has invalid TLS routes. Error: No matching TLS"),
        ({"tcp": [PRIMARY]}, {"tcpRoutes": [{"port": 1}]}, "has invalid TCP routes. Error: No matching TCP routes"),
    ],
)
def test_a_fault_names_the_kind_of_route(sections: Obj, wanted: Obj, told: str) -> None:
    istio = {"virtualServices": [{"name": "vs", **wanted}]}
    fault = router(istio).fault(found(other_sections(**sections)))
    path = "spec.strategy.canary.trafficRouting.istio.virtualServices.name"
    assert fault.startswith(f'{path}: Invalid value: "vs": ')
    assert told in fault


def test_a_tls_route_on_two_ports_is_never_chosen() -> None:
    two = {**secure(443, "a"), "match": [{"port": 443, "sniHosts": ["a"]}, {"port": 8443, "sniHosts": ["a"]}]}
    istio = {"virtualService": {"name": "vs", "tlsRoutes": [{"port": 443, "sniHosts": ["a"]}]}}
    assert "No matching TLS routes found" in router(istio).fault(found(other_sections(tls=[two])))


def test_tcp_routes_are_found_by_port() -> None:
    tcp = [{"match": [{"port": port}], "route": PRIMARY["route"]} for port in (3306, 5432)]
    istio = {"virtualService": {"name": "vs", "tcpRoutes": [{"port": 5432}]}}
    after = edited(other_sections(tcp=tcp), split(20), router(istio))
    assert [route["route"][1]["weight"] for route in after["spec"]["tcp"]] == [0, 20]


def test_http_and_tls_of_one_object_are_both_edited() -> None:
    istio = {"virtualService": {"name": "vs", "routes": ["primary"]}}
    vs = other_sections(http=[PRIMARY], tls=[secure(443, "a")])
    after = edited(vs, split(20), router(istio))
    assert weights(after)["canary"] == 20
    assert after["spec"]["tls"][0]["route"][1]["weight"] == 20


@pytest.mark.parametrize("section", ["http", "tls"])
def test_each_section_of_one_object_has_to_carry_the_split(section: str) -> None:
    istio = {"virtualService": {"name": "vs", "routes": ["primary"], "tlsRoutes": [{"port": 443}]}}
    sections = {"http": [PRIMARY], "tls": [secure(443, "a")]}
    lacking = {**sections[section][0], "route": [destination("stable", 100)]}
    vs = other_sections(**{**sections, section: [lacking]})
    assert "Canary Service 'canary' not found in route" in router(istio).fault(found(vs))
    assert router(istio).fault(found(other_sections(**sections))) == ""
