"""API versions of routers that `why` and `doctor gitops` take: the controller's, or those of the command line."""

import argparse
from dataclasses import fields
from pathlib import Path

import pytest

from rollouts.cli.main import run
from rollouts.cli.routers import NAMES, given_settings, traffic_settings
from rollouts.kube.clock import wall_clock
from rollouts.kube.refs import DEPLOYMENT
from rollouts.sandbox.apiserver.server import ApiServer
from rollouts.settings.flags import FLAGS
from rollouts.traffic.base import TrafficSettings
from tests import make
from tests.cli.test_doctor import named, written
from tests.cli.test_why import asked
from tests.stories.objects import istio as istio_objects
from tests.stories.objects import rollout
from tests.stories.stage import Stage

LABELS = {"app.kubernetes.io/name": "argo-rollouts"}
NOTE = "Note: no Deployment of the controller is to be seen"


def deployment(*args: str, name: str = "argo-rollouts", **labels: str) -> make.Obj:
    container = {"name": "c", "image": "rollouts:1", "command": ["rollouts", "controller"], "args": list(args)}
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}}
    return {
        "metadata": {"name": name, "labels": LABELS | {f"app.kubernetes.io/{key}": labels[key] for key in labels}},
        "spec": {"selector": {"matchLabels": {"app": name}}, "template": template},
    }


async def istio(*deployments: tuple[str, make.Obj], instance: str = "", **flags: str) -> tuple[str, str]:
    """The version of Istio's API that is taken for a Rollout of namespace shop, and what is said of it."""
    server = ApiServer(wall_clock, auto_create_namespaces=True)
    for namespace, each in deployments:
        await server.create(DEPLOYMENT, namespace, each)
    rollout = named("a")
    rollout["metadata"]["labels"] = {"argo-rollouts.argoproj.io/controller-instance-id": instance} if instance else {}
    settings, note = await traffic_settings(server, "shop", argparse.Namespace(**flags), [rollout])
    return settings.istio_api_version, note


async def test_the_controllers_deployment_says_it() -> None:
    assert await istio(("ops", deployment("--loglevel=debug", "--istio-api-version", "v1"))) == ("v1", "")


async def test_a_flag_of_the_command_line_wins() -> None:
    assert await istio(("ops", deployment("--istio-api-version=v1")), istio_api_version="v1beta1") == ("v1beta1", "")


async def test_without_a_deployment_the_defaults_are_taken_and_that_is_said() -> None:
    version, note = await istio()
    assert version == "v1alpha3"
    assert note.startswith(NOTE)


async def test_only_the_controller_that_is_responsible_is_asked() -> None:
    others = [
        ("ops", deployment("--istio-api-version=v1", "--instance-id=other", name="a")),
        ("else", deployment("--istio-api-version=v1", "--namespaced", name="b")),
        ("ops", deployment("--istio-api-version=v1", name="c", component="rollouts-dashboard")),
        ("ops", deployment("--no-flag-of-ours", name="d")),
    ]
    assert (await istio(*others))[1].startswith(NOTE)
    assert await istio(*others, ("shop", deployment("--istio-api-version=v1beta1", "--namespaced"))) == ("v1beta1", "")
    assert await istio(*others, instance="other") == ("v1", "")


@pytest.mark.virtual
async def test_why_speaks_of_default_versions_only_where_they_are_not_served() -> None:
    async with Stage() as stage:
        await stage.deploy(*istio_objects(make.weight(20), make.pause()))
        smi = {**make.ISTIO, "trafficRouting": {"smi": {}}}
        await stage.apply(rollout(make.weight(20), name="split", canary=smi))
        served, missing = await asked(stage), await asked(stage, name="split")
    assert not [line for line in served if line.startswith(NOTE)]
    assert [line for line in missing if line.startswith(NOTE)]


async def test_nobody_is_asked_for_a_rollout_whose_router_has_one_version() -> None:
    rollout = make.rollout(make.weight(20), canary={"trafficRouting": {"nginx": {"stableIngress": "i"}}})
    rollout["metadata"] = {"name": "a"}
    server = ApiServer(wall_clock)
    assert await traffic_settings(server, "shop", argparse.Namespace(), [rollout]) == (TrafficSettings(), "")


def test_the_flags_are_those_that_dialects_depend_on() -> None:
    wanted = {each.name for each in fields(TrafficSettings)}
    assert {flag.name for flag in FLAGS if flag.field in wanted} == set(NAMES)
    assert given_settings(argparse.Namespace(appmesh_crd_version="v1")) == TrafficSettings(appmesh_crd_version="v1")


def test_rules_of_a_manifest_name_the_group_that_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    canary = {"trafficRouting": {"traefik": {"weightedTraefikServiceName": "t"}}}
    rollout = make.rollout(make.weight(20), canary=make.ISTIO | canary)
    rollout["metadata"] = {"name": "a"}
    file = written(tmp_path, rollout)
    assert run(["doctor", "gitops", "-f", file, "--traefik-api-group=traefik.containo.us"]) == 0
    assert "group: traefik.containo.us" in capsys.readouterr().out
