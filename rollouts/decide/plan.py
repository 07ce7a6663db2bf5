"""Pure. What a decision may say: actions in their order, what it waits for, events, and the status it leads to."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal, TypeAlias

from analysis.schema import Obj
from rollouts.api.canary import HeaderRoutingMatch, RouteMatch
from rollouts.api.status import RolloutStatus
from rollouts.decide.questions import Ask
from rollouts.decide.world import Hash

# ── actions: each compares before it writes, so that doing it twice is doing it once ──


@dataclass(frozen=True, slots=True)
class CreateReplicaSet:
    """Create this ReplicaSet, or adopt one of that name that is ours and has the same template."""

    name: str
    hash: Hash
    revision: int
    replicas: int
    manifest: Obj  # without namespace and owner, which `apply` adds


@dataclass(frozen=True, slots=True)
class Adopt:
    """Take control of an orphaned ReplicaSet that the selector matches."""

    name: str


@dataclass(frozen=True, slots=True)
class UpdateReplicaSet:
    """Change a ReplicaSet in one patch: its size, annotations (None removes a key), metadata and `podAntiAffinity` of
    its pod template.

    `desired` is the size it had in the world that the decision saw; a patch is conditional on nothing else.
    """

    name: str
    replicas: int | None = None
    annotations: Mapping[str, str | None] = field(default_factory=dict)
    min_ready_seconds: int | None = None
    template_labels: Mapping[str, str | None] = field(default_factory=dict)
    template_annotations: Mapping[str, str | None] = field(default_factory=dict)
    template_anti_affinity: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LabelPods:
    """Change labels and annotations (None removes a key) of running pods."""

    pods: tuple[str, ...]
    labels: Mapping[str, str | None] = field(default_factory=dict)
    annotations: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Evict:
    """Ask for the eviction of pods. One that a PodDisruptionBudget forbids for now is left for a later pass."""

    pods: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DeleteReplicaSet:
    name: str


@dataclass(frozen=True, slots=True)
class UpdateRollout:
    """Write to the Rollout itself: annotations (None removes one), where absent the default of spec.replicas, and the
    pod template without what cannot be read of it (None: it stays as it is)."""

    annotations: Mapping[str, str | None]
    replicas: int | None = None
    template: Obj | None = None


@dataclass(frozen=True, slots=True)
class ScaleWorkload:
    """Change the size of the Deployment that spec.workloadRef names, if it still is at the version that was seen."""

    name: str
    before: int
    replicas: int
    version: str


@dataclass(frozen=True, slots=True)
class PointService:
    """Let a Service select the pods with this template hash, and mark it as managed by the rollout."""

    service: str
    hash: Hash


@dataclass(frozen=True, slots=True)
class Destination:
    """One place that traffic goes to, and its share in units of the maximum weight (100 unless set)."""

    service: str
    hash: Hash
    weight: int


@dataclass(frozen=True, slots=True)
class HeaderRoute:
    """Requests with any of these headers go to the canary, whatever the weights are."""

    name: str
    match: tuple[HeaderRoutingMatch, ...]


@dataclass(frozen=True, slots=True)
class MirrorRoute:
    """A percentage of the requests that match is sent to the canary too; its answers are thrown away."""

    name: str
    match: tuple[RouteMatch, ...]
    percentage: int


@dataclass(frozen=True, slots=True)
class Split:
    """How traffic is to be shared: everything a router must say, identity and share together.

    `routes` are the header and mirror routes that stand; every other route named in `managed` is to be gone. `turns`
    are the canary and the stable Service for routers that share by Services which take turns, where there are any.
    Where the shares are `held` they stay as they are found, whatever is said of them here: only routes are set.
    """

    canary: Destination
    stable: Destination
    additional: tuple[Destination, ...] = ()
    max_weight: int = 100
    routes: tuple[HeaderRoute | MirrorRoute, ...] = ()
    managed: tuple[str, ...] = ()
    turns: tuple[str, str] | None = None
    held: bool = False

    def by_turns(self) -> "Split":
        """The same shares between the Services that take turns, where there are any."""
        if self.turns is None:
            return self
        canary, stable = self.turns
        return replace(self, canary=replace(self.canary, service=canary), stable=replace(self.stable, service=stable))


@dataclass(frozen=True, slots=True)
class SetWeight:
    """Make every router say this split. Writes nothing where the routing objects say it already."""

    split: Split
    recorded: bool = False  # the status already holds this split: expected to be no change


@dataclass(frozen=True, slots=True)
class StartRun:
    """Create an AnalysisRun."""

    name: str
    manifest: Obj  # without namespace and owner, which `apply` adds


@dataclass(frozen=True, slots=True)
class StopRun:
    """Ask an AnalysisRun to terminate."""

    name: str


@dataclass(frozen=True, slots=True)
class DeleteRun:
    name: str


@dataclass(frozen=True, slots=True)
class StartExperiment:
    """Create an Experiment."""

    name: str
    manifest: Obj  # without namespace and owner, which `apply` adds


@dataclass(frozen=True, slots=True)
class StopExperiment:
    """Ask an Experiment to end."""

    name: str


@dataclass(frozen=True, slots=True)
class DeleteExperiment:
    name: str


Action: TypeAlias = (
    CreateReplicaSet
    | Adopt
    | UpdateReplicaSet
    | LabelPods
    | Evict
    | DeleteReplicaSet
    | UpdateRollout
    | ScaleWorkload
    | PointService
    | SetWeight
    | StartRun
    | StopRun
    | DeleteRun
    | StartExperiment
    | StopExperiment
    | DeleteExperiment
)

# ── and what is not an action ──


@dataclass(frozen=True, slots=True)
class Wait:
    """Why nothing more can happen yet, and when time alone would let it (None: an event ends it)."""

    because: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """A Kubernetes Event about the Rollout, to be posted once the status is stored."""

    reason: str
    message: str
    type: Literal["Normal", "Warning"] = "Normal"


@dataclass(frozen=True, slots=True)
class Plan:
    """A decision. `steps` are actions and waits in the order of the story; `status` is what stands once every
    action succeeded; `invalid` names what makes the spec unusable ("" when it is sound); `asks` is what a later
    decision would like to know; `settled`: there are no changes, and with this status stored there still are none."""

    steps: tuple[Action | Wait, ...]
    status: RolloutStatus
    events: tuple[Event, ...] = ()
    invalid: str = ""
    asks: tuple[Ask, ...] = ()
    settled: bool = False

    @property
    def actions(self) -> tuple[Action, ...]:
        return tuple(step for step in self.steps if not isinstance(step, Wait))

    @property
    def waits(self) -> tuple[Wait, ...]:
        return tuple(step for step in self.steps if isinstance(step, Wait))

    @property
    def changes(self) -> tuple[Action, ...]:
        """The actions that are expected to write something."""
        return tuple(action for action in self.actions if not (isinstance(action, SetWeight) and action.recorded))

    @property
    def wake_at(self) -> datetime | None:
        """The next moment at which time alone changes this decision."""
        return min((wait.until for wait in self.waits if wait.until), default=None)
