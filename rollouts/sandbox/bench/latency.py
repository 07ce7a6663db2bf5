"""Pure. How long steps take beyond what they wait by their own wish, from when their index was seen to move."""

from collections.abc import Sequence
from math import ceil

from rollouts.kube.refs import Obj
from rollouts.sandbox.bench.fleet import healthy, is_seen


class Latencies:
    """Follows updates. `waits`: seconds that each step waits by its own wish. All moments are seconds of one clock."""

    def __init__(self, waits: Sequence[float]) -> None:
        self.found: list[float] = []
        """Seconds for each move that was seen: of the index, and at last from the end of the steps to Healthy."""
        self._waits = waits
        self._at: dict[str, tuple[int, float]] = {}

    def begin(self, name: str, at: float) -> None:
        """This Rollout is being updated."""
        self._at[name] = (0, at)

    def see(self, rollout: Obj, at: float) -> None:
        """A Rollout as it is now. Steps that end in one write of the status count as one move."""
        name = rollout["metadata"]["name"]
        if name not in self._at or not is_seen(rollout):
            return
        index, since = self._at[name]
        now = int(rollout["status"].get("currentStepIndex") or 0)
        if now > index:
            self.found.append(max(0.0, at - since - sum(self._waits[index:now])))
            self._at[name] = (now, at)
        if healthy(rollout):
            index, since = self._at.pop(name)
            if at > since:
                self.found.append(at - since)


def percentile(values: Sequence[float], percent: float) -> float:
    """The value below which so many percent of them lie (nearest rank); 0 of none."""
    ordered = sorted(values)
    return ordered[max(0, ceil(len(ordered) * percent / 100) - 1)] if ordered else 0.0
