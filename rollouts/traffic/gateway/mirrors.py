"""Pure. Rules that send copies of requests to the canary: a rule that carries the split, for some of its requests only.

A prefix of a path is matched by whole elements, as the Gateway API does. Of two conditions on one path there has to be
one that says both; where that cannot be said, the router is told so.
"""

from collections.abc import Iterable, Iterator

from rollouts.api.canary import RouteMatch, StringMatch
from rollouts.decide.plan import MirrorRoute
from rollouts.kube.refs import Obj
from rollouts.traffic.base import RoutingError
from rollouts.traffic.gateway.rules import ROOT, condition, joined, service

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"})


def made(carrying: Iterable[Obj], routes: Iterable[MirrorRoute], canary: str) -> Iterator[Obj]:
    """The rules that these mirror routes stand for: for each rule that carries the split one of its own."""
    rules = tuple(carrying)
    for route in routes:
        copies = (_copied(rule, route, canary) for rule in rules if canary in map(service, rule["backendRefs"]))
        for number, rule in enumerate(one for one in copies if one is not None):
            yield {**rule, "name": f"{route.name}-{number}" if number else route.name}


def without(rules: list[Obj], known: Iterable[MirrorRoute], canary: str) -> list[Obj]:
    """The rules that are not ours, where the cluster's definition drops the names by which ours are told."""
    ours = [_anonymous(rule) for rule in made(rules, known, canary)]
    return [rule for rule in rules if rule.get("name") or _anonymous(rule) not in ours]


def _anonymous(rule: Obj) -> Obj:
    """The rule without its name and weights."""
    backends = [{**backend, "weight": None} for backend in rule.get("backendRefs") or ()]
    return {**{key: value for key, value in rule.items() if key != "name"}, "backendRefs": backends}


def fault(match: RouteMatch) -> str:
    """Why requests cannot be chosen so; "" when they can."""
    if match.method is not None and match.method.exact not in METHODS:
        return "the Gateway API matches methods exactly only: one of " + ", ".join(sorted(METHODS))
    return ""


def _copied(rule: Obj, route: MirrorRoute, canary: str) -> Obj | None:
    """None when no request meets both the rule and the route."""
    standing = rule.get("matches") or [{"path": ROOT}]
    met = (_met(found, wanted) for found in standing for wanted in route.match)
    matches = [match for match in met if match is not None]
    if not matches:
        return None
    found = next(each for each in rule["backendRefs"] if service(each) == canary)
    place = {key: found[key] for key in ("namespace", "port") if key in found}
    mirror: Obj = {"backendRef": {"group": "", "kind": "Service", "name": canary, **place}}
    if route.percentage != 100:
        mirror["percent"] = route.percentage
    filters = [*(rule.get("filters") or ()), {"type": "RequestMirror", "requestMirror": mirror}]
    return {**rule, "matches": matches, "filters": filters}


def _met(found: Obj, wanted: RouteMatch) -> Obj | None:
    """A condition for requests that meet both; None where there are none."""
    method = wanted.method.exact if wanted.method is not None else None
    if method is not None and found.get("method") not in (None, method):
        return None
    path = _path(found.get("path") or ROOT, wanted.path)
    asked = [_header(name, value) for name, value in wanted.headers.items()]
    headers = joined(found.get("headers") or [], asked)
    if path is None or headers is None:
        return None
    rest = {"method": method} if method is not None else {}
    return {**found, "path": path, **rest, **({"headers": headers} if headers else {})}


def _header(name: str, value: StringMatch) -> Obj:
    kind, text = condition(value)
    return {"name": name, "type": kind, "value": text}


def _path(found: Obj, asked: StringMatch | None) -> Obj | None:
    if asked is None:
        return found
    kinds = (("Exact", asked.exact), ("PathPrefix", asked.prefix), ("RegularExpression", asked.regex))
    wanted: Obj = next(({"type": kind, "value": text} for kind, text in kinds if text), ROOT)
    for one, other in ((found, wanted), (wanted, found)):
        if one == other or _is_within(other, one):
            return other
    if "RegularExpression" in (found.get("type"), wanted["type"]):
        raise RoutingError(f"no condition says both path {found.get('value')} and path {wanted['value']}")
    return None


def _is_within(inner: Obj, outer: Obj) -> bool:
    """Whether every path that meets the one condition is known to meet the other, a prefix."""
    if outer.get("type", "PathPrefix") != "PathPrefix":
        return False
    start = str(outer.get("value", "/")).rstrip("/")
    if not start:
        return True
    path = str(inner.get("value", "/"))
    return inner.get("type") != "RegularExpression" and (path.rstrip("/") == start or path.startswith(f"{start}/"))
