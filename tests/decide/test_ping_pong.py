"""Two Services that take turns at being stable, so that nobody's selector changes under traffic."""

from datetime import timedelta
from typing import Any

import pytest

from rollouts.decide.plan import SetWeight, Split
from tests import make
from tests.decide.canary import V1, V2, V3, deployed, sizes, updated
from tests.decide.toy import Toy

H1, H2, H3 = (make.hash_of(image) for image in (V1, V2, V3))
TURNS: make.Obj = {
    "pingPong": {"pingService": "ping", "pongService": "pong"},
    "trafficRouting": {"istio": {"virtualService": {"name": "vs"}}},
}
BESIDE: make.Obj = {
    **TURNS,
    "stableService": "stable",
    "canaryService": "canary",
    "trafficRouting": {
        **TURNS["trafficRouting"],
        "alb": {"ingress": "main", "rootService": "root", "servicePort": 443},
    },
}


def taking_turns(**spec: Any) -> Toy:
    return deployed(make.weight(20), make.pause(), services=("ping", "pong"), canary=TURNS, **spec)


def selected(toy: Toy, *services: str) -> list[str]:
    return [toy.services[name].hash for name in services]


def said(toy: Toy) -> Split:
    """The split that stands."""
    (split,) = (action.split for action in toy.plan().actions if isinstance(action, SetWeight))
    return split


def test_ping_and_pong_take_turns_and_the_stable_one_is_never_rewritten() -> None:
    toy = taking_turns()
    assert toy.status["canary"]["stablePingPong"] == "ping"
    assert selected(toy, "ping", "pong") == [H1, ""]
    toy.image(V2)
    toy.run()
    assert selected(toy, "ping", "pong") == [H1, H2]
    assert toy.weights == (20, 80)
    toy.log.clear()
    toy.promote()
    toy.run()
    assert toy.status["canary"]["stablePingPong"] == "pong"
    assert not [line for line in toy.log if line.startswith("point")]
    assert toy.phase == "Healthy"


def test_the_former_version_goes_after_its_delay_though_the_service_whose_turn_is_over_still_selects_it() -> None:
    toy = taking_turns()
    toy.image(V2)
    toy.run()
    toy.promote()
    toy.run()
    assert sizes(toy, V1, V2) == [5, 5]
    toy.run(toy.now + timedelta(minutes=1))
    assert sizes(toy, V1, V2) == [0, 5]
    assert selected(toy, "ping", "pong") == [H1, H2]
    toy.image(V3)
    toy.run()
    assert selected(toy, "ping", "pong") == [H3, H2]


def test_a_version_that_comes_in_between_gets_the_service_when_its_share_is_recorded_as_none() -> None:
    toy = taking_turns()
    toy.image(V2)
    toy.run()
    toy.image(V3)
    toy.log.clear()
    toy.run()
    assert toy.log.index("weight 0/100") < toy.log.index(f"point pong {H3}") < toy.log.index("weight 20/80")
    assert sizes(toy, V1, V2, V3) == [5, 0, 1]


@pytest.mark.parametrize("dynamic", [False, True])
def test_a_version_that_is_promoted_before_its_turn_waits_for_the_service(dynamic: bool) -> None:
    """The turn goes to a Service, whatever it selects: that of an interrupted version would become the stable one."""
    canary = {**TURNS, "dynamicStableScale": dynamic}
    toy = updated(deployed(make.weight(100), make.pause(), services=("ping", "pong"), canary=canary))
    toy.image(V3)
    toy.settle()
    toy.patch_status(promoteFull=True)
    toy.ready(V3)
    toy.run(toy.now + timedelta(minutes=1))
    assert (toy.phase, toy.status["canary"]["stablePingPong"]) == ("Healthy", "pong")
    assert selected(toy, "pong") == [H3]
    assert sizes(toy, V1, V2, V3) == [0, 0, 5]


def test_a_return_within_the_window_is_promoted_once_the_service_whose_turn_comes_leads_to_it() -> None:
    """Its pods are all there and its steps are skipped, so nothing else would hold it: not even for one pass."""
    toy = taking_turns(rollbackWindow={"revisions": 2})
    toy.image(V2)
    toy.run()
    toy.promote()
    toy.run()
    toy.image(V3)
    toy.settle()
    assert (selected(toy, "ping", "pong"), sizes(toy, V1, V2)) == ([H3, H2], [5, 5])
    toy.log.clear()
    toy.image(V1)
    toy.run()
    assert (toy.phase, toy.status["canary"]["stablePingPong"]) == ("Healthy", "ping")
    assert selected(toy, "ping", "pong") == [H1, H2]
    assert toy.log.index(f"point ping {H1}") < toy.log.index("weight 0/100")


def test_an_abort_leaves_the_aborted_version_its_service_until_it_is_gone() -> None:
    toy = taking_turns()
    toy.image(V2)
    toy.run()
    toy.abort()
    toy.settle()
    assert (toy.weights, selected(toy, "ping", "pong"), sizes(toy, V2)) == ((0, 100), [H1, H2], [1])
    toy.run(toy.now + timedelta(minutes=1))
    assert sizes(toy, V1, V2) == [5, 0]


def test_a_return_to_stable_moves_no_service() -> None:
    toy = taking_turns()
    toy.image(V2)
    toy.run()
    toy.log.clear()
    toy.image(V1)
    toy.run(toy.now + timedelta(minutes=1))
    assert not [line for line in toy.log if line.startswith("point")]
    assert toy.status["canary"]["stablePingPong"] == "ping"
    assert (toy.phase, toy.weights, sizes(toy, V1, V2)) == ("Healthy", (0, 100), [5, 0])


@pytest.mark.parametrize("updates", [1, 2])
def test_beside_them_the_services_that_the_spec_names_are_switched_for_other_routers(updates: int) -> None:
    """Upstream's ALB always shares by ping and pong, its Istio by the stable and the canary Service where both are
    named; one Rollout may have both routers."""
    toy = deployed(make.weight(20), make.pause(), services=("ping", "pong", "stable", "canary"), canary=BESIDE)
    for number in range(updates):
        old, new = make.hash_of(f"img:{number + 1}"), make.hash_of(f"img:{number + 2}")
        toy.image(f"img:{number + 2}")
        toy.run()
        split = said(toy)
        assert (split.canary.service, split.stable.service) == ("canary", "stable")
        assert selected(toy, "canary", "stable") == [new, old]
        turned = split.by_turns()
        assert selected(toy, turned.canary.service, turned.stable.service) == [new, old]
        assert {turned.canary.service, turned.stable.service} == {"ping", "pong"}
        assert (turned.canary.weight, turned.stable.weight) == (20, 80)
        toy.promote()
        toy.run()
        assert selected(toy, "canary", "stable", said(toy).by_turns().stable.service) == [new, new, new]
        assert toy.status["canary"]["weights"]["stable"]["serviceName"] == "stable"
