"""The manifests that ship with the sandbox, and their way into a cluster."""

from collections.abc import Iterable
from contextlib import suppress
from importlib import resources

import yaml

from rollouts.kube import refs
from rollouts.kube.errors import AlreadyExists
from rollouts.kube.refs import Obj, Resource, name_of
from rollouts.kube.wire import Wire
from rollouts.sandbox.dialects.istio import DESTINATION_RULE, VIRTUAL_SERVICE
from rollouts.traffic.base import HTTP_ROUTE

_RESOURCES = {
    (resource.api_version, resource.kind): resource
    for resource in (
        refs.CRD,
        refs.SERVICE,
        refs.INGRESS,
        refs.DEPLOYMENT,
        refs.ROLLOUT,
        refs.ANALYSIS_TEMPLATE,
        refs.CLUSTER_ANALYSIS_TEMPLATE,
        VIRTUAL_SERVICE,
        DESTINATION_RULE,
        HTTP_ROUTE,
    )
}


def manifest(name: str) -> list[Obj]:
    """The objects of one shipped file, named without `.yaml`."""
    text = resources.files("rollouts.sandbox.manifests").joinpath(f"{name}.yaml").read_text()
    return [obj for obj in yaml.safe_load_all(text) if obj]


def resource_of(obj: Obj) -> Resource:
    """The API resource of an object. KeyError for kinds that no shipped manifest holds."""
    return _RESOURCES[obj["apiVersion"], obj["kind"]]


async def create(wire: Wire, objects: Iterable[Obj], namespace: str = "default") -> None:
    """Create each object in turn; one that is there already stays as it is."""
    for obj in objects:
        resource = resource_of(obj)
        where = obj["metadata"].get("namespace", namespace) if resource.namespaced else ""
        with suppress(AlreadyExists):
            await wire.create(resource, where, obj)


async def delete(wire: Wire, obj: Obj, namespace: str = "default") -> None:
    """Delete one object and what it owns."""
    await wire.delete(resource_of(obj), namespace, name_of(obj), propagation="Background")
