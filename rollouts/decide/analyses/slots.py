"""Pure. Where the status keeps the current AnalysisRun of each kind."""

from collections.abc import Mapping

from rollouts.api.status import RolloutAnalysisRunStatus, RolloutStatus
from rollouts.decide.facts import Slot

_FIELDS: Mapping[Slot, tuple[str, str]] = {
    "Background": ("canary", "current_background_analysis_run_status"),
    "Step": ("canary", "current_step_analysis_run_status"),
    "PrePromotion": ("blue_green", "pre_promotion_analysis_run_status"),
    "PostPromotion": ("blue_green", "post_promotion_analysis_run_status"),
}


def entry(status: RolloutStatus, slot: Slot) -> RolloutAnalysisRunStatus | None:
    """What the status says of the current run of this kind."""
    part, field = _FIELDS[slot]
    found: RolloutAnalysisRunStatus | None = getattr(getattr(status, part), field)
    return found


def with_entry(status: RolloutStatus, slot: Slot, entry: RolloutAnalysisRunStatus | None) -> RolloutStatus:
    """The status with this run as the current one of its kind."""
    part, field = _FIELDS[slot]
    return status.model_copy(update={part: getattr(status, part).model_copy(update={field: entry})})
