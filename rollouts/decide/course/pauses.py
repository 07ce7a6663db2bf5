"""Pure. Pauses: when a pause step begins, when it is over, and who ended it."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from rollouts.api import defaults
from rollouts.api.status import PauseCondition
from rollouts.decide import wording
from rollouts.decide.context import Context
from rollouts.decide.facts import Pausing
from rollouts.decide.plan import Wait


def pause(ctx: Context) -> Iterator[Pausing | Wait]:
    """At a pause step: begin it, or say until when it lasts."""
    step = ctx.step
    if step is None or step.pause is None or ctx.returns_to_stable or ctx.initial or ctx.status.promote_full:
        return
    if completed(ctx):
        return
    began = opened(ctx)
    if began is None and not ctx.status.controller_pause:
        yield Pausing(wording.CANARY_PAUSE_STEP)
        began = ctx.now
    if ctx.spec.paused:
        yield Wait("paused by spec.paused, until it is set to false")
    elif step.pause.duration is None:
        yield Wait("paused at a step without duration, until somebody promotes")
    else:
        until = _ends(began or ctx.now, step.pause.duration)
        yield Wait(f"paused until {until:%Y-%m-%d %H:%M:%S} UTC by a step of {step.pause.duration}", until)


def completed(ctx: Context) -> bool:
    """The current pause step is over: resumed by a person, or its duration has passed.

    "Resumed" means that no pause of any reason is left. An inconclusive analysis beside it therefore keeps the pause.
    """
    step = ctx.step
    if step is None or step.pause is None:
        return False
    status = ctx.status
    if status.controller_pause and not status.pause_conditions:
        return True
    began = opened(ctx)
    duration = step.pause.duration
    if duration is None:
        return False
    return defaults.pause_seconds(duration) == 0 or (began is not None and ctx.now >= _ends(began, duration))


def opened(ctx: Context) -> datetime | None:
    """When the open pause of a pause step began."""
    starts = (p.start_time for p in ctx.status.pause_conditions if p.reason == wording.CANARY_PAUSE_STEP)
    return next(starts, None)


def without_step_pause(pauses: tuple[PauseCondition, ...]) -> tuple[PauseCondition, ...]:
    return tuple(pause for pause in pauses if pause.reason != wording.CANARY_PAUSE_STEP)


def _ends(began: datetime, duration: int | str) -> datetime:
    return began + timedelta(seconds=defaults.pause_seconds(duration))
