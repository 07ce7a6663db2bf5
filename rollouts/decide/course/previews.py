"""Pure. The pods behind a blue-green rollout's Services: which the active one selects, how many the new version has."""

from rollouts.api import labels
from rollouts.api.bluegreen import BlueGreenStrategy
from rollouts.decide.context import Context
from rollouts.decide.pods.deadlines import is_pending
from rollouts.decide.world import NO_HASH, Hash, ReplicaSet


def strategy(ctx: Context) -> BlueGreenStrategy:
    """`spec.strategy.blueGreen`, in a story that is told only of rollouts that have it."""
    assert ctx.blue_green is not None
    return ctx.blue_green


# ── what the Services select ──


def selected(ctx: Context, name: str) -> Hash:
    """The template hash that a Service selects; "" while it selects pods by other labels alone."""
    service = ctx.world.services.get(name) if name else None
    return service.hash if service else NO_HASH


def active_hash(ctx: Context) -> Hash:
    return selected(ctx, strategy(ctx).active_service)


def active(ctx: Context) -> ReplicaSet | None:
    """The ReplicaSet whose pods the active Service selects."""
    return with_hash(ctx, active_hash(ctx))


def with_hash(ctx: Context, hash: str) -> ReplicaSet | None:
    return next((rs for rs in ctx.world.replica_sets if hash and rs.hash == hash), None)


def serves(ctx: Context, rs: ReplicaSet) -> bool:
    """The active Service selects its pods, or did when the status was last stored."""
    return rs.hash in (active_hash(ctx), ctx.stored.blue_green.active_selector)


def is_active(ctx: Context) -> bool:
    """The active Service selects the new version."""
    return active_hash(ctx) == ctx.hash


def replaces(ctx: Context) -> bool:
    """The new version is to take over from another one that users are on: the switch has to be earned."""
    settled = ctx.initial or ctx.is_stable or ctx.aborted or ctx.status.promote_full or returns_fast(ctx)
    return not settled and active_hash(ctx) not in (NO_HASH, ctx.hash)


# ── sizes ──


def size(ctx: Context) -> int:
    """Pods that the new version should have now: spec.previewReplicaCount until the switch is near."""
    preview = strategy(ctx).preview_replica_count
    if preview is None or ctx.status.blue_green.scale_up_preview_check_point:
        return ctx.replicas
    whole = ctx.initial or ctx.is_stable or ctx.status.promote_full or returns_fast(ctx)
    return ctx.replicas if whole or is_active(ctx) or active(ctx) is None else preview


def is_full(ctx: Context, rs: ReplicaSet) -> bool:
    """It has all the pods that the rollout asks for, and they are available."""
    return rs.replicas == ctx.replicas and rs.dependable >= ctx.replicas


def is_ready(ctx: Context) -> bool:
    """The new version has the pods that it should have before the switch, and they are available."""
    new = ctx.new
    return new is not None and new.replicas == size(ctx) and new.dependable >= new.replicas


def returns_fast(ctx: Context) -> bool:
    """The template is that of an older version that was in use until a moment ago and still has all its pods, or lies
    within spec.rollbackWindow. It was judged before: no pause, no analysis."""
    new, stable = ctx.new, ctx.stable
    if new is None or stable is None or new.created >= stable.created or ctx.retried:
        return False
    return ctx.rolls_back_fast or (is_pending(ctx, new) and is_full(ctx, new))


def was_full(rs: ReplicaSet) -> bool:
    """It has as many pods as the rollout asked for when it was last sized: a whole version, not a small preview."""
    return rs.annotations.get(labels.DESIRED_REPLICAS) == str(rs.replicas)
