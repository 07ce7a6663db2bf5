"""Two Services that take turns at being stable, before the real API of the routers that share traffic by them."""

import json
from functools import partial

import pytest

from rollouts.kube.refs import INGRESS, SERVICE, Obj
from tests import make
from tests.stories.objects import rollout, service, virtual_service
from tests.stories.stage import Stage

pytestmark = pytest.mark.virtual

PAIR: Obj = {"pingPong": {"pingService": "ping", "pongService": "pong"}, "scaleDownDelaySeconds": 5}
ISTIO: Obj = {"istio": {"virtualService": {"name": "vs"}}}
ALB: Obj = {"alb": {"ingress": "balanced", "rootService": "root", "servicePort": 80}}
STEPS = (make.weight(20), make.pause())
ACTION = "alb.ingress.kubernetes.io/actions.root"


def ingress() -> Obj:
    backend = {"service": {"name": "root", "port": {"name": "use-annotation"}}}
    path = {"path": "/", "pathType": "Prefix", "backend": backend}
    metadata = {"name": "balanced", "namespace": "default"}
    spec = {"ingressClassName": "alb", "rules": [{"http": {"paths": [path]}}]}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata, "spec": spec}


def shares(stage: Stage) -> dict[str, int]:
    """Weights by Service of the load balancer's action."""
    action = json.loads(stage.get(INGRESS, "balanced")["metadata"]["annotations"][ACTION])
    return {each["ServiceName"]: each["Weight"] for each in action["ForwardConfig"]["TargetGroups"]}


def _is_home(stage: Stage, image: str, serving: str, resting: str) -> bool:
    """Whether all pods are of this image and get all traffic by one of two Services that take turns."""
    return stage.weights() == {serving: 100, resting: 0} and stage.sizes() == {image: 5}


async def test_releases_by_istio_alone_take_turns_and_no_pass_fails() -> None:
    """Upstream fails every pass until the new version is whole, and waits for its back-off."""
    async with Stage() as stage:
        objects = (service("ping"), service("pong"), virtual_service(hosts=("ping", "pong")))
        await stage.deploy(*objects, rollout(*STEPS, canary={**PAIR, "trafficRouting": ISTIO}))
        assert stage.weights() == {"ping": 100, "pong": 0}
        for image, stable, canary in (("img:2", "ping", "pong"), ("img:3", "pong", "ping")):
            old = stage.serves(stable)
            await stage.release(image)
            await stage.reaches("Paused")
            assert stage.weights() == {stable: 80, canary: 20}
            assert (stage.serves(stable), stage.serves(canary)) == (old, {image})
            await stage.promote()
            await stage.reaches("Healthy")
            await stage.until(partial(_is_home, stage, image, canary, stable))
        assert "ReconciliationError" not in {reason for reason, _ in await stage.events()}


async def test_a_load_balancer_shares_by_the_turns_while_istio_shares_by_the_services_it_knows() -> None:
    async with Stage() as stage:
        await stage.wire.create(INGRESS, "default", ingress())
        names = {"stableService": "stable", "canaryService": "canary"}
        canary = {**PAIR, **names, "trafficRouting": {**ISTIO, **ALB}}
        services = [service(name) for name in ("ping", "pong", "stable", "canary", "root")]
        await stage.deploy(*services, virtual_service(), rollout(*STEPS, canary=canary))
        await stage.release("img:2")
        await stage.reaches("Paused")
        assert stage.weights() == {"stable": 80, "canary": 20}
        assert shares(stage) == {"ping": 80, "pong": 20}
        assert stage.serves("ping") == stage.serves("stable") == {"img:1"}
        assert stage.serves("pong") == stage.serves("canary") == {"img:2"}
        await stage.promote()
        await stage.until(lambda: stage.sizes() == {"img:2": 5})
        assert stage.weights() == {"stable": 100, "canary": 0}
        assert shares(stage) == {"ping": 0, "pong": 100}
        assert stage.serves("pong") == stage.serves("stable") == {"img:2"}
        selector = stage.get(SERVICE, "root")["spec"]["selector"]
        assert selector == {"app": "r"}, "the root Service is nobody's to switch"
