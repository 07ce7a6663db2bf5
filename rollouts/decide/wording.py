"""Pure. Every reason and message that clients of Argo Rollouts read, in one place.

Source: Argo Rollouts' conditions, events and phases as scripts, dashboards and Argo CD's health checks match them.
"""

from collections.abc import Iterable

PROGRESSING, AVAILABLE, PAUSED = "Progressing", "Available", "Paused"
COMPLETED, HEALTHY, INVALID_SPEC, REPLICA_FAILURE = "Completed", "Healthy", "InvalidSpec", "ReplicaFailure"
UNREADABLE_QUANTITY = "UnreadableQuantity"

NEW_REPLICA_SET_CREATED = "NewReplicaSetCreated"
REPLICA_SET_UPDATED = "ReplicaSetUpdated"
NEW_REPLICA_SET_AVAILABLE = "NewReplicaSetAvailable"
REPLICA_SET_NOT_AVAILABLE = "ReplicaSetNotAvailable"
REPLICA_SET_CREATE_ERROR = "ReplicaSetCreateError"
ROLLOUT_ABORTED = "RolloutAborted"
PROGRESS_DEADLINE_EXCEEDED = "ProgressDeadlineExceeded"
ROLLOUT_PAUSED = "RolloutPaused"
ROLLOUT_RESUMED = "RolloutResumed"
ROLLOUT_RETRY = "RolloutRetry"
ROLLOUT_COMPLETED = "RolloutCompleted"
ROLLOUT_NOT_COMPLETED = "RolloutNotCompleted"
ROLLOUT_HEALTHY = "RolloutHealthy"
AVAILABLE_REASON = "AvailableReason"

HAS_AVAILABILITY = "Rollout has minimum availability"
LACKS_AVAILABILITY = "Rollout does not have minimum availability"
IS_PAUSED = "Rollout is paused"
IS_RESUMED = "Rollout is resumed"
IS_RETRIED = "Retrying Rollout after abort"
IS_HEALTHY = "Rollout is healthy"
IS_NOT_HEALTHY = "Rollout is not healthy"

TARGET_GROUP_VERIFIED, TARGET_GROUP_UNVERIFIED = "TargetGroupVerified", "TargetGroupUnverified"
TARGET_GROUP_VERIFY_ERROR = "TargetGroupVerifyError"
LOAD_BALANCER_NOT_FOUND, WEIGHT_VERIFY_ERROR = "LoadBalancerNotFound", "WeightVerifyError"

NOTHING_TO_DO = "nothing is to be done, until the template changes"

CANARY_PAUSE_STEP = "CanaryPauseStep"
BLUE_GREEN_PAUSE = "BlueGreenPause"
INCONCLUSIVE_ANALYSIS = "InconclusiveAnalysisRun"
INCONCLUSIVE_EXPERIMENT = "InconclusiveExperiment"

VERDICTS = frozenset({"Successful", "Failed", "Error", "Inconclusive"})
"""Phases in which an AnalysisRun has ended."""

PHASE_HEALTHY, PHASE_DEGRADED, PHASE_PAUSED, PHASE_PROGRESSING = "Healthy", "Degraded", "Paused", "Progressing"


def replica_set_created(name: str) -> str:
    return f'Created new replica set "{name}"'


def replica_set_progressing(name: str) -> str:
    return f'ReplicaSet "{name}" is progressing.'


def rollout_progressing(name: str) -> str:
    return f'Rollout "{name}" is progressing.'


def replica_set_completed(name: str) -> str:
    return f'ReplicaSet "{name}" has successfully progressed.'


def replica_set_timed_out(name: str) -> str:
    return f'ReplicaSet "{name}" has timed out progressing.'


def replica_set_create_error(name: str, cause: str) -> str:
    return f'Failed to create new replica set "{name}": {cause}'


def aborted(revision: int, cause: str = "") -> str:
    return f"Rollout aborted update to revision {revision}" + (f": {cause}" if cause else "")


def invalid(name: str, error: str) -> str:
    return f'The Rollout "{name}" is invalid: {error}'


def left_out(quantities: Iterable[str]) -> str:
    return f"Pods run without these quantities, which cannot be read: {', '.join(quantities)}"


ANALYSIS_FAILED = {
    "Step": "Step-based analysis phase error/failed",
    "Background": "Background analysis phase error/failed",
    "PrePromotion": "Blue/green pre-promotion analysis phase error/failed",
    "PostPromotion": "Blue/green post-promotion analysis phase error/failed",
}
"""Why an update was aborted, by the kind of its analysis."""


def analysis_failed(kind: str, message: str) -> str:
    return ANALYSIS_FAILED[kind] + (f": {message}" if message else "")


def experiment_failed(message: str) -> str:
    return "Experiment analysis phase is error/failed" + (f": {message}" if message else "")


def scaled(name: str, revision: int, before: int, after: int) -> str:
    direction = "up" if after > before else "down"
    return f"Scaled {direction} ReplicaSet {name} (revision {revision}) from {before} to {after}"


def deployment_scaled(name: str, before: int, after: int) -> str:
    return f"Scaled {'up' if after > before else 'down'} Deployment {name} from {before} to {after}"


def switched_service(service: str, before: str, after: str) -> str:
    return f"Switched selector for service '{service}' from '{before}' to '{after}'"


def run_changed(kind: str, name: str, new: str, previous: str) -> str:
    return f"{kind} Analysis Run '{name}' Status New: '{new}' Previous: '{previous}'"


def step_completed(done: int, total: int, step: str) -> str:
    return f"Rollout step {done}/{total} completed ({step})"


def weight_verified(service: str, group: str, weight: int) -> str:
    return f"Service {service} (TargetGroup {group}) verified: canary weight {weight} set"


def weight_unverified(service: str, group: str, weight: int, current: int) -> str:
    return (
        f"Service {service} (TargetGroup {group}) not verified: canary weight {weight} not yet set (current: {current})"
    )


def targets_verified(service: str, group: str, count: int) -> str:
    return f"Service {service} (TargetGroup {group}) verified: {count} endpoints registered"


def targets_unverified(service: str, group: str, registered: int, count: int) -> str:
    return f"Service {service} (TargetGroup {group}) not verified: {registered}/{count} endpoints registered"


def verify_error(service: str, group: str, error: str) -> str:
    return f"Failed to verify Service {service} (TargetGroup {group}): {error}"


def balancer_not_found(name: str) -> str:
    return f"Failed to find load balancer: {name}"


def weight_verify_error(error: str) -> str:
    return f"Failed to verify weight: {error}"
