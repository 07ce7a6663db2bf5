"""AnalysisRuns whose measurements are Kubernetes Jobs: made, found again, watched, stopped and cleared away."""

import asyncio
from typing import Any

import pytest

from rollouts.kube.errors import Refused, Unreachable
from rollouts.kube.refs import ANALYSIS_RUN, JOB, POD, SERVICE, Obj
from rollouts.kube.watch import IN_PROCESS
from rollouts.manager import Controllers
from rollouts.sandbox import clock
from rollouts.sandbox.cluster import Cluster
from rollouts.settings import parse
from tests import make
from tests.stories.line import Call
from tests.stories.objects import analysis_run, by_job, job_spec, judged, rollout, service, template
from tests.stories.stage import Stage

pytestmark = pytest.mark.virtual


async def begun(stage: Stage, *metrics: Obj, **spec: Any) -> str:
    """Create the AnalysisRun `run`; answers its uid."""
    made = await stage.wire.create(ANALYSIS_RUN, "default", analysis_run(*metrics, **spec))
    return str(made["metadata"]["uid"])


def status(stage: Stage) -> Obj:
    found: Obj = stage.get(ANALYSIS_RUN, "run").get("status") or {}
    return found


def result(stage: Stage, index: int = 0) -> Obj:
    results: list[Obj] = status(stage).get("metricResults") or [{}]
    return results[index]


def last(stage: Stage) -> Obj:
    measurements: list[Obj] = result(stage).get("measurements") or [{}]
    return measurements[-1]


async def ends(stage: Stage, limit: float = 600.0) -> str:
    """The run's phase at its end."""
    over = ("Successful", "Failed", "Error", "Inconclusive")
    await stage.until(lambda: status(stage).get("phase") in over, limit)
    return str(status(stage)["phase"])


