"""Pure. Ingresses as ingress-nginx reads them: hosts and paths, and canaries by header, cookie and weight.

Every Ingress is taken for one of ingress-nginx, whatever its class. Annotations that do not choose the pod are not
acted on; those that would choose another answer, or keep a user on a pod, are refused by name. As in ingress-nginx the
oldest Ingress owns a path, a canary counts only beside one that it shares host, path and type of path with, one canary
per path counts, and a weight's total of less than a hundred is a hundred. Otherwise than there, a canary without pods
fails, instead of leaving its share to the others.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from rollouts.kube.refs import INGRESS, Obj, name_of, namespace_of
from rollouts.sandbox.dialects.matching import Test, Unsupported, all_of, beginning, shaped, text_of, under
from rollouts.sandbox.routing import Backend, Key, Objects, Request, Rule, VirtualHost

PREFIX = "nginx.ingress.kubernetes.io"

_ANSWERS = (
    "affinity",
    "app-root",
    "configuration-snippet",
    "from-to-www-redirect",
    "mirror-target",
    "permanent-redirect",
    "rewrite-target",
    "server-alias",
    "server-snippet",
    "temporal-redirect",
    "upstream-hash-by",
    "use-regex",
)
_CANARY = (
    "canary",
    "canary-by-header",
    "canary-by-header-value",
    "canary-by-header-pattern",
    "canary-by-cookie",
    "canary-weight",
    "canary-weight-total",
)
_WHOLE = 100


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a backend is reached: host (`*`: any), type of path, path."""

    host: str
    kind: str
    path: str

    def takes(self) -> Test:
        if self.kind == "Exact":
            return lambda request: request.path == self.path
        if self.kind == "Prefix":
            return under(self.path)
        begins = beginning(self.path)
        return lambda request: begins(request.path)


@dataclass(frozen=True, slots=True)
class _Canary:
    """Who goes to a canary. `value` and `pattern` are what its header is compared with, where they are set."""

    header: str
    value: str
    pattern: re.Pattern[str] | None
    cookie: str
    weight: int
    total: int

    def verdict(self, request: Request) -> bool | None:
        """Whether a request goes there by its header or cookie; None when the weights decide."""
        header = request.headers.get(self.header) if self.header else None
        if header is not None and self._compared:
            if self._compares(header):
                return True
        elif header in ("always", "never"):
            return header == "always"
        cookie = _cookie(request, self.cookie) if self.cookie else None
        return cookie == "always" if cookie in ("always", "never") else None

    @property
    def _compared(self) -> bool:
        return bool(self.value) or self.pattern is not None

    def _compares(self, header: str) -> bool:
        """A value goes before a pattern; a pattern may match anywhere in the text."""
        if self.value:
            return header == self.value
        return self.pattern is not None and self.pattern.search(header) is not None

    def chosen(self, request: Request) -> bool:
        return self.verdict(request) is True

    def denied(self, request: Request) -> bool:
        return self.verdict(request) is False


