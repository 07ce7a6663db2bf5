"""Router families: for each the definitions, the user's objects, and how to read a share from them."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rollouts.api.traffic import GATEWAY_API
from rollouts.kube.errors import AlreadyExists
from rollouts.kube.refs import CRD, INGRESS, Obj, Resource
from rollouts.traffic.base import GATEWAY_ROUTES, GRPC_ROUTE, HTTP_ROUTE, TCP_ROUTE, TLS_ROUTE, TrafficSettings
from tests.stories.objects import rollout, service
from tests.stories.stage import Stage

SETTINGS = TrafficSettings()
SERVICE_NODE, ROUTER_NODE, POD_NODE = SETTINGS.mesh_resources


_UNAPPROVED = {"api-approved.kubernetes.io": "unapproved, it takes anything"}
"""What a definition in a group of Kubernetes' own has to say."""


def definition(resource: Resource) -> Obj:
    """A CustomResourceDefinition that takes any object of this kind."""
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {
        "name": resource.version,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": anything}}},
    }
    names = {"plural": resource.plural, "singular": resource.kind.lower(), "kind": resource.kind}
    names["listKind"] = f"{resource.kind}List"
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{resource.plural}.{resource.group}", "annotations": _UNAPPROVED},
        "spec": {"group": resource.group, "scope": "Namespaced", "names": names, "versions": [version]},
    }


@dataclass(frozen=True, slots=True)
class Family:
    """One router. `routing` is what the Rollout says, `objects` what its user made; `share` reads the canary's."""

    resources: tuple[Resource, ...]
    routing: Obj
    objects: Callable[[str, str], tuple[Obj, ...]]
    share: Callable[[Stage], int | None]
    """None where there is none, or where objects say different things."""
    headers: bool = False

    async def install(self, stage: Stage, *steps: Obj, name: str = "r", **rest: Any) -> None:
        """Definitions, Services `<name>-stable` and `<name>-canary`, routing objects, and the Rollout behind them."""
        stable, canary = f"{name}-stable", f"{name}-canary"
        for resource in self.resources:
            if resource is not INGRESS:
                await _once(stage, CRD, "", definition(resource))
        by_kind = {resource.kind: resource for resource in self.resources}
        for obj in self.objects(stable, canary):
            await stage.wire.create(by_kind[obj["kind"]], "default", obj)
        strategy = {"canaryService": canary, "stableService": stable, "trafficRouting": self.routing}
        given = {**strategy, **rest.pop("canary", {})}
        await stage.apply(service(stable), service(canary), rollout(*steps, name=name, canary=given, **rest))
        await stage.reaches("Healthy", name=name)
        await stage.passes(1)


def routers() -> tuple[Resource, ...]:
    """Every kind of routing object but Ingresses."""
    return tuple(dict.fromkeys(each for family in FAMILIES.values() for each in family.resources if each != INGRESS))


async def _once(stage: Stage, resource: Resource, namespace: str, obj: Obj) -> None:
    try:
        await stage.wire.create(resource, namespace, obj)
    except AlreadyExists:
        return


def _made(resource: Resource, name: str, spec: Obj) -> Obj:
    metadata = {"name": name, "namespace": "default", "labels": {"whose": "user"}, "annotations": {"note": "kept"}}
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata, "spec": spec}


# ── Ingresses ──


def _path(service: str, port: Obj, at: str = "/") -> Obj:
    return {"path": at, "pathType": "Prefix", "backend": {"service": {"name": service, "port": port}}}


def _ingress(stable: str, canary: str) -> tuple[Obj, ...]:
    paths = [_path(stable, {"number": 80}), _path("else", {"number": 80}, "/else")]
    rules = [{"host": "shop.example.com", "http": {"paths": paths}}]
    return (_made(INGRESS, "shop", {"ingressClassName": "nginx", "rules": rules}),)


def _nginx_share(stage: Stage) -> int | None:
    found = stage.find(INGRESS, "r-shop-canary")
    weight = found["metadata"]["annotations"]["nginx.ingress.kubernetes.io/canary-weight"] if found else None
    return None if weight is None else int(weight)


def _alb_ingress(stable: str, canary: str) -> tuple[Obj, ...]:
    paths = [_path(stable, {"name": "use-annotation"}), _path("else", {"number": 80}, "/else")]
    return (_made(INGRESS, "balanced", {"ingressClassName": "alb", "rules": [{"http": {"paths": paths}}]}),)


