"""Pure. The ways in which users of the demo can come to its pods, and how each tells the canary's share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rollouts.api.traffic import GATEWAY_API
from rollouts.kube.refs import INGRESS, SERVICE, Obj, Resource
from rollouts.sandbox.dialects.ingress import PREFIX
from rollouts.sandbox.dialects.istio import VIRTUAL_SERVICE
from rollouts.sandbox.manifests import manifest
from rollouts.traffic.base import HTTP_ROUTE

CANARY_SERVICE = "api-canary"
_WITHOUT_ROUTER = ("trafficRouting", "scaleDownDelaySeconds", "abortScaleDownDelaySeconds")
_PODS, _SHARES = 10, {25: 30}
"""Where shares are pods: how many there are, and which of the steps' weights are no whole number of them."""


@dataclass(frozen=True, slots=True)
class Router:
    """One way in.

    `host` is whom users ask for; `routing` is the Rollout's trafficRouting, None for none; `object` is the kind and
    name of what says the share, which `said` reads from it, in percent.
    """

    name: str
    host: str
    routing: Mapping[str, Any] | None
    object: tuple[Resource, str]
    said: Callable[[Obj], int]

    def route(self) -> list[Obj]:
        """The routing objects of a user."""
        return manifest(f"route-{self.name}") if self.routing is not None else []

    def deployment(self) -> list[Obj]:
        """How the API ran before, in this router's size."""
        return [self._sized(obj) for obj in manifest("api-deployment")]

    def rollout(self) -> list[Obj]:
        """The same as a Rollout that goes through this router."""
        return [self._routed(self._sized(obj)) for obj in manifest("api-rollout")]

    def share(self, rollout: Obj, found: Obj | None) -> int:
        """The canary's share in percent; `found` is the object that says it, where there is one."""
        if self.routing is None:
            return share_of_pods(rollout)
        return self.said(found) if found is not None else 0

    def _sized(self, obj: Obj) -> Obj:
        return {**obj, "spec": {**obj["spec"], "replicas": _PODS}} if self.routing is None else obj

    def _routed(self, rollout: Obj) -> Obj:
        canary: Obj = rollout["spec"]["strategy"]["canary"]
        routed = _by_pods(canary) if self.routing is None else {**canary, "trafficRouting": dict(self.routing)}
        return {**rollout, "spec": {**rollout["spec"], "strategy": {"canary": routed}}}


def _by_pods(canary: Obj) -> Obj:
    """The strategy without what needs a router, and with weights that its pods can show."""
    steps = [
        {"setWeight": _SHARES.get(step["setWeight"], step["setWeight"])} if "setWeight" in step else step
        for step in canary["steps"]
    ]
    return {**{key: value for key, value in canary.items() if key not in _WITHOUT_ROUTER}, "steps": steps}


def share_of_pods(rollout: Obj) -> int:
    """Which part of its pods a Rollout's canary is, in percent."""
    status = rollout.get("status") or {}
    if status.get("stableRS") == status.get("currentPodHash"):
        return 0
    return round(100 * int(status.get("updatedReplicas", 0)) / max(1, int(status.get("replicas", 0))))


def _of_virtual_service(obj: Obj) -> int:
    destinations = obj["spec"]["http"][0]["route"]
    return sum(int(each.get("weight", 0)) for each in destinations if each["destination"]["host"] == CANARY_SERVICE)


def _of_http_route(obj: Obj) -> int:
    backends = obj["spec"]["rules"][0]["backendRefs"]
    weights = {each["name"]: int(each.get("weight", 1)) for each in backends}
    return round(100 * weights[CANARY_SERVICE] / max(1, sum(weights.values())))


def _of_ingress(obj: Obj) -> int:
    return int(obj["metadata"]["annotations"][f"{PREFIX}/canary-weight"])


_HOST = "api.example.com"
ROUTERS: Mapping[str, Router] = {
    router.name: router
    for router in (
        Router(
            "istio",
            _HOST,
            {"istio": {"virtualService": {"name": "api"}}},
            (VIRTUAL_SERVICE, "api"),
            _of_virtual_service,
        ),
        Router("gateway", _HOST, {"plugins": {GATEWAY_API: {"httpRoute": "api"}}}, (HTTP_ROUTE, "api"), _of_http_route),
        Router("ingress", _HOST, {"nginx": {"stableIngress": "api"}}, (INGRESS, "api-api-canary"), _of_ingress),
        Router("none", "api", None, (SERVICE, "api"), lambda _: 0),
    )
}
"""By name, the default first."""
