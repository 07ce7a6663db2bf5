"""Pure. Which routers a Rollout names, and which kinds of objects they need. One entry per dialect, in asking order."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rollouts.api.canary import CanaryStrategy
from rollouts.api.rollout import Rollout
from rollouts.api.traffic import GATEWAY_API, RolloutTrafficRouting
from rollouts.kube.refs import INGRESS, Obj, Resource
from rollouts.traffic.alb import Alb
from rollouts.traffic.ambassador import Ambassador
from rollouts.traffic.apisix import Apisix
from rollouts.traffic.appmesh import AppMesh
from rollouts.traffic.base import Router, TrafficSettings
from rollouts.traffic.gateway import Gateway
from rollouts.traffic.gateway.config import resources as gateway_resources
from rollouts.traffic.istio import Istio
from rollouts.traffic.nginx import Nginx
from rollouts.traffic.smi import Smi
from rollouts.traffic.traefik import Traefik


@dataclass(frozen=True, slots=True)
class Dialect:
    """A router that there is.

    `path`: its keys under trafficRouting in the manifest; `named`: the same in the model, None when a Rollout does not
    use it; `build` makes it for one Rollout; `resources`: the kinds of objects that its routing needs, read from the
    raw value at `path`.
    """

    path: tuple[str, ...]
    named: Callable[[RolloutTrafficRouting], Any]
    build: Callable[[Rollout, CanaryStrategy, Any, TrafficSettings], Router]
    resources: Callable[[Obj, TrafficSettings], tuple[Resource, ...]]


def _istio(routing: Obj, settings: TrafficSettings) -> tuple[Resource, ...]:
    rules = (settings.destination_rules,) if routing.get("destinationRule") else ()
    return (settings.virtual_services, *rules)


def _ingresses(routing: Obj, settings: TrafficSettings) -> tuple[Resource, ...]:
    return (INGRESS,)


DIALECTS: tuple[Dialect, ...] = (
    Dialect(("istio",), lambda routing: routing.istio, Istio.of, _istio),
    Dialect(("nginx",), lambda routing: routing.nginx, Nginx.of, _ingresses),
    Dialect(("alb",), lambda routing: routing.alb, Alb.of, _ingresses),
    Dialect(("smi",), lambda routing: routing.smi, Smi.of, lambda _, settings: (settings.traffic_splits,)),
    Dialect(
        ("ambassador",), lambda routing: routing.ambassador, Ambassador.of, lambda _, settings: (settings.mappings,)
    ),
    Dialect(("appMesh",), lambda routing: routing.app_mesh, AppMesh.of, lambda _, settings: settings.mesh_resources),
    Dialect(
        ("traefik",), lambda routing: routing.traefik, Traefik.of, lambda _, settings: (settings.traefik_services,)
    ),
    Dialect(("apisix",), lambda routing: routing.apisix, Apisix.of, lambda _, settings: (settings.apisix_routes,)),
    Dialect(
        ("plugins", GATEWAY_API),
        lambda routing: routing.plugins.get(GATEWAY_API),
        Gateway.of,
        lambda value, _: gateway_resources(value),
    ),
)


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
    named = ((dialect, _at(routing, dialect.path)) for dialect in DIALECTS)
    wanted = (dialect.resources(value, settings) for dialect, value in named if value is not None)
    return tuple(dict.fromkeys(resource for resources in wanted for resource in resources))


def _at(value: Any, path: tuple[str, ...]) -> Any:
    """What a manifest has at a path, None for nothing."""
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value
