"""Canaries behind an Istio VirtualService: shares of traffic, Services, and pods that stay until nobody needs them."""

import copy
from typing import Any

import pytest

from rollouts.api import labels
from rollouts.kube.refs import REPLICA_SET, SERVICE, Obj
from rollouts.sandbox.dialects.istio import VIRTUAL_SERVICE
from tests import make
from tests.stories.guard import Guard
from tests.stories.objects import istio, rollout, service, virtual_service
from tests.stories.stage import Stage

pytestmark = pytest.mark.virtual

FOUR_STEPS = (make.weight(20), make.pause(), make.weight(70), make.pause())


def share(canary: int) -> dict[str, int]:
    return {"stable": 100 - canary, "canary": canary}


async def test_traffic_follows_the_steps_and_comes_back_to_the_stable_service() -> None:
    async with Stage() as stage:
        await stage.deploy(*istio(*FOUR_STEPS, canary={"scaleDownDelaySeconds": 3}))
        guard = Guard(stage, replicas=5, available=5)
        assert stage.weights() == share(0)
        await stage.release("img:2")
        await stage.reaches("Paused")
        assert stage.weights() == share(20)
        assert stage.sizes() == {"img:1": 5, "img:2": 1}
        assert (stage.serves("stable"), stage.serves("canary")) == ({"img:1"}, {"img:2"})
        recorded = stage.status()["canary"]["weights"]
        assert (recorded["canary"]["weight"], recorded["stable"]["weight"]) == (20, 80)
        await stage.promote()
        await stage.reaches_step(3)
        assert stage.weights() == share(70)
        assert stage.sizes() == {"img:1": 5, "img:2": 4}
        await stage.promote()
        await stage.reaches("Healthy")
        await stage.until(lambda: stage.serves("stable") == {"img:2"} and stage.weights() == share(0))
        assert stage.sizes() == {"img:1": 5, "img:2": 5}, "the old pods wait out the scale-down delay"
        await stage.until(lambda: stage.sizes() == {"img:2": 5}, limit=6)
        assert guard.broken == []


async def test_traffic_waits_for_all_pods_of_the_step() -> None:
    async with Stage() as stage:
        await stage.deploy(*istio(make.weight(40), make.pause()))
        slow = make.template("img:2")
        slow["metadata"]["annotations"] = {"sandbox.rollouts.dev/ready": "after 60s"}
        await stage.edit(template=slow)
        await stage.passes(50)
        assert stage.weights() == share(0)
        await stage.reaches("Paused")
        assert stage.weights() == share(40)


async def test_the_old_pods_stay_for_thirty_seconds_unless_told_otherwise() -> None:
    async with Stage() as stage:
        await stage.deploy(*istio(make.weight(50)))
        await stage.release("img:2")
        await stage.reaches("Healthy")
        await stage.passes(28)
        assert stage.sizes() == {"img:1": 5, "img:2": 5}
        assert labels.SCALE_DOWN_DEADLINE in stage.replica_set("img:1")["metadata"]["annotations"]
        await stage.passes(5)
        assert stage.sizes() == {"img:2": 5}
        assert labels.SCALE_DOWN_DEADLINE not in stage.replica_set("img:1")["metadata"]["annotations"]


async def test_an_abort_takes_traffic_back_at_once_and_the_canary_down_later() -> None:
    async with Stage() as stage:
        await stage.deploy(*istio(*FOUR_STEPS))
        guard = Guard(stage, replicas=5, available=5)
        await stage.release("img:2")
        await stage.reaches("Paused")
        await stage.abort()
        await stage.reaches("Degraded", "RolloutAborted")
        assert labels.SCALE_DOWN_DEADLINE in stage.replica_set("img:2")["metadata"]["annotations"]
        assert stage.weights() == share(0)
        assert stage.serves("canary") == {"img:1"}
        assert stage.sizes() == {"img:1": 5, "img:2": 1}
        await stage.until(lambda: stage.sizes() == {"img:1": 5}, limit=33)
        assert stage.phase().phase == "Degraded"
        assert guard.broken == []


async def test_an_aborted_canary_can_be_kept_for_inspection() -> None:
    async with Stage() as stage:
        await stage.deploy(*istio(make.weight(40), make.pause(), canary={"abortScaleDownDelaySeconds": 0}))
        await stage.release("img:2")
        await stage.reaches("Paused")
        await stage.abort()
        await stage.reaches("Degraded")
        assert stage.weights() == share(0)


