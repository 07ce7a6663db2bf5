"""Pure. World and moment in, plan out: what should happen to an Experiment next, and why nothing more can.

Synchronous and total, like the decision about a Rollout: a crash between any two actions only delays what the next
pass will do from what is really there.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from rollouts.api.experiment import ExperimentAnalysisRunStatus, ExperimentStatus
from rollouts.decide.plan import Event, StopRun, UpdateReplicaSet, Wait
from rollouts.experiment import analyses, status, templates
from rollouts.experiment.plan import Action, CreateReplicaSet, Plan
from rollouts.experiment.view import ENDED, View
from rollouts.experiment.world import World

_PASSES = 8


def decide(world: World, now: datetime) -> Plan:
    """What to do now. Passes that only change the status are folded into one, so that it is written once.

    A pass that acts is never folded into an earlier one: its actions may rest only on a status that was stored.
    """
    moment = now.replace(microsecond=0)
    plan = _once(world, moment)
    for _ in range(_PASSES):
        if plan.actions or plan.status == world.experiment.status:
            break
        world = world.with_status(plan.status)
        following = _once(world, moment)
        if following.actions:
            break
        plan = replace(following, events=(*plan.events, *following.events))
    return plan


def _once(world: World, now: datetime) -> Plan:
    view = View(world, now)
    if world.experiment.metadata.deletion_timestamp is not None:
        return Plan((Wait("the Experiment is being deleted"),), view.stored)
    if world.fault:
        return Plan((Wait(world.fault),), status.invalid(view))
    judged = tuple(analyses.follow(view))
    entries = tuple(item for item in judged if isinstance(item, ExperimentAnalysisRunStatus))
    found = status.after(view, tuple(templates.status_of(view, one) for one in view.spec.templates), entries)
    ends_here = not view.ended and found.phase in ENDED
    # Its end is stored first: no pods are made for it any more.
    steps: list[Action | Wait] = [] if ends_here else list(templates.follow(view))
    steps += (item for item in judged if not isinstance(item, ExperimentAnalysisRunStatus))
    steps += _waits(view, found)
    told = (*_told(view, steps), *status.events(view.stored, found))
    return Plan(tuple(steps), found, told)


def _waits(view: View, found: ExperimentStatus) -> Iterator[Wait]:
    if view.ends_at is not None and not view.ending and view.now < view.ends_at:
        yield Wait(f"the experiment lasts until {view.ends_at:%H:%M:%S} UTC", view.ends_at)
    elif view.ended:
        yield Wait(f"the experiment has ended: {found.phase}")
    elif not view.ending:
        yield Wait("the experiment lasts until its analyses end, or until it is terminated")


def _told(view: View, steps: list[Action | Wait]) -> Iterator[Event]:
    """Events of what is done to ReplicaSets and AnalysisRuns."""
    sizes = {rs.name: rs.replicas for rs in view.world.replica_sets}
    names = {one.analysis_run: one.name for one in view.stored.analysis_runs}
    for step in steps:
        match step:
            case CreateReplicaSet(name=name, manifest=manifest) if manifest["spec"]["replicas"]:
                yield _scaled(name, 0, manifest["spec"]["replicas"])
            case UpdateReplicaSet(name=name, replicas=int(size)):
                yield _scaled(name, sizes.get(name, 0), size)
            case StopRun(name=name):
                yield Event("AnalysisRunTerminating", f"Terminating {names.get(name, name)} ({name})")


def _scaled(name: str, before: int, after: int) -> Event:
    direction = "up" if after > before else "down"
    return Event("ScalingReplicaSet", f"Scaled {direction} ReplicaSet {name} from {before} to {after}")
