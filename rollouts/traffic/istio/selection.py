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
    spec = virtual_service.get("spec") or {}
    http, tls, tcp = spec.get("http") or [], spec.get("tls") or [], spec.get("tcp") or []
    nothing = not (http or tls or tcp)
    chosen: dict[str, list[int]] = {}
    if http or (nothing and target.spec.routes):
        chosen["http"] = _http(http, target.spec.routes, managed)
    if tls or (nothing and target.spec.tls_routes):
        chosen["tls"] = _tls(tls, target.spec.tls_routes)
    if tcp or (nothing and target.spec.tcp_routes):
        chosen["tcp"] = _tcp(tcp, target.spec.tcp_routes)
    if not chosen:
        raise RoutingError(ONE_ROUTE)
    return chosen


def _http(routes: list[Obj], names: Iterable[str], managed: frozenset[str]) -> list[int]:
    index = {route.get("name"): place for place, route in enumerate(routes)}
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
        places = [
            place
            for place, route in enumerate(routes)
            if _port(route) in ({one.port} if one.port else {0, _port(route)})
            and (not one.sni_hosts or _sni_hosts(route) == frozenset(one.sni_hosts))
            and _port(route) is not None
        ]
        if not places:
            asked = f"port {one.port}" + (f" and SNI hosts {', '.join(one.sni_hosts)}" if one.sni_hosts else "")
            raise RoutingError(f"No matching TLS routes found in the defined Virtual Service for {asked}.")
        found += places
    return sorted(set(found))


def _tcp(routes: list[Obj], wanted: tuple[TCPRoute, ...]) -> list[int]:
    if not wanted:
        return _only(routes, "tcp")
    found: list[int] = []
    for one in wanted:
        places = [place for place, route in enumerate(routes) if _port(route) == one.port]
        if not places:
            raise RoutingError(f"No matching TCP routes found in the defined Virtual Service for port {one.port}.")
        found += places
    return sorted(set(found))


def _only(routes: list[Obj], section: str) -> list[int]:
    if len(routes) != 1:
        raise RoutingError(
            f"spec.{section}[] must have exactly one route when omitting "
            f"spec.strategy.canary.trafficRouting.istio.virtualService.{section}Routes"
        )
    return [0]


def _port(route: Obj) -> int | None:
    """The one port that all matches of a route name, 0 when none names any; None for several."""
    ports = {match.get("port", 0) for match in route.get("match") or ()} or {0}
    return ports.pop() if len(ports) == 1 else None


def _sni_hosts(route: Obj) -> frozenset[str]:
    return frozenset(name for match in route.get("match") or () for name in match.get("sniHosts") or ())
