"""Releases that ask for proof: steps wait for requests, pods for silence. A mesh does what its counters say."""

import json
from typing import Any

import httpx
import pytest

from rollouts.kube.refs import REPLICA_SET, ROLLOUT, Obj
from tests import make
from tests.stories.objects import istio, rollout, service
from tests.stories.prometheus import Script
from tests.stories.stage import Stage

pytestmark = pytest.mark.virtual

PROOF = "traffic.rollouts.dev/proof"
REQUESTS = 'sum(increase(requests{rs="{{replicaset}}"}[{{window}}]))'
CANARY, STABLE = 'rs="r-79dbf75f7b"', 'rs="r-9f9bc55f7"'
"""What the queries for the pods of img:2 and of img:1 contain."""

TWENTY = (make.weight(20), make.pause())


def asking(objects: tuple[Obj, ...], **fields: Any) -> tuple[Obj, ...]:
    """The same objects, of which the last one, a Rollout, asks for proof."""
    *others, manifest = objects
    asked = {"address": "http://prometheus", "requests": REQUESTS, **fields}
    metadata = {**manifest["metadata"], "annotations": {PROOF: json.dumps(asked)}}
    return (*others, {**manifest, "metadata": metadata})


def sees(stage: Stage, canary: Script, stable: Script) -> None:
    """Requests that the two versions get from now on, whenever they are counted."""
    stage.prometheus.says(CANARY, canary)
    stage.prometheus.says(STABLE, stable)


def proven(stage: Stage) -> tuple[str, str]:
    condition = stage.condition("TrafficProven")
    return condition["status"], condition["reason"]


def size(stage: Stage, image: str) -> int:
    return stage.sizes().get(image, 0)


async def updated(stage: Stage, *steps: Obj, **fields: Any) -> None:
    """A second version is on its way, behind a mesh that does not follow."""
    await stage.deploy(*asking(istio(*(steps or TWENTY)), **fields))
    sees(stage, 0.0, 1000.0)
    await stage.release("img:2")
    await stage.until(lambda: stage.weights() == {"stable": 80, "canary": 20})


async def test_a_step_is_over_when_its_share_was_seen() -> None:
    async with Stage() as stage:
        await updated(stage)
        await stage.passes(45)
        assert stage.status()["currentStepIndex"] == 0
        assert stage.status()["canary"]["weights"]["verified"] is False
        assert proven(stage) == ("False", "TrafficDiffers")
        sees(stage, 201.0, 799.0)
        await stage.reaches("Paused", limit=15)
        assert stage.status()["canary"]["weights"]["verified"] is True
        assert stage.condition("TrafficProven")["message"] == (
            "VirtualService default/vs: 20 % of the requests are meant for ReplicaSet r-79dbf75f7b, "
            "20.1 % of 1000 reached it"
        )


async def test_traffic_that_does_not_follow_is_told_once_and_ends_the_update_after_the_longest_wait() -> None:
    async with Stage() as stage:
        await updated(stage, longestWait="2m")
        await stage.passes(60)
        (told,) = [text for reason, text in await stage.events() if reason == "TrafficDiffers"]
        assert told == (
            "VirtualService default/vs: 20 % of the requests are meant for ReplicaSet r-79dbf75f7b, "
            "but 0 % of 1000 reached it"
        )
        await stage.reaches("Degraded", f"waited 120 s for proof of traffic: {told}", limit=70)
        await stage.until(lambda: stage.weights() == {"stable": 100, "canary": 0}, limit=5)


async def test_an_update_that_does_not_get_all_of_the_traffic_is_taken_back() -> None:
    async with Stage() as stage:
        await updated(stage, make.weight(20), longestWait="2m")
        sees(stage, 200.0, 800.0)
        await stage.until(lambda: stage.weights()["canary"] == 100)
        await stage.passes(110)
        assert stage.status()["stableRS"] == stage.hash("img:1")
        await stage.reaches("Degraded", "ReplicaSet r-9f9bc55f7 has no share, and got 800 requests", limit=20)
        assert size(stage, "img:1") == 5


