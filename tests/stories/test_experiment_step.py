"""Canaries with an experiment step: what they start and wait for, who gets traffic, and what they leave behind."""

from typing import Any

import pytest

from rollouts.api import labels
from rollouts.kube.refs import EXPERIMENT, POD, ROLLOUT, SERVICE, Obj, controller_of, name_of
from tests import make
from tests.experiment.objects import becomes, parts, phase_of, status_of, uses
from tests.stories.guard import Guard
from tests.stories.objects import SCRIPT, istio, metric, rollout, template
from tests.stories.stage import Stage

pytestmark = pytest.mark.virtual

V1, V2 = "9f9bc55f7", "79dbf75f7b"
FIRST = f"r-{V2}-2-1"
ROUTED = "r-7599555c95-2-1"
"""The Experiment of step 1 of a release of img:2, without and with a port."""
PORTS = [{"containerPort": 8080, "name": "http"}]
UNCLEAR = metric(failureCondition="result[0] > 0.1")


def tries(*templates: Obj, **rest: Any) -> Obj:
    """An experiment step."""
    return {"experiment": {"templates": list(templates or (of("canary"),)), **rest}}


def of(ref: str, name: str = "", **rest: Any) -> Obj:
    return {"name": name or ref, "specRef": ref, **rest}


def with_ports(objects: tuple[Obj, ...]) -> tuple[Obj, ...]:
    objects[-1]["spec"]["template"]["spec"]["containers"][0]["ports"] = PORTS
    return objects


def hash_of(stage: Stage, image: str) -> str:
    """The hash of the Rollout's own ReplicaSet of an image."""
    own = [rs for rs in parts(stage, "r") if rs["spec"]["template"]["spec"]["containers"][0]["image"] == image]
    return str(own[0]["metadata"]["labels"][labels.POD_TEMPLATE_HASH])


def experiments(stage: Stage) -> dict[str, str]:
    return {name_of(one): (one.get("status") or {}).get("phase", "") for one in stage.all(EXPERIMENT)}


# ── what it starts ──


async def test_a_step_starts_an_experiment_of_both_versions_and_waits_for_its_end() -> None:
    async with Stage() as stage:
        step = tries(of("stable", "base", replicas=2), of("canary", metadata={"labels": {"try": "it"}}), duration="10s")
        manifest = rollout(make.weight(20), step, make.pause())
        manifest["metadata"]["labels"] = {"team": "a"}
        await stage.deploy(manifest)
        await stage.release("img:2")
        await becomes(stage, "Running", FIRST)
        v1, v2 = hash_of(stage, "img:1"), hash_of(stage, "img:2")
        found = stage.get(EXPERIMENT, FIRST)
        assert found["metadata"]["labels"] == {"team": "a", labels.POD_TEMPLATE_HASH: v2}
        assert found["metadata"]["annotations"] == {labels.REVISION: "2"}
        assert (controller_of(found) or {})["kind"] == "Rollout"
        base, canary = found["spec"]["templates"]
        assert base["selector"]["matchLabels"] == {"app": "r", labels.POD_TEMPLATE_HASH: v1}
        tried = {"app": "r", labels.POD_TEMPLATE_HASH: v2, "try": "it"}
        assert canary["selector"]["matchLabels"] == canary["template"]["metadata"]["labels"] == tried
        assert "service" not in base
        assert stage.status()["canary"]["currentExperiment"] == FIRST
        assert stage.status()["currentStepIndex"] == 1
        assert {name_of(rs): rs["spec"]["replicas"] for rs in parts(stage, FIRST)} == {
            f"{FIRST}-base": 2,
            f"{FIRST}-canary": 1,
        }
        assert {rs["metadata"]["labels"][labels.POD_TEMPLATE_HASH] for rs in parts(stage, FIRST)}.isdisjoint({v1, v2})
        await stage.reaches("Paused")
        assert phase_of(stage, FIRST) == "Successful"
        assert "currentExperiment" not in stage.status()["canary"]
        assert ("ExperimentCreated", f"Created Experiment '{FIRST}'") in await stage.events()


async def test_a_first_deploy_tries_nothing() -> None:
    async with Stage() as stage:
        await stage.deploy(rollout(tries(duration="10s")))
        assert experiments(stage) == {}


