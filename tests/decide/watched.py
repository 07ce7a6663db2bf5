"""A toy that checks the ordering laws at every single action of its controller."""

from typing import Any, NamedTuple

from rollouts.decide.plan import Destination, PointService, SetWeight, Split
from rollouts.decide.world import ReplicaSet
from tests.decide.lagging import Lagging


class Stood(NamedTuple):
    """What stood before an action."""

    weights: dict[str, int]
    available: dict[str, int]  # by ReplicaSet
    known: dict[str, int]  # of these, as many as the controller has heard of
    behind: dict[str, str]  # names of ReplicaSets by Service

    @property
    def serving(self) -> set[str]:
        """Names of the ReplicaSets that have a share."""
        return {self.behind[service] for service, weight in self.weights.items() if weight and service in self.behind}


class Watched(Lagging):
    """Pods that are lost by no deed of the controller break no law, for each law compares with what stood before.

    `surge`: the sum of what is asked for is limited too.
    """

    surge = False

    def __init__(self, *args: Any, **rest: Any) -> None:
        super().__init__(*args, **rest)
        self.split: Split | None = None

    def _do(self, action: Any) -> None:
        before = self._stood()
        if isinstance(action, PointService):
            self._check_rename(action)
        super()._do(action)
        if isinstance(action, SetWeight):
            self.split = action.split
        self._check_capacity(before)
        self._check_record(before)
        if self.size and self.split is not None:
            self._check_shares(self.split, before)
            self._check_shares(self.split.by_turns(), before)

    @property
    def size(self) -> int:
        """What is asked for; while a change of that is not heard of, the smaller of the two."""
        return min(int(manifest["spec"].get("replicas", 1)) for manifest in (self.manifest, self.known_manifest))

    def _stood(self) -> Stood:
        shares = (*_shares(self.split), *_shares(self.split.by_turns())) if self.split else ()
        behind = {name: rs.name for name in self.services if (rs := self._selected_by(name))}
        available = {name: rs.available for name, rs in self.sets.items()}
        known = {name: min(count, self.known_available(name)) for name, count in available.items()}
        return Stood({one.service: one.weight for one in shares}, available, known, behind)

    def _selected_by(self, service: str) -> ReplicaSet | None:
        return self.behind(service) if service in self.services else None

    # ── the laws ──

    def _check_shares(self, split: Split, before: Stood) -> None:
        for one in _shares(split):
            rs = self._selected_by(one.service)
            need = one.weight * self.size // split.max_weight
            if one.weight > before.weights.get(one.service, 0):
                assert rs is not None, ("poured onto nothing", one, self.log)
                need = min(need, rs.replicas) if one is split.canary and self._sized else need
                assert rs.available >= need, ("poured before grown", one, rs.available, self.log)
            elif one.weight and rs is not None and before.behind.get(one.service) == rs.name:
                had = before.available.get(rs.name, 0)
                assert rs.available >= min(had, self._least(split, one, need)), ("shrunk before drained", one, self.log)

    def _check_record(self, before: Stood) -> None:
        """Pods go only below what the stored status says of the traffic, never for what the same pass only plans."""
        recorded = self.known_status.get("canary", {}).get("weights") or {}
        for part in ("canary", "stable"):
            weight, hash = recorded.get(part, {}).get("weight", 0), recorded.get(part, {}).get("podTemplateHash")
            rs = next((rs for rs in self.sets.values() if rs.hash == hash), None)
            if not weight or rs is None or not self.size:
                continue
            need = 1 if part == "canary" and self._sized else max(1, weight * self.size // 100)
            had = before.available.get(rs.name, 0)
            assert rs.available >= min(had, need), ("shrunk before that was recorded", part, weight, self.log)

    def _least(self, split: Split, one: Destination, need: int) -> int:
        """Pods that a share keeps whatever else is asked: of a canary with a size of its own only the last."""
        return 1 if one is split.canary and self._sized else max(1, need)

    @property
    def _sized(self) -> bool:
        """The canary may be given a size of its own, for less than its share."""
        return any("setCanaryScale" in step for step in self.manifest["spec"]["strategy"]["canary"]["steps"])

    def _check_rename(self, action: PointService) -> None:
        """A Service with a share changes hands only to pods that serve no worse. An abort is exempt: it takes traffic
        from pods that were given up, wherever that leads."""
        weight, old = self._stood().weights.get(action.service, 0), self._selected_by(action.service)
        if not weight or old is None or self.status.get("abort"):
            return
        (new,) = (rs for rs in self.sets.values() if rs.hash == action.hash)
        need = max(1, weight * self.size // 100)
        assert new.available >= min(need, old.available), ("renamed while it carries traffic", weight, self.log)

    def _check_capacity(self, before: Stood) -> None:
        """No deed of the controller takes available pods away beyond what maxUnavailable grants. Who asks for a number
        of canary pods gets it, whatever their share. Pods of older versions that are not known to be available go at
        once, as with Argo Rollouts: nothing is promised of one that has become ready just now."""
        canary = self.manifest["spec"]["strategy"]["canary"]
        if self._sized:
            return
        least = self.size - min(canary.get("maxUnavailable", 0), self.size)
        used = before.serving if "trafficRouting" in canary else set(before.available)
        had = sum(before.known[name] for name in used)
        left = sum(self.sets[name].available for name in used if name in self.sets)
        assert left >= min(least, had), ("capacity was taken away", left, self.log)
        if self.surge:
            asked = sum(rs.replicas for rs in self.sets.values())
            assert asked <= self.size + canary["maxSurge"], ("more than the surge allows", asked, self.log)


def _shares(split: Split) -> tuple[Destination, ...]:
    return tuple(one for one in (split.canary, split.stable) if one.service)
