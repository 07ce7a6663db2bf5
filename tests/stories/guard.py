"""What must hold at every moment of an update, checked after every single write to the cluster.

On a real cluster the rule that links traffic to pods is left out: what its watches tell of two kinds has no order.
"""

from rollouts.sandbox.dialects.istio import VIRTUAL_SERVICE
from tests.stories.stage import Stage


class Guard:
    """Watches a stage from now on. `broken` tells each time a rule did not hold (at most `_ENOUGH` of them).

    * A destination of a VirtualService with a weight has ready pods for its share of `replicas`, rounded down, and at
      least one.
    * At least `available` pods of the Rollout are ready, whatever their version.
    * At most `most` pods are asked for (None: no limit).
    """

    _ENOUGH = 5

    def __init__(self, stage: Stage, replicas: int, available: int, most: int | None = None) -> None:
        self.stage, self.replicas, self.available, self.most = stage, replicas, available, most
        self.broken: list[str] = []
        self.checks = 0
        stage.whenever(self.check)

    def check(self) -> None:
        self.checks += 1
        if len(self.broken) < self._ENOUGH:
            self.broken += [*self._traffic(), *self._pods()]

    def _traffic(self) -> list[str]:
        found: list[str] = []
        if not self.stage.in_order:  # pods and weights are heard of by different watches
            return found
        for virtual_service in self.stage.all(VIRTUAL_SERVICE):
            name = virtual_service["metadata"]["name"]
            for host, weight in self.stage.weights(name).items():
                ready = len(self.stage.behind(host))
                if weight and ready < max(1, weight * self.replicas // 100):
                    found.append(f"{self._now}: {weight} % of traffic for {ready} pods behind {host}")
        return found

    def _pods(self) -> list[str]:
        ready, asked = len(self.stage.ready(app="r")), sum(self.stage.sizes().values())
        found = []
        if ready < self.available:
            found.append(f"{self._now}: only {ready} of {self.available} pods are ready")
        if self.most is not None and asked > self.most:
            found.append(f"{self._now}: {asked} pods are asked for, {self.most} are allowed")
        return found

    @property
    def _now(self) -> str:
        status = self.stage.status()
        weights = [self.stage.weights(each["metadata"]["name"]) for each in self.stage.all(VIRTUAL_SERVICE)]
        return f"step {status.get('currentStepIndex')}, sizes {self.stage.sizes()}, weights {weights}"
