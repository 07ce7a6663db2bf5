"""Prometheus service discovery for the sandbox: which pods to scrape, under which labels.

    GET /sd/pods    Prometheus' http_sd format, one target per pod and Service that selects it

The labels have the names that Prometheus' own Kubernetes discovery (role endpoints) gives them, so a scrape
configuration written for a cluster works here:

    __meta_kubernetes_namespace, __meta_kubernetes_service_name, __meta_kubernetes_pod_name, _pod_ip, _pod_node_name,
    _pod_phase, _pod_ready, __meta_kubernetes_pod_label_<label> (characters outside [a-zA-Z0-9_] become _)

A pod that no Service selects is listed once, without a service name.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from aiohttp import web

from rollouts.kube.cache import Cache
from rollouts.kube.refs import Obj, name_of, namespace_of
from rollouts.sandbox.routing import Address, address_of, is_ready, selects

PATH = "/sd/pods"

_NOT_IN_A_LABEL = re.compile(r"[^a-zA-Z0-9_]")


def targets(pods: Iterable[Obj], services: Sequence[Obj]) -> list[Obj]:
    """Target groups for all pods that listen. Pure."""
    groups: list[Obj] = []
    for pod in pods:
        if (address := address_of(pod)) is None:
            continue
        labels = dict(_pod_labels(pod, address))
        selecting = [service for service in services if _selects(service, pod)]
        names: list[dict[str, str]] = [{"__meta_kubernetes_service_name": name_of(service)} for service in selecting]
        groups += [
            {"targets": [f"{address.host}:{address.port}"], "labels": {**labels, **name}} for name in names or [{}]
        ]
    return groups


def _selects(service: Obj, pod: Obj) -> bool:
    selector = (service.get("spec") or {}).get("selector") or {}
    return namespace_of(service) == namespace_of(pod) and selects(selector, pod)


def _pod_labels(pod: Obj, address: Address) -> Iterator[tuple[str, str]]:
    yield "__meta_kubernetes_namespace", namespace_of(pod)
    yield "__meta_kubernetes_pod_name", name_of(pod)
    yield "__meta_kubernetes_pod_ip", address.host
    yield "__meta_kubernetes_pod_node_name", (pod.get("spec") or {}).get("nodeName", "")
    yield "__meta_kubernetes_pod_phase", (pod.get("status") or {}).get("phase", "")
    yield "__meta_kubernetes_pod_ready", "true" if is_ready(pod) else "false"
    for key, value in (pod["metadata"].get("labels") or {}).items():
        yield f"__meta_kubernetes_pod_label_{_NOT_IN_A_LABEL.sub('_', key)}", str(value)


class Discovery:
    """The endpoint itself, over the pods and Services of two caches."""

    def __init__(self, pods: Cache, services: Cache) -> None:
        self._pods, self._services = pods, services
        self._runner = web.ServerRunner(web.Server(self._serve, access_log=None))
        self.url = ""

    async def start(self) -> str:
        """Serve on a free loopback port; returns the URL to discover at."""
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}{PATH}"
        return self.url

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path != PATH:
            return web.Response(status=404, text=f"there is only {PATH}\n")
        return web.json_response(targets(self._pods.objects(), self._services.objects()))
