"""Pure. Istio's VirtualService and DestinationRule as routes: matches, weights, subsets, mirrors.

The sandbox's gateway stands for the ingress gateway and the mesh at once, so `gateways` and `exportTo` change
nothing. Fields that do not choose the pod (timeout, retries, corsPolicy, headers) are not acted on. What would choose
another answer (redirect, rewrite, fault...) is refused by name.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import TypeAlias

from rollouts.kube.refs import Obj, Resource, name_of, namespace_of
from rollouts.sandbox.dialects.matching import (
    Test,
    Text,
    Unsupported,
    all_of,
    any_of,
    beginning,
    exactly,
    header,
    like,
    query,
    shaped,
    text_of,
    there,
)
from rollouts.sandbox.routing import Backend, Objects, Rule, VirtualHost, full_name, service_key

VIRTUAL_SERVICE = Resource("networking.istio.io", "v1alpha3", "virtualservices", "VirtualService")
DESTINATION_RULE = Resource("networking.istio.io", "v1alpha3", "destinationrules", "DestinationRule")

_Subsets: TypeAlias = Mapping[tuple[tuple[str, str], str], Mapping[str, str]]
"""Labels of a subset, by the Service's key and the subset's name."""

_ANSWERS = ("redirect", "directResponse", "rewrite", "fault", "delegate")
_MATCHES = (
    "name",
    "uri",
    "method",
    "authority",
    "headers",
    "withoutHeaders",
    "queryParams",
    "ignoreUriCase",
    "gateways",
)


class Istio:
    """The dialect of `networking.istio.io`."""

    resources = (VIRTUAL_SERVICE, DESTINATION_RULE)

    def virtual_hosts(self, objects: Objects) -> Iterable[VirtualHost]:
        subsets = _subsets(objects.get(DESTINATION_RULE, ()))
        for obj in sorted(objects.get(VIRTUAL_SERVICE, ()), key=lambda obj: (namespace_of(obj), name_of(obj))):
            yield _virtual_host(obj, subsets)


def _subsets(destination_rules: Iterable[Obj]) -> _Subsets:
    """All subsets that can be read; a route to one that cannot says that there is none."""
    found: dict[tuple[tuple[str, str], str], Mapping[str, str]] = {}
    for rule in destination_rules:
        with suppress(Unsupported), shaped():
            for subset in rule["spec"].get("subsets") or ():
                labels = {text_of(key): text_of(value) for key, value in (subset.get("labels") or {}).items()}
                found[service_key(rule["spec"]["host"], namespace_of(rule)), subset["name"]] = labels
    return found


def _virtual_host(obj: Obj, subsets: _Subsets) -> VirtualHost:
    """One whose hosts cannot be read stands for all that nobody else speaks of: its author is to hear of it."""
    hosts: tuple[str, ...] = ("*",)
    try:
        with shaped():
            spec, namespace = obj.get("spec") or {}, namespace_of(obj)
            hosts = tuple(full_name(host, namespace) for host in spec.get("hosts") or ())
            routes = enumerate(spec.get("http") or ())
            rules = tuple(_rule(f"spec.http[{index}]", route, namespace, subsets) for index, route in routes)
    except Unsupported as error:
        return VirtualHost(hosts, error=f"VirtualService {namespace_of(obj)}/{name_of(obj)}: {error}")
    return VirtualHost(hosts, rules)


def _rule(path: str, route: Obj, namespace: str, subsets: _Subsets) -> Rule:
    for key in _ANSWERS:
        if route.get(key):
            raise Unsupported(f"{path}.{key}: the sandbox's gateway only chooses pods; remove it there")
    tests = (_match(f"{path}.match[{index}]", match) for index, match in enumerate(route.get("match") or ()))
    backends = tuple(
        _backend(f"{path}.route[{index}].destination", entry["destination"], _weight(entry, route), namespace, subsets)
        for index, entry in enumerate(route.get("route") or ())
    )
    return Rule(
        backends=backends,
        matches=any_of(tests),
        name=route.get("name", ""),
        mirrors=tuple(_mirrors(path, route, namespace, subsets)),
    )


def _weight(entry: Obj, route: Obj) -> int:
    """The only destination of a route needs no weight; beside others an absent weight is 0."""
    return int(entry.get("weight", 100 if len(route["route"]) == 1 else 0))


def _backend(path: str, destination: Obj, weight: int, namespace: str, subsets: _Subsets) -> Backend:
    key = service_key(destination["host"], namespace)
    subset = destination.get("subset", "")
    if subset and (key, subset) not in subsets:
        raise Unsupported(f"{path}.subset: no DestinationRule for host {destination['host']!r} has a subset {subset!r}")
    return Backend(key, weight, subsets[key, subset] if subset else {})


def _mirrors(path: str, route: Obj, namespace: str, subsets: _Subsets) -> Iterator[tuple[Backend, float]]:
    if route.get("mirror"):
        percentage = (route.get("mirrorPercentage") or {}).get("value", 100.0)
        yield _backend(f"{path}.mirror", route["mirror"], 1, namespace, subsets), float(percentage)
    for index, entry in enumerate(route.get("mirrors") or ()):
        percentage = (entry.get("percentage") or {}).get("value", 100.0)
        where = f"{path}.mirrors[{index}].destination"
        yield _backend(where, entry["destination"], 1, namespace, subsets), float(percentage)


def _match(path: str, match: Obj) -> Test:
    """All conditions of one match block hold together."""
    for key in match:
        if key not in _MATCHES:
            raise Unsupported(f"{path}.{key}: the sandbox's gateway matches by {', '.join(_MATCHES[1:-2])}")
    return all_of(_conditions(path, match))


def _conditions(path: str, match: Obj) -> Iterator[Test]:
    if "uri" in match:
        uri = _string_match(f"{path}.uri", match["uri"], bool(match.get("ignoreUriCase")))
        yield lambda request: uri(request.path)
    if "method" in match:
        method = _string_match(f"{path}.method", match["method"])
        yield lambda request: method(request.method)
    if "authority" in match:
        authority = _string_match(f"{path}.authority", match["authority"])
        yield lambda request: authority(request.host)
    for name, wanted in (match.get("headers") or {}).items():
        yield header(name, _string_match(f"{path}.headers.{name}", wanted))
    for name, unwanted in (match.get("withoutHeaders") or {}).items():
        yield _not(header(name, _string_match(f"{path}.withoutHeaders.{name}", unwanted)))
    for name, wanted in (match.get("queryParams") or {}).items():
        yield query(name, _string_match(f"{path}.queryParams.{name}", wanted))


def _not(test: Test) -> Test:
    return lambda request: not test(request)


def _string_match(path: str, wanted: Obj | None, fold: bool = False) -> Text:
    """Istio's StringMatch: exact, prefix or regex (of the whole text); an empty one asks only that it is there."""
    if not wanted:
        return there
    if len(wanted) != 1 or (kind := next(iter(wanted))) not in ("exact", "prefix", "regex"):
        raise Unsupported(f"{path}: needs exactly one of exact, prefix, regex")
    value = str(wanted[kind])
    if kind == "regex":
        return like(f"{path}.regex", value, re.IGNORECASE if fold else 0)
    test = (exactly if kind == "exact" else beginning)(value.lower() if fold else value)
    return (lambda text: test(None if text is None else text.lower())) if fold else test
