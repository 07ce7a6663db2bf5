"""Pure. Where a canary stands: its step, the weight that the step asks for, and the weight that it has."""

from collections.abc import Iterable

from rollouts.kube.fields import number, part, parts, text
from rollouts.kube.refs import Obj
from rollouts.view.info import ReplicaSetInfo


def step_index(rollout: Obj) -> int | None:
    """The index of the current step; the number of steps once all are done; None without steps."""
    steps = parts(rollout, "spec", "strategy", "canary", "steps")
    return number(rollout, "status", "currentStepIndex") if steps else None


def step_text(rollout: Obj) -> str:
    """`done/all`, "" before the controller has begun to count."""
    steps = parts(rollout, "spec", "strategy", "canary", "steps")
    begun = part(rollout, "status").get("currentStepIndex") is not None
    return f"{step_index(rollout)}/{len(steps)}" if steps and begun else ""


def max_weight(rollout: Obj) -> int:
    """What a weight is a share of: 100 unless the traffic router counts otherwise."""
    return number(rollout, "spec", "strategy", "canary", "trafficRouting", "maxTrafficWeight", default=100)


def set_weight(rollout: Obj) -> int:
    """The weight that the current step asks for: the last one set, 0 once aborted, everything at the end."""
    steps = parts(rollout, "spec", "strategy", "canary", "steps")
    index = step_index(rollout)
    if part(rollout, "status").get("abort"):
        return 0
    if index is None or index >= len(steps):
        return max_weight(rollout)
    passed = (step["setWeight"] for step in reversed(steps[: index + 1]) if "setWeight" in step)
    return int(next(passed, 0))


def actual_weight(rollout: Obj, replica_sets: Iterable[ReplicaSetInfo]) -> int:
    """The share that reaches the canary: as recorded by a traffic router, else as its available Pods make it."""
    index, available = step_index(rollout), number(rollout, "status", "availableReplicas")
    if index is None or index >= len(parts(rollout, "spec", "strategy", "canary", "steps")):
        return max_weight(rollout)
    if available <= 0:
        return 0
    if "trafficRouting" in part(rollout, "spec", "strategy", "canary"):
        return number(rollout, "status", "canary", "weights", "canary", "weight", default=set_weight(rollout))
    return sum(each.available for each in replica_sets if each.canary) * max_weight(rollout) // available


def strategy_of(rollout: Obj) -> str:
    """Canary, BlueGreen, or "" for a Rollout that has neither."""
    strategy = part(rollout, "spec", "strategy")
    names = {"canary": "Canary", "blueGreen": "BlueGreen"}
    return next((name for key, name in names.items() if strategy.get(key) is not None), "")


def stable_slot(rollout: Obj) -> str:
    """`ping` or `pong`: the Service of a ping-pong pair that the stable ReplicaSet has; "" without such a pair."""
    paired = "pingPong" in part(rollout, "spec", "strategy", "canary")
    return text(rollout, "status", "canary", "stablePingPong") if paired else ""
