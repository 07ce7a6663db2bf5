"""Pure. Which routers a Rollout names, and which kinds of objects they need. One entry per dialect, in asking order."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rollouts.api.canary import CanaryStrategy
from rollouts.api.rollout import Rollout
from rollouts.api.traffic import RolloutTrafficRouting
from rollouts.kube.refs import Obj, Resource
from rollouts.traffic.base import Router, TrafficSettings
from rollouts.traffic.istio import Istio


@dataclass(frozen=True, slots=True)
class Dialect:
    """A router that there is.

    `field`: its key under trafficRouting in the manifest; `named`: the same in the model, None when a Rollout does not
    use it; `build` makes it for one Rollout; `resources`: the kinds of objects that its routing needs, read from the
    raw value of `field`.
    """

    field: str
    named: Callable[[RolloutTrafficRouting], Any]
    build: Callable[[Rollout, CanaryStrategy, Any, TrafficSettings], Router]
    resources: Callable[[Obj, TrafficSettings], tuple[Resource, ...]]


def _istio(routing: Obj, settings: TrafficSettings) -> tuple[Resource, ...]:
    rules = (settings.destination_rules,) if routing.get("destinationRule") else ()
    return (settings.virtual_services, *rules)


DIALECTS: tuple[Dialect, ...] = (Dialect("istio", lambda routing: routing.istio, Istio.of, _istio),)


def routers(rollout: Rollout, settings: TrafficSettings) -> tuple[Router, ...]:
    """The routers that a Rollout names, in the order in which they are asked."""
    canary = rollout.spec.strategy.canary
    routing = canary.traffic_routing if canary else None
    if canary is None or routing is None:
        return ()
    named = ((dialect, dialect.named(routing)) for dialect in DIALECTS)
    return tuple(dialect.build(rollout, canary, value, settings) for dialect, value in named if value is not None)


def needed_resources(rollout: Obj, settings: TrafficSettings) -> tuple[Resource, ...]:
    """The kinds of routing objects that a Rollout's manifest needs, read without a model."""
    strategy = (rollout.get("spec") or {}).get("strategy") or {}
    routing = (strategy.get("canary") or {}).get("trafficRouting") or {}
    wanted = (dialect.resources(routing[dialect.field], settings) for dialect in DIALECTS if routing.get(dialect.field))
    return tuple(dict.fromkeys(resource for resources in wanted for resource in resources))
