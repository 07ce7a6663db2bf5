"""AWS load balancers: forward actions, header routes, and the books of what is whose."""

import json
from typing import Any

import pytest

from rollouts.api.rollout import Rollout
from rollouts.decide.plan import Destination, Split
from rollouts.decide.world import Hash
from rollouts.traffic.alb import MANAGED
from rollouts.traffic.base import RoutingError
from rollouts.traffic.registry import routers
from tests import make
from tests.traffic.stage import SETTINGS, Obj, Objects, header, router, split
from tests.traffic.test_nginx import ingress, path

ACTION = "alb.ingress.kubernetes.io/actions.stable"


def action_path(service: str) -> Obj:
    backend = {"service": {"name": service, "port": {"name": "use-annotation"}}}
    return {"path": "/*", "pathType": "ImplementationSpecific", "backend": backend}


def plain(**rest: Any) -> Obj:
    return ingress({"http": {"paths": [action_path("stable"), path("else")]}}, **rest)


def alb(managed: tuple[str, ...] = (), **value: Any) -> Any:
    given = {"servicePort": 443, **value}
    return router("alb", given if "ingresses" in value else {"ingress": "main", **given}, managed=managed)


def annotations(objects: Objects, name: str = "main") -> Obj:
    found: Obj = objects.one("Ingress", name)["metadata"]["annotations"]
    return found


def groups(text: str) -> dict[str, int]:
    return {one["ServiceName"]: one["Weight"] for one in json.loads(text)["ForwardConfig"]["TargetGroups"]}


def test_the_action_is_compact_json_in_a_fixed_order() -> None:
    objects = Objects(plain())
    assert objects.say(alb(), split(10)) == ["PatchingALBIngress"]
    assert annotations(objects)[ACTION] == (
        '{"Type":"forward","ForwardConfig":{"TargetGroups":[{"ServiceName":"canary","ServicePort":"443","Weight":10},'
        '{"ServiceName":"stable","ServicePort":"443","Weight":90}]}}'
    )
    assert json.loads(annotations(objects)[MANAGED]) == {"r": [ACTION]}


def test_experiments_stand_between_canary_and_stable() -> None:
    objects = Objects(plain())
    objects.say(alb(), split(5, additional=(Destination("e", Hash("x"), 10),)))
    assert list(groups(annotations(objects)[ACTION]).items()) == [("canary", 5), ("e", 10), ("stable", 85)]


def test_stickiness_is_part_of_the_action_and_has_its_bounds() -> None:
    objects = Objects(plain())
    objects.say(alb(stickinessConfig={"enabled": True, "durationSeconds": 60}), split(5))
    config = json.loads(annotations(objects)[ACTION])["ForwardConfig"]
    assert config["TargetGroupStickinessConfig"] == {"Enabled": True, "DurationSeconds": 60}
    with pytest.raises(RoutingError, match="between 1 and 604800"):
        objects.edits(alb(stickinessConfig={"enabled": True, "durationSeconds": 0}), split(5))


def test_a_root_service_names_the_action() -> None:
    objects = Objects(ingress({"http": {"paths": [action_path("root")]}}))
    objects.say(alb(rootService="root"), split(5))
    assert groups(annotations(objects)["alb.ingress.kubernetes.io/actions.root"]) == {"canary": 5, "stable": 95}


def test_two_services_that_take_turns_share_the_action_of_the_root_service() -> None:
    objects = Objects(ingress({"http": {"paths": [action_path("root")]}}))
    wanted = Split(Destination("pong", Hash("new"), 15), Destination("ping", Hash("old"), 85))
    turns = {"pingPong": {"pingService": "ping", "pongService": "pong"}}
    manifest = make.rollout(
        canary={**turns, "trafficRouting": {"alb": {"ingress": "main", "rootService": "root", "servicePort": 443}}}
    )
    (subject,) = routers(Rollout.model_validate(manifest), SETTINGS)
    objects.say(subject, wanted)
    action = annotations(objects)["alb.ingress.kubernetes.io/actions.root"]
    assert list(groups(action).items()) == [("pong", 15), ("ping", 85)]


def test_services_that_take_turns_come_before_those_that_other_routers_share_by() -> None:
    objects = Objects(ingress({"http": {"paths": [action_path("root")]}}))
    objects.say(alb(rootService="root"), split(15, turns=("pong", "ping")))
    assert groups(annotations(objects)["alb.ingress.kubernetes.io/actions.root"]) == {"pong": 15, "ping": 85}


def test_every_ingress_is_edited_also_behind_one_that_is_right_already() -> None:
    objects = Objects(plain(), plain(name="second"))
    objects.say(alb(), split(5))
    assert objects.say(alb(ingresses=["main", "second"]), split(5)) == ["PatchingALBIngress"]
    assert groups(annotations(objects, "second")[ACTION]) == {"canary": 5, "stable": 95}


def test_the_books_of_other_rollouts_and_annotations_of_people_stay() -> None:
    books = json.dumps({"other": ["alb.ingress.kubernetes.io/actions.x"]})
    objects = Objects(plain(annotations={MANAGED: books, "mine": "kept", "alb.ingress.kubernetes.io/actions.x": "{}"}))
    objects.say(alb(), split(5))
    found = annotations(objects)
    assert found["mine"] == "kept"
    assert found["alb.ingress.kubernetes.io/actions.x"] == "{}"
    assert set(json.loads(found[MANAGED])) == {"other", "r"}


def test_a_header_route_is_an_action_its_conditions_and_a_first_path() -> None:
    objects = Objects(plain())
    subject = alb(managed=("b", "a"))
    routes = (header("b", agent="x", agent__2="y", lang="de"), header("a", agent="z"))
    objects.say(subject, split(5, routes=routes, managed=("b", "a")))
    found = annotations(objects)
    assert groups(found["alb.ingress.kubernetes.io/actions.b"]) == {"canary": 100}
    assert json.loads(found["alb.ingress.kubernetes.io/conditions.b"]) == [
        {"field": "http-header", "httpHeaderConfig": {"httpHeaderName": "agent", "values": ["x", "y"]}},
        {"field": "http-header", "httpHeaderConfig": {"httpHeaderName": "lang", "values": ["de"]}},
    ]
    paths = objects.one("Ingress", "main")["spec"]["rules"][0]["http"]["paths"]
    assert paths == [action_path("b"), action_path("a"), action_path("stable"), path("else")]
    objects.say(subject, split(0, managed=("b", "a")))
    assert objects.one("Ingress", "main")["spec"] == plain()["spec"]
    assert sorted(annotations(objects)) == sorted([ACTION, MANAGED])


@pytest.mark.parametrize(
    ("value", "objects", "fault"),
    [
        ({}, [], 'ingress.networking.k8s.io "main" not found'),
        ({}, [ingress({"http": {"paths": [path("x")]}})], "has no rules using service stable backend"),
        ({"ingress": ""}, [], "Either Ingress or Ingresses must be configured. Neither are configured."),
        ({"ingress": "main", "ingresses": ["a"]}, [], "must be configured. Both are configured."),
    ],
)
def test_what_is_missing_is_named(value: Obj, objects: list[Obj], fault: str) -> None:
    assert fault in Objects(*objects).fault(alb(**value))
