"""Pure. Objects of the cluster, reduced to what decisions look at."""

from collections.abc import Mapping
from datetime import UTC, datetime

from analysis.schema import Obj, parse_time
from rollouts.api import labels
from rollouts.decide.world import Hash, Pod, ReplicaSet, Run, Service

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""What counts as the age of an object that does not tell it."""


def replica_set(obj: Obj) -> ReplicaSet:
    """A ReplicaSet, reduced to what decisions look at."""
    metadata, spec, status = obj["metadata"], obj["spec"], obj.get("status") or {}
    annotations: Mapping[str, str] = metadata.get("annotations") or {}
    own_labels: Mapping[str, str] = metadata.get("labels") or {}
    failure: Obj = next((c for c in status.get("conditions") or () if c.get("type") == "ReplicaFailure"), {})
    revision = annotations.get(labels.REVISION, "")
    return ReplicaSet(
        name=metadata["name"],
        hash=Hash(own_labels.get(labels.POD_TEMPLATE_HASH, "")),
        created=created(obj),
        revision=int(revision) if revision.isdecimal() else 0,
        replicas=spec.get("replicas", 1),
        current=status.get("replicas", 0),
        ready=status.get("readyReplicas", 0),
        available=status.get("availableReplicas", 0),
        observed=status.get("observedGeneration", 0) >= metadata.get("generation", 0),
        deleting="deletionTimestamp" in metadata,
        min_ready_seconds=spec.get("minReadySeconds", 0),
        labels=own_labels,
        annotations=annotations,
        template=spec.get("template") or {},
        failure=failure.get("message", ""),
        failure_reason=failure.get("reason", ""),
    )


def service(obj: Obj) -> Service:
    """A Service: what it selects, and which Rollout manages it."""
    selector = (obj.get("spec") or {}).get("selector") or {}
    managed_by = (obj["metadata"].get("annotations") or {}).get(labels.MANAGED_BY_ROLLOUTS)
    return Service(obj["metadata"]["name"], selector, Hash(selector.get(labels.POD_TEMPLATE_HASH, "")), managed_by)


def pod(obj: Obj, replica_set: str) -> Pod:
    """A pod, reduced to what decisions look at."""
    metadata = obj["metadata"]
    return Pod(
        name=metadata["name"],
        replica_set=replica_set,
        labels=metadata.get("labels") or {},
        annotations=metadata.get("annotations") or {},
        created=created(obj),
        deleting="deletionTimestamp" in metadata,
        ready=any(
            condition.get("type") == "Ready" and condition.get("status") == "True"
            for condition in (obj.get("status") or {}).get("conditions") or ()
        ),
    )


def run(obj: Obj, *, owned: bool) -> Run:
    """An AnalysisRun, reduced to what decisions look at."""
    metadata, spec, status = obj["metadata"], obj.get("spec") or {}, obj.get("status") or {}
    own_labels = metadata.get("labels") or {}
    step = own_labels.get(labels.STEP_INDEX, "")
    return Run(
        name=metadata["name"],
        created=created(obj),
        phase=status.get("phase", ""),
        message=status.get("message", ""),
        owned=owned,
        terminate=bool(spec.get("terminate")),
        deleting="deletionTimestamp" in metadata,
        hash=Hash(own_labels.get(labels.POD_TEMPLATE_HASH, "")),
        type=own_labels.get(labels.ROLLOUT_TYPE, ""),
        step=int(step) if step.isdecimal() else None,
        spec=spec,
    )


def created(obj: Obj) -> datetime:
    """When an object was made."""
    stamp = obj["metadata"].get("creationTimestamp")
    return parse_time(stamp) if stamp else EPOCH
