import asyncio
from collections.abc import AsyncIterator

import pytest

from rollouts.kube.refs import JOB, POD, Obj
from rollouts.sandbox.cluster import Cluster
from tests.sandbox.objects import SCRIPT, exists, job, names_of, pods_of, reason, status_of, template, until

pytestmark = pytest.mark.virtual


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    async with Cluster(crds=()) as running:
        yield running


def over(obj: Obj) -> bool:
    return any(each["type"] in ("Complete", "Failed") for each in obj.get("status", {}).get("conditions", ()))


async def ended(cluster: Cluster, wanted: Obj) -> Obj:
    await cluster.wire.create(JOB, "default", wanted)
    return await until(cluster.wire, JOB, "task", over)


async def test_a_job_whose_pod_succeeds_is_complete(cluster: Cluster) -> None:
    done = await ended(cluster, job(pods=template(restart="Never", run_time="30s")))
    assert reason(done, "Complete")[0] == "True"
    assert status_of(done)["succeeded"] == 1
    assert (done["status"]["startTime"], done["status"]["completionTime"]) == (
        "2026-01-01T00:00:00Z",
        "2026-01-01T00:00:30Z",
    )
    (pod,) = await pods_of(cluster.wire)
    assert pod["metadata"]["labels"]["job-name"] == "task"


async def test_a_job_runs_as_many_pods_at_once_as_it_may(cluster: Cluster) -> None:
    wanted = job(pods=template(restart="Never", run_time="10s"), completions=5, parallelism=2)
    await cluster.wire.create(JOB, "default", wanted)
    await asyncio.sleep(5)
    assert (await cluster.wire.get(JOB, "default", "task"))["status"]["active"] == 2
    done = await until(cluster.wire, JOB, "task", over)
    assert (status_of(done)["succeeded"], len(await names_of(cluster.wire, POD))) == (5, 5)
    assert done["status"]["completionTime"] == "2026-01-01T00:00:30Z"


async def test_a_failing_job_tries_again_ever_later_and_gives_up(cluster: Cluster) -> None:
    failed = await ended(cluster, job(pods=template(restart="Never", job_result="fail"), backoffLimit=3))
    assert reason(failed, "Failed") == ("True", "BackoffLimitExceeded")
    assert status_of(failed)["failed"] == 4
    births = sorted(each["metadata"]["creationTimestamp"][-6:-1] for each in await pods_of(cluster.wire))
    assert births == ["00:00", "00:11", "00:32", "01:13"], "10, 20 and 40 seconds after each failure"


async def test_a_job_that_fails_once_can_still_succeed(cluster: Cluster) -> None:
    await cluster.wire.create(JOB, "default", job(pods=template(restart="OnFailure", job_result="fail")))
    await asyncio.sleep(2)
    (name,) = await names_of(cluster.wire, POD)
    await cluster.wire.patch(POD, "default", name, {"metadata": {"annotations": {SCRIPT + "job-result": "succeed"}}})
    assert reason(await until(cluster.wire, JOB, "task", over), "Complete")[0] == "True"


async def test_restarts_in_place_count_against_the_limit_too(cluster: Cluster) -> None:
    failed = await ended(cluster, job(pods=template(restart="OnFailure", job_result="fail"), backoffLimit=2))
    assert reason(failed, "Failed") == ("True", "BackoffLimitExceeded")


async def test_a_job_past_its_deadline_fails_and_its_pods_stop(cluster: Cluster) -> None:
    wanted = job(pods=template(restart="Never", run_time="1h"), activeDeadlineSeconds=60)
    failed = await ended(cluster, wanted)
    assert reason(failed, "Failed") == ("True", "DeadlineExceeded")
    condition = next(each for each in failed["status"]["conditions"] if each["type"] == "Failed")
    assert condition["lastTransitionTime"] == "2026-01-01T00:01:00Z"
    await asyncio.sleep(5)
    assert not await names_of(cluster.wire, POD)


async def test_a_suspended_job_has_no_pods_until_it_is_resumed(cluster: Cluster) -> None:
    await cluster.wire.create(JOB, "default", job(suspend=True))
    await asyncio.sleep(60)
    assert not await names_of(cluster.wire, POD)
    assert reason(await cluster.wire.get(JOB, "default", "task"), "Suspended") == ("True", "JobSuspended")
    await cluster.wire.patch(JOB, "default", "task", {"spec": {"suspend": False}})
    assert reason(await until(cluster.wire, JOB, "task", over), "Complete")[0] == "True"


async def test_a_finished_job_goes_when_its_time_to_live_is_over(cluster: Cluster) -> None:
    await ended(cluster, job(ttlSecondsAfterFinished=100))
    await asyncio.sleep(95)
    assert await exists(cluster.wire, JOB, "task")
    await asyncio.sleep(10)
    assert not await exists(cluster.wire, JOB, "task")
    assert not await names_of(cluster.wire, POD)