async def test_a_job_that_completes_is_a_success_and_carries_what_the_metric_says() -> None:
    async with Stage() as stage:
        metadata = {"labels": {"team": "a"}, "annotations": {"why": "smoke"}}
        uid = await begun(stage, by_job(metadata=metadata))
        await stage.until(lambda: stage.find(JOB, f"{uid}.smoke.1"))
        job = stage.get(JOB, f"{uid}.smoke.1")
        assert {"team": "a", "analysisrun.argoproj.io/uid": uid}.items() <= job["metadata"]["labels"].items()
        assert job["metadata"]["annotations"] == {
            "why": "smoke",
            "analysisrun.argoproj.io/name": "run",
            "analysisrun.argoproj.io/namespace": "default",
            "analysisrun.argoproj.io/metric-name": "smoke",
        }
        (owner,) = job["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["name"], owner["uid"], owner["controller"]) == ("AnalysisRun", "run", uid, True)
        assert job["spec"]["template"]["metadata"]["labels"]["analysisrun.argoproj.io/uid"] == uid
        await stage.until(lambda: last(stage).get("metadata"))
        assert last(stage)["metadata"] == {"job-name": f"{uid}.smoke.1", "job-namespace": "default"}
        assert await ends(stage) == "Successful"
        assert (last(stage)["phase"], last(stage).get("value", ""), result(stage)["count"]) == ("Successful", "", 1)


async def test_the_end_of_a_job_is_noticed_when_it_happens() -> None:
    async with Stage() as stage:
        uid = await begun(stage, by_job(spec=job_spec(run_time="5s")))
        await ends(stage)
        done = stage.get(JOB, f"{uid}.smoke.1")["status"]["completionTime"]
        assert last(stage)["finishedAt"] == done


async def test_an_end_that_nobody_tells_of_is_noticed_by_the_clock() -> None:
    def deaf(call: Call) -> Refused | None:
        is_watch = call.resource == JOB and call.verb in ("list", "watch")
        return Refused("jobs is forbidden", code=403) if is_watch else None

    async with Stage() as stage:
        stage.line.faults.append(deaf)
        uid = await begun(stage, by_job(spec=job_spec(run_time="60s")))
        assert await ends(stage) == "Successful"
        asked = [call for call in stage.line.calls if call.resource == JOB and call.verb == "get"]
        assert 5 < len(asked) < 20, "ever more rarely"
        assert stage.get(JOB, f"{uid}.smoke.1")["status"]["completionTime"] <= last(stage)["finishedAt"]


async def test_a_job_that_fails_is_a_failure_whatever_the_conditions_say() -> None:
    async with Stage() as stage:
        await begun(stage, by_job(spec=job_spec(job_result="fail"), successCondition="true"))
        assert await ends(stage) == "Failed"
        assert status(stage)["message"] == 'Metric "smoke" assessed Failed due to failed (1) > failureLimit (0)'


@pytest.mark.parametrize("container", ["containers", "initContainers"])
async def test_an_image_that_is_not_to_be_had_is_inconclusive(container: str) -> None:
    async with Stage() as stage:
        script = {"image_pull": "fail"} if container == "containers" else {"start_delay": "10m"}
        uid = await begun(stage, by_job(spec=job_spec(**script)))
        if container == "initContainers":  # the sandbox's pods have no such containers: say it for one
            pod = await stage.until(lambda: next(iter(stage.all(POD)), None))
            assert pod is not None
            waiting = {"waiting": {"reason": "InvalidImageName", "message": "no such name"}}
            patch = {"status": {"initContainerStatuses": [{"name": "before", "state": waiting}]}}
            await stage.change(POD, pod["metadata"]["name"], patch, subresource="status")
        assert await ends(stage) == "Inconclusive"
        (pod,) = stage.all(POD)
        name = pod["metadata"]["name"]
        if container == "initContainers":
            assert last(stage)["message"] == (
                f"Pod {name}, container before has terminal error (InvalidImageName): no such name\n"
            )
        else:
            assert last(stage)["message"].startswith(
                f"Pod {name}, container test has terminal error (ImagePullBackOff)"
            )
        assert stage.find(JOB, f"{uid}.smoke.1") is not None, "left to be looked at"


async def test_every_measurement_has_its_own_job_and_errors_count_in_its_name() -> None:
    faults = [Refused("denied by a webhook", code=403)]

    def once(call: Call) -> Refused | None:
        return faults.pop() if faults and call.resource == JOB and call.verb == "create" else None

    async with Stage() as stage:
        stage.line.faults.append(once)
        uid = await begun(stage, by_job(spec=job_spec(run_time="1s"), count=2, interval="5s"))
        assert await ends(stage) == "Successful"
        assert {job["metadata"]["name"] for job in stage.all(JOB)} == {f"{uid}.smoke.2", f"{uid}.smoke.3"}
        assert (result(stage)["count"], result(stage)["error"]) == (2, 1)
        assert result(stage)["measurements"][0]["message"] == "denied by a webhook"


async def test_a_long_name_of_a_metric_is_cut() -> None:
    async with Stage() as stage:
        uid = await begun(stage, by_job("integration-tests-of-the-whole-shop", spec=job_spec(run_time="1s")))
        assert await ends(stage) == "Successful"
        (job,) = stage.all(JOB)
        assert job["metadata"]["name"] == f"{uid}.integration-tests-of-the.1"
        assert len(job["metadata"]["name"]) == 63


async def test_two_metrics_do_not_share_a_job_because_their_names_are_cut_alike() -> None:
    async with Stage() as stage:
        spec = job_spec(run_time="1s")
        names = [f"integration-tests-of-the-whole-{name}" for name in "ab"]
        uid = await begun(stage, *(by_job(name, spec=spec, consecutiveErrorLimit=0) for name in names))
        assert await ends(stage) == "Error"
        assert f'"{uid}.integration-tests-of-the.1" already exists, and it is not this' in str(status(stage))


async def test_a_name_that_the_api_server_refuses_is_an_error_of_the_measurement() -> None:
    async with Stage() as stage:
        await begun(stage, by_job("Smoke", consecutiveErrorLimit=0))
        assert await ends(stage) == "Error"
        assert "Invalid value" in last(stage)["message"]


async def test_a_job_made_before_the_controller_was_killed_is_found_again() -> None:
    async with Stage() as stage:
        stage.line.dies_after = 1
        uid = await begun(stage, by_job())
        await stage.line.dead.wait()
        assert [call.verb for call in stage.line.writes] == ["create"]
        await stage.kill()
        stage.start()
        assert await ends(stage) == "Successful"
        assert [job["metadata"]["name"] for job in stage.all(JOB)] == [f"{uid}.smoke.1"]
        assert result(stage).get("error", 0) == 0


@pytest.mark.parametrize("owned", [False, True])
async def test_somebody_elses_job_of_the_expected_name_is_an_error_and_stays_as_it_is(owned: bool) -> None:
    async with Stage(controller=False) as stage:
        uid = await begun(stage, by_job(consecutiveErrorLimit=1))
        other = await stage.wire.create(SERVICE, "default", service("other"))
        owner = {"apiVersion": "v1", "kind": "Service", "name": "other", "uid": other["metadata"]["uid"]}
        owners = [{**owner, "controller": True}] if owned else []
        metadata: Obj = {"name": f"{uid}.smoke.1", "ownerReferences": owners}
        spec = {**job_spec(run_time="1h"), "suspend": True}
        await stage.wire.create(JOB, "default", {"metadata": metadata, "spec": spec})
        stage.start()
        await stage.until(lambda: result(stage).get("error") == 1)
        assert "already exists, and it is not this measurement's" in last(stage)["message"]
        assert await ends(stage) == "Successful", "the second measurement has a name of its own"
        assert stage.get(JOB, f"{uid}.smoke.1")["spec"]["suspend"]


async def test_a_job_that_disappears_is_an_error() -> None:
    async with Stage() as stage:
        uid = await begun(stage, by_job(consecutiveErrorLimit=0))
        await stage.until(lambda: stage.find(JOB, f"{uid}.smoke.1"))
        await stage.delete(JOB, f"{uid}.smoke.1")
        assert await ends(stage) == "Error"
        assert last(stage)["message"] == f'job.batch "{uid}.smoke.1" not found'


async def test_an_api_server_out_of_reach_does_not_end_a_measurement_that_is_under_way() -> None:
    async with Stage() as stage:
        await begun(stage, by_job())
        await stage.until(lambda: last(stage).get("metadata"))
        now = asyncio.get_running_loop().time
        until = now() + 6

        def away(call: Call) -> Unreachable | None:
            gone = call.resource == JOB and call.verb == "get" and now() < until
            return Unreachable("no answer") if gone else None

        stage.line.faults.append(away)
        assert await ends(stage) == "Successful"
        assert result(stage).get("error", 0) == 0
        assert len(stage.all(JOB)) == 1


@pytest.mark.parametrize(("limit", "phase"), [(0, "Inconclusive"), (1, "Successful")])
async def test_terminating_a_run_deletes_its_job_with_its_pods(limit: int, phase: str) -> None:
    async with Stage() as stage:
        uid = await begun(stage, by_job(spec=job_spec(run_time="1h"), inconclusiveLimit=limit))
        await stage.until(lambda: stage.all(POD))
        await stage.change(ANALYSIS_RUN, "run", {"spec": {"terminate": True}})
        assert await ends(stage) == phase
        assert (last(stage)["phase"], last(stage)["message"]) == ("Inconclusive", "Metric Terminated")
        if not limit:
            assert 'inconclusive (1) > inconclusiveLimit (0): "Error Message: Metric Terminated"' in str(status(stage))
        await stage.until(lambda: not stage.find(JOB, f"{uid}.smoke.1") and not stage.all(POD))
        (deleted,) = [call for call in stage.line.writes if call.verb == "delete"]
        assert deleted.resource == JOB


async def test_a_job_is_terminated_when_another_metric_has_failed() -> None:
    async with Stage() as stage:
        bad = {"name": "bad", "provider": {"job": {"spec": job_spec(job_result="fail")}}}
        uid = await begun(stage, bad, by_job(spec=job_spec(run_time="1h")))
        assert await ends(stage) == "Failed"
        assert status(stage)["message"] == 'Metric "bad" assessed Failed due to failed (1) > failureLimit (0)'
        await stage.until(lambda: stage.find(JOB, f"{uid}.smoke.1") is None)


async def test_jobs_of_forgotten_measurements_are_deleted_metric_by_metric() -> None:
    async with Stage() as stage:
        spec, kept = job_spec(run_time="1s"), [{"metricName": "often", "limit": 2}]
        often = by_job("often", spec=spec, count=5, interval="2s")
        uid = await begun(stage, often, by_job("once", spec=spec), measurementRetention=kept)
        assert await ends(stage) == "Successful"
        await stage.passes(5)
        names = sorted(job["metadata"]["name"] for job in stage.all(JOB))
        assert names == [f"{uid}.often.4", f"{uid}.often.5", f"{uid}.once.1"]


async def test_jobs_go_with_their_run() -> None:
    async with Stage() as stage:
        await begun(stage, by_job())
        await stage.until(lambda: stage.all(JOB))
        await stage.delete(ANALYSIS_RUN, "run")
        await stage.until(lambda: not stage.all(JOB) and not stage.all(POD))


async def test_a_release_is_judged_by_a_job() -> None:
    async with Stage() as stage:
        check = template("check", by_job(spec=job_spec(run_time="2s", job_result="fail")))
        await stage.deploy(check, rollout(make.weight(20), judged()))
        await stage.release("img:2")
        await stage.reaches("Degraded")
        cause = 'Metric "smoke" assessed Failed due to failed (1) > failureLimit (0)'
        assert f"Step-based analysis phase error/failed: {cause}" in stage.phase().message


async def test_jobs_in_another_namespace_are_owned_by_nobody_and_strangers_are_not_taken_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ARGO_ROLLOUTS_ANALYSIS_JOB_NAMESPACE", "tests")
    async with Stage(controller=False) as stage:
        await stage.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "tests"}})
        uid = await begun(stage, by_job(consecutiveErrorLimit=1))
        theirs = {"metadata": {"name": f"{uid}.smoke.1"}, "spec": job_spec(run_time="1h")}
        await stage.wire.create(JOB, "tests", theirs)
        stage.start()
        assert await ends(stage) == "Successful"
        assert result(stage)["error"] == 1
        mine = stage.find(JOB, f"{uid}.smoke.2", "tests")
        assert mine is not None
        assert "ownerReferences" not in mine["metadata"]
        assert last(stage)["metadata"] == {"job-name": f"{uid}.smoke.2", "job-namespace": "tests"}


