"""ReplicaSets whose controller has not acted yet on the size that they were given: their counts are of pods that go.

And other things that random courses have found.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests import make
from tests.decide import bluegreen
from tests.decide.canary import V1, V2, V3, deployed, sizes, updated
from tests.decide.courses import SERVICES
from tests.decide.lagging import Lagging
from tests.decide.toy import Toy


def dynamic(*steps: make.Obj, services: str = "two parts", replicas: int = 5, **canary: object) -> Toy:
    routing, names = SERVICES[services]
    given = {**routing, "dynamicStableScale": True, **canary}
    return deployed(*steps, services=names, canary=given, replicas=replicas)


def unobserved(toy: Toy, image: str, **counts: Any) -> None:
    """What the controller is told of this version until its ReplicaSet's controller has acted."""
    toy.sets[toy.of(image).name] = replace(toy.of(image), observed=False, **counts)


def test_traffic_does_not_come_back_to_pods_of_stable_that_were_asked_to_go() -> None:
    toy = updated(dynamic(make.weight(80), make.pause()))
    assert (toy.weights, sizes(toy, V1)) == ((80, 20), [1])
    unobserved(toy, V1, current=5, ready=5, available=5)
    toy.abort()
    toy.settle()
    assert (toy.weights, sizes(toy, V1)) == ((80, 20), [5]), "those that are counted may be the five of before"
    toy.run()
    assert toy.weights == (0, 100)


def test_users_are_not_switched_to_pods_that_were_asked_to_go() -> None:
    toy = bluegreen.updated(**bluegreen.MANUAL)
    toy.abort()
    toy.run(toy.now + timedelta(minutes=1))
    assert sizes(toy, V2) == [0]
    toy.manifest["spec"]["strategy"]["blueGreen"]["autoPromotionEnabled"] = True
    toy.patch_status(abort=False)
    toy.settle()
    assert sizes(toy, V2) == [3]
    unobserved(toy, V2, current=3, ready=3, available=3)
    toy.settle()
    assert toy.services["active"].hash == make.hash_of(V1)
    toy.run()
    assert toy.services["active"].hash == make.hash_of(V2)


def test_a_canary_service_is_not_switched_to_pods_that_were_asked_to_go() -> None:
    toy = deployed(make.weight(40), make.pause(), services=("stable", "canary"), canary=make.ISTIO)
    toy.image(V2)
    toy.settle()
    unobserved(toy, V2, current=2, ready=2, available=2)
    toy.settle()
    assert (toy.services["canary"].hash, toy.weights) == (make.hash_of(V1), (0, 100))
    toy.run()
    assert (toy.services["canary"].hash, toy.weights) == (make.hash_of(V2), (40, 60))


def test_a_share_stays_while_its_pods_grow() -> None:
    toy = updated(
        deployed(make.weight(40), make.pause(), make.weight(80), services=("stable", "canary"), canary=make.ISTIO)
    )
    toy.patch_status(promoteFull=True)
    toy.settle()
    assert sizes(toy, V2) == [5]
    unobserved(toy, V2)
    toy.settle()
    assert toy.weights == (40, 60)


@pytest.mark.parametrize("services", sorted(SERVICES))
def test_an_abort_takes_traffic_home_from_a_version_before_the_one_that_is_aborted(services: str) -> None:
    """Its pods stay until all its traffic is gone, so the ladder, which goes down as pods do, would have no end."""
    toy = updated(dynamic(make.weight(100), make.pause(), make.weight(20), services=services, replicas=2))
    assert (toy.weights, sizes(toy, V1, V2)) == ((100, 0), [0, 2])
    toy.image(V3)
    toy.settle()
    toy.abort()
    toy.run(toy.now + timedelta(minutes=1))
    assert (toy.weights, sizes(toy, V1, V2, V3)) == ((0, 100), [2, 0, 0])


def test_a_stable_version_keeps_what_a_canary_of_a_size_of_its_own_lacks() -> None:
    """A canary of one pod for 80 % of the traffic was asked for; not that the rest has one pod too."""
    toy = dynamic(
        {"setCanaryScale": {"replicas": 1}}, make.weight(80), make.pause(), replicas=4, maxUnavailable=0, maxSurge=1
    )
    toy.image(V2)
    toy.run()
    assert (toy.weights, sizes(toy, V1, V2)) == ((80, 20), [4, 1])
    toy.promote()
    toy.settle()
    assert sizes(toy, V1, V2) == [3, 4]
    toy.run()
    assert sizes(toy, V1, V2) == [0, 4]


def test_scaled_to_zero_no_version_stays_because_a_service_selects_it() -> None:
    toy = updated(dynamic(make.weight(100), make.pause(), replicas=3))
    toy.image(V3)
    toy.spec(replicas=0)
    toy.patch_status(promoteFull=True)
    toy.run(toy.now + timedelta(minutes=1))
    assert sizes(toy, V1, V2, V3) == [0, 0, 0]


def test_an_abort_that_was_not_heard_of_is_not_overwritten() -> None:
    toy = Lagging(make.rollout(make.weight(20), make.pause()), ())
    toy.run()
    toy.image(V2)
    toy.run()
    toy.listen_no_more()
    toy.abort()
    toy.wait(hours=1)
    toy.ready(V2, 0)
    toy.settle()
    toy.hear("manifest", "sets")
    toy.settle()
    assert toy.status["abort"] is True
    assert toy.status["phase"] == "Degraded"
