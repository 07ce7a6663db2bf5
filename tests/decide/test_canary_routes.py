"""Header and mirror routes: from which step on they stand, and what takes them away."""

from datetime import timedelta
from typing import Any

import pytest

from tests import make
from tests.decide.canary import V1, V2, V3, routed, sizes, updated
from tests.decide.toy import Toy

HEADER: make.Obj = {"setHeaderRoute": {"name": "h", "match": [{"headerName": "agent", "headerValue": {"exact": "x"}}]}}
MIRROR: make.Obj = {"setMirrorRoute": {"name": "m", "match": [{"method": {"exact": "GET"}}], "percentage": 35}}


def with_routes(*steps: make.Obj, **canary: Any) -> Toy:
    routing = {**make.ISTIO["trafficRouting"], "managedRoutes": [{"name": "h"}, {"name": "m"}]}
    return routed(*steps, trafficRouting=routing, **canary)


def standing(toy: Toy) -> list[str]:
    return [route.name for route in toy.routes]


def test_a_route_stands_from_its_step_on_until_the_promotion() -> None:
    toy = updated(with_routes(make.weight(20), HEADER, MIRROR, make.pause()))
    assert toy.phase == "Paused CanaryPauseStep"
    assert standing(toy) == ["h", "m"]
    toy.promote()
    toy.run()
    assert (toy.phase, standing(toy)) == ("Healthy", [])


def test_a_step_without_match_takes_its_route_away() -> None:
    toy = updated(with_routes(make.weight(20), HEADER, make.pause(), {"setHeaderRoute": {"name": "h"}}, make.pause()))
    assert standing(toy) == ["h"]
    toy.promote()
    toy.run()
    assert standing(toy) == []


def test_a_route_before_the_first_canary_pod_comes_when_the_pod_does() -> None:
    """Upstream deletes it at once and never brings it back."""
    toy = with_routes(HEADER, make.weight(20), make.pause())
    toy.image(V2)
    toy.settle()
    assert standing(toy) == []
    toy.run()
    assert standing(toy) == ["h"]


def test_a_weight_of_none_takes_the_route_before_the_pods() -> None:
    toy = updated(with_routes(make.weight(40), HEADER, make.pause(), make.weight(0), make.pause()))
    assert standing(toy) == ["h"]
    toy.promote()
    while sizes(toy, V2) == [2]:
        assert toy.step(), "the pods go in the end"
    assert (standing(toy), sizes(toy, V2)) == ([], [0])


def test_an_abort_takes_routes_away_once_even_when_the_first_step_sets_one() -> None:
    """Upstream adds and removes it for ever, 50 to 100 times a second."""
    toy = updated(with_routes(HEADER, make.weight(20), make.pause()))
    toy.abort()
    toy.settle()
    assert standing(toy) == []
    toy.run(toy.now + timedelta(minutes=5))
    assert standing(toy) == []


@pytest.mark.parametrize("share", [0, 20])
@pytest.mark.parametrize("canary", [{}, {"dynamicStableScale": True}])
def test_an_abort_takes_routes_away_also_while_stable_lacks_a_pod(canary: make.Obj, share: int) -> None:
    toy = updated(with_routes({"setCanaryScale": {"replicas": 1}}, make.weight(share), HEADER, make.pause(), **canary))
    assert (standing(toy), toy.weights) == (["h"], (share, 100 - share))
    toy.ready(V1, 3)
    toy.abort()
    toy.step()
    assert standing(toy) == []
    toy.settle()
    assert (standing(toy), toy.weights) == ([], (share, 100 - share))


def test_another_template_takes_routes_and_share_away_before_its_own_pods_get_any() -> None:
    toy = updated(with_routes(make.weight(50), HEADER, make.pause()))
    assert (standing(toy), toy.weights) == (["h"], (50, 50))
    toy.image(V3)
    toy.log.clear()
    toy.settle()
    assert (standing(toy), toy.weights) == ([], (0, 100))
    assert (toy.services["canary"].hash, toy.of(V3).available) == (make.hash_of(V2), 0)
    toy.run()
    assert (standing(toy), toy.weights) == (["h"], (50, 50))
    shares = [line for line in toy.log if line.startswith(("weight", "point canary"))]
    assert list(dict.fromkeys(shares)) == ["weight 0/100", f"point canary {make.hash_of(V3)}", "weight 50/50"]


def test_a_first_deployment_sets_no_routes() -> None:
    assert standing(with_routes(HEADER)) == []