def _alb_share(stage: Stage) -> int | None:
    text = stage.get(INGRESS, "balanced")["metadata"]["annotations"]["alb.ingress.kubernetes.io/actions.r-stable"]
    return _named(json.loads(text)["ForwardConfig"]["TargetGroups"], "ServiceName", "Weight")


def _named(shares: list[Obj], key: str = "name", weight: str = "weight") -> int | None:
    """The canary's entry, after a look that the two make a whole."""
    found = {share[key]: int(share[weight]) for share in shares if share[key] in ("r-canary", "r-stable")}
    assert sum(found.values()) == 100
    return found["r-canary"]


# ── meshes and gateways ──


def _split_share(stage: Stage) -> int | None:
    return _named(stage.get(SETTINGS.traffic_splits, "r")["spec"]["backends"], "service")


def _mapping(stable: str, canary: str) -> tuple[Obj, ...]:
    return (_made(SETTINGS.mappings, "m", {"prefix": "/", "service": f"{stable}:80", "timeout_ms": 5}),)


def _mapping_share(stage: Stage) -> int | None:
    found = stage.find(SETTINGS.mappings, "m-canary")
    return found["spec"]["weight"] if found else 0


def _mesh(stable: str, canary: str) -> tuple[Obj, ...]:
    targets = [{"virtualNodeRef": {"name": name}, "weight": weight} for name, weight in (("n-s", 100), ("n-c", 0))]
    route = {"name": "all", "httpRoute": {"match": {"prefix": "/"}, "action": {"weightedTargets": targets}}}
    provider = {"virtualRouter": {"virtualRouterRef": {"name": "vr"}}}
    nodes = [{"podSelector": {"matchLabels": {"app": "r"}}, "listeners": [{"port": 80}]} for _ in targets]
    return (
        _made(SERVICE_NODE, "mesh", {"provider": provider}),
        _made(ROUTER_NODE, "vr", {"listeners": [{"port": 80}], "routes": [route]}),
        _made(POD_NODE, "n-s", nodes[0]),
        _made(POD_NODE, "n-c", nodes[1]),
    )


def _mesh_share(stage: Stage) -> int | None:
    (route,) = stage.get(ROUTER_NODE, "vr")["spec"]["routes"]
    shares = {
        each["virtualNodeRef"]["name"]: each["weight"] for each in route["httpRoute"]["action"]["weightedTargets"]
    }
    assert sum(shares.values()) == 100
    weight: int = shares["n-c"]
    return weight


def _traefik(stable: str, canary: str) -> tuple[Obj, ...]:
    services = [{"name": name, "port": 80, "sticky": {"cookie": {}}} for name in (stable, "else", canary)]
    return (_made(SETTINGS.traefik_services, "t", {"weighted": {"services": services}}),)


def _traefik_share(stage: Stage) -> int | None:
    return _named(stage.get(SETTINGS.traefik_services, "t")["spec"]["weighted"]["services"])


def _apisix(stable: str, canary: str) -> tuple[Obj, ...]:
    backends = [{"serviceName": name, "servicePort": 80} for name in (stable, canary)]
    rule = {"name": "all", "match": {"paths": ["/*"]}, "backends": backends}
    other = {"name": "else", "match": {"paths": ["/else"]}, "backends": [{"serviceName": "else", "servicePort": 80}]}
    return (_made(SETTINGS.apisix_routes, "a", {"http": [rule, other]}),)


def _apisix_share(stage: Stage) -> int | None:
    return _named(stage.get(SETTINGS.apisix_routes, "a")["spec"]["http"][0]["backends"], "serviceName")


def _routes(stable: str, canary: str) -> tuple[Obj, ...]:
    backends = [{"name": name, "port": 80, "weight": weight} for name, weight in ((stable, 100), (canary, 0))]
    rules = [
        {"matches": [{"path": {"type": "PathPrefix", "value": "/"}}], "backendRefs": backends},
        {"backendRefs": [{"name": "else", "port": 80, "weight": 1}]},
    ]
    kinds = {HTTP_ROUTE: rules, GRPC_ROUTE: rules, TCP_ROUTE: rules[:1], TLS_ROUTE: rules[:1]}
    return tuple(_made(resource, "g", {"rules": found}) for resource, found in kinds.items())


def _routes_share(stage: Stage) -> int | None:
    routes = [stage.get(resource, "g") for resource in GATEWAY_ROUTES]
    shares = {_named(route["spec"]["rules"][0]["backendRefs"]) for route in routes}
    return shares.pop() if len(shares) == 1 else None


def _by_host(stable: str, canary: str) -> tuple[Obj, ...]:
    return (_virtual_service("v", {"host": stable}, {"host": canary}),)


