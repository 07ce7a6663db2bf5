"""Pure. A spec that cannot be acted on: said in a condition, and nothing else is touched."""

from datetime import datetime

from rollouts.api.status import RolloutStatus
from rollouts.decide import wording
from rollouts.decide.plan import Plan, Wait
from rollouts.decide.reported.conditions import Conditions
from rollouts.decide.world import World


def refuse(world: World, error: str, now: datetime) -> Plan:
    """The plan for an invalid spec: a condition that names the fault. An event (any change) ends the wait."""
    message = wording.invalid(world.rollout.metadata.name, error)
    return Plan((Wait(message),), _status(world, message, now), invalid=error)


def _status(world: World, message: str, now: datetime) -> RolloutStatus:
    stored = world.rollout.status
    old = stored.condition(wording.INVALID_SPEC)
    current = Conditions(stored.conditions, now)
    refresh = old is not None and old.message != message
    current.put(wording.INVALID_SPEC, "True", wording.INVALID_SPEC, message, refresh=refresh)
    return stored.model_copy(
        update={
            "conditions": current.done(),
            "observed_generation": str(world.rollout.metadata.generation),
            "phase": wording.PHASE_DEGRADED,
            "message": f"{wording.INVALID_SPEC}: {message}",
        }
    )
