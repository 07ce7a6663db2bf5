"""Pure. The Rollout that does what a Deployment does, and the Deployment that such a Rollout came from.

What a Rollout has no field for is kept in its annotation `rollout.argoproj.io/migrated-from`, so that the way back
needs nothing but the Rollout.
"""

import json
from typing import Any

from rollouts.api.labels import MIGRATED_FROM
from rollouts.kube.fields import number, part, text
from rollouts.kube.refs import DEPLOYMENT, ROLLOUT, Obj, name_of, namespace_of

_KEPT_IN_SPEC = ("minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds")
_NOT_THE_USERS = ("kubectl.kubernetes.io/", "deployment.kubernetes.io/", "argocd.argoproj.io/tracking-id")
"""Annotations that are about the one object that carries them."""

DEFAULT_STEPS: list[Obj] = [
    {"setWeight": 20},
    {"pause": {"duration": "1m"}},
    {"setWeight": 50},
    {"pause": {"duration": "1m"}},
]


def rollout_from(deployment: Obj, name: str, strategy: Obj | None, *, scale_down: str = "") -> Obj:
    """The Rollout of this name that runs a Deployment's pods, with as many replicas.

    `strategy` is what spec.strategy shall be; by default a canary of four steps, with the Deployment's own limits.
    With `scale_down` it refers to the Deployment, else it has the template and the selector itself.
    """
    spec = deployment["spec"]
    built: Obj = {"replicas": number(spec, "replicas", default=1)}
    built |= {field: spec[field] for field in _KEPT_IN_SPEC if field in spec}
    if scale_down:
        ref = {"apiVersion": DEPLOYMENT.api_version, "kind": DEPLOYMENT.kind, "name": name_of(deployment)}
        built["workloadRef"] = {**ref, "scaleDown": scale_down}
    else:
        built |= {"selector": spec["selector"], "template": _written(spec["template"])}
    built["strategy"] = strategy or _canary(deployment)
    metadata: Obj = {"name": name, "namespace": namespace_of(deployment), **_described(deployment)}
    metadata.setdefault("annotations", {})[MIGRATED_FROM] = json.dumps(_remembered(deployment), separators=(",", ":"))
    return {"apiVersion": ROLLOUT.api_version, "kind": ROLLOUT.kind, "metadata": metadata, "spec": built}


def deployment_from(rollout: Obj) -> Obj:
    """The Deployment that a Rollout with a template of its own came from, with as many replicas as that has now."""
    origin, spec = origin_of(rollout), rollout["spec"]
    built: Obj = {
        "replicas": number(spec, "replicas", default=1),
        "selector": spec["selector"],
        "template": spec["template"],
        **part(origin, "spec"),
    }
    metadata: Obj = {"name": deployment_name(rollout), "namespace": namespace_of(rollout), **_described(origin)}
    return {"apiVersion": DEPLOYMENT.api_version, "kind": DEPLOYMENT.kind, "metadata": metadata, "spec": built}


def origin_of(rollout: Obj) -> Obj:
    """What the Rollout remembers of the Deployment that it came from; {} when it came from none."""
    try:
        found = json.loads(text(rollout, "metadata", "annotations", MIGRATED_FROM) or "{}")
    except json.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def deployment_name(rollout: Obj) -> str:
    """Name of the Deployment that the Rollout came from or refers to; "" when there is none."""
    ref = part(rollout, "spec", "workloadRef")
    referred = text(ref, "name") if text(ref, "kind") == DEPLOYMENT.kind else ""
    return referred or text(origin_of(rollout), "metadata", "name")


def _canary(deployment: Obj) -> Obj:
    limits = part(deployment, "spec", "strategy", "rollingUpdate")
    kept = {field: limits[field] for field in ("maxSurge", "maxUnavailable") if field in limits}
    return {"canary": {**kept, "steps": DEFAULT_STEPS}}


def _remembered(deployment: Obj) -> Obj:
    spec = deployment["spec"]
    kept = {field: spec[field] for field in (*_KEPT_IN_SPEC, "strategy") if field in spec}
    return {"metadata": {"name": name_of(deployment), **_described(deployment)}, "spec": kept}


def _described(obj: Obj) -> dict[str, Any]:
    """Labels and annotations, as far as people wrote them."""
    metadata = part(obj, "metadata")
    annotations = {
        key: value for key, value in part(metadata, "annotations").items() if not key.startswith(_NOT_THE_USERS)
    }
    found = {"labels": part(metadata, "labels"), "annotations": annotations}
    return {field: dict(value) for field, value in found.items() if value}


def _written(template: Obj) -> Obj:
    """A template without the empty timestamp that the API server puts there."""
    metadata = {key: value for key, value in part(template, "metadata").items() if value is not None}
    return {**template, "metadata": metadata}
