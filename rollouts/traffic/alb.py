"""Pure. AWS load balancers: a forward action in an annotation of the Ingress carries the weights and header routes.

Only the annotations and paths of our own are written; what several Rollouts wrote into one Ingress is kept apart in a
bookkeeping annotation. Source: the contract of Argo Rollouts' ALB support.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Self

from rollouts.api import fielderrors
from rollouts.api.canary import CanaryStrategy, HeaderRoutingMatch
from rollouts.api.gotypes import go_json
from rollouts.api.rollout import Rollout
from rollouts.api.traffic import ALBTrafficRouting
from rollouts.decide.plan import Destination, Event, HeaderRoute, Split
from rollouts.kube.refs import INGRESS, Obj, Ref
from rollouts.traffic.base import Edit, RoutingError, TrafficSettings, in_percent

_PATH = "spec.strategy.canary.trafficRouting.alb"
PREFIX = "alb.ingress.kubernetes.io"
MANAGED = "rollouts.argoproj.io/managed-alb-annotations"
_LONGEST_STICKINESS = 604_800
_BY_ACTION = "use-annotation"


@dataclass(frozen=True, slots=True)
class Alb:
    """The Ingresses of one Rollout."""

    rollout: str
    namespace: str
    spec: ALBTrafficRouting
    root: str
    managed: tuple[str, ...]

    @classmethod
    def of(cls, rollout: Rollout, canary: CanaryStrategy, alb: ALBTrafficRouting, settings: TrafficSettings) -> Self:
        routing = canary.traffic_routing
        managed = tuple(route.name for route in routing.managed_routes or ()) if routing else ()
        root = alb.root_service or canary.stable_service
        return cls(rollout.metadata.name, rollout.metadata.namespace, alb, root, managed)

    @property
    def _refs(self) -> tuple[Ref, ...]:
        names = self.spec.ingresses or (self.spec.ingress,)
        return tuple(Ref(INGRESS, self.namespace, name) for name in names)

    def needs(self, found: Mapping[Ref, Obj]) -> Iterator[Ref]:
        yield from self._refs

    def fault(self, found: Mapping[Ref, Obj]) -> str:
        both = bool(self.spec.ingress) and bool(self.spec.ingresses)
        if both or not (self.spec.ingress or self.spec.ingresses):
            which = "Both" if both else "Neither"
            text = f"Either Ingress or Ingresses must be configured. {which} are configured."
            return fielderrors.internal(f"{_PATH}.ingress", text)
        path = f"{_PATH}.ingresses" if self.spec.ingresses else f"{_PATH}.ingress"
        for ref in self._refs:
            if ref not in found:
                return fielderrors.invalid(path, ref.name, f'ingress.networking.k8s.io "{ref.name}" not found')
            if not _uses(found[ref], self.root):
                text = f"ingress `{ref.name}` has no rules using service {self.root} backend"
                return fielderrors.invalid(path, ref.name, text)
        return ""

    def edit(self, found: Mapping[Ref, Obj], split: Split) -> Iterator[Edit]:
        split = in_percent(split.by_turns())
        for ref in self._refs:
            before = found.get(ref)
            if before is None:
                raise RoutingError(f'ingress.networking.k8s.io "{ref.name}" not found')
            if not _uses(before, self.root):
                raise RoutingError(f"ingress does not have service `{self.root}` in rules")
            after = self._said(before, split)
            if after != before:
                text = f"Updating Ingress `{ref.name}` to desiredWeight '{split.canary.weight}'"
                yield Edit(ref, after, Event("PatchingALBIngress", text))

    # ── annotations ──

    def _said(self, ingress: Obj, split: Split) -> Obj:
        routes = [route for route in split.routes if isinstance(route, HeaderRoute)]
        found = dict(ingress["metadata"].get("annotations") or {})
        root, standing = self._action(self.root), self._forward(split.canary, *split.additional, split.stable)
        wanted = {root: found.get(root, standing) if split.held else standing}
        for route in routes:
            only = Destination(split.canary.service, split.canary.hash, 100)
            wanted[self._action(route.name)] = self._forward(only)
            wanted[self._conditions(route.name)] = go_json(_conditions(route.match))
        booked = books(found)
        ours = booked.get(self.rollout, [])
        gone = {key for name in split.managed for key in (self._action(name), self._conditions(name))}
        kept = {key: value for key, value in found.items() if key not in (gone | set(ours)) - wanted.keys()}
        booked[self.rollout] = sorted(wanted)
        annotations = {**kept, **wanted, MANAGED: go_json(dict(sorted(booked.items())))}
        metadata = {**ingress["metadata"], "annotations": annotations}
        return {**ingress, "metadata": metadata, "spec": self._spec(ingress.get("spec") or {}, routes, split)}

    def _action(self, name: str) -> str:
        return f"{self.spec.annotation_prefix or PREFIX}/actions.{name}"

    def _conditions(self, name: str) -> str:
        return f"{self.spec.annotation_prefix or PREFIX}/conditions.{name}"

    def _forward(self, *shares: Destination) -> str:
        """The forward action as compact JSON, in the key order that the load balancer controller compares."""
        port = str(self.spec.service_port)
        groups = [{"ServiceName": one.service, "ServicePort": port, "Weight": one.weight} for one in shares]
        config: Obj = {"TargetGroups": groups}
        sticky = self.spec.stickiness_config
        if sticky is not None and sticky.enabled:
            if not 1 <= sticky.duration_seconds <= _LONGEST_STICKINESS:
                raise RoutingError(
                    "TargetGroupStickinessConfig's duration must be between 1 and 604800 seconds (7 days)!"
                )
            config["TargetGroupStickinessConfig"] = {"Enabled": True, "DurationSeconds": sticky.duration_seconds}
        return go_json({"Type": "forward", "ForwardConfig": config})

    # ── paths of header routes ──

    def _spec(self, spec: Obj, routes: list[HeaderRoute], split: Split) -> Obj:
        if not split.managed:
            return spec
        standing = {route.name for route in routes}
        rules = [self._rule(rule, standing, split.managed) for rule in spec.get("rules") or ()]
        return {**spec, "rules": rules}

    def _rule(self, rule: Obj, standing: set[str], managed: tuple[str, ...]) -> Obj:
        if not rule.get("http"):
            return rule
        found = rule["http"].get("paths") or []
        others = [path for path in found if _service_of(path) not in managed]
        own = {_service_of(path): path for path in found if _service_of(path) in managed}
        first = [own.get(name) or _path_of(name) for name in managed if name in standing]
        return {**rule, "http": {**rule["http"], "paths": [*first, *others]}}


def books(annotations: Mapping[str, str]) -> dict[str, list[str]]:
    """The annotations that each Rollout has written into an Ingress, by its name. RoutingError when unreadable."""
    try:
        found = json.loads(annotations.get(MANAGED) or "{}")
        return {name: list(keys) for name, keys in found.items()}
    except (ValueError, AttributeError, TypeError) as error:
        raise RoutingError(f"annotation {MANAGED} cannot be read: {error}") from error


def without(rule: Obj, routes: Collection[str]) -> Obj:
    """A rule without the paths of header routes of these names."""
    if not rule.get("http"):
        return rule
    paths = [path for path in rule["http"].get("paths") or () if not _is_route(path, routes)]
    return {**rule, "http": {**rule["http"], "paths": paths}}


def _is_route(path: Obj, routes: Collection[str]) -> bool:
    service = (path.get("backend") or {}).get("service") or {}
    return service.get("name") in routes and (service.get("port") or {}).get("name") == _BY_ACTION


def _path_of(name: str) -> Obj:
    service = {"name": name, "port": {"name": _BY_ACTION}}
    return {"path": "/*", "pathType": "ImplementationSpecific", "backend": {"service": service}}


def _service_of(path: Obj) -> str:
    """A backend may be a resource instead of a Service."""
    return str(((path.get("backend") or {}).get("service") or {}).get("name", ""))


def _uses(ingress: Obj, service: str) -> bool:
    rules = (ingress.get("spec") or {}).get("rules") or ()
    return any(_service_of(path) == service for rule in rules for path in (rule.get("http") or {}).get("paths") or ())


def _conditions(match: tuple[HeaderRoutingMatch, ...]) -> list[Obj]:
    """One condition a header: its values are alternatives, different headers must all hold."""
    values: dict[str, list[str]] = {}
    for one in match:
        values.setdefault(one.header_name, []).append(one.header_value.exact if one.header_value else "")
    return [
        {"field": "http-header", "httpHeaderConfig": {"httpHeaderName": name, "values": found}}
        for name, found in values.items()
    ]
