"""Whom a change of a routing object concerns: one Rollout has to look, and not all that are routed."""

import pytest

from rollouts.interest import by_routing, routing_names
from rollouts.kube.refs import Obj
from rollouts.sandbox.bench import fleet
from tests import make


def routed(name: str) -> Obj:
    istio = {"virtualServices": [{"name": name, "routes": ["primary"]}], "destinationRule": {"name": "rule"}}
    return make.rollout(canary={**make.ISTIO, "trafficRouting": {"istio": istio}})


def virtual_service(name: str) -> Obj:
    return {"metadata": {"name": name, "namespace": "mesh"}}


@pytest.mark.parametrize("spelled", ["shop", "shop.mesh", "shop.mesh.cluster.local"])
def test_a_rollout_is_found_by_each_spelling_of_a_name(spelled: str) -> None:
    assert set(by_routing(routed(spelled))) & set(routing_names(virtual_service("shop")))


def test_a_rollout_is_found_by_each_object_that_it_names() -> None:
    assert "rule" in by_routing(routed("shop"))


def test_the_others_are_left_alone() -> None:
    assert not set(by_routing(routed("shop"))) & set(routing_names(virtual_service("shop-2")))
    assert by_routing(fleet.rollout(fleet.PLAIN, 1)) == ()