async def test_arguments_of_its_analyses_are_those_of_the_rollout() -> None:
    async with Stage() as stage:
        asked = metric("{{args.stable}}/{{args.latest}}/{{args.app}}/{{args.pods}}", "true")
        asked["name"] = "asked"
        args: list[Obj] = [
            {"name": "stable", "valueFrom": {"podTemplateHashValue": "Stable"}},
            {"name": "latest", "valueFrom": {"podTemplateHashValue": "Latest"}},
            {"name": "app", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
            {"name": "pods", "value": "{{templates.canary.podTemplateHash}}"},
        ]
        step = tries(analyses=[uses(args=args, requiredForCompletion=True)])
        manifest = rollout(make.weight(20), step)
        manifest["metadata"]["labels"] = {"app": "shop"}
        declared = tuple({"name": arg["name"]} for arg in args)
        await stage.deploy(template("check", asked, args=declared), manifest)
        stage.prometheus.says("", 1)
        await stage.release("img:2")
        await stage.reaches("Healthy")
        (query,) = stage.prometheus.queries
        pods = status_of(stage, FIRST)["templateStatuses"][0]["podTemplateHash"]
        assert query == f"{V1}/{V2}/shop/{pods}"


# ── what its end means ──


async def test_a_failed_experiment_aborts_the_update_and_a_retry_runs_another_one() -> None:
    async with Stage() as stage:
        step = tries(analyses=[uses(requiredForCompletion=True)])
        await stage.deploy(template(), rollout(make.weight(20), step, make.pause()))
        stage.prometheus.says("errors", 0.5, 0.01)
        await stage.release("img:2")
        await stage.reaches("Degraded")
        assert "Experiment analysis phase is error/failed: Metric" in stage.phase().message
        await stage.passes(60)
        assert "currentExperiment" not in stage.status()["canary"]
        await stage.retry()
        await stage.reaches("Paused", "CanaryPauseStep")
        assert experiments(stage) == {FIRST: "Failed", f"{FIRST}-1": "Successful"}


async def test_a_provider_that_is_not_supported_aborts_the_update_by_name() -> None:
    async with Stage() as stage:
        foreign = metric(provider={"plugin": {"acme/metrics": {"query": "x"}}})
        await stage.deploy(template("check", foreign), rollout(tries(analyses=[uses()]), make.pause()))
        await stage.release("img:2")
        await stage.reaches("Degraded", "RolloutAborted")
        cause = "AnalysisTemplate check: metric 'errors': provider plugin acme/metrics is not supported"
        assert cause in stage.phase().message
        assert list(experiments(stage).values()) == ["Error"]
        await stage.until(lambda: len(stage.all(POD)) == 5)


async def test_an_unclear_experiment_pauses_and_no_other_one_begins_until_somebody_resumes() -> None:
    async with Stage() as stage:
        step = tries(analyses=[uses(requiredForCompletion=True)])
        await stage.deploy(template("check", UNCLEAR), rollout(make.weight(20), step, make.pause()))
        stage.prometheus.says("errors", 0.07, 0.01)
        await stage.release("img:2")
        await stage.reaches("Paused", "InconclusiveExperiment")
        await stage.passes(3600)
        assert experiments(stage) == {FIRST: "Inconclusive"}
        assert stage.status()["canary"]["currentExperiment"] == FIRST
        await stage.promote()
        await stage.reaches("Paused", "CanaryPauseStep")
        assert experiments(stage) == {FIRST: "Inconclusive", f"{FIRST}-1": "Successful"}


async def test_versions_that_do_not_come_up_abort_the_update_at_the_rollouts_deadline() -> None:
    async with Stage() as stage:
        never = {"annotations": {f"{SCRIPT}ready": "never"}}
        step = tries(of("canary", metadata=never))
        await stage.deploy(rollout(make.weight(20), step, progressDeadlineSeconds=8))
        await stage.release("img:2")
        await stage.reaches("Degraded", "exceeded its progressDeadlineSeconds (8)")


async def test_a_terminated_experiment_counts_as_done() -> None:
    async with Stage() as stage:
        await stage.deploy(rollout(make.weight(20), tries(), make.pause()))
        await stage.release("img:2")
        await becomes(stage, "Running", FIRST)
        await stage.change(EXPERIMENT, FIRST, {"spec": {"terminate": True}})
        await stage.reaches("Paused", "CanaryPauseStep")


async def test_a_step_that_is_skipped_ends_its_experiment() -> None:
    async with Stage() as stage:
        await stage.deploy(rollout(make.weight(20), tries(), make.pause()))
        await stage.release("img:2")
        await becomes(stage, "Running", FIRST)
        await stage.promote()
        await stage.reaches("Paused", "CanaryPauseStep")
        await stage.until(lambda: stage.get(EXPERIMENT, FIRST)["spec"].get("terminate"))
        await becomes(stage, "Successful", FIRST)


@pytest.mark.parametrize("how", ["abort", "full", "release", "undo"])
async def test_whatever_ends_the_update_ends_its_experiment(how: str) -> None:
    async with Stage() as stage:
        await stage.deploy(rollout(make.weight(20), tries(), make.pause()))
        await stage.release("img:2")
        await becomes(stage, "Running", FIRST)
        if how == "abort":
            await stage.abort()
        elif how == "full":
            await stage.promote(full=True)
        elif how == "release":
            await stage.release("img:3")
        else:
            await stage.undo()
        await becomes(stage, "Successful", FIRST)
        assert stage.get(EXPERIMENT, FIRST)["spec"]["terminate"]
        await stage.until(lambda: stage.status()["canary"].get("currentExperiment", "") != FIRST)


async def test_what_happens_to_its_analyses_is_told_of_the_rollout_too() -> None:
    async with Stage() as stage:
        step = tries(analyses=[uses(requiredForCompletion=True)])
        await stage.deploy(template(), rollout(make.weight(20), step))
        stage.prometheus.says("errors", 0.01)
        await stage.release("img:2")
        await stage.reaches("Healthy")
        assert "AnalysisRun 'check' transitioned from " in str(await stage.events())


# ── names and history ──


async def test_a_name_that_is_taken_gets_a_number() -> None:
    async with Stage() as stage:
        foreign = {
            "apiVersion": EXPERIMENT.api_version,
            "kind": "Experiment",
            "metadata": {"name": FIRST, "namespace": "default"},
            "spec": {"templates": [], "terminate": True},
        }
        await stage.deploy(rollout(make.weight(20), tries(duration="5s")))
        await stage.apply(foreign)
        await stage.release("img:2")
        await stage.reaches("Healthy")
        assert f"{FIRST}-1" in experiments(stage)
        assert stage.get(EXPERIMENT, FIRST)["spec"] == foreign["spec"]


async def test_old_experiments_go_once_their_pods_are_gone() -> None:
    async with Stage() as stage:
        limits = {"successfulRunHistoryLimit": 1, "unsuccessfulRunHistoryLimit": 0}
        await stage.deploy(rollout(make.weight(20), tries(duration="5s", scaleDownDelaySeconds=20), analysis=limits))
        for image in ("img:2", "img:3"):
            await stage.release(image)
            await stage.reaches("Healthy")
        assert len(experiments(stage)) == 2
        await stage.until(lambda: len(experiments(stage)) == 1, limit=40)
        (kept,) = experiments(stage)
        assert kept.endswith("-3-1")


async def test_experiments_go_with_the_revision_that_they_tried() -> None:
    async with Stage() as stage:
        step = tries(duration="5s", scaleDownDelaySeconds=0)
        await stage.deploy(rollout(make.weight(20), step, revisionHistoryLimit=0))
        for image in ("img:2", "img:3"):
            await stage.release(image)
            await stage.reaches("Healthy")
        await stage.until(lambda: len(experiments(stage)) == 1, limit=60)


# ── traffic ──


def routed(step: Obj, *more: Obj, **rest: Any) -> tuple[Obj, ...]:
    return with_ports(istio(make.weight(20), step, *more, **rest))


async def test_a_running_experiment_gets_its_share_and_gives_it_back() -> None:
    async with Stage() as stage:
        step = tries(of("canary", "try", weight=10), of("stable", "base", weight=5), duration="10s")
        await stage.deploy(*routed(step, make.pause()))
        guard = Guard(stage, replicas=5, available=5)
        seen: list[dict[str, int]] = []
        stage.whenever(lambda: seen.append(stage.weights()))
        await stage.release("img:2")
        await becomes(stage, "Running", ROUTED)
        share = {"stable": 65, "canary": 20, f"{ROUTED}-try": 10, f"{ROUTED}-base": 5}
        await stage.until(lambda: stage.weights() == share)
        recorded = stage.status()["canary"]["weights"]
        assert recorded["stable"]["weight"] == 65
        names = {one["serviceName"]: one["weight"] for one in recorded["additional"]}
        assert names == {f"{ROUTED}-try": 10, f"{ROUTED}-base": 5}
        assert stage.serves(f"{ROUTED}-try") == {"img:2"}
        assert stage.serves(f"{ROUTED}-base") == {"img:1"}
        await stage.reaches("Paused")
        assert stage.weights() == {"stable": 80, "canary": 20}
        assert "additional" not in stage.status()["canary"]["weights"]
        assert guard.broken == []
        assert {sum(weights.values()) for weights in seen} == {100}
        told = str(await stage.events())
        assert "Traffic weight updated additional: [{10 " in told


@pytest.mark.parametrize("how", ["end", "abort", "terminate", "skip"])
async def test_traffic_leaves_an_experiment_before_its_pods_and_services_go(how: str) -> None:
    async with Stage() as stage:
        step = tries(of("canary", "try", weight=10), duration="8s", scaleDownDelaySeconds=0)
        await stage.deploy(*routed(step, make.pause()))
        guard = Guard(stage, replicas=5, available=5)
        await stage.release("img:2")
        await stage.until(lambda: f"{ROUTED}-try" in stage.weights())
        if how == "abort":
            await stage.abort()
        elif how == "terminate":
            await stage.change(EXPERIMENT, ROUTED, {"spec": {"terminate": True}})
        elif how == "skip":
            await stage.promote()
        await stage.until(lambda: f"{ROUTED}-try" not in stage.weights(), limit=60)
        await stage.until(lambda: stage.find(SERVICE, f"{ROUTED}-try") is None, limit=60)
        assert not any(rs["spec"]["replicas"] for rs in parts(stage, ROUTED))
        await stage.passes(60)
        assert guard.broken == []


async def test_a_lost_pod_of_an_experiment_sends_its_share_to_stable_until_it_is_back() -> None:
    async with Stage() as stage:
        await stage.deploy(*routed(tries(of("canary", "try", weight=10), duration="10m")))
        await stage.release("img:2")
        await stage.until(lambda: f"{ROUTED}-try" in stage.weights())
        (pod,) = stage.behind(f"{ROUTED}-try")
        await stage.delete(POD, name_of(pod))
        await stage.until(lambda: stage.weights() == {"stable": 80, "canary": 20})
        await stage.until(lambda: stage.weights().get(f"{ROUTED}-try") == 10)


async def test_a_fixed_service_name_is_handed_on_from_one_experiment_to_the_next() -> None:
    async with Stage() as stage:
        step = tries(
            of("canary", "try", weight=10, service={"name": "preview"}), duration="8s", scaleDownDelaySeconds=3
        )
        await stage.deploy(*routed(step))
        guard = Guard(stage, replicas=5, available=5)
        for image in ("img:2", "img:3"):
            await stage.release(image)
            await stage.until(lambda: stage.weights().get("preview") == 10, limit=200)
            assert stage.serves("preview") == {image}
            await stage.reaches("Healthy")
        assert guard.broken == []
        assert all(phase == "Successful" for phase in experiments(stage).values())


# ── what cannot be ──


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (tries(of("new")), 'templates[0].specRef: Invalid value: "new": Invalid template step SpecRef'),
        (tries(of("canary"), of("canary")), "has repeated template name 'canary' in templates"),
        (tries(duration="soon"), "invalid duration"),
        (
            tries(analyses=[uses(args=[{"name": "a", "valueFrom": {"fieldRef": {"fieldPath": "spec.none"}}}])]),
            "invalid path spec.none in rollout",
        ),
    ],
)
async def test_a_step_that_cannot_be_done_is_refused_at_once_and_taken_up_when_repaired(
    step: Obj, message: str
) -> None:
    async with Stage() as stage:
        await stage.apply(rollout(make.weight(20), step))
        await stage.reaches("Degraded", "InvalidSpec")
        assert message in stage.phase().message
        assert "spec.strategy.canary.steps[1].experiment" in stage.phase().message
        await stage.change(ROLLOUT, "r", {"spec": {"strategy": {"canary": {"steps": [make.weight(20)]}}}})
        await stage.reaches("Healthy")


