"""Pure. World and moment in, plan out: what should happen to a Rollout next, and why nothing more can.

Synchronous and total. The same world at the same moment always gives the same plan, so that a crash between any two
actions only delays what the next pass will do from what is really there.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from rollouts.api.status import RolloutStatus
from rollouts.decide import bluegreen, canary, workload
from rollouts.decide.context import Context
from rollouts.decide.facts import Said
from rollouts.decide.plan import Action, Plan, UpdateReplicaSet, Wait
from rollouts.decide.questions import Ask
from rollouts.decide.references import fault
from rollouts.decide.reported.conditions import deadline_wait
from rollouts.decide.reported.invalid import refuse
from rollouts.decide.reported.status import after
from rollouts.decide.world import World

__all__ = ["decide"]

_PASSES = 16


def decide(world: World, now: datetime) -> Plan:
    """What to do now. Passes that only change the status are folded into one, so that it is written once.

    A pass that acts is never folded into an earlier one: its actions may rest only on a status that was stored.
    """
    moment = now.replace(microsecond=0)
    plan = _once(world, moment)
    for _ in range(_PASSES):
        if plan.changes:
            break
        if plan.status == world.rollout.status:
            return replace(plan, settled=True)
        world = world.with_status(plan.status)
        following = _once(world, moment)
        if following.changes:
            break
        plan = replace(following, events=(*plan.events, *following.events))
    return plan


def _once(world: World, now: datetime) -> Plan:
    if world.rollout.metadata.deletion_timestamp is not None:
        return Plan((Wait("the Rollout is being deleted"),), world.rollout.status)
    error = fault(world)
    if error:
        return refuse(world, error, now)
    ctx = Context(world, now)
    story = canary.story if ctx.blue_green is None else bluegreen.story
    said = (*story(ctx), *workload.hand_over(ctx))
    status, events = after(ctx, said)
    asks = tuple(item for item in said if isinstance(item, Ask))
    return Plan(_steps(ctx, status, said), status, events, asks=asks)


def _steps(ctx: Context, status: RolloutStatus, said: Iterable[Said]) -> tuple[Action | Wait, ...]:
    steps = [item for item in said if isinstance(item, Action | Wait)]
    return (*_merged(steps), *deadline_wait(ctx, status))


def _merged(steps: Iterable[Action | Wait]) -> list[Action | Wait]:
    """Several updates of one ReplicaSet become one, at the place of the last: one write, and never earlier."""
    merged: dict[object, Action | Wait] = {}
    for step in steps:
        key: object = id(step)
        if isinstance(step, UpdateReplicaSet):
            key = (UpdateReplicaSet, step.name)
            before = merged.pop(key, None)
            if isinstance(before, UpdateReplicaSet):
                step = _both(before, step)
        merged[key] = step
    return list(merged.values())


def _both(first: UpdateReplicaSet, second: UpdateReplicaSet) -> UpdateReplicaSet:
    patience = first.min_ready_seconds if second.min_ready_seconds is None else second.min_ready_seconds
    return UpdateReplicaSet(
        first.name,
        first.replicas if second.replicas is None else second.replicas,
        {**first.annotations, **second.annotations},
        patience,
        {**first.template_labels, **second.template_labels},
        {**first.template_annotations, **second.template_annotations},
        {**first.template_anti_affinity, **second.template_anti_affinity},
    )