async def test_a_canary_that_was_given_up_keeps_its_pods_until_nobody_sends_it_requests() -> None:
    async with Stage() as stage:
        await updated(stage)
        sees(stage, 200.0, 800.0)
        await stage.reaches("Paused")
        await stage.abort()
        await stage.until(lambda: stage.weights()["canary"] == 0)
        await stage.passes(120)
        assert size(stage, "img:2") == 1
        assert proven(stage) == ("False", "TrafficLeak")
        assert stage.condition("TrafficProven")["message"] == (
            "VirtualService default/vs: ReplicaSet r-79dbf75f7b has no share, and got 200 requests in 30 s"
        )
        assert stage.phase().phase == "Degraded"
        sees(stage, 0.0, 1000.0)
        await stage.until(lambda: proven(stage) == ("True", "TrafficProven"), limit=15)
        assert size(stage, "img:2") == 1, "the delay after an abort begins now"
        await stage.until(lambda: size(stage, "img:2") == 0, limit=40)
        events = await stage.events()
        assert [
            reason for reason, _ in events if reason.startswith("Traffic") and reason != "TrafficWeightUpdated"
        ] == [
            "TrafficProven",
            "TrafficLeak",
            "TrafficProven",
        ]


async def test_a_leak_that_does_not_end_is_told_when_the_pods_go() -> None:
    async with Stage() as stage:
        await updated(stage, longestWait="3m")
        sees(stage, 200.0, 800.0)
        await stage.reaches("Paused")
        await stage.abort()
        await stage.passes(170)
        assert size(stage, "img:2") == 1
        await stage.until(lambda: proven(stage) == ("Unknown", "TrafficUnproven"), limit=20)
        assert "got 200 requests in 30 s; waited 180 s for proof" in stage.condition("TrafficProven")["message"]
        assert "verified" not in stage.status()["canary"]["weights"]
        await stage.until(lambda: size(stage, "img:2") == 0, limit=40)


async def test_old_pods_stay_after_a_promotion_until_nobody_sends_them_requests() -> None:
    async with Stage() as stage:
        await updated(stage, make.weight(20))
        sees(stage, 200.0, 800.0)
        await stage.until(lambda: stage.weights()["canary"] == 100)
        await stage.passes(60)
        assert stage.status()["stableRS"] == stage.hash("img:1"), "the last requests have not followed"
        sees(stage, 1000.0, 0.0)
        await stage.until(lambda: stage.status()["stableRS"] == stage.hash("img:2"), limit=15)
        sees(stage, 900.0, 100.0)
        await stage.passes(120)
        assert size(stage, "img:1") == 5
        assert stage.phase().phase == "Healthy"
        sees(stage, 1000.0, 0.0)
        await stage.until(lambda: size(stage, "img:1") == 0, limit=50)


async def test_too_few_requests_hold_up_nothing_for_longer_than_is_asked_for() -> None:
    async with Stage() as stage:
        await updated(stage, longestWait="2m")
        sees(stage, 3.0, 12.0)
        await stage.passes(100)
        assert proven(stage) == ("False", "WaitingForRequests")
        assert "and 15 requests in 90 s are too few to tell" in stage.condition("TrafficProven")["message"]
        await stage.reaches("Paused", limit=30)
        assert proven(stage) == ("Unknown", "TrafficUnproven")
        told = [text for reason, text in await stage.events() if reason == "TrafficUnproven"]
        assert len(told) == 1
        assert "too few to tell; waited 120 s for proof" in told[0]


async def test_a_release_may_be_given_up_when_nothing_can_be_proven() -> None:
    async with Stage() as stage:
        await updated(stage, longestWait="2m", tooFew="abort")
        sees(stage, httpx.Response(503), httpx.Response(503))
        await stage.passes(60)
        assert "requests cannot be counted: " in stage.condition("TrafficProven")["message"]
        await stage.reaches("Degraded", "waited 120 s for proof of traffic", limit=90)


