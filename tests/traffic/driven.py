"""A toy Rollout whose splits become edits of a router's objects, and the laws judged by what these then say."""

import copy
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from rollouts.api.status import status_wire
from rollouts.decide import plan as say
from rollouts.kube.patch import apply_merge, merge_patch
from rollouts.traffic.base import Edit, look
from rollouts.traffic.registry import routers
from tests import make
from tests.decide.test_experiments import Trying
from tests.decide.toy import Toy
from tests.traffic.plane import Place, Way
from tests.traffic.stage import Obj, Objects
from tests.traffic.users import SETTINGS, Users

TURNS: Obj = {"pingPong": {"pingService": "ping", "pongService": "pong"}}
TRIED = "x"
"""The hash of all pods of Experiments."""


@dataclass(frozen=True, slots=True)
class Case:
    """A router, how its objects are read, and what its steps may ask for. `turns`: a ping and a pong Service."""

    users: Callable[[], Users]
    read: Callable[[Objects], Iterator[Way]]
    tries: bool = False
    routes: bool = False
    mirrors: bool = False
    turns: bool = False


class Cut(Exception):
    """The controller ends here, or the API server refuses."""


class Driven(Trying):
    """A toy whose splits become edits of a router's objects, one write at a time. `behind`: the objects as they were
    before somebody's last edit are all that the next pass sees of them."""

    def __init__(self, case: Case, *steps: Obj, **rest: Any) -> None:
        made, managed = case.users(), [{"name": "testers"}, {"name": "copies"}]
        routing = {made.dialect: made.value, "managedRoutes": managed}
        canary = {**(TURNS if case.turns else make.ISTIO), "trafficRouting": routing, **rest.pop("canary", {})}
        services = ("ping", "pong") if case.turns else ("stable", "canary")
        super().__init__(make.rollout(*steps, canary=canary, **rest), services)
        self.made, self.case = made, case
        self.objects = Objects(*copy.deepcopy(made.objects))
        for obj in self.objects.all.values():
            obj["metadata"]["resourceVersion"] = "0"
        self.old: dict[tuple[str, str], Obj] | None = None
        self.versions, self.left = 0, 1000
        self.theirs = True  # the shares are still those that somebody wrote

    def going(self) -> None:
        """Pods become ready and passes follow each other, until there is nothing to do; Experiments go on."""
        Toy.run(self)

    def partly(self, count: int) -> None:
        """So many pods of the current template become ready, and passes follow."""
        self.settle()
        template = self.manifest["spec"]["template"]
        self.ready(template["spec"]["containers"][0]["image"], count)
        self.settle()

    # ── what people do ──

    def put_back(self) -> None:
        """A tool that knows the repository only writes the users' objects as they are there."""
        self.old, self.theirs = dict(self.objects.all), True
        for obj in copy.deepcopy(self.made.objects):
            self._store(obj)

    def annotate(self, mark: str) -> None:
        """Somebody's edit, which the next pass does not see yet."""
        self.old = dict(self.objects.all)
        for obj in list(self.objects.all.values()):
            notes = {**(obj["metadata"].get("annotations") or {}), "mark": mark}
            self._store({**obj, "metadata": {**obj["metadata"], "annotations": notes}})

    # ── what the cluster does ──

    def _store(self, obj: Obj) -> None:
        self.versions += 1
        metadata = {**obj["metadata"], "resourceVersion": str(self.versions)}
        self.objects.store({**obj, "metadata": metadata}, None)

    def _edit(self, edit: Edit, before: Obj | None) -> None:
        key = edit.ref.resource.kind, edit.ref.name
        now = self.objects.all.get(key)
        if _version(now) != _version(before):
            raise Cut("somebody wrote in between")
        if edit.want is None:
            del self.objects.all[key]
        elif before is None:
            self._store(edit.want)
        else:
            self._store(apply_merge(now, merge_patch(before, edit.want)))

    # ── what the controller does ──

    def step(self, crash_after: int | None = None) -> bool:
        self.left = 1000 if crash_after is None else crash_after
        versions, log, before = self.versions, len(self.log), self.manifest.get("status", {})
        plan, behind = self.plan(), self.old is not None
        try:
            for action in plan.actions:
                edited = self.versions
                self._do(action)
                if isinstance(action, say.SetWeight) and action.recorded and self.versions != edited:
                    return True
            self._spend()
        except Cut:
            return True
        finally:
            self.old = None
        self.manifest["status"] = status_wire(plan.status)
        return behind or self.manifest["status"] != before or self.versions != versions or len(self.log) != log

    def _spend(self) -> None:
        if self.left == 0:
            raise Cut("killed")
        self.left -= 1

    def _do(self, action: Any) -> None:
        if isinstance(action, say.SetWeight):
            self._split(action)
            return
        self._spend()
        before = self._seen()
        super()._do(action)
        self._judge(before, action)

    def _split(self, action: say.SetWeight) -> None:
        shown = self.objects.all if self.old is None else self.old
        seen = Objects()
        seen.all = shown
        for router in routers(self.world().rollout, SETTINGS):
            found = look(router, seen.get, seen.select)
            for edit in tuple(router.edit(found, action.split)):
                self._spend()
                before = self._seen()
                self._edit(edit, found.get(edit.ref))
                self._judge(before, action)
        if action.split.held:
            return
        if self.old is None:
            self._judge_said(action.split)
        self.theirs = self.theirs and self.old is not None
        self.weights = (action.split.canary.weight, action.split.stable.weight)
        if not action.recorded:
            self.log.append(f"split {action.split.canary} {action.split.stable} {action.split.additional}")

    # ── the laws ──

    @property
    def names(self) -> tuple[str, str]:
        """The Services of canary and stable now."""
        if not self.case.turns:
            return "canary", "stable"
        first = self.status.get("canary", {}).get("stablePingPong") == "ping"
        return ("pong", "ping") if first else ("ping", "pong")

    def serving(self, place: Place) -> int | None:
        """Available pods at a place; None for one that nobody knows."""
        if place.service:
            if place.service in self.services:
                place = Place(hash=self.services[place.service].hash)
            elif place.service.removesuffix("-v") in self.experiments:
                return 1
            else:
                return None
        if place.hash == TRIED:
            return 1
        if not place.hash:
            return sum(rs.available for rs in self.sets.values())
        return next((rs.available for rs in self.sets.values() if rs.hash == place.hash), None)

    def _seen(self) -> list["Seen"]:
        return [
            Seen(
                way,
                {each: self.serving(each) for each in way.reached},
                {each: self._hash(each) for each in way.reached},
            )
            for way in self.case.read(self.objects)
        ]

    def _hash(self, place: Place) -> str:
        found = self.services.get(place.service)
        return found.hash if found else place.hash

    def _judge(self, before: list["Seen"], action: say.Action) -> None:
        """The laws, after one write. `theirs`: what stands is what somebody else wrote, not what we said."""
        now, size = self._seen(), self.size
        told = (action, [seen.way.shares for seen in now], self.log)
        for seen in now:
            shares = [weight for _, weight in seen.way.shares]
            assert sum(shares) == seen.way.whole, ("not all of the traffic", told)
            assert min(shares) >= 0, told
            assert size == 0 or None not in seen.pods.values(), ("traffic for nobody", seen.pods, told)
        former = {seen.way.name: seen for seen in before}
        for seen in now if size else ():
            was = former.get(seen.way.name)
            for place in seen.way.reached:
                if isinstance(action, say.SetWeight) and not action.split.held:
                    self._judge_growth(place, seen, was, told, restored=action.recorded)
                if was is not None and was.pods.get(place) and not self.theirs:
                    assert seen.pods[place], ("pods were taken away under traffic", place, told)
                    copied = not seen.way.reached[place]  # answers to copies are thrown away
                    if place.service and not copied and was.hashes[place] != seen.hashes[place]:
                        assert seen.hashes[place] == self.status.get("stableRS"), ("renamed under traffic", place, told)

    def _judge_said(self, split: say.Split) -> None:
        """What the status is about to record is what the objects say."""
        for way in self.case.read(self.objects):
            if way.special:
                continue
            said, wanted = Counter[Place](), Counter[Place]()
            for place, weight in way.shares:
                said[place] += weight
            for one in (split.canary, split.stable, *split.additional):
                by_name = Place(service=one.service)
                wanted[by_name if by_name in said else Place(hash=one.hash)] += one.weight
            for place in said | wanted:
                assert said[place] * split.max_weight == wanted[place] * way.whole, ("not as told", way, split)

    def _judge_growth(self, place: Place, seen: "Seen", was: "Seen | None", told: Any, *, restored: bool) -> None:
        """A share that somebody took and that is `restored` was covered when it was given."""
        weight, pods = seen.way.reached[place], seen.pods[place]
        if was is not None and weight <= was.way.reached.get(place, 0):
            return
        assert pods, ("traffic for no pods", place, told)
        if restored or seen.way.special or place.hash == TRIED or place.service not in ("", *self.names):
            return
        asked = max((rs.replicas for rs in self.sets.values() if rs.hash == seen.hashes[place]), default=1)
        assert pods >= min(weight * self.size // seen.way.whole, asked), ("poured before grown", place, told)


def _version(obj: Obj | None) -> str:
    return str(obj["metadata"]["resourceVersion"]) if obj else ""


@dataclass(frozen=True, slots=True)
class Seen:
    """A way, with the available pods at each place that it reaches (None: nobody knows it) and their hash."""

    way: Way
    pods: dict[Place, int | None]
    hashes: dict[Place, str]
