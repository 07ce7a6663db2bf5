"""Pods are taken away only for what is sure to come, and counted once."""

from typing import Any

from rollouts.api.canary import CanaryStrategy
from rollouts.api.template import step_hash
from rollouts.decide import decide
from rollouts.decide.plan import CreateReplicaSet, UpdateReplicaSet
from rollouts.decide.world import ReplicaSet
from tests import make


def sized(
    manifest: dict[str, Any], *replica_sets: ReplicaSet, current: str, index: int = 0, **status: Any
) -> list[tuple[str, int]]:
    """What is created and resized, in order: (ReplicaSet's name, pods). `img:1` is the stable one."""
    strategy = CanaryStrategy.model_validate(manifest["spec"]["strategy"]["canary"])
    status |= {
        "stableRS": make.hash_of("img:1"),
        "currentPodHash": make.hash_of(current),
        "currentStepHash": step_hash([step.wire() for step in strategy.steps]),
        "currentStepIndex": index,
    }
    plan = decide(make.world({**manifest, "status": status}, *replica_sets), make.NOON)
    return [
        (action.name, action.replicas)
        for action in plan.actions
        if isinstance(action, CreateReplicaSet | UpdateReplicaSet) and action.replicas is not None
    ]


def name(image: str) -> str:
    return f"r-{make.hash_of(image)}"


def test_a_new_replica_set_comes_before_stable_shrinks_for_it() -> None:
    manifest = make.rollout(make.weight(20), image="img:2", canary={"maxSurge": 1, "maxUnavailable": 1})
    assert sized(manifest, make.replica_set("img:1", 5), current="img:1") == [(name("img:2"), 1), (name("img:1"), 4)]


def test_a_new_replica_set_begins_with_no_more_than_the_surge_allows() -> None:
    manifest = make.rollout(make.weight(20), image="img:2", canary={"maxSurge": 0, "maxUnavailable": 1})
    assert sized(manifest, make.replica_set("img:1", 5), current="img:1") == [(name("img:2"), 0), (name("img:1"), 4)]


def test_what_shrinks_goes_before_what_grows_into_its_room() -> None:
    limits = {"maxSurge": 0, "maxUnavailable": 1}
    manifest = make.rollout(make.weight(50), make.weight(0), image="img:2", replicas=1, canary=limits)
    pods = (make.replica_set("img:1", 0), make.replica_set("img:2", 1, revision=2))
    assert sized(manifest, *pods, current="img:2", index=1) == [(name("img:2"), 0), (name("img:1"), 1)]


def test_pods_that_were_asked_to_go_are_not_spent_twice() -> None:
    limits = {"maxSurge": 1, "maxUnavailable": 1}
    manifest = make.rollout(make.weight(63), image="img:3", replicas=4, canary=limits)
    pods = (
        make.replica_set("img:1", 2),
        make.replica_set("img:2", 1, available=3, current=3, revision=2),
        make.replica_set("img:3", 2, available=0, revision=3),
    )
    assert sized(manifest, *pods, current="img:3") == []


def test_stable_keeps_its_pods_in_the_pass_that_gives_it_the_traffic_back() -> None:
    dynamic = {**make.ISTIO, "dynamicStableScale": True}
    manifest = make.rollout(make.weight(80), image="img:3", canary=dynamic)
    split = {
        "canary": {"weight": 80, "serviceName": "canary", "podTemplateHash": make.hash_of("img:2")},
        "stable": {"weight": 20, "serviceName": "stable", "podTemplateHash": make.hash_of("img:1")},
    }
    pods = (
        make.replica_set("img:1", 5),
        make.replica_set("img:2", 4, revision=2),
        make.replica_set("img:3", 4, available=0, revision=3),
    )
    assert sized(manifest, *pods, current="img:3", canary={"weights": split}) == []
