"""When the API server, somebody else's objects or the pods themselves make trouble in the middle of an update."""

import asyncio
from collections.abc import Callable

import pytest

from rollouts.api import labels
from rollouts.kube.errors import ApiError, Conflict, Refused, TooManyRequests, Unreachable
from rollouts.kube.refs import ANALYSIS_RUN, EVENT, REPLICA_SET, ROLLOUT, SECRET, SERVICE, Obj, Resource
from rollouts.sandbox.dialects.istio import VIRTUAL_SERVICE
from tests import make
from tests.stories.guard import Guard
from tests.stories.line import Call, Fault
from tests.stories.objects import analysis, istio, judged, metric, rollout, template
from tests.stories.stage import Stage

pytestmark = pytest.mark.virtual

STEPS = (make.weight(20), make.pause("10s"), make.weight(60), make.pause("10s"))
SURGE = {"maxSurge": 1, "maxUnavailable": 0}
V2 = "79dbf75f7b"
QUOTA = 'pods "x" is forbidden: exceeded quota: compute, requested: pods=1, used: pods=5, limited: pods=5'


def refusing(error: ApiError, *verbs: str, of: Resource, subresource: str | None = None) -> Fault:
    """Every call of these verbs on this resource fails."""

    def fault(call: Call) -> ApiError | None:
        meant = call.verb in verbs and call.resource == of and subresource in (None, call.subresource)
        return error if meant else None

    return fault


def first_time(error: Callable[[], ApiError], verb: str) -> Fault:
    """Each different call of this verb fails when it is first made."""
    seen: set[str] = set()

    def fault(call: Call) -> ApiError | None:
        key = f"{call.resource.plural} {call.name} {call.subresource} {call.body}"
        if call.verb != verb or call.resource is EVENT or key in seen:
            return None
        seen.add(key)
        return error()

    return fault


def unreachable(_: Call) -> ApiError:
    return Unreachable("connection refused")


# ── the API server ──


async def test_an_api_server_that_is_away_for_ten_seconds_delays_the_update_and_nothing_more() -> None:
    async with Stage() as stage:
        await stage.deploy(*istio(*STEPS))
        guard = Guard(stage, replicas=5, available=5)
        await stage.release("img:2")
        await stage.reaches_step(2)
        stage.line.faults.append(unreachable)
        stage.server.disconnect()
        await stage.passes(10)
        stage.line.faults.clear()
        await stage.reaches("Healthy")
        await stage.until(lambda: stage.serves("stable") == {"img:2"})
        assert guard.broken == []


async def test_what_people_did_while_the_api_server_was_away_for_us_counts_when_it_is_back() -> None:
    async with Stage() as stage:
        await stage.deploy(rollout(make.weight(20), make.pause(), canary=SURGE))
        await stage.release("img:2")
        await stage.reaches("Paused")
        stage.line.faults.append(unreachable)
        stage.server.disconnect()
        await stage.passes(5)
        await stage.abort()
        await stage.passes(5)
        stage.line.faults.clear()
        await stage.reaches("Degraded", limit=40)
        await stage.until(lambda: stage.sizes() == {"img:1": 5})


async def test_a_server_that_is_away_at_the_start_is_waited_for() -> None:
    async with Stage(controller=False) as stage:
        await stage.apply(rollout())
        stage.start()
        stage.line.faults.append(unreachable)
        await stage.passes(30)
        stage.line.faults.clear()
        await stage.reaches("Healthy", limit=40)


async def test_a_gap_in_the_watches_is_closed_by_listing_anew() -> None:
    async with Stage() as stage:
        await stage.deploy(*istio(*STEPS))
        guard = Guard(stage, replicas=5, available=5)
        await stage.release("img:2")
        await stage.reaches("Paused")
        stage.server.disconnect()
        stage.server.compact()
        await stage.reaches("Healthy")
        assert guard.broken == []
        assert stage.requests()["list", "rollouts"] >= 2


async def test_objects_that_vanish_in_a_gap_are_noticed() -> None:
    async with Stage() as stage:
        await stage.deploy(rollout(make.weight(40), make.pause(), canary=SURGE))
        await stage.release("img:2")
        await stage.reaches("Paused")
        stage.line.faults.append(lambda call: Unreachable("away") if call.verb in ("list", "watch") else None)
        stage.server.disconnect()
        await stage.passes(0.1)
        await stage.delete(REPLICA_SET, f"r-{V2}")
        await stage.passes(5)
        stage.server.compact()
        stage.line.faults.clear()
        await stage.until(lambda: stage.sizes() == {"img:1": 3, "img:2": 2}, limit=60)
        assert len(stage.ready(app="r")) <= 6