async def test_jobs_in_another_cluster_are_made_watched_and_deleted_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARGO_ROLLOUTS_ANALYSIS_JOB_KUBECONFIG", "of-the-other-one")
    async with Stage(controller=False) as stage, Cluster(crds=()) as other:
        environ = {"ARGO_ROLLOUTS_ANALYSIS_JOB_KUBECONFIG": "of-the-other-one"}
        controllers = Controllers(stage.wire, parse([], environ), clock=clock.now, pace=IN_PROCESS, job_wire=other.wire)
        working = asyncio.create_task(controllers.run())
        uid = await begun(stage, by_job(spec=job_spec(run_time="5m")), by_job("long", spec=job_spec(run_time="1h")))
        await stage.until(lambda: result(stage).get("phase") == "Successful", 400)
        job = await other.wire.get(JOB, "default", f"{uid}.smoke.1")
        assert job["status"]["completionTime"] == last(stage)["finishedAt"], "noticed when it happened"
        assert "ownerReferences" not in job["metadata"]
        await stage.change(ANALYSIS_RUN, "run", {"spec": {"terminate": True}})
        await ends(stage)
        await stage.passes(5)
        left = [each["metadata"]["name"] for each in (await other.wire.list(JOB, "default")).items]
        assert left == [f"{uid}.smoke.1"]
        assert not stage.all(JOB)
        controllers.stop()
        await working


async def test_a_controller_without_runs_by_job_watches_no_jobs() -> None:
    async with Stage() as stage:
        await stage.deploy(template(), rollout(make.weight(20), judged()))
        stage.prometheus.says("errors", 0)
        await stage.release("img:2")
        await stage.reaches("Healthy")
        assert not [call for call in stage.line.calls if call.resource == JOB]
