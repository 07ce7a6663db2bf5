"""Releases behind load balancers of AWS that are asked whether they have followed (`--aws-verify-target-group`)."""

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from rollouts.kube.refs import CRD, ENDPOINTS, INGRESS, ROLLOUT, Obj
from rollouts.prober.balancers import bindings
from tests import make
from tests.prober.cloud import Cloud, cloud
from tests.stories.families import FAMILIES, definition
from tests.stories.objects import analysis, rollout, service, template
from tests.stories.stage import Stage

pytestmark = pytest.mark.virtual

FLAG = "--aws-verify-target-group"
BINDINGS = bindings("elbv2.k8s.aws/v1beta1")


@pytest.fixture(scope="module")
def served() -> Iterator[Cloud]:
    with cloud() as made:
        made.hostname = made.balancer("lb")
        made.group("canary", "default/balanced-r-canary:80")
        made.group("stable", "default/balanced-r-stable:80")
        yield made


@pytest.fixture
def aws(served: Cloud) -> Cloud:
    served.forwards("lb", canary=0, stable=100)
    served.asked.clear()
    return served


def reached(stage: Stage, aws: Cloud) -> None:
    """Requests to AWS arrive there, while time stands still."""

    async def sent(request: httpx.Request) -> httpx.Response:
        aws.asked.append(request.content.decode())
        answer = await asyncio.to_thread(
            httpx.request, request.method, str(request.url), headers=request.headers, content=request.content
        )
        return httpx.Response(answer.status_code, content=answer.content)

    stage.prometheus.elsewhere = sent


async def balanced(stage: Stage, aws: Cloud, *steps: Obj, hostname: bool = True) -> None:
    """A Rollout behind the load balancer, and a second version on its way."""
    reached(stage, aws)
    await FAMILIES["alb"].install(stage, *steps)
    if hostname:
        await found(stage, aws)
        await stage.until(lambda: stage.status().get("alb"), limit=15)
        assert verified(stage) is True
    aws.asked.clear()
    await stage.release("img:2")


async def found(stage: Stage, aws: Cloud) -> None:
    status = {"loadBalancer": {"ingress": [{"hostname": aws.hostname}]}}
    await stage.change(INGRESS, "balanced", {"status": status}, subresource="status")


async def bound(stage: Stage, name: str, arn: str) -> None:
    """Pods behind a Service are to be registered with a target group by IP."""
    await stage.wire.create(CRD, "", definition(BINDINGS))
    spec = {"targetGroupARN": arn, "targetType": "ip", "serviceRef": {"name": name, "port": 80}}
    binding = {"apiVersion": BINDINGS.api_version, "kind": BINDINGS.kind, "metadata": {"name": name}, "spec": spec}
    await stage.wire.create(BINDINGS, "default", binding)


def addresses(stage: Stage, name: str) -> list[tuple[str, int]]:
    return [
        (address["ip"], port["port"])
        for subset in stage.get(ENDPOINTS, name).get("subsets") or ()
        for address in subset.get("addresses") or ()
        for port in subset["ports"]
    ]


def share(stage: Stage) -> Any:
    return FAMILIES["alb"].share(stage)


def verified(stage: Stage) -> Any:
    return stage.status()["canary"]["weights"].get("verified")


async def test_a_step_waits_for_the_weight_of_the_load_balancer(aws: Cloud) -> None:
    async with Stage(FLAG) as stage:
        await balanced(stage, aws, make.weight(20), make.pause())
        await stage.until(lambda: share(stage) == 20)
        await stage.passes(25)
        assert (verified(stage), stage.status()["currentStepIndex"]) == (False, 0)
        aws.forwards("lb", canary=20, stable=80)
        await stage.reaches("Paused", limit=15)
        assert verified(stage) is True
        assert stage.status()["alb"]["canaryTargetGroup"]["arn"] == aws.groups["canary"]
        assert stage.status()["albs"] == [stage.status()["alb"]]
        text = f"Service r-canary (TargetGroup {aws.groups['canary']})"
        told = [event for event in await stage.events() if event[0].startswith("TargetGroup")]
        assert ("TargetGroupUnverified", f"{text} not verified: canary weight 20 not yet set (current: 0)") in told
        assert ("TargetGroupVerified", f"{text} verified: canary weight 20 set") in told
        aws.asked.clear()
        await stage.passes(300)
        assert aws.asked == [], "nobody asks while nothing waits for the answer"


