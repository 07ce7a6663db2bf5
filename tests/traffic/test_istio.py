"""Istio's dialect: which routes are edited, what the weights become, and that nothing else is touched."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollouts.api.rollout import Rollout
from rollouts.decide.plan import Destination, Split
from rollouts.decide.world import Hash
from rollouts.kube.refs import Ref
from rollouts.traffic.base import RoutingError, TrafficSettings
from rollouts.traffic.registry import needed_resources, routers
from tests import make

Obj = dict[str, Any]
SETTINGS = TrafficSettings()


def destination(host: str, weight: int | None = None, **rest: Any) -> Obj:
    found: Obj = {"destination": {"host": host, **rest}}
    return found if weight is None else {**found, "weight": weight}


def virtual_service(*http: Obj, name: str = "vs") -> Obj:
    return {
        "apiVersion": "networking.istio.io/v1alpha3",
        "kind": "VirtualService",
        "metadata": {"name": name, "namespace": "default", "resourceVersion": "7"},
        "spec": {"hosts": ["shop"], "http": list(http)},
    }


def split(canary: int, *additional: Destination) -> Split:
    stable = 100 - canary - sum(extra.weight for extra in additional)
    return Split(
        Destination("canary", Hash("new"), canary), Destination("stable", Hash("old"), stable), tuple(additional)
    )


def router(istio: Obj | None = None) -> Any:
    routing = {"istio": istio or {"virtualService": {"name": "vs"}}}
    manifest = make.rollout(make.weight(20), canary={**make.ISTIO, "trafficRouting": routing})
    (found,) = routers(Rollout.model_validate(manifest), SETTINGS)
    return found


def found(*objects: Obj) -> dict[Ref, Obj]:
    resource = SETTINGS.virtual_services
    return {Ref(resource, vs["metadata"]["namespace"], vs["metadata"]["name"]): vs for vs in objects}


def edited(before: Obj, wanted: Split, istio: Obj | None = None) -> Obj:
    untouched = copy.deepcopy(before)
    edits = list(router(istio).edit(found(before), wanted))
    assert before == untouched, "what was found is shared and must not be changed"
    return edits[0].want if edits else before


def weights(vs: Obj, route: int = 0) -> dict[str, int | None]:
    return {d["destination"]["host"]: d.get("weight") for d in vs["spec"]["http"][route]["route"]}


def test_weights_are_set_in_place() -> None:
    before = virtual_service({"route": [destination("stable", 100), destination("canary", 0)]})
    assert edited(before, split(20))["spec"]["http"] == [
        {"route": [destination("stable", 80), destination("canary", 20)]}
    ]


def test_nothing_is_written_where_the_weights_stand_already() -> None:
    before = virtual_service({"route": [destination("stable", 80), destination("canary", 20)]})
    assert list(router().edit(found(before), split(20))) == []


def test_an_edit_tells_what_it_does() -> None:
    before = virtual_service({"route": [destination("stable", 100), destination("canary", 0)]})
    (edit,) = router().edit(found(before), split(5))
    assert (edit.event.reason, edit.event.message) == (
        "Updated VirtualService",
        "VirtualService `vs` set to desiredWeight '5'",
    )


def test_hosts_count_up_to_their_first_dot() -> None:
    before = virtual_service(
        {"route": [destination("stable.default.svc.cluster.local", 100), destination("canary.default", 0)]}
    )
    assert weights(edited(before, split(30))) == {
        "stable.default.svc.cluster.local": 70,
        "canary.default": 30,
    }


def test_experiments_get_entries_and_lose_them_again() -> None:
    before = virtual_service({"route": [destination("stable", 100), destination("canary", 0)]})
    during = edited(before, split(20, Destination("ex", Hash("x"), 5)))
    assert weights(during) == {"stable": 75, "canary": 20, "ex": 5}
    assert weights(edited(during, split(20))) == {"stable": 80, "canary": 20}


def test_strangers_without_weight_stay() -> None:
    before = virtual_service({"route": [destination("stable", 100), destination("canary", 0), destination("other", 0)]})
    assert weights(edited(before, split(20))) == {"stable": 80, "canary": 20, "other": 0}


def test_a_stranger_with_a_weight_loses_its_entry() -> None:
    third = [destination("stable", 90), destination("canary", 0), destination("shadow", 10)]
    assert weights(edited(virtual_service({"route": third}), split(0))) == {"stable": 100, "canary": 0}


def test_only_the_named_routes_are_edited() -> None:
    plain = {"name": "plain", "route": [destination("stable", 100), destination("canary", 0)]}
    primary = {"name": "primary", "match": [{"uri": {"prefix": "/"}}], "route": plain["route"]}
    after = edited(
        virtual_service(plain, primary), split(20), {"virtualService": {"name": "vs", "routes": ["primary"]}}
    )
    assert weights(after, 0) == {"stable": 100, "canary": 0}
    assert weights(after, 1) == {"stable": 80, "canary": 20}
    assert after["spec"]["http"][1]["match"] == primary["match"]


def test_several_virtual_services_are_edited() -> None:
    one = virtual_service({"route": [destination("stable", 100), destination("canary", 0)]}, name="one")
    two = virtual_service({"route": [destination("canary", 0), destination("stable", 100)]}, name="two")
    istio = {"virtualServices": [{"name": "one"}, {"name": "two"}]}
    edits = list(router(istio).edit(found(one, two), split(40)))
    assert [edit.ref.name for edit in edits] == ["one", "two"]
    assert weights(edits[1].want) == {"canary": 40, "stable": 60}


@pytest.mark.parametrize(
    ("written", "namespace", "name"),
    [
        ("vs", "default", "vs"),
        ("vs.mesh", "mesh", "vs"),
        ("a.b.mesh", "mesh", "a.b"),
        ("vs.mesh.cluster.local", "mesh", "vs"),
    ],
)
def test_a_name_may_hold_a_namespace(written: str, namespace: str, name: str) -> None:
    (ref,) = router({"virtualService": {"name": written}}).needs({})
    assert (ref.namespace, ref.name) == (namespace, name)


@pytest.mark.parametrize(
    ("http", "istio", "fault"),
    [
        ([{"route": [destination("stable", 100)]}], None, "Canary Service 'canary' not found in route"),
        ([{"route": [destination("canary", 100)]}], None, "Stable Service 'stable' not found in route"),
        (
            [{"route": [destination("stable"), destination("canary")]}] * 2,
            None,
            "it must have exactly one route when omitting",
        ),
        ([], None, "it must have exactly one route when omitting"),
        (
            [{"name": "a", "route": [destination("stable"), destination("canary")]}],
            {"virtualService": {"name": "vs", "routes": ["b"]}},
            "HTTP Route 'b' is not found in the defined Virtual Service.",
        ),
    ],
)
def test_a_virtual_service_that_cannot_carry_the_split_is_refused(http: list[Obj], istio: Obj, fault: str) -> None:
    told = router(istio).fault(found(virtual_service(*http)))
    path = "spec.strategy.canary.trafficRouting.istio.virtualService.name"
    assert told.startswith(f'{path}: Invalid value: "vs": Istio VirtualService has invalid HTTP routes. Error: ')
    assert fault in told
    with pytest.raises(RoutingError, match=fault.split("(")[0]):
        list(router(istio).edit(found(virtual_service(*http)), split(20)))


def test_a_kind_of_route_that_a_virtual_service_has_none_of_is_not_asked_for() -> None:
    tls = {
        "match": [{"port": 3000, "sniHosts": ["shop"]}],
        "route": [destination("stable", 100), destination("canary", 0)],
    }
    vs = virtual_service()
    vs["spec"] = {"hosts": ["shop"], "tls": [tls]}
    istio = {"virtualService": {"name": "vs", "routes": ["primary"], "tlsRoutes": [{"port": 3000}]}}
    assert router(istio).fault(found(vs)) == ""
    after = edited(vs, split(20), istio)
    assert [entry["weight"] for entry in after["spec"]["tls"][0]["route"]] == [80, 20]
    assert "http" not in after["spec"]


def test_a_missing_virtual_service_is_named() -> None:
    assert router().fault({}).endswith('"vs": virtualservices.networking.istio.io "vs" not found')


def test_one_or_several_must_be_named() -> None:
    both = {"virtualService": {"name": "vs"}, "virtualServices": [{"name": "vs"}]}
    assert "either VirtualService or VirtualServices must be configured" in router(both).fault({})


def test_istio_is_asked_before_other_routers_and_stops_them_by_what_it_lacks() -> None:
    given = {"istio": {"virtualService": {"name": "vs"}}, "smi": {}}
    manifest = make.rollout(make.weight(20), canary={**make.ISTIO, "trafficRouting": given})
    asked = routers(Rollout.model_validate(manifest), SETTINGS)
    assert [type(each).__name__ for each in asked] == ["Istio", "Smi"]
    assert 'virtualservices.networking.istio.io "vs" not found' in asked[0].fault({})
    with pytest.raises(RoutingError, match="not found"):
        list(asked[0].edit({}, split(20)))


def test_without_istio_no_kind_is_needed() -> None:
    assert needed_resources(make.rollout(make.weight(20)), SETTINGS) == ()
    assert needed_resources(make.rollout(canary=make.ISTIO), SETTINGS) == (SETTINGS.virtual_services,)


routes = st.fixed_dictionaries(
    {"route": st.just([destination("stable", 100, port={"number": 80}), destination("canary", 0, x="y")])},
    optional={
        "match": st.lists(st.dictionaries(st.text(max_size=3), st.integers(), max_size=2), max_size=2),
        "timeout": st.text(max_size=4),
        "retries": st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
    },
)


@given(primary=routes, others=st.lists(routes, max_size=3), sequence=st.lists(st.integers(0, 100), max_size=6))
def test_no_sequence_of_weights_loses_anything_of_the_object(
    primary: Obj, others: list[Obj], sequence: list[int]
) -> None:
    http = [{**route, "name": f"other-{index}"} for index, route in enumerate(others)]
    before = virtual_service(*http, {**primary, "name": "primary"})
    istio = {"virtualService": {"name": "vs", "routes": ["primary"]}}
    vs = before
    for weight in (*sequence, 0):
        vs = edited(vs, split(weight), istio)
        assert weights(vs, -1) == {"stable": 100 - weight, "canary": weight}
    assert vs == before
