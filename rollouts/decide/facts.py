"""Pure. What a story finds out on its way besides actions and waits; the status is made of it."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from rollouts.api.status import RolloutAnalysisRunStatus
from rollouts.decide.plan import Action, Wait
from rollouts.decide.questions import Ask

Slot: TypeAlias = Literal["Step", "Background", "PrePromotion", "PostPromotion"]
"""Which current run a status entry is about; also the value of the run's label `rollout-type`."""


@dataclass(frozen=True, slots=True)
class Pausing:
    """The rollout pauses, for one of the reasons of status.pauseConditions."""

    reason: str


@dataclass(frozen=True, slots=True)
class Aborting:
    """The update is to be taken back, and why."""

    cause: str


@dataclass(frozen=True, slots=True)
class CurrentRun:
    """The AnalysisRun that now fills a slot of the status; None empties it."""

    slot: Slot
    entry: RolloutAnalysisRunStatus | None


@dataclass(frozen=True, slots=True)
class CurrentExperiment:
    """The Experiment that the current step waits for; "" for none."""

    name: str


Fact: TypeAlias = Pausing | Aborting | CurrentRun | CurrentExperiment | Ask
Said: TypeAlias = Action | Wait | Fact