async def test_a_conflict_on_every_first_write_only_costs_a_second_look() -> None:
    async with Stage() as stage:
        await stage.apply(*istio(*STEPS))
        stage.line.faults.append(first_time(lambda: Conflict("the object has been modified"), "patch"))
        await stage.reaches("Healthy")
        guard = Guard(stage, replicas=5, available=5)
        await stage.release("img:2")
        await stage.reaches("Progressing")
        await stage.reaches("Healthy", limit=200)
        await stage.until(lambda: stage.serves("stable") == {"img:2"})
        assert guard.broken == []


@pytest.mark.parametrize("verb", ["patch", "create"])
async def test_a_server_that_asks_for_patience_is_given_it(verb: str) -> None:
    async with Stage() as stage:
        busy = lambda: TooManyRequests("too many requests", details={"retryAfterSeconds": 1})  # noqa: E731 - shorter than a function
        await stage.deploy(template(), *istio(*STEPS, judged()))
        stage.prometheus.says("errors", 0.0)
        stage.line.faults.append(first_time(busy, verb))
        guard = Guard(stage, replicas=5, available=5)
        await stage.release("img:2")
        await stage.reaches("Progressing")
        await stage.reaches("Healthy", limit=200)
        assert guard.broken == []


async def test_a_failure_that_lasts_is_tried_again_ever_more_rarely() -> None:
    async with Stage() as stage:
        await stage.deploy(*istio(*STEPS))
        stage.line.faults.append(refusing(Unreachable("boom", code=500), "patch", of=VIRTUAL_SERVICE))
        await stage.release("img:2")
        await stage.passes(60)
        tries = len([call for call in stage.line.writes if call.resource == VIRTUAL_SERVICE])
        stage.line.calls.clear()
        await stage.passes(600)
        assert 55 <= len([call for call in stage.line.writes if call.resource == VIRTUAL_SERVICE]) <= 65, tries
        assert stage.weights() == {"stable": 100, "canary": 0}
        assert stage.status()["currentStepIndex"] == 0
        stage.line.faults.clear()
        await stage.reaches("Paused", limit=11)


async def test_a_refused_weight_never_counts_as_set() -> None:
    async with Stage() as stage:
        await stage.deploy(*istio(*STEPS))
        stage.line.faults.append(refusing(Refused("forbidden", code=403), "patch", of=VIRTUAL_SERVICE))
        await stage.release("img:2")
        await stage.passes(30)
        assert stage.status()["currentStepIndex"] == 0
        assert stage.status()["canary"]["weights"]["canary"]["weight"] == 0
        assert "ReconciliationError" in {reason for reason, _ in await stage.events()}


async def test_events_that_are_refused_hold_nothing_up() -> None:
    async with Stage() as stage:
        await stage.apply(rollout(*STEPS))
        stage.line.faults.append(refusing(Refused("events are forbidden", code=403), "create", "patch", of=EVENT))
        await stage.reaches("Healthy")
        await stage.release("img:2")
        await stage.reaches("Progressing")
        await stage.reaches("Healthy")
        assert await stage.events() == []


async def test_events_wait_for_an_api_server_that_is_away() -> None:
    async with Stage() as stage:
        stage.line.faults.append(refusing(Unreachable("away"), "create", "patch", of=EVENT))
        await stage.deploy(rollout(*STEPS))
        await stage.passes(10)
        stage.line.faults.clear()
        await stage.passes(30)
        assert "RolloutCompleted" in {reason for reason, _ in await stage.events()}


async def test_a_status_that_cannot_be_written_is_written_later() -> None:
    async with Stage() as stage:
        await stage.deploy(rollout(*STEPS))
        stage.line.faults.append(refusing(Unreachable("boom"), "patch", of=ROLLOUT, subresource="status"))
        await stage.release("img:2")
        await stage.passes(20)
        assert stage.sizes()["img:1"] >= 4, "without a record of its steps nothing goes on"
        stage.line.faults.clear()
        await stage.reaches("Progressing")
        await stage.reaches("Healthy")


async def test_a_secret_out_of_reach_delays_a_measurement_and_fails_none() -> None:
    args = ({"name": "token", "valueFrom": {"secretKeyRef": {"name": "access", "key": "token"}}},)
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "access", "namespace": "default"}}
    async with Stage() as stage:
        judging = template("check", args=args)
        await stage.deploy({**secret, "data": {"token": "eA=="}}, judging, rollout(make.weight(20), judged()))
        stage.prometheus.says("errors", 0.0)
        stage.line.faults.append(refusing(Unreachable("away"), "get", of=SECRET))
        await stage.release("img:2")
        await stage.passes(30)
        stage.line.faults.clear()
        await stage.reaches("Healthy", limit=15)


# ── somebody else's objects ──


