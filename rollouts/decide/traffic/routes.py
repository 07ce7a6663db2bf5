"""Pure. Header and mirror routes that stand now: a fold over the steps up to the current one, made anew on every pass.

A route stands only while there is an available canary to send requests to, and goes when the update ends or is taken
back. So it neither points at nothing nor gets lost when it was asked for before the first canary pod.
"""

from rollouts.decide.context import Context
from rollouts.decide.course.steps import wanted_counts
from rollouts.decide.plan import HeaderRoute, MirrorRoute

Route = HeaderRoute | MirrorRoute


def standing(ctx: Context) -> tuple[Route, ...]:
    """The routes to stand now, in the order of spec.strategy.canary.trafficRouting.managedRoutes."""
    new = ctx.new
    over = ctx.initial or ctx.returns_to_stable or ctx.rolls_back_fast or ctx.status.promote_full
    if over or ctx.changed or new is None or new.staying == 0 or wanted_counts(ctx)[0] == 0:
        return ()  # without pods, or about to lose them all
    found: dict[str, Route | None] = {}
    for step in ctx.steps[: ctx.index + 1]:
        if step.set_header_route is not None:
            header = step.set_header_route
            found[header.name] = HeaderRoute(header.name, header.match) if header.match else None
        if step.set_mirror_route is not None:
            mirror = step.set_mirror_route
            share = 100 if mirror.percentage is None else mirror.percentage
            found[mirror.name] = MirrorRoute(mirror.name, mirror.match, share) if mirror.match else None
    ordered = [found.get(name) for name in managed(ctx)]
    return tuple(route for route in ordered if route is not None)


def managed(ctx: Context) -> tuple[str, ...]:
    """Names of the routes that are ours to set and to remove, in their order of precedence."""
    routing = ctx.canary.traffic_routing
    return tuple(route.name for route in (routing.managed_routes or ())) if routing else ()
