"""Pure. Scale-down deadlines: how long the pods of a version that is out of use are kept, as its ReplicaSet says."""

from collections.abc import Iterator
from datetime import timedelta

from analysis.schema import format_time, parse_time
from rollouts.api import labels
from rollouts.decide.context import Context, scale_down_deadline
from rollouts.decide.plan import UpdateReplicaSet, Wait
from rollouts.decide.world import ReplicaSet

Annotations = dict[str, str | None]


def is_pending(ctx: Context, rs: ReplicaSet) -> bool:
    """It has a deadline that lies ahead. One that cannot be read has passed: nobody could tell when it will."""
    deadline = scale_down_deadline(rs)
    try:
        return deadline is not None and parse_time(deadline) > ctx.now
    except ValueError:
        return False


def begin(ctx: Context, rs: ReplicaSet, seconds: int) -> Iterator[UpdateReplicaSet | Wait]:
    """Set the deadline."""
    at = ctx.now + timedelta(seconds=seconds)
    yield UpdateReplicaSet(rs.name, annotations={labels.SCALE_DOWN_DEADLINE: format_time(at), **desired(ctx, rs)})
    yield Wait(f"ReplicaSet {rs.name} is scaled down in {seconds}s", at)


def wait(rs: ReplicaSet) -> Wait:
    """For a deadline that is pending."""
    deadline = scale_down_deadline(rs) or ""
    return Wait(f"ReplicaSet {rs.name} is scaled down at {deadline}", parse_time(deadline))


def noted(ctx: Context, rs: ReplicaSet) -> Iterator[UpdateReplicaSet]:
    """Keep the ReplicaSet's memory of the rollout's size up to date while it waits."""
    if annotations := desired(ctx, rs):
        yield UpdateReplicaSet(rs.name, annotations=annotations)


def desired(ctx: Context, rs: ReplicaSet) -> Annotations:
    """What brings the ReplicaSet's memory of the rollout's size up to date."""
    size = str(ctx.replicas)
    return {} if rs.annotations.get(labels.DESIRED_REPLICAS) == size else {labels.DESIRED_REPLICAS: size}
