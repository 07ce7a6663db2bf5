"""Who answers which question."""

from typing import assert_never

from analysis.schema import Obj
from rollouts.decide.questions import Answer, CheckTargets, CheckWeights, CountRequests, Question
from rollouts.prober.balancers import BalancerChecks
from rollouts.prober.prober import Finding
from rollouts.prober.requests import RequestCounter


class Answering:
    """A `rollouts.prober.prober.Asker`."""

    def __init__(self, counter: RequestCounter, checks: BalancerChecks) -> None:
        self._counter, self._checks = counter, checks

    async def __call__(self, rollout: Obj, question: Question) -> Finding[Answer]:
        match question:
            case CountRequests():
                return await self._counter.count(rollout, question)
            case CheckWeights():
                return await self._checks.weights(rollout, question)
            case CheckTargets():
                return await self._checks.targets(rollout, question)
            case _:
                assert_never(question)
