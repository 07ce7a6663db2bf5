"""Pure. Which API resources a server has, and how each of them behaves."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from rollouts.kube import refs
from rollouts.kube.refs import Obj, Resource
from rollouts.sandbox.apiserver.refusals import no_such_resource
from rollouts.sandbox.apiserver.store import Key
from rollouts.sandbox.apiserver.types.schema import Node

VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
CUSTOM_VERBS = ("delete", "deletecollection", "get", "list", "patch", "create", "update", "watch")
"""The same, in the order in which custom resources are told."""


@dataclass(frozen=True, slots=True)
class ScalePaths:
    """Where a resource keeps what its scale subresource shows; paths like `.spec.replicas`, selector optional."""

    spec: str = ".spec.replicas"
    status: str = ".status.replicas"
    selector: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Served:
    """One version of a resource and its manners.

    `generation`: metadata.generation counts changes of what is asked for. `custom`: defined by a
    CustomResourceDefinition. `schema`: OpenAPI v3 of the object, of custom resources only; `shape`: the same, compiled.
    `columns`: additionalPrinterColumns as the CRD says them. `storage`: the version objects are stored in.
    """

    resource: Resource
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: frozenset[str] = frozenset()
    generation: bool = False
    custom: bool = False
    schema: Obj | None = None
    shape: Node | None = None
    scale: ScalePaths | None = None
    columns: tuple[Obj, ...] = ()
    singular: str = ""
    list_kind: str = ""
    storage: bool = True
    selectable: frozenset[str] = frozenset()
    verbs: tuple[str, ...] = VERBS
    key: Key = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", (self.resource.group, self.resource.plural))
        object.__setattr__(self, "singular", self.singular or self.resource.kind.lower())
        object.__setattr__(self, "list_kind", self.list_kind or f"{self.resource.kind}List")

    @property
    def has_status(self) -> bool:
        return "status" in self.subresources


def _built_in(
    resource: Resource, *subresources: str, short: str = "", generation: bool = False, all_: bool = False
) -> Served:
    return Served(
        resource,
        short_names=tuple(short.split()),
        categories=("all",) if all_ else (),
        subresources=frozenset(subresources),
        generation=generation,
        scale=ScalePaths(selector=".spec.selector") if "scale" in subresources else None,
    )


SERVICE_ACCOUNT = Resource("", "v1", "serviceaccounts", "ServiceAccount")
NODE = Resource("", "v1", "nodes", "Node", namespaced=False)
PERSISTENT_VOLUME_CLAIM = Resource("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim")
POD_DISRUPTION_BUDGET = Resource("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget")
ENDPOINT_SLICE = Resource("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice")
HORIZONTAL_POD_AUTOSCALER = Resource("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler")
INGRESS_CLASS = Resource("networking.k8s.io", "v1", "ingressclasses", "IngressClass", namespaced=False)
NETWORK_POLICY = Resource("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy")
_RBAC = "rbac.authorization.k8s.io"
ROLE = Resource(_RBAC, "v1", "roles", "Role")
ROLE_BINDING = Resource(_RBAC, "v1", "rolebindings", "RoleBinding")
CLUSTER_ROLE = Resource(_RBAC, "v1", "clusterroles", "ClusterRole", namespaced=False)
CLUSTER_ROLE_BINDING = Resource(_RBAC, "v1", "clusterrolebindings", "ClusterRoleBinding", namespaced=False)

BUILT_INS: tuple[Served, ...] = (
    _built_in(refs.POD, "status", "eviction", "binding", short="po", generation=True, all_=True),
    _built_in(refs.SERVICE, "status", short="svc", all_=True),
    _built_in(refs.SECRET),
    _built_in(refs.CONFIG_MAP, short="cm"),
    _built_in(refs.ENDPOINTS, short="ep"),
    _built_in(refs.EVENT, short="ev"),
    _built_in(refs.NAMESPACE, "status", "finalize", short="ns"),
    _built_in(refs.POD_TEMPLATE),
    _built_in(SERVICE_ACCOUNT, short="sa"),
    _built_in(NODE, "status", short="no"),
    _built_in(PERSISTENT_VOLUME_CLAIM, "status", short="pvc"),
    _built_in(refs.REPLICA_SET, "status", "scale", short="rs", generation=True, all_=True),
    _built_in(refs.DEPLOYMENT, "status", "scale", short="deploy", generation=True, all_=True),
    _built_in(refs.JOB, "status", generation=True, all_=True),
    _built_in(refs.LEASE),
    _built_in(refs.INGRESS, "status", short="ing", generation=True),
    _built_in(INGRESS_CLASS, generation=True),
    _built_in(NETWORK_POLICY, short="netpol", generation=True),
    _built_in(POD_DISRUPTION_BUDGET, "status", short="pdb", generation=True),
    _built_in(ENDPOINT_SLICE, generation=True),
    _built_in(HORIZONTAL_POD_AUTOSCALER, "status", short="hpa", all_=True),
    _built_in(refs.CRD, "status", short="crd crds", generation=True),
    _built_in(ROLE),
    _built_in(ROLE_BINDING),
    _built_in(CLUSTER_ROLE),
    _built_in(CLUSTER_ROLE_BINDING),
)


class Registry:
    """The resources a server has at the moment: the built-in ones, and what CustomResourceDefinitions added."""

    def __init__(self) -> None:
        self._served: dict[tuple[str, str, str], Served] = {}
        for served in BUILT_INS:
            self.add(served)

    def __iter__(self) -> Iterator[Served]:
        return iter(self._served.values())

    def add(self, served: Served) -> None:
        resource = served.resource
        self._served[(resource.group, resource.version, resource.plural)] = served

    def remove(self, key: Key) -> None:
        """Serve no version of that resource any more."""
        gone = [place for place in self._served if (place[0], place[2]) == key]
        for place in gone:
            del self._served[place]

    def of(self, resource: Resource) -> Served:
        """How this resource is served; NotFound when it is not."""
        return self.at(resource.group, resource.version, resource.plural)

    def at(self, group: str, version: str, plural: str) -> Served:
        """The same by the parts of a URL: /apis/{group}/{version}/.../{plural}."""
        found = self._served.get((group, version, plural))
        if found is None:
            raise no_such_resource()
        return found

    def kind(self, group: str, version: str, kind: str) -> Served | None:
        """The resource whose objects call themselves so, None when there is none."""
        return next(
            (
                one
                for one in self
                if (one.resource.group, one.resource.version, one.resource.kind) == (group, version, kind)
            ),
            None,
        )

    def stored(self, key: Key) -> Served | None:
        """The version of a resource that its objects are stored in, None when it is not served."""
        versions = [one for one in self if one.key == key]
        return next((one for one in versions if one.storage), versions[0] if versions else None)
