"""Pure. Istio's dialect: the weights of the http routes in VirtualServices, host by host.

Everything else in a VirtualService (other routes, matches, fields that we do not know) stays as it is.
Source: the contract of Argo Rollouts' Istio support.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Self

from rollouts.api.canary import CanaryStrategy
from rollouts.api.fielderrors import invalid
from rollouts.api.rollout import Rollout
from rollouts.api.traffic import IstioTrafficRouting, IstioVirtualService
from rollouts.decide.plan import Event, Split
from rollouts.kube.refs import Obj, Ref, Resource
from rollouts.traffic.base import Edit, RoutingError, TrafficSettings

_PATH = "spec.strategy.canary.trafficRouting.istio"
_ONE_ROUTE = (
    "spec.http[] should be set in VirtualService and it must have exactly one route when omitting "
    "spec.strategy.canary.trafficRouting.istio.virtualService.routes"
)


@dataclass(frozen=True, slots=True)
class _Target:
    """One VirtualService that the Rollout names."""

    ref: Ref
    name: str  # as the manifest spells it
    routes: tuple[str, ...]
    path: str


@dataclass(frozen=True, slots=True)
class Istio:
    """The VirtualServices of one Rollout."""

    targets: tuple[_Target, ...]
    canary_service: str
    stable_service: str
    ambiguous: bool  # neither or both of virtualService and virtualServices

    @classmethod
    def of(
        cls, rollout: Rollout, canary: CanaryStrategy, istio: IstioTrafficRouting, settings: TrafficSettings
    ) -> Self:
        resource = settings.virtual_services
        namespace = rollout.metadata.namespace
        single = [(istio.virtual_service, f"{_PATH}.virtualService")] if istio.virtual_service else []
        several = [(vs, f"{_PATH}.virtualServices[{i}]") for i, vs in enumerate(istio.virtual_services)]
        targets = tuple(_target(vs, path, resource, namespace) for vs, path in single + several)
        wrong = bool(single) == bool(several)
        turns = canary.ping_pong
        if turns is not None and not (canary.canary_service and canary.stable_service):
            return cls(targets, turns.ping_service, turns.pong_service, wrong)
        return cls(targets, canary.canary_service, canary.stable_service, wrong)

    def needs(self) -> Iterator[Ref]:
        return (target.ref for target in self.targets)

    def fault(self, found: Mapping[Ref, Obj]) -> str:
        if self.ambiguous:
            return invalid(_PATH, "istio", "either VirtualService or VirtualServices must be configured")
        return next(filter(None, (self._fault(target, found) for target in self.targets)), "")

    def _fault(self, target: _Target, found: Mapping[Ref, Obj]) -> str:
        path = f"{target.path}.name"
        if target.ref not in found:
            return invalid(path, target.name, f'virtualservices.networking.istio.io "{target.ref.name}" not found')
        try:
            for route in _selected(found[target.ref], target.routes):
                self._check(route)
        except RoutingError as error:
            return invalid(path, target.name, f"Istio VirtualService has invalid HTTP routes. Error: {error}")
        return ""

    def _check(self, route: Obj) -> None:
        hosts = {_host(destination) for destination in route.get("route") or []}
        if self.canary_service not in hosts:
            raise RoutingError(f"Canary Service '{self.canary_service}' not found in route")
        if self.stable_service not in hosts:
            raise RoutingError(f"Stable Service '{self.stable_service}' not found in route")

    def edit(self, found: Mapping[Ref, Obj], split: Split) -> Iterator[Edit]:
        for target in self.targets:
            if target.ref not in found:
                raise RoutingError(f'virtualservices.networking.istio.io "{target.ref.name}" not found')
            before = found[target.ref]
            after = self._weighted(before, target.routes, split)
            if after != before:
                text = f"VirtualService `{target.ref.name}` set to desiredWeight '{split.canary.weight}'"
                yield Edit(target.ref, after, Event("Updated VirtualService", text))

    def _weighted(self, virtual_service: Obj, routes: tuple[str, ...], split: Split) -> Obj:
        chosen = [id(route) for route in _selected(virtual_service, routes)]
        spec = virtual_service["spec"]
        http = [self._route(route, split) if id(route) in chosen else route for route in spec["http"]]
        return {**virtual_service, "spec": {**spec, "http": http}}

    def _route(self, route: Obj, split: Split) -> Obj:
        self._check(route)
        shares = {split.canary.service: split.canary.weight, split.stable.service: split.stable.weight}
        shares |= {extra.service: extra.weight for extra in split.additional}
        kept = [d for d in route["route"] if _host(d) in shares or not d.get("weight") or not _host(d)]
        there = {_host(destination) for destination in kept}
        missing = [{"destination": {"host": host}} for host in sorted(shares) if host not in there]
        return {**route, "route": [_with_weight(d, shares) for d in (*kept, *missing)]}


def _with_weight(destination: Obj, shares: Mapping[str, int]) -> Obj:
    host = _host(destination)
    if host not in shares or destination.get("weight") == shares[host]:
        return destination
    return destination | {"weight": shares[host]}


def _target(vs: IstioVirtualService, path: str, resource: Resource, namespace: str) -> _Target:
    """`name` may hold a namespace behind its last dot, and the cluster's suffix behind that."""
    name = vs.name.removesuffix(".cluster.local")
    if "." in name:
        name, namespace = name.rsplit(".", 1)
    return _Target(Ref(resource, namespace, name), vs.name, tuple(vs.routes), path)


def _selected(virtual_service: Obj, names: tuple[str, ...]) -> list[Obj]:
    """The http routes that carry the split: those named, else the only one, else the first without a name."""
    http: list[Obj] = (virtual_service.get("spec") or {}).get("http") or []
    if names:
        by_name = {route.get("name"): route for route in http}
        for name in names:
            if name not in by_name:
                raise RoutingError(f"HTTP Route '{name}' is not found in the defined Virtual Service.")
        return [by_name[name] for name in names]
    if len(http) == 1:
        return http
    raise RoutingError(_ONE_ROUTE)


def _host(destination: Obj) -> str:
    """The Service that a destination names: its host up to the first dot; "" when it names none."""
    return str((destination.get("destination") or {}).get("host") or "").split(".", 1)[0]
