"""What users made for each router, and the router that then edits it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from rollouts.api.traffic import GATEWAY_API
from rollouts.traffic.base import GATEWAY_ROUTES, Router, TrafficSettings
from tests.traffic.stage import Obj, router

MANAGED = ("testers", "copies")
SETTINGS = TrafficSettings(traffic_split_api_version="v1alpha4")


@dataclass(frozen=True, slots=True)
class Users:
    """The objects of a router's users. `files`: where the definitions of their kinds are; `rest`: what else their
    trafficRouting says."""

    dialect: str
    value: Obj
    objects: tuple[Obj, ...]
    files: tuple[str, ...] = ()
    rest: Obj = field(default_factory=dict)

    @property
    def routing(self) -> Obj:
        """The trafficRouting of their Rollout."""
        return {self.dialect: self.value, "managedRoutes": [{"name": name} for name in MANAGED], **self.rest}

    def router(self, status: Obj | None = None) -> Router:
        """The router of a Rollout with this status."""
        return router(self.dialect, self.value, managed=MANAGED, status=status, settings=SETTINGS, **self.rest)


def made(api_version: str, kind: str, name: str, spec: Obj) -> Obj:
    metadata = {"name": name, "namespace": "default", "annotations": {"note": "kept"}, "labels": {"team": "shop"}}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec}


def istio() -> Users:
    hosts = [{"destination": {"host": "shop", "subset": name, "port": {"number": 80}}} for name in ("old", "new")]
    route = {"name": "main", "route": [{**hosts[0], "weight": 100}, {**hosts[1], "weight": 0}], "timeout": "3s"}
    others = [{"name": "else", "route": [{"destination": {"host": "e"}}]}, {"route": [{"destination": {"host": "f"}}]}]
    virtual_service = {"hosts": ["shop"], "http": [others[0], route, others[1]]}
    subsets = [{"name": name, "labels": {"app": "r"}} for name in ("old", "new", "others")]
    api = "networking.istio.io/v1alpha3"
    value = {
        "virtualService": {"name": "vs", "routes": ["main"]},
        "destinationRule": {"name": "dr", "canarySubsetName": "new", "stableSubsetName": "old"},
    }
    objects = (
        made(api, "VirtualService", "vs", virtual_service),
        made(api, "DestinationRule", "dr", {"host": "shop", "subsets": subsets}),
    )
    return Users("istio", value, objects, ("istio",))


def istio_sections() -> Users:
    """Two VirtualServices by Service: one with HTTP and TLS routes, one in another namespace with TCP routes."""
    hosts = ("stable.default.svc.cluster.local", "canary", "shadow")

    def route(**rest: Any) -> Obj:
        shares = zip(hosts, (100, 0, 0), strict=True)
        ports = [{"destination": {"host": name, "port": {"number": 80}}, "weight": weight} for name, weight in shares]
        return {**rest, "route": ports}

    other = {"match": [{"port": 8443, "sniHosts": ["a"]}], "route": [{"destination": {"host": "e"}}]}
    tls = [other, route(match=[{"port": 443, "sniHosts": ["b", "a"]}])]
    tcp = [{**other, "match": [{"port": 3306}]}, route(match=[{"port": 5432}])]
    api = "networking.istio.io/v1alpha3"
    plain = route(name="main", match=[{"uri": {"prefix": "/"}}], retries={"attempts": 2})
    value = {
        "virtualServices": [
            {"name": "web", "routes": ["main"], "tlsRoutes": [{"port": 443, "sniHosts": ["a", "b"]}]},
            {"name": "db.default", "tcpRoutes": [{"port": 5432}]},
        ]
    }
    objects = (
        made(api, "VirtualService", "web", {"hosts": ["shop"], "http": [plain], "tls": tls}),
        made(api, "VirtualService", "db", {"hosts": ["db"], "tcp": tcp}),
    )
    return Users("istio", value, objects, ("istio",))


def smi() -> Users:
    return Users("smi", {}, (), ("smi-trafficsplit",))


def ambassador() -> Users:
    spec = {"prefix": "/shop", "service": "stable:80", "timeout_ms": 5, "headers": {"a": "b"}}
    mapping = made("getambassador.io/v2", "Mapping", "m", spec)
    return Users("ambassador", {"mappings": ["m"]}, (mapping,), ("ambassador",))


def app_mesh() -> Users:
    api, listener = "appmesh.k8s.aws/v1beta2", {"portMapping": {"port": 80, "protocol": "http"}}
    targets = [{"virtualNodeRef": {"name": name}, "weight": 50} for name in ("n-c", "n-s")]
    route = {"name": "all", "httpRoute": {"match": {"prefix": "/"}, "action": {"weightedTargets": targets}}}
    other = {"name": "else", "httpRoute": {"match": {"prefix": "/e"}, "action": {"weightedTargets": targets}}}
    value = {
        "virtualService": {"name": "vs", "routes": ["all"]},
        "virtualNodeGroup": {"canaryVirtualNodeRef": {"name": "n-c"}, "stableVirtualNodeRef": {"name": "n-s"}},
    }
    node = {"podSelector": {"matchLabels": {"app": "r"}}, "listeners": [listener]}
    objects = (
        made(api, "VirtualService", "vs", {"provider": {"virtualRouter": {"virtualRouterRef": {"name": "vr"}}}}),
        made(api, "VirtualRouter", "vr", {"listeners": [listener], "routes": [other, route]}),
        made(api, "VirtualNode", "n-c", node),
        made(api, "VirtualNode", "n-s", node),
    )
    return Users(
        "appMesh", value, objects, ("appmesh-virtualservices", "appmesh-virtualrouters", "appmesh-virtualnodes")
    )


def traefik() -> Users:
    services: list[Obj] = [{"name": name, "port": 80, "sticky": {"cookie": {}}} for name in ("stable", "canary", "e")]
    service = made("traefik.io/v1alpha1", "TraefikService", "t", {"weighted": {"services": services}})
    return Users("traefik", {"weightedTraefikServiceName": "t"}, (service,), ("traefik",))


def apisix() -> Users:
    backends = [{"serviceName": name, "servicePort": 80} for name in ("stable", "canary")]
    rules = [
        {"name": name, "match": {"hosts": ["shop"], "paths": [f"/{name}"]}, "backends": backends}
        for name in ("else", "all")
    ]
    route = made("apisix.apache.org/v2", "ApisixRoute", "a", {"http": rules})
    return Users("apisix", {"route": {"name": "a", "rules": ["all"]}}, (route,), ("apisix",))


def gateway() -> Users:
    refs = [{"name": "stable", "port": 80}, {"name": "canary", "port": 80}]
    alone = {"backendRefs": refs[1:], "matches": [{"headers": [{"name": "qa", "value": "1"}]}]}
    rules = {"HTTPRoute": [alone, {"backendRefs": refs}, {"backendRefs": refs[:1]}]}
    hosts = {"TLSRoute": {"hostnames": ["shop.example.com"]}}
    parents = [{"name": "gateway"}]
    routes = tuple(
        made(
            each.api_version,
            each.kind,
            "g",
            {"parentRefs": parents, "rules": rules.get(each.kind, [{"backendRefs": refs}]), **hosts.get(each.kind, {})},
        )
        for each in GATEWAY_ROUTES
    )
    config: Obj = dict.fromkeys(("httpRoute", "grpcRoute", "tcpRoute", "tlsRoute"), "g")
    files = tuple(f"gateway-api-{resource.plural}" for resource in GATEWAY_ROUTES)
    return Users("plugins", {GATEWAY_API: config}, routes, files)


def gateway_many() -> Users:
    """Routes by name, with and without header routes, and by label; a label of their own while an update runs."""
    refs = [{"name": name, "port": 80, "weight": weight} for name, weight in (("stable", 100), ("canary", 0), ("e", 0))]
    matches = [{"path": {"type": "PathPrefix", "value": "/a"}, "headers": [{"name": "v", "value": "2"}]}, {}]
    rules: list[Obj] = [{"name": "first", "matches": matches, "backendRefs": refs}, {"backendRefs": refs[2:]}]
    http = GATEWAY_ROUTES[0]
    routes = tuple(
        made(http.api_version, http.kind, name, {"parentRefs": [{"name": "gateway"}], "rules": rules})
        for name in ("named", "selected", "plain")
    )
    config = {
        "httpRoutes": [{"name": "named", "useHeaderRoutes": True}, {"name": "plain"}],
        "httpRouteSelector": {"matchLabels": {"team": "shop"}},
        "inProgressLabelKey": "moving",
        "inProgressLabelValue": "yes",
    }
    return Users("plugins", {GATEWAY_API: config}, routes, ("gateway-api-httproutes",))


def _ingress(name: str, port: Obj) -> Obj:
    paths: list[Any] = [
        {"path": f"/{service}", "pathType": "Prefix", "backend": {"service": {"name": service, "port": port}}}
        for service in ("e", "stable")
    ]
    bucket = {"path": "/b", "pathType": "Prefix", "backend": {"resource": {"kind": "Bucket", "name": "b"}}}
    rules = [{"host": "bare"}, {"host": "shop", "http": {"paths": [*paths, bucket]}}, {"http": {"paths": [paths[0]]}}]
    return made("networking.k8s.io/v1", "Ingress", name, {"rules": rules})


def nginx() -> Users:
    return Users("nginx", {"stableIngress": "i"}, (_ingress("i", {"number": 80}),))


def alb() -> Users:
    return Users("alb", {"ingress": "i", "servicePort": 80}, (_ingress("i", {"name": "use-annotation"}),))


def nginx_many() -> Users:
    """Two stable Ingresses, a prefix and annotations of their own, and a whole of 1000."""
    objects = tuple(_ingress(name, {"number": 80}) for name in ("i", "j"))
    objects[0]["metadata"]["annotations"]["kubernetes.io/ingress.class"] = "own"
    objects[1]["spec"] |= {"ingressClassName": "nginx", "tls": [{"hosts": ["shop"], "secretName": "s"}]}
    value = {
        "stableIngresses": ["i", "j"],
        "annotationPrefix": "own.io",
        "additionalIngressAnnotations": {"canary-by-header": "x-canary"},
        "canaryIngressAnnotations": {"plain": "as it is"},
    }
    return Users("nginx", value, objects, rest={"maxTrafficWeight": 1000})


def alb_many() -> Users:
    """Two Ingresses with a root Service, a prefix of their own and stickiness; another Rollout uses one of them too."""
    objects = tuple(_ingress(name, {"name": "use-annotation"}) for name in ("i", "j"))
    books = {"rollouts.argoproj.io/managed-alb-annotations": '{"other":["own.io/actions.x"]}', "own.io/actions.x": "{}"}
    objects[1]["metadata"]["annotations"] |= books
    sticky = {"enabled": True, "durationSeconds": 60}
    value = {"ingresses": ["i", "j"], "rootService": "stable", "annotationPrefix": "own.io", "servicePort": 443}
    return Users("alb", {**value, "stickinessConfig": sticky}, objects)


DEFINED: tuple[Callable[[], Users], ...] = (
    istio,
    istio_sections,
    smi,
    ambassador,
    app_mesh,
    traefik,
    apisix,
    gateway,
    gateway_many,
)
"""Routers whose kinds come from definitions."""

ALL = (*DEFINED, nginx, nginx_many, alb, alb_many)
