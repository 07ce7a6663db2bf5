"""Pure. Which pod serves a request: host → route → Service → ready pod, all as the API objects say.

A dialect turns somebody's routing objects (VirtualServices, HTTPRoutes, Ingresses) into `VirtualHost`s; a host that no
dialect names is looked up as a plain Service. Shares are exact over every cycle of their weights, not drawn by lot, so
a measured share is as good as a configured one.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import count
from typing import Protocol, TypeAlias

from rollouts.kube.refs import POD, SERVICE, Obj, Resource, name_of, namespace_of
from rollouts.sandbox.kubelet.script import ADDRESS

Objects: TypeAlias = Mapping[Resource, Sequence[Obj]]
"""All objects of the kinds a table is built from."""

Key: TypeAlias = tuple[str, str]
"""A namespace and a name."""


@dataclass(frozen=True, slots=True)
class Request:
    """What routing may look at. `host` without its port; header names in lower case."""

    host: str
    path: str = "/"
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Backend:
    """One destination of a rule: a Service, narrowed by a subset's labels, and its share of the weights' sum."""

    service: Key
    weight: int = 1
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rule:
    """The requests it takes, where they go, and which percentage of them is copied to whom."""

    backends: tuple[Backend, ...]
    matches: Callable[[Request], bool] = lambda request: True
    name: str = ""
    mirrors: tuple[tuple[Backend, float], ...] = ()


@dataclass(frozen=True, slots=True)
class VirtualHost:
    """Rules for some host names (exact, `*.suffix` or `*`), tried in order.

    A routing object that says what the sandbox cannot do carries the reason in `error`; its requests are refused
    with it instead of going somewhere its author did not mean.
    """

    hosts: tuple[str, ...]
    rules: tuple[Rule, ...] = ()
    error: str = ""


class Dialect(Protocol):
    """One vendor's routing objects. `resources` is what it reads; the hosts of `virtual_hosts` are complete names."""

    @property
    def resources(self) -> tuple[Resource, ...]: ...

    def virtual_hosts(self, objects: Objects) -> Iterable[VirtualHost]: ...


@dataclass(frozen=True, slots=True)
class Address:
    """Where one pod listens."""

    host: str
    port: int
    pod: Key


@dataclass(frozen=True, slots=True)
class Decision:
    """Where a request goes. Without an address `status` (404, 501 or 503) and `reason` say why it goes nowhere."""

    address: Address | None = None
    service: Key | None = None
    mirrors: tuple[Address, ...] = ()
    status: int = 200
    reason: str = ""


