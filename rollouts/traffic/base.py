"""Pure. What every router has in common: it is handed the objects that it asked for, and returns edits."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from rollouts.api.rollout import Rollout
from rollouts.decide.plan import Event, Split
from rollouts.kube.refs import Obj, Ref, Resource


class RoutingError(Exception):
    """A routing object does not hold what the Rollout says it does. The text is for the user."""


@dataclass(frozen=True, slots=True)
class Edit:
    """What an object must say. `want` is the whole object; whoever applies it sends the smallest patch from what was
    found, conditional on its version, so that a concurrent edit by somebody else is merged rather than lost."""

    ref: Ref
    want: Obj
    event: Event


@dataclass(frozen=True, slots=True)
class TrafficSettings:
    """Flags of the controller that the dialects depend on."""

    istio_api_version: str = "v1alpha3"

    @property
    def virtual_services(self) -> Resource:
        return Resource("networking.istio.io", self.istio_api_version, "virtualservices", "VirtualService")

    @property
    def resources(self) -> tuple[Resource, ...]:
        """Every kind of routing object that some dialect edits."""
        return (self.virtual_services,)


def needed_resources(rollout: Obj, settings: TrafficSettings) -> tuple[Resource, ...]:
    """The kinds of routing objects that a Rollout's manifest needs, read without a model."""
    strategy = (rollout.get("spec") or {}).get("strategy") or {}
    routing = (strategy.get("canary") or {}).get("trafficRouting") or {}
    return (settings.virtual_services,) if routing.get("istio") else ()


class Router(Protocol):
    """One dialect for one Rollout."""

    def needs(self) -> Iterable[Ref]:
        """The objects that `edit` and `fault` want to see."""
        ...

    def fault(self, found: Mapping[Ref, Obj]) -> str:
        """Why the objects found cannot carry a split, as `<path>: Invalid value: ...`; "" when they can."""
        ...

    def edit(self, found: Mapping[Ref, Obj], split: Split) -> Iterable[Edit]:
        """What the objects must say for this split; none where they say it already. RoutingError when they cannot."""
        ...


def routers(rollout: Rollout, settings: TrafficSettings) -> tuple[Router, ...]:
    """The routers that a Rollout names, in the order in which they are asked."""
    from rollouts.traffic.istio import Istio  # here: each dialect imports this module

    canary = rollout.spec.strategy.canary
    routing = canary.traffic_routing if canary else None
    if canary is None or routing is None:
        return ()
    named: list[Router] = []
    if routing.istio is not None:
        named.append(Istio.of(rollout, canary, routing.istio, settings))
    return tuple(named)
