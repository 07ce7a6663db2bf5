"""Manifests of Experiments, and what there is to see of them."""

from typing import Any

from rollouts.kube.refs import EVENT, EXPERIMENT, REPLICA_SET, SERVICE, Obj, controller_of, name_of
from tests import make
from tests.stories.objects import SCRIPT
from tests.stories.stage import Stage, image_of


def version(name: str = "new", image: str = "img:2", script: dict[str, str] | None = None, **rest: Any) -> Obj:
    """A template of an Experiment; its pods carry the label `version`."""
    pods = make.template(image, version=name)
    if script:
        pods["metadata"]["annotations"] = {SCRIPT + key: value for key, value in script.items()}
    return {"name": name, "selector": {"matchLabels": {"app": "r", "version": name}}, "template": pods, **rest}


def with_port(template: Obj, *ports: Obj) -> Obj:
    """The same template, whose container declares ports."""
    template["template"]["spec"]["containers"][0]["ports"] = list(ports or ({"containerPort": 8080},))
    return template


def experiment(*templates: Obj, name: str = "e", **spec: Any) -> Obj:
    return {
        "apiVersion": EXPERIMENT.api_version,
        "kind": EXPERIMENT.kind,
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"templates": list(templates or (version(),)), **spec},
    }


def uses(name: str = "check", template: str = "check", **rest: Any) -> Obj:
    """An analysis of an Experiment."""
    return {"name": name, "templateName": template, **rest}


def status_of(stage: Stage, name: str = "e") -> Obj:
    status: Obj = stage.get(EXPERIMENT, name).get("status") or {}
    return status


def phase_of(stage: Stage, name: str = "e") -> str:
    return str(status_of(stage, name).get("phase", ""))


def template_of(stage: Stage, template: str = "new", name: str = "e") -> Obj:
    found = [one for one in status_of(stage, name).get("templateStatuses") or () if one["name"] == template]
    return found[0] if found else {}


async def ends(stage: Stage, phase: str = "Successful", name: str = "e", limit: float = 120) -> None:
    """Wait until the Experiment has come to something, which must be this."""
    ended = {"Successful", "Failed", "Error", "Inconclusive"}
    await stage.until(lambda: stage.find(EXPERIMENT, name) and phase_of(stage, name) in ended, limit)
    assert phase_of(stage, name) == phase, status_of(stage, name)


async def becomes(stage: Stage, phase: str, name: str = "e", limit: float = 120) -> None:
    await stage.until(lambda: stage.find(EXPERIMENT, name) and phase_of(stage, name) == phase, limit)


def sizes_of(stage: Stage, name: str = "e") -> dict[str, int]:
    """Pods asked for, by image, of every ReplicaSet of the Experiment that asks for any."""
    return {image_of(rs): rs["spec"]["replicas"] for rs in parts(stage, name) if rs["spec"]["replicas"]}


def parts(stage: Stage, name: str = "e") -> list[Obj]:
    """The ReplicaSets that the Experiment controls."""
    return [rs for rs in stage.all(REPLICA_SET) if (controller_of(rs) or {}).get("name") == name]


def services(stage: Stage) -> set[str]:
    return {name_of(service) for service in stage.all(SERVICE)}


async def reasons(stage: Stage, name: str = "e") -> dict[str, str]:
    """The texts of the Events about an object, by reason."""
    told: dict[str, str] = {}
    for reason, text in await stage.events(name):
        told[reason] = "; ".join(filter(None, (told.get(reason), text)))
    return told


async def about(stage: Stage, name: str) -> list[Obj]:
    """The Events about an object."""
    await stage.passes(10)
    return [event for event in stage.all(EVENT) if event["involvedObject"]["name"] == name]
