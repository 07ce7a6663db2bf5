"""Pure. `status` of a Rollout: where its release stands."""

from typing import Any

from pydantic import Field

from analysis.part import Part
from analysis.schema import Obj, Time


class Condition(Part):
    """One fact about an object, and since when it holds."""

    type: str = Field(description="What the fact is about.")
    status: str = Field(description="True, False or Unknown.")
    reason: str = Field(description="Why, in one word.")
    message: str = Field(description="Why, in a sentence.")
    last_update_time: Time | None = Field(None, description="When it was last written.")
    last_transition_time: Time | None = Field(None, description="When the status last changed.")


class RolloutCondition(Condition):
    """One fact about a Rollout, and since when it holds."""


class PauseCondition(Part):
    """One reason why the release is paused."""

    reason: str = Field(
        description="CanaryPauseStep, BlueGreenPause, InconclusiveAnalysisRun or InconclusiveExperiment."
    )
    start_time: Time = Field(description="Since when.")


class WeightDestination(Part):
    """A share of the traffic and who gets it."""

    weight: int = Field(description="The share.")
    service_name: str = Field("", description="Service that gets it.")
    pod_template_hash: str = Field("", description="Version that gets it.")


class TrafficWeights(Part):
    """The shares of the traffic."""

    canary: WeightDestination = Field(description="Share of the canary.")
    stable: WeightDestination = Field(description="Share of the stable version.")
    additional: tuple[WeightDestination, ...] = Field((), description="Shares of experiments.")
    verified: bool | None = Field(
        None, description="Whether the load balancer has taken them over; absent when it cannot be asked."
    )


class RolloutAnalysisRunStatus(Part):
    """An AnalysisRun and its verdict."""

    name: str = Field(description="Name of the AnalysisRun.")
    status: str = Field(description="Verdict of the AnalysisRun.")
    message: str = Field("", description="Why it is so.")


class StepPluginStatus(Part):
    """What a step plugin has done."""

    index: int = Field(description="Index of the step.")
    name: str = Field(description="Name of the plugin.")
    message: str = Field("", description="What the plugin says.")
    phase: str = Field("", description="Running, Successful, Failed or Error.")
    started_at: Time | None = Field(None, description="When it began.")
    updated_at: Time | None = Field(None, description="When it was last asked.")
    finished_at: Time | None = Field(None, description="When it ended.")
    operation: str = Field(description="Run, Terminate or Abort.")
    backoff: str = Field("", description="Duration before it is asked again.")
    executions: int = Field(0, description="How often it was asked.")
    disabled: bool = Field(False, description="Whether it is switched off.")
    status: Any = Field(None, description="What the plugin wants to remember.")


class CanaryStatus(Part):
    """Where a canary release stands."""

    current_step_analysis_run_status: RolloutAnalysisRunStatus | None = Field(
        None, description="AnalysisRun of the current step."
    )
    current_background_analysis_run_status: RolloutAnalysisRunStatus | None = Field(
        None, description="AnalysisRun beside the steps."
    )
    current_experiment: str = Field("", description="Experiment of the current step.")
    weights: TrafficWeights | None = Field(None, description="Shares of the traffic.")
    stable_ping_pong: str = Field("", description="Which Service is stable: ping or pong.")
    step_plugin_statuses: tuple[StepPluginStatus, ...] = Field((), description="What step plugins have done.")


class BlueGreenStatus(Part):
    """Where a blue-green release stands."""

    preview_selector: str = Field("", description="Pod template hash that the preview Service selects.")
    active_selector: str = Field("", description="Pod template hash that the active Service selects.")
    scale_up_preview_check_point: bool = Field(
        False, description="Whether the new version has been scaled up for the switch."
    )
    pre_promotion_analysis_run_status: RolloutAnalysisRunStatus | None = Field(
        None, description="AnalysisRun before the switch."
    )
    post_promotion_analysis_run_status: RolloutAnalysisRunStatus | None = Field(
        None, description="AnalysisRun after the switch."
    )


