import asyncio
from collections.abc import AsyncIterator

import pytest

from rollouts.kube.refs import POD, Obj, Resource, name_of
from rollouts.sandbox.apiserver.types.registry import NODE
from rollouts.sandbox.cluster import Cluster
from rollouts.sandbox.kubelet.kubelet import Kubelet, Timing
from rollouts.sandbox.kubelet.script import PodScript, ScriptError
from tests.sandbox.objects import SCRIPT, exists, pod, reason, status_of, until, waiting

pytestmark = pytest.mark.virtual


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    async with Cluster(timing=Timing(start_delay=1.0, stop_delay=2.0)) as running:
        yield running


async def grown(cluster: Cluster, seconds: float, **script: str) -> Obj:
    """A pod by this script, so many seconds after it was made."""
    await cluster.wire.create(POD, "default", pod(**script))
    await asyncio.sleep(seconds)
    return await cluster.wire.get(POD, "default", "web")


def ready(obj: Obj) -> bool:
    return reason(obj, "Ready")[0] == "True"


def restarts(obj: Obj) -> int:
    return int(obj["status"]["containerStatuses"][0]["restartCount"])


async def test_a_pod_is_created_then_runs_and_is_ready(cluster: Cluster) -> None:
    young = await grown(cluster, 0.5)
    assert young["spec"]["nodeName"] == "sandbox"
    assert (young["status"]["phase"], waiting(young)) == ("Pending", "ContainerCreating")
    assert reason(young, "Ready") == ("False", "ContainersNotReady")
    await asyncio.sleep(1)
    grown_up = await cluster.wire.get(POD, "default", "web")
    assert (grown_up["status"]["phase"], ready(grown_up)) == ("Running", True)
    assert grown_up["status"]["podIP"].startswith("10.")


async def test_a_start_that_is_too_short_to_be_told_of_costs_one_write() -> None:
    async with Cluster(timing=Timing(start_delay=1.0, told_from=2.0)) as quiet:
        told = []
        quiet.caches[POD].subscribe(
            lambda _, new: told.append(new) if new and "containerStatuses" in new["status"] else None
        )
        young = await grown(quiet, 0.5)
        assert "containerStatuses" not in young["status"]
        await asyncio.sleep(1)
        assert ready(await quiet.wire.get(POD, "default", "web"))
        assert len(told) == 1


async def test_a_condition_that_somebody_writes_at_the_same_time_stays(cluster: Cluster) -> None:
    server = cluster.server
    assert server is not None

    def meddle(verb: str, resource: Resource, namespace: str, name: str, subresource: str) -> None:
        """Just before the kubelet's write arrives, while it cannot know of it yet."""
        if (verb, resource, subresource) == ("patch", POD, "status"):
            found = server.store.table(("", "pods")).get(namespace, name)
            assert found is not None
            status = found.get("status") or {}
            known = status.get("conditions") or []
            if not any(each["type"] == "example.com/gate" for each in known):
                gate = {"type": "example.com/gate", "status": "True"}
                server.store.put(("", "pods"), {**found, "status": {**status, "conditions": [*known, gate]}})

    server.faults.append(meddle)
    up = await grown(cluster, 3)
    assert ready(up)
    assert reason(up, "example.com/gate")[0] == "True"


async def test_its_own_start_delay_goes_before_the_clusters(cluster: Cluster) -> None:
    assert (await grown(cluster, 29, start_delay="30s"))["status"]["phase"] == "Pending"
    await asyncio.sleep(2)
    assert (await cluster.wire.get(POD, "default", "web"))["status"]["phase"] == "Running"


async def test_pods_have_addresses_of_their_own(cluster: Cluster) -> None:
    for name in ("a", "b", "c"):
        await cluster.wire.create(POD, "default", pod(name))
    await asyncio.sleep(2)
    listing = await cluster.wire.list(POD, "default")
    assert len({each["status"]["podIP"] for each in listing.items}) == 3


async def test_a_pod_that_is_never_ready_runs_for_ever_unready(cluster: Cluster) -> None:
    unready = await grown(cluster, 86_400, ready="never")
    assert (unready["status"]["phase"], ready(unready)) == ("Running", False)


async def test_readiness_comes_and_goes_by_the_script(cluster: Cluster) -> None:
    assert not ready(await grown(cluster, 5, ready="after 10s"))
    await asyncio.sleep(7)
    assert ready(await cluster.wire.get(POD, "default", "web"))
    await cluster.wire.patch(POD, "default", "web", {"metadata": {"annotations": {SCRIPT + "ready": "until 60s"}}})
    await asyncio.sleep(40)
    assert ready(await cluster.wire.get(POD, "default", "web"))
    await asyncio.sleep(20)
    assert not ready(await cluster.wire.get(POD, "default", "web"))


