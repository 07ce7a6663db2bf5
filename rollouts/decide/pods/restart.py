"""Pure. Which pods to evict when somebody asks that all be new (spec.restartAt)."""

from collections.abc import Iterator
from datetime import MAXYEAR, datetime, timedelta

from rollouts.api import defaults
from rollouts.api.rollout import Rollout
from rollouts.decide.context import Context
from rollouts.decide.plan import Evict, Wait
from rollouts.decide.world import Pod

_AGAIN = timedelta(seconds=30)


def pending(rollout: Rollout) -> bool:
    """Somebody asked for a restart that has not been done."""
    wanted = rollout.spec.restart_at
    return wanted is not None and wanted != rollout.status.restarted_at


def restart(ctx: Context) -> Iterator[Evict | Wait]:
    """Evict old pods, as many at once as maxUnavailable allows; stable ones first, then new, then all others."""
    at = ctx.spec.restart_at
    if at is None or not pending(ctx.rollout):
        return
    if ctx.now <= at:
        then = at + timedelta(seconds=1) if at.year < MAXYEAR else None  # as people write "never"
        yield Wait(f"pods are restarted at {at:%Y-%m-%dT%H:%M:%SZ}", then)
        return
    old = old_pods(ctx, at)
    if not old:
        return
    ready = tuple(pod.name for pod in old if not pod.deleting)[: _allowed(ctx)]
    if ready:
        yield Evict(ready)
    yield Wait(f"{len(old)} pods are older than the restart that was asked for", ctx.now + _AGAIN)


def old_pods(ctx: Context, at: datetime) -> list[Pod]:
    """Pods from before the restart, in the order in which they go."""
    order = [rs.name for rs in (ctx.stable, ctx.new, *ctx.others) if rs is not None]
    old = [pod for pod in ctx.world.pods if pod.created is not None and pod.created < at and pod.replica_set in order]
    return sorted(old, key=lambda pod: (order.index(pod.replica_set), pod.created or at, pod.name))


def done(ctx: Context) -> datetime | None:
    """The restart that is done now, if one is: to be remembered in status.restartedAt."""
    at = ctx.spec.restart_at
    if at is None or not pending(ctx.rollout) or ctx.now <= at:
        return ctx.stored.restarted_at
    return ctx.stored.restarted_at if old_pods(ctx, at) else at


def _allowed(ctx: Context) -> int:
    """How many more pods may be missing now. The counts of ReplicaSets follow their pods a moment later: what was
    evicted and still counts as available must not be spent twice."""
    asked = sum(rs.replicas for rs in ctx.world.replica_sets)
    _, unavailable = defaults.surge_and_unavailable(ctx.rollout)
    serving = sum(pod.ready and not pod.deleting for pod in ctx.world.pods)
    return max(0, min(serving, ctx.all_available) - (max(ctx.replicas, asked) - max(1, unavailable)))
