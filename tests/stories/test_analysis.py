"""Releases that are judged: by a step, in the background, with arguments, and what each verdict leads to."""

import base64
from pathlib import Path

import pytest
import yaml

from rollouts.kube.refs import ANALYSIS_RUN, ANALYSIS_TEMPLATE, ROLLOUT, Obj
from tests import make
from tests.stories.objects import analysis, istio, judged, metric, rollout, template
from tests.stories.stage import Stage

pytestmark = pytest.mark.virtual

SURGE = {"maxSurge": 1, "maxUnavailable": 0}
V1, V2 = "9f9bc55f7", "79dbf75f7b"
RUN = f"r-{V2}-2"
SHARED = Path(__file__).parents[3] / "shared" / "manifests" / "api"


def run(stage: Stage, name: str) -> Obj:
    return stage.get(ANALYSIS_RUN, name)


# ── a step ──


async def test_a_good_verdict_completes_the_step() -> None:
    async with Stage() as stage:
        await stage.deploy(template(), rollout(make.weight(20), judged(), make.pause(), canary=SURGE))
        stage.prometheus.says("errors", 0.01)
        await stage.release("img:2")
        await stage.reaches("Paused")
        assert stage.runs() == {f"{RUN}-1": "Successful"}
        assert "currentStepAnalysisRunStatus" not in stage.status()["canary"]
        labels = run(stage, f"{RUN}-1")["metadata"]["labels"]
        assert labels == {
            "app": "r",
            "rollouts-pod-template-hash": V2,
            "rollout-type": "Step",
            "step-index": "1",
        }
        events = await stage.events()
        assert f"Step Analysis Run '{RUN}-1' Status New: 'Successful' Previous: " in str(events)
        assert "AnalysisRunSuccessful" in {reason for reason, _ in events}


async def test_a_bad_verdict_aborts_and_says_why() -> None:
    async with Stage() as stage:
        await stage.deploy(template(), rollout(make.weight(20), judged(), canary=SURGE))
        stage.prometheus.says("errors", 0.2)
        await stage.release("img:2")
        await stage.reaches("Degraded")
        cause = 'Metric "errors" assessed Failed due to failed (1) > failureLimit (0)'
        message = f"Rollout aborted update to revision 2: Step-based analysis phase error/failed: {cause}"
        assert stage.phase().message == f"RolloutAborted: {message}"
        assert stage.condition("Progressing")["message"] == message
        await stage.until(lambda: stage.sizes() == {"img:1": 5})
        events = await stage.events()
        assert ("RolloutAborted", message) in events
        assert f"Step Analysis Run '{RUN}-1' Status New: 'Failed'" in str(events)
        assert ("AnalysisRunFailed", "Analysis Completed. Result: Failed") in await stage.events(f"{RUN}-1")
        assert ("MetricFailed", "Metric 'errors' Completed. Result: Failed") in await stage.events(f"{RUN}-1")


async def test_an_error_aborts_after_five_attempts_ten_seconds_apart() -> None:
    async with Stage() as stage:
        await stage.deploy(template(), rollout(make.weight(20), judged()))
        stage.prometheus.says("errors", [])
        await stage.release("img:2")
        await stage.reaches("Degraded")
        cause = 'Metric "errors" assessed Error due to consecutiveErrors (5) > consecutiveErrorLimit (4)'
        assert f"Step-based analysis phase error/failed: {cause}" in stage.phase().message
        assert len(stage.prometheus.queries) == 5
        measured = run(stage, f"{RUN}-1")["status"]["metricResults"][0]
        assert (measured["error"], measured.get("count", 0)) == (5, 0)


async def test_failures_within_the_limit_are_forgiven() -> None:
    async with Stage() as stage:
        lenient = metric(interval="2s", count=4, failureLimit=2)
        await stage.deploy(template("check", lenient), rollout(make.weight(20), judged()))
        stage.prometheus.says("errors", 0.2, 0.01, 0.2, 0.01)
        await stage.release("img:2")
        await stage.reaches("Healthy", limit=300)
        assert run(stage, f"{RUN}-1")["status"]["runSummary"]["successful"] == 1


UNDECIDED = {"condition": "result[0] < 0.05", "failureCondition": "result[0] > 0.1"}