async def test_the_load_balancer_is_asked_no_more_often_than_the_interval_says(aws: Cloud) -> None:
    async with Stage(FLAG) as stage:
        await balanced(stage, aws, make.weight(20), make.pause())
        await stage.until(lambda: share(stage) == 20)
        await stage.passes(95)
        asked = [each for each in aws.asked if "Action=DescribeTargetGroups" in each]
        assert len(asked) == 10
        assert not any("Action=DescribeLoadBalancers" in each for each in aws.asked), "its name was known already"


async def test_a_step_waits_while_no_load_balancer_is_known(aws: Cloud) -> None:
    async with Stage(FLAG) as stage:
        await balanced(stage, aws, make.weight(20), make.pause(), hostname=False)
        await stage.until(lambda: share(stage) == 20)
        await stage.passes(60)
        assert (verified(stage), stage.status()["currentStepIndex"], aws.asked) == (False, 0, [])
        aws.forwards("lb", canary=20, stable=80)
        await found(stage, aws)
        await stage.reaches("Paused", limit=15)


async def test_a_promotion_waits_for_all_of_the_traffic_and_old_pods_for_the_targets_of_the_new_ones(
    aws: Cloud,
) -> None:
    async with Stage(FLAG) as stage:
        await bound(stage, "r-stable", aws.groups["stable"])
        await balanced(stage, aws, make.weight(20))
        aws.forwards("lb", canary=20, stable=80)
        await stage.until(lambda: share(stage) == 100)
        await stage.passes(30)
        assert stage.status()["stableRS"] == stage.hash("img:1")
        aws.forwards("lb", canary=100, stable=0)
        await stage.until(lambda: stage.status()["stableRS"] == stage.hash("img:2"), limit=15)
        await stage.passes(120)
        assert stage.sizes() == {"img:1": 5, "img:2": 5}
        aws.register("stable", *addresses(stage, "r-stable"))
        await stage.until(lambda: stage.sizes() == {"img:2": 5}, limit=60)
        told = [text for reason, text in await stage.events() if reason.startswith("TargetGroup")]
        assert f"Service r-stable (TargetGroup {aws.groups['stable']}) verified: 5 endpoints registered" in told


async def test_a_blue_green_update_is_promoted_when_the_targets_of_the_new_pods_are_there(aws: Cloud) -> None:
    async with Stage(FLAG) as stage:
        reached(stage, aws)
        arn = aws.groups.get("active") or aws.group("active")
        await bound(stage, "active", arn)
        manifest = rollout()
        judged = {"activeService": "active", "postPromotionAnalysis": analysis()}
        manifest["spec"]["strategy"] = {"blueGreen": judged}
        await stage.deploy(service("active"), template(), manifest)
        stage.prometheus.says("errors", 0.0)
        await stage.release("img:2")
        await stage.until(lambda: stage.serves("active") == {"img:2"})
        await stage.passes(60)
        assert (stage.phase().phase, stage.runs()) == ("Progressing", {})
        aws.register("active", *addresses(stage, "active"))
        await stage.reaches("Healthy", limit=30)
        assert list(stage.runs().values()) == ["Successful"]


async def test_without_the_flag_nobody_is_asked_and_nothing_is_kept(aws: Cloud) -> None:
    async with Stage() as stage:
        reached(stage, aws)
        await FAMILIES["alb"].install(stage, make.weight(20), make.pause())
        await found(stage, aws)
        await stage.change(
            ROLLOUT, "r", {"status": {"alb": {"ingress": "old"}, "albs": [{"ingress": "old"}]}}, subresource="status"
        )
        await stage.release("img:2")
        await stage.reaches("Paused")
        assert (aws.asked, verified(stage)) == ([], None)
        assert not {"alb", "albs"} & stage.status().keys()
