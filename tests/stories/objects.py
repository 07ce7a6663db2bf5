"""Manifests for stories."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml

from rollouts.kube.refs import Obj
from rollouts.sandbox.dialects.istio import VIRTUAL_SERVICE
from tests import make

_ISTIO_CRDS = Path(__file__).parents[2] / "rollouts" / "sandbox" / "manifests" / "istio-crds.yaml"
SCRIPT = "sandbox.rollouts.dev/"


@cache
def istio_crds() -> tuple[Obj, ...]:
    """The CustomResourceDefinitions of Istio that the sandbox brings. Shared: not to be changed."""
    return tuple(filter(None, yaml.safe_load_all(_ISTIO_CRDS.read_text())))


def rollout(*steps: Obj, script: dict[str, str] | None = None, **rest: Any) -> Obj:
    """A Rollout as a person writes it; `script` says how its pods behave in the sandbox."""
    manifest = make.rollout(*steps, **rest)
    manifest["metadata"] = {"name": manifest["metadata"]["name"], "namespace": "default"}
    if script:
        annotations = {SCRIPT + key: value for key, value in script.items()}
        manifest["spec"]["template"]["metadata"]["annotations"] = annotations
    return manifest


def service(name: str, app: str = "r", namespace: str = "default") -> Obj:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"selector": {"app": app}, "ports": [{"port": 80}]},
    }


def virtual_service(name: str = "vs", *extra: Obj, hosts: tuple[str, str] = ("stable", "canary")) -> Obj:
    """A VirtualService whose route `primary` leads to the two hosts; `extra` routes follow it."""
    stable, canary = hosts
    split = {
        "name": "primary",
        "route": [{"destination": {"host": stable}, "weight": 100}, {"destination": {"host": canary}, "weight": 0}],
    }
    return {
        "apiVersion": VIRTUAL_SERVICE.api_version,
        "kind": "VirtualService",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"hosts": [stable], "http": [split, *extra]},
    }


def istio(*steps: Obj, canary: Obj | None = None, **rest: Any) -> tuple[Obj, ...]:
    """A Rollout `r` behind the VirtualService `vs`, with all that it needs."""
    manifest = rollout(*steps, canary={**make.ISTIO, **(canary or {})}, **rest)
    return (service("stable"), service("canary"), virtual_service(), manifest)


def metric(name: str = "errors", condition: str = "result[0] < 0.05", **rest: Any) -> Obj:
    """A metric that Prometheus is asked for under its own name."""
    provider = {"prometheus": {"address": "http://prometheus", "query": name}}
    return {"name": name, "successCondition": condition, "provider": provider, **rest}


def template(name: str = "check", *metrics: Obj, args: tuple[Obj, ...] = (), **rest: Any) -> Obj:
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": rest.pop("kind", "AnalysisTemplate"),
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"metrics": list(metrics or (metric(),)), **({"args": list(args)} if args else {}), **rest},
    }


def analysis(*templates: str, **rest: Any) -> Obj:
    """What a strategy says of an analysis."""
    return {"templates": [{"templateName": name} for name in templates or ("check",)], **rest}


def judged(*templates: str, **rest: Any) -> Obj:
    """A step of inline analysis."""
    return {"analysis": analysis(*templates, **rest)}


def job_spec(**script: str) -> Obj:
    """A JobSpec; `script` says how its pods behave."""
    annotations = {SCRIPT + key.replace("_", "-"): value for key, value in script.items()}
    pod = {"restartPolicy": "Never", "containers": [{"name": "test", "image": "tests:1"}]}
    return {"backoffLimit": 0, "template": {"metadata": {"annotations": annotations}, "spec": pod}}


def by_job(name: str = "smoke", spec: Obj | None = None, **rest: Any) -> Obj:
    """A metric that is measured by a Job."""
    metadata = rest.pop("metadata", None)
    job = {"spec": spec or job_spec(run_time="2s"), **({"metadata": metadata} if metadata else {})}
    return {"name": name, "provider": {"job": job}, **rest}


def analysis_run(*metrics: Obj, **spec: Any) -> Obj:
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AnalysisRun",
        "metadata": {"name": "run", "namespace": "default"},
        "spec": {"metrics": list(metrics), **spec},
    }
