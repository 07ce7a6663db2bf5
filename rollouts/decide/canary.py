"""Pure. The canary, told in order: what should happen next, and why nothing more can.

The order is the contract: Services move before weights, weights before pods; what shrinks rests on what the status
recorded in an earlier pass.
"""

from collections.abc import Iterator

from rollouts.decide.analyses import experiments, runs
from rollouts.decide.context import Context
from rollouts.decide.course import pauses, steps
from rollouts.decide.facts import Pausing, Said
from rollouts.decide.plan import Adopt, Evict, Wait
from rollouts.decide.pods import metadata, restart, revision, scaling
from rollouts.decide.traffic import balancers, proof, services, weights


def story(ctx: Context) -> Iterator[Said]:
    """Everything that is to be done now."""
    if ctx.world.orphans:
        yield from (Adopt(rs.name) for rs in ctx.world.orphans)
        yield Wait("adopted ReplicaSets have to be seen before anything rests on them")
        return
    yield from revision.sync(ctx)
    if ctx.changed:
        if ctx.new is None:
            yield from scaling.scale(ctx)
        yield Wait("an update begins: its status is recorded first")
        return
    evicted = tuple(restart.restart(ctx))
    yield from evicted
    if any(isinstance(item, Evict) for item in evicted):
        return
    yield from metadata.follow(ctx)
    yield from revision.forget(ctx)
    yield from services.point(ctx)
    yield from weights.route(ctx)
    yield from services.prepare(ctx)
    yield from balancers.canary_targets(ctx)
    yield from proof.follow(ctx)
    judged = (*experiments.follow(ctx), *runs.follow(ctx))
    yield from judged
    if any(isinstance(item, Pausing) for item in judged):
        return
    yield from scaling.scale(ctx)
    yield from pauses.pause(ctx)
    yield Wait(steps.reason(ctx))
