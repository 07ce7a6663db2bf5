"""`why`: the controller's own decision, made from what the API server holds."""

import argparse
import io
from datetime import timedelta

import pytest

from rollouts.cli.leader import leader
from rollouts.cli.session import Session
from rollouts.cli.why import why
from rollouts.kube.clock import micro_time
from rollouts.kube.refs import LEASE, NAMESPACE, ROLLOUT
from rollouts.sandbox import clock
from tests import make
from tests.stories.families import FAMILIES
from tests.stories.objects import rollout
from tests.stories.stage import Stage
from tests.stories.test_proof import updated
from tests.stories.test_workload import deployment, referring

pytestmark = pytest.mark.virtual


async def asked(stage: Stage, name: str = "r", **flags: str) -> list[str]:
    out = io.StringIO()
    session = Session(stage.wire, "default", out, io.StringIO(), clock.now)
    await why(session, argparse.Namespace(name=name, **flags))
    return out.getvalue().splitlines()


async def test_a_pause_says_until_when() -> None:
    async with Stage() as stage:
        await stage.deploy(rollout(make.weight(20), make.pause("1h")))
        await stage.release("img:2")
        await stage.reaches("Paused")
        headline, *lines = await asked(stage)
    assert headline == "r is Paused, step 1/2: CanaryPauseStep"
    assert "Waits: paused until 2026-01-01 01:00:01 UTC by a step of 1h" in lines
    assert not [line for line in lines if line.startswith("To do: ")]


async def test_a_rollout_that_takes_its_template_from_a_deployment_is_answered_too() -> None:
    async with Stage() as stage:
        await stage.deploy(deployment(), referring(make.weight(20), make.pause()))
        lines = await asked(stage)
    assert lines == ["r is Healthy, step 2/2", "Waits: nothing is to be done, until the template changes"]


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
    assert "Controller: there is no lease argo-rollouts-controller-lock: does any controller run?" in lines


@pytest.mark.parametrize(
    ("holder", "age", "said"),
    [
        ("pod_1", 3, "pod_1 leads, renewed 3 s ago"),
        ("pod_1", 60, "pod_1 renewed the lease ops/argo-rollouts-controller-lock last 60 s ago: no controller acts"),
        ("", 60, "nobody holds the lease ops/argo-rollouts-controller-lock: no controller acts"),
    ],
)
async def test_the_lease_tells_whether_a_controller_is_at_work(holder: str, age: int, said: str) -> None:
    async with Stage() as stage:
        now = clock.now()
        spec = {"holderIdentity": holder, "leaseDurationSeconds": 15, "renewTime": micro_time(now)}
        await stage.wire.create(NAMESPACE, "", {"metadata": {"name": "ops"}})
        await stage.wire.create(LEASE, "ops", {"metadata": {"name": "argo-rollouts-controller-lock"}, "spec": spec})
        assert await leader(stage.wire, rollout(), now + timedelta(seconds=age)) == (age == 3, said)


async def test_a_pause_names_the_commands_that_end_it() -> None:
    async with Stage() as stage:
        await stage.deploy(rollout(make.weight(20), make.pause()))
        await stage.release("img:2")
        await stage.reaches("Paused")
        lines = await asked(stage)
        flagged = await asked(stage, namespace="default")
    assert lines[1:] == [
        "Waits: paused at a step without duration, until somebody promotes",
        "Waits: step 2/2 (pause): its pods are as asked for",
        "Traffic: goes by pods, of which 1 of 5 available ones are of the update",
        "Next: `kubectl argo rollouts promote r` goes on",
        "Next: `kubectl argo rollouts abort r` takes the update back to 9f9bc55f7",
    ]
    assert "Next: `kubectl argo rollouts promote r -n default` goes on" in flagged


async def test_an_abort_says_how_to_begin_anew_and_how_to_give_up() -> None:
    async with Stage() as stage:
        await stage.deploy(rollout(make.weight(20), make.pause()))
        await stage.release("img:2")
        await stage.reaches("Paused")
        await stage.change(ROLLOUT, "r", {"status": {"abort": True}}, subresource="status")
        await stage.reaches("Degraded")
        await stage.passes(60)
        lines = await asked(stage)
    assert lines[1:] == [
        "Waits: the update was aborted: stable takes all traffic, until a retry or a new template",
        "Traffic: goes by pods, of which 0 of 5 available ones are of the update",
        "Next: `kubectl argo rollouts retry rollout r` begins the update anew",
        "Next: `kubectl argo rollouts undo r` gives it up; so does any other template",
    ]


async def test_pods_say_why_they_do_not_come_up() -> None:
    async with Stage() as stage:
        await stage.deploy(rollout(make.weight(40), make.pause()))
        broken = make.template("img:2")
        broken["metadata"]["annotations"] = {"sandbox.rollouts.dev/image-pull": "fail"}
        await stage.change(ROLLOUT, "r", {"spec": {"template": broken}})
        await stage.passes(30)
        lines = await asked(stage)
    pods = [line for line in lines if line.startswith("Pods: ")]
    assert len(pods) == 1
    assert pods[0].endswith(': 2 of its pods are ImagePullBackOff: Back-off pulling image "img:2"')


async def test_an_invalid_spec_names_its_fault() -> None:
    async with Stage() as stage:
        await stage.deploy(rollout(make.weight(20), make.pause()))
        await stage.change(ROLLOUT, "r", {"spec": {"strategy": {"canary": {"canaryService": "nope"}}}})
        await stage.reaches("Degraded")
        lines = await asked(stage)
    assert 'service "nope" not found' in lines[0]
    assert lines[-1] == "Next: correct what is named above: until then pods and traffic stay as they are"


@pytest.mark.parametrize("router", FAMILIES)
async def test_what_is_decided_here_behind_a_router_is_what_the_controller_decides(router: str) -> None:
    async with Stage() as stage:
        await FAMILIES[router].install(stage, make.weight(20), make.pause())
        await stage.release("img:2")
        await stage.reaches("Paused")
        await stage.passes(5)
        lines = await asked(stage)
    assert not [line for line in lines if line.startswith(("To do: ", "Not read: ", "Note: "))]
    assert any(line.startswith("Traffic: of 100, 20 to canary ") for line in lines)
