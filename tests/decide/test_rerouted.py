"""What happens to traffic when somebody changes how it is shared in the middle of an update."""

from dataclasses import replace
from typing import Any

from rollouts.decide.world import Service
from tests import make
from tests.decide.edited import Edited

V1, V2, V3 = "img:1", "img:2", "img:3"
H1, H2, H3 = (make.hash_of(image) for image in (V1, V2, V3))
ISTIO: make.Obj = {"trafficRouting": make.ISTIO["trafficRouting"]}
TURNS: make.Obj = {"pingPong": {"pingService": "ping", "pongService": "pong"}, **ISTIO}


def canary(*steps: make.Obj, **rest: Any) -> make.Obj:
    return {"canary": {"steps": list(steps), "maxSurge": 1, "maxUnavailable": 0, **rest}}


def updated(strategy: make.Obj, replicas: int = 5) -> Edited:
    manifest = make.rollout(replicas=replicas)
    manifest["spec"]["strategy"] = strategy
    toy = Edited(manifest)
    toy.run()
    toy.image(V2)
    toy.run()
    toy.log.clear()
    return toy


def sizes(toy: Edited, *images: str) -> list[int]:
    return [toy.of(image).replicas for image in images]


def test_canary_pods_stay_until_the_router_that_was_added_has_its_first_split() -> None:
    toy = updated(canary(make.weight(100), make.pause()))
    assert sizes(toy, V1, V2) == [0, 5]
    toy.edit(canary(make.pause(), **make.ISTIO))
    toy.settle()
    assert sizes(toy, V1, V2) == [5, 5]
    assert toy.mesh == {}
    toy.run()
    assert toy.mesh == {"istio": {"canary": 0, "stable": 100}}
    assert sizes(toy, V1, V2) == [5, 0]


def test_a_canary_that_a_router_was_added_to_stays_for_ever_where_no_stable_pod_becomes_ready() -> None:
    toy = updated(canary(make.weight(100), make.pause()))
    toy.edit(canary(make.pause(), **make.ISTIO))
    toy.settle()
    for _ in range(5):
        toy.wait(minutes=10)
        toy.ready(V2)
        toy.settle()
    assert sizes(toy, V1, V2) == [5, 5]
    assert any("stable has 0 of the 5" in wait.because for wait in toy.plan().waits)


def test_older_versions_stay_until_the_router_that_was_added_has_its_first_split() -> None:
    toy = updated(canary(make.weight(100), make.pause()))
    toy.edit(canary(make.pause(), **make.ISTIO))
    toy.image(V3)
    toy.settle()
    assert sizes(toy, V1, V2, V3) == [5, 5, 0]
    toy.run()
    assert sizes(toy, V1, V2, V3) == [5, 0, 0]


def test_a_whole_version_is_no_preview_any_more_in_the_pass_that_switches_to_it() -> None:
    toy = updated({"blueGreen": {"activeService": "stable", "autoPromotionEnabled": False}})
    assert sizes(toy, V1, V2) == [5, 5]
    toy.edit({"blueGreen": {"activeService": "stable", "previewReplicaCount": 2}})
    toy.step()
    assert toy.services["stable"].hash == H2
    assert sizes(toy, V2) == [5]


def test_exchanged_services_keep_their_parts_until_the_canary_has_no_share() -> None:
    toy = updated(canary(make.weight(20), make.pause(), **make.ISTIO))
    assert toy.mesh == {"istio": {"canary": 20, "stable": 80}}
    exchanged = {"stableService": "canary", "canaryService": "stable", **ISTIO}
    toy.edit(canary(make.weight(20), make.pause(), **exchanged))
    toy.run()
    changes = [line for line in toy.log if line.startswith(("point", "weight"))]
    assert changes == ["weight 0/100", f"point canary {H1}", "weight 0/100", f"point stable {H2}", "weight 20/80"]
    assert toy.mesh == {"istio": {"stable": 20, "canary": 80}}


def test_exchanged_services_of_a_shrunken_stable_version_wait_until_it_has_grown() -> None:
    toy = updated(canary(make.weight(80), make.pause(), dynamicStableScale=True, **make.ISTIO))
    assert sizes(toy, V1, V2) == [1, 4]
    exchanged = {"stableService": "canary", "canaryService": "stable", **ISTIO}
    toy.edit(canary(make.weight(80), make.pause(), dynamicStableScale=True, **exchanged))
    toy.settle()
    assert sizes(toy, V1) == [5]
    assert [toy.services[name].hash for name in ("stable", "canary")] == [H1, H2]
    toy.run()
    assert toy.mesh == {"istio": {"stable": 80, "canary": 20}}
    assert [toy.services[name].hash for name in ("stable", "canary")] == [H2, H1]


def test_services_that_become_a_pair_keep_the_parts_that_they_have() -> None:
    named = {"stableService": "ping", "canaryService": "pong"}
    toy = updated(canary(make.weight(20), make.pause(), **named, **ISTIO))
    toy.edit(canary(make.weight(20), make.pause(), **TURNS))
    toy.run()
    assert [toy.services[name].hash for name in ("ping", "pong")] == [H1, H2]
    assert toy.mesh == {"istio": {"ping": 80, "pong": 20}}
    toy.promote()
    toy.run()
    assert toy.status["canary"]["stablePingPong"] == "pong"
    assert toy.mesh == {"istio": {"ping": 0, "pong": 100}}


def test_the_stable_service_of_a_new_pair_does_not_lead_to_canary_pods() -> None:
    toy = updated(canary(make.weight(20), make.pause()))
    toy.edit(canary(make.weight(20), make.pause(), **TURNS))
    toy.run()
    assert [toy.services[name].hash for name in ("ping", "pong")] == [H2, H1]
    assert toy.mesh == {"istio": {"ping": 20, "pong": 80}}


def test_the_stable_service_of_a_pair_that_was_made_again_selects_stable_pods_alone() -> None:
    toy = updated(canary(make.weight(20), make.pause(), **TURNS))
    assert [toy.services[name].hash for name in ("ping", "pong")] == [H1, H2]
    toy.services["ping"] = Service("ping", {"app": "r"})
    toy.run()
    assert toy.services["ping"].hash == H1


def test_the_stable_service_of_a_pair_that_somebody_pointed_to_the_canary_is_put_right() -> None:
    toy = updated(canary(make.weight(20), make.pause(), **TURNS))
    toy.services["ping"] = replace(toy.services["ping"], hash=H2)
    toy.run()
    assert toy.services["ping"].hash == H1
    assert toy.mesh == {"istio": {"ping": 80, "pong": 20}}


def test_an_aborted_update_whose_stable_version_was_deleted_is_deployed_like_a_first_one() -> None:
    """It is the only version left: Services that select the one that is gone would lead nowhere for ever."""
    toy = updated(canary(make.weight(20), make.pause(), **make.ISTIO))
    toy.abort()
    toy.settle()
    del toy.sets[f"r-{H1}"]
    toy.run()
    assert toy.status["stableRS"] == H2
    assert toy.lost == 0
    assert toy.phase == "Healthy"
