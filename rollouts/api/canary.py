"""Pure. `spec.strategy.canary`: a release in steps."""

from typing import Any

from pydantic import Field

from analysis.api import AnalysisTemplateRef, DryRun, MeasurementRetention
from analysis.part import IntOrStr, Part
from rollouts.api.experiment import RolloutExperimentStep
from rollouts.api.meta import PodTemplateMetadata
from rollouts.api.runs import AnalysisRunArgument, AnalysisRunMetadata
from rollouts.api.traffic import RolloutTrafficRouting


class RolloutPause(Part):
    """A pause of the release."""

    duration: IntOrStr | None = Field(
        None, description="How long, in seconds or as a duration like 1h30m; until promoted when absent."
    )


class SetCanaryScale(Part):
    """How many canary pods there are, apart from the weight."""

    weight: int | None = Field(None, description="Percentage of spec.replicas.")
    replicas: int | None = Field(None, description="Number of pods.")
    match_traffic_weight: bool = Field(False, description="Follow the weight again.")


class StringMatch(Part):
    """How a text is matched; exactly one of the three."""

    exact: str = Field("", description="The text itself.")
    prefix: str = Field("", description="How the text begins.")
    regex: str = Field("", description="Regular expression that the text matches.")


class HeaderRoutingMatch(Part):
    """One header to match."""

    header_name: str = Field(description="Name of the header.")
    header_value: StringMatch | None = Field(None, description="Value of the header.")


class SetHeaderRoute(Part):
    """A route to the canary for requests with certain headers."""

    name: str = Field("", description="Name of the route, listed in managedRoutes.")
    match: tuple[HeaderRoutingMatch, ...] = Field((), description="Headers to match; none removes the route.")


class RouteMatch(Part):
    """Requests to mirror; all given conditions must hold."""

    method: StringMatch | None = Field(None, description="HTTP method.")
    path: StringMatch | None = Field(None, description="Path of the URL.")
    headers: dict[str, StringMatch] = Field(default_factory=dict, description="Headers by name.")


class SetMirrorRoute(Part):
    """A route that sends copies of requests to the canary."""

    name: str = Field(description="Name of the route, listed in managedRoutes.")
    match: tuple[RouteMatch, ...] = Field((), description="Requests to mirror; none removes the route.")
    percentage: int | None = Field(None, description="Percentage of the matching requests; 100 when absent.")


class PluginStep(Part):
    """A step that a plugin does."""

    name: str = Field(description="Name of the plugin.")
    config: Any = Field(None, description="Configuration of the plugin.")


class RolloutAnalysis(Part):
    """An analysis that a step waits for."""

    templates: tuple[AnalysisTemplateRef, ...] = Field((), description="Templates to run.")
    args: tuple[AnalysisRunArgument, ...] = Field((), description="Arguments of the templates.")
    dry_run: tuple[DryRun, ...] = Field((), description="Metrics that decide nothing.")
    measurement_retention: tuple[MeasurementRetention, ...] = Field((), description="How much history is kept.")
    analysis_run_metadata: AnalysisRunMetadata = Field(
        AnalysisRunMetadata(), description="Labels and annotations of the AnalysisRun."
    )


class RolloutAnalysisBackground(RolloutAnalysis):
    """An analysis that runs beside the steps."""

    starting_step: int | None = Field(None, description="Index of the step at which it starts; 0 when absent.")


class CanaryStep(Part):
    """One step of a release. The order of the fields is the order of Go's JSON, which the step hash needs."""

    set_weight: int | None = Field(None, description="Weight of the canary.")
    pause: RolloutPause | None = Field(None, description="Wait.")
    experiment: RolloutExperimentStep | None = Field(None, description="Run an Experiment and wait for its end.")
    analysis: RolloutAnalysis | None = Field(None, description="Run an analysis and wait for its end.")
    set_canary_scale: SetCanaryScale | None = Field(None, description="Number of canary pods.")
    set_header_route: SetHeaderRoute | None = Field(
        None, description="Send requests with certain headers to the canary."
    )
    set_mirror_route: SetMirrorRoute | None = Field(None, description="Mirror requests to the canary.")
    plugin: PluginStep | None = Field(None, description="Run a step plugin.")


class PreferredDuringSchedulingIgnoredDuringExecution(Part):
    """Rather not on nodes of the other version."""

    weight: int = Field(0, description="How much it counts, 1 to 100.")


class RequiredDuringSchedulingIgnoredDuringExecution(Part):
    """Never on nodes of the other version."""


class AntiAffinity(Part):
    """Keep new pods away from nodes of stable pods; exactly one of the two."""

    preferred_during_scheduling_ignored_during_execution: PreferredDuringSchedulingIgnoredDuringExecution | None = (
        Field(None, description="Rather not on the same nodes.")
    )
    required_during_scheduling_ignored_during_execution: RequiredDuringSchedulingIgnoredDuringExecution | None = Field(
        None, description="Never on the same nodes."
    )


class PingPongSpec(Part):
    """Two Services that take turns at being stable."""

    ping_service: str = Field("", description="The first Service.")
    pong_service: str = Field("", description="The second Service.")


class ReplicaProgressThreshold(Part):
    """When enough canary pods are available for a step to be done."""

    type: str = Field("", description="Percent or Pods.")
    value: int = Field(0, description="How many.")


class CanaryStrategy(Part):
    """A release in steps, beside the stable version."""

    canary_service: str = Field("", description="Service that selects canary pods.")
    stable_service: str = Field("", description="Service that selects stable pods.")
    steps: tuple[CanaryStep, ...] = Field((), description="Steps of a release, in order.")
    traffic_routing: RolloutTrafficRouting | None = Field(
        None, description="Whose routing objects carry the weights; by numbers of pods when absent."
    )
    max_unavailable: IntOrStr | None = Field(
        None, description="Pods that may be missing, a number or a percentage; 25% when absent."
    )
    max_surge: IntOrStr | None = Field(
        None, description="Pods that may be too many, a number or a percentage; 25% when absent."
    )
    analysis: RolloutAnalysisBackground | None = Field(
        None, description="Analysis beside the steps; its failure aborts the release."
    )
    anti_affinity: AntiAffinity | None = Field(None, description="Keep new pods away from nodes of stable pods.")
    canary_metadata: PodTemplateMetadata | None = Field(
        None, description="Labels and annotations of pods while they are canary."
    )
    stable_metadata: PodTemplateMetadata | None = Field(
        None, description="Labels and annotations of pods while they are stable."
    )
    scale_down_delay_seconds: int | None = Field(
        None, description="Seconds before the old version is scaled down; 30 when absent. Needs trafficRouting."
    )
    scale_down_delay_revision_limit: int | None = Field(
        None, description="How many old versions may wait for their scale-down; unlimited when absent."
    )
    abort_scale_down_delay_seconds: int | None = Field(
        None,
        description="Seconds before an aborted canary is scaled down; 30 when absent, 0 is never.",
    )
    dynamic_stable_scale: bool = Field(
        False, description="Scale the stable version down as the canary grows. Needs trafficRouting."
    )
    ping_pong: PingPongSpec | None = Field(None, description="Two Services that take turns at being stable.")
    min_pods_per_replica_set: int | None = Field(
        None, description="Fewest pods of a version that has any. Needs trafficRouting."
    )
    replica_progress_threshold: ReplicaProgressThreshold | None = Field(
        None, description="When enough canary pods are available for a step to be done; all of them when absent."
    )
