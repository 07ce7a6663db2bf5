"""The Gateway API: rules that copy requests to the canary."""

from typing import Any

import pytest

from rollouts.api.canary import SetMirrorRoute
from rollouts.api.rollout import Rollout
from rollouts.api.traffic import GATEWAY_API
from rollouts.decide.plan import MirrorRoute
from rollouts.traffic.base import RoutingError
from rollouts.traffic.registry import routers
from tests import make
from tests.traffic.stage import SETTINGS, Obj, Objects, header, split
from tests.traffic.test_gateway import ROOT, backend, both, gateway, route, rule, rules, weights

MANAGED = ("copies", "testers")
GET: Obj = {"method": {"exact": "GET"}}


def mirror(*match: Obj, percentage: int = 100) -> MirrorRoute:
    wanted = SetMirrorRoute.model_validate({"name": "copies", "match": list(match) or [GET]})
    return MirrorRoute("copies", wanted.match, percentage)


def step(*match: Obj) -> Obj:
    return {"setMirrorRoute": {"name": "copies", "match": list(match) or [GET]}}


def say(objects: Objects, canary: int, *routes: Any, **config: Any) -> None:
    objects.say(gateway(MANAGED, **config), split(canary, routes=routes, managed=MANAGED))


def test_a_copying_rule_stands_before_those_of_others_and_follows_their_weights() -> None:
    found = both(name="main", filters=[{"type": "CORS"}], timeouts={"request": "3s"})
    objects = Objects(route(rule(backend("else")), found))
    before = objects.one("HTTPRoute", "h")
    say(objects, 20, mirror(percentage=35))
    to = {"backendRef": {"group": "", "kind": "Service", "name": "canary", "port": 80}, "percent": 35}
    assert rules(objects)[0] == {
        "name": "copies",
        "timeouts": {"request": "3s"},
        "matches": [{**ROOT, "method": "GET"}],
        "filters": [{"type": "CORS"}, {"type": "RequestMirror", "requestMirror": to}],
        "backendRefs": [backend("stable", 80), backend("canary", 20)],
    }
    say(objects, 60, mirror(percentage=35))
    assert [weights(each)["canary"] for each in (rules(objects)[0], rules(objects)[2])] == [60, 60]
    say(objects, 0)
    assert objects.one("HTTPRoute", "h")["spec"] == before["spec"]


def test_copies_stand_beside_header_routes_and_for_each_rule_that_carries_the_split() -> None:
    objects = Objects(route(both(), both(matches=[{"path": {"type": "Exact", "value": "/x"}}])))
    say(objects, 20, mirror(), header("testers", agent="x"))
    names = [each.get("name", "") for each in rules(objects)]
    assert names == ["copies", "copies-1", "", "", "testers", "testers-1"]
    assert "percent" not in str(rules(objects)), "all is what a mirror without percentage means"


PREFIX = {"path": {"type": "PathPrefix", "value": "/api"}}


@pytest.mark.parametrize(
    ("standing", "asked", "met"),
    [
        (PREFIX, {"path": {"prefix": "/api/v2"}}, {"path": {"type": "PathPrefix", "value": "/api/v2"}}),
        (PREFIX, {"path": {"prefix": "/"}}, PREFIX),
        (PREFIX, {"path": {"exact": "/api/x"}}, {"path": {"type": "Exact", "value": "/api/x"}}),
        (PREFIX, {"path": {"exact": "/apis"}}, None),
        (PREFIX, {"path": {"prefix": "/other"}}, None),
        (ROOT, {"path": {"regex": "/a+"}}, {"path": {"type": "RegularExpression", "value": "/a+"}}),
        ({**ROOT, "method": "POST"}, GET, None),
        ({**ROOT, "method": "GET"}, GET, {**ROOT, "method": "GET"}),
        (
            {**ROOT, "headers": [{"name": "a", "value": "1"}]},
            {"headers": {"A": {"exact": "1"}, "b": {"prefix": "2"}}},
            {
                **ROOT,
                "headers": [{"name": "a", "value": "1"}, {"name": "b", "type": "RegularExpression", "value": "2.*"}],
            },
        ),
        ({**ROOT, "headers": [{"name": "a", "value": "1"}]}, {"headers": {"a": {"exact": "2"}}}, None),
    ],
)
def test_only_requests_are_copied_that_meet_the_rule_and_the_route(standing: Obj, asked: Obj, met: Obj | None) -> None:
    objects = Objects(route(both(matches=[standing])))
    say(objects, 20, mirror(asked))
    assert [each["matches"] for each in rules(objects)[:-1]] == ([] if met is None else [[met]])


def test_two_conditions_that_nothing_says_both_of_are_told() -> None:
    objects = Objects(route(both(matches=[PREFIX])))
    subject = gateway(MANAGED)
    with pytest.raises(RoutingError, match="no condition says both path /api and path"):
        objects.edits(subject, split(20, routes=(mirror({"path": {"regex": "/a.*"}}),), managed=MANAGED))


def test_copies_are_known_again_where_the_definition_drops_their_names() -> None:
    mine = rule(
        backend("stable", 100),
        backend("canary", 0),
        matches=[{**ROOT, "method": "PUT"}],
        filters=[{"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "canary"}}}],
    )
    objects = Objects(route(mine, both()))
    subject = gateway(MANAGED, httpRoute="h", steps=(step(),))
    (edit,) = objects.edits(subject, split(5, routes=(mirror(),), managed=MANAGED))
    assert edit.want is not None
    for each in edit.want["spec"]["rules"]:
        each.pop("name", None)
    objects.all["HTTPRoute", "h"] = edit.want
    assert objects.edits(subject, split(5, routes=(mirror(),), managed=MANAGED)) == []
    objects.say(subject, split(0, managed=MANAGED))
    assert rules(objects) == [mine, both()]


@pytest.mark.parametrize(
    ("config", "match", "fault"),
    [
        ({"grpcRoute": "h"}, GET, ".setMirrorRoute: Forbidden: needs an HTTPRoute that is named with useHeaderRoutes"),
        ({"httpRoutes": [{"name": "h"}]}, GET, ".setMirrorRoute: Forbidden: needs an HTTPRoute"),
        ({"httpRoute": "h"}, {"method": {"prefix": "G"}}, ".setMirrorRoute.match[0].method: Invalid value: "),
    ],
)
def test_a_mirror_step_that_cannot_be_said_is_refused(config: Obj, match: Obj, fault: str) -> None:
    told = Objects().fault(gateway(MANAGED, steps=(step(match),), **config))
    assert told.startswith(f"spec.strategy.canary.steps[1]{fault}")
    assert Objects().fault(gateway(MANAGED, httpRoute="h", steps=(step(),))) == ""


def test_beside_istio_a_mirror_step_is_istios() -> None:
    routing = {**make.ISTIO["trafficRouting"], "plugins": {GATEWAY_API: {"grpcRoute": "h"}}}
    manifest = make.rollout(step(), canary={**make.ISTIO, "trafficRouting": routing})
    _, subject = routers(Rollout.model_validate(manifest), SETTINGS)
    assert Objects().fault(subject) == ""
