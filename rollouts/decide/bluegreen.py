"""Pure. Blue-green, told in order: what should happen next, and why nothing more can.

The order is the contract: the preview follows the template at once, users follow all of a sudden when the new version
is whole, analysed and promoted, and what they left goes last.
"""

from collections.abc import Iterator

from rollouts.decide import wording
from rollouts.decide.analyses import experiments, runs
from rollouts.decide.context import Context
from rollouts.decide.course import activation, gates
from rollouts.decide.course.previews import size
from rollouts.decide.facts import Said
from rollouts.decide.plan import Adopt, Evict, Wait
from rollouts.decide.pods import metadata, restart, revision, stacks
from rollouts.decide.traffic import balancers, proof


def story(ctx: Context) -> Iterator[Said]:
    """Everything that is to be done now."""
    if ctx.world.orphans:
        yield from (Adopt(rs.name) for rs in ctx.world.orphans)
        yield Wait("adopted ReplicaSets have to be seen before anything rests on them")
        return
    yield from revision.sync(ctx)
    if ctx.changed:
        if ctx.new is None:
            yield stacks.create(ctx)
        yield from activation.preview(ctx)
        yield Wait("an update begins: its status is recorded first")
        return
    evicted = tuple(restart.restart(ctx))
    yield from evicted
    if any(isinstance(item, Evict) for item in evicted):
        return
    yield from metadata.follow(ctx)
    yield from revision.forget(ctx)
    yield from activation.preview(ctx)
    yield from activation.activate(ctx)
    yield from balancers.preview_targets(ctx)
    yield from proof.follow(ctx)
    yield from experiments.follow(ctx)  # those of a canary that this was before
    yield from runs.follow(ctx)
    yield from stacks.scale(ctx)
    yield from gates.pause(ctx)
    yield Wait(_reason(ctx))


def _reason(ctx: Context) -> str:
    """Why the rollout stands where it stands, for a person."""
    new = ctx.new
    if new is None:
        return "the new ReplicaSet has to be seen first"
    if ctx.aborted:
        return "the update was aborted: the active Service selects stable, until a retry or a new template"
    if ctx.is_stable and new.available >= ctx.replicas:
        return wording.NOTHING_TO_DO
    return f"ReplicaSet {new.name} has {new.available} of {size(ctx)} available pods"
