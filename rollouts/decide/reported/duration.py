"""Pure. How long a release takes, with pauses that waited for a person taken off (`status.duration`)."""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from rollouts.api.status import RolloutDuration, RolloutStatus
from rollouts.decide import wording
from rollouts.decide.context import Context
from rollouts.decide.course.previews import returns_fast
from rollouts.decide.reported.conditions import is_completed


class Ending(NamedTuple):
    """How an update ended, and in how many seconds, of which a person paused it for some."""

    status: str
    whole: float
    manual_pause: float


def endings(before: RolloutStatus, after: RolloutStatus) -> Iterator[Ending]:
    """The updates that ended between two stored statuses: one that was superseded, and one that came to an outcome."""
    old, new = before.duration, after.duration
    open_still = old is not None and old.finished_at is None
    if old is not None and new is not None and open_still and new.rollout_started_at != old.rollout_started_at:
        yield from _ending(old, "Superseded", new.rollout_started_at)
    if new is not None and new.finished_at is not None and (old is None or open_still):
        yield from _ending(new, new.completion_status, new.finished_at)


def _ending(update: RolloutDuration, status: str, at: datetime | None) -> Iterator[Ending]:
    if at is None or update.rollout_started_at is None:
        return
    whole = (at - update.rollout_started_at).total_seconds()
    yield Ending(status, whole, float(_paused_until(update, at)))


def _paused_until(update: RolloutDuration, at: datetime) -> int:
    """Seconds for which a person paused it, one pause that lasts still included."""
    began, total = update.manual_pause_started_at, update.total_manual_pause_duration_seconds or 0
    return total if began is None else total + int((at - began).total_seconds())


def duration(ctx: Context, status: RolloutStatus) -> RolloutDuration | None:
    """The duration that goes with `status`, which is complete but for it and the conditions."""
    stored = ctx.stored.duration
    retried = bool(ctx.stored.aborted_at) and not status.abort
    if stored is not None and stored.finished_at is None:
        current = _interrupted(ctx, status, stored) if ctx.changed else stored
    elif (ctx.changed or retried) and not _promoted(ctx, status):
        current = RolloutDuration(rollout_started_at=ctx.now)
    else:
        return stored
    outcome = _outcome(ctx, status, current)
    done = bool(outcome) and (_promoted(ctx, status) or bool(status.abort))
    current = _manual_pause(ctx, current, waiting=not done and _waits_for_people(ctx, status))
    update = {"completion_status": outcome} | ({"finished_at": ctx.now} if done else {})
    return current.model_copy(update=update)


def _interrupted(ctx: Context, status: RolloutStatus, stored: RolloutDuration) -> RolloutDuration:
    """An update under way is superseded by another one; but going back ends what has begun, and says so at once."""
    new, stable = ctx.new, ctx.stable
    to_stable = is_completed(status)
    older = new is not None and stable is not None and new.created < stable.created
    if not (to_stable or older):
        return RolloutDuration(rollout_started_at=ctx.now)
    fast = to_stable or ctx.rolls_back_fast or (ctx.blue_green is not None and returns_fast(ctx))
    return stored.model_copy(update={"completion_status": "FastRolledBack" if fast else "RolledBack"})


def _manual_pause(ctx: Context, current: RolloutDuration, *, waiting: bool) -> RolloutDuration:
    """Count the time in which only a person could go on."""
    began = current.manual_pause_started_at
    if waiting and began is None:
        return current.model_copy(update={"manual_pause_started_at": ctx.now})
    if waiting or began is None:
        return current
    total = _paused_until(current, ctx.now)
    return current.model_copy(update={"manual_pause_started_at": None, "total_manual_pause_duration_seconds": total})


def _waits_for_people(ctx: Context, status: RolloutStatus) -> bool:
    return ctx.spec.paused or any(_manual(ctx, pause.reason) for pause in status.pause_conditions)


def _manual(ctx: Context, reason: str) -> bool:
    if reason == wording.BLUE_GREEN_PAUSE and ctx.blue_green is not None:
        return ctx.blue_green.auto_promotion_enabled is False
    if reason != wording.CANARY_PAUSE_STEP:
        return True
    step = ctx.step
    return step is not None and step.pause is not None and step.pause.duration is None


def _outcome(ctx: Context, status: RolloutStatus, current: RolloutDuration) -> str:
    """How it ends, known from when the version becomes stable on, or "" while it is open."""
    if current.completion_status:
        return current.completion_status
    if is_completed(status):
        by_hand = ctx.status.promote_full and ctx.stored.stable_rs != status.stable_rs
        return "FastPromoted" if by_hand else "Promoted"
    return "Aborted" if status.abort else ""


def _promoted(ctx: Context, status: RolloutStatus) -> bool:
    """The current version is stable, and all of its pods are there."""
    return is_completed(status) and ctx.new is not None and ctx.new.available >= ctx.replicas
