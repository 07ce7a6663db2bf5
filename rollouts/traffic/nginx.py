"""Pure. Ingress-nginx: beside each stable Ingress a second one, marked as canary, that carries the weight.

The stable Ingresses are never changed. Source: the contract of Argo Rollouts' nginx support.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Self

from rollouts.api import fielderrors
from rollouts.api.canary import CanaryStrategy
from rollouts.api.rollout import Rollout
from rollouts.api.traffic import NginxTrafficRouting
from rollouts.decide.plan import Event, Split
from rollouts.kube.refs import INGRESS, Obj, Ref
from rollouts.traffic.base import Edit, RoutingError, TrafficSettings, is_owned, owner_of

_PATH = "spec.strategy.canary.trafficRouting.nginx"
_PREFIX = "nginx.ingress.kubernetes.io"
_CLASS = "kubernetes.io/ingress.class"
_LEAST_TOTAL = 100
_LONGEST = 246  # with the suffix, the 253 characters that a name may have


@dataclass(frozen=True, slots=True)
class Nginx:
    """The Ingresses of one Rollout."""

    rollout: Rollout
    spec: NginxTrafficRouting
    canary_service: str
    stable_service: str
    total: int | None  # maxTrafficWeight, where it is set

    @classmethod
    def of(
        cls, rollout: Rollout, canary: CanaryStrategy, nginx: NginxTrafficRouting, settings: TrafficSettings
    ) -> Self:
        routing = canary.traffic_routing
        total = routing.max_traffic_weight if routing else None
        return cls(rollout, nginx, canary.canary_service, canary.stable_service, total)

    # ── names ──

    @property
    def _names(self) -> tuple[str, ...]:
        return self.spec.stable_ingresses or (self.spec.stable_ingress,)

    def _ref(self, name: str) -> Ref:
        return Ref(INGRESS, self.rollout.metadata.namespace, name)

    def _canary_ref(self, name: str) -> Ref:
        return self._ref(f"{self.rollout.metadata.name}-{name}"[:_LONGEST] + "-canary")

    def needs(self, found: Mapping[Ref, Obj]) -> Iterator[Ref]:
        for name in self._names:
            yield self._ref(name)
            yield self._canary_ref(name)

    # ── faults ──

    def fault(self, found: Mapping[Ref, Obj]) -> str:
        both = bool(self.spec.stable_ingress) and bool(self.spec.stable_ingresses)
        if both or not any(self._names):
            which = "Both" if both else "Neither"
            text = f"Either StableIngress or StableIngresses must be configured. {which} are configured."
            return fielderrors.internal(f"{_PATH}.stableIngress", text)
        return next(filter(None, (self._fault(name, found) for name in self._names)), "")

    def _fault(self, name: str, found: Mapping[Ref, Obj]) -> str:
        field = f"{_PATH}.stableIngresses" if self.spec.stable_ingresses else f"{_PATH}.stableIngress"
        stable = found.get(self._ref(name))
        if stable is None:
            return fielderrors.invalid(field, name, f'ingress.networking.k8s.io "{name}" not found')
        if not self._rules(stable):
            return fielderrors.invalid(field, name, self._no_rules(name))
        return ""

    def _no_rules(self, name: str) -> str:
        return f"ingress `{name}` has no rules using service {self.stable_service} backend"

    # ── edits ──

    def edit(self, found: Mapping[Ref, Obj], split: Split) -> Iterator[Edit]:
        if split.held:
            return
        for name in self._names:
            stable, ref = found.get(self._ref(name)), self._canary_ref(name)
            if stable is None:
                raise RoutingError(f"error retrieving stableIngress `{name}` from cache: not found")
            before = found.get(ref)
            if before is None:
                text = f"Creating canary ingress `{ref.name}` with weight `{split.canary.weight}`"
                yield Edit(ref, self._wanted(stable, ref, split, {}), Event("CreatingCanaryIngress", text))
                continue
            if not is_owned(before, self.rollout.metadata.uid):
                raise RoutingError(f"canary ingress `{ref.name}` controlled by different object")
            after = self._kept(before, self._wanted(stable, ref, split, before))
            if after != before:
                text = f"Updating Ingress `{ref.name}` to desiredWeight '{split.canary.weight}'"
                yield Edit(ref, after, Event("PatchingCanaryIngress", text))

    def _kept(self, before: Obj, wanted: Obj) -> Obj:
        """What was found, saying what is wanted: labels go, annotations of others stay."""
        metadata = {key: value for key, value in before["metadata"].items() if key != "labels"}
        metadata["annotations"] = wanted["metadata"]["annotations"]
        return {**before, "metadata": metadata, "spec": wanted["spec"]}

    def _wanted(self, stable: Obj, ref: Ref, split: Split, before: Obj) -> Obj:
        rules = self._rules(stable)
        if not rules:
            raise RoutingError(self._no_rules(stable["metadata"]["name"]))
        spec = stable.get("spec") or {}
        copied = {key: spec[key] for key in ("ingressClassName", "tls") if key in spec}
        kept = (before.get("metadata") or {}).get("annotations") or {}
        return {
            "apiVersion": INGRESS.api_version,
            "kind": INGRESS.kind,
            "metadata": {
                "name": ref.name,
                "namespace": ref.namespace,
                "annotations": {**kept, **self._annotations(stable, split)},
                "ownerReferences": [owner_of(self.rollout)],
            },
            "spec": {**copied, "rules": rules},
        }

    def _annotations(self, stable: Obj, split: Split) -> dict[str, str]:
        prefix = self.spec.annotation_prefix or _PREFIX
        found = stable["metadata"].get("annotations") or {}
        marks = {_CLASS: found[_CLASS]} if _CLASS in found else {}
        for key, value in self.spec.additional_ingress_annotations.items():
            marks[key if key.startswith(prefix) else f"{prefix}/{key}"] = value
        marks |= self.spec.canary_ingress_annotations
        times = _times(split.max_weight)
        marks |= {f"{prefix}/canary": "true", f"{prefix}/canary-weight": str(times * split.canary.weight)}
        if self.total is not None:
            marks[f"{prefix}/canary-weight-total"] = str(times * split.max_weight)
        return marks

    def _rules(self, stable: Obj) -> list[Obj]:
        """The rules that mention the stable Service, each now led to the canary Service instead."""
        return [self._redirected(rule) for rule in (stable.get("spec") or {}).get("rules") or () if self._hit(rule)]

    def _hit(self, rule: Obj) -> bool:
        return any(_service(path).get("name") == self.stable_service for path in _paths(rule))

    def _redirected(self, rule: Obj) -> Obj:
        return {**rule, "http": {**rule["http"], "paths": [self._path(path) for path in _paths(rule)]}}

    def _path(self, path: Obj) -> Obj:
        service = _service(path)
        if service.get("name") != self.stable_service:
            return path
        return {**path, "backend": {**path["backend"], "service": {**service, "name": self.canary_service}}}


def _times(whole: int) -> int:
    """By what weights have to be multiplied: ingress-nginx takes a total of less than a hundred for a hundred."""
    return max(1, -(-_LEAST_TOTAL // max(1, whole)))


def _paths(rule: Obj) -> list[Obj]:
    """A rule may have no http part."""
    return (rule.get("http") or {}).get("paths") or []


def _service(path: Obj) -> Obj:
    """A backend may be a resource instead of a Service."""
    return (path.get("backend") or {}).get("service") or {}
