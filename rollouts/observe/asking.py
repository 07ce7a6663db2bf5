"""Who finds out what decisions ask of the world outside of the cluster: all that observing has to know of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

from analysis.schema import Obj
from rollouts.decide.questions import Answer, Ask, Question
from rollouts.kube.cache import Key


class Probe(Protocol):
    """Finds out what decisions ask of the world outside of the cluster (`rollouts.prober.prober.Prober`)."""

    def answers(self, key: Key) -> Mapping[Question, Answer]: ...

    def follow(self, key: Key, rollout: Obj, asks: Iterable[Ask]) -> None: ...

    def forget(self, key: Key) -> None: ...


class _Nobody:
    """A probe that finds out nothing."""

    def answers(self, key: Key) -> Mapping[Question, Answer]:
        return {}

    def follow(self, key: Key, rollout: Obj, asks: Iterable[Ask]) -> None: ...

    def forget(self, key: Key) -> None: ...


@dataclass(frozen=True, slots=True)
class Asking:
    """Who finds out what decisions ask, how long an answer holds, and whether load balancers of AWS can be asked."""

    probe: Probe = field(default_factory=_Nobody)
    interval: timedelta = timedelta(seconds=10)
    balancers: bool = False
