"""Pure. A VirtualService under a split: the weights of the chosen routes, and routes of our own making.

Everything else in it (other routes, matches, fields that we do not know) stays as it is, and in its order.
"""

from collections.abc import Iterable, Mapping

from rollouts.api.canary import HeaderRoutingMatch, RouteMatch, StringMatch
from rollouts.decide.plan import HeaderRoute, MirrorRoute, Split
from rollouts.kube.refs import Obj
from rollouts.traffic.base import RoutingError
from rollouts.traffic.istio.names import Names, host
from rollouts.traffic.istio.selection import NO_ROUTES, Target, asked, chosen, selected


def fault(virtual_service: Obj, target: Target, names: Names, managed: frozenset[str]) -> str:
    """Why the VirtualService cannot carry a split, in Argo Rollouts' words; "" when it can."""
    sections = asked(virtual_service, target)
    for section in sections:
        try:
            for place in chosen(virtual_service, section, target, managed):
                _check_route(virtual_service["spec"][section][place], names)
        except RoutingError as error:
            return f"Istio VirtualService has invalid {section.upper()} routes. Error: {error}"
    return "" if sections else NO_ROUTES


def _check_route(route: Obj, names: Names) -> None:
    destinations = route.get("route") or []
    for found, service, subset, what in (
        (any(map(names.is_canary, destinations)), names.canary_service, names.canary_subset, "Canary"),
        (any(map(names.is_stable, destinations)), names.stable_service, names.stable_subset, "Stable"),
    ):
        if not found and subset:
            raise RoutingError(f"{what} DestinationRule subset '{subset}' not found in route")
        if not found:
            raise RoutingError(f"{what} Service '{service}' not found in route")


def say(virtual_service: Obj, target: Target, names: Names, split: Split) -> Obj:
    """The VirtualService as it must read for this split; the same object where it reads so already."""
    managed = frozenset(split.managed)
    spec = dict(virtual_service["spec"])
    places_of = selected(virtual_service, target, managed)
    for section, places in () if split.held else places_of.items():
        routes = spec[section]
        spec[section] = [
            _weighted(route, names, split) if place in places else route for place, route in enumerate(routes)
        ]
    if managed and "http" in places_of:
        primary = spec["http"][places_of["http"][0]]
        spec["http"] = _with_managed(spec["http"], primary, names, split)
    after = {**virtual_service, "spec": spec}
    return virtual_service if after == virtual_service else after


# ── weights ──


def _weighted(route: Obj, names: Names, split: Split) -> Obj:
    _check_route(route, names)
    destinations = route["route"]
    extra = {one.service: one.weight for one in split.additional}
    foreign = sum(d.get("weight", 0) for d in destinations if names.is_others(d))
    stable = max(0, 100 - split.canary.weight - sum(extra.values()) - foreign)
    kept = [
        weighed
        for destination in destinations
        for weighed in _one(destination, names, split.canary.weight, stable, extra)
    ]
    there = {host(destination) for destination in kept}
    missing = [{"destination": {"host": name}, "weight": extra[name]} for name in sorted(extra) if name not in there]
    return {**route, "route": [*kept, *missing]}


def _one(destination: Obj, names: Names, canary: int, stable: int, extra: Mapping[str, int]) -> Iterable[Obj]:
    """The destination with its weight; nothing for one that had a share and is nobody's."""
    if not host(destination):
        yield destination
    elif names.is_canary(destination):
        yield _with_weight(destination, canary)
    elif names.is_stable(destination):
        yield _with_weight(destination, stable)
    elif host(destination) in extra:
        yield _with_weight(destination, extra[host(destination)])
    elif names.is_others(destination) or not destination.get("weight"):
        yield destination


def _with_weight(destination: Obj, weight: int) -> Obj:
    return destination if destination.get("weight") == weight else {**destination, "weight": weight}


# ── routes of our own making ──


def _with_managed(routes: list[Obj], primary: Obj, names: Names, split: Split) -> list[Obj]:
    """Ours first, in the order of managedRoutes, then all others in theirs."""
    own = [_made(route, primary, names) for route in split.routes]
    return [*own, *(route for route in routes if route.get("name") not in split.managed)]


def _made(route: HeaderRoute | MirrorRoute, primary: Obj, names: Names) -> Obj:
    if isinstance(route, HeaderRoute):
        target = _canary_destination(primary, names)
        matches = [_headers(match) for match in route.match]
        return {"name": route.name, "match": matches, "route": [{"destination": target, "weight": 100}]}
    return {
        "name": route.name,
        "match": [_request(match) for match in route.match],
        "route": [_bare(destination) for destination in primary.get("route") or ()],
        "mirror": _canary_destination(primary, names),
        "mirrorPercentage": {"value": route.percentage},
    }


def _canary_destination(primary: Obj, names: Names) -> Obj:
    """Where the canary is reached: at the port of the primary route's first destination."""
    destinations: list[Obj] = primary.get("route") or []
    first = (destinations[0].get("destination") or {}) if destinations else {}
    target: Obj = {"host": names.rule_host or names.canary_service}
    if (first.get("port") or {}).get("number"):
        target["port"] = {"number": first["port"]["number"]}
    if names.canary_subset:
        target["subset"] = names.canary_subset
    return target


def _bare(destination: Obj) -> Obj:
    """A destination reduced to where it goes and its share."""
    wanted = {
        key: destination["destination"][key] for key in ("host", "subset", "port") if key in destination["destination"]
    }
    return {"destination": wanted, **({"weight": destination["weight"]} if destination.get("weight") else {})}


def _headers(match: HeaderRoutingMatch) -> Obj:
    return {"headers": {match.header_name: _text(match.header_value)}}


def _request(match: RouteMatch) -> Obj:
    parts: Obj = {}
    if match.method is not None:
        parts["method"] = _text(match.method)
    if match.path is not None:
        parts["uri"] = _text(match.path)
    if match.headers:
        parts["headers"] = {name: _text(value) for name, value in match.headers.items()}
    return parts


def _text(match: StringMatch | None) -> Obj:
    if match is None:
        return {}
    kinds = (("exact", match.exact), ("prefix", match.prefix), ("regex", match.regex))
    return next(({kind: text} for kind, text in kinds if text), {})
