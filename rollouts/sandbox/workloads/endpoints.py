"""Who serves a Service: its Endpoints and EndpointSlice, made of the ready pods that it selects."""

from collections.abc import Iterable, Sequence

from rollouts.kube.queue import Queue
from rollouts.kube.refs import ENDPOINTS, POD, SERVICE, Obj, Resource, name_of, namespace_of, uid_of
from rollouts.sandbox.apiserver.types.registry import ENDPOINT_SLICE
from rollouts.sandbox.workloads.caches import Caches
from rollouts.sandbox.workloads.meta import Key, is_deleting, key_of, owner_reference
from rollouts.sandbox.workloads.pods import is_finished, is_ready

SERVICE_NAME = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
ENDPOINTS_BY = "endpoints.kubernetes.io/managed-by"
_BY_LABEL = "label"
_SETTLE = 0.02
"""Seconds for which news of pods are gathered, so that a ReplicaSet's pods make one write and not one each."""


class EndpointsController:
    """Keeps the addresses of every Service with a selector."""

    def __init__(self, caches: Caches) -> None:
        self.caches = caches
        self.queue: Queue[Key] = Queue("endpoints")
        self.services = caches[SERVICE]
        self.pods = caches[POD]
        self.endpoints = caches[ENDPOINTS]
        self.slices = caches[ENDPOINT_SLICE]
        self._selecting: dict[str, dict[Key, dict[str, str]]] = {}
        self.pods.add_index(_BY_LABEL, _labels)
        self.services.subscribe(self._on_service)
        self.pods.subscribe(self._on_pod)

    async def run(self) -> None:
        await self.queue.run(self.reconcile, workers=4)

    def _on_service(self, old: Obj | None, new: Obj | None) -> None:
        for service, selecting in ((old, False), (new, True)):
            if service is None or not (selector := service["spec"].get("selector")):
                continue
            by_label = self._selecting.setdefault(_handle(service, selector), {})
            if selecting:
                by_label[key_of(service)] = selector
            else:
                by_label.pop(key_of(service), None)
        self.queue.add(key_of(new or old or {}))

    def _on_pod(self, old: Obj | None, new: Obj | None) -> None:
        if old is not None and new is not None and _serving(old) == _serving(new):
            return
        for pod in (old, new):
            labels = (pod["metadata"].get("labels") or {}) if pod is not None else {}
            for label in _labels(pod) if pod is not None else ():
                for key, selector in self._selecting.get(label, {}).items():
                    if selector.items() <= labels.items():
                        self.queue.add_after(key, _SETTLE)

    async def reconcile(self, key: Key) -> None:
        """Make one Service's Endpoints and EndpointSlice say who serves it now."""
        service = self.services.get(*key)
        if service is None:
            await self._delete(key)
            return
        selector = service["spec"].get("selector")
        if not selector or is_deleting(service):
            return
        pods = [pod for pod in self.pods.by(_BY_LABEL, _handle(service, selector)) if _is_selected(pod, selector)]
        early = bool(service["spec"].get("publishNotReadyAddresses"))
        await self._store(ENDPOINTS, endpoints_of(service, pods, early), self.endpoints.get(*key))
        known = next((each for each in self.slices.owned_by(uid_of(service)) if _is_ours(each)), None)
        await self._store(ENDPOINT_SLICE, slice_of(service, pods, early), known)

    async def _store(self, resource: Resource, wanted: Obj, known: Obj | None) -> None:
        namespace = namespace_of(wanted)
        if known is None:
            await self.caches.create(resource, namespace, wanted)
            return
        told = {key: value for key, value in wanted.items() if key not in ("apiVersion", "kind", "metadata")}
        changed = {key: value for key, value in told.items() if (known.get(key) or []) != (value or [])}
        if changed:
            await self.caches.patch(resource, known, changed)

    async def _delete(self, key: Key) -> None:
        """A Service's Endpoints bear its name and no owner; its slices are garbage with an owner."""
        self.queue.forget(key)
        known = self.endpoints.get(*key)
        if known is not None and known["metadata"].get("labels", {}).get(ENDPOINTS_BY) == _CONTROLLER:
            await self.caches.delete(ENDPOINTS, known)


_CONTROLLER = "endpoint-controller"
_SLICE_CONTROLLER = "endpointslice-controller.k8s.io"