async def test_a_readiness_gate_keeps_a_running_pod_unready(cluster: Cluster) -> None:
    gated = pod()
    gated["spec"]["readinessGates"] = [{"conditionType": "example.com/gate"}]
    await cluster.wire.create(POD, "default", gated)
    await asyncio.sleep(5)
    held = await cluster.wire.get(POD, "default", "web")
    assert (reason(held, "Ready"), reason(held, "ContainersReady")[0]) == (("False", "ReadinessGatesNotReady"), "True")
    opened = [*held["status"]["conditions"], {"type": "example.com/gate", "status": "True"}]
    await cluster.wire.patch(POD, "default", "web", {"status": {"conditions": opened}}, subresource="status")
    await until(cluster.wire, POD, "web", ready, limit=1)


async def test_a_crashing_container_backs_off_ever_longer(cluster: Cluster) -> None:
    crashing = await grown(cluster, 5, crash="always")
    assert (waiting(crashing), restarts(crashing), ready(crashing)) == ("CrashLoopBackOff", 1, False)
    assert "back-off 10s restarting failed container=app" in str(crashing["status"]["containerStatuses"])
    counts = []
    for wait in (10, 20, 40, 80, 160, 300, 300):
        await asyncio.sleep(wait)
        counts.append(restarts(await cluster.wire.get(POD, "default", "web")))
    assert counts == [2, 3, 4, 5, 6, 7, 8]


async def test_a_container_that_crashes_later_is_ready_until_then(cluster: Cluster) -> None:
    assert ready(await grown(cluster, 4, crash="after 5s"))
    await asyncio.sleep(3)
    again = await cluster.wire.get(POD, "default", "web")
    assert (restarts(again), ready(again)) == (1, True)
    assert again["status"]["containerStatuses"][0]["lastState"]["terminated"]["exitCode"] == 1


async def test_a_container_that_has_run_long_restarts_at_once_again(cluster: Cluster) -> None:
    aged = await grown(cluster, 3 * 3600 + 30, crash="after 1h")
    assert (restarts(aged), ready(aged)) == (3, True)


async def test_an_image_that_cannot_be_pulled_never_starts(cluster: Cluster) -> None:
    stuck = await grown(cluster, 600, image_pull="fail")
    assert (stuck["status"]["phase"], waiting(stuck)) == ("Pending", "ImagePullBackOff")


async def test_a_script_that_means_nothing_is_told_and_can_be_repaired(cluster: Cluster) -> None:
    stuck = await grown(cluster, 5, ready="perhaps")
    assert waiting(stuck) == "CreateContainerConfigError"
    assert SCRIPT + "ready" in stuck["status"]["containerStatuses"][0]["state"]["waiting"]["message"]
    await cluster.wire.patch(POD, "default", "web", {"metadata": {"annotations": {SCRIPT + "ready": None}}})
    await until(cluster.wire, POD, "web", lambda obj: obj["status"]["phase"] == "Running", limit=5)


@pytest.mark.parametrize(("result", "phase", "code"), [("succeed", "Succeeded", 0), ("fail", "Failed", 1)])
async def test_a_pod_that_is_not_restarted_ends_as_scripted(
    cluster: Cluster, result: str, phase: str, code: int
) -> None:
    ended = await grown(cluster, 10, restart="Never", run_time="3s", job_result=result)
    assert ended["status"]["phase"] == phase
    terminated = ended["status"]["containerStatuses"][0]["state"]["terminated"]
    assert (terminated["exitCode"], terminated["startedAt"]) == (code, "2026-01-01T00:00:01Z")
    assert terminated["finishedAt"] == "2026-01-01T00:00:04Z"


async def test_on_failure_restarts_until_it_succeeds(cluster: Cluster) -> None:
    failing = await grown(cluster, 3, restart="OnFailure", job_result="fail")
    assert (failing["status"]["phase"], restarts(failing)) == ("Running", 1)
    await cluster.wire.patch(POD, "default", "web", {"metadata": {"annotations": {SCRIPT + "job-result": "succeed"}}})
    await until(cluster.wire, POD, "web", lambda obj: obj["status"]["phase"] == "Succeeded", limit=60)


@pytest.mark.parametrize(("script", "seconds"), [({}, 2), ({"stop_delay": "5s"}, 5), ({"stop_delay": "1h"}, 30)])
async def test_a_deleted_pod_stops_within_its_grace_period(
    cluster: Cluster, script: dict[str, str], seconds: int
) -> None:
    await grown(cluster, 5, **script)
    await cluster.wire.delete(POD, "default", "web")
    await asyncio.sleep(seconds - 0.5)
    assert (await cluster.wire.get(POD, "default", "web"))["metadata"]["deletionTimestamp"]
    await asyncio.sleep(1)
    assert not await exists(cluster.wire, POD, "web")


