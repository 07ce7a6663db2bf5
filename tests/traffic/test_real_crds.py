"""What routers write is what the real definitions of their kinds allow, and reads the same with their defaults."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from rollouts.api.traffic import GATEWAY_API
from rollouts.decide.plan import Destination, Split
from rollouts.decide.world import Hash
from rollouts.sandbox.schema import Node, compile_schema
from rollouts.traffic.base import GATEWAY_ROUTES, Router, TrafficSettings
from tests.traffic.stage import Obj, Objects, header, router, split

CRDS = Path(__file__).parents[3] / "shared" / "upstream" / "crds"
pytestmark = pytest.mark.skipif(not CRDS.is_dir(), reason="the routers' definitions are not beside this repository")

SETTINGS = TrafficSettings(traffic_split_api_version="v1alpha4")
EXPERIMENT = (Destination("tried", Hash("x"), 5),)
MANAGED = ("testers",)
STANDING: Obj = {"routes": (header("testers", agent="x"),), "managed": MANAGED}


@cache
def definitions(file: str) -> dict[tuple[str, str], Node]:
    """The schemas in a file, by API version and kind."""
    found = {}
    for crd in filter(None, yaml.safe_load_all((CRDS / f"{file}.yaml").read_text())):
        spec = crd["spec"]
        for version in spec["versions"]:
            schema = compile_schema(version["schema"]["openAPIV3Schema"])
            found[f"{spec['group']}/{version['name']}", spec["names"]["kind"]] = schema
    return found


class Cluster(Objects):
    """Objects as an API server keeps them: judged by their schema, pruned, and with its defaults."""

    def __init__(self, files: tuple[str, ...], *objects: Obj) -> None:
        self.schemas = {key: schema for file in files for key, schema in definitions(file).items()}
        super().__init__()
        for obj in objects:
            self.store(obj, None)

    def store(self, obj: Obj, before: Obj | None) -> None:
        schema = self.schemas[obj["apiVersion"], obj["kind"]]
        assert list(schema.unknown(obj)) == []
        shaped = schema.shaped(obj)
        assert schema.causes(shaped) == []
        super().store(shaped, before)


def made(api_version: str, kind: str, name: str, spec: Obj) -> Obj:
    return {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {"name": name, "namespace": "default"},
        "spec": spec,
    }


# ── what users made, per router ──


def istio() -> tuple[Router, Cluster]:
    hosts = [{"destination": {"host": "shop", "subset": name, "port": {"number": 80}}} for name in ("old", "new")]
    route = {"name": "main", "route": [{**hosts[0], "weight": 100}, {**hosts[1], "weight": 0}], "timeout": "3s"}
    virtual_service = {"hosts": ["shop"], "http": [route, {"name": "else", "route": [{"destination": {"host": "e"}}]}]}
    subsets = [{"name": name, "labels": {"app": "r"}} for name in ("old", "new", "others")]
    api = "networking.istio.io/v1alpha3"
    value = {
        "virtualService": {"name": "vs", "routes": ["main"]},
        "destinationRule": {"name": "dr", "canarySubsetName": "new", "stableSubsetName": "old"},
    }
    return router("istio", value, managed=MANAGED), Cluster(
        ("istio",),
        made(api, "VirtualService", "vs", virtual_service),
        made(api, "DestinationRule", "dr", {"host": "shop", "subsets": subsets}),
    )


def smi() -> tuple[Router, Cluster]:
    return router("smi", {}, settings=SETTINGS), Cluster(("smi-trafficsplit",))


def ambassador() -> tuple[Router, Cluster]:
    spec = {"prefix": "/shop", "service": "stable:80", "timeout_ms": 5, "headers": {"a": "b"}}
    mapping = made("getambassador.io/v2", "Mapping", "m", spec)
    return router("ambassador", {"mappings": ["m"]}), Cluster(("ambassador",), mapping)


def app_mesh() -> tuple[Router, Cluster]:
    api, listener = "appmesh.k8s.aws/v1beta2", {"portMapping": {"port": 80, "protocol": "http"}}
    targets = [{"virtualNodeRef": {"name": name}, "weight": 50} for name in ("n-c", "n-s")]
    route = {"name": "all", "httpRoute": {"match": {"prefix": "/"}, "action": {"weightedTargets": targets}}}
    value = {
        "virtualService": {"name": "vs"},
        "virtualNodeGroup": {"canaryVirtualNodeRef": {"name": "n-c"}, "stableVirtualNodeRef": {"name": "n-s"}},
    }
    node = {"podSelector": {"matchLabels": {"app": "r"}}, "listeners": [listener]}
    return router("appMesh", value), Cluster(
        ("appmesh-virtualservices", "appmesh-virtualrouters", "appmesh-virtualnodes"),
        made(api, "VirtualService", "vs", {"provider": {"virtualRouter": {"virtualRouterRef": {"name": "vr"}}}}),
        made(api, "VirtualRouter", "vr", {"listeners": [listener], "routes": [route]}),
        made(api, "VirtualNode", "n-c", node),
        made(api, "VirtualNode", "n-s", node),
    )


def traefik() -> tuple[Router, Cluster]:
    services: list[Obj] = [
        {"name": name, "port": 80, "sticky": {"cookie": {}}} for name in ("stable", "canary", "else")
    ]
    service = made("traefik.io/v1alpha1", "TraefikService", "t", {"weighted": {"services": services}})
    return router("traefik", {"weightedTraefikServiceName": "t"}), Cluster(("traefik",), service)


def apisix() -> tuple[Router, Cluster]:
    backends = [{"serviceName": name, "servicePort": 80} for name in ("stable", "canary")]
    rule = {"name": "all", "match": {"hosts": ["shop"], "paths": ["/*"]}, "backends": backends}
    route = made("apisix.apache.org/v2", "ApisixRoute", "a", {"http": [rule]})
    return router("apisix", {"route": {"name": "a", "rules": ["all"]}}, managed=MANAGED), Cluster(("apisix",), route)


def gateway() -> tuple[Router, Cluster]:
    refs = [{"name": "stable", "port": 80}, {"name": "canary", "port": 80}]
    rules = {"HTTPRoute": [{"backendRefs": refs}, {"backendRefs": refs[:1]}], "GRPCRoute": [{"backendRefs": refs}]}
    routes = [
        made(
            resource.api_version,
            resource.kind,
            "g",
            {
                "parentRefs": [{"name": "gateway"}],
                "rules": rules.get(resource.kind, [{"backendRefs": refs}]),
                **({"hostnames": ["shop.example.com"]} if resource.kind == "TLSRoute" else {}),
            },
        )
        for resource in GATEWAY_ROUTES
    ]
    config = dict.fromkeys(("httpRoute", "grpcRoute", "tcpRoute", "tlsRoute"), "g")
    share = {"weight": 5, "serviceName": "tried"}
    weights = {"canary": {"weight": 20}, "stable": {"weight": 75}, "additional": [share]}
    subject = router("plugins", {GATEWAY_API: config}, managed=MANAGED, status={"canary": {"weights": weights}})
    files = tuple(f"gateway-api-{resource.plural}" for resource in GATEWAY_ROUTES)
    return subject, Cluster(files, *routes)


ROUTERS = (istio, smi, ambassador, app_mesh, traefik, apisix, gateway)
COURSE: tuple[Split, ...] = (
    split(0, same=True),
    split(0),
    split(20, **STANDING),
    split(20, additional=EXPERIMENT, **STANDING),
    split(100, managed=MANAGED),
    split(0, same=True, managed=MANAGED),
)


@pytest.mark.parametrize("users", ROUTERS)
def test_each_write_of_an_update_is_what_the_definition_allows(users: Callable[[], tuple[Any, Cluster]]) -> None:
    subject, cluster = users()
    written = 0
    for wanted in COURSE:
        written += len(cluster.say(subject, wanted))
    assert written >= 3
