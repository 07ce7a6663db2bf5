"""Pure. The status that a story leads to, and the events that tell of it.

Written last, so it may assume that every action of the story has happened. It records; it never decides anything
that an action of the same pass would have needed to know.
"""

from collections.abc import Iterable
from typing import Any

from rollouts.api.status import PauseCondition, RolloutAnalysisRunStatus, RolloutStatus
from rollouts.decide import wording
from rollouts.decide.conditions import conditions
from rollouts.decide.context import Context
from rollouts.decide.duration import duration
from rollouts.decide.facts import Aborting, CurrentRun, Pausing, Said
from rollouts.decide.pauses import completed as pause_completed
from rollouts.decide.pauses import without_step_pause
from rollouts.decide.phase import phase
from rollouts.decide.plan import CreateReplicaSet, Event, SetWeight, UpdateReplicaSet, UpdateRollout
from rollouts.decide.steps import at_wanted_counts, describe, weight_at
from rollouts.decide.weights import change_text, recorded_as

Updates = dict[str, Any]


def after(ctx: Context, said: Iterable[Said]) -> tuple[RolloutStatus, tuple[Event, ...]]:
    """The status once everything said is done, and the events of this pass in the order in which they happened."""
    said = tuple(said)
    events = _told(ctx, said)
    status = _with_runs(ctx, ctx.status.model_copy(update=_observed(ctx)), said, events)
    status = _with_weights(ctx, status, said, events)
    status = status.model_copy(update=_moved(ctx, status, said, events))
    status = status.model_copy(update={"duration": duration(ctx, status)})
    found, more = conditions(ctx, status, said)
    status = status.model_copy(update={"conditions": found})
    name, message = phase(ctx, status)
    return status.model_copy(update={"phase": name, "message": message}), (*events, *more)


def _observed(ctx: Context) -> Updates:
    """What is simply seen: counts, hashes, generation."""
    all_sets, new = ctx.world.replica_sets, ctx.new
    current = sum(rs.current for rs in all_sets)
    index = ctx.status.current_step_index
    return {
        "observed_generation": str(ctx.rollout.metadata.generation),
        "current_pod_hash": ctx.hash,
        "current_step_hash": ctx.world.step_hash,
        "current_step_index": None if not ctx.steps else ctx.first_index if index is None else ctx.index,
        "replicas": current,
        "updated_replicas": new.current if new else 0,
        "ready_replicas": sum(rs.ready for rs in all_sets),
        "available_replicas": ctx.all_available,
        "hpa_replicas": current,
        "selector": str(ctx.spec.selector) if ctx.spec.selector else "",
    }


def _told(ctx: Context, said: Iterable[Said]) -> list[Event]:
    """Events of the actions on ReplicaSets, and of an update that needs no steps."""
    events = []
    sizes = {rs.name: rs for rs in ctx.world.replica_sets}
    for item in said:
        match item:
            case CreateReplicaSet(name=name, revision=revision, replicas=count):
                text = f"Created ReplicaSet {name} (revision {revision})"
                events.append(Event("NewReplicaSetCreated", text))
                if count:
                    events.append(Event("ScalingReplicaSet", wording.scaled(name, revision, 0, count)))
            case UpdateReplicaSet(name=name, replicas=int(count)) if count != sizes[name].replicas:
                rs = sizes[name]
                events.append(Event("ScalingReplicaSet", wording.scaled(name, rs.revision, rs.replicas, count)))
            case UpdateRollout(annotations=annotations) if annotations:
                events.append(Event("RolloutUpdated", f"Rollout updated to revision {ctx.revision}"))
    if ctx.changed and ctx.steps and ctx.is_stable and ctx.stored.current_pod_hash:
        events.append(Event("SkipSteps", "Rollback to stable ReplicaSets"))
    return events


def _with_runs(ctx: Context, status: RolloutStatus, said: Iterable[Said], events: list[Event]) -> RolloutStatus:
    canary = status.canary
    for item in said:
        if isinstance(item, CurrentRun):
            field = f"current_{item.slot.lower()}_analysis_run_status"
            before: RolloutAnalysisRunStatus | None = getattr(canary, field)
            canary = canary.model_copy(update={field: item.entry})
            entry = item.entry
            if entry is not None and entry.status and (before is None or before.status != entry.status):
                known = before is not None and before.name == entry.name
                previous = before.status if before is not None and known else "NoPreviousStatus"
                text = wording.run_changed(item.slot, entry.name, entry.status, previous)
                bad = entry.status in ("Failed", "Error")
                events.append(Event(f"AnalysisRun{entry.status}", text, "Warning" if bad else "Normal"))
    return status.model_copy(update={"canary": canary})


def _with_weights(ctx: Context, status: RolloutStatus, said: Iterable[Said], events: list[Event]) -> RolloutStatus:
    before = ctx.weights
    after = before if ctx.routed else None
    for item in said:
        if isinstance(item, SetWeight):
            after = recorded_as(item.split)
    if after is not None and after != before:
        events.append(Event("TrafficWeightUpdated", change_text(before, after)))
    return status.model_copy(update={"canary": status.canary.model_copy(update={"weights": after})})


# ── where the update stands: aborted, promoted, or at a step ──


def _moved(ctx: Context, status: RolloutStatus, said: tuple[Said, ...], events: list[Event]) -> Updates:
    if (status.abort or any(isinstance(item, Aborting) for item in said)) and not ctx.is_stable:
        return _aborted(ctx)
    reason = promotion(ctx)
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


def promotion(ctx: Context) -> str:
    """Why the current template becomes the stable one now, as the event RolloutCompleted says it; "" if it does not."""
    if ctx.new is None:
        return ""
    if ctx.initial:
        return "Initial deploy"
    if ctx.is_stable and not ctx.status.promote_full:
        return "Rollback to stable ReplicaSets"
    if ctx.aborted or ctx.new.available < ctx.replicas:
        return ""
    if ctx.status.promote_full:
        return "Full promotion requested"
    if ctx.step is None:
        return f"Completed all {len(ctx.steps)} canary steps"
    return ""


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
            update={"current_step_analysis_run_status": None, "current_background_analysis_run_status": None}
        ),
    }


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
        updates["canary"] = status.canary.model_copy(update={"current_step_analysis_run_status": None})
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
    """The current step is fulfilled. `status` already holds this pass's weights and run verdicts."""
    step = ctx.step
    if step is None or ctx.spec.paused or ctx.new is None:
        return False
    if step.pause is not None:
        return pause_completed(ctx)
    if ctx.pause_open(wording.INCONCLUSIVE_ANALYSIS):
        return False
    if step.set_weight is not None:
        return at_wanted_counts(ctx) and _weight_is_set(ctx, status)
    run = status.canary.current_step_analysis_run_status
    return step.analysis is not None and run is not None and run.status == "Successful"


def _weight_is_set(ctx: Context, status: RolloutStatus) -> bool:
    if not ctx.routed:
        return True
    weights = status.canary.weights
    if weights is None or weights.verified is False:
        return False
    asked = weight_at(ctx.steps, ctx.index)
    return weights.canary.weight == asked and weights.canary.pod_template_hash == ctx.hash
