"""Pure. Ambassador: beside each base Mapping a canary Mapping with the weight, for as long as there is any.

The canary Mapping is deleted one pass after its weight was recorded as 0, so that Ambassador has seen the 0 before.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Self

from rollouts.api import fielderrors
from rollouts.api.canary import CanaryStrategy
from rollouts.api.rollout import Rollout
from rollouts.api.traffic import AmbassadorTrafficRouting
from rollouts.decide.plan import Event, Split
from rollouts.kube.refs import Obj, Ref
from rollouts.traffic.base import Edit, RoutingError, TrafficSettings, in_percent

_PATH = "spec.strategy.canary.trafficRouting.ambassador.mappings"
_LONGEST = 246


@dataclass(frozen=True, slots=True)
class Ambassador:
    """The Mappings of one Rollout."""

    base: tuple[Ref, ...]
    recorded: bool  # the status holds a canary weight of 0
    canary_service: str
    stable_service: str

    @classmethod
    def of(
        cls, rollout: Rollout, canary: CanaryStrategy, ambassador: AmbassadorTrafficRouting, settings: TrafficSettings
    ) -> Self:
        namespace, weights = rollout.metadata.namespace, rollout.status.canary.weights
        refs = tuple(Ref(settings.mappings, namespace, name) for name in ambassador.mappings)
        empty = weights is not None and weights.canary.weight == 0
        return cls(refs, empty, canary.canary_service, canary.stable_service)

    def needs(self, found: Mapping[Ref, Obj]) -> Iterator[Ref]:
        for ref in self.base:
            yield ref
            yield _canary(ref)

    def fault(self, found: Mapping[Ref, Obj]) -> str:
        if not self.base:
            return fielderrors.invalid(_PATH, None, "must provide at least one mapping")
        for ref in self.base:
            if ref not in found:
                plural = f"{ref.resource.plural}.{ref.resource.group}"
                return fielderrors.invalid(_PATH, ref.name, f'{plural} "{ref.name}" not found')
            if (found[ref].get("spec") or {}).get("weight"):
                return fielderrors.invalid(_PATH, ref.name, f'Ambassador mapping "{ref.name}" can not define weight')
        return ""

    def edit(self, found: Mapping[Ref, Obj], split: Split) -> Iterator[Edit]:
        if split.held:
            return
        split = in_percent(split)
        weight = split.canary.weight
        for ref in self.base:
            base, canary = found.get(ref), _canary(ref)
            before = found.get(canary)
            if base is None:
                raise RoutingError(f'Ambassador mapping "{ref.name}" not found', "AmbassadorMappingNotFound")
            event = Event("CanaryMappingWeightUpdate", f"Mapping `{canary.name}` set to desiredWeight '{weight}'")
            if before is None:
                if weight:
                    yield Edit(canary, self._made(base, canary, weight), event)
            elif (before.get("spec") or {}).get("weight") != weight:
                yield Edit(canary, {**before, "spec": {**before["spec"], "weight": weight}}, event)
            elif not weight and self.recorded:
                yield Edit(canary, None, Event("CanaryMappingCleanup", f"Mapping `{canary.name}` deleted"))

    def _made(self, base: Obj, ref: Ref, weight: int) -> Obj:
        spec = base["spec"]
        service = str(spec.get("service", "")).replace(self.stable_service, self.canary_service, 1)
        return {
            "apiVersion": base.get("apiVersion", ref.resource.api_version),
            "kind": ref.resource.kind,
            "metadata": {"name": ref.name, "namespace": ref.namespace},
            "spec": {**spec, "service": service, "weight": weight},
        }


def _canary(base: Ref) -> Ref:
    return Ref(base.resource, base.namespace, base.name[:_LONGEST] + "-canary")
