"""Pure. Where the update stands among its steps, what the current step asks, and whether it is fulfilled."""

from rollouts.api import defaults
from rollouts.api.canary import CanaryStep, ReplicaProgressThreshold, SetCanaryScale
from rollouts.decide import wording
from rollouts.decide.context import Context
from rollouts.decide.replicas import basic_canary, ceil_share, routed_canary
from rollouts.decide.traffic import proof
from rollouts.decide.traffic.withdraw import next_weight, withdraws
from rollouts.decide.world import ReplicaSet


def weight_at(steps: tuple[CanaryStep, ...], index: int) -> int:
    """The weight of the nearest setWeight at or before `index`; 0 when there is none."""
    before = (step.set_weight for step in reversed(steps[: index + 1]) if step.set_weight is not None)
    return next(before, 0)


def asked_weight(ctx: Context) -> int:
    """The share of pods, and in the end of traffic, that the current step asks for."""
    if ctx.status.promote_full or ctx.initial or ctx.is_stable:
        return ctx.max_weight
    if ctx.aborted:
        return next_weight(ctx) if withdraws(ctx) else 0
    if ctx.step is None:
        return ctx.max_weight
    return weight_at(ctx.steps, ctx.index)


def asked_scale(ctx: Context) -> SetCanaryScale | None:
    """The setCanaryScale that holds now: the nearest one at or before the current step, unless it was taken back."""
    if not ctx.routed or ctx.status.promote_full or ctx.initial or ctx.is_stable or ctx.step is None:
        return None
    if ctx.aborted and defaults.abort_scale_down_delay_seconds(ctx.rollout) != 0:
        return None
    last = ctx.stored.current_step_index or 0 if ctx.aborted else ctx.index
    scales = (s.set_canary_scale for s in reversed(ctx.steps[: last + 1]) if s.set_canary_scale is not None)
    scale = next(scales, None)
    return None if scale is None or scale.match_traffic_weight else scale


def asks_for_none(scale: SetCanaryScale | None) -> bool:
    """Whether no canary pods are asked for, whatever the weight is: then its share goes first."""
    return scale is not None and (scale.replicas == 0 or (scale.replicas is None and scale.weight == 0))


def wanted_counts(ctx: Context) -> tuple[int, int]:
    """(new, stable) pods to ask for now."""
    if ctx.stable_size is None:
        return ctx.replicas, 0
    if ctx.routed:
        return routed_counts(ctx)
    others = sum(rs.replicas for rs in ctx.others)
    return basic_canary(ctx.limits, asked_weight(ctx), ctx.new_size, ctx.stable_size, others)


def routed_counts(ctx: Context) -> tuple[int, int]:
    """(new, stable) pods behind a router. Neither is fewer than its recorded share needs, nor than it has until it is
    proven that requests follow, where that is asked for: traffic leaves first."""
    new, stable = _counts_for_shares(ctx)
    if ctx.spread and ctx.new is not None:
        new = max(new, min(ctx.new.replicas, ctx.replicas))
    return proof.not_fewer(ctx, ctx.new, new), proof.not_fewer(ctx, ctx.stable, stable)


def _counts_for_shares(ctx: Context) -> tuple[int, int]:
    least = ctx.canary.min_pods_per_replica_set or 0
    scale, weight = asked_scale(ctx), asked_weight(ctx)
    recorded_new, recorded_stable = _recorded_needs(ctx)
    if asks_for_none(scale):
        new = recorded_new
    elif scale is not None and scale.replicas is not None:
        new = max(scale.replicas, min(least, ctx.replicas)) if ctx.dynamic else scale.replicas
    elif scale is not None and scale.weight is not None:
        new = routed_canary(ctx.replicas, scale.weight, ctx.max_weight, least)
    else:
        new = max(routed_canary(ctx.replicas, weight, ctx.max_weight, least), recorded_new)
    if not ctx.dynamic:
        return new, ctx.replicas
    # Whoever gives the canary a size of its own gives stable the rest: all pods beside a number, as no share is told.
    if scale is not None and (scale.replicas is not None or scale.weight is not None):
        weight = 0 if scale.replicas is not None else scale.weight or 0
    stable = routed_canary(ctx.replicas, ctx.max_weight - weight, ctx.max_weight, least)
    return new, max(stable, recorded_stable)


