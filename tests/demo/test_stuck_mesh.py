"""A mesh that stops following, seen by a real Prometheus in real requests: the rollout waits, and says why."""

import argparse
import asyncio
import io
from collections.abc import AsyncIterator, Callable

import pytest

from rollouts import operations
from rollouts.cli.session import Session
from rollouts.cli.why import why
from rollouts.kube.refs import EVENT, REPLICA_SET, ROLLOUT, SERVICE, Obj
from rollouts.sandbox import clock
from rollouts.sandbox.demo.environment import Environment, running
from rollouts.sandbox.demo.routers import ROUTERS
from rollouts.sandbox.dialects.istio import VIRTUAL_SERVICE
from rollouts.sandbox.prometheus_binary import PrometheusMissing, find_or_install
from rollouts.sandbox.stats import NOBODY
from tests import make
from tests.sandbox.dataplane import eventually
from tests.stories.objects import rollout, service, virtual_service

PROOF = """
address: {address}
requests: |
  sum(max by (pod, status) (increase(http_requests_total{{pod=~"{{{{replicaset}}}}-.*"}}[{{{{window}}}}])))
settle: 3s
window: 15s
quiet: 6s
longestWait: 3m
"""


@pytest.fixture
async def env(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Environment]:
    try:
        await asyncio.to_thread(find_or_install)
    except PrometheusMissing as missing:
        pytest.skip(str(missing))
    monkeypatch.setenv("ROLLOUT_VERIFY_RETRY_INTERVAL", "2")
    async with running(ROUTERS["istio"]) as env:
        yield env


async def until(holds: Callable[[Obj], object], env: Environment, seconds: float = 120.0) -> Obj:
    """The Rollout, once this holds of it."""
    found: Obj = {}
    try:
        async with asyncio.timeout(seconds):
            while not holds(found):
                env.controller.check()
                await asyncio.sleep(0.2)
                found = await env.wire.get(ROLLOUT, "default", "r")
    except TimeoutError:
        raise AssertionError(f"not within {seconds:g} s: {found.get('status')}") from None
    return found


def proven(obj: Obj) -> tuple[str, str]:
    conditions = (obj.get("status") or {}).get("conditions") or ()
    found: Obj = next((each for each in conditions if each["type"] == "TrafficProven"), {})
    return found.get("reason", ""), found.get("message", "")


def phase(obj: Obj) -> str:
    return str((obj.get("status") or {}).get("phase", ""))


async def pods(env: Environment, image: str) -> int:
    for rs in (await env.wire.list(REPLICA_SET, "default")).items:
        if rs["spec"]["template"]["spec"]["containers"][0]["image"] == image:
            return int(rs["spec"]["replicas"])
    return 0


async def asked_why(env: Environment) -> str:
    out = io.StringIO()
    await why(Session(env.wire, "default", out, io.StringIO(), clock.now), argparse.Namespace(name="r"))
    return out.getvalue()


async def operate(env: Environment, operation: operations.Operation) -> None:
    for change in operation.changes:
        ref = change.ref
        await env.wire.patch(
            ref.resource, ref.namespace, ref.name, change.patch, type=change.type, subresource=change.subresource
        )


async def deploy(env: Environment) -> None:
    mesh = virtual_service()
    mesh["spec"]["hosts"] = [ROUTERS["istio"].host]
    canary = {**make.ISTIO, "abortScaleDownDelaySeconds": 1}
    manifest = rollout(make.weight(50), make.pause(), image="shop:1", replicas=4, canary=canary)
    manifest["metadata"]["annotations"] = {"traffic.rollouts.dev/proof": PROOF.format(address=env.prometheus.url)}
    for resource, obj in (
        (SERVICE, service("stable")),
        (SERVICE, service("canary")),
        (VIRTUAL_SERVICE, mesh),
        (ROLLOUT, manifest),
    ):
        await env.wire.create(resource, "default", obj)
    await until(lambda obj: phase(obj) == "Healthy", env)
    await env.users.start()
    await eventually(lambda: env.users.snapshot().total.requests > 100)


async def test_a_rollout_waits_for_a_mesh_that_is_stuck_and_no_request_fails(env: Environment) -> None:
    await deploy(env)

    env.gateway.stuck = True
    await env.wire.patch(ROLLOUT, "default", "r", {"spec": {"template": make.template("shop:2")}})
    _, text = proven(await until(lambda obj: proven(obj)[0] == "TrafficDiffers", env))
    assert text.startswith("VirtualService default/vs: 50 % of the requests are meant for ReplicaSet r-")
    assert ", but 0 % of " in text
    said = await asked_why(env)
    print(said)
    assert "Waits: proof of traffic: VirtualService default/vs: 50 % of the requests are meant" in said

    env.gateway.stuck = False
    seen = await until(lambda obj: phase(obj) == "Paused", env)
    assert seen["status"]["canary"]["weights"]["verified"] is True
    print(await asked_why(env))

    env.gateway.stuck = True
    await operate(env, operations.abort("default", "r"))
    aborted = await until(lambda obj: proven(obj)[0] == "TrafficLeak", env)
    assert aborted["status"]["canary"]["weights"]["canary"]["weight"] == 0
    assert "has no share, and got " in proven(aborted)[1]
    said = await asked_why(env)
    print(said)
    assert "Waits: the aborted canary keeps its pods until it is proven that requests follow" in said
    assert await pods(env, "shop:2") == 2

    env.gateway.stuck = False
    await until(lambda obj: proven(obj)[0] == "TrafficProven", env)
    await until(lambda obj: (obj.get("status") or {}).get("replicas") == 4, env)
    assert await pods(env, "shop:2") == 0
    users = env.users.snapshot()
    assert users.total.requests > 1000
    assert (users.total.errors, users.of(NOBODY).requests) == (0, 0)

    async with asyncio.timeout(20):
        told = set[str]()
        while not {"TrafficDiffers", "TrafficLeak", "TrafficProven"} <= told:
            events = (await env.wire.list(EVENT, "default")).items
            told = {event["reason"] for event in events if event["involvedObject"]["name"] == "r"}
            await asyncio.sleep(0.5)
    for event in events:
        print(event["type"], event["reason"], event["message"][:300])
