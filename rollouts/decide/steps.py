"""Pure. Where the update stands among its steps, what the current step asks, and whether it is fulfilled."""

from rollouts.api.canary import CanaryStep
from rollouts.decide.context import Context
from rollouts.decide.replicas import basic_canary, ceil_share, routed_canary


def weight_at(steps: tuple[CanaryStep, ...], index: int) -> int:
    """The weight of the nearest setWeight at or before `index`; 0 when there is none."""
    before = (step.set_weight for step in reversed(steps[: index + 1]) if step.set_weight is not None)
    return next(before, 0)


def asked_weight(ctx: Context) -> int:
    """The share of pods, and in the end of traffic, that the current step asks for."""
    if ctx.status.promote_full or ctx.initial or ctx.is_stable:
        return ctx.max_weight
    if ctx.aborted:
        return 0
    if ctx.step is None:
        return ctx.max_weight
    return weight_at(ctx.steps, ctx.index)


def wanted_counts(ctx: Context) -> tuple[int, int]:
    """(new, stable) pods to ask for now."""
    weight = asked_weight(ctx)
    if ctx.stable_size is None:
        return ctx.replicas, 0
    if ctx.routed:
        return routed_new_count(ctx, weight), ctx.replicas
    others = sum(rs.replicas for rs in ctx.others)
    return basic_canary(ctx.limits, weight, ctx.new_size, ctx.stable_size, others)


def routed_new_count(ctx: Context, weight: int) -> int:
    """Canary pods behind a router. Never fewer than the recorded share of traffic needs: traffic leaves first."""
    wanted = routed_canary(ctx.replicas, weight, ctx.max_weight, ctx.canary.min_pods_per_replica_set or 0)
    recorded = ctx.weights
    if recorded is None or recorded.canary.pod_template_hash != ctx.hash:
        return wanted
    return max(wanted, ceil_share(ctx.replicas, recorded.canary.weight, ctx.max_weight))


def at_wanted_counts(ctx: Context) -> bool:
    """The new ReplicaSet has the pods that the step asks for, available, and the stable one was resized."""
    new, stable = ctx.new, ctx.stable
    if new is None:
        return False
    want_new, want_stable = wanted_counts(ctx)
    if new.replicas != want_new or new.available != want_new:
        return False
    if stable is not None and stable is not new and not (stable.replicas == want_stable == stable.current):
        return False
    return ctx.routed or all(rs.available == 0 for rs in ctx.others)


def describe(step: CanaryStep) -> str:
    """The step as the event RolloutStepCompleted names it."""
    if step.set_weight is not None:
        return f"setWeight: {step.set_weight}"
    if step.pause is not None:
        return "pause" if step.pause.duration is None else f"pause: {step.pause.duration}"
    if step.experiment is not None:
        return "experiment"
    return "analysis"


def reason(ctx: Context) -> str:
    """Why the rollout stands where it stands, for a person."""
    new = ctx.new
    if new is None:
        return "the new ReplicaSet has to be seen first"
    want, _ = wanted_counts(ctx)
    pods = f"ReplicaSet {new.name} has {new.available} of {want} available pods"
    if ctx.aborted:
        return "the update was aborted: stable takes all traffic, until a retry or a new template"
    if ctx.is_stable:
        return "waiting for a change" if new.available >= ctx.replicas else pods
    if ctx.step is None:
        return f"all steps are done; promotion follows when it is fully available: {pods}"
    return f"step {ctx.index + 1}/{len(ctx.steps)} ({describe(ctx.step)}): {pods}"
