"""Pure. Rollout: the release of an application, as its manifest says it."""

from pydantic import Field

from analysis.part import Part
from analysis.schema import Obj, Time
from rollouts.api.bluegreen import BlueGreenStrategy
from rollouts.api.canary import CanaryStrategy
from rollouts.api.meta import LabelSelector, ObjectMeta
from rollouts.api.status import RolloutStatus


class ObjectRef(Part):
    """A workload whose pod template is used."""

    api_version: str = Field("", description="API version of the workload.")
    kind: str = Field("", description="Deployment, ReplicaSet or PodTemplate.")
    name: str = Field("", description="Name of the workload.")
    scale_down: str = Field(
        "", description="When a referenced Deployment is scaled down: never, onsuccess or progressively."
    )


class RolloutStrategy(Part):
    """How a new version replaces the old one; exactly one of the two."""

    blue_green: BlueGreenStrategy | None = Field(None, description="Behind a preview, then all at once.")
    canary: CanaryStrategy | None = Field(None, description="In steps.")


class RollbackWindowSpec(Part):
    """How far back a rollback skips the steps."""

    revisions: int = Field(0, description="Number of revisions.")


class AnalysisRunStrategy(Part):
    """How many old AnalysisRuns and Experiments are kept."""

    successful_run_history_limit: int | None = Field(None, description="Successful ones; 5 when absent.")
    unsuccessful_run_history_limit: int | None = Field(None, description="Others; 5 when absent.")


class RolloutSpec(Part):
    """What to run, and how a new version replaces the old one."""

    replicas: int | None = Field(None, description="Number of pods; 1 when absent.")
    selector: LabelSelector | None = Field(None, description="Selector of the pods; cannot be changed.")
    template: Obj = Field(default_factory=dict, description="Template of the pods.")
    workload_ref: ObjectRef | None = Field(
        None, description="A workload whose pod template is used instead of template."
    )
    min_ready_seconds: int = Field(0, description="Seconds that a pod must be ready to be available.")
    strategy: RolloutStrategy = Field(RolloutStrategy(), description="How a new version replaces the old one.")
    revision_history_limit: int | None = Field(None, description="Number of old ReplicaSets to keep; 10 when absent.")
    paused: bool = Field(False, description="Stop where the release stands.")
    progress_deadline_seconds: int | None = Field(
        None, description="Seconds without progress before the release counts as failed; 600 when absent."
    )
    progress_deadline_abort: bool = Field(False, description="Abort a release without progress.")
    restart_at: Time | None = Field(None, description="Restart pods that are older than this.")
    analysis: AnalysisRunStrategy | None = Field(
        None, description="How many old AnalysisRuns and Experiments are kept."
    )
    rollback_window: RollbackWindowSpec | None = Field(None, description="How far back a rollback skips the steps.")


class Rollout(Part):
    """The release of an application."""

    api_version: str = "argoproj.io/v1alpha1"
    kind: str = "Rollout"
    metadata: ObjectMeta = ObjectMeta()
    spec: RolloutSpec = Field(description="What to run, and how a new version replaces the old one.")
    status: RolloutStatus = Field(RolloutStatus(), description="Where the release stands.")

    @property
    def name(self) -> str:
        """The Rollout's name."""
        return self.metadata.name

    @property
    def namespace(self) -> str:
        """The Rollout's namespace."""
        return self.metadata.namespace