async def test_an_unclear_verdict_pauses_and_a_resume_measures_anew() -> None:
    async with Stage() as stage:
        await stage.deploy(template("check", metric(**UNDECIDED)), rollout(make.weight(20), judged(), make.pause()))
        stage.prometheus.says("errors", 0.07, 0.01)
        await stage.release("img:2")
        await stage.reaches("Paused", "InconclusiveAnalysisRun")
        assert stage.status()["currentStepIndex"] == 1
        await stage.passes(3600)
        assert stage.phase() == ("Paused", "InconclusiveAnalysisRun")
        # What Argo CD's action "resume" writes: the pause alone is taken away.
        await stage.wire.patch(ROLLOUT, "default", "r", {"status": {"pauseConditions": None}}, subresource="status")
        await stage.reaches_step(2)
        assert stage.runs() == {f"{RUN}-1": "Inconclusive", f"{RUN}-1.1": "Successful"}


async def test_a_promotion_passes_over_an_unclear_verdict() -> None:
    async with Stage() as stage:
        await stage.deploy(template("check", metric(**UNDECIDED)), rollout(make.weight(20), judged(), make.pause()))
        stage.prometheus.says("errors", 0.07)
        await stage.release("img:2")
        await stage.reaches("Paused", "InconclusiveAnalysisRun")
        await stage.promote()
        await stage.reaches("Paused", "CanaryPauseStep")
        assert stage.status()["currentStepIndex"] == 2
        assert stage.runs() == {f"{RUN}-1": "Inconclusive"}


async def test_a_retry_is_judged_by_a_new_run() -> None:
    async with Stage() as stage:
        await stage.deploy(template(), rollout(make.weight(20), judged()))
        stage.prometheus.says("errors", 0.2, 0.01)
        await stage.release("img:2")
        await stage.reaches("Degraded")
        await stage.until(lambda: stage.sizes() == {"img:1": 5})
        await stage.passes(2)  # equal questions within a second are asked once
        await stage.retry()
        await stage.reaches("Healthy")
        assert stage.runs() == {f"{RUN}-1": "Failed", f"{RUN}-1.1": "Successful"}


async def test_a_run_ends_when_its_step_is_left() -> None:
    async with Stage() as stage:
        endless = metric(interval="1m", count=1000)
        await stage.deploy(template("check", endless), rollout(make.weight(20), judged(), make.pause()))
        stage.prometheus.says("errors", 0.01)
        await stage.release("img:2")
        await stage.until(lambda: stage.runs() == {f"{RUN}-1": "Running"})
        await stage.promote()
        await stage.reaches("Paused")
        await stage.until(lambda: stage.runs() == {f"{RUN}-1": "Successful"})
        assert run(stage, f"{RUN}-1")["status"]["message"] == "Run Terminated"


async def test_two_analysis_steps_in_a_row_have_a_run_each() -> None:
    async with Stage() as stage:
        endless = template("long", metric(interval="1m", count=1000))
        await stage.deploy(endless, template(), rollout(make.weight(20), judged("long"), judged("check")))
        stage.prometheus.says("errors", 0.01)
        await stage.release("img:2")
        await stage.until(lambda: stage.runs().get(f"{RUN}-1") == "Running")
        await stage.promote()
        await stage.reaches("Healthy")
        assert stage.runs() == {f"{RUN}-1": "Successful", f"{RUN}-2": "Successful"}


async def test_an_abort_ends_the_run() -> None:
    async with Stage() as stage:
        endless = template("check", metric(interval="1m", count=1000))
        await stage.deploy(endless, rollout(make.weight(20), judged()))
        stage.prometheus.says("errors", 0.01)
        await stage.release("img:2")
        await stage.until(lambda: stage.runs() == {f"{RUN}-1": "Running"})
        await stage.abort()
        await stage.until(lambda: stage.runs() == {f"{RUN}-1": "Successful"})
        await stage.reaches("Degraded", "RolloutAborted: Rollout aborted update to revision 2")


async def test_several_templates_are_judged_in_one_run() -> None:
    async with Stage() as stage:
        other = template("slow", metric("latency", "result[0] < 1"))
        await stage.deploy(template(), other, rollout(make.weight(20), judged("check", "slow")))
        stage.prometheus.says("errors", 0.01)
        stage.prometheus.says("latency", 3.5)
        await stage.release("img:2")
        await stage.reaches("Degraded", 'Metric "latency" assessed Failed due to failed (1) > failureLimit (0)')
        phases = {each["name"]: each["phase"] for each in run(stage, f"{RUN}-1")["status"]["metricResults"]}
        assert phases == {"errors": "Successful", "latency": "Failed"}


