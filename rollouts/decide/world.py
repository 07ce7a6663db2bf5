"""Pure. What a decision may read: one Rollout and what stands around it, at one moment. Frozen."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import NewType

from analysis.api import AnalysisTemplate
from analysis.schema import Obj
from rollouts.api.rollout import Rollout
from rollouts.api.status import RolloutStatus
from rollouts.decide.questions import Answer, Question

Hash = NewType("Hash", str)
"""A pod template hash, as in the label `rollouts-pod-template-hash`."""

NO_HASH = Hash("")


@dataclass(frozen=True, slots=True)
class ReplicaSet:
    """One ReplicaSet, reduced to what a decision may look at. Counts are pods."""

    name: str
    hash: Hash
    created: datetime
    revision: int = 0
    replicas: int = 0  # spec.replicas: how many it was asked for
    current: int = 0  # status.replicas: how many exist
    ready: int = 0
    available: int = 0
    observed: bool = True  # its controller has seen its newest generation
    deleting: bool = False
    min_ready_seconds: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    template: Obj = field(default_factory=dict)
    failure: str = ""  # message of its ReplicaFailure condition
    failure_reason: str = ""

    @property
    def staying(self) -> int:
        """Available pods, without those that were asked to go: they are counted for a moment longer."""
        return min(self.available, self.replicas)

    @property
    def dependable(self) -> int:
        """Available pods that more may be asked of: none until its controller has seen the newest size, for its counts
        may still be those of pods that an earlier size took away."""
        return self.staying if self.observed else 0

    @property
    def of_experiment(self) -> bool:
        return "experiment.argoproj.io/name" in self.annotations


@dataclass(frozen=True, slots=True)
class Service:
    """One Service: the pods that it selects and who manages it."""

    name: str
    selector: Mapping[str, str]
    hash: Hash = NO_HASH
    managed_by: str | None = None


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod, seen only when its metadata has to follow the rollout, or when it may have to be restarted."""

    name: str
    replica_set: str
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    created: datetime | None = None
    deleting: bool = False
    ready: bool = True


@dataclass(frozen=True, slots=True)
class Run:
    """One AnalysisRun of this rollout's namespace. `owned`: this rollout controls it."""

    name: str
    created: datetime
    phase: str = ""
    message: str = ""
    owned: bool = True
    terminate: bool = False
    deleting: bool = False
    hash: Hash = NO_HASH
    type: str = ""  # the label rollout-type: Step, Background, PrePromotion or PostPromotion
    step: int | None = None
    spec: Obj = field(default_factory=dict)

    @property
    def finished(self) -> bool:
        return self.phase in ("Successful", "Failed", "Error", "Inconclusive")


@dataclass(frozen=True, slots=True)
class Version:
    """One template of an Experiment: whether all its pods are available, and how traffic gets to them."""

    name: str
    running: bool = False
    service: str = ""
    hash: Hash = NO_HASH


@dataclass(frozen=True, slots=True)
class Experiment:
    """One Experiment of this rollout's namespace. `owned`: this rollout controls it; `pods`: how many it has."""

    name: str
    created: datetime
    phase: str = ""
    message: str = ""
    owned: bool = True
    terminate: bool = False
    deleting: bool = False
    hash: Hash = NO_HASH
    spec: Obj = field(default_factory=dict)
    versions: tuple[Version, ...] = ()
    pods: int = 0

    @property
    def finished(self) -> bool:
        return self.phase in ("Successful", "Failed", "Error", "Inconclusive")


@dataclass(frozen=True, slots=True)
class Workload:
    """The object that spec.workloadRef names. Counts are pods, and mean something for a Deployment only."""

    name: str
    generation: int = 0
    version: str = ""  # its resourceVersion: what was decided rests on this very version
    replicas: int = 0  # spec.replicas: how many it was asked for
    current: int = 0  # status.replicas: how many there are, of whatever template
    available: int = 0
    shared: bool = False  # another Rollout takes over its pods too


@dataclass(frozen=True, slots=True)
class World:
    """Everything that a decision about one Rollout rests on.

    * replica_sets: those the Rollout controls; orphans: those nobody controls that its selector matches.
    * services: every Service that the spec names; None where it is absent.
    * templates: every AnalysisTemplate that it names, by (cluster-wide?, name); None where it is absent.
      template_faults says of one why nothing can be measured by it.
    * runs, experiments: AnalysisRuns and Experiments that this Rollout controls, or whose name it might want.
    * pods: only where canaryMetadata or stableMetadata must reach them, or spec.restartAt asks for new ones.
    * routing: the routing objects that the spec names, in words.
    * routing_error: what the routers say about the routing objects that the spec names.
    * spec_fault: what is wrong with the manifest alone, where that is known already ("": nothing; None: look).
    * left_out: quantities of the pod template that cannot be read, and that its pods therefore run without.
    * answers: what was found out of that which earlier decisions asked; ask_interval: how long an answer holds.
    * verifies_targets: load balancers of AWS can be asked.
    * workload: the object that spec.workloadRef names; the Rollout then has its template and selector.
    """

    rollout: Rollout
    template_hash: Hash = NO_HASH
    step_hash: str = ""
    replica_sets: tuple[ReplicaSet, ...] = ()
    orphans: tuple[ReplicaSet, ...] = ()
    services: Mapping[str, Service | None] = field(default_factory=dict)
    templates: Mapping[tuple[bool, str], AnalysisTemplate | None] = field(default_factory=dict)
    template_faults: Mapping[tuple[bool, str], str] = field(default_factory=dict)
    runs: tuple[Run, ...] = ()
    experiments: tuple[Experiment, ...] = ()
    pods: tuple[Pod, ...] = ()
    routing: tuple[str, ...] = ()
    routing_error: str = ""
    spec_fault: str | None = None
    left_out: tuple[str, ...] = ()
    instance_id: str = ""
    workload: Workload | None = None
    answers: Mapping[Question, Answer] = field(default_factory=dict)
    ask_interval: timedelta = timedelta(seconds=10)
    verifies_targets: bool = False

    def with_status(self, status: RolloutStatus) -> "World":
        """The same world, once `status` is stored."""
        return replace(self, rollout=self.rollout.model_copy(update={"status": status}))
