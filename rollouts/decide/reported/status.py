"""Pure. The status that a story leads to, and the events that tell of it.

Written last, so it may assume that every action of the story has happened. It records; it never decides anything
that an action of the same pass would have needed to know.
"""

from collections.abc import Iterable

from rollouts.api import labels
from rollouts.api.status import RolloutCondition, RolloutStatus
from rollouts.decide import wording, workload
from rollouts.decide.analyses import slots
from rollouts.decide.analyses.experiments import recorded
from rollouts.decide.context import Context
from rollouts.decide.course.advance import Updates, advance
from rollouts.decide.course.cutover import cut_over, observed
from rollouts.decide.facts import CurrentRun, Said
from rollouts.decide.plan import (
    CreateReplicaSet,
    Event,
    ScaleWorkload,
    SetWeight,
    StartExperiment,
    UpdateReplicaSet,
    UpdateRollout,
)
from rollouts.decide.pods.restart import done
from rollouts.decide.reported.conditions import conditions, out_of_time
from rollouts.decide.reported.duration import duration
from rollouts.decide.reported.phase import phase
from rollouts.decide.traffic import balancers, proof
from rollouts.decide.traffic.weights import change_text, is_recorded, recorded_as, verified


def after(ctx: Context, said: Iterable[Said]) -> tuple[RolloutStatus, tuple[Event, ...]]:
    """The status once everything said is done, and the events of this pass in the order in which they happened."""
    said = tuple(said)
    status = ctx.status.model_copy(update=_observed(ctx))
    if ctx.blue_green is not None:
        status = status.model_copy(update=observed(ctx, said))
    said = (*said, *out_of_time(ctx, status))
    events = _told(ctx, said)
    status = recorded(_with_runs(ctx, status, said, events), said)
    status = _with_weights(ctx, status, said, events)
    status = status.model_copy(update=balancers.found(ctx, status))
    move = advance if ctx.blue_green is None else cut_over
    status = status.model_copy(update=move(ctx, status, said, events))
    status = status.model_copy(update={"duration": duration(ctx, status)})
    found, more = conditions(ctx, status, said)
    proven, told = proof.condition(ctx, status)
    status = status.model_copy(update={"conditions": _with_proof(found, proven)})
    name, message = phase(ctx, status)
    return status.model_copy(update={"phase": name, "message": message}), _in_order(
        (*events, *more, *told), _sized(said)
    )


def _with_proof(found: tuple[RolloutCondition, ...], proven: RolloutCondition | None) -> tuple[RolloutCondition, ...]:
    if proven is not None and proven in found:
        return found
    others = tuple(condition for condition in found if condition.type != proof.TRAFFIC_PROVEN)
    return others if proven is None else (*others, proven)


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
        "restarted_at": done(ctx),
        "replicas": current,
        "updated_replicas": new.current if new else 0,
        "ready_replicas": sum(rs.ready for rs in all_sets),
        "available_replicas": ctx.all_available,
        "hpa_replicas": current,
        "selector": str(ctx.spec.selector) if ctx.spec.selector else "",
        "workload_observed_generation": workload.observed_generation(ctx),
    }


def _told(ctx: Context, said: Iterable[Said]) -> list[Event]:
    """Events of the actions on ReplicaSets, and of an update that needs no steps."""
    events = []
    sizes = {rs.name: rs for rs in ctx.world.replica_sets}
    for item in said:
        match item:
            case CreateReplicaSet(name=name, revision=revision):
                text = f"Created ReplicaSet {name} (revision {revision})"
                events.append(Event("NewReplicaSetCreated", text))
            case UpdateReplicaSet(name=name, replicas=int(count)) if count != sizes[name].replicas:
                rs = sizes[name]
                events.append(Event("ScalingReplicaSet", wording.scaled(name, rs.revision, rs.replicas, count)))
            case ScaleWorkload(name=name, before=before, replicas=count):
                events.append(Event("ScalingDeployment", wording.deployment_scaled(name, before, count)))
            case StartExperiment(name=name):
                events.append(Event("ExperimentCreated", f"Created Experiment '{name}'"))
            case UpdateRollout(annotations=annotations) if labels.REVISION in annotations:
                events.append(Event("RolloutUpdated", f"Rollout updated to revision {ctx.revision}"))
    if ctx.changed and ctx.steps and ctx.stored.current_pod_hash:
        if ctx.is_stable:
            events.append(Event("SkipSteps", "Rollback to stable ReplicaSets"))
        elif ctx.rolls_back_fast and ctx.new is not None and ctx.new.replicas:
            events.append(Event("SkipSteps", "Rollback to active ReplicaSets within RollbackWindow"))
    return events


def _sized(said: Iterable[Said]) -> tuple[Event, ...]:
    """That new ReplicaSets have their size, with which they are created."""
    made = (item for item in said if isinstance(item, CreateReplicaSet) and item.replicas)
    return tuple(Event("ScalingReplicaSet", wording.scaled(one.name, one.revision, 0, one.replicas)) for one in made)


def _in_order(told: tuple[Event, ...], sized: tuple[Event, ...]) -> tuple[Event, ...]:
    """In the order of Argo Rollouts, which scales a new ReplicaSet in the pass after its creation: after all else of
    a pass, but before the end of an update."""
    if not sized:
        return told
    ends = tuple(event for event in told if event.reason == wording.ROLLOUT_COMPLETED)
    return (*(event for event in told if event not in ends), *sized, *ends)


def _with_runs(ctx: Context, status: RolloutStatus, said: Iterable[Said], events: list[Event]) -> RolloutStatus:
    for item in said:
        if isinstance(item, CurrentRun):
            before, entry = slots.entry(status, item.slot), item.entry
            status = slots.with_entry(status, item.slot, entry)
            if entry is not None and entry.status and (before is None or before.status != entry.status):
                known = before is not None and before.name == entry.name
                previous = before.status if before is not None and known else "NoPreviousStatus"
                text = wording.run_changed(item.slot, entry.name, entry.status, previous)
                bad = entry.status in ("Failed", "Error")
                events.append(Event(f"AnalysisRun{entry.status}", text, "Warning" if bad else "Normal"))
    return status


def _with_weights(ctx: Context, status: RolloutStatus, said: Iterable[Said], events: list[Event]) -> RolloutStatus:
    before = ctx.weights
    after = before if ctx.routed else None
    for item in said:
        if isinstance(item, SetWeight):
            after = recorded_as(ctx, item.split)
    if after is not None and not is_recorded(ctx, after):
        events.append(Event("TrafficWeightUpdated", change_text(before, after)))
    status = status.model_copy(update={"canary": status.canary.model_copy(update={"weights": after})})
    if after is None:
        return status
    told = after.model_copy(update={"verified": verified(ctx, status, after)})
    return status.model_copy(update={"canary": status.canary.model_copy(update={"weights": told})})