@dataclass(frozen=True, slots=True)
class Ingress:
    """The dialect of ingress-nginx. `prefix` is what its annotations begin with, as its own flag says."""

    prefix: str = PREFIX
    resources = (INGRESS,)

    def virtual_hosts(self, objects: Objects) -> Iterable[VirtualHost]:
        mains: dict[_Place, Key] = {}
        canaries: dict[_Place, tuple[Key, _Canary]] = {}
        faults: dict[str, str] = {}
        for ingress in sorted(objects.get(INGRESS, ()), key=_age):
            places: dict[_Place, Key] = {}
            try:
                with shaped():
                    places = dict(_places(ingress))
                    canary = self._canary(ingress)
            except Unsupported as error:
                where = f"Ingress {namespace_of(ingress)}/{name_of(ingress)}"
                faults |= dict.fromkeys({place.host for place in places} or {"*"}, f"{where}: {error}")
                continue
            for place, service in places.items():
                if canary is None:
                    mains.setdefault(place, service)
                else:
                    canaries.setdefault(place, (service, canary))
        yield from _virtual_hosts(mains, canaries, faults)

    def _canary(self, ingress: Obj) -> _Canary | None:
        """What an Ingress says of being a canary; None when it is none. Unsupported for what cannot be honoured."""
        found: Mapping[str, str] = ingress["metadata"].get("annotations") or {}
        said = {key: found[f"{self.prefix}/{key}"] for key in (*_ANSWERS, *_CANARY) if f"{self.prefix}/{key}" in found}
        for key in _ANSWERS:
            if key in said:
                raise Unsupported(f"{self.prefix}/{key}: the sandbox's gateway only chooses pods; remove it there")
        if said.get("canary", "").lower() not in ("true", "t", "1"):
            return None
        return _Canary(
            header=said.get("canary-by-header", "").lower(),
            value=said.get("canary-by-header-value", ""),
            pattern=self._pattern(said.get("canary-by-header-pattern", "")),
            cookie=said.get("canary-by-cookie", ""),
            weight=self._number("canary-weight", said.get("canary-weight", "0")),
            total=max(_WHOLE, self._number("canary-weight-total", said.get("canary-weight-total", "100"))),
        )

    def _number(self, key: str, text: str) -> int:
        if not text.isdigit():
            raise Unsupported(f"{self.prefix}/{key}: {text!r} is not a number")
        return int(text)

    def _pattern(self, text: str) -> re.Pattern[str] | None:
        try:
            return re.compile(text) if text else None
        except re.error as error:
            raise Unsupported(f"{self.prefix}/canary-by-header-pattern: {error}") from error


def _age(ingress: Obj) -> tuple[str, str, str]:
    return ingress["metadata"].get("creationTimestamp") or "", namespace_of(ingress), name_of(ingress)


def _places(ingress: Obj) -> Iterator[tuple[_Place, Key]]:
    """Where each backend of an Ingress is reached. One that is no Service is nobody's whom a pod could serve."""
    spec, namespace = ingress.get("spec") or {}, namespace_of(ingress)
    for rule in spec.get("rules") or ():
        for path in (rule.get("http") or {}).get("paths") or ():
            if service := (path.get("backend") or {}).get("service"):
                kind, where = path.get("pathType", "ImplementationSpecific"), path.get("path") or "/"
                place = _Place((rule.get("host") or "*").lower(), text_of(kind), text_of(where))
                yield place, (namespace, text_of(service["name"]))
    if service := (spec.get("defaultBackend") or {}).get("service"):
        yield _Place("*", "Prefix", "/"), (namespace, text_of(service["name"]))


def _virtual_hosts(
    mains: Mapping[_Place, Key], canaries: Mapping[_Place, tuple[Key, _Canary]], faults: Mapping[str, str]
) -> Iterator[VirtualHost]:
    for host in sorted({place.host for place in mains} | faults.keys()):
        places = sorted((place for place in mains if place.host == host), key=_rank, reverse=True)
        rules = tuple(rule for place in places for rule in _rules(place, mains[place], canaries.get(place)))
        yield VirtualHost((host,), rules, faults.get(host, ""))


def _rank(place: _Place) -> tuple[bool, int]:
    """Exact paths first, then the longest."""
    return place.kind == "Exact", len(place.path)


def _rules(place: _Place, main: Key, beside: tuple[Key, _Canary] | None) -> Iterator[Rule]:
    """A path as rules: those that a canary's header or cookie sends somewhere, then all by weight."""
    takes = place.takes()
    name = f"{place.host} {place.kind} {place.path}"
    if beside is None or beside[0] == main:
        yield Rule((Backend(main),), takes, name)
        return
    service, canary = beside
    yield Rule((Backend(service),), all_of((takes, canary.chosen)), f"{name} canary")
    yield Rule((Backend(main),), all_of((takes, canary.denied)), f"{name} never canary")
    shared = (Backend(main, max(0, canary.total - canary.weight)), Backend(service, canary.weight))
    yield Rule(shared, takes, name)


def _cookie(request: Request, name: str) -> str | None:
    for part in request.headers.get("cookie", "").split(";"):
        key, _, value = part.strip().partition("=")
        if key == name:
            return value
    return None
