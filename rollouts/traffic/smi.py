"""Pure. Service Mesh Interface: a TrafficSplit of our own that shares the root Service's traffic."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Self

from rollouts.api.canary import CanaryStrategy
from rollouts.api.rollout import Rollout
from rollouts.api.traffic import SMITrafficRouting
from rollouts.decide.plan import Event, Split
from rollouts.kube.refs import Obj, Ref
from rollouts.traffic.base import Edit, RoutingError, TrafficSettings, is_owned, owner_of

_QUANTITIES = "v1alpha1"  # in this version a weight is a quantity, and so a text


@dataclass(frozen=True, slots=True)
class Smi:
    """The TrafficSplit of one Rollout."""

    rollout: Rollout
    ref: Ref
    root_service: str

    @classmethod
    def of(cls, rollout: Rollout, canary: CanaryStrategy, smi: SMITrafficRouting, settings: TrafficSettings) -> Self:
        metadata = rollout.metadata
        ref = Ref(settings.traffic_splits, metadata.namespace, smi.traffic_split_name or metadata.name)
        return cls(rollout, ref, smi.root_service or canary.stable_service)

    def needs(self, found: Mapping[Ref, Obj]) -> Iterator[Ref]:
        yield self.ref

    def fault(self, found: Mapping[Ref, Obj]) -> str:
        """The TrafficSplit is made here: there is nothing that could be missing."""
        return ""

    def edit(self, found: Mapping[Ref, Obj], split: Split) -> Iterator[Edit]:
        if split.held:
            return
        name, before = self.ref.name, found.get(self.ref)
        spec = {"service": self.root_service, "backends": self._backends(split)}
        if before is None:
            yield Edit(self.ref, self._made(spec), Event("TrafficSplitCreated", f"TrafficSplit `{name}` created"))
            return
        if not is_owned(before, self.rollout.metadata.uid):
            raise RoutingError(f"Rollout does not own TrafficSplit `{name}`")
        after = {**before, "spec": {**(before.get("spec") or {}), **spec}}
        if after != before:
            text = f"TrafficSplit `{name}` set to desiredWeight '{split.canary.weight}'"
            yield Edit(self.ref, after, Event("TrafficSplitModified", text))

    def _backends(self, split: Split) -> list[Obj]:
        shares = (split.canary, *split.additional, split.stable)
        return [{"service": share.service, "weight": self._weight(share.weight)} for share in shares]

    def _weight(self, weight: int) -> int | str:
        return str(weight) if self.ref.resource.version == _QUANTITIES else weight

    def _made(self, spec: Obj) -> Obj:
        return {
            "apiVersion": self.ref.resource.api_version,
            "kind": self.ref.resource.kind,
            "metadata": {
                "name": self.ref.name,
                "namespace": self.ref.namespace,
                "ownerReferences": [owner_of(self.rollout)],
            },
            "spec": spec,
        }