async def test_without_any_requests_no_version_counts_as_silent() -> None:
    async with Stage() as stage:
        await updated(stage, longestWait="2m")
        sees(stage, 200.0, 800.0)
        await stage.reaches("Paused")
        sees(stage, 0.0, 0.0)
        await stage.abort()
        await stage.passes(100)
        assert proven(stage) == ("False", "WaitingForRequests")
        assert stage.condition("TrafficProven")["message"] == (
            "VirtualService default/vs: no version got a request in 30 s, "
            "which tells nothing of ReplicaSet r-79dbf75f7b"
        )
        assert size(stage, "img:2") == 1
        await stage.until(lambda: size(stage, "img:2") == 0, limit=70)


async def test_a_controller_that_starts_anew_goes_on_waiting_from_where_the_other_was() -> None:
    async with Stage() as stage:
        await updated(stage, longestWait="2m")
        await stage.passes(60)
        since = stage.condition("TrafficProven")["lastTransitionTime"]
        await stage.kill()
        await stage.passes(5)
        stage.start()
        await stage.passes(5)
        assert stage.condition("TrafficProven")["lastTransitionTime"] == since
        assert proven(stage) == ("False", "TrafficDiffers")
        await stage.reaches("Degraded", "waited 120 s", limit=60)
        assert len([reason for reason, _ in await stage.events() if reason == "TrafficDiffers"]) == 1


async def test_a_canary_that_another_one_replaces_is_emptied_before_the_new_one_gets_anything() -> None:
    async with Stage() as stage:
        await updated(stage)
        sees(stage, 200.0, 800.0)
        await stage.reaches("Paused")
        await stage.release("img:3")
        await stage.until(lambda: stage.weights()["canary"] == 0)
        await stage.passes(60)
        assert stage.serves("canary") == {"img:2"}, "what still comes is not sent to pods that nobody has tried"
        assert size(stage, "img:2") == 1
        assert stage.weights()["canary"] == 0
        stage.prometheus.says('rs="r-7dd49b9bf5"', 0.0)
        sees(stage, 0.0, 1000.0)
        await stage.until(lambda: stage.serves("canary") == {"img:3"}, limit=15)
        stage.prometheus.says('rs="r-7dd49b9bf5"', 250.0)
        await stage.reaches("Paused", limit=60)
        assert stage.sizes() == {"img:1": 5, "img:3": 1}


async def test_stable_pods_that_follow_the_weights_stay_until_their_share_was_seen_to_leave() -> None:
    async with Stage() as stage:
        dynamic = istio(make.weight(40), make.pause(), canary={"dynamicStableScale": True})
        await stage.deploy(*asking(dynamic))
        sees(stage, 0.0, 1000.0)
        await stage.release("img:2")
        await stage.until(lambda: stage.weights()["canary"] == 40)
        await stage.passes(60)
        assert stage.sizes() == {"img:1": 5, "img:2": 2}
        sees(stage, 400.0, 600.0)
        await stage.reaches("Paused", limit=15)
        await stage.until(lambda: stage.sizes() == {"img:1": 3, "img:2": 2}, limit=5)


async def test_a_canary_whose_share_a_step_takes_away_keeps_its_pods_until_it_is_silent() -> None:
    async with Stage() as stage:
        await updated(stage, make.weight(20), make.weight(0), make.pause())
        sees(stage, 200.0, 800.0)
        await stage.until(lambda: stage.status()["currentStepIndex"] == 1)
        await stage.passes(60)
        assert (stage.weights()["canary"], size(stage, "img:2")) == (0, 1)
        assert proven(stage) == ("False", "TrafficLeak")
        sees(stage, 0.0, 1000.0)
        await stage.reaches("Paused", limit=15)
        assert size(stage, "img:2") == 0


