"""A toy whose strategy is edited in mid-update, and what its users meet before and after each action.

Users come in where the spec of now says: by its router, else by the active Service, else to any pod.
"""

from dataclasses import replace
from typing import Any

from rollouts.decide import plan as say
from rollouts.decide.world import NO_HASH, ReplicaSet, Service, World
from rollouts.observe.services import named_services
from tests.decide.toy import Obj, Toy

NAMES = ("stable", "canary", "ping", "pong")


class Edited(Toy):
    """Checks at every single action that users lose nothing by it."""

    def __init__(self, manifest: Obj) -> None:
        super().__init__(manifest, NAMES)
        self.mesh: dict[str, dict[str, int]] = {}  # by router: the share of each Service, in percent

    # ── what users meet ──

    @property
    def strategy(self) -> Obj:
        found: Obj = self.manifest["spec"]["strategy"]
        return found

    @property
    def router(self) -> str:
        return next(iter(self.strategy.get("canary", {}).get("trafficRouting", {})), "")

    @property
    def size(self) -> int:
        return int(self.manifest["spec"]["replicas"])

    @property
    def entry(self) -> dict[str, int]:
        """The Services that users come in by, and their shares; empty: they meet any pod."""
        if self.router:
            return dict(self.mesh.get(self.router, {}))
        name = self.strategy.get("blueGreen", {}).get("activeService")
        return {name: 100} if name else {}

    @property
    def lost(self) -> int:
        """The share of users, in percent, who meet no pod."""
        if not self.entry:
            return 0 if any(rs.available for rs in self.sets.values()) else 100
        return sum(share for service, share in self.entry.items() if not self._available(service))

    @property
    def serving(self) -> int:
        """Available pods that some user can meet."""
        met = [rs for name, share in self.entry.items() if share for rs in self._selected(name)]
        return sum(rs.available for rs in {rs.name: rs for rs in (met if self.entry else self.sets.values())}.values())

    @property
    def lacking(self) -> int:
        """Pods that Services lack for their shares, all together."""
        shares = self.entry.items()
        return sum(max(0, share * self.size // 100 - self._available(name)) for name, share in shares)

    @property
    def least(self) -> int:
        """Available pods that the strategy grants."""
        canary = self.strategy.get("canary", {})
        unavailable: int = canary.get("maxUnavailable", 0)
        return self.size - min(unavailable, self.size)

    def _selected(self, service: str) -> list[ReplicaSet]:
        hash = self.services[service].hash
        return [rs for rs in self.sets.values() if hash in (NO_HASH, rs.hash)]

    def _available(self, service: str) -> int:
        return sum(rs.available for rs in self._selected(service))

    # ── what others do ──

    def edit(self, strategy: Obj) -> None:
        """Another strategy. Services that it does not name are let go of, as are routing objects, which whoever names
        other Services has to write anew."""
        self.spec(strategy=strategy)
        named = named_services(self.manifest)
        for name in self.services.keys() - set(named):
            self.services[name] = Service(name, {"app": "r"})
        shares = self.mesh.get(self.router, {})
        self.mesh = {self.router: shares} if shares and shares.keys() <= set(named) else {}

    def scale(self, name: str, count: int) -> None:
        """Somebody scales a ReplicaSet by hand."""
        rs = self.sets[name]
        up = min(rs.available, count)
        self.sets[name] = replace(rs, replicas=count, current=min(rs.current, count), ready=up, available=up)

    # ── what the controller sees and does ──

    def world(self) -> World:
        return replace(super().world(), services={name: self.services[name] for name in named_services(self.manifest)})

    def _differs(self, action: say.Action) -> bool:
        assert isinstance(action, say.SetWeight)
        return not action.split.held and self.mesh.get(self.router) != self._shares(action.split)

    def _do(self, action: Any) -> None:
        lost, serving, lacking, least, entry = self.lost, self.serving, self.lacking, self.least, self.entry
        super()._do(action)
        if isinstance(action, say.SetWeight) and not action.split.held:
            self.mesh[self.router] = self._shares(action.split)
        if not self.size:
            return
        assert self.lost <= lost or not (entry or least), ("users meet nobody", action, self.log)
        assert self.serving >= min(serving, least), ("capacity was taken away", serving, self.serving, self.log)
        if entry:
            assert self.lacking <= max(lacking, self.size - least), ("too few for their share", action, self.log)

    def _shares(self, split: say.Split) -> dict[str, int]:
        split = split.by_turns() if self.router == "alb" or not split.stable.service else split
        return {one.service: one.weight for one in (split.canary, split.stable)}
