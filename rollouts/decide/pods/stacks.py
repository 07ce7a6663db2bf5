"""Pure. Sizes of whole versions under blue-green: the stable, the new and those before them.

What the active Service selects is never made smaller than the rollout, whatever else is asked.
"""

from collections.abc import Iterator

from rollouts.api import defaults, labels
from rollouts.decide import wording
from rollouts.decide.context import Context, scale_down_deadline
from rollouts.decide.course.activation import leads_to
from rollouts.decide.course.previews import active_hash, returns_fast, selected, serves, size, strategy, was_full
from rollouts.decide.plan import CreateReplicaSet, UpdateReplicaSet, Wait
from rollouts.decide.pods.deadlines import begin, desired, is_pending, noted, wait
from rollouts.decide.pods.revision import new_replica_set
from rollouts.decide.pods.scaling import resize
from rollouts.decide.traffic import proof
from rollouts.decide.world import NO_HASH, ReplicaSet

Told = CreateReplicaSet | UpdateReplicaSet | Wait


def scale(ctx: Context) -> Iterator[Told]:
    """The stable version, the new one, then the older ones. A paused rollout is sized like any other."""
    if ctx.stable is not None and ctx.stable is not ctx.new:
        yield from resize(ctx, ctx.stable, ctx.replicas)
    yield from _scale_new(ctx)
    yield from _retire(ctx)


def create(ctx: Context) -> CreateReplicaSet:
    """The new version's ReplicaSet, at the size that it should have from the start."""
    return new_replica_set(ctx, 0 if ctx.aborted else size(ctx))


def _scale_new(ctx: Context) -> Iterator[Told]:
    new = ctx.new
    if new is None:
        yield create(ctx)
    elif ctx.aborted and serves(ctx, new):
        yield from resize(ctx, new, ctx.replicas)
        yield Wait(f"the aborted ReplicaSet {new.name} keeps its pods until the active Service has left it")
    elif ctx.aborted and defaults.abort_scale_down_delay_seconds(ctx.rollout):
        yield from _abort(ctx, new)
    elif is_pending(ctx, new) and returns_fast(ctx) and not ctx.is_stable:
        yield wait(new)  # its deadline is what says that it may be switched to at once: it goes after the switch
    else:
        # A version that is whole already may be switched to in this very pass, and is no preview from then on.
        yield from resize(ctx, new, ctx.replicas if leads_to(ctx) == new.hash else size(ctx))


def _abort(ctx: Context, new: ReplicaSet) -> Iterator[Told]:
    """Keep the aborted version for the abort delay, which begins once the stable one is whole."""
    if new.replicas == 0:
        return
    stable = ctx.stable.dependable if ctx.stable else 0
    if unproven := proof.holds(ctx):
        yield Wait(f"the aborted ReplicaSet keeps its pods {unproven}")
    elif scale_down_deadline(new) is None and stable < ctx.replicas:
        yield Wait(f"the aborted ReplicaSet keeps its pods until stable has all {ctx.replicas} ({stable} now)")
    elif scale_down_deadline(new) is None:
        yield from begin(ctx, new, defaults.abort_scale_down_delay_seconds(ctx.rollout) or 0)
    elif is_pending(ctx, new):
        yield from noted(ctx, new)
        yield wait(new)
    else:
        yield UpdateReplicaSet(new.name, replicas=0)  # the deadline stays on it, as clients of Argo Rollouts know it


# ── older versions ──


def _retire(ctx: Context) -> Iterator[Told]:
    """Older versions are kept for the scale-down delay, the newest first and no more of them than the limit."""
    limit = defaults.scale_down_delay_revision_limit(ctx.rollout)
    delay = defaults.scale_down_delay_seconds(ctx.rollout)
    held, unproven, kept = _held(ctx), proof.holds(ctx), 0
    for rs in ctx.others:
        if serves(ctx, rs):
            yield from resize(ctx, rs, ctx.replicas)
            yield Wait(f"ReplicaSet {rs.name} is kept while the active Service selects it")
        elif rs.replicas == 0:
            continue
        elif held:
            yield Wait(f"ReplicaSet {rs.name} is kept: {held}")
        elif unproven:
            yield Wait(f"ReplicaSet {rs.name} is kept {unproven}")
        elif selected(ctx, strategy(ctx).preview_service) == rs.hash:
            yield Wait(f"ReplicaSet {rs.name} is kept while the preview Service selects it")
        elif delay > 0 and kept < limit and (scale_down_deadline(rs) is None or is_pending(ctx, rs)):
            kept += 1
            yield from _keep(ctx, rs, delay)
        else:
            yield _emptied(rs)


def _held(ctx: Context) -> str:
    """Why no older version may go now, or ""."""
    if ctx.pause_open(wording.INCONCLUSIVE_ANALYSIS):
        return "an analysis could not tell"
    if active_hash(ctx) == NO_HASH and ctx.replicas > 0:
        return "the active Service selects pods of any version until it is switched"
    if _judged_after_switch(ctx) and strategy(ctx).scale_down_delay_seconds is None:
        return "the analysis after the switch is not over"
    return ""


def _judged_after_switch(ctx: Context) -> bool:
    post = strategy(ctx).post_promotion_analysis
    return post is not None and active_hash(ctx) == ctx.hash and not ctx.is_stable and not ctx.aborted


def _keep(ctx: Context, rs: ReplicaSet, delay: int) -> Iterator[Told]:
    """Keep a version until its deadline. A whole one follows the rollout's size, so that a return to it is instant;
    a preview that never was in use only ever gets smaller."""
    count = ctx.replicas if was_full(rs) else min(rs.replicas, ctx.replicas)
    if count == 0:
        yield _emptied(rs)
        return
    if count != rs.replicas:
        yield UpdateReplicaSet(rs.name, count, desired(ctx, rs) if was_full(rs) else {})
    if is_pending(ctx, rs):
        yield wait(rs)
        return
    for said in begin(ctx, rs, delay):
        yield said if was_full(rs) or isinstance(said, Wait) else _without_size(said)


def _without_size(update: UpdateReplicaSet) -> UpdateReplicaSet:
    notes = {key: value for key, value in update.annotations.items() if key != labels.DESIRED_REPLICAS}
    return UpdateReplicaSet(update.name, annotations=notes)


def _emptied(rs: ReplicaSet) -> UpdateReplicaSet:
    return UpdateReplicaSet(rs.name, 0, {labels.SCALE_DOWN_DEADLINE: None} if scale_down_deadline(rs) else {})