async def test_the_progress_deadline_does_not_run_while_proof_is_waited_for() -> None:
    async with Stage() as stage:
        *objects, manifest = istio(*TWENTY, progressDeadlineSeconds=60, progressDeadlineAbort=True)
        await stage.deploy(*asking((*objects, manifest)))
        sees(stage, 0.0, 1000.0)
        await stage.release("img:2")
        await stage.until(lambda: stage.weights()["canary"] == 20)
        await stage.passes(300)
        assert stage.phase().phase == "Progressing"


async def test_a_header_route_may_lead_more_to_the_canary_than_its_share() -> None:
    async with Stage() as stage:
        route = {"name": "insiders", "match": [{"headerName": "who", "headerValue": {"exact": "us"}}]}
        canary = {**make.ISTIO["trafficRouting"], "managedRoutes": [{"name": "insiders"}]}
        steps = ({"setCanaryScale": {"replicas": 1}}, {"setHeaderRoute": route}, *TWENTY)
        *objects, manifest = istio(*steps, canary={"trafficRouting": canary})
        await stage.deploy(*asking((*objects, manifest)))
        sees(stage, 600.0, 400.0)
        await stage.release("img:2")
        await stage.reaches("Paused")
        assert stage.weights(route=1)["canary"] == 20


async def test_what_the_active_service_has_left_goes_when_nobody_sends_it_requests() -> None:
    async with Stage() as stage:
        manifest = rollout()
        manifest["spec"]["strategy"] = {"blueGreen": {"activeService": "active"}}
        await stage.deploy(*asking((service("active"), manifest)))
        sees(stage, 900.0, 100.0)
        await stage.release("img:2")
        await stage.until(lambda: stage.serves("active") == {"img:2"})
        await stage.passes(120)
        assert stage.sizes() == {"img:1": 5, "img:2": 5}
        assert "Service active: ReplicaSet r-9f9bc55f7 has no share" in stage.condition("TrafficProven")["message"]
        sees(stage, 1000.0, 0.0)
        await stage.until(lambda: stage.sizes() == {"img:2": 5}, limit=50)


async def test_without_the_annotation_nobody_is_asked_and_nothing_is_told() -> None:
    async with Stage() as stage:
        await stage.deploy(*istio(*TWENTY))
        await stage.release("img:2")
        await stage.reaches("Paused")
        assert stage.prometheus.queries == []
        assert stage.condition("TrafficProven") == {}
        assert "verified" not in stage.status()["canary"]["weights"]


async def test_an_annotation_that_is_taken_away_takes_its_waits_along() -> None:
    async with Stage() as stage:
        await updated(stage)
        await stage.passes(60)
        await stage.change(ROLLOUT, "r", {"metadata": {"annotations": {PROOF: None}}})
        await stage.reaches("Paused", limit=5)
        assert stage.condition("TrafficProven") == {}
        asked = len(stage.prometheus.queries)
        await stage.passes(60)
        assert len(stage.prometheus.queries) == asked


async def test_the_default_query_counts_what_istios_sidecars_beside_the_pods_saw() -> None:
    async with Stage() as stage:
        *objects, manifest = istio(*TWENTY)
        manifest["metadata"]["annotations"] = {PROOF: '{"address": "http://prometheus"}'}
        await stage.deploy(*objects, manifest)
        await stage.release("img:2")
        await stage.until(lambda: len(stage.prometheus.queries) >= 2)
        assert sorted(stage.prometheus.queries)[0] == (
            'sum(increase(istio_requests_total{reporter="destination",namespace="default",'
            'pod=~"r-79dbf75f7b-[a-z0-9]+"}[10s]))'
        )


async def test_an_annotation_that_cannot_be_acted_on_makes_the_rollout_invalid() -> None:
    async with Stage() as stage:
        await stage.apply(*asking(istio(*TWENTY), tolerence=3))
        await stage.reaches("Degraded", "annotation traffic.rollouts.dev/proof: tolerence: Extra inputs")
        assert stage.all(REPLICA_SET) == []
