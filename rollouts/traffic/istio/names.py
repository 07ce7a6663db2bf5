"""Pure. How destinations of a VirtualService are told apart: by the Service in their host, or by their subset."""

from dataclasses import dataclass
from typing import Any

from rollouts.decide.plan import Split
from rollouts.kube.refs import Obj


@dataclass(frozen=True, slots=True)
class Names:
    """What the canary and the stable destination are called.

    Subsets are "" without a DestinationRule. `others`: subsets whose weights belong to somebody else. `rule_host`: the
    host of the DestinationRule, which header and mirror routes then go to.
    """

    canary_service: str
    stable_service: str
    canary_subset: str = ""
    stable_subset: str = ""
    others: frozenset[str] = frozenset()
    rule_host: str = ""

    def with_services_of(self, split: Split) -> "Names":
        """The same with the Services of this split: two that take turns change their parts."""
        return Names(
            split.canary.service,
            split.stable.service,
            self.canary_subset,
            self.stable_subset,
            self.others,
            self.rule_host,
        )

    def is_canary(self, destination: Obj) -> bool:
        return _is(destination, self.canary_service, self.canary_subset)

    def is_stable(self, destination: Obj) -> bool:
        return _is(destination, self.stable_service, self.stable_subset)

    def is_others(self, destination: Obj) -> bool:
        return subset(destination) in self.others


def _is(destination: Obj, service: str, named_subset: str) -> bool:
    return bool((service and host(destination) == service) or (named_subset and subset(destination) == named_subset))


def host(destination: Obj) -> str:
    """The Service that a destination names: its host up to the first dot; "" when it names none."""
    return str(_part(destination).get("host") or "").split(".", 1)[0]


def subset(destination: Obj) -> str:
    return str(_part(destination).get("subset") or "")


def _part(destination: Obj) -> dict[str, Any]:
    found: dict[str, Any] = destination.get("destination") or {}
    return found