async def test_a_cluster_template_judges_in_every_namespace() -> None:
    async with Stage() as stage:
        shared = template("check", kind="ClusterAnalysisTemplate")
        del shared["metadata"]["namespace"]
        step = {"analysis": {"templates": [{"templateName": "check", "clusterScope": True}]}}
        await stage.deploy(shared, rollout(make.weight(20), step))
        stage.prometheus.says("errors", 0.2)
        await stage.release("img:2")
        await stage.reaches("Degraded", "Step-based analysis")


async def test_a_metric_on_trial_decides_nothing() -> None:
    async with Stage() as stage:
        both = template("check", metric(), metric("trial", "result[0] < 1"))
        await stage.deploy(both, rollout(make.weight(20), judged(dryRun=[{"metricName": "trial"}])))
        stage.prometheus.says("errors", 0.01)
        stage.prometheus.says("trial", 5.0)
        await stage.release("img:2")
        await stage.reaches("Healthy")
        status = run(stage, f"{RUN}-1")["status"]
        assert status["phase"] == "Successful"
        assert status["dryRunSummary"] == {"count": 1, "failed": 1}


async def test_the_first_release_is_not_judged() -> None:
    async with Stage() as stage:
        await stage.deploy(template(), rollout(judged(), canary={"analysis": analysis()}))
        assert stage.runs() == {}


async def test_a_return_to_the_stable_template_is_not_judged() -> None:
    async with Stage() as stage:
        await stage.deploy(template(), rollout(make.weight(20), make.pause(), judged()))
        await stage.release("img:2")
        await stage.reaches("Paused")
        await stage.release("img:1")
        await stage.reaches("Healthy")
        assert stage.runs() == {}


# ── in the background ──


async def test_a_failure_in_the_background_aborts_even_at_a_pause() -> None:
    async with Stage() as stage:
        watchful = template("check", metric(interval="3s", failureLimit=1))
        steps = (make.weight(50), make.pause())
        await stage.deploy(watchful, rollout(*steps, canary={"analysis": analysis()}))
        stage.prometheus.says("errors", 0.01, 0.01, 0.01, 0.2)
        await stage.release("img:2")
        await stage.reaches("Paused")
        assert stage.runs() == {RUN: "Running"}
        assert stage.status()["canary"]["currentBackgroundAnalysisRunStatus"] == {"name": RUN, "status": "Running"}
        await stage.reaches("Degraded")
        cause = 'Metric "errors" assessed Failed due to failed (2) > failureLimit (1)'
        text = f"Rollout aborted update to revision 2: Background analysis phase error/failed: {cause}"
        assert stage.phase().message == f"RolloutAborted: {text}"
        await stage.until(lambda: stage.sizes() == {"img:1": 5})
        assert "currentBackgroundAnalysisRunStatus" not in stage.status()["canary"]


async def test_a_failure_in_the_background_takes_the_traffic_back() -> None:
    async with Stage() as stage:
        watchful = template("check", metric(interval="3s"))
        *objects, manifest = istio(make.weight(50), make.pause(), canary={"analysis": analysis()})
        await stage.deploy(watchful, *objects, manifest)
        stage.prometheus.says("errors", 0.01, 0.01, 0.2)
        await stage.release("img:2")
        await stage.until(lambda: stage.weights()["canary"] == 50)
        await stage.reaches("Degraded")
        await stage.until(lambda: stage.weights() == {"stable": 100, "canary": 0}, limit=1)


async def test_the_background_begins_with_its_step_and_ends_with_the_promotion() -> None:
    async with Stage() as stage:
        watchful = template("check", metric(interval="10s"))
        steps = (make.weight(20), make.pause("8s"), make.weight(60), make.pause("8s"))
        await stage.deploy(watchful, rollout(*steps, canary={"analysis": analysis(startingStep=2)}))
        stage.prometheus.says("errors", 0.01)
        await stage.release("img:2")
        await stage.reaches_step(1)
        await stage.passes(5)
        assert stage.runs() == {}
        await stage.until(lambda: stage.runs() == {RUN: "Running"})
        assert stage.status()["currentStepIndex"] == 2
        await stage.reaches("Healthy", limit=300)
        await stage.until(lambda: stage.runs() == {RUN: "Successful"})
        assert run(stage, RUN)["metadata"]["labels"]["rollout-type"] == "Background"


