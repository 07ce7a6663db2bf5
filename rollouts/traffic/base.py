"""Pure. What every router has in common: it is handed the objects that it asked for, and returns edits."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from rollouts.api.meta import LabelSelector
from rollouts.api.rollout import Rollout
from rollouts.decide.plan import Event, Split
from rollouts.kube.refs import INGRESS, Obj, Ref, Resource, controller_of

HTTP_ROUTE, GRPC_ROUTE, TCP_ROUTE, TLS_ROUTE = GATEWAY_ROUTES = (
    Resource("gateway.networking.k8s.io", "v1", "httproutes", "HTTPRoute"),
    Resource("gateway.networking.k8s.io", "v1", "grpcroutes", "GRPCRoute"),
    Resource("gateway.networking.k8s.io", "v1alpha2", "tcproutes", "TCPRoute"),
    Resource("gateway.networking.k8s.io", "v1alpha2", "tlsroutes", "TLSRoute"),
)


class RoutingError(Exception):
    """A routing object does not hold what the Rollout says it does. The text is for the user.

    `reason`: the reason of a Warning event of its own, where users know one; "" for the common TrafficRoutingError.
    """

    def __init__(self, text: str, reason: str = "") -> None:
        super().__init__(text)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Edit:
    """What an object must say.

    `want` is the whole object: one that was not found is created (without an owner: the dialect sets one where there
    has to be one), None deletes it. Whoever applies it sends the smallest patch from what was found, conditional on
    its version, so that a concurrent edit by somebody else is merged rather than lost.
    """

    ref: Ref
    want: Obj | None
    event: Event


@dataclass(frozen=True, slots=True)
class TrafficSettings:
    """Flags of the controller that the dialects depend on."""

    istio_api_version: str = "v1alpha3"
    traffic_split_api_version: str = "v1alpha1"
    traefik_api_group: str = "traefik.io"
    traefik_api_version: str = "traefik.io/v1alpha1"
    ambassador_api_version: str = "getambassador.io/v2"
    appmesh_crd_version: str = "v1beta2"

    @property
    def virtual_services(self) -> Resource:
        return Resource("networking.istio.io", self.istio_api_version, "virtualservices", "VirtualService")

    @property
    def destination_rules(self) -> Resource:
        return Resource("networking.istio.io", self.istio_api_version, "destinationrules", "DestinationRule")

    @property
    def traffic_splits(self) -> Resource:
        return Resource("split.smi-spec.io", self.traffic_split_api_version, "trafficsplits", "TrafficSplit")

    @property
    def traefik_services(self) -> Resource:
        version = self.traefik_api_version.rpartition("/")[2]  # the group is what its own flag says
        return Resource(self.traefik_api_group, version, "traefikservices", "TraefikService")

    @property
    def apisix_routes(self) -> Resource:
        return Resource("apisix.apache.org", "v2", "apisixroutes", "ApisixRoute")

    @property
    def mappings(self) -> Resource:
        group, _, version = self.ambassador_api_version.rpartition("/")
        group = group or "getambassador.io"
        if group == "x.getambassador.io":
            return Resource(group, version, "ambassadormappings", "AmbassadorMapping")
        return Resource(group, version, "mappings", "Mapping")

    def app_mesh(self, plural: str, kind: str) -> Resource:
        return Resource("appmesh.k8s.aws", self.appmesh_crd_version, plural, kind)

    @property
    def mesh_resources(self) -> tuple[Resource, ...]:
        kinds = (
            ("virtualservices", "VirtualService"),
            ("virtualrouters", "VirtualRouter"),
            ("virtualnodes", "VirtualNode"),
        )
        return tuple(self.app_mesh(plural, kind) for plural, kind in kinds)

    @property
    def resources(self) -> tuple[Resource, ...]:
        """Every kind of routing object that some dialect edits."""
        return (
            self.virtual_services,
            self.destination_rules,
            INGRESS,
            self.traffic_splits,
            self.traefik_services,
            self.apisix_routes,
            self.mappings,
            *self.mesh_resources,
            *GATEWAY_ROUTES,
        )


@dataclass(frozen=True, slots=True)
class Selection:
    """All objects of a resource in a namespace whose labels are selected."""

    resource: Resource
    namespace: str
    selector: LabelSelector


def look(
    router: "Router", get: Callable[[Ref], Obj | None], select: Callable[[Selection], Iterable[Ref]] = lambda _: ()
) -> dict[Ref, Obj]:
    """The objects that a router wants to see, those included that the first of them name."""
    found: dict[Ref, Obj] = {}
    for _ in range(2):
        for need in router.needs(found):
            for ref in select(need) if isinstance(need, Selection) else (need,):
                obj = None if ref in found else get(ref)
                if obj is not None:
                    found[ref] = obj
    return found


def in_percent(split: Split) -> Split:
    """The same split with 100 for a whole, for objects that know no other: a share is never rounded to none or all."""
    if split.max_weight == 100:
        return split
    canary = _percent(split.canary.weight, split.max_weight)
    additional = tuple(replace(one, weight=_percent(one.weight, split.max_weight)) for one in split.additional)
    rest = max(0, 100 - canary - sum(one.weight for one in additional))
    return replace(
        split,
        canary=replace(split.canary, weight=canary),
        stable=replace(split.stable, weight=rest),
        additional=additional,
        max_weight=100,
    )


_SPECIAL = re.compile(r"[.+*?()|\[\]{}^$\\]")


def beginning(prefix: str) -> str:
    """A regular expression for texts that begin so: what a prefix is where a router knows no prefixes."""
    return _SPECIAL.sub(r"\\\g<0>", prefix) + ".*"


def _percent(weight: int, whole: int) -> int:
    if weight in (0, whole):
        return 100 if weight else 0
    return min(99, max(1, (200 * weight + whole) // (2 * whole)))


class Router(Protocol):
    """One dialect for one Rollout."""

    def needs(self, found: Mapping[Ref, Obj]) -> Iterable["Ref | Selection"]:
        """The objects that `edit` and `fault` want to see, as far as `found` tells which: one may name another."""
        ...

    def fault(self, found: Mapping[Ref, Obj]) -> str:
        """Why the objects found cannot carry a split, as `<path>: Invalid value: ...`; "" when they can."""
        ...

    def edit(self, found: Mapping[Ref, Obj], split: Split) -> Iterable[Edit]:
        """What the objects must say for this split; none where they say it already. RoutingError when they cannot.

        The edits are applied in their order.
        """
        ...


def owner_of(rollout: Rollout) -> Obj:
    """The owner reference by which a Rollout controls an object that it created."""
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "name": rollout.metadata.name,
        "uid": rollout.metadata.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def is_owned(obj: Obj, rollout_uid: str) -> bool:
    """Whether the Rollout with this uid controls the object."""
    return (controller_of(obj) or {}).get("uid") == rollout_uid
