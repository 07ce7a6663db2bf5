"""Pure. Experiment: versions that run beside each other for a while, and the step that starts one."""

from pydantic import Field

from analysis.api import Argument, DryRun, MeasurementRetention
from analysis.part import Part
from analysis.schema import Obj, Time
from rollouts.api.meta import LabelSelector, ObjectMeta, PodTemplateMetadata
from rollouts.api.runs import AnalysisRunArgument, AnalysisRunMetadata
from rollouts.api.status import Condition


class TemplateService(Part):
    """A Service for the pods of a template."""

    name: str = Field("", description="Name of the Service; that of the ReplicaSet when empty.")


class RolloutExperimentStepAnalysisTemplateRef(Part):
    """An analysis of an experiment step."""

    name: str = Field(description="Name of the analysis within the experiment.")
    template_name: str = Field(description="Name of the template.")
    cluster_scope: bool = Field(False, description="Whether it is a ClusterAnalysisTemplate.")
    args: tuple[AnalysisRunArgument, ...] = Field((), description="Arguments of the template.")
    required_for_completion: bool = Field(False, description="Whether the experiment ends when this analysis does.")


class RolloutExperimentTemplate(Part):
    """A version that an experiment step runs."""

    name: str = Field(description="Name of the version within the experiment.")
    spec_ref: str = Field(description="Whose pods: stable or canary.")
    replicas: int | None = Field(None, description="Number of pods; 1 when absent.")
    metadata: PodTemplateMetadata = Field(
        PodTemplateMetadata(), description="Labels and annotations to add to the pods."
    )
    selector: LabelSelector | None = Field(None, description="Selector of the pods; the Rollout's when absent.")
    weight: int | None = Field(None, description="Share of the traffic. Needs trafficRouting.")
    service: TemplateService | None = Field(None, description="Create a Service for the pods.")


class RolloutExperimentStep(Part):
    """An Experiment that a step waits for."""

    templates: tuple[RolloutExperimentTemplate, ...] = Field(description="Versions to run.")
    duration: str = Field("", description="How long; until the analyses end when empty.")
    analyses: tuple[RolloutExperimentStepAnalysisTemplateRef, ...] = Field((), description="Analyses to run.")
    dry_run: tuple[DryRun, ...] = Field((), description="Metrics that decide nothing.")
    analysis_run_metadata: AnalysisRunMetadata = Field(
        AnalysisRunMetadata(), description="Labels and annotations of the AnalysisRuns."
    )
    scale_down_delay_seconds: int | None = Field(
        None, description="Seconds before the pods are removed; 30 when absent."
    )


class ExperimentAnalysisTemplateRef(Part):
    """An analysis of an experiment."""

    name: str = Field(description="Name of the analysis within the experiment.")
    template_name: str = Field(description="Name of the template.")
    cluster_scope: bool = Field(False, description="Whether it is a ClusterAnalysisTemplate.")
    args: tuple[Argument, ...] = Field((), description="Arguments of the template.")
    required_for_completion: bool = Field(False, description="Whether the experiment ends when this analysis does.")


class TemplateSpec(Part):
    """A version that an experiment runs."""

    name: str = Field(description="Name of the version within the experiment.")
    replicas: int | None = Field(None, description="Number of pods; 1 when absent.")
    min_ready_seconds: int = Field(0, description="Seconds that a pod must be ready to be available.")
    selector: LabelSelector | None = Field(None, description="Selector of the pods.")
    template: Obj = Field(default_factory=dict, description="Template of the pods.")
    service: TemplateService | None = Field(None, description="Create a Service for the pods.")


class ExperimentSpec(Part):
    """Versions to run, and for how long."""

    templates: tuple[TemplateSpec, ...] = Field(description="Versions to run.")
    duration: str = Field("", description="How long; until the analyses end when empty.")
    progress_deadline_seconds: int | None = Field(
        None, description="Seconds for the pods to become available; 600 when absent."
    )
    terminate: bool = Field(False, description="Ask the experiment to end.")
    analyses: tuple[ExperimentAnalysisTemplateRef, ...] = Field((), description="Analyses to run.")
    scale_down_delay_seconds: int | None = Field(
        None, description="Seconds before the pods are removed; 30 when absent."
    )
    dry_run: tuple[DryRun, ...] = Field((), description="Metrics that decide nothing.")
    measurement_retention: tuple[MeasurementRetention, ...] = Field((), description="How much history is kept.")
    analysis_run_metadata: AnalysisRunMetadata = Field(
        AnalysisRunMetadata(), description="Labels and annotations of the AnalysisRuns."
    )


class TemplateStatus(Part):
    """What has become of a version."""

    name: str = Field(description="Name of the version.")
    replicas: int = Field(description="Pods that there are.")
    updated_replicas: int = Field(description="Pods of the current template.")
    ready_replicas: int = Field(description="Pods that are ready.")
    available_replicas: int = Field(description="Pods that are available.")
    collision_count: int | None = Field(None, description="How often the name of the ReplicaSet was taken.")
    status: str = Field("", description="Progressing, Running, Successful, Failed or Error.")
    message: str = Field("", description="Why it is so.")
    last_transition_time: Time | None = Field(None, description="When the status last changed.")
    service_name: str = Field("", description="Name of the Service.")
    pod_template_hash: str = Field("", description="Pod template hash of the ReplicaSet.")


class ExperimentAnalysisRunStatus(Part):
    """What has become of an analysis."""

    name: str = Field(description="Name of the analysis.")
    analysis_run: str = Field(description="Name of the AnalysisRun.")
    phase: str = Field(description="Verdict of the AnalysisRun.")
    message: str = Field("", description="Why it is so.")


class ExperimentStatus(Part):
    """What an experiment has come to."""

    phase: str = Field("", description="Pending, Running, Successful, Failed, Error or Inconclusive.")
    message: str = Field("", description="Why it is so.")
    available_at: Time | None = Field(None, description="When all versions were available.")
    conditions: tuple[Condition, ...] = Field((), description="Conditions of the experiment.")
    template_statuses: tuple[TemplateStatus, ...] = Field((), description="What has become of the versions.")
    analysis_runs: tuple[ExperimentAnalysisRunStatus, ...] = Field((), description="What has become of the analyses.")


class Experiment(Part):
    """Versions that run beside each other for a while, watched by analyses."""

    api_version: str = "argoproj.io/v1alpha1"
    kind: str = "Experiment"
    metadata: ObjectMeta = ObjectMeta()
    spec: ExperimentSpec = Field(description="Versions to run, and for how long.")
    status: ExperimentStatus = Field(ExperimentStatus(), description="What the experiment has come to.")
