"""Pure. Which ReplicaSets to create, resize or annotate, in the order that keeps surge and availability.

Shrinking waits for what the status *records* of the traffic, never for what the same pass only plans.
"""

from collections.abc import Iterator

from rollouts.api import defaults, labels
from rollouts.decide.context import Context, scale_down_deadline
from rollouts.decide.course.steps import wanted_counts
from rollouts.decide.plan import CreateReplicaSet, UpdateReplicaSet, Wait
from rollouts.decide.pods import deadlines
from rollouts.decide.pods.revision import new_replica_set
from rollouts.decide.replicas import ceil_share
from rollouts.decide.traffic import balancers, proof
from rollouts.decide.traffic.weights import target
from rollouts.decide.traffic.withdraw import carried_hash
from rollouts.decide.world import NO_HASH, ReplicaSet


def scale(ctx: Context) -> Iterator[CreateReplicaSet | UpdateReplicaSet | Wait]:
    """A new ReplicaSet is created; then of stable and new what shrinks goes before what grows into its room; then all
    others."""
    if ctx.halted:
        if ctx.new is None:
            yield new_replica_set(ctx, 0)
        why = "while the rollout is paused" if ctx.spec.paused else "before somebody decides what an analysis could not"
        yield Wait(f"no pods are moved {why}")
        return
    want_new, want_stable = wanted_counts(ctx)
    if ctx.dynamic and ctx.stable is not None:
        want_stable = max(want_stable, _kept_of_stable(ctx, ctx.stable))
    if ctx.new is None:
        # First, for it may be refused: then stable must not have been shrunk for nothing, at every try.
        yield new_replica_set(ctx, _first_size(ctx, want_new))
    resized: list[UpdateReplicaSet | Wait] = []
    if ctx.stable is not None and ctx.stable is not ctx.new:
        resized += resize(ctx, ctx.stable, want_stable)
    if ctx.new is not None:
        resized += _resize_new(ctx, ctx.new, want_new)
    yield from sorted(resized, key=lambda item: _grows(ctx, item))
    yield from _retire(ctx)


def _kept_of_stable(ctx: Context, stable: ReplicaSet) -> int:
    """Pods that a shrinking stable ReplicaSet keeps beyond its recorded share: those for the share that this very pass
    gives it, for once that is recorded they would be gone; and those that nothing else stands in for, as beside a
    canary that was given fewer pods than its share."""
    if ctx.exchanged:
        return ctx.replicas  # stable takes all traffic before the two Services can change their parts
    share = ceil_share(ctx.replicas, ctx.max_weight - target(ctx), ctx.max_weight)
    elsewhere = sum(rs.dependable for rs in ctx.world.replica_sets if rs is not stable)
    return max(share, min(stable.replicas, ctx.limits.least_available - elsewhere))


def _grows(ctx: Context, item: UpdateReplicaSet | Wait) -> bool:
    if isinstance(item, Wait) or item.replicas is None:
        return False
    return any(rs.name == item.name and rs.replicas < item.replicas for rs in ctx.world.replica_sets)


def _first_size(ctx: Context, wanted: int) -> int:
    """Pods that a new ReplicaSet begins with: what the surge leaves while all others still have theirs."""
    if ctx.routed or ctx.initial:
        return wanted
    return max(0, min(wanted, ctx.limits.most - sum(rs.replicas for rs in ctx.world.replica_sets)))


def _resize_new(ctx: Context, new: ReplicaSet, wanted: int) -> Iterator[UpdateReplicaSet | Wait]:
    if abort_delay(ctx) and new.replicas:
        yield from _keep_until_deadline(ctx, new, abort_delay(ctx))
    elif not (ctx.aborted and new.replicas == wanted == 0):
        yield from resize(ctx, new, wanted)


def resize(ctx: Context, rs: ReplicaSet, count: int) -> Iterator[UpdateReplicaSet]:
    """Ask for `count` pods of a ReplicaSet that is in use, and take back any deadline it had."""
    annotations: dict[str, str | None] = {}
    if rs.annotations.get(labels.DESIRED_REPLICAS) != str(ctx.replicas):
        annotations[labels.DESIRED_REPLICAS] = str(ctx.replicas)
    if scale_down_deadline(rs) is not None:
        annotations[labels.SCALE_DOWN_DEADLINE] = None
    if annotations or rs.replicas != count:
        yield UpdateReplicaSet(rs.name, replicas=count if rs.replicas != count else None, annotations=annotations)


def abort_delay(ctx: Context) -> int:
    """Seconds for which an aborted canary behind a router is kept; 0 when it is sized like any other."""
    if not (ctx.aborted and ctx.routed and ctx.stable is not None):
        return 0
    if ctx.dynamic and ctx.canary.abort_scale_down_delay_seconds is None:
        return 0
    return defaults.abort_scale_down_delay_seconds(ctx.rollout) or 0