async def test_the_services_of_an_aborting_rollout_do_not_flap() -> None:
    async with Stage() as stage:
        await stage.deploy(*istio(*FOUR_STEPS))
        await stage.release("img:2")
        await stage.reaches("Paused")
        await stage.abort()
        await stage.reaches("Degraded")
        stage.line.calls.clear()
        await stage.passes(60)
        assert [call for call in stage.line.writes if call.resource is SERVICE] == []
        assert len(stage.line.writes) <= 4


async def test_a_retry_within_the_delay_uses_the_pods_that_are_still_there() -> None:
    async with Stage() as stage:
        await stage.deploy(*istio(*FOUR_STEPS))
        await stage.release("img:2")
        await stage.reaches("Paused")
        pods = {pod["metadata"]["uid"] for pod in stage.behind("canary")}
        await stage.abort()
        await stage.reaches("Degraded")
        await stage.passes(5)
        await stage.retry()
        await stage.reaches("Paused")
        assert {pod["metadata"]["uid"] for pod in stage.behind("canary")} == pods
        assert stage.weights() == share(20)
        await stage.passes(60)
        assert stage.sizes() == {"img:1": 5, "img:2": 1}


async def test_full_promotion_keeps_the_share_until_all_pods_are_there() -> None:
    async with Stage() as stage:
        await stage.deploy(*istio(*FOUR_STEPS))
        guard = Guard(stage, replicas=5, available=5)
        await stage.release("img:2")
        await stage.reaches("Paused")
        seen: list[int] = []
        stage.whenever(lambda: seen.append(stage.weights()["canary"]))
        await stage.promote(full=True)
        await stage.reaches("Healthy")
        await stage.until(lambda: stage.weights() == share(0))
        assert list(dict.fromkeys(seen)) == [20, 0]
        assert stage.serves("stable") == {"img:2"}
        assert guard.broken == []


async def test_the_stable_template_again_empties_the_canary() -> None:
    async with Stage() as stage:
        await stage.deploy(*istio(*FOUR_STEPS))
        guard = Guard(stage, replicas=5, available=5)
        await stage.release("img:2")
        await stage.reaches("Paused")
        await stage.release("img:1")
        await stage.reaches("Healthy")
        await stage.until(lambda: stage.weights() == share(0) and stage.serves("canary") == {"img:1"})
        assert guard.broken == []


async def test_a_third_template_gets_traffic_only_on_its_own_pods() -> None:
    async with Stage() as stage:
        await stage.deploy(*istio(*FOUR_STEPS))
        guard = Guard(stage, replicas=5, available=5)
        await stage.release("img:2")
        await stage.reaches("Paused")
        await stage.release("img:3")
        await stage.reaches("Progressing", "more replicas")
        await stage.reaches("Paused")
        assert stage.serves("canary") == {"img:3"}
        assert stage.weights() == share(20)
        await stage.until(lambda: stage.sizes() == {"img:1": 5, "img:3": 1})
        assert guard.broken == []


async def test_scaling_up_in_the_middle_moves_no_traffic_to_missing_pods() -> None:
    async with Stage() as stage:
        await stage.deploy(*istio(*FOUR_STEPS))
        await stage.release("img:2")
        await stage.reaches("Paused")
        guard = Guard(stage, replicas=5, available=5)
        await stage.edit(replicas=10)
        await stage.until(lambda: len(stage.ready(app="r")) == 12)
        await stage.passes(5)
        assert stage.weights() == share(20)
        assert guard.broken == []


async def test_a_route_by_name_and_everything_else_in_the_virtual_service_stay_as_they_are() -> None:
    other = {"name": "other", "match": [{"uri": {"prefix": "/x"}}], "route": [{"destination": {"host": "stable"}}]}
    routing = {"istio": {"virtualService": {"name": "vs", "routes": ["primary"]}}}
    async with Stage() as stage:
        services = (service("stable"), service("canary"), virtual_service("vs", other))
        canary = {**make.ISTIO, "trafficRouting": routing}
        await stage.deploy(*services, rollout(make.weight(30), make.pause(), canary=canary))
        await stage.release("img:2")
        await stage.reaches("Paused")
        http = stage.get(VIRTUAL_SERVICE, "vs")["spec"]["http"]
        assert stage.weights() == share(30)
        assert http[1] == other


