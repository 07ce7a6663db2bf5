"""Pure. `spec.strategy.blueGreen`: a release behind a preview, then all at once."""

from pydantic import Field

from analysis.part import IntOrStr, Part
from rollouts.api.canary import AntiAffinity, RolloutAnalysis
from rollouts.api.meta import PodTemplateMetadata


class BlueGreenStrategy(Part):
    """A release behind a preview Service, then all at once."""

    active_service: str = Field(description="Service that selects the version in use.")
    preview_service: str = Field("", description="Service that selects the new version.")
    preview_replica_count: int | None = Field(
        None, description="Pods of the new version before the switch; spec.replicas when absent."
    )
    auto_promotion_enabled: bool | None = Field(
        None, description="Whether to switch without being asked; true when absent."
    )
    auto_promotion_seconds: int = Field(0, description="Seconds before switching without being asked.")
    max_unavailable: IntOrStr | None = Field(
        None, description="Pods that a restart may make unavailable, a number or a percentage; 25% when absent."
    )
    scale_down_delay_seconds: int | None = Field(
        None, description="Seconds before the old version is scaled down; 30 when absent."
    )
    scale_down_delay_revision_limit: int | None = Field(
        None, description="How many old versions may wait for their scale-down; unlimited when absent."
    )
    abort_scale_down_delay_seconds: int | None = Field(
        None, description="Seconds before an aborted new version is scaled down; 30 when absent, 0 is never."
    )
    pre_promotion_analysis: RolloutAnalysis | None = Field(None, description="Analysis before the switch.")
    post_promotion_analysis: RolloutAnalysis | None = Field(None, description="Analysis after the switch.")
    anti_affinity: AntiAffinity | None = Field(None, description="Keep new pods away from nodes of the version in use.")
    preview_metadata: PodTemplateMetadata | None = Field(
        None, description="Labels and annotations of pods while they are previewed."
    )
    active_metadata: PodTemplateMetadata | None = Field(
        None, description="Labels and annotations of pods while they are in use."
    )
