"""Pure. What to write when an action was refused: the status must say why, and claim nothing that did not happen."""

from datetime import datetime

from rollouts.api.status import RolloutStatus
from rollouts.decide import wording
from rollouts.decide.plan import Action, CreateReplicaSet, Event
from rollouts.decide.reported.conditions import Conditions
from rollouts.decide.world import World


def refused(
    world: World, action: Action, error: str, *, taken: bool, now: datetime
) -> tuple[RolloutStatus, tuple[Event, ...]]:
    """Status and events after `action` failed with `error`, which ended the pass.

    `taken`: the name of the new ReplicaSet belongs to somebody else; the next hash then differs by the collision
    count. Otherwise only a ReplicaSet that could not be created changes the status.
    """
    stored = world.rollout.status
    if not isinstance(action, CreateReplicaSet):
        return stored, (failed(error),)
    if taken:
        return stored.model_copy(update={"collision_count": (stored.collision_count or 0) + 1}), ()
    message = wording.replica_set_create_error(action.name, error)
    current = Conditions(stored.conditions, now)
    current.put(wording.PROGRESSING, "False", wording.REPLICA_SET_CREATE_ERROR, message)
    event = Event(wording.REPLICA_SET_CREATE_ERROR, message, "Warning")
    return stored.model_copy(update={"conditions": current.done()}), (event,)


def failed(error: str) -> Event:
    """What a pass tells that came to nothing for this reason."""
    return Event("ReconciliationError", f"Reconciliation failed with error: {error}", "Warning")