async def test_an_unclear_background_pauses_and_a_promotion_measures_anew() -> None:
    async with Stage() as stage:
        watchful = template("check", metric(interval="3s", **UNDECIDED))
        await stage.deploy(watchful, rollout(make.weight(20), make.pause(), canary={"analysis": analysis()}))
        stage.prometheus.says("errors", 0.01, 0.01, 0.07, 0.01)
        await stage.release("img:2")
        await stage.until(lambda: "InconclusiveAnalysisRun" in str(stage.status().get("pauseConditions")))
        await stage.passes(2)
        await stage.promote()
        await stage.until(lambda: stage.runs() == {RUN: "Inconclusive", f"{RUN}.1": "Running"})
        assert stage.phase().phase != "Degraded"


# ── arguments ──


async def test_arguments_come_from_the_rollout() -> None:
    names = ("literal", "stable", "latest", "label", "field", "fallback")
    args = (*({"name": name} for name in names[:-1]), {"name": "fallback", "value": "of the template"})
    query = " ".join(f"{name}={{{{args.{name}}}}}" for name in names)
    asking = {"prometheus": {"address": "http://prometheus", "query": query}}
    given = [
        {"name": "literal", "value": "a b"},
        {"name": "stable", "valueFrom": {"podTemplateHashValue": "Stable"}},
        {"name": "latest", "valueFrom": {"podTemplateHashValue": "Latest"}},
        {"name": "label", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['team']"}}},
        {"name": "field", "valueFrom": {"fieldRef": {"fieldPath": "spec.replicas"}}},
        {"name": "unknown", "value": "dropped"},
    ]
    async with Stage() as stage:
        manifest = rollout(make.weight(20), judged(args=given))
        manifest["metadata"]["labels"] = {"team": "shop"}
        await stage.deploy(template("check", metric(provider=asking), args=args), manifest)
        stage.prometheus.says("literal", 0.0)
        await stage.release("img:2")
        await stage.reaches("Healthy")
        assert stage.prometheus.queries == [
            f"literal=a b stable={V1} latest={V2} label=shop field=5 fallback=of the template"
        ]


async def test_a_secret_is_read_for_the_query_and_shown_nowhere() -> None:
    args = ({"name": "token", "valueFrom": {"secretKeyRef": {"name": "access", "key": "token"}}},)
    provider = {"prometheus": {"address": "http://prometheus", "query": "errors{{args.token}}"}}
    async with Stage() as stage:
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "access", "namespace": "default"},
            "data": {"token": base64.b64encode(b"hush-hush").decode()},
        }
        judging = template("check", metric(provider=provider), args=args)
        await stage.deploy(secret, judging, rollout(make.weight(20), judged()))
        stage.prometheus.says("errors", 0.01)
        await stage.release("img:2")
        await stage.reaches("Healthy")
        assert stage.prometheus.queries == ["errorshush-hush"]
        assert "hush-hush" not in str(run(stage, f"{RUN}-1"))
        assert "hush-hush" not in str(stage.rollout())


async def test_a_secret_that_is_missing_ends_the_run_in_error() -> None:
    args = ({"name": "token", "valueFrom": {"secretKeyRef": {"name": "access", "key": "token"}}},)
    async with Stage() as stage:
        await stage.deploy(template("check", args=args), rollout(make.weight(20), judged()))
        await stage.release("img:2")
        await stage.reaches("Degraded", 'Unable to resolve metric arguments: secrets "access" not found')


async def test_an_argument_that_nobody_gives_is_told_before_anything_is_released() -> None:
    async with Stage() as stage:
        asking = metric(provider={"prometheus": {"address": "http://p", "query": "errors{{args.service}}"}})
        manifest = rollout(make.weight(20), judged())
        await stage.apply(template("check", asking, args=({"name": "service"},)), manifest)
        await stage.reaches("Degraded", "args.service was not resolved")


