"""The demo's routers: what each says of the canary's share, and the Rollout that goes through it."""

import pytest

from rollouts.api.rollout import Rollout
from rollouts.api.rules.validate import validate_rollout
from rollouts.decide.plan import Destination, Split
from rollouts.decide.world import Hash
from rollouts.kube.refs import Obj, Ref
from rollouts.sandbox.demo.routers import ROUTERS, Router, share_of_pods
from rollouts.traffic.base import TrafficSettings, look
from rollouts.traffic.registry import routers

ROUTED = [router for router in ROUTERS.values() if router.routing is not None]


def manifest(router: Router) -> Obj:
    (rollout,) = router.rollout()
    return {**rollout, "metadata": {"name": "api", "namespace": "default", "uid": "u"}}


@pytest.mark.parametrize("router", ROUTED, ids=lambda router: router.name)
def test_the_share_is_read_where_the_controller_writes_it(router: Router) -> None:
    found = {obj["kind"]: {**obj, "metadata": {**obj["metadata"], "namespace": "default"}} for obj in router.route()}
    (subject,) = routers(Rollout.model_validate(manifest(router)), TrafficSettings())
    resource, name = router.object
    ref = Ref(resource, "default", name)
    before = found.get(resource.kind) if name == "api" else None
    assert router.share({}, before) == 0
    ends = Destination("api-canary", Hash("new"), 25), Destination("api-stable", Hash("old"), 75)
    seen = look(subject, lambda ref: found.get(ref.resource.kind) if ref.name == "api" else None)
    said = {edit.ref: edit.want for edit in subject.edit(seen, Split(*ends))}
    assert router.share({}, said[ref]) == 25


@pytest.mark.parametrize(
    ("status", "share"),
    [
        ({}, 0),
        ({"stableRS": "a", "currentPodHash": "a", "replicas": 20, "updatedReplicas": 20}, 0),
        ({"stableRS": "a", "currentPodHash": "b", "replicas": 20, "updatedReplicas": 5}, 25),
        ({"stableRS": "a", "currentPodHash": "b"}, 0),
    ],
)
def test_without_a_router_shares_are_pods(status: Obj, share: int) -> None:
    assert share_of_pods({"status": status}) == share


@pytest.mark.parametrize("router", ROUTERS.values(), ids=list(ROUTERS))
def test_each_rollout_is_its_deployment_with_a_strategy_that_is_accepted(router: Router) -> None:
    (deployment,), (rollout,) = router.deployment(), router.rollout()
    assert {**rollout["spec"], "strategy": None} == {**deployment["spec"], "strategy": None}
    assert validate_rollout(Rollout.model_validate(manifest(router))) is None


def test_istio_is_the_default() -> None:
    assert next(iter(ROUTERS)) == "istio"
