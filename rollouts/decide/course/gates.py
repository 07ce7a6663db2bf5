"""Pure. What stands between a ready preview and the switch to it: analysis, a pause, somebody's word."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from rollouts.decide import wording
from rollouts.decide.context import Context
from rollouts.decide.course.previews import is_ready, replaces, strategy
from rollouts.decide.facts import Pausing
from rollouts.decide.plan import Wait


def analysed(ctx: Context) -> bool:
    """The pre-promotion analysis, where there is one, is recorded as successful."""
    entry = ctx.status.blue_green.pre_promotion_analysis_run_status
    return strategy(ctx).pre_promotion_analysis is None or (entry is not None and entry.status == "Successful")


def pauses(ctx: Context) -> bool:
    """The strategy asks for a pause before the switch."""
    return not promotes_itself(ctx) or strategy(ctx).auto_promotion_seconds > 0


def promotes_itself(ctx: Context) -> bool:
    """The pause, if any, ends without a person."""
    return strategy(ctx).auto_promotion_enabled is not False


def promoted(ctx: Context) -> bool:
    """Somebody took the pause away. This holds until the switch: the pods may need a moment more than the person."""
    status = ctx.status
    return status.controller_pause and not status.pause_conditions and analysed(ctx)


def passed(ctx: Context) -> bool:
    """Nothing but pods stands between the preview and the switch."""
    if not analysed(ctx) or ctx.halted:
        return False
    if not pauses(ctx) or promoted(ctx) or ctx.status.blue_green.scale_up_preview_check_point:
        return True
    until = _ends(ctx, opened(ctx))
    return until is not None and ctx.now >= until


def opened(ctx: Context) -> datetime | None:
    """When the pause before the switch began."""
    starts = (p.start_time for p in ctx.status.pause_conditions if p.reason == wording.BLUE_GREEN_PAUSE)
    return next(starts, None)


def pause(ctx: Context) -> Iterator[Pausing | Wait]:
    """Begin the pause once the preview is ready and judged, or say until when it lasts."""
    if ctx.changed or not replaces(ctx) or not analysed(ctx) or ctx.halted or passed(ctx):
        return
    began = opened(ctx)
    if began is None and is_ready(ctx):
        yield Pausing(wording.BLUE_GREEN_PAUSE)
        began = ctx.now
    until = _ends(ctx, began)
    if until is not None:
        yield Wait(f"paused until {until:%Y-%m-%d %H:%M:%S} UTC, when the rollout promotes itself", until)
    elif began is not None:
        yield Wait("paused before the switch, until somebody promotes")


def _ends(ctx: Context, began: datetime | None) -> datetime | None:
    if began is None or not promotes_itself(ctx):
        return None
    return began + timedelta(seconds=strategy(ctx).auto_promotion_seconds)