def _virtual_service(name: str, stable: Obj, canary: Obj) -> Obj:
    destinations = [{"destination": stable, "weight": 100}, {"destination": canary, "weight": 0}]
    other = {"name": "else", "match": [{"uri": {"prefix": "/else"}}], "route": [{"destination": {"host": "else"}}]}
    http = [other, {"name": "main", "route": destinations, "timeout": "3s"}]
    return _made(SETTINGS.virtual_services, name, {"hosts": ["shop"], "http": http})


def _host_share(stage: Stage) -> int | None:
    (main,) = (one for one in stage.get(SETTINGS.virtual_services, "v")["spec"]["http"] if one["name"] == "main")
    return _named([{"name": one["destination"]["host"], "weight": one["weight"]} for one in main["route"]])


def _by_subset(stable: str, canary: str) -> tuple[Obj, ...]:
    subsets = [{"name": name, "labels": {"app": "r"}} for name in ("old", "new", "qa")]
    rule = _made(SETTINGS.destination_rules, "d", {"host": "shop", "subsets": subsets})
    return (_virtual_service("w", {"host": "shop", "subset": "old"}, {"host": "shop", "subset": "new"}), rule)


def _subset_share(stage: Stage) -> int | None:
    """The share of the canary's subset; both select the pods that they are meant for."""
    spec = stage.get(SETTINGS.destination_rules, "d")["spec"]
    hashes = {one["name"]: one["labels"].get("rollouts-pod-template-hash") for one in spec["subsets"]}
    assert hashes["qa"] is None
    (main,) = (one for one in stage.get(SETTINGS.virtual_services, "w")["spec"]["http"] if one["name"] == "main")
    shares = {one["destination"]["subset"]: one["weight"] for one in main["route"]}
    assert sum(shares.values()) == 100
    weight: int = shares["new"]
    apart = not weight or hashes["new"] != hashes["old"]
    assert apart or not stage.in_order
    return weight if apart else None


MANAGED: Obj = {"managedRoutes": [{"name": "testers"}]}
SELECTED: Obj = {"tcpRouteSelector": {"matchLabels": {"whose": "user"}}}
NODES: Obj = {"canaryVirtualNodeRef": {"name": "n-c"}, "stableVirtualNodeRef": {"name": "n-s"}}

BY_HOST: Obj = {"virtualService": {"name": "v", "routes": ["main"]}}
BY_SUBSET: Obj = {
    "virtualService": {"name": "w", "routes": ["main"]},
    "destinationRule": {"name": "d", "canarySubsetName": "new", "stableSubsetName": "old"},
}

FAMILIES: dict[str, Family] = {
    "istio": Family((SETTINGS.virtual_services,), {"istio": BY_HOST, **MANAGED}, _by_host, _host_share, True),
    "istioSubsets": Family(
        (SETTINGS.virtual_services, SETTINGS.destination_rules),
        {"istio": BY_SUBSET, **MANAGED},
        _by_subset,
        _subset_share,
        True,
    ),
    "nginx": Family((INGRESS,), {"nginx": {"stableIngress": "shop"}}, _ingress, _nginx_share),
    "alb": Family(
        (INGRESS,), {"alb": {"ingress": "balanced", "servicePort": 80}, **MANAGED}, _alb_ingress, _alb_share, True
    ),
    "smi": Family((SETTINGS.traffic_splits,), {"smi": {}}, lambda stable, canary: (), _split_share),
    "ambassador": Family((SETTINGS.mappings,), {"ambassador": {"mappings": ["m"]}}, _mapping, _mapping_share),
    "appMesh": Family(
        SETTINGS.mesh_resources,
        {"appMesh": {"virtualService": {"name": "mesh"}, "virtualNodeGroup": NODES}},
        _mesh,
        _mesh_share,
    ),
    "traefik": Family(
        (SETTINGS.traefik_services,), {"traefik": {"weightedTraefikServiceName": "t"}}, _traefik, _traefik_share
    ),
    "apisix": Family(
        (SETTINGS.apisix_routes,),
        {"apisix": {"route": {"name": "a", "rules": ["all"]}}, **MANAGED},
        _apisix,
        _apisix_share,
        True,
    ),
    "gatewayAPI": Family(
        GATEWAY_ROUTES,
        {"plugins": {GATEWAY_API: {"httpRoute": "g", "grpcRoute": "g", **SELECTED, "tlsRoute": "g"}}, **MANAGED},
        _routes,
        _routes_share,
        True,
    ),
}
"""By the router's key under trafficRouting, what its plugin is called, or what it shares by."""