async def test_a_name_that_somebody_elses_replica_set_has_is_avoided() -> None:
    async with Stage() as stage:
        await stage.deploy(rollout(make.weight(20), make.pause()))
        foreign: Obj = {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": {"name": f"r-{V2}", "namespace": "default"},
            "spec": {
                "replicas": 1,
                "selector": {"matchLabels": {"app": "foreign"}},
                "template": {
                    "metadata": {"labels": {"app": "foreign"}},
                    "spec": {"containers": [{"name": "c", "image": "foreign:1"}]},
                },
            },
        }
        await stage.apply(foreign)
        await stage.release("img:2")
        await stage.reaches("Paused")
        assert stage.status()["collisionCount"] == 1
        assert stage.replica_set("img:2")["metadata"]["name"] != f"r-{V2}"
        assert stage.get(REPLICA_SET, f"r-{V2}")["spec"]["replicas"] == 1
        await stage.promote()
        await stage.reaches("Healthy")


async def test_a_name_that_somebody_elses_analysis_run_has_is_avoided() -> None:
    async with Stage() as stage:
        await stage.deploy(template(), rollout(make.weight(20), judged()))
        stage.prometheus.says("errors", 0.0)
        name = f"r-{V2}-2-1"
        await stage.apply(template(name, metric("foreign", interval="1m", count=1000), kind="AnalysisRun"))
        await stage.release("img:2")
        await stage.reaches("Healthy")
        assert stage.runs()[f"{name}.1"] == "Successful"
        assert not stage.get(ANALYSIS_RUN, name)["spec"].get("terminate")


async def test_a_name_that_a_run_of_another_controller_has_is_avoided_though_no_watch_tells_of_it() -> None:
    async with Stage() as stage:
        await stage.deploy(template(), rollout(make.weight(20), judged()))
        stage.prometheus.says("errors", 0.0)
        name = f"r-{V2}-2-1"
        run = template(name, metric("foreign", interval="1m", count=1000), kind="AnalysisRun")
        run["metadata"]["labels"] = {"argo-rollouts.argoproj.io/controller-instance-id": "another"}
        await stage.apply(run)
        await stage.release("img:2")
        await stage.reaches("Healthy")
        assert stage.runs()[f"{name}.1"] == "Successful"


async def test_a_run_that_somebody_deletes_is_measured_anew() -> None:
    async with Stage() as stage:
        watchful = template("check", metric(interval="10s"))
        await stage.deploy(watchful, rollout(make.weight(20), make.pause(), canary={"analysis": analysis()}))
        stage.prometheus.says("errors", 0.0)
        await stage.release("img:2")
        await stage.reaches("Paused")
        await stage.delete(ANALYSIS_RUN, f"r-{V2}-2")
        await stage.until(lambda: list(stage.runs().values()) == ["Running"], limit=2)


async def test_a_stable_replica_set_that_somebody_deletes_comes_back_as_a_first_release() -> None:
    async with Stage() as stage:
        await stage.deploy(rollout(*STEPS))
        await stage.delete(REPLICA_SET, "r-9f9bc55f7")
        await stage.until(lambda: stage.sizes() == {"img:1": 5}, limit=2)
        await stage.reaches("Healthy", limit=2)
        assert stage.sizes() == {"img:1": 5}


# ── refused and broken pods ──


async def test_a_replica_set_that_is_refused_is_told_and_created_when_it_may_be() -> None:
    async with Stage() as stage:
        await stage.deploy(rollout(make.weight(20), make.pause()))
        webhook = 'admission webhook "policy" denied the request: no'
        stage.line.faults.append(refusing(Refused(webhook, code=403), "create", of=REPLICA_SET))
        await stage.release("img:2")
        await stage.until(lambda: stage.condition("Progressing").get("reason") == "ReplicaSetCreateError")
        condition = stage.condition("Progressing")
        assert condition["status"] == "False"
        assert condition["message"] == f'Failed to create new replica set "r-{V2}": {webhook}'
        assert ("ReplicaSetCreateError", condition["message"]) in await stage.events()
        assert stage.sizes() == {"img:1": 5}
        stage.line.faults.clear()
        await stage.reaches("Paused", limit=11)
        assert stage.condition("Progressing")["reason"] != "ReplicaSetCreateError"


async def test_pods_over_quota_show_as_a_replica_failure_until_there_is_room() -> None:
    async with Stage() as stage:
        await stage.deploy(rollout(make.weight(20), make.pause(), canary=SURGE))

        def quota(verb: str, resource: Resource, *_: str) -> ApiError | None:
            return (
                Refused(QUOTA, code=403, reason="Forbidden") if (verb, resource.plural) == ("create", "pods") else None
            )

        stage.server.faults.append(quota)
        await stage.release("img:2")
        await stage.until(lambda: stage.condition("ReplicaFailure"))
        failure = stage.condition("ReplicaFailure")
        assert (failure["status"], failure["reason"]) == ("True", "FailedCreate")
        assert "exceeded quota" in failure["message"]
        stage.server.faults.clear()
        await stage.reaches("Paused")
        await stage.until(lambda: not stage.condition("ReplicaFailure"))