@lru_cache(maxsize=1024)
def cycle(weights: tuple[int, ...]) -> tuple[int, ...]:
    """Indexes in the order of smooth weighted round-robin, one whole cycle: (2, 1) → (0, 1, 0).

    Empty when all weights are 0. Over every cycle each index comes exactly as often as its weight says, and within
    it as evenly spread as can be.
    """
    total = sum(weights)
    if total == 0:
        return ()
    divisor = math.gcd(*weights)
    standing = [0] * len(weights)
    order = []
    for _ in range(total // divisor):
        standing = [level + weight for level, weight in zip(standing, weights, strict=True)]
        chosen = max(range(len(weights)), key=lambda index: (standing[index], -index))
        standing[chosen] -= total
        order.append(chosen)
    return tuple(order)


def every(turn: int, share: float) -> bool:
    """Whether the request with this number (from 0) is one of the `share` (0..1) picked evenly from all."""
    return math.floor((turn + 1) * share + 0.5) > math.floor(turn * share + 0.5)


def address_of(pod: Obj) -> Address | None:
    """Where a pod listens, once its kubelet has said so."""
    status = pod.get("status") or {}
    host, _, port = (pod["metadata"].get("annotations") or {}).get(ADDRESS, "").rpartition(":")
    if not host or not port.isdigit() or status.get("phase") != "Running":
        return None
    return Address(host, int(port), (namespace_of(pod), name_of(pod)))


def is_ready(pod: Obj) -> bool:
    """Whether a Service may send requests to the pod: Ready, and nobody has asked it to go."""
    conditions = (pod.get("status") or {}).get("conditions") or []
    ready = any(entry["type"] == "Ready" and entry["status"] == "True" for entry in conditions)
    return ready and not pod["metadata"].get("deletionTimestamp")


def selects(selector: Mapping[str, str], pod: Obj) -> bool:
    """Whether labels hold every pair of an equality selector; an empty selector selects nothing, as in a Service."""
    labels = pod["metadata"].get("labels") or {}
    return bool(selector) and all(labels.get(key) == value for key, value in selector.items())


class Table:
    """The cluster's routes at one moment, with the turns of its round-robins.

    `objects` must hold POD, SERVICE and what the dialects read. `follow` builds the next moment's table with the
    turns kept, so that shares stay exact while pods come and go.
    """

    def __init__(self, objects: Objects, dialects: Sequence[Dialect], namespace: str = "default") -> None:
        self._dialects = dialects
        self._namespace = namespace
        self._turns: dict[object, Iterator[int]] = {}
        self.follow(objects)

    def follow(self, objects: Objects) -> None:
        """Route by these objects from now on."""
        pods = sorted(filter(is_ready, objects.get(POD, ())), key=name_of)
        self._pods = [(pod, address) for pod in pods if (address := address_of(pod))]
        self._services = {(namespace_of(service), name_of(service)): service for service in objects.get(SERVICE, ())}
        self._hosts = {
            host: virtual_host
            for dialect in reversed(self._dialects)
            for virtual_host in reversed(list(dialect.virtual_hosts(objects)))
            for host in virtual_host.hosts
        }
        self._addresses: dict[object, tuple[Address, ...]] = {}

    def route(self, request: Request) -> Decision:
        """Decide one request, and count it."""
        host = request.host.lower()
        virtual_host = self._virtual_host(host)
        if virtual_host is None:
            service = self._plain_service(host)
            if service is None:
                return Decision(status=404, reason=f"no route and no Service for host {host!r}")
            return self._send(Backend(service), ())
        if virtual_host.error:
            return Decision(status=501, reason=virtual_host.error)
        for index, rule in enumerate(virtual_host.rules):
            if rule.matches(request):
                return self._by_rule((virtual_host.hosts, rule.name or index), rule)
        return Decision(status=404, reason=f"no route for host {host!r} matches {request.method} {request.path}")

    def _virtual_host(self, host: str) -> VirtualHost | None:
        """The most particular name wins: exact, then the longest wildcard, then `*`."""
        for name in _names_for(host, self._namespace):
            if found := self._hosts.get(name):
                return found
        parts = host.split(".")
        wildcards = ("*." + ".".join(parts[start:]) for start in range(1, len(parts)))
        return next((self._hosts[name] for name in wildcards if name in self._hosts), self._hosts.get("*"))

    def _plain_service(self, host: str) -> Key | None:
        keys = (service_key(name, self._namespace) for name in _names_for(host, self._namespace)[:1])
        return next((key for key in keys if key in self._services), None)

    def _by_rule(self, rule_key: object, rule: Rule) -> Decision:
        order = cycle(tuple(backend.weight for backend in rule.backends))
        if not order:
            return Decision(status=503, reason="all destinations of the route have weight 0")
        turn = self._turn(rule_key)
        copies = tuple(
            address
            for place, (backend, percentage) in enumerate(rule.mirrors)
            if every(self._turn((rule_key, "mirror", place)), percentage / 100) and (address := self._next_pod(backend))
        )
        return self._send(rule.backends[order[turn % len(order)]], copies)

    def _send(self, backend: Backend, mirrors: tuple[Address, ...]) -> Decision:
        address = self._next_pod(backend)
        if address is not None:
            return Decision(address, backend.service, mirrors)
        namespace, name = backend.service
        missing = "has no ready pods" if backend.service in self._services else "does not exist"
        return Decision(None, backend.service, mirrors, 503, f"Service {namespace}/{name} {missing}")

    def _next_pod(self, backend: Backend) -> Address | None:
        key = (backend.service, tuple(sorted(backend.labels.items())))
        if key not in self._addresses:
            self._addresses[key] = tuple(self._ready(backend))
        addresses = self._addresses[key]
        return addresses[self._turn(key) % len(addresses)] if addresses else None

    def _ready(self, backend: Backend) -> Iterator[Address]:
        service = self._services.get(backend.service) or {}
        selector = (service.get("spec") or {}).get("selector")
        if not selector:
            return
        for pod, address in self._pods:
            if namespace_of(pod) == backend.service[0] and selects({**selector, **backend.labels}, pod):
                yield address

    def _turn(self, key: object) -> int:
        return next(self._turns.setdefault(key, count()))


def service_key(host: str, namespace: str) -> Key:
    """The Service a host names, seen from a namespace: `api`, `api.shop`, `api.shop.svc.cluster.local`."""
    name, _, rest = host.partition(".")
    return (rest.split(".")[0] if rest else namespace, name)


def full_name(host: str, namespace: str) -> str:
    """A host as it is looked up: a name without dots is a Service of that namespace; others stand as they are."""
    return host.lower() if "." in host or host == "*" else f"{host.lower()}.{namespace}.svc.cluster.local"


def _names_for(host: str, namespace: str) -> tuple[str, ...]:
    """The complete names under which a host may be known, its own first."""
    parts = host.split(".")
    if len(parts) == 1:
        return (host, full_name(host, namespace))
    if len(parts) == 2 or (len(parts) == 3 and parts[2] == "svc"):
        return (host, f"{parts[0]}.{parts[1]}.svc.cluster.local")
    return (host,)