def _recorded_needs(ctx: Context) -> tuple[int, int]:
    """(new, stable) pods that the recorded split of the traffic needs. Its whole is that of then, not that of now:
    somebody may have changed trafficRouting.maxTrafficWeight."""
    recorded = ctx.weights
    if recorded is None:
        return 0, ctx.replicas
    shares = (recorded.canary, recorded.stable, *recorded.additional)
    whole = sum(one.weight for one in shares) or ctx.max_weight
    ours = recorded.canary.pod_template_hash == ctx.hash
    new = ceil_share(ctx.replicas, recorded.canary.weight, whole) if ours else 0
    return new, ceil_share(ctx.replicas, recorded.stable.weight, whole)


def enough_available(ctx: Context, rs: ReplicaSet, wanted: int) -> bool:
    """Whether so many of the wanted pods are available that the release may go on: all of them always are enough, also
    where they are fewer than a threshold."""
    threshold = _threshold(ctx)
    if threshold is None or rs.dependable >= wanted:
        return rs.dependable >= wanted
    if threshold.type == "Percent":
        return rs.dependable * 100 >= threshold.value * wanted
    return rs.dependable >= threshold.value


def _threshold(ctx: Context) -> ReplicaProgressThreshold | None:
    """When some of the pods are enough; None where all of them are awaited, as with a threshold below zero."""
    threshold = ctx.canary.replica_progress_threshold
    return None if threshold is None or threshold.value < 0 else threshold


def at_wanted_counts(ctx: Context) -> bool:
    """The new ReplicaSet has the pods that the step asks for, available, and the stable one was resized."""
    new, stable = ctx.new, ctx.stable
    if new is None:
        return False
    want_new, want_stable = wanted_counts(ctx)
    if _threshold(ctx) is None and not new.replicas == want_new == new.available:
        return False
    if not enough_available(ctx, new, want_new):
        return False
    beside = stable is not None and stable is not new and not ctx.dynamic
    if beside and stable is not None and not (stable.replicas == want_stable == stable.current):
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
    if step.analysis is not None:
        return "analysis"
    if step.set_canary_scale is not None:
        return _scale_text(step.set_canary_scale)
    if step.plugin is not None:
        return f"plugin: {step.plugin.name}"
    if step.set_header_route is not None:
        return f"setHeaderRoute: {step.set_header_route.name}"
    return f"setMirrorRoute: {step.set_mirror_route.name}" if step.set_mirror_route is not None else "invalid"


def _scale_text(scale: SetCanaryScale) -> str:
    if scale.weight is not None:
        return f"setCanaryScale{{weight: {scale.weight}}}"
    if scale.match_traffic_weight:
        return "setCanaryScale{matchTrafficWeight: true}"
    return f"setCanaryScale{{replicas: {scale.replicas}}}"


def reason(ctx: Context) -> str:
    """Why the rollout stands where it stands, for a person."""
    new = ctx.new
    if new is None:
        return "the new ReplicaSet has to be seen first"
    if ctx.aborted:
        return "the update was aborted: stable takes all traffic, until a retry or a new template"
    pods = _pods(ctx, new)
    if ctx.is_stable:
        return wording.NOTHING_TO_DO if new.available >= ctx.replicas else pods
    if ctx.step is None:
        return f"all steps are done; promotion follows when it is fully available: {pods}"
    return f"step {ctx.index + 1}/{len(ctx.steps)} ({describe(ctx.step)}): {pods}"


def _pods(ctx: Context, new: ReplicaSet) -> str:
    """How far the pods are from what the step asks for; whose are still to go, once the new ones are there."""
    stable, (want, want_stable) = ctx.stable, wanted_counts(ctx)
    if new.available < want or ctx.is_stable:
        return f"ReplicaSet {new.name} has {new.available} of {want} available pods"
    if at_wanted_counts(ctx):
        return "its pods are as asked for"
    if new.available > want:
        return f"ReplicaSet {new.name} has {new.available} available pods, and is to have {want}"
    if stable is not None and stable is not new and not ctx.dynamic and stable.current != want_stable:
        return f"ReplicaSet {stable.name} has {stable.current} pods, and is to have {want_stable}"
    older = sum(rs.available for rs in ctx.others)
    return f"older ReplicaSets still have {older} available pods" if older else "pods come and go"
