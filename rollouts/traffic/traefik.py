"""Pure. Traefik: the weights of two services in a TraefikService. All other services in it stay as they are."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Self

from rollouts.api.canary import CanaryStrategy
from rollouts.api.rollout import Rollout
from rollouts.api.traffic import TraefikTrafficRouting
from rollouts.decide.plan import Event, Split
from rollouts.kube.refs import Obj, Ref
from rollouts.traffic.base import Edit, RoutingError, TrafficSettings


@dataclass(frozen=True, slots=True)
class Traefik:
    """The TraefikService of one Rollout."""

    ref: Ref

    @classmethod
    def of(
        cls, rollout: Rollout, canary: CanaryStrategy, traefik: TraefikTrafficRouting, settings: TrafficSettings
    ) -> Self:
        name = traefik.weighted_traefik_service_name
        return cls(Ref(settings.traefik_services, rollout.metadata.namespace, name))

    def needs(self, found: Mapping[Ref, Obj]) -> Iterator[Ref]:
        yield self.ref

    def fault(self, found: Mapping[Ref, Obj]) -> str:
        """Nothing is looked at beforehand: what is missing is told when the weight is to be set."""
        return ""

    def edit(self, found: Mapping[Ref, Obj], split: Split) -> Iterator[Edit]:
        if split.held:
            return
        before = found.get(self.ref)
        if before is None:
            raise RoutingError(f'traefikservices.{self.ref.resource.group} "{self.ref.name}" not found')
        services = ((before.get("spec") or {}).get("weighted") or {}).get("services")
        if not services:
            raise RoutingError("spec.weighted.services was not found in traefik service manifest")
        names = {service.get("name") for service in services}
        for role, destination in (("canary", split.canary), ("stable", split.stable)):
            if destination.service not in names:
                raise RoutingError(f"traefik {role} service was not found")
        shares = {split.canary.service: split.canary.weight, split.stable.service: split.stable.weight}
        after = [
            {**service, "weight": shares[service["name"]]} if service.get("name") in shares else service
            for service in services
        ]
        if after != services:
            weighted = {**before["spec"]["weighted"], "services": after}
            want = {**before, "spec": {**before["spec"], "weighted": weighted}}
            text = f"TraefikService `{self.ref.name}` set to desiredWeight '{split.canary.weight}'"
            yield Edit(self.ref, want, Event("TraefikServiceUpdated", text))
