"""Pure. Actions in words, for logs and for people who ask what comes next."""

from collections.abc import Mapping
from typing import assert_never

from rollouts.decide.plan import (
    Action,
    Adopt,
    CreateReplicaSet,
    DeleteExperiment,
    DeleteReplicaSet,
    DeleteRun,
    Evict,
    LabelPods,
    PointService,
    ScaleWorkload,
    SetWeight,
    StartExperiment,
    StartRun,
    StopExperiment,
    StopRun,
    UpdateReplicaSet,
    UpdateRollout,
)


def told(action: Action) -> str:  # noqa: C901, PLR0911, PLR0912 – because it is one table, a line an action
    """What an action does, as half a sentence."""
    match action:
        case CreateReplicaSet():
            return f"create ReplicaSet {action.name} (revision {action.revision}) with {action.replicas} pods"
        case Adopt():
            return f"take control of ReplicaSet {action.name}"
        case UpdateReplicaSet():
            return _replica_set(action)
        case DeleteReplicaSet():
            return f"delete ReplicaSet {action.name}"
        case LabelPods():
            return f"change metadata of pods {', '.join(action.pods)}"
        case Evict():
            return f"evict pods {', '.join(action.pods)}"
        case UpdateRollout():
            return f"write to the Rollout: {_changes(action.annotations) or f'replicas {action.replicas}'}"
        case ScaleWorkload():
            return f"scale Deployment {action.name} from {action.before} to {action.replicas}"
        case PointService():
            return f"point Service {action.service} at {action.hash}"
        case SetWeight():
            return _split(action)
        case StartRun():
            return f"start AnalysisRun {action.name}"
        case StopRun():
            return f"stop AnalysisRun {action.name}"
        case DeleteRun():
            return f"delete AnalysisRun {action.name}"
        case StartExperiment():
            return f"start Experiment {action.name}"
        case StopExperiment():
            return f"stop Experiment {action.name}"
        case DeleteExperiment():
            return f"delete Experiment {action.name}"
        case _:
            assert_never(action)


def _replica_set(action: UpdateReplicaSet) -> str:
    parts = []
    if action.replicas is not None:
        parts.append(f"scale ReplicaSet {action.name} to {action.replicas}")
    changes = _changes({**action.annotations, **action.template_labels, **action.template_annotations})
    if changes:
        parts.append(f"mark {'it' if parts else f'ReplicaSet {action.name}'} with {changes}")
    if action.template_anti_affinity:
        parts.append(f"set whose nodes pods of ReplicaSet {action.name} keep off")
    if action.min_ready_seconds is not None:
        parts.append(f"set minReadySeconds of ReplicaSet {action.name} to {action.min_ready_seconds}")
    return " and ".join(parts) or f"leave ReplicaSet {action.name} as it is"


def _changes(values: Mapping[str, str | None]) -> str:
    return ", ".join(f"no {key}" if value is None else f"{key}={value}" for key, value in values.items())


def _split(action: SetWeight) -> str:
    split = action.split
    shares = (split.canary, *split.additional, split.stable)
    routes = f", routes {', '.join(route.name for route in split.routes)}" if split.routes else ""
    return "set weights " + ", ".join(f"{one.service or one.hash} {one.weight}" for one in shares) + routes
