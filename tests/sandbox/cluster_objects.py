"""Objects and a server for the tests of the API server's manners."""

from typing import Any

from rollouts.kube.refs import Obj, Resource
from rollouts.sandbox import clock
from rollouts.sandbox.apiserver.server import ApiServer

WIDGET = Resource("example.com", "v1", "widgets", "Widget")


def server(**options: Any) -> ApiServer:
    return ApiServer(lambda: clock.EPOCH, seed=1, **options)


def config_map(name: str, labels: dict[str, str] | None = None, **data: str) -> Obj:
    metadata: Obj = {"name": name}
    if labels:
        metadata["labels"] = labels
    return {"metadata": metadata, "data": data}


def pod(name: str, app: str = "web", **spec: Any) -> Obj:
    containers = [{"name": "app", "image": "web:1"}]
    return {"metadata": {"name": name, "labels": {"app": app}}, "spec": {"containers": containers, **spec}}


def workload(name: str, app: str = "web", replicas: int = 1) -> Obj:
    """A ReplicaSet or Deployment."""
    return {
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": app}},
            "template": {
                "metadata": {"labels": {"app": app}},
                "spec": {"containers": [{"name": "app", "image": "web:1"}]},
            },
        },
    }


def widgets(*, spec: Obj | None = None, status: bool = True, scale: bool = False, **names: Any) -> Obj:
    """The definition of a custom resource with this schema for its spec."""
    subresources: Obj = {"status": {}} if status else {}
    if scale:
        subresources["scale"] = {
            "specReplicasPath": ".spec.replicas",
            "statusReplicasPath": ".status.replicas",
            "labelSelectorPath": ".status.selector",
        }
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    properties = {"spec": spec or anything, "status": anything}
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object", "properties": properties}},
        "subresources": subresources,
    }
    return {
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "widgets", "kind": "Widget", **names},
            "versions": [version],
        },
    }


def widget(name: str, **spec: Any) -> Obj:
    return {"metadata": {"name": name}, "spec": spec}
