"""Pure. What a decision about one Experiment may read, at one moment. Frozen."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from analysis.api import AnalysisTemplate
from rollouts.api.experiment import Experiment, ExperimentStatus
from rollouts.decide.world import ReplicaSet

TemplateKey = tuple[bool, str]
"""Whether an AnalysisTemplate is cluster-wide, and its name."""


class Owner(Enum):
    """Who controls an object whose name this Experiment wants."""

    OURS = "this Experiment"
    EXPERIMENT = "another Experiment"
    FOREIGN = "somebody else"


@dataclass(frozen=True, slots=True)
class Service:
    """One Service whose name a template of the Experiment wants, or that the Experiment controls.

    `template`: the version that it was made for, "" when that is not known.
    """

    name: str
    owner: Owner = Owner.OURS
    template: str = ""
    deleting: bool = False


@dataclass(frozen=True, slots=True)
class Run:
    """One AnalysisRun that the Experiment controls, or whose name it might want.

    `analysis` and `available_at` say which analysis of which life of the Experiment it was started for.
    """

    name: str
    owned: bool = True
    analysis: str = ""
    available_at: str = ""
    phase: str = ""
    message: str = ""
    terminate: bool = False

    @property
    def finished(self) -> bool:
        return self.phase in ("Successful", "Failed", "Error", "Inconclusive")


@dataclass(frozen=True, slots=True)
class World:
    """Everything that a decision about one Experiment rests on.

    * replica_sets: those that the Experiment controls.
    * services: every Service that its templates want or that it controls, by name; none where there is none.
    * runs: AnalysisRuns that it controls, or whose name it might want.
    * templates: AnalysisTemplates that it names, and those that they name; None where there is none.
    * template_faults: why nothing can be measured by one of them.
    * routed: Services that the recorded split of the owning Rollout still sends traffic to.
    * refused_templates, refused_analyses: what the API server refused in this pass, by name within the Experiment.
    * fault: what is wrong with the manifest.
    """

    experiment: Experiment
    replica_sets: tuple[ReplicaSet, ...] = ()
    services: Mapping[str, Service] = field(default_factory=dict)
    runs: tuple[Run, ...] = ()
    templates: Mapping[TemplateKey, AnalysisTemplate | None] = field(default_factory=dict)
    template_faults: Mapping[TemplateKey, str] = field(default_factory=dict)
    routed: frozenset[str] = frozenset()
    refused_templates: Mapping[str, str] = field(default_factory=dict)
    refused_analyses: Mapping[str, str] = field(default_factory=dict)
    instance_id: str = ""
    fault: str = ""

    def with_status(self, status: ExperimentStatus) -> "World":
        """The same world, once `status` is stored."""
        return replace(self, experiment=self.experiment.model_copy(update={"status": status}))
