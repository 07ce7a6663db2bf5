"""Pure. Which routes of a VirtualService carry the split."""

from collections.abc import Iterable
from dataclasses import dataclass

from rollouts.api.traffic import IstioVirtualService, TCPRoute, TLSRoute
from rollouts.kube.refs import Obj, Ref
from rollouts.traffic.base import RoutingError

ONE_ROUTE = (
    "spec.http[] should be set in VirtualService and it must have exactly one route when omitting "
    "spec.strategy.canary.trafficRouting.istio.virtualService.routes"
)
_SECTIONS = ("http", "tls", "tcp")
NO_ROUTES = "Unable to get any of the HTTP, TCP or TLS routes for the Istio VirtualService"


@dataclass(frozen=True, slots=True)
class Target:
    """One VirtualService that a Rollout names; `path` is where in the spec it does."""

    ref: Ref
    spec: IstioVirtualService
    path: str


def selected(virtual_service: Obj, target: Target, managed: frozenset[str]) -> dict[str, list[int]]:
    """Indexes of the routes that carry the split, by section (http, tls, tcp).

    `managed` are names of routes of our own making, which never do. RoutingError when a route that was asked for, or
    any at all, is not there.
    """
    found = {section: chosen(virtual_service, section, target, managed) for section in asked(virtual_service, target)}
    if not found:
        raise RoutingError(NO_ROUTES)
    return found


def asked(virtual_service: Obj, target: Target) -> tuple[str, ...]:
    """The sections in which routes are looked for: those that there are, else those of which routes are named."""
    spec = virtual_service.get("spec") or {}
    there = tuple(section for section in _SECTIONS if spec.get(section))
    named = (target.spec.routes or "http" in spec, target.spec.tls_routes, target.spec.tcp_routes)
    return there or tuple(section for section, wanted in zip(_SECTIONS, named, strict=True) if wanted)


def chosen(virtual_service: Obj, section: str, target: Target, managed: frozenset[str]) -> list[int]:
    """Indexes of the routes of one section that carry the split. RoutingError when one is not there."""
    routes = (virtual_service.get("spec") or {}).get(section) or []
    match section:
        case "http":
            return _http(routes, target.spec.routes, managed)
        case "tls":
            return _tls(routes, target.spec.tls_routes)
        case _:
            return _tcp(routes, target.spec.tcp_routes)


def _http(routes: list[Obj], names: Iterable[str], managed: frozenset[str]) -> list[int]:
    index = {route.get("name"): place for place, route in reversed(list(enumerate(routes)))}
    for name in names:
        if name not in index:
            raise RoutingError(f"HTTP Route '{name}' is not found in the defined Virtual Service.")
    if names:
        return [index[name] for name in names]
    own = [place for place, route in enumerate(routes) if route.get("name") not in managed]
    if len(own) != 1:
        raise RoutingError(ONE_ROUTE)
    return own


def _tls(routes: list[Obj], wanted: tuple[TLSRoute, ...]) -> list[int]:
    if not wanted:
        return _only(routes, "tls")
    found: list[int] = []
    for one in wanted:
        places = _tls_places(routes, one)
        if not places:
            raise RoutingError("No matching TLS routes found in the defined Virtual Service.")
        found += places
    return sorted(set(found))


def _tls_places(routes: list[Obj], wanted: TLSRoute) -> list[int]:
    """Routes with this port and these SNI hosts; where there are none and only one of the two is given, by that one."""
    port, hosts = wanted.port, frozenset(wanted.sni_hosts)
    told = [(place, _port(route), _sni_hosts(route)) for place, route in enumerate(routes)]
    exact = [place for place, *found in told if found == [port, hosts]]
    if exact or (port and hosts):
        return exact
    by_hosts = ((place, found) for place, on, found in told if on is not None)
    return [place for place, found in by_hosts if found == hosts] if hosts else [p for p, on, _ in told if on == port]


def _tcp(routes: list[Obj], wanted: tuple[TCPRoute, ...]) -> list[int]:
    if not wanted:
        return _only(routes, "tcp")
    found: list[int] = []
    for one in wanted:
        places = [place for place, route in enumerate(routes) if _port(route) == one.port]
        if not places:
            raise RoutingError("No matching TCP routes found in the defined Virtual Service.")
        found += places
    return sorted(set(found))


def _only(routes: list[Obj], section: str) -> list[int]:
    if len(routes) != 1:
        raise RoutingError(
            f"spec.{section}[] should be set in VirtualService and it must have exactly one route when omitting "
            f"spec.strategy.canary.trafficRouting.istio.virtualService.{section}Routes"
        )
    return [0]


def _port(route: Obj) -> int | None:
    """The one port that all matches of a route name, 0 when none names any; None for several."""
    ports = {match.get("port", 0) for match in route.get("match") or ()} or {0}
    return ports.pop() if len(ports) == 1 else None


def _sni_hosts(route: Obj) -> frozenset[str]:
    return frozenset(name for match in route.get("match") or () for name in match.get("sniHosts") or ())
