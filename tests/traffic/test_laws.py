"""The ordering laws, judged by what the routing objects of each router make of the traffic, not by what was planned.

Random courses with crashes after any single write (in the middle of a split, too), reads that are behind, and people
who put their objects back to what their repository says. After every write of ours:

* each choice of a router shares out all of the traffic, and only to Services that there are;
* a share grows only where available pods cover it, and no pods are taken away that a share or a route leads to;
* a destination with a share changes its pods only towards a stable version;
* routes for certain requests lead to available pods.

And in the end all traffic is on stable, and the users' objects read as they did before the update.
"""

import copy
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests import make
from tests.decide.courses import check_end, do, finish
from tests.decide.test_experiments import tries
from tests.traffic import plane, users
from tests.traffic.driven import Case, Driven
from tests.traffic.stage import Obj
from tests.traffic.users import Users

IMAGES = ("img:1", "img:2", "img:3")
HEADER: Obj = {"setHeaderRoute": {"name": "testers", "match": [{"headerName": "agent", "headerValue": {"exact": "x"}}]}}
MIRROR: Obj = {"setMirrorRoute": {"name": "copies", "match": [{"method": {"exact": "GET"}}], "percentage": 50}}


def istio_by_service() -> Users:
    found = users.istio()
    spec = copy.deepcopy(found.objects[0])
    (route,) = (route for route in spec["spec"]["http"] if route.get("name") == "main")
    for name, destination in zip(("stable", "canary"), route["route"], strict=True):
        destination["destination"] = {"host": name, "port": {"number": 80}}
    return Users("istio", {"virtualService": {"name": "vs", "routes": ["main"]}}, (spec,), ("istio",))


def by_turns(made: Users) -> Users:
    """The same for two Services that take turns: neither is called canary or stable."""
    text = json.dumps([made.value, made.objects])
    value, objects = json.loads(text.replace('"stable"', '"pong"').replace('"canary"', '"ping"'))
    return Users(made.dialect, value, tuple(objects), made.files)


def alb_by_turns() -> Users:
    made = users.alb()
    (ingress,) = json.loads(json.dumps(made.objects).replace('"stable"', '"root"'))
    return Users(made.dialect, {**made.value, "rootService": "root"}, (ingress,))


CASES = {
    "istio": Case(users.istio, plane.istio, tries=True, routes=True, mirrors=True),
    "istio by Service": Case(istio_by_service, plane.istio, tries=True, routes=True, mirrors=True),
    "istio by turns": Case(lambda: by_turns(istio_by_service()), plane.istio, routes=True, mirrors=True, turns=True),
    "nginx": Case(users.nginx, plane.nginx),
    "alb": Case(users.alb, plane.alb, tries=True, routes=True),
    "alb by turns": Case(alb_by_turns, plane.alb, tries=True, routes=True, turns=True),
    "smi": Case(users.smi, plane.smi, tries=True),
    "ambassador": Case(users.ambassador, plane.ambassador),
    "app mesh": Case(users.app_mesh, plane.app_mesh),
    "traefik": Case(users.traefik, plane.traefik),
    "apisix": Case(users.apisix, plane.apisix, routes=True),
    "gateway": Case(users.gateway, plane.gateway, tries=True, routes=True, mirrors=True),
    "gateway by turns": Case(lambda: by_turns(users.gateway()), plane.gateway, routes=True, turns=True),
}

rare = st.one_of(
    st.tuples(st.just("image"), st.sampled_from(IMAGES)),
    st.tuples(st.just("replicas"), st.integers(0, 5)),
    *(st.tuples(st.just(what), st.none()) for what in ("retry", "full", "git")),
    st.tuples(st.just("skip"), st.integers(1, 3)),
    st.tuples(st.just("pause"), st.booleans()),
    st.tuples(st.just("mark"), st.sampled_from("abc")),
    st.tuples(st.just("become"), st.sampled_from(["Running", "Successful", "Failed", "Inconclusive"])),
)
common = st.one_of(
    st.tuples(st.just("ready"), st.tuples(st.sampled_from(IMAGES), st.integers(0, 5))),
    st.tuples(st.just("pass"), st.one_of(st.none(), st.integers(0, 4))),
    st.tuples(st.just("wait"), st.sampled_from([1, 10, 40])),
    *(st.tuples(st.just(what), st.none()) for what in ("run", "run", "settle", "promote", "abort")),
    st.tuples(st.just("partly"), st.integers(1, 2)),
    st.tuples(st.just("become"), st.just("Running")),
)
deeds = st.lists(st.one_of(common, common, rare), min_size=3, max_size=16).map(
    lambda found: [("image", "img:2"), ("partly", 1), ("run", None), ("promote", None), ("partly", 1), *found]
)
canaries = st.fixed_dictionaries(
    {},
    optional={
        "abortScaleDownDelaySeconds": st.sampled_from([0, 5, 30]),
        "minPodsPerReplicaSet": st.integers(1, 3),
    },
)
shrinking = st.sampled_from([{}, {"scaleDownDelaySeconds": 1}, {"dynamicStableScale": True}])
canaries = st.builds(lambda one, other: {**one, **other}, canaries, shrinking)


def steps_of(case: Case) -> st.SearchStrategy[list[Obj]]:
    scales = [{"replicas": 0}, {"replicas": 1}, {"replicas": 3}, {"weight": 50}, {"matchTrafficWeight": True}]
    kinds = [
        st.sampled_from([0, 10, 20, 50, 80, 100]).map(make.weight),
        st.sampled_from([make.pause(), make.pause("10s")]),
        st.sampled_from([{"setCanaryScale": scale} for scale in scales]),
    ]
    if case.routes:
        kinds.append(st.sampled_from([HEADER, HEADER, {"setHeaderRoute": {"name": "testers"}}]))
    if case.mirrors:
        kinds.append(st.just(MIRROR))
    if case.tries:
        kinds.append(st.sampled_from([tries(5), tries(10, duration="10s")]))
    return st.lists(st.one_of(kinds), max_size=6).map(lambda found: [*found[:1], make.weight(40), *found[1:]])


def play(driven: Driven, deed: str, what: Any) -> None:
    match deed:
        case "run":
            driven.going()
        case "partly":
            driven.partly(what)
        case "become":
            driven.become(what)
        case "git":
            driven.put_back()
        case "mark":
            driven.annotate(what)
        case _:
            do(driven, deed, what)


@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(data=st.data(), canary=canaries, replicas=st.integers(1, 5), deeds=deeds)
@pytest.mark.parametrize("name", CASES)
def test_what_routing_objects_say_keeps_the_laws_and_comes_home(
    name: str, data: st.DataObject, canary: Obj, replicas: int, deeds: list[tuple[str, Any]]
) -> None:
    case = CASES[name]
    driven = Driven(case, *data.draw(steps_of(case)), replicas=replicas, canary=canary)
    driven.run()
    for deed, what in deeds:
        play(driven, deed, what)
    finish(driven)
    check_end(driven, *driven.names[1 if case.turns else 0 :])
    stable = {plane.Place(driven.names[1]), plane.Place(hash=driven.status["stableRS"])}
    for way in case.read(driven.objects):
        assert way.reached.keys() <= stable
        assert not way.special
