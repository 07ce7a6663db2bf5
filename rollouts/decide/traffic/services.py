"""Pure. Which ReplicaSet's pods each Service should select, and when it may be switched."""

from collections.abc import Iterator

from rollouts.decide.context import Context
from rollouts.decide.plan import PointService, Wait
from rollouts.decide.traffic.weights import must_be_renamed, target
from rollouts.decide.traffic.withdraw import withdraws
from rollouts.decide.world import ReplicaSet, Service


def point(ctx: Context) -> Iterator[PointService | Wait]:
    """Services that take turns, then the stable and the canary Service, whichever of them the spec names."""
    if ctx.turns is not None and ctx.stable is not None:
        yield from _switch(ctx, ctx.turns[1], ctx.stable, check=True)
    if ctx.turns is not None and ctx.new is not None and ctx.new.available:
        yield from _take_turns(ctx, ctx.turns[0])
    if ctx.stable is not None and ctx.services[0] == ctx.canary.stable_service != "":
        yield Wait(f"service {ctx.canary.stable_service} keeps its pods until the canary's recorded share is 0")
    elif ctx.stable is not None:
        yield from _switch(ctx, ctx.canary.stable_service, ctx.stable, check=True)
    yield from _point_canary(ctx)


def prepare(ctx: Context) -> Iterator[PointService | Wait]:
    """The Service whose turn comes, pointed to pods that are not there yet: once nothing leads to it any more."""
    if ctx.turns is not None and ctx.new is not None and not ctx.new.available:
        yield from _take_turns(ctx, ctx.turns[0])


def _take_turns(ctx: Context, canary_service: str) -> Iterator[PointService | Wait]:
    """Ping and pong: whichever is not stable follows the new pods; the stable one is never rewritten."""
    if ctx.new is None or ctx.is_stable:
        return
    if must_be_renamed(ctx):
        yield Wait(f"service {canary_service} keeps its pods until its recorded share of traffic is 0")
    else:
        yield from _switch(ctx, canary_service, ctx.new, check=False)


def _point_canary(ctx: Context) -> Iterator[PointService | Wait]:
    service = ctx.canary.canary_service
    if not service:
        return
    if withdraws(ctx) and target(ctx) > 0:
        yield Wait(f"service {service} keeps its pods until stable can carry all traffic")
    elif ctx.aborted and ctx.stable is not None:
        # Directly, not by way of the canary: pointing there first would make the selector flap for the whole delay.
        yield from _switch(ctx, service, ctx.stable, check=not ctx.routed)
    elif ctx.new is None:
        return
    elif must_be_renamed(ctx) and not ctx.is_stable:
        yield Wait(f"service {service} keeps its pods until its recorded share of traffic is 0")
    else:
        yield from _switch(ctx, service, ctx.new, check=True)


def _switch(ctx: Context, name: str, rs: ReplicaSet, *, check: bool) -> Iterator[PointService | Wait]:
    service = ctx.world.services.get(name) if name else None
    if service is None or (service.hash == rs.hash and service.managed_by):
        return
    if check and not _ready_for(service, rs):
        yield Wait(f"service {name} is switched to ReplicaSet {rs.name} when its pods are available")
    else:
        yield PointService(name, rs.hash)


def _ready_for(service: Service, rs: ReplicaSet) -> bool:
    """A Service that nobody manages yet serves users by other means: it needs full, not partial, availability."""
    if service.managed_by:
        return rs.dependable > 0
    return rs.replicas > 0 and rs.dependable >= rs.replicas
