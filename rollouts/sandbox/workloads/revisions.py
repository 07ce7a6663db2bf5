"""Pure. A Deployment's ReplicaSets: which one is the new one, which revision each is, and how a new one is made."""

import hashlib
import json
from collections.abc import Iterable, Sequence

from rollouts.kube.refs import Obj, name_of, namespace_of
from rollouts.sandbox.workloads.meta import owner_reference
from rollouts.sandbox.workloads.rolling import Bounds

HASH_LABEL = "pod-template-hash"
_PREFIX = "deployment.kubernetes.io/"
REVISION = _PREFIX + "revision"
HISTORY = _PREFIX + "revision-history"
DESIRED = _PREFIX + "desired-replicas"
MOST = _PREFIX + "max-replicas"
_NOT_COPIED = frozenset(
    {
        REVISION,
        HISTORY,
        DESIRED,
        MOST,
        "kubectl.kubernetes.io/last-applied-configuration",
        "deprecated.deployment.rollback.to",
    }
)
_SAFE = "bcdfghjklmnpqrstvwxz2456789"


def template_hash(template: Obj, collisions: int) -> str:
    """A short name for a pod template, the same for the same template. (Kubernetes' own depends on Go's memory.)"""
    text = json.dumps([template, collisions], sort_keys=True)
    digest = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
    letters = []
    for _ in range(10):
        digest, rest = divmod(digest, len(_SAFE))
        letters.append(_SAFE[rest])
    return "".join(letters)


def age(replica_set: Obj) -> tuple[str, int]:
    """Sorts ReplicaSets from the oldest to the newest."""
    return replica_set["metadata"]["creationTimestamp"], revision_of(replica_set)


def revision_of(replica_set: Obj) -> int:
    text = (replica_set["metadata"].get("annotations") or {}).get(REVISION, "0")
    return int(text) if text.isdecimal() else 0


def find_new(deployment: Obj, sets: Iterable[Obj]) -> Obj | None:
    """The oldest ReplicaSet with the Deployment's template, whatever its hash label says."""
    wanted = _bare(deployment["spec"]["template"])
    same = [each for each in sets if _bare(each["spec"]["template"]) == wanted]
    return min(same, key=age, default=None)


def _bare(template: Obj) -> Obj:
    metadata = template.get("metadata") or {}
    labels = {key: value for key, value in (metadata.get("labels") or {}).items() if key != HASH_LABEL}
    kept = {key: value for key, value in metadata.items() if key not in ("labels", "creationTimestamp") and value}
    return {"metadata": {**kept, "labels": labels}, "spec": template.get("spec")}


def next_revision(old: Sequence[Obj]) -> int:
    return max((revision_of(each) for each in old), default=0) + 1


def annotations_for(deployment: Obj, known: Obj | None, revision: int, bounds: Bounds) -> dict[str, str]:
    """The annotations of the new ReplicaSet: the Deployment's, its revision, those it had, and its size's."""
    had = dict((known["metadata"].get("annotations") or {}) if known is not None else {})
    copied = {k: v for k, v in (deployment["metadata"].get("annotations") or {}).items() if k not in _NOT_COPIED}
    annotations = {**had, **copied, **size_annotations(bounds)}
    before = revision_of(known) if known is not None else 0
    if before < revision:
        annotations[REVISION] = str(revision)
        if before:
            annotations[HISTORY] = ",".join(filter(None, (had.get(HISTORY, ""), str(before))))
    return annotations


def size_annotations(bounds: Bounds) -> dict[str, str]:
    """What a ReplicaSet's size was meant to be part of; a change of it tells that the Deployment was scaled."""
    return {DESIRED: str(bounds.replicas), MOST: str(bounds.replicas + bounds.surge)}


def new_replica_set(deployment: Obj, replicas: int, annotations: dict[str, str], collisions: int) -> Obj:
    """The ReplicaSet of the Deployment's template."""
    template = deployment["spec"]["template"]
    name = template_hash(template, collisions)
    metadata = template.get("metadata") or {}
    labels = {**(metadata.get("labels") or {}), HASH_LABEL: name}
    selector = deployment["spec"]["selector"]
    spec = {
        "replicas": replicas,
        "minReadySeconds": deployment["spec"].get("minReadySeconds"),
        "selector": {**selector, "matchLabels": {**(selector.get("matchLabels") or {}), HASH_LABEL: name}},
        "template": {**template, "metadata": {**metadata, "labels": labels}},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"{name_of(deployment)}-{name}",
            "namespace": namespace_of(deployment),
            "labels": labels,
            "annotations": annotations,
            "ownerReferences": [owner_reference(deployment)],
        },
        "spec": {key: value for key, value in spec.items() if value is not None},
    }