async def test_an_argument_that_nobody_declares_is_told_with_template_metric_and_name() -> None:
    async with Stage() as stage:
        asking = metric(provider={"prometheus": {"address": "http://p", "query": "errors{{args.service}}"}})
        manifest = rollout(make.weight(20), judged(args=[{"name": "service", "value": "x"}]))
        await stage.apply(template("check", asking), manifest)
        await stage.reaches("Degraded", "InvalidSpec")
        message = stage.condition("InvalidSpec")["message"]
        assert all(word in message for word in ("check", "errors", "args.service")), message
        assert "spec.strategy.canary.steps[1].analysis.templates" in message
        assert stage.sizes() == {}


async def test_the_forgotten_argument_of_a_users_template_is_told() -> None:
    if not SHARED.exists():
        pytest.skip("needs the users' example manifests in ../shared/manifests, which are not part of this repository")
    async with Stage() as stage:
        manifests = [
            manifest for path in sorted(SHARED.glob("*.yaml")) for manifest in yaml.safe_load_all(path.read_text())
        ]
        for manifest in manifests:
            manifest["metadata"]["namespace"] = "default"
        await stage.apply(*(each for each in manifests if each["kind"] in ("AnalysisTemplate", "Rollout")))
        await stage.reaches("Degraded", "args.service-name", name="api")
        message = stage.condition("InvalidSpec", "api")["message"]
        assert all(word in message for word in ("latency-p99", "args.service-name")), message


# ── what is kept ──


async def test_old_runs_are_forgotten_beyond_the_limits() -> None:
    limits = {"successfulRunHistoryLimit": 1, "unsuccessfulRunHistoryLimit": 2}
    async with Stage() as stage:
        await stage.deploy(template(), rollout(judged(), replicas=1, analysis=limits))
        stage.prometheus.says("errors", 0.01)
        for number in range(2, 6):
            await stage.release(f"img:{number}")
            await stage.reaches("Healthy")
            await stage.passes(2)
        assert list(stage.runs().values()) == ["Successful"]
        stage.prometheus.says("errors", 0.2)
        await stage.release("img:9")
        for _ in range(4):
            await stage.reaches("Degraded")
            await stage.passes(2)
            await stage.retry()
            await stage.passes(2)
        assert sorted(stage.runs().values()) == ["Failed", "Failed", "Successful"]


async def test_runs_of_a_forgotten_revision_are_forgotten_with_it() -> None:
    async with Stage() as stage:
        await stage.deploy(template(), rollout(judged(), replicas=1, revisionHistoryLimit=0))
        stage.prometheus.says("errors", 0.01)
        for number in range(2, 5):
            await stage.release(f"img:{number}")
            await stage.reaches("Healthy")
            await stage.passes(2)
        assert len(stage.runs()) == 1


async def test_a_run_made_by_hand_is_measured_and_outlives_its_use_no_longer_than_told() -> None:
    async with Stage() as stage:
        stage.prometheus.says("errors", 0.01)
        manifest = template("byhand", kind="AnalysisRun", ttlStrategy={"secondsAfterCompletion": 60})
        await stage.apply(manifest)
        await stage.until(lambda: stage.runs() == {"byhand": "Successful"})
        await stage.passes(58)
        assert stage.runs() == {"byhand": "Successful"}
        await stage.until(lambda: stage.runs() == {}, limit=5)


async def test_metadata_for_runs_reaches_them() -> None:
    async with Stage() as stage:
        extra = {"labels": {"team": "shop"}, "annotations": {"why": "release"}}
        await stage.deploy(template(), rollout(judged(analysisRunMetadata=extra), replicas=1))
        stage.prometheus.says("errors", 0.01)
        await stage.release("img:2")
        await stage.reaches("Healthy")
        metadata = run(stage, f"{RUN}-0")["metadata"]
        assert metadata["labels"]["team"] == "shop"
        assert metadata["annotations"] == {"rollout.argoproj.io/revision": "2", "why": "release"}


async def test_a_template_that_changes_in_the_middle_leaves_the_running_run_alone() -> None:
    async with Stage() as stage:
        watchful = template("check", metric(interval="10s"))
        await stage.deploy(watchful, rollout(make.weight(20), make.pause(), canary={"analysis": analysis()}))
        stage.prometheus.says("errors", 0.01)
        await stage.release("img:2")
        await stage.reaches("Paused")
        await stage.change(ANALYSIS_TEMPLATE, "check", {"spec": {"metrics": [metric("other", interval="10s")]}})
        await stage.passes(60)
        assert stage.runs() == {RUN: "Running"}
        assert set(stage.prometheus.queries) == {"errors"}