async def test_a_pod_that_never_ran_goes_at_once(cluster: Cluster) -> None:
    await grown(cluster, 0.5)
    await cluster.wire.delete(POD, "default", "web")
    await asyncio.sleep(0.1)
    assert not await exists(cluster.wire, POD, "web")


async def test_the_node_is_there_and_ready(cluster: Cluster) -> None:
    await asyncio.sleep(0.1)
    assert reason(await cluster.wire.get(NODE, "", "sandbox"), "Ready") == ("True", "KubeletReady")


class Recorder:
    """A runtime that notes what it is asked, on a port that it makes up, and fails the first so many times."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.calls: list[tuple[str, str]] = []

    async def start(self, pod: Obj) -> tuple[str, int]:
        self.calls.append(("start", name_of(pod)))
        if self.failures:
            self.failures -= 1
            raise OSError("no port is free")
        return "127.0.0.1", 40_000

    async def stop(self, pod: Obj) -> None:
        self.calls.append(("stop", name_of(pod)))


async def test_a_runtime_serves_the_pod_and_its_address_is_told() -> None:
    runtime = Recorder()
    async with Cluster(runtime=runtime) as cluster:
        served = await grown(cluster, 5)
        assert served["status"]["podIP"] == "127.0.0.1"
        assert served["metadata"]["annotations"][SCRIPT + "address"] == "127.0.0.1:40000"
        await cluster.wire.delete(POD, "default", "web")
        await asyncio.sleep(5)
    assert runtime.calls == [("start", "web"), ("stop", "web")]


async def test_a_kubelet_that_finds_pods_of_an_earlier_one_tells_one_address() -> None:
    async with Cluster() as first:
        former = await grown(first, 5)
        assert first.server is not None
        kubelet = Kubelet(first.caches, first.server.now, runtime=Recorder())
        await kubelet.reconcile(("default", "web"))
        await asyncio.sleep(1)
        await kubelet.reconcile(("default", "web"))
        status = (await first.wire.get(POD, "default", "web"))["status"]
    assert former["status"]["podIP"] != "127.0.0.1"
    assert (status["podIP"], status["podIPs"]) == ("127.0.0.1", [{"ip": "127.0.0.1"}])


async def test_a_runtime_that_cannot_start_is_tried_again() -> None:
    async with Cluster(runtime=Recorder(failures=1)) as cluster:
        failed = await grown(cluster, 0.5)
        assert waiting(failed) == "RunContainerError"
        await until(cluster.wire, POD, "web", ready, limit=30)


async def test_pods_deleted_by_force_are_stopped_too() -> None:
    runtime = Recorder()
    async with Cluster(runtime=runtime) as cluster:
        await grown(cluster, 5)
        await cluster.wire.delete(POD, "default", "web", grace_period=0)
        await asyncio.sleep(0.1)
        assert runtime.calls == [("start", "web"), ("stop", "web")]


async def test_what_still_runs_is_stopped_with_the_cluster() -> None:
    runtime = Recorder()
    async with Cluster(runtime=runtime) as cluster:
        await grown(cluster, 5)
    assert runtime.calls == [("start", "web"), ("stop", "web")]


async def test_a_pod_placed_on_another_node_is_left_alone(cluster: Cluster) -> None:
    foreign = pod()
    foreign["spec"]["nodeName"] = "elsewhere"
    await cluster.wire.create(POD, "default", foreign)
    await asyncio.sleep(60)
    assert status_of(await cluster.wire.get(POD, "default", "web")).get("containerStatuses") is None


def test_a_script_is_read_from_annotations() -> None:
    names = {"start-delay": "300ms", "error-rate": "0.1", "latency": "800ms", "crash": "after 5s", "ready": "never"}
    script = PodScript.from_annotations({SCRIPT + key: value for key, value in names.items()} | {"other": "x"})
    assert (script.start_delay, script.error_rate, script.latency, script.crash_after) == (0.3, 0.1, 0.8, 5.0)
    assert not script.is_ready(1e9)
    assert PodScript.from_annotations(None) == PodScript()


@pytest.mark.parametrize(
    ("key", "value"),
    [("error-rate", "1.5"), ("error-rate", "nan"), ("latency", "800"), ("latency", "-1s"), ("crash", "5s"), ("x", "y")],
)
def test_an_annotation_that_means_nothing_is_named(key: str, value: str) -> None:
    with pytest.raises(ScriptError, match=f"annotation {SCRIPT}{key}"):
        PodScript.from_annotations({SCRIPT + key: value})
