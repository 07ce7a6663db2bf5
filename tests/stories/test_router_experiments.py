"""Experiments that get a share of the traffic, through each router beside Istio that carries them."""

import json
from collections.abc import Callable

import pytest

from rollouts.kube.refs import EXPERIMENT, INGRESS, SERVICE, Obj, name_of
from rollouts.traffic.base import GATEWAY_ROUTES
from tests import make
from tests.stories.families import FAMILIES, SETTINGS
from tests.stories.stage import Stage

pytestmark = pytest.mark.virtual

HOME = {"r-stable": 80, "r-canary": 20}
PORT = 8081


def step(**rest: object) -> Obj:
    return {"experiment": {"templates": [{"name": "try", "specRef": "canary", "weight": 10}], **rest}}


def template() -> Obj:
    found = make.template()
    found["spec"]["containers"][0]["ports"] = [{"containerPort": 9000}, {"containerPort": PORT, "name": "http"}]
    return found


def _by_split(stage: Stage) -> dict[str, int]:
    backends = stage.get(SETTINGS.traffic_splits, "r")["spec"]["backends"]
    return {each["service"]: int(each["weight"]) for each in backends}


def _by_balancer(stage: Stage) -> dict[str, int]:
    text = stage.get(INGRESS, "balanced")["metadata"]["annotations"]["alb.ingress.kubernetes.io/actions.r-stable"]
    return {each["ServiceName"]: each["Weight"] for each in json.loads(text)["ForwardConfig"]["TargetGroups"]}


def _by_gateway(stage: Stage) -> dict[str, int]:
    """All routes say the same."""
    found = [stage.get(resource, "g")["spec"]["rules"][0]["backendRefs"] for resource in GATEWAY_ROUTES]
    shares = [{each["name"]: each["weight"] for each in backends} for backends in found]
    return shares[0] if all(each == shares[0] for each in shares) else {}


READERS: dict[str, Callable[[Stage], dict[str, int]]] = {
    "smi": _by_split,
    "alb": _by_balancer,
    "gatewayAPI": _by_gateway,
}


def tried(stage: Stage) -> str:
    """The Service of the version that is tried."""
    return next((f"{name_of(one)}-try" for one in stage.all(EXPERIMENT)), "")


async def begins(stage: Stage, name: str, **rest: object) -> None:
    """A release reaches its experiment, and that has its share."""
    steps = (make.weight(20), step(**rest), make.pause())
    await FAMILIES[name].install(stage, *steps, template=template())
    await stage.release("img:2")
    await stage.until(lambda: READERS[name](stage) == {"r-stable": 70, "r-canary": 20, tried(stage): 10})


@pytest.mark.parametrize("name", READERS)
async def test_a_running_experiment_gets_its_share_and_gives_it_back(name: str) -> None:
    async with Stage() as stage:
        await begins(stage, name, duration="10s")
        await stage.reaches("Paused")
        assert READERS[name](stage) == HOME


@pytest.mark.parametrize("name", READERS)
async def test_an_abort_takes_the_share_of_an_experiment_home_before_its_service_goes(name: str) -> None:
    async with Stage() as stage:
        await begins(stage, name, duration="10m")
        service, broken = tried(stage), list[str]()

        def served() -> None:
            if service in READERS[name](stage) and stage.find(SERVICE, service) is None:
                broken.append(f"traffic for {service}, which is gone")

        stage.server.store.listeners.append(served)
        await stage.abort()
        await stage.until(lambda: READERS[name](stage) == {"r-stable": 100, "r-canary": 0})
        await stage.until(lambda: stage.find(SERVICE, service) is None)
        assert broken == []


@pytest.mark.parametrize("name", READERS)
async def test_an_experiment_that_ends_while_no_controller_runs_loses_its_share_with_the_next_one(name: str) -> None:
    async with Stage() as stage:
        await begins(stage, name, duration="10m")
        await stage.until(lambda: stage.status()["canary"]["weights"].get("additional"))
        await stage.kill()
        await stage.change(EXPERIMENT, tried(stage).removesuffix("-try"), {"spec": {"terminate": True}})
        await stage.passes(30)
        stage.start()
        await stage.until(lambda: len(READERS[name](stage)) == 2)


async def test_a_backend_of_the_gateway_is_reached_at_the_port_that_its_pods_call_http() -> None:
    async with Stage() as stage:
        await begins(stage, "gatewayAPI", duration="10m")
        (backend,) = stage.get(GATEWAY_ROUTES[0], "g")["spec"]["rules"][0]["backendRefs"][2:]
        ports = [each["port"] for each in stage.get(SERVICE, tried(stage))["spec"]["ports"]]
        assert backend == {
            "group": "",
            "kind": "Service",
            "name": tried(stage),
            "namespace": "default",
            "port": PORT,
            "weight": 10,
        }
        assert PORT in ports