class AwsResourceRef(Part):
    """An AWS resource."""

    name: str = Field("", description="Name of the resource.")
    arn: str = Field("", description="ARN of the resource.")
    full_name: str = Field("", description="Name of the resource as CloudWatch spells it.")


class ALBStatus(Part):
    """AWS resources of an Ingress."""

    load_balancer: AwsResourceRef = Field(AwsResourceRef(), description="The load balancer.")
    canary_target_group: AwsResourceRef = Field(AwsResourceRef(), description="Target group of canary pods.")
    stable_target_group: AwsResourceRef = Field(AwsResourceRef(), description="Target group of stable pods.")
    ingress: str = Field("", description="Name of the Ingress.")


class RolloutDuration(Part):
    """How long the release takes or took."""

    rollout_started_at: Time | None = Field(None, description="When it began.")
    manual_pause_started_at: Time | None = Field(None, description="When the current pause without an end began.")
    total_manual_pause_duration_seconds: int | None = Field(
        None, description="Seconds spent in pauses without an end; absent as long as none has ended."
    )
    finished_at: Time | None = Field(None, description="When it ended.")
    completion_status: str = Field(
        "", description="How it ended: Promoted, FastPromoted, Aborted; or is going to end: RolledBack, FastRolledBack."
    )


class RolloutStatus(Part):
    """Where a release stands."""

    abort: bool = Field(False, description="Somebody asks to abort the release.")
    pause_conditions: tuple[PauseCondition, ...] = Field(
        (), description="Why the release is paused; removing them resumes it."
    )
    controller_pause: bool = Field(False, description="The controller has paused the release.")
    aborted_at: Time | None = Field(None, description="When the release was aborted.")
    current_pod_hash: str = Field("", description="Pod template hash of the spec.")
    current_step_hash: str = Field("", description="Hash of the steps.")
    replicas: int = Field(0, description="Pods of all versions.")
    updated_replicas: int = Field(0, description="Pods of the new version.")
    ready_replicas: int = Field(0, description="Pods that are ready.")
    available_replicas: int = Field(0, description="Pods that are available.")
    current_step_index: int | None = Field(
        None, description="Index of the current step; the number of steps when all are done."
    )
    collision_count: int | None = Field(None, description="How often the name of a ReplicaSet was taken.")
    observed_generation: str = Field("", description="Generation of the spec that this status is about.")
    conditions: tuple[RolloutCondition, ...] = Field((), description="Facts about the Rollout, the latest last.")
    canary: CanaryStatus = Field(CanaryStatus(), description="Where a canary release stands.")
    blue_green: BlueGreenStatus = Field(BlueGreenStatus(), description="Where a blue-green release stands.")
    hpa_replicas: int = Field(0, alias="HPAReplicas", description="Pods that a HorizontalPodAutoscaler counts.")
    selector: str = Field("", description="Selector of the pods that a HorizontalPodAutoscaler measures.")
    stable_rs: str = Field("", alias="stableRS", description="Pod template hash of the stable version.")
    restarted_at: Time | None = Field(None, description="The spec.restartAt that has been done.")
    promote_full: bool = Field(False, description="Somebody asks to skip all steps.")
    phase: str = Field("", description="Healthy, Progressing, Paused or Degraded.")
    message: str = Field("", description="Why it is so.")
    workload_observed_generation: str = Field(
        "", description="Generation of the referenced workload that this status is about."
    )
    alb: ALBStatus | None = Field(None, description="AWS resources of the Ingress.")
    albs: tuple[ALBStatus, ...] = Field((), description="AWS resources of several Ingresses.")
    duration: RolloutDuration | None = Field(None, description="How long the release takes or took.")

    def condition(self, type: str) -> RolloutCondition | None:
        """The condition of this type, or None."""
        return next((condition for condition in self.conditions if condition.type == type), None)


def status_wire(status: RolloutStatus) -> Obj:
    """The status as Go writes it: without false, 0, "" and empty lists, but with `canary` and `blueGreen` always."""
    return status.wire()
