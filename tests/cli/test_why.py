"""`why`: the controller's own decision, made from what the API server holds."""

import argparse
import io

import pytest

from rollouts.cli.session import Session
from rollouts.cli.why import why
from rollouts.kube.refs import ROLLOUT
from rollouts.sandbox import clock
from tests import make
from tests.stories.objects import rollout
from tests.stories.stage import Stage
from tests.stories.test_proof import updated

pytestmark = pytest.mark.virtual


async def asked(stage: Stage, name: str = "r") -> list[str]:
    out = io.StringIO()
    session = Session(stage.wire, "default", out, io.StringIO(), clock.now)
    await why(session, argparse.Namespace(name=name))
    return out.getvalue().splitlines()


async def test_a_pause_says_until_when() -> None:
    async with Stage() as stage:
        await stage.deploy(rollout(make.weight(20), make.pause("1h")))
        await stage.release("img:2")
        await stage.reaches("Paused")
        headline, *lines = await asked(stage)
    assert headline == "r is Paused, step 1/2: CanaryPauseStep"
    assert any(line.startswith("Waits: paused until ") and line.endswith(" UTC)") for line in lines)
    assert not [line for line in lines if line.startswith("To do: ")]


async def test_pods_that_are_missing_are_counted() -> None:
    async with Stage() as stage:
        await stage.deploy(rollout(make.weight(20), make.pause()))
        broken = make.template("img:2")
        broken["metadata"]["annotations"] = {"sandbox.rollouts.dev/ready": "never"}
        await stage.change(ROLLOUT, "r", {"spec": {"template": broken}})
        await stage.passes(5)
        lines = await asked(stage)
    assert any("step 1/2 (setWeight: 20): ReplicaSet" in line and "has 0 of 1 available pods" in line for line in lines)


async def test_traffic_that_does_not_follow_is_told_with_its_numbers() -> None:
    async with Stage() as stage:
        await updated(stage, make.weight(20), make.pause())
        await stage.passes(45)
        lines = await asked(stage)
    assert (
        "Waits: proof of traffic: VirtualService default/vs: 20 % of the requests are meant for ReplicaSet "
        "r-79dbf75f7b, but 0 % of 1000 reached it"
    ) in [line.partition(" (until ")[0] for line in lines]


async def test_without_a_controller_it_shows_what_is_left_undone() -> None:
    async with Stage() as stage:
        await stage.deploy(rollout(make.weight(20), make.pause()))
        await stage.kill()
        await stage.release("img:2")
        lines = await asked(stage)
    assert any(line.startswith("To do: create ReplicaSet r-79dbf75f7b (revision 2) with 1 pods") for line in lines)


async def test_an_invalid_spec_names_its_fault() -> None:
    async with Stage() as stage:
        await stage.deploy(rollout(make.weight(20), make.pause()))
        await stage.change(ROLLOUT, "r", {"spec": {"strategy": {"canary": {"canaryService": "nope"}}}})
        await stage.reaches("Degraded")
        lines = await asked(stage)
    assert any('service "nope" not found' in line for line in lines if line.startswith("Waits: "))
