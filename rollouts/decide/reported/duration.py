"""Pure. How long a release takes, with pauses that waited for a person taken off (`status.duration`)."""

from rollouts.api.status import RolloutDuration, RolloutStatus
from rollouts.decide import wording
from rollouts.decide.context import Context
from rollouts.decide.course.previews import returns_fast


def duration(ctx: Context, status: RolloutStatus) -> RolloutDuration | None:
    """The duration that goes with `status`, which is complete but for it and the conditions."""
    stored = ctx.stored.duration
    retried = bool(ctx.stored.aborted_at) and not status.abort
    if stored is None or retried:
        current = RolloutDuration(rollout_started_at=ctx.now)
    elif stored.finished_at is None:
        current = _interrupted(ctx, status, stored) if ctx.changed else stored
    elif ctx.changed and not _promoted(ctx, status):
        current = RolloutDuration(rollout_started_at=ctx.now)
    else:
        return stored
    current = _manual_pause(ctx, status, current)
    outcome = _outcome(ctx, status, current)
    if not outcome:
        return current
    return current.model_copy(update={"finished_at": ctx.now, "completion_status": outcome})


def _interrupted(ctx: Context, status: RolloutStatus, stored: RolloutDuration) -> RolloutDuration:
    """An update under way is superseded by another one; but going back ends what has begun, and says so at once."""
    new, stable = ctx.new, ctx.stable
    to_stable = status.stable_rs == status.current_pod_hash
    older = new is not None and stable is not None and new.created < stable.created
    if not (to_stable or older):
        return RolloutDuration(rollout_started_at=ctx.now)
    fast = to_stable or ctx.rolls_back_fast or (ctx.blue_green is not None and returns_fast(ctx))
    return stored.model_copy(update={"completion_status": "FastRolledBack" if fast else "RolledBack"})


def _manual_pause(ctx: Context, status: RolloutStatus, current: RolloutDuration) -> RolloutDuration:
    """Count the time in which only a person could go on."""
    began = current.manual_pause_started_at
    waiting = ctx.spec.paused or any(_manual(ctx, pause.reason) for pause in status.pause_conditions)
    if waiting and began is None:
        return current.model_copy(update={"manual_pause_started_at": ctx.now})
    if waiting or began is None:
        return current
    total = (current.total_manual_pause_duration_seconds or 0) + int((ctx.now - began).total_seconds())
    return current.model_copy(update={"manual_pause_started_at": None, "total_manual_pause_duration_seconds": total})


def _manual(ctx: Context, reason: str) -> bool:
    if reason == wording.BLUE_GREEN_PAUSE and ctx.blue_green is not None:
        return ctx.blue_green.auto_promotion_enabled is False
    if reason != wording.CANARY_PAUSE_STEP:
        return True
    step = ctx.step
    return step is not None and step.pause is not None and step.pause.duration is None


def _outcome(ctx: Context, status: RolloutStatus, current: RolloutDuration) -> str:
    """How it ended, or "" while it goes on."""
    if status.abort:
        return current.completion_status or "Aborted"
    if not _promoted(ctx, status):
        return ""
    if current.completion_status or ctx.stored.stable_rs == status.stable_rs:
        return current.completion_status or "Promoted"
    new, stable = ctx.new, ctx.stable
    back = new is not None and stable is not None and new.created < stable.created
    if back:
        return "FastRolledBack" if ctx.blue_green is not None and returns_fast(ctx) else "RolledBack"
    return "FastPromoted" if ctx.status.promote_full else "Promoted"


def _promoted(ctx: Context, status: RolloutStatus) -> bool:
    return bool(status.stable_rs) and status.stable_rs == status.current_pod_hash and _full(ctx)


def _full(ctx: Context) -> bool:
    return ctx.new is not None and ctx.new.available >= ctx.replicas