async def test_several_virtual_services_get_the_same_weights() -> None:
    routing = {"istio": {"virtualServices": [{"name": "a"}, {"name": "b", "routes": ["primary"]}]}}
    async with Stage() as stage:
        services = (service("stable"), service("canary"), virtual_service("a"), virtual_service("b"))
        canary = {**make.ISTIO, "trafficRouting": routing}
        await stage.deploy(*services, rollout(make.weight(30), make.pause(), canary=canary))
        await stage.release("img:2")
        await stage.reaches("Paused")
        assert stage.weights("a") == stage.weights("b") == share(30)


async def test_weights_that_somebody_edits_are_put_right_and_his_routes_are_kept() -> None:
    async with Stage() as stage:
        await stage.deploy(*istio(*FOUR_STEPS))
        await stage.release("img:2")
        await stage.reaches("Paused")
        edited = copy.deepcopy(stage.get(VIRTUAL_SERVICE, "vs"))
        edited["spec"]["hosts"] = ["stable", "shop.example.com"]
        edited["spec"]["http"][0]["timeout"] = "3s"
        edited["spec"]["http"][0]["route"][0]["weight"] = 0
        edited["spec"]["http"][0]["route"][1]["weight"] = 100
        await stage.wire.replace(VIRTUAL_SERVICE, "default", "vs", edited)
        await stage.until(lambda: stage.weights() == share(20), limit=5)
        spec = stage.get(VIRTUAL_SERVICE, "vs")["spec"]
        assert spec["hosts"] == ["stable", "shop.example.com"]
        assert spec["http"][0]["timeout"] == "3s"


async def test_a_selector_that_somebody_edits_is_put_right() -> None:
    async with Stage() as stage:
        await stage.deploy(*istio(*FOUR_STEPS))
        await stage.release("img:2")
        await stage.reaches("Paused")
        stray = {"spec": {"selector": {labels.POD_TEMPLATE_HASH: stage.hash("img:1")}}}
        await stage.change(SERVICE, "canary", stray)
        await stage.until(lambda: stage.serves("canary") == {"img:2"}, limit=5)


async def test_a_replica_set_that_somebody_scales_is_put_right() -> None:
    async with Stage() as stage:
        await stage.deploy(*istio(*FOUR_STEPS))
        await stage.release("img:2")
        await stage.reaches("Paused")
        name = stage.replica_set("img:1")["metadata"]["name"]
        await stage.change(REPLICA_SET, name, {"spec": {"replicas": 1}})
        await stage.until(lambda: stage.sizes() == {"img:1": 5, "img:2": 1}, limit=5)


@pytest.mark.parametrize("weight", [0, 100])
async def test_a_step_may_ask_for_none_and_for_all(weight: int) -> None:
    async with Stage() as stage:
        await stage.deploy(*istio(make.weight(weight), make.pause()))
        guard = Guard(stage, replicas=5, available=5)
        await stage.release("img:2")
        await stage.reaches("Paused")
        assert stage.weights() == share(weight)
        assert guard.broken == []


async def test_without_steps_traffic_moves_only_with_the_promotion() -> None:
    async with Stage() as stage:
        await stage.deploy(*istio())
        guard = Guard(stage, replicas=5, available=5)
        seen: list[int] = []
        stage.whenever(lambda: seen.append(stage.weights()["canary"]))
        await stage.release("img:2")
        await stage.reaches("Healthy")
        await stage.until(lambda: stage.serves("stable") == {"img:2"})
        assert set(seen) == {0}
        assert guard.broken == []


async def test_a_rollout_becomes_routed_in_a_later_edit() -> None:
    async with Stage() as stage:
        await stage.deploy(rollout(make.weight(20), make.pause()))
        *objects, manifest = istio(make.weight(20), make.pause())
        await stage.deploy(*objects, manifest)
        await stage.release("img:2")
        await stage.reaches("Paused")
        assert stage.weights() == share(20)


def weights_of(status: Obj) -> dict[str, Any]:
    recorded = status["canary"]["weights"]
    return {role: recorded[role]["weight"] for role in ("canary", "stable")}


async def test_the_status_records_each_split_together_with_the_pods_it_is_served_by() -> None:
    async with Stage() as stage:
        await stage.deploy(*istio(*FOUR_STEPS))
        await stage.release("img:2")
        await stage.reaches("Paused")
        recorded = stage.status()["canary"]["weights"]
        assert recorded["canary"] == {
            "weight": 20,
            "serviceName": "canary",
            "podTemplateHash": stage.hash("img:2"),
        }
        assert recorded["stable"]["podTemplateHash"] == stage.hash("img:1")
        assert weights_of(stage.status()) == {"canary": 20, "stable": 80}
