"""Pure. Which version's pods the preview and the active Service should select, and when they may be switched.

The active Service is what users are on. It moves to pods that are all there, and back to the stable version as soon
as that serves no worse.
"""

from collections.abc import Iterator

from rollouts.decide.context import Context
from rollouts.decide.course import gates
from rollouts.decide.course.previews import active, active_hash, is_full, replaces, strategy
from rollouts.decide.plan import PointService, Wait
from rollouts.decide.world import Hash, ReplicaSet


def preview(ctx: Context) -> Iterator[PointService | Wait]:
    """The preview Service follows the template at once, also to a version that has no pods yet."""
    name = strategy(ctx).preview_service
    moves = tuple(_point(ctx, name, ctx.hash)) if name else ()
    if ctx.halted and moves:
        yield Wait(f"service {name} is not switched while the rollout is paused")
    else:
        yield from moves


def activate(ctx: Context) -> Iterator[PointService | Wait]:
    """The active Service: to the new version when it has earned it, to the stable one after an abort."""
    name, target = strategy(ctx).active_service, ctx.stable if ctx.aborted else ctx.new
    service = ctx.world.services.get(name)
    if target is None or service is None:
        return
    if service.hash == target.hash:
        yield from _point(ctx, name, target.hash)
    elif ctx.halted and not ctx.aborted:
        yield Wait(f"service {name} is not switched while the rollout is paused")
    elif not _can_serve(ctx, target):
        yield Wait(
            f"service {name} is switched to ReplicaSet {target.name} when its {ctx.replicas} pods are available "
            f"({target.dependable} now)"
        )
    elif replaces(ctx) and not gates.passed(ctx):
        yield Wait(f"service {name} is switched when the analysis and the pause before it are over")
    else:
        yield PointService(name, target.hash)


def leads_to(ctx: Context) -> Hash:
    """The version that the active Service selects once this pass is carried out."""
    name = strategy(ctx).active_service
    switched = (item.hash for item in activate(ctx) if isinstance(item, PointService) and item.service == name)
    return next(switched, active_hash(ctx))


def _can_serve(ctx: Context, target: ReplicaSet) -> bool:
    """It is full. To go back to the stable version it is enough that users lose nothing by it."""
    if is_full(ctx, target):
        return True
    now = active(ctx)
    adopted = bool(ctx.stored.blue_green.active_selector)
    return target is ctx.stable and adopted and target.dependable >= max(1, now.available if now else 0)


def _point(ctx: Context, name: str, hash: Hash) -> Iterator[PointService]:
    service = ctx.world.services.get(name)
    if service is not None and not (service.hash == hash and service.managed_by):
        yield PointService(name, hash)