def endpoints_of(service: Obj, pods: Sequence[Obj], early: bool) -> Obj:
    """The Endpoints of a Service: one subset per set of port numbers, ready and unready addresses apart."""
    subsets: dict[tuple[tuple[str, int, str], ...], Obj] = {}
    for pod in pods:
        ports = _ports(service, pod)
        subset = subsets.setdefault(tuple((str(p["name"]), p["port"], p["protocol"]) for p in ports), {"ports": ports})
        place = "addresses" if early or is_ready(pod) else "notReadyAddresses"
        subset.setdefault(place, []).append(
            {"ip": pod["status"]["podIP"], "nodeName": pod["spec"].get("nodeName", ""), "targetRef": _target(pod)}
        )
    metadata = {
        "name": name_of(service),
        "namespace": namespace_of(service),
        "labels": {**(service["metadata"].get("labels") or {}), ENDPOINTS_BY: _CONTROLLER},
    }
    named = [{**subset, "ports": [_unnamed(port) for port in subset["ports"]]} for subset in subsets.values()]
    return {"apiVersion": "v1", "kind": "Endpoints", "metadata": metadata, "subsets": named}


def slice_of(service: Obj, pods: Sequence[Obj], early: bool) -> Obj:
    """The EndpointSlice of a Service. One is enough here; its ports are those of the first pod."""
    ports = _ports(service, pods[0]) if pods else []
    metadata = {
        "generateName": f"{name_of(service)}-",
        "namespace": namespace_of(service),
        "labels": {
            **(service["metadata"].get("labels") or {}),
            SERVICE_NAME: name_of(service),
            MANAGED_BY: _SLICE_CONTROLLER,
        },
        "ownerReferences": [owner_reference(service)],
    }
    return {
        "apiVersion": ENDPOINT_SLICE.api_version,
        "kind": ENDPOINT_SLICE.kind,
        "metadata": metadata,
        "addressType": "IPv4",
        "ports": ports,
        "endpoints": [_endpoint(pod, early) for pod in pods],
    }


def _endpoint(pod: Obj, early: bool) -> Obj:
    ready = is_ready(pod)
    return {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {"ready": early or ready, "serving": ready, "terminating": False},
        "nodeName": pod["spec"].get("nodeName", ""),
        "targetRef": _target(pod),
    }


def _ports(service: Obj, pod: Obj) -> list[Obj]:
    wanted: Iterable[Obj] = service["spec"].get("ports") or ()
    found = [(port, _port_number(port, pod)) for port in wanted]
    return [
        {"name": port.get("name") or "", "port": number, "protocol": port.get("protocol") or "TCP"}
        for port, number in found
        if number is not None
    ]


def _port_number(port: Obj, pod: Obj) -> int | None:
    """The port of a pod that a Service's port leads to; None when it names one that the pod does not have."""
    target = port.get("targetPort", port["port"])
    if isinstance(target, int):
        return target
    named = (
        each for spec in pod["spec"]["containers"] for each in spec.get("ports") or () if each.get("name") == target
    )
    return next((int(each["containerPort"]) for each in named), None)


def _labels(obj: Obj) -> list[str]:
    """Index function: each label of an object, within its namespace."""
    namespace = namespace_of(obj)
    return [f"{namespace}/{key}={value}" for key, value in (obj["metadata"].get("labels") or {}).items()]


def _handle(service: Obj, selector: dict[str, str]) -> str:
    """The one label of a Service's selector by which it and its pods are looked up, for want of a better one the last.

    Selectors begin with what many share (an application's name) and end with what tells them apart (a hash).
    """
    key, value = list(selector.items())[-1]
    return f"{namespace_of(service)}/{key}={value}"


def _unnamed(port: Obj) -> Obj:
    return port if port["name"] else {key: value for key, value in port.items() if key != "name"}


def _target(pod: Obj) -> Obj:
    return {"kind": "Pod", "namespace": namespace_of(pod), "name": name_of(pod), "uid": uid_of(pod)}


def _serving(pod: Obj) -> tuple[bool, bool, str, object]:
    address = (pod.get("status") or {}).get("podIP") or ""
    return is_ready(pod), is_deleting(pod) or is_finished(pod), address, pod["metadata"].get("labels")


def _is_selected(pod: Obj, selector: dict[str, str]) -> bool:
    if is_deleting(pod) or is_finished(pod) or not (pod.get("status") or {}).get("podIP"):
        return False
    return selector.items() <= (pod["metadata"].get("labels") or {}).items()


def _is_ours(obj: Obj) -> bool:
    return (obj["metadata"].get("labels") or {}).get(MANAGED_BY) == _SLICE_CONTROLLER
