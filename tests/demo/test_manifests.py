"""The demo's manifests are the users' own, at another speed."""

from importlib import resources
from pathlib import Path

import pytest
import yaml

from rollouts.kube.refs import Obj, name_of
from rollouts.sandbox.manifests import manifest, resource_of

USERS = Path(__file__).parents[3] / "shared" / "manifests" / "api"


def test_the_rollout_is_the_deployment_with_a_strategy() -> None:
    (deployment,), (rollout,) = manifest("api-deployment"), manifest("api-rollout")
    strategy = rollout["spec"].pop("strategy")
    assert rollout["spec"] == deployment["spec"]
    assert strategy["canary"]["steps"][0] == {"setWeight": 10}


def test_every_shipped_object_has_a_resource() -> None:
    files = [
        file.name for file in resources.files("rollouts.sandbox.manifests").iterdir() if file.name.endswith(".yaml")
    ]
    objects = [obj for file in files for obj in manifest(file.removesuffix(".yaml"))]
    assert len([resource_of(obj) for obj in objects]) == 13


@pytest.mark.skipif(not USERS.is_dir(), reason="the users' manifests are not beside this repository")
def test_steps_queries_and_conditions_are_those_of_the_users() -> None:
    def read(name: str) -> Obj:
        loaded: Obj = yaml.safe_load((USERS / f"{name}.yaml").read_text())
        return loaded

    ours = {name_of(obj): obj for obj in manifest("api-analysis")}
    for name in ("success-rate", "latency-p99"):
        mine, theirs = ours[name]["spec"]["metrics"][0], read(name)["spec"]["metrics"][0]
        assert query(mine).replace("[6s]", "[2m]") == query(theirs)
        assert (mine["successCondition"], mine["failureLimit"]) == (theirs["successCondition"], theirs["failureLimit"])
        assert ours[name]["spec"]["args"] == [{"name": "service-name"}]
    steps = [manifest("api-rollout")[0], read("rollout")]
    outlines = [[weight_or_verb(step) for step in rollout["spec"]["strategy"]["canary"]["steps"]] for rollout in steps]
    assert outlines[0] == outlines[1]


def query(metric: Obj) -> str:
    return "".join(metric["provider"]["prometheus"]["query"].split())


def weight_or_verb(step: Obj) -> str:
    return str(step.get("setWeight", *step))
