"""Comparison before real users: a real Prometheus scrapes real pods, and the controller is a process of its own."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any

import pytest

from rollouts.kube.refs import ANALYSIS_RUN, ROLLOUT, Obj, name_of
from rollouts.sandbox.demo.environment import Environment, running
from rollouts.sandbox.demo.releases import Verdict, reason_of, verdict_on
from rollouts.sandbox.demo.routers import ROUTERS
from rollouts.sandbox.load import Load
from rollouts.sandbox.manifests import create, manifest
from rollouts.sandbox.prometheus_binary import PrometheusMissing, find_or_install

LONGEST = 300.0
"""Seconds that a release may take."""

HASHES = {
    "canary": 'rollouts_pod_template_hash="{{args.canary}}"',
    "stable": 'rollouts_pod_template_hash="{{args.stable}}"',
}
COMPARE = {
    "all": 'http_requests_total{service="api"}',
    "bad": 'http_requests_total{service="api",status=~"5.."}',
    **HASHES,
    "alpha": 0.05,
    "delay": "1s",
    "longestWait": "4m",
}
ARGS = [
    {"name": "canary", "valueFrom": {"podTemplateHashValue": "Latest"}},
    {"name": "stable", "valueFrom": {"podTemplateHashValue": "Stable"}},
]
LINE_AT_FIVE_PERCENT = f"""
sum(rate(http_requests_total{{service="api",status=~"5..",{HASHES["canary"]}}}[6s]))
/ sum(rate(http_requests_total{{service="api",{HASHES["canary"]}}}[6s]))
"""


@pytest.fixture(scope="module")
def binary() -> None:
    try:
        find_or_install()
    except PrometheusMissing as missing:
        pytest.skip(str(missing))


def template(name: str, address: str, at_least: int, count: int) -> Obj:
    """How much is measured is a matter of requests, not of time: so a slow machine makes the same verdict, later."""
    metric = {
        "name": "errors",
        "interval": "3s",
        "count": count,
        "failureLimit": 3,
        "successCondition": "result[0] < 0.05",
        "provider": {"prometheus": {"address": address, "query": LINE_AT_FIVE_PERCENT}},
    }
    annotations = {"analysis.rollouts.dev/compare": json.dumps({"errors": COMPARE | {"atLeast": at_least}})}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AnalysisTemplate",
        "metadata": {"name": name, "annotations": annotations},
        "spec": {"args": [{"name": "canary"}, {"name": "stable"}], "metrics": [metric]},
    }


def release(version: str, errors: float, judged_by: str) -> Obj:
    """What an update changes: the image, the share of errors that its pods answer, and the template that judges."""
    container = {"name": "api", "image": f"example.com/api:{version}", "ports": [{"containerPort": 8080}]}
    annotations = {"sandbox.rollouts.dev/error-rate": str(errors)}
    analysis = {"templates": [{"templateName": judged_by}], "args": ARGS}
    steps = [{"setWeight": 50}, {"pause": {"duration": "6s"}}, {"analysis": analysis}]
    pods = {"metadata": {"annotations": annotations}, "spec": {"containers": [container]}}
    return {"spec": {"template": pods, "strategy": {"canary": {"steps": steps}}}}


@asynccontextmanager
async def deployed() -> AsyncIterator[Environment]:
    """Version 1.0.0 serves, with 0.5 % of errors."""
    router = ROUTERS["istio"]
    async with running(router) as env:
        await create(env.wire, [*manifest("api-services"), *router.route()])
        await create(
            env.wire, [template("many", env.prometheus.url, 900, 1), template("few", env.prometheus.url, 60, 3)]
        )
        (rollout,) = router.rollout()
        await create(env.wire, [rollout])
        await env.wire.patch(ROLLOUT, "default", "api", release("1.0.0", 0.005, "many"))
        await verdict(env)
        yield env


async def verdict(env: Environment) -> tuple[Verdict, str]:
    """What becomes of the present template, and what the Rollout says about itself then."""
    deadline = monotonic() + LONGEST
    while monotonic() < deadline:
        rollout = await env.wire.get(ROLLOUT, "default", "api")
        if found := verdict_on(rollout):
            return found, reason_of(rollout)
        await asyncio.sleep(0.2)
    return Verdict.TIMED_OUT, str(rollout.get("status"))


async def measured(env: Environment) -> dict[str, Any]:
    """The result of the newest run's metric."""
    runs = (await env.wire.list(ANALYSIS_RUN, "default")).items
    newest = max(runs, key=lambda run: int(name_of(run).split("-")[-2]))
    (result,) = newest["status"]["metricResults"]
    found: dict[str, Any] = result
    return found


@pytest.mark.usefixtures("binary")
async def test_three_percent_are_taken_back_below_a_line_at_five_and_a_healthy_release_at_low_traffic_is_not() -> None:
    async with deployed() as env:
        async with Load(env.gateway.url, env.router.host, 100.0):
            await env.wire.patch(ROLLOUT, "default", "api", release("2.0.0", 0.03, "many"))
            found, reason = await verdict(env)
        assert found is Verdict.ABORTED, (reason, await measured(env))
        said = (await measured(env))["measurements"][-1]["message"]
        assert "% bad of" in said
        assert ": worse with certainty " in said
        assert said in reason
        async with Load(env.gateway.url, env.router.host, 12.0):
            await env.wire.patch(ROLLOUT, "default", "api", release("3.0.0", 0.005, "few"))
            found, reason = await verdict(env)
        result = await measured(env)
        assert found is Verdict.PROMOTED, (reason, result)
        assert (result["successful"], result.get("failed", 0)) == (3, 0)
        assert ": not worse (certainty " in result["measurements"][-1]["message"]
