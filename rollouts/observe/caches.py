"""What the controller has heard of a cluster: one cache per kind, and the indexes by which decisions look things up."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from analysis.schema import Obj
from rollouts.api import labels
from rollouts.kube.cache import Cache, lean
from rollouts.kube.refs import (
    ANALYSIS_RUN,
    ANALYSIS_TEMPLATE,
    CLUSTER_ANALYSIS_TEMPLATE,
    EXPERIMENT,
    POD,
    REPLICA_SET,
    ROLLOUT,
    SERVICE,
    Resource,
    controller_of,
    name_of,
    namespace_of,
)
from rollouts.observe.workloads import WORKLOAD_INDEX, WORKLOADS, by_workload
from rollouts.traffic.base import TrafficSettings

ORPHANS, BY_HASH, BY_NAMESPACE, NAMED_AFTER = "orphans", "hash", "namespace", "named after"


def orphaned_in(obj: Obj) -> Iterable[str]:
    """Index ORPHANS: the namespace of an object that nobody controls."""
    return () if controller_of(obj) else (namespace_of(obj),)


def hashed(obj: Obj) -> Iterable[str]:
    """Index BY_HASH: `<namespace>/<pod template hash>` of an object with that label."""
    value = (obj["metadata"].get("labels") or {}).get(labels.POD_TEMPLATE_HASH)
    return (f"{namespace_of(obj)}/{value}",) if value else ()


def in_namespace(obj: Obj) -> Iterable[str]:
    """Index BY_NAMESPACE."""
    return (namespace_of(obj),)


def named_after(obj: Obj) -> Iterable[str]:
    """Index NAMED_AFTER: `<namespace>/<name>` of whatever this object may be named after, as `a` and `a-b` for `a-b-c`.

    Among thousands of runs in a namespace, those that bear a Rollout's name are found without a look at the others.
    """
    namespace, name = namespace_of(obj), name_of(obj)
    return (f"{namespace}/{name[:at]}" for at, character in enumerate(name) if character == "-")


def _experiments() -> Cache:
    return Cache(EXPERIMENT, indexes={BY_NAMESPACE: in_namespace, NAMED_AFTER: named_after})


@dataclass(slots=True)
class Caches:
    """What the controller has heard of the cluster."""

    rollouts: Cache
    replica_sets: Cache
    services: Cache
    analysis_runs: Cache
    analysis_templates: Cache
    cluster_analysis_templates: Cache
    pods: Cache
    experiments: Cache = field(default_factory=_experiments)
    routing: dict[Resource, Cache] = field(default_factory=dict)
    workloads: dict[Resource, Cache] = field(default_factory=dict)
    secrets: Cache | None = None


def fresh_caches(traffic: TrafficSettings) -> Caches:
    """Caches that have heard of nothing yet, for every kind that a decision may rest on."""
    return Caches(
        rollouts=Cache(ROLLOUT, indexes={WORKLOAD_INDEX: by_workload}),
        replica_sets=Cache(REPLICA_SET, indexes={ORPHANS: orphaned_in, BY_HASH: hashed}),
        services=Cache(SERVICE),
        analysis_runs=Cache(ANALYSIS_RUN, indexes={NAMED_AFTER: named_after}),
        analysis_templates=Cache(ANALYSIS_TEMPLATE),
        cluster_analysis_templates=Cache(CLUSTER_ANALYSIS_TEMPLATE),
        pods=Cache(POD, transform=_seen, indexes={BY_HASH: hashed}),
        routing={resource: Cache(resource) for resource in traffic.resources},
        workloads={resource: Cache(resource) for resource in WORKLOADS.values()},
    )


def _seen(pod: Obj) -> Obj:
    """What is looked at of a pod: its metadata, and whether it is ready."""
    conditions = (pod.get("status") or {}).get("conditions") or ()
    ready = [{"type": "Ready", "status": one.get("status")} for one in conditions if one.get("type") == "Ready"]
    return {"metadata": lean(pod)["metadata"], "status": {"conditions": ready}}
