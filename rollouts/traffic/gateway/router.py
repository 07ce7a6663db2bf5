"""Pure. The Gateway API: weights of backends in HTTPRoutes, GRPCRoutes, TCPRoutes and TLSRoutes, and header routes.

Source: the contract of the plugin argoproj-labs/gatewayAPI, whose configuration and objects this keeps.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self, TypeVar

from rollouts.api import fielderrors
from rollouts.api.canary import CanaryStrategy
from rollouts.api.rollout import Rollout
from rollouts.decide.plan import Event, HeaderRoute, MirrorRoute, Split
from rollouts.kube.refs import Obj, Ref
from rollouts.traffic.base import Edit, RoutingError, Selection, TrafficSettings
from rollouts.traffic.gateway import mirrors as mirroring
from rollouts.traffic.gateway.config import KINDS, PATH, GatewayConfig, Kind, read
from rollouts.traffic.gateway.rules import Whose

IN_PROGRESS, _VALUE = "rollouts.argoproj.io/gatewayapi-canary", "in-progress"
T = TypeVar("T", HeaderRoute, MirrorRoute)
_PORT = 8080  # where the Service of an experiment is reached, when its pods declare no port


@dataclass(frozen=True, slots=True)
class Gateway:
    """The routes of one Rollout. `wrong` is what the configuration or a step asks for that cannot be."""

    rollout: Rollout
    config: GatewayConfig
    namespace: str
    known: tuple[HeaderRoute, ...]
    known_mirrors: tuple[MirrorRoute, ...]
    wrong: str

    @classmethod
    def of(cls, rollout: Rollout, canary: CanaryStrategy, value: Any, settings: TrafficSettings) -> Self:
        config, wrong = read(value)
        routes = [step.set_header_route for step in canary.steps if step.set_header_route is not None]
        known = tuple(HeaderRoute(route.name, route.match) for route in routes if route.match)
        copies = [step.set_mirror_route for step in canary.steps if step.set_mirror_route is not None]
        mirrors = tuple(MirrorRoute(one.name, one.match, _share(one.percentage)) for one in copies if one.match)
        namespace = config.namespace or rollout.metadata.namespace
        return cls(rollout, config, namespace, known, mirrors, wrong or _unserved(canary) or _mirrored(canary, config))

    # ── which routes ──

    def needs(self, found: Mapping[Ref, Obj]) -> Iterator[Ref | Selection]:
        for kind in KINDS:
            for route in self.config.named(kind):
                yield Ref(kind.resource, self.namespace, route.name)
            selector = self.config.selector(kind)
            if selector is not None:
                yield Selection(kind.resource, self.namespace, selector)

    def _routes(self, kind: Kind, found: Mapping[Ref, Obj]) -> dict[Ref, bool]:
        """The routes of one kind, each once, and whether header routes are made in it."""
        routes: dict[Ref, bool] = {}
        for route in self.config.named(kind):
            ref = Ref(kind.resource, self.namespace, route.name)
            routes[ref] = routes.get(ref, False) or route.use_header_routes
        selector = self.config.selector(kind)
        for ref, obj in found.items():
            if selector is not None and ref.resource == kind.resource and selector.matches(_labels(obj)):
                routes.setdefault(ref, False)
        return routes

    def fault(self, found: Mapping[Ref, Obj]) -> str:
        """Routes are not looked at beforehand: what is missing in them is told when the weight is to be set."""
        return self.wrong

    # ── edits ──

    def edit(self, found: Mapping[Ref, Obj], split: Split) -> Iterator[Edit]:
        chosen = [(kind, *each) for kind in KINDS for each in self._routes(kind, found).items()]
        if not chosen:
            raise RoutingError(f"No routes configured. Name some under {PATH}, or label those that it selects")
        for kind, ref, headers in chosen:
            before = found.get(ref)
            if before is None:
                raise RoutingError(f'{ref.resource.plural}.{ref.resource.group} "{ref.name}" not found')
            after = self._labelled(self._said(before, kind, split, headers and kind.headers), split)
            if after != before:
                text = f"{ref.resource.kind} `{ref.name}` set to desiredWeight '{split.canary.weight}'"
                yield Edit(ref, after, Event(f"{ref.resource.kind}Updated", text))

    def _said(self, route: Obj, kind: Kind, split: Split, headers: bool) -> Obj:
        whose = self._whose(kind, split)
        rules: list[Obj] = (route.get("spec") or {}).get("rules") or []
        if not any(map(whose.carries, rules)):
            what = "backendRef was not found in" if kind.headers else "backendRef list was not found in"
            services = f"both {split.canary.service} and {split.stable.service}"
            raise RoutingError(f"{what} {kind.key}: no rule of {route['metadata']['name']} leads to {services}")
        mirrors = kind.key == "httpRoute" and headers
        others = [rule for rule in rules if not (headers and whose.ours(rule))]
        if mirrors:
            others = mirroring.without(others, self.known_mirrors, split.canary.service)
        own = [rule for rule in rules if rule not in others]
        said = [whose.weighed(rule) if whose.carries(rule) and not split.held else rule for rule in others]
        carrying = [rule for rule in said if whose.carries(rule)]
        made = whose.made(others, _of(HeaderRoute, split)) if headers else ()
        copied = mirroring.made(carrying, _of(MirrorRoute, split), split.canary.service) if mirrors else ()
        # Copies first: of two rules for the same requests the first one counts.
        first, last = ([_as_found(rule, own) for rule in ours] for ours in (copied, made))
        return {**route, "spec": {**route["spec"], "rules": [*first, *said, *last]}}

    def _whose(self, kind: Kind, split: Split) -> Whose:
        weights = self.rollout.status.canary.weights
        former = frozenset(one.service_name for one in weights.additional) if weights is not None else frozenset()
        namespace = self.rollout.metadata.namespace
        return Whose(split, self.known, former, _port(self.rollout), namespace, paths=kind.key == "httpRoute")

    def _labelled(self, route: Obj, split: Split) -> Obj:
        """A label tells GitOps tools that the weights are not theirs just now."""
        if self.config.disable_in_progress_label or split.held:
            return route
        key, value = self.config.in_progress_label_key or IN_PROGRESS, self.config.in_progress_label_value or _VALUE
        labels, wanted = _labels(route), value if split.canary.weight else None
        if labels.get(key) == wanted:
            return route
        others = {name: text for name, text in labels.items() if name != key}
        return {**route, "metadata": {**route["metadata"], "labels": others | ({key: wanted} if wanted else {})}}


def _unserved(canary: CanaryStrategy) -> str:
    """Backends are told by their Services: without names there is nothing to weigh."""
    if canary.ping_pong is not None or (canary.canary_service and canary.stable_service):
        return ""
    field = "canaryService" if canary.stable_service else "stableService"
    text = "Canary service and Stable service must to be set to use Traffic Routing"
    return fielderrors.invalid(f"spec.strategy.canary.{field}", "", text)


def _mirrored(canary: CanaryStrategy, config: GatewayConfig) -> str:
    """A mirror step that cannot be said, or that no router of the Rollout acts on."""
    routing = canary.traffic_routing
    able = any(route.use_header_routes for kind in KINDS if kind.key == "httpRoute" for route in config.named(kind))
    for at, step in enumerate(canary.steps):
        path = f"spec.strategy.canary.steps[{at}].setMirrorRoute"
        if step.set_mirror_route is None:
            continue
        if not able and not (routing and routing.istio):
            return fielderrors.forbidden(path, "needs an HTTPRoute that is named with useHeaderRoutes, or as httpRoute")
        for number, match in enumerate(step.set_mirror_route.match if able else ()):
            if fault := mirroring.fault(match):
                return fielderrors.invalid(f"{path}.match[{number}].method", match.method, fault)
    return ""


def _share(percentage: int | None) -> int:
    return 100 if percentage is None else percentage


def _of(kind: type[T], split: Split) -> Iterator[T]:
    return (route for route in split.routes if isinstance(route, kind))


def _labels(obj: Obj) -> dict[str, str]:
    return obj["metadata"].get("labels") or {}


def _as_found(rule: Obj, own: list[Obj]) -> Obj:
    """The rule as the cluster has it, if it does: an older definition drops the name."""
    unnamed = {key: value for key, value in rule.items() if key != "name"}
    return next((found for found in own if found in (rule, unnamed)), rule)


def _port(rollout: Rollout) -> int:
    """The port named http of the pods, else their first."""
    containers = ((rollout.spec.template or {}).get("spec") or {}).get("containers") or ()
    ports = [port for container in containers for port in container.get("ports") or ()]
    named = [port for port in ports if port.get("name") == "http"]
    return next((int(port["containerPort"]) for port in (*named, *ports) if port.get("containerPort")), _PORT)