@pytest.mark.parametrize(
    ("what", "how", "deadline"),
    [("ready", "never", 10), ("crash", "always", 10), ("image-pull", "fail", 10), ("crash", "after 2s", 60)],
)
async def test_pods_that_never_become_ready_get_no_traffic_and_miss_the_deadline(
    what: str, how: str, deadline: int
) -> None:
    async with Stage() as stage:
        await stage.deploy(*istio(make.weight(20), make.pause(), minReadySeconds=5, progressDeadlineSeconds=deadline))
        guard = Guard(stage, replicas=5, available=5)
        broken = make.template("img:2")
        broken["metadata"]["annotations"] = {f"sandbox.rollouts.dev/{what}": how}
        await stage.edit(template=broken)
        await stage.reaches("Degraded", "ProgressDeadlineExceeded", limit=200)
        assert stage.weights() == {"stable": 100, "canary": 0}
        assert stage.status()["currentStepIndex"] == 0
        assert guard.broken == []
        await stage.undo(to_revision=1)
        await stage.reaches("Healthy")


async def test_a_basic_canary_of_crashing_pods_takes_no_good_pod_away_beyond_its_allowance() -> None:
    async with Stage() as stage:
        await stage.deploy(
            rollout(make.weight(50), make.pause(), canary=SURGE, minReadySeconds=2, progressDeadlineSeconds=10)
        )
        ready: list[int] = []
        stage.whenever(lambda: ready.append(len(stage.ready(app="r"))))
        broken = make.template("img:2")
        broken["metadata"]["annotations"] = {"sandbox.rollouts.dev/crash": "always"}
        await stage.edit(template=broken)
        await stage.reaches("Degraded", limit=200)
        assert min(ready) == 5


async def test_canary_pods_that_die_under_traffic_lose_it() -> None:
    async with Stage() as stage:
        await stage.deploy(*istio(make.weight(20), make.pause()))
        dying = make.template("img:2")
        dying["metadata"]["annotations"] = {"sandbox.rollouts.dev/ready": "until 8s"}
        await stage.edit(template=dying)
        await stage.until(lambda: stage.weights()["canary"] == 20)
        await stage.until(lambda: not stage.behind("canary"), limit=70)
        await stage.until(lambda: stage.weights() == {"stable": 100, "canary": 0}, limit=1)


# ── the controller itself ──


async def test_a_controller_killed_at_a_pause_is_followed_by_one_that_keeps_the_time() -> None:
    async with Stage() as stage:
        await stage.deploy(rollout(make.weight(20), make.pause("10m")))
        await stage.release("img:2")
        await stage.reaches("Paused")
        began = asyncio.get_running_loop().time()
        await stage.passes(300)
        await stage.kill()
        await stage.passes(100)
        stage.start()
        await stage.reaches("Healthy", limit=900)
        assert 599 <= asyncio.get_running_loop().time() - began <= 605


async def test_a_pause_that_ends_while_no_controller_is_there_ends_when_one_comes() -> None:
    async with Stage() as stage:
        await stage.deploy(rollout(make.weight(20), make.pause("10m")))
        await stage.release("img:2")
        await stage.reaches("Paused")
        await stage.kill()
        await stage.passes(3600)
        stage.start()
        await stage.reaches("Healthy", limit=10)


async def test_a_stopped_controller_posts_what_it_had_to_say() -> None:
    async with Stage() as stage:
        await stage.apply(rollout())
        await stage.reaches("Healthy")
        await stage.stop()
        assert "RolloutCompleted" in {event["reason"] for event in stage.all(EVENT)}


async def test_a_rollout_deleted_in_the_middle_takes_everything_with_it() -> None:
    async with Stage() as stage:
        endless = template("check", metric(interval="1m", count=1000))
        await stage.deploy(endless, *istio(make.weight(20), judged()))
        await stage.release("img:2")
        await stage.until(lambda: stage.runs())
        await stage.delete(ROLLOUT, "r")
        await stage.until(lambda: not stage.all(REPLICA_SET) and not stage.all(ANALYSIS_RUN))
        released = [
            lambda: labels.POD_TEMPLATE_HASH not in stage.get(SERVICE, "stable")["spec"]["selector"],
            lambda: labels.POD_TEMPLATE_HASH not in stage.get(SERVICE, "canary")["spec"]["selector"],
        ]
        for holds in released:
            await stage.until(holds)
        await stage.passes(5)  # a measurement may just have been under way
        stage.line.calls.clear()
        await stage.passes(600)
        assert stage.line.writes == []
