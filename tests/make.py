"""Builders: the only place that knows what a legal Rollout and a legal world need."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from analysis.api import AnalysisTemplate
from rollouts.api.rollout import Rollout
from rollouts.api.template import pod_template_hash, step_hash
from rollouts.decide.world import Hash, ReplicaSet, Service, World

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
EARLIER = NOON - timedelta(days=1)

Obj = dict[str, Any]


def template(image: str = "img:1", **labels: str) -> Obj:
    return {"metadata": {"labels": {"app": "r", **labels}}, "spec": {"containers": [{"name": "c", "image": image}]}}


def rollout(
    *steps: Obj, image: str = "img:1", replicas: int | None = 5, name: str = "r", canary: Obj | None = None, **spec: Any
) -> Obj:
    """A Rollout's manifest with these canary steps."""
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": name, "namespace": "default", "uid": "uid-r", "generation": 1},
        "spec": {
            **({} if replicas is None else {"replicas": replicas}),
            "selector": {"matchLabels": {"app": "r"}},
            "template": template(image),
            "strategy": {"canary": {"steps": list(steps), **(canary or {})}},
            **spec,
        },
    }


def blue_green(image: str = "img:1", replicas: int | None = 3, spec: Obj | None = None, **strategy: Any) -> Obj:
    """A blue-green Rollout's manifest: Services `active` and `preview`, and whatever else the strategy says."""
    named = {"activeService": "active", "previewService": "preview", **strategy}
    manifest = rollout(image=image, replicas=replicas, **(spec or {}))
    manifest["spec"]["strategy"] = {"blueGreen": {key: value for key, value in named.items() if value is not None}}
    return manifest


ISTIO: Obj = {
    "canaryService": "canary",
    "stableService": "stable",
    "trafficRouting": {"istio": {"virtualService": {"name": "vs"}}},
}
"""Traffic routing by a VirtualService `vs` between Services `stable` and `canary`."""


def weight(percent: int) -> Obj:
    return {"setWeight": percent}


def pause(duration: int | str | None = None) -> Obj:
    return {"pause": {} if duration is None else {"duration": duration}}


def analysis_template(name: str = "check") -> AnalysisTemplate:
    """A template whose only metric is measured once."""
    metric = {"name": "m", "provider": {"web": {"url": "http://a"}}, "successCondition": "true"}
    return AnalysisTemplate.model_validate({"metadata": {"name": name}, "spec": {"metrics": [metric]}})


def hash_of(image: str) -> Hash:
    return Hash(pod_template_hash(template(image), None))


def world(manifest: Obj, *replica_sets: ReplicaSet, **rest: Any) -> World:
    """The world around a manifest, with hashes computed as observation does."""
    parsed = Rollout.model_validate(manifest)
    strategy = parsed.spec.strategy.canary
    names = (strategy.stable_service, strategy.canary_service) if strategy else ()
    services = {name: Service(name, {"app": "r"}) for name in names if name}
    defaults = {
        "template_hash": Hash(pod_template_hash(parsed.spec.template, parsed.status.collision_count)),
        "step_hash": step_hash([step.wire() for step in strategy.steps]) if strategy else "",
        "replica_sets": replica_sets,
        "services": services,
    }
    return World(parsed, **{**defaults, **rest})


def replica_set(image: str, size: int, *, available: int | None = None, revision: int = 1, **rest: Any) -> ReplicaSet:
    """A ReplicaSet of this image whose pods are all there; `available` of them are."""
    ready = size if available is None else available
    hash = hash_of(image)
    built = ReplicaSet(
        name=f"r-{hash}",
        hash=hash,
        created=EARLIER + timedelta(minutes=revision),
        revision=revision,
        replicas=size,
        current=size,
        ready=ready,
        available=ready,
        template=template(image, **{"rollouts-pod-template-hash": hash}),
        annotations={"rollout.argoproj.io/revision": str(revision), "rollout.argoproj.io/desired-replicas": "5"},
    )
    return replace(built, **rest)
