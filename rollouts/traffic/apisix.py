"""Pure. Apache APISIX: the weights of two backends in rules of an ApisixRoute, and header routes as routes of our own.

A header route is a copy of the base route that leads to the canary alone, with a higher priority.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Self

from rollouts.api import fielderrors
from rollouts.api.canary import CanaryStrategy, HeaderRoutingMatch
from rollouts.api.rollout import Rollout
from rollouts.api.traffic import ApisixTrafficRouting
from rollouts.decide.plan import Event, HeaderRoute, Split
from rollouts.kube.refs import Obj, Ref
from rollouts.traffic.base import Edit, RoutingError, TrafficSettings, beginning, is_owned, owner_of

_PATH = "spec.strategy.canary.trafficRouting.apisix.route"


@dataclass(frozen=True, slots=True)
class Apisix:
    """The ApisixRoute of one Rollout, and its header routes."""

    rollout: Rollout
    ref: Ref
    rules: tuple[str, ...]
    managed: tuple[str, ...]

    @classmethod
    def of(
        cls, rollout: Rollout, canary: CanaryStrategy, apisix: ApisixTrafficRouting, settings: TrafficSettings
    ) -> Self:
        route, routing = apisix.route, canary.traffic_routing
        name = route.name if route else ""
        managed = tuple(one.name for one in routing.managed_routes or ()) if routing else ()
        ref = Ref(settings.apisix_routes, rollout.metadata.namespace, name)
        return cls(rollout, ref, (route.rules if route else ()) or (name,), managed)

    def needs(self, found: Mapping[Ref, Obj]) -> Iterator[Ref]:
        yield self.ref
        yield from (self._own(name) for name in self.managed)

    def _own(self, name: str) -> Ref:
        return Ref(self.ref.resource, self.ref.namespace, name)

    def fault(self, found: Mapping[Ref, Obj]) -> str:
        """Objects are not looked at beforehand: what is missing is told when the weight is to be set."""
        return "" if self.ref.name else fielderrors.required(_PATH, "no weight can be set without a route")

    def edit(self, found: Mapping[Ref, Obj], split: Split) -> Iterator[Edit]:
        before = found.get(self.ref)
        if before is None:
            raise RoutingError(f'apisixroutes.apisix.apache.org "{self.ref.name}" not found')
        shares = {split.canary.service: split.canary.weight, split.stable.service: split.stable.weight}
        after = before if split.held else self._with_rules(before, lambda rule: self._weighted(rule, shares))
        if after != before:
            text = f"ApisixRoute `{self.ref.name}` set to desiredWeight '{split.canary.weight}'"
            yield Edit(self.ref, after, Event("ApisixRouteUpdated", text))
        yield from self._header_routes(found, before, split)

    # ── weights ──

    def _with_rules(self, route: Obj, change: Callable[[Obj], Obj]) -> Obj:
        """The route with the selected rules changed. RoutingError when one of them is not there."""
        rules = (route.get("spec") or {}).get("http")
        if not rules:
            raise RoutingError("spec.http was not found in apisix route manifest")
        there = {rule.get("name") for rule in rules}
        for name in self.rules:
            if name not in there:
                raise RoutingError(f"Apisix http route rule {name} not found")
        changed = [change(rule) if rule.get("name") in self.rules else rule for rule in rules]
        return {**route, "spec": {**route["spec"], "http": changed}}

    def _weighted(self, rule: Obj, shares: Mapping[str, int]) -> Obj:
        backends = rule.get("backends")
        if not backends:
            raise RoutingError(f"Apisix http route rule {rule.get('name')} backends not found")
        there = {backend.get("serviceName") for backend in backends}
        for service in shares:
            if service not in there:
                raise RoutingError(f"apisix route {service} backend was not found")
        weighed = [
            {**backend, "weight": shares[backend["serviceName"]]} if backend.get("serviceName") in shares else backend
            for backend in backends
        ]
        return {**rule, "backends": weighed}

    # ── header routes ──

    def _header_routes(self, found: Mapping[Ref, Obj], base: Obj, split: Split) -> Iterator[Edit]:
        wanted = {route.name: route for route in split.routes if isinstance(route, HeaderRoute)}
        for name in split.managed:
            ref, before = self._own(name), found.get(self._own(name))
            ours = before is not None and is_owned(before, self.rollout.metadata.uid)
            if name in wanted and before is not None and not ours:
                raise RoutingError(f"duplicate ApisixRoute [{name}] already exists")
            if name in wanted:
                after = self._header_route(base, wanted[name], before, split)
                if after != before:
                    yield Edit(ref, after, Event("ApisixRouteUpdated", f"ApisixRoute `{name}` set headerRoute"))
            elif ours:
                yield Edit(ref, None, Event("ApisixRouteUpdated", f"ApisixRoute `{name}` removed"))

    def _header_route(self, base: Obj, route: HeaderRoute, before: Obj | None, split: Split) -> Obj:
        led = self._with_rules(base, lambda rule: self._led(rule, route, split))
        rules = [rule for rule in led["spec"]["http"] if rule.get("name") in self.rules]
        made = {
            "apiVersion": base.get("apiVersion", self.ref.resource.api_version),
            "kind": self.ref.resource.kind,
            "metadata": {
                "name": route.name,
                "namespace": self.ref.namespace,
                "ownerReferences": [owner_of(self.rollout)],
            },
            "spec": {**base["spec"], "http": rules},
        }
        return made if before is None else {**before, "spec": made["spec"]}

    def _led(self, rule: Obj, route: HeaderRoute, split: Split) -> Obj:
        kept = [backend for backend in rule.get("backends") or () if backend.get("serviceName") != split.stable.service]
        backends = [
            {**backend, "weight": 100} if backend.get("serviceName") == split.canary.service else backend
            for backend in kept
        ]
        match = {**(rule.get("match") or {}), "exprs": [_expression(one) for one in route.match]}
        return {**rule, "priority": (rule.get("priority") or 0) + 1, "backends": backends, "match": match}


def _expression(match: HeaderRoutingMatch) -> Obj:
    subject = {"scope": "Header", "name": match.header_name}
    value = match.header_value
    if value is None or value.exact:
        return {"subject": subject, "op": "Equal", "value": value.exact if value else ""}
    text = value.regex or f"^{beginning(value.prefix)}"
    return {"subject": subject, "op": "RegexMatch", "value": text}
