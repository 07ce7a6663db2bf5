"""Pure. Istio for one Rollout: which objects it needs, what is wrong with them, and what they must say."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Self

from rollouts.api.canary import CanaryStrategy
from rollouts.api.fielderrors import invalid
from rollouts.api.rollout import Rollout
from rollouts.api.traffic import IstioDestinationRule, IstioTrafficRouting, IstioVirtualService
from rollouts.decide.plan import Event, Split
from rollouts.kube.refs import Obj, Ref, Resource
from rollouts.traffic.base import Edit, RoutingError, TrafficSettings, in_percent
from rollouts.traffic.istio import destinationrule, virtualservice
from rollouts.traffic.istio.names import Names
from rollouts.traffic.istio.selection import Target

_PATH = "spec.strategy.canary.trafficRouting.istio"


@dataclass(frozen=True, slots=True)
class Istio:
    """The VirtualServices of one Rollout, and its DestinationRule if it names one."""

    rollout: str
    targets: tuple[Target, ...]
    names: Names
    managed: frozenset[str]
    rule: Ref | None
    rule_names: IstioDestinationRule | None
    ambiguous: bool  # neither or both of virtualService and virtualServices

    @classmethod
    def of(
        cls, rollout: Rollout, canary: CanaryStrategy, istio: IstioTrafficRouting, settings: TrafficSettings
    ) -> Self:
        namespace, routing = rollout.metadata.namespace, canary.traffic_routing
        single = [(istio.virtual_service, f"{_PATH}.virtualService")] if istio.virtual_service else []
        several = [(vs, f"{_PATH}.virtualServices") for vs in istio.virtual_services]
        rule = istio.destination_rule
        return cls(
            rollout=rollout.metadata.name,
            targets=tuple(
                Target(named_ref(vs, settings.virtual_services, namespace), vs, path) for vs, path in single + several
            ),
            names=_names(canary, rule),
            managed=frozenset(route.name for route in routing.managed_routes or ()) if routing else frozenset(),
            rule=Ref(settings.destination_rules, namespace, rule.name) if rule else None,
            rule_names=rule,
            ambiguous=bool(single) == bool(several),
        )

    def needs(self, found: Mapping[Ref, Obj]) -> Iterator[Ref]:
        yield from (target.ref for target in self.targets)
        if self.rule is not None:
            yield self.rule

    def fault(self, found: Mapping[Ref, Obj]) -> str:
        if self.ambiguous:
            return invalid(_PATH, "istio", "either VirtualService or VirtualServices must be configured")
        return next(filter(None, (self._fault(target, found) for target in self.targets)), "")

    def _fault(self, target: Target, found: Mapping[Ref, Obj]) -> str:
        path, name = f"{target.path}.name", target.ref.name
        if target.ref not in found:
            return invalid(path, name, f'virtualservices.networking.istio.io "{target.ref.name}" not found')
        told = virtualservice.fault(found[target.ref], target, self.names, self.managed)
        return invalid(path, name, told) if told else ""

    def edit(self, found: Mapping[Ref, Obj], split: Split) -> Iterator[Edit]:
        """A subset selects the right pods before anything leads to it, and changes its pods after its share was taken.

        So the DestinationRule comes last where the canary gets nothing, unless its stable subset has to follow too.
        """
        split = in_percent(split)
        names, rule = self.names.with_services_of(split), self._found_rule(found)
        if rule is not None:
            names = replace(names, rule_host=str((rule.get("spec") or {}).get("host") or ""))
        mesh = tuple(self._weighed(found, names, split))
        subsets = tuple(self._selecting(rule, split))
        yield from (*mesh, *subsets) if rule is not None and self._is_emptied(rule, split) else (*subsets, *mesh)

    def _found_rule(self, found: Mapping[Ref, Obj]) -> Obj | None:
        if self.rule is None:
            return None
        if self.rule not in found:
            text = f'destinationrules.networking.istio.io "{self.rule.name}" not found'
            raise RoutingError(text, "DestinationRuleNotFound")
        return found[self.rule]

    def _is_emptied(self, rule: Obj, split: Split) -> bool:
        if self.rule_names is None or split.canary.weight or split.additional or split.routes:
            return False
        return destinationrule.selects(rule, self.rule_names.stable_subset_name, split.stable.hash)

    def _selecting(self, rule: Obj | None, split: Split) -> Iterator[Edit]:
        if rule is None or self.rule is None or self.rule_names is None or split.held:
            return
        after = destinationrule.say(rule, self.rule_names, split, self.rollout)
        if after is not rule:
            text = f"DestinationRule `{self.rule.name}` subset updated"
            yield Edit(self.rule, after, Event("UpdatedDestinationRule", text))

    def _weighed(self, found: Mapping[Ref, Obj], names: Names, split: Split) -> Iterator[Edit]:
        for target in self.targets:
            if target.ref not in found:
                text = f'virtualservices.networking.istio.io "{target.ref.name}" not found'
                raise RoutingError(text, "VirtualServiceNotFound")
            before = found[target.ref]
            after = virtualservice.say(before, target, names, split)
            if after is not before:
                text = f"VirtualService `{target.ref.name}` set to desiredWeight '{split.canary.weight}'"
                yield Edit(target.ref, after, Event("Updated VirtualService", text))


def _names(canary: CanaryStrategy, rule: IstioDestinationRule | None) -> Names:
    turns = canary.ping_pong
    services = canary.canary_service, canary.stable_service
    if turns is not None and not all(services):
        services = turns.ping_service, turns.pong_service
    if rule is None:
        return Names(*services)
    return Names(*services, rule.canary_subset_name, rule.stable_subset_name, frozenset(rule.additional_subset_names))


def named_ref(vs: IstioVirtualService, resource: Resource, namespace: str) -> Ref:
    """The VirtualService that is meant: its name may hold a namespace behind its last dot, and the cluster's suffix
    behind that."""
    name = vs.name.removesuffix(".cluster.local")
    if "." in name:
        name, namespace = name.rsplit(".", 1)
    return Ref(resource, namespace, name)
