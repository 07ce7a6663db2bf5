"""Which object a Rollout takes its template from (spec.workloadRef), as the caches have it."""

from collections.abc import Iterable, Mapping

from rollouts.decide.workload import ON_SUCCESS, PROGRESSIVELY
from rollouts.kube.cache import Cache
from rollouts.kube.fields import text
from rollouts.kube.refs import DEPLOYMENT, POD_TEMPLATE, REPLICA_SET, Obj, Ref, Resource, namespace_of, uid_of

WORKLOADS = {
    ("apps", "Deployment"): DEPLOYMENT,
    ("apps", "ReplicaSet"): REPLICA_SET,
    ("", "PodTemplate"): POD_TEMPLATE,
}
"""What spec.workloadRef may name, by (API group, kind)."""

WORKLOAD_INDEX = "workload"


def workload_ref(rollout: Obj) -> Ref | None:
    """The object that a Rollout's manifest takes its template from, read without a model; None where there is none, or
    none that could be one."""
    ref = (rollout.get("spec") or {}).get("workloadRef") or {}
    resource = WORKLOADS.get((str(ref.get("apiVersion") or "").rpartition("/")[0], str(ref.get("kind"))))
    return None if resource is None else Ref(resource, namespace_of(rollout), str(ref.get("name") or ""))


def by_workload(rollout: Obj) -> Iterable[str]:
    """Index WORKLOAD_INDEX of Rollouts: `<kind> <namespace>/<name>` of the workload that they refer to."""
    ref = workload_ref(rollout)
    return () if ref is None else (str(ref),)


def find(workloads: Mapping[Resource, Cache], rollout: Obj) -> Obj | None:
    """The workload that a Rollout refers to; None where it refers to none, or to one that is not there."""
    ref = workload_ref(rollout)
    cache = workloads.get(ref.resource) if ref is not None else None
    return cache.get(ref.namespace, ref.name) if ref is not None and cache is not None else None


def is_shared(rollouts: Cache, rollout: Obj) -> bool:
    """Whether another Rollout takes over pods of the same Deployment."""
    others = (each for index in by_workload(rollout) for each in rollouts.by(WORKLOAD_INDEX, index))
    return any(
        uid_of(each) != uid_of(rollout)
        and text(each, "spec", "workloadRef", "scaleDown") in (ON_SUCCESS, PROGRESSIVELY)
        for each in others
    )


def template_version(workload: Obj | None) -> str:
    """What identifies a workload's template: its generation, which its status leaves alone, where it has one."""
    if workload is None:
        return ""
    metadata = workload["metadata"]
    return f"{uid_of(workload)}/{metadata.get('generation') or metadata.get('resourceVersion', '')}"


def concerns_referrers(old: Obj | None, new: Obj | None) -> bool:
    """Whether a change of a workload means anything to the Rollouts that refer to it: its spec, or its pods."""
    if old is None or new is None:
        return True
    before, after = old.get("status") or {}, new.get("status") or {}
    pods = any(before.get(count) != after.get(count) for count in ("replicas", "availableReplicas"))
    return pods or any(old.get(field) != new.get(field) for field in ("spec", "template"))
