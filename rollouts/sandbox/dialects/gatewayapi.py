"""Pure. The Gateway API's HTTPRoute as routes: matches by their precedence, weights of backends, mirrors.

The sandbox's gateway stands for every Gateway, so `parentRefs` choose nothing, but that a route whose parent is a
Service is for that Service's own name; and a backend in another namespace needs no ReferenceGrant. Fields that do not
choose the pod (timeouts, retry, modified headers, CORS) are not acted on. What would choose another answer is refused
by name.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rollouts.kube.refs import Obj, name_of, namespace_of
from rollouts.sandbox.dialects.matching import (
    Test,
    Text,
    Unsupported,
    all_of,
    exactly,
    header,
    like,
    query,
    shaped,
    text_of,
    under,
)
from rollouts.sandbox.routing import Backend, Objects, Rule, VirtualHost
from rollouts.traffic.base import HTTP_ROUTE

_PASSIVE = ("RequestHeaderModifier", "ResponseHeaderModifier", "CORS")
_MIRROR = "RequestMirror"


@dataclass(frozen=True, slots=True)
class _Ranked:
    """A rule for one of its matches, with its rank among all rules of a host: the greatest is asked first."""

    rank: tuple[int, ...]
    rule: Rule


class GatewayApi:
    """The dialect of `gateway.networking.k8s.io`."""

    resources = (HTTP_ROUTE,)

    def virtual_hosts(self, objects: Objects) -> Iterable[VirtualHost]:
        ranked: dict[str, list[_Ranked]] = {}
        faults: dict[str, str] = {}
        for route in sorted(objects.get(HTTP_ROUTE, ()), key=_age):
            hosts, rules, fault = _read(route)
            for host in hosts:
                ranked.setdefault(host, []).extend(rules)
                if fault:
                    faults[host] = fault
        for host, found in ranked.items():
            ordered = sorted(found, key=lambda each: each.rank, reverse=True)  # stable: older routes stay before
            yield VirtualHost((host,), tuple(each.rule for each in ordered), faults.get(host, ""))


def _age(route: Obj) -> tuple[str, str, str]:
    """Where rules are otherwise alike, those of the oldest route win, then those first by name."""
    return route["metadata"].get("creationTimestamp") or "", namespace_of(route), name_of(route)


def _name(route: Obj) -> str:
    return f"{namespace_of(route)}/{name_of(route)}"


def _read(route: Obj) -> tuple[tuple[str, ...], list[_Ranked], str]:
    """Hosts, rules, and what is wrong with them. One whose hosts cannot be read stands for all that are left."""
    hosts: tuple[str, ...] = ("*",)
    try:
        with shaped():
            hosts = _hosts(route)
            return hosts, list(_rules(route)), ""
    except Unsupported as error:
        return hosts, [], f"HTTPRoute {_name(route)}: {error}"


def _hosts(route: Obj) -> tuple[str, ...]:
    spec = route.get("spec") or {}
    parents = spec.get("parentRefs") or ()
    meshed = [parent for parent in parents if parent.get("kind") == "Service"]
    names = [
        f"{parent['name']}.{parent.get('namespace') or namespace_of(route)}.svc.cluster.local" for parent in meshed
    ]
    if len(meshed) < len(parents) or not parents:
        names += spec.get("hostnames") or ["*"]
    return tuple(dict.fromkeys(name.lower() for name in names))


def _rules(route: Obj) -> Iterator[_Ranked]:
    for index, rule in enumerate((route.get("spec") or {}).get("rules") or ()):
        yield from _rule(f"spec.rules[{index}]", rule, route)


def _rule(path: str, rule: Obj, route: Obj) -> Iterator[_Ranked]:
    """A rule once for each of its matches; its share-out is one whatever match brought a request there."""
    if rule.get("sessionPersistence"):
        raise Unsupported(f"{path}.sessionPersistence: the sandbox's gateway keeps no sessions; remove it there")
    namespace = namespace_of(route)
    backends = tuple(
        _backend(f"{path}.backendRefs[{index}]", backend, namespace)
        for index, backend in enumerate(rule.get("backendRefs") or ())
    )
    mirrors = tuple(_mirrors(path, rule, namespace))
    name = f"{_name(route)} {path}"
    for index, match in enumerate(rule.get("matches") or [{}]):
        where = f"{path}.matches[{index}]"
        matched = Rule(backends, all_of(_conditions(where, match)), name, mirrors)
        yield _Ranked(_rank(match), matched)


def _backend(path: str, ref: Obj, namespace: str) -> Backend:
    if ref.get("group") or ref.get("kind", "Service") != "Service":
        raise Unsupported(f"{path}.kind: the sandbox's gateway leads to Services only")
    if active := [each for each in ref.get("filters") or () if each.get("type") not in _PASSIVE]:
        raise Unsupported(f"{path}.filters: the sandbox's gateway has no {active[0].get('type')} for one backend")
    return Backend((text_of(ref.get("namespace") or namespace), text_of(ref["name"])), int(ref.get("weight", 1)))


def _mirrors(path: str, rule: Obj, namespace: str) -> Iterator[tuple[Backend, float]]:
    for index, each in enumerate(rule.get("filters") or ()):
        where = f"{path}.filters[{index}]"
        if each.get("type") == _MIRROR:
            mirror = each["requestMirror"]
            yield _backend(f"{where}.requestMirror.backendRef", mirror["backendRef"], namespace), _percentage(mirror)
        elif each.get("type") not in _PASSIVE:
            raise Unsupported(f"{where}.type: the sandbox's gateway only chooses pods; remove {each.get('type')} there")


def _percentage(mirror: Obj) -> float:
    if fraction := mirror.get("fraction"):
        return 100 * float(fraction["numerator"]) / float(fraction.get("denominator", 100))
    return float(mirror.get("percent", 100))


def _rank(match: Obj) -> tuple[int, ...]:
    """An exact path before others, a longer prefix before a shorter, then a method, then more headers, more queries."""
    path = match.get("path") or {}
    kind = path.get("type", "PathPrefix")
    return (
        kind == "Exact",
        kind == "RegularExpression",
        len(path.get("value", "/")) if kind == "PathPrefix" else 0,
        "method" in match,
        len(match.get("headers") or ()),
        len(match.get("queryParams") or ()),
    )


def _conditions(path: str, match: Obj) -> Iterator[Test]:
    """All conditions of one match hold together."""
    if "path" in match:
        yield _path(f"{path}.path", match["path"])
    if "method" in match:
        yield lambda request: request.method == match["method"]
    for kind, test in (("headers", header), ("queryParams", query)):
        for index, each in enumerate(match.get(kind) or ()):
            yield test(each["name"], _text(f"{path}.{kind}[{index}]", each))


def _path(path: str, wanted: Obj) -> Test:
    kind, value = wanted.get("type", "PathPrefix"), wanted.get("value", "/")
    if kind == "PathPrefix":
        return under(value)
    text = _text(path, {"type": kind, "value": value})
    return lambda request: text(request.path)


def _text(path: str, wanted: Obj) -> Text:
    match wanted.get("type", "Exact"):
        case "Exact":
            return exactly(wanted["value"])
        case "RegularExpression":
            return like(f"{path}.value", wanted["value"])
        case other:
            raise Unsupported(f"{path}.type: the sandbox's gateway knows no {other}")
