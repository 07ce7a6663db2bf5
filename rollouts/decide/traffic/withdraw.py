"""Pure. Taking traffic back to a stable ReplicaSet that was shrunk meanwhile (dynamicStableScale).

Stable has to grow before it can take the whole share back, so abort and rollback go down the ladder of the steps'
weights: stable grows to what the next lower weight needs, the weight follows once those pods are available, and so on.
"""

from rollouts.decide.context import Context
from rollouts.decide.replicas import ceil_share
from rollouts.decide.world import NO_HASH, Hash, ReplicaSet


def carried_hash(ctx: Context) -> Hash:
    """The hash of the pods that the recorded canary share is served by; "" when it has no share."""
    recorded = ctx.weights
    if recorded is None or recorded.canary.weight == 0:
        return NO_HASH
    return Hash(recorded.canary.pod_template_hash)


def withdraws(ctx: Context) -> bool:
    """Whether traffic has to return step by step."""
    stable = ctx.stable
    if not ctx.dynamic or stable is None:
        return False
    if ctx.aborted:
        return True
    return ctx.is_stable and carried_hash(ctx) not in (NO_HASH, ctx.hash) and stable.dependable < ctx.replicas


def next_weight(ctx: Context) -> int:
    """The weight to make ready for: the highest step below what the canary's pods still have to carry."""
    stable, canary = ctx.stable, _shrinking(ctx)
    if stable is None or ctx.replicas == 0:
        return 0
    needed = ctx.replicas - stable.staying
    pods = needed if canary is None else max(needed, canary.available)
    ladder = (step.set_weight for step in reversed(ctx.steps) if step.set_weight is not None)
    return next((w for w in ladder if ceil_share(ctx.replicas, w, ctx.max_weight) < pods), 0)


def withdrawn(ctx: Context) -> int:
    """The canary's share now: what stable's available pods cannot carry yet. Never more than it has."""
    stable = ctx.stable
    if stable is None or ctx.replicas == 0:
        return 0
    carried = ctx.max_weight * stable.dependable // ctx.replicas
    excess, lower = max(0, ctx.max_weight - carried), next_weight(ctx)
    recorded = ctx.weights
    if recorded is None:
        return max(excess, lower)
    current = recorded.canary.weight
    if lower <= 0:
        return min(excess, current)
    return current if carried < ctx.max_weight - lower else min(lower, current)


def _shrinking(ctx: Context) -> ReplicaSet | None:
    """The ReplicaSet whose pods go as its share does, step by step; None when they stay until all of it is gone: for
    an abort delay, or because they are of a version before the one that was aborted."""
    if (ctx.canary.abort_scale_down_delay_seconds or 0) > 0 or carried_hash(ctx) not in (NO_HASH, ctx.hash):
        return None
    return ctx.new if ctx.aborted else None
