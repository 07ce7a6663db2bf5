"""Pure. Keys of the labels and annotations that bind a Rollout to its ReplicaSets, Services and runs."""

# Labels
POD_TEMPLATE_HASH = "rollouts-pod-template-hash"
INSTANCE_ID = "argo-rollouts.argoproj.io/controller-instance-id"
ROLLOUT_TYPE = "rollout-type"
STEP_INDEX = "step-index"

# Annotations
REVISION = "rollout.argoproj.io/revision"
REVISION_HISTORY = "rollout.argoproj.io/revision-history"
DESIRED_REPLICAS = "rollout.argoproj.io/desired-replicas"
EPHEMERAL_METADATA = "rollout.argoproj.io/ephemeral-metadata"
WORKLOAD_GENERATION = "rollout.argoproj.io/workload-generation"
WORKLOAD_REPLICAS = "rollout.argoproj.io/workload-replicas"
MIGRATED_FROM = "rollout.argoproj.io/migrated-from"
SCALE_DOWN_DEADLINE = "scale-down-deadline"
MANAGED_BY_ROLLOUTS = "argo-rollouts.argoproj.io/managed-by-rollouts"
EXPERIMENT_NAME = "experiment.argoproj.io/name"
EXPERIMENT_TEMPLATE_NAME = "experiment.argoproj.io/template-name"
NOTIFIED = "notified.notifications.argoproj.io"
TRAFFIC_PROOF = "traffic.rollouts.dev/proof"
LAST_APPLIED_CONFIGURATION = "kubectl.kubernetes.io/last-applied-configuration"

NOT_COPIED_TO_REPLICA_SETS = frozenset(
    {
        LAST_APPLIED_CONFIGURATION,
        REVISION,
        REVISION_HISTORY,
        DESIRED_REPLICAS,
        NOTIFIED,
        WORKLOAD_GENERATION,
        WORKLOAD_REPLICAS,
        MIGRATED_FROM,
        TRAFFIC_PROOF,
    }
)
"""Annotations of a Rollout that its ReplicaSets do not take over.

Argo Rollouts copies the workload's generation too, which costs a write and an entry of the revision history for each
change of it and tells nobody anything."""
