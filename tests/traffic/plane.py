"""What a data plane makes of routing objects: each router's objects read back into shares.

A way is one choice that a request can meet: a route with its weighted destinations, or one for certain requests only.
Whoever adds a router adds how its objects are read.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from tests.traffic.stage import Obj, Objects

HASH = "rollouts-pod-template-hash"


class Place(NamedTuple):
    """Where traffic goes: to a Service, or past all Services to the pods with a hash."""

    service: str = ""
    hash: str = ""


@dataclass(frozen=True, slots=True)
class Way:
    """Shares of the requests that meet it. `special`: only certain requests do, such as those with a header."""

    shares: tuple[tuple[Place, int], ...]
    whole: int
    special: bool = False
    mirrored: tuple[Place, ...] = ()

    @property
    def name(self) -> tuple[bool, tuple[str, ...]]:
        """By which it is found again after a write."""
        return self.special, tuple(place.service for place, _ in self.shares[:2])

    @property
    def reached(self) -> dict[Place, int]:
        """Every place that gets requests, or copies of some."""
        found = {place: weight for place, weight in self.shares if weight}
        return found | {place: found.get(place, 0) for place in self.mirrored}


def _services(shares: Iterable[tuple[str, int]], whole: int, special: bool = False) -> Way:
    return Way(tuple((Place(service=name), weight) for name, weight in shares), whole, special)


# ── one reader for each router ──


def istio(objects: Objects) -> Iterator[Way]:
    rules = [obj for (kind, _), obj in objects.all.items() if kind == "DestinationRule"]
    subsets = {one["name"]: one for rule in rules for one in rule["spec"].get("subsets") or ()}

    def place(destination: Obj) -> Place:
        subset = destination.get("subset")
        if subset is None:
            return Place(service=destination["host"].split(".")[0])
        return Place(hash=(subsets[subset].get("labels") or {}).get(HASH, ""))

    spec = objects.one("VirtualService", "vs")["spec"]
    for route in spec["http"]:
        if route.get("name") in ("main", "testers", "copies"):
            shares = tuple((place(one["destination"]), one.get("weight", 0)) for one in route["route"])
            mirrored = (place(route["mirror"]),) if "mirror" in route else ()
            yield Way(shares, 100, special=bool(route.get("match")), mirrored=mirrored)


def nginx(objects: Objects) -> Iterator[Way]:
    canary = objects.all.get(("Ingress", "r-i-canary"))
    if canary is None:
        yield _services([("stable", 100)], 100)
        return
    notes = canary["metadata"]["annotations"]
    prefix = "nginx.ingress.kubernetes.io/canary"
    assert notes[prefix] == "true"
    whole, weight = int(notes.get(f"{prefix}-weight-total", 100)), int(notes[f"{prefix}-weight"])
    (rule,) = canary["spec"]["rules"]
    (service,) = {_service(path) for path in rule["http"]["paths"]} - {"e", ""}
    assert 0 <= weight <= whole
    yield _services([(service, weight), ("stable", whole - weight)], whole)


def _service(path: Obj) -> str:
    return str((path["backend"].get("service") or {}).get("name", ""))


def alb(objects: Objects) -> Iterator[Way]:
    ingress = objects.one("Ingress", "i")
    notes = ingress["metadata"].get("annotations") or {}
    for rule in ingress["spec"]["rules"]:
        for path in (rule.get("http") or {}).get("paths") or ():
            service = (path["backend"].get("service")) or {}
            if service.get("name") == "e" or (service.get("port") or {}).get("name") != "use-annotation":
                continue
            action = notes.get(f"alb.ingress.kubernetes.io/actions.{service['name']}")
            if action is None:
                assert service["name"] in ("stable", "root"), "a path of ours leads to an action that is there"
                continue
            groups = json.loads(action)["ForwardConfig"]["TargetGroups"]
            special = f"alb.ingress.kubernetes.io/conditions.{service['name']}" in notes
            yield _services([(one["ServiceName"], one["Weight"]) for one in groups], 100, special=special)


def smi(objects: Objects) -> Iterator[Way]:
    split = objects.all.get(("TrafficSplit", "r"))
    if split is not None:
        shares = [(one["service"], int(one["weight"])) for one in split["spec"]["backends"]]
        yield _services(shares, sum(weight for _, weight in shares))


def ambassador(objects: Objects) -> Iterator[Way]:
    canary = objects.all.get(("Mapping", "m-canary"))
    weight = canary["spec"]["weight"] if canary else 0
    assert "weight" not in objects.one("Mapping", "m")["spec"], "the base gets what the canary leaves"
    named = canary["spec"]["service"].split(":")[0] if canary else "canary"
    yield _services([(named, weight), ("stable", 100 - weight)], 100)


def app_mesh(objects: Objects) -> Iterator[Way]:
    (route,) = (one for one in objects.one("VirtualRouter", "vr")["spec"]["routes"] if one["name"] == "all")
    shares = []
    for target in route["httpRoute"]["action"]["weightedTargets"]:
        node = objects.one("VirtualNode", target["virtualNodeRef"]["name"])
        chosen = node["spec"]["podSelector"]["matchLabels"].get(HASH, "")
        shares.append((Place(hash=chosen), target["weight"]))
    yield Way(tuple(shares), 100)


def traefik(objects: Objects) -> Iterator[Way]:
    services = objects.one("TraefikService", "t")["spec"]["weighted"]["services"]
    shares = [(one["name"], one.get("weight", 1)) for one in services if one["name"] != "e"]
    yield _services(shares, sum(weight for _, weight in shares))


def apisix(objects: Objects) -> Iterator[Way]:
    for name in ("a", "testers"):
        route = objects.all.get(("ApisixRoute", name))
        for rule in route["spec"]["http"] if route else ():
            if rule["name"] == "all":
                shares = [(one["serviceName"], one.get("weight", 100)) for one in rule["backends"]]
                special = bool(rule["match"].get("exprs"))
                yield _services(shares, sum(weight for _, weight in shares), special=special)


def gateway(objects: Objects) -> Iterator[Way]:
    for (kind, _), route in objects.all.items():
        for rule in route["spec"]["rules"] if kind.endswith("Route") else ():
            name = rule.get("name", "")
            ours = name.startswith(("testers", "copies"))
            if not ours and len(rule["backendRefs"]) < 2:
                continue  # somebody's
            shares = [(one["name"], one.get("weight", 1)) for one in rule["backendRefs"]]
            filters = [one["requestMirror"] for one in rule.get("filters") or () if one["type"] == "RequestMirror"]
            mirrored = tuple(Place(service=one["backendRef"]["name"]) for one in filters)
            whole = sum(weight for _, weight in shares)
            yield Way(_services(shares, whole).shares, whole, special=ours, mirrored=mirrored)
