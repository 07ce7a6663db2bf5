"""Pure. What a decision about an Experiment may say: actions in their order, waits, events, and the status."""

from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from analysis.schema import Obj
from rollouts.api.experiment import ExperimentStatus
from rollouts.decide.plan import Event, StopRun, UpdateReplicaSet, Wait


@dataclass(frozen=True, slots=True)
class CreateReplicaSet:
    """Create the ReplicaSet of a template, or take over one of that name that is ours or nobody's, with equal pods."""

    template: str
    name: str
    manifest: Obj  # without namespace and owner, which whoever applies it adds


@dataclass(frozen=True, slots=True)
class CreateService:
    """Create the Service of a template."""

    template: str
    name: str
    manifest: Obj


@dataclass(frozen=True, slots=True)
class DeleteService:
    name: str


@dataclass(frozen=True, slots=True)
class StartRun:
    """Create the AnalysisRun of an analysis."""

    analysis: str
    name: str
    manifest: Obj


Action: TypeAlias = CreateReplicaSet | UpdateReplicaSet | CreateService | DeleteService | StartRun | StopRun


@dataclass(frozen=True, slots=True)
class Plan:
    """A decision: actions and waits in their order, and the status that stands once every action succeeded."""

    steps: tuple[Action | Wait, ...]
    status: ExperimentStatus
    events: tuple[Event, ...] = ()

    @property
    def actions(self) -> tuple[Action, ...]:
        return tuple(step for step in self.steps if not isinstance(step, Wait))

    @property
    def waits(self) -> tuple[Wait, ...]:
        return tuple(step for step in self.steps if isinstance(step, Wait))

    @property
    def wake_at(self) -> datetime | None:
        """The next moment at which time alone changes this decision."""
        return min((wait.until for wait in self.waits if wait.until), default=None)