async def test_a_weight_without_a_port_to_send_traffic_to_is_refused() -> None:
    async with Stage() as stage:
        await stage.apply(*istio(make.weight(20), tries(of("canary", weight=10))))
        await stage.reaches("Degraded", "experiment.templates[0].weight: Invalid value: 10")


# ── a controller that comes and goes ──


async def test_a_controller_that_is_killed_at_any_write_starts_each_run_and_each_experiment_once() -> None:
    for writes in range(1, 40):
        async with Stage() as stage:
            step = tries(of("canary", "try", weight=10), analyses=[uses(requiredForCompletion=True)])
            await stage.deploy(template(), *routed(step))
            guard = Guard(stage, replicas=5, available=5)
            stage.prometheus.says("errors", 0.01)
            stage.line.dies_after = len(stage.line.writes) + writes
            await stage.release("img:2")
            killed = await died(stage)
            if killed:
                await stage.kill()
                stage.start()
            await stage.reaches("Healthy", limit=300)
            assert experiments(stage) == {ROUTED: "Successful"}, writes
            assert stage.runs() == {f"{ROUTED}-check": "Successful"}, writes
            assert guard.broken == [], writes
            assert "additional" not in stage.status()["canary"]["weights"]
            if not killed:
                return
    raise AssertionError("an update has more writes than anybody would think")


async def died(stage: Stage) -> bool:
    """Wait until the controller died or the update is done; whether it died."""
    await stage.until(lambda: stage.line.dead.is_set() or done(stage), limit=300)
    return stage.line.dead.is_set()


def done(stage: Stage) -> bool:
    return stage.phase().phase == "Healthy" and stage.find(EXPERIMENT, ROUTED) is not None
