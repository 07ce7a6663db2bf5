"""Pure. What a person sees: objects in, a RolloutInfo out; shared by the command line and the dashboard."""

from rollouts.view.build import experiment_info, images_of, rollout_info
from rollouts.view.durations import human_duration
from rollouts.view.info import (
    AnalysisRunInfo,
    ExperimentInfo,
    ImageInfo,
    JobInfo,
    Meta,
    PodInfo,
    ReplicaSetInfo,
    RolloutInfo,
)
from rollouts.view.phase import Phase, rollout_phase
from rollouts.view.weights import set_weight, step_text, strategy_of

__all__ = [
    "AnalysisRunInfo",
    "ExperimentInfo",
    "ImageInfo",
    "JobInfo",
    "Meta",
    "Phase",
    "PodInfo",
    "ReplicaSetInfo",
    "RolloutInfo",
    "experiment_info",
    "human_duration",
    "images_of",
    "rollout_info",
    "rollout_phase",
    "set_weight",
    "step_text",
    "strategy_of",
]
