"""How much traffic an aborted canary keeps while a stable ReplicaSet that was shrunk grows back."""

from typing import Any

import pytest

from rollouts.decide.context import Context
from rollouts.decide.traffic.weights import target
from rollouts.decide.traffic.withdraw import next_weight
from tests import make

V1, V2 = "img:1", "img:2"


def aborted(*steps: int, replicas: int, stable: int, canary: int, weight: int, delay: int | None = None) -> Context:
    """An aborted canary with this recorded share; `stable` and `canary` pods are available."""
    strategy: dict[str, Any] = {**make.ISTIO, "dynamicStableScale": True}
    if delay is not None:
        strategy["abortScaleDownDelaySeconds"] = delay
    listed = [make.weight(step) for step in steps] or [make.pause()]
    manifest = make.rollout(*listed, image=V2, replicas=replicas, canary=strategy)
    shares = {
        "canary": {"podTemplateHash": make.hash_of(V2), "weight": weight},
        "stable": {"podTemplateHash": make.hash_of(V1), "weight": 100 - weight},
    }
    manifest["status"] = {
        "abort": True,
        "stableRS": make.hash_of(V1),
        "currentPodHash": make.hash_of(V2),
        "currentStepHash": make.world(manifest).step_hash,
        "canary": {"weights": shares},
    }
    sets = make.replica_set(V1, stable), make.replica_set(V2, canary, revision=2)
    return Context(make.world(manifest, *sets), make.NOON)


@pytest.mark.parametrize(
    ("steps", "pods", "step", "share"),
    [
        ([50], {"replicas": 5, "stable": 3, "canary": 4, "weight": 100}, 50, 50),
        ([], {"replicas": 5, "stable": 1, "canary": 4, "weight": 100}, 0, 80),
        ([50], {"replicas": 0, "stable": 0, "canary": 0, "weight": 100}, 0, 0),
        ([50], {"replicas": 5, "stable": 4, "canary": 4, "weight": 0}, 50, 0),
        ([10, 50], {"replicas": 10, "stable": 5, "canary": 5, "weight": 50, "delay": 30}, 10, 50),
        ([10, 50], {"replicas": 10, "stable": 9, "canary": 5, "weight": 50, "delay": 30}, 0, 10),
        ([10, 50], {"replicas": 10, "stable": 9, "canary": 5, "weight": 50}, 10, 10),
        ([60], {"replicas": 10, "stable": 4, "canary": 6, "weight": 60}, 0, 60),
    ],
)
def test_the_share_goes_down_to_the_next_step_once_stable_can_take_the_rest_and_never_up(
    steps: list[int], pods: dict[str, int], step: int, share: int
) -> None:
    ctx = aborted(*steps, **pods)
    assert (next_weight(ctx), target(ctx)) == (step, share)
