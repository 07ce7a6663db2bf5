"""Pure. Where a canary's update stands after a pass: aborted, promoted, or at a step."""

from typing import Any

from rollouts.api.status import PauseCondition, RolloutStatus
from rollouts.decide import wording
from rollouts.decide.analyses import experiments
from rollouts.decide.context import Context
from rollouts.decide.course.pauses import completed as pause_completed
from rollouts.decide.course.pauses import without_step_pause
from rollouts.decide.course.steps import (
    asked_scale,
    asks_for_none,
    at_wanted_counts,
    describe,
    enough_available,
    weight_at,
)
from rollouts.decide.facts import Aborting, Pausing, Said
from rollouts.decide.plan import Event
from rollouts.decide.traffic import balancers
from rollouts.decide.traffic.weights import must_be_renamed

Updates = dict[str, Any]


def advance(ctx: Context, status: RolloutStatus, said: tuple[Said, ...], events: list[Event]) -> Updates:
    """The fields of the status that change by moving on. `status` holds this pass's weights and run verdicts."""
    aborting = status.abort or any(isinstance(item, Aborting) for item in said)
    if aborting and not (ctx.is_stable or ctx.initial):
        return _aborted(ctx)
    reason = promotion(ctx, status)
    if reason:
        return _promoted(ctx, status, reason, events)
    updates: Updates = {"aborted_at": None}
    if ctx.changed:
        if ctx.stored.pause_conditions:
            events.append(Event(wording.ROLLOUT_RESUMED, wording.IS_RESUMED))
        return updates
    return updates | _stepped(ctx, status, said, events)


def _aborted(ctx: Context) -> Updates:
    return {
        "abort": True,
        "aborted_at": ctx.stored.aborted_at or ctx.now,
        "pause_conditions": (),
        "controller_pause": False,
        "current_step_index": 0 if ctx.steps else None,
    }


def promotion(ctx: Context, status: RolloutStatus) -> str:
    """Why the current template becomes the stable one now, as the event RolloutCompleted says it; "" if it does not.
    `status` already holds this pass's weights."""
    if ctx.new is None:
        return ""
    if ctx.initial:
        return "Initial deploy"
    if ctx.is_stable and not ctx.status.promote_full:
        return "Rollback to stable ReplicaSets"
    if ctx.aborted or not enough_available(ctx, ctx.new, ctx.replicas):
        return ""
    if ctx.turns is not None and (ctx.changed or must_be_renamed(ctx)):
        return ""  # the Service whose turn comes has to lead to it first, for nothing rewrites a stable one
    if ctx.status.promote_full:
        return "Full promotion requested"
    if ctx.rolls_back_fast:
        return "Rollback within window"
    if ctx.step is None and _end_is_seen(ctx, status):
        return f"Completed all {len(ctx.steps)} canary steps"
    return ""


def _end_is_seen(ctx: Context, status: RolloutStatus) -> bool:
    """All traffic goes to the new version, as far as anybody can be asked who could tell otherwise."""
    asked = ctx.proof is not None or balancers.routing(ctx) is not None
    weights = status.canary.weights
    if not asked or not ctx.steps or ctx.replicas == 0 or weights is None:
        return True
    return weights.canary.weight == ctx.max_weight and weights.verified is not False


def _promoted(ctx: Context, status: RolloutStatus, reason: str, events: list[Event]) -> Updates:
    if ctx.stored.stable_rs != ctx.hash:
        text = f"Rollout completed update to revision {ctx.revision} ({ctx.hash}): {reason}"
        events.append(Event(wording.ROLLOUT_COMPLETED, text))
    if ctx.stored.pause_conditions:
        events.append(Event(wording.ROLLOUT_RESUMED, wording.IS_RESUMED))
    return {
        "stable_rs": ctx.hash,
        "current_step_index": len(ctx.steps) if ctx.steps else None,
        "abort": False,
        "aborted_at": None,
        "promote_full": False,
        "pause_conditions": (),
        "controller_pause": False,
        "canary": status.canary.model_copy(
            update={
                "current_step_analysis_run_status": None,
                "current_background_analysis_run_status": None,
                "current_experiment": "",
                "stable_ping_pong": _turn(ctx),
            }
        ),
    }


