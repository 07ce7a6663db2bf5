"""Pure. What an Experiment makes: the ReplicaSet, the Service and the AnalysisRun, without namespace and owner."""

from collections.abc import Iterator

from analysis.schema import Obj, format_time
from rollouts.api import labels
from rollouts.api.experiment import ExperimentAnalysisTemplateRef, TemplateSpec
from rollouts.api.rules.experiment import replicas
from rollouts.api.template import pod_template_hash
from rollouts.experiment.view import View

ANALYSIS_NAME = "experiment.argoproj.io/analysis-name"
AVAILABLE_AT = "experiment.argoproj.io/available-at"
"""Annotations of an AnalysisRun: the analysis, and the life of the Experiment, that it was started for."""


def replica_set_name(view: View, template: TemplateSpec) -> str:
    return f"{view.name}-{template.name}"


def service_name(view: View, template: TemplateSpec) -> str:
    """The name of the Service that a version wants, "" when it wants none or none can be made."""
    if template.service is None or not _ports(template):
        return ""
    return template.service.name or replica_set_name(view, template)


def template_hash(view: View, template: TemplateSpec) -> str:
    """The hash that tells the pods of this version from all others."""
    return pod_template_hash(template.template, view.status_of(template).collision_count)


def _annotations(view: View, template: TemplateSpec) -> dict[str, str]:
    return {labels.EXPERIMENT_NAME: view.name, labels.EXPERIMENT_TEMPLATE_NAME: template.name}


def _pod_labels(view: View, template: TemplateSpec) -> dict[str, str]:
    given = (template.template.get("metadata") or {}).get("labels") or {}
    return {**given, labels.POD_TEMPLATE_HASH: template_hash(view, template)}


def replica_set(view: View, template: TemplateSpec) -> Obj:
    """The ReplicaSet of a version at its full size."""
    own = _pod_labels(view, template)
    selector = template.selector.wire() if template.selector else {}
    matched = {
        **(selector.get("matchLabels") or {}),
        labels.POD_TEMPLATE_HASH: own[labels.POD_TEMPLATE_HASH],
    }
    pods = {**template.template, "metadata": {**(template.template.get("metadata") or {}), "labels": own}}
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": replica_set_name(view, template),
            "labels": own,
            "annotations": _annotations(view, template),
        },
        "spec": {
            "replicas": replicas(template),
            "minReadySeconds": template.min_ready_seconds,
            "selector": {**selector, "matchLabels": matched},
            "template": pods,
        },
    }


def service(view: View, template: TemplateSpec) -> Obj:
    """The Service of a version, for every port that its containers declare."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": service_name(view, template), "annotations": _annotations(view, template)},
        "spec": {"selector": _pod_labels(view, template), "ports": _ports(template)},
    }


def _ports(template: TemplateSpec) -> list[Obj]:
    """Each port once. A Service with several ports needs a name for each of them."""
    containers = (template.template.get("spec") or {}).get("containers") or ()
    declared = {
        (port["containerPort"], port.get("protocol") or "TCP"): port.get("name")
        for container in containers
        for port in container.get("ports") or ()
        if port.get("containerPort")
    }
    return list(_numbered(declared))


def _numbered(declared: dict[tuple[int, str], str | None]) -> Iterator[Obj]:
    taken: set[str] = set()
    for (number, protocol), given in declared.items():
        name = given if given and given not in taken else f"{protocol.lower()}-{number}"
        taken.add(name)
        named = {"name": name} if given or len(declared) > 1 else {}
        yield {**named, "port": number, "targetPort": number, "protocol": protocol}


def analysis_run(
    view: View, analysis: ExperimentAnalysisTemplateRef, name: str, spec: Obj, asked: dict[str, str]
) -> Obj:
    """The AnalysisRun of an analysis; `asked` are the annotations that its templates ask for."""
    instance = {labels.INSTANCE_ID: view.world.instance_id} if view.world.instance_id else {}
    extra = view.spec.analysis_run_metadata
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AnalysisRun",
        "metadata": {
            "name": name,
            "labels": {**instance, **extra.labels},
            "annotations": {
                **extra.annotations,
                **asked,
                ANALYSIS_NAME: analysis.name,
                AVAILABLE_AT: life_of(view),
            },
        },
        "spec": spec,
    }


def life_of(view: View) -> str:
    """What tells this life of the Experiment from one before a retry: the moment at which all was available."""
    began = view.stored.available_at
    return format_time(began) if began else ""