def _keep_until_deadline(ctx: Context, new: ReplicaSet, delay: int) -> Iterator[UpdateReplicaSet | Wait]:
    stable, recorded = ctx.stable, ctx.weights
    deadline = scale_down_deadline(new)
    yield from deadlines.noted(ctx, new)
    if deadline is None and _is_left_at_once(ctx):
        # A mark takes no pods. So the status that tells of the abort finds it, as with Argo Rollouts.
        yield from deadlines.begin(ctx, new, delay)
    elif recorded is not None and recorded.canary.weight > 0:
        yield Wait("the aborted canary keeps its pods until its share of traffic is recorded as 0")
    elif held := proof.holds(ctx):
        yield Wait(f"the aborted canary keeps its pods {held}")
    elif deadline is None and stable is not None and stable.dependable < ctx.replicas:
        yield Wait(
            f"the aborted canary keeps its pods until stable has all {ctx.replicas} available ({stable.dependable} now)"
        )
    elif deadline is None:
        yield from deadlines.begin(ctx, new, delay)
    elif deadlines.is_pending(ctx, new):
        yield deadlines.wait(new)
    else:
        yield UpdateReplicaSet(new.name, replicas=0)  # the deadline stays on it, as clients of Argo Rollouts know it


def _is_left_at_once(ctx: Context) -> bool:
    """Whether this very pass takes all traffic from an aborted canary."""
    whole = ctx.stable is not None and ctx.stable.available >= ctx.replicas
    return whole and not ctx.dynamic and not proof.holds(ctx)


# ── older ReplicaSets ──


def _retire(ctx: Context) -> Iterator[UpdateReplicaSet | Wait]:
    """Older ReplicaSets lose their unready pods at once, the others as availability and traffic allow."""
    spare = sum(rs.dependable for rs in ctx.world.replica_sets) - ctx.limits.least_available
    kept, held = 0, proof.holds(ctx)
    if balancers.holds_old(ctx):
        yield Wait("older ReplicaSets are kept until the load balancers have all pods of the stable one")
        return
    for rs in ctx.others:
        if rs.replicas == 0:
            continue
        size = rs.staying
        if ctx.routed and ctx.replicas and _in_use(ctx, rs):
            # Not even its unready pods: they may serve again in a moment, and traffic still counts on them.
            yield Wait(f"ReplicaSet {rs.name} is kept while a Service or a recorded weight names it")
        elif held:
            yield Wait(f"ReplicaSet {rs.name} is kept {held}")
        elif spare <= 0:
            yield from _shrink(rs, size)
            if size:
                yield Wait(f"ReplicaSet {rs.name} is scaled down once {ctx.limits.least_available} pods stay available")
        elif not ctx.routed:
            gone = min(size, spare)
            spare -= gone
            yield from _shrink(rs, size - gone)
        else:
            before = kept
            kept += _may_stay(ctx, rs, kept)
            yield from _delay(ctx, rs, size) if kept > before else _shrink(rs, 0)


def _shrink(rs: ReplicaSet, size: int) -> Iterator[UpdateReplicaSet]:
    if size < rs.replicas:
        drop = size == 0 and scale_down_deadline(rs) is not None
        yield UpdateReplicaSet(rs.name, size, {labels.SCALE_DOWN_DEADLINE: None} if drop else {})


def _may_stay(ctx: Context, rs: ReplicaSet, kept: int) -> bool:
    """Whether the scale-down delay holds for it: not for the canary of an update that another one replaced."""
    if ctx.dynamic or not (ctx.is_stable or scale_down_deadline(rs) is not None):
        return False
    limit = defaults.scale_down_delay_revision_limit(ctx.rollout)
    return defaults.scale_down_delay_seconds(ctx.rollout) > 0 and kept < limit


def _delay(ctx: Context, rs: ReplicaSet, size: int) -> Iterator[UpdateReplicaSet | Wait]:
    if scale_down_deadline(rs) is None:
        yield from _shrink(rs, size)
        yield from deadlines.begin(ctx, rs, defaults.scale_down_delay_seconds(ctx.rollout))
    elif deadlines.is_pending(ctx, rs):
        yield from _shrink(rs, size)
        yield deadlines.wait(rs)
    else:
        yield from _shrink(rs, 0)


def _in_use(ctx: Context, rs: ReplicaSet) -> bool:
    """A Service selects its pods, or the recorded split names them, or requests may go to any pod that is available."""
    rests = _resting(ctx)
    selecting = (service for service in ctx.world.services.values() if service is not None and service.name != rests)
    if any(service.hash == rs.hash for service in selecting):
        return True
    recorded = ctx.weights
    if recorded is None or (ctx.spread and rs.staying):
        return rs.staying > 0
    named = (recorded.canary, recorded.stable, *recorded.additional)
    return any(destination.pod_template_hash == rs.hash for destination in named)


def _resting(ctx: Context) -> str:
    """The Service whose turn is over, or "": it selects what was stable before until the next update, for nobody."""
    if ctx.turns is None or not ctx.is_stable or carried_hash(ctx) != NO_HASH:
        return ""
    return ctx.turns[0]