def _turn(ctx: Context) -> str:
    """Which of ping and pong is stable after this promotion."""
    turn = ctx.turn
    if ctx.canary.ping_pong is None or ctx.stored.stable_rs == ctx.hash:
        return turn
    return "pong" if turn == "ping" else "ping"


def _stepped(ctx: Context, status: RolloutStatus, said: tuple[Said, ...], events: list[Event]) -> Updates:
    if status.promote_full:
        if status.pause_conditions:
            events.append(Event(wording.ROLLOUT_RESUMED, wording.IS_RESUMED))
        end = len(ctx.steps) if ctx.steps else None
        return {"current_step_index": end, "pause_conditions": (), "controller_pause": False}
    pauses = status.pause_conditions
    updates: Updates = {}
    if step_completed(ctx, status):
        assert ctx.step is not None  # otherwise nothing could be completed
        done = ctx.index + 1
        text = wording.step_completed(done, len(ctx.steps), describe(ctx.step))
        events.append(Event("RolloutStepCompleted", text))
        updates["current_step_index"] = done
        over: Updates = {"current_step_analysis_run_status": None, "current_experiment": ""}
        updates["canary"] = status.canary.model_copy(update=over)
        if ctx.step.pause is not None:
            pauses = without_step_pause(pauses)
    for item in said:
        if isinstance(item, Pausing) and not any(pause.reason == item.reason for pause in pauses):
            pauses = (*pauses, PauseCondition(reason=item.reason, start_time=ctx.now))
            updates["controller_pause"] = True
            events.append(Event(wording.ROLLOUT_PAUSED, f"{wording.IS_PAUSED} ({item.reason})"))
    if not pauses and (status.controller_pause or status.pause_conditions):
        updates["controller_pause"] = False
        if status.pause_conditions:  # by time, not by a person
            events.append(Event(wording.ROLLOUT_RESUMED, wording.IS_RESUMED))
    return updates | {"pause_conditions": pauses}


def step_completed(ctx: Context, status: RolloutStatus) -> bool:
    """The current step is fulfilled. `status` already holds this pass's weights and run verdicts.

    A step may ask for a size or a route together with something else: a pause then decides alone, as with Argo
    Rollouts, and anything else has to be fulfilled beside the size.
    """
    step = ctx.step
    if step is None or ctx.spec.paused or ctx.new is None:
        return False
    if step.pause is not None:
        return pause_completed(ctx)
    if ctx.pause_open(wording.INCONCLUSIVE_ANALYSIS) or (step.set_canary_scale and not at_wanted_counts(ctx)):
        return False
    if step.set_weight is not None:
        return at_wanted_counts(ctx) and _weight_is_set(ctx, status)
    if step.experiment is not None:
        return experiments.succeeded(ctx, status)
    if step.analysis is not None:
        run = status.canary.current_step_analysis_run_status
        return run is not None and run.status == "Successful"
    # A route stands from now on, as soon and as long as there are canary pods to serve it.
    return any(part is not None for part in (step.set_canary_scale, step.set_header_route, step.set_mirror_route))


def _weight_is_set(ctx: Context, status: RolloutStatus) -> bool:
    if not ctx.routed or ctx.replicas == 0 or asks_for_none(asked_scale(ctx)):
        return True  # without any pods there is nobody to send traffic to
    weights = status.canary.weights
    if weights is None or weights.verified is False:
        return False
    asked = weight_at(ctx.steps, ctx.index)
    return weights.canary.weight == asked and weights.canary.pod_template_hash == ctx.hash
