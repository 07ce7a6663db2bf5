"""A toy whose controller hears late of what others did: of pods, of people, of verdicts.

What the controller wrote it knows, for every answer enters its caches. So it hears of its own scaling before the
ReplicaSet's controller has acted on it: counts of pods are then those from before, while the pods may be gone already.
"""

import copy
from dataclasses import replace
from typing import Any

from rollouts.controller import WRITTEN_BY_PEOPLE
from rollouts.decide import plan as say
from rollouts.decide.world import ReplicaSet, World
from rollouts.kube.patch import apply_merge, merge_patch
from tests.decide.toy import Obj, Overtaken, Toy

PARTS = ("manifest", "sets", "services", "runs")


class Lagging(Toy):
    """`deaf`: nothing is heard of by itself, only by `hear`. Lost pods are, for no law promises anything of them."""

    def __init__(self, *args: Any, **rest: Any) -> None:
        super().__init__(*args, **rest)
        self.deaf = False
        self._heard: dict[str, Any] = {}

    def listen_no_more(self) -> None:
        """From now on only what `hear` names is heard."""
        self.deaf = True
        self.hear(*PARTS)

    def hear(self, *parts: str) -> None:
        """All of these kinds of objects are seen as they are."""
        for part in parts:
            self._heard[part] = copy.deepcopy(getattr(self, part))

    def world(self) -> World:
        if not self.deaf:
            return super().world()
        real = {part: getattr(self, part) for part in PARTS}
        try:
            vars(self).update(self._heard)
            return super().world()
        finally:
            vars(self).update(real)

    def ready(self, image: str | None = None, count: int | None = None) -> None:
        before = {name: rs.available for name, rs in self.sets.items()}
        super().ready(image, count)
        if self.deaf:
            lost = {name: rs for name, rs in self.sets.items() if rs.available < before[name]}
            self._heard["sets"].update(lost)

    # ── what the controller writes ──

    def _do(self, action: say.Action) -> None:
        if not self.deaf:
            super()._do(action)
            return
        match action:
            case say.UpdateRollout() if self._heard["manifest"] != self.manifest:
                self._overtaken("manifest")
            case say.StartRun(name=name) if name in self.runs:
                self._overtaken("runs")
        super()._do(action)
        match action:
            case say.CreateReplicaSet(name=name):
                self._heard["sets"][name] = self.sets[name]
            case say.UpdateReplicaSet(name=name):
                self._heard["sets"][name] = _answered(self._heard["sets"][name], self.sets[name])
            case say.DeleteReplicaSet(name=name):
                del self._heard["sets"][name]
            case say.UpdateRollout():
                self.hear("manifest")
            case say.PointService(service=name):
                self._heard["services"][name] = self.services[name]
            case say.StartRun(name=name) | say.StopRun(name=name):
                self._heard["runs"][name] = self.runs[name]
            case say.DeleteRun(name=name):
                self._heard["runs"].pop(name, None)

    def _overtaken(self, part: str) -> None:
        self.hear(part)
        raise Overtaken

    def known_available(self, name: str) -> int:
        """How many available pods of a ReplicaSet have been heard of."""
        known: dict[str, ReplicaSet] = self._heard["sets"] if self.deaf else self.sets
        return known[name].available if name in known else 0

    @property
    def known_manifest(self) -> Obj:
        found: Obj = self._heard["manifest"] if self.deaf else self.manifest
        return found

    @property
    def known_status(self) -> Obj:
        found: Obj = self.known_manifest.get("status", {})
        return found

    def _store(self, status: Obj) -> None:
        if not self.deaf:
            super()._store(status)
            return
        patch = merge_patch(self.known_status, status)
        if not (WRITTEN_BY_PEOPLE & patch.keys() and self._heard["manifest"] != self.manifest):
            super()._store(apply_merge(self.status, patch))
        self.hear("manifest")


def _answered(heard: ReplicaSet, written: ReplicaSet) -> ReplicaSet:
    """What the API server answers to a write: the new spec, and the counts that were last told."""
    seen = heard.observed and heard.replicas == written.replicas
    return replace(written, current=heard.current, ready=heard.ready, available=heard.available, observed=seen)
