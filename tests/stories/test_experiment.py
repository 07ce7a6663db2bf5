"""Experiments by themselves: versions beside each other, for a while, watched by analyses."""

import pytest

from rollouts.api import labels
from rollouts.kube.errors import ApiError, Refused
from rollouts.kube.refs import EXPERIMENT, POD, REPLICA_SET, SERVICE, Obj, name_of
from tests import make
from tests.experiment.objects import (
    about,
    becomes,
    ends,
    experiment,
    parts,
    phase_of,
    reasons,
    services,
    sizes_of,
    status_of,
    template_of,
    uses,
    version,
    with_port,
)
from tests.stories.line import Call
from tests.stories.objects import metric, service, template
from tests.stories.stage import Stage, image_of

pytestmark = pytest.mark.virtual


def condition(stage: Stage, type: str, name: str = "e") -> Obj:
    found: list[Obj] = status_of(stage, name).get("conditions") or []
    return next((one for one in found if one["type"] == type), {})


# ── versions ──


async def test_two_versions_run_beside_each_other_until_the_duration_is_over() -> None:
    async with Stage() as stage:
        both = (version("old", "img:1", replicas=2), version("new", "img:2"))
        await stage.apply(experiment(*both, duration="60s"))
        await becomes(stage, "Running")
        assert sizes_of(stage) == {"img:1": 2, "img:2": 1}
        assert condition(stage, "Progressing")["message"] == 'Experiment "e" is running.'
        began = status_of(stage)["availableAt"]
        await stage.passes(50)
        assert phase_of(stage) == "Running"
        await ends(stage, limit=12)
        assert status_of(stage)["availableAt"] == began
        assert sizes_of(stage) == {"img:1": 2, "img:2": 1}, "they are kept for a delay"
        await stage.until(lambda: sizes_of(stage) == {}, limit=35)
        assert template_of(stage)["status"] == "Successful"
        progressing = condition(stage, "Progressing")
        assert (progressing["status"], progressing["reason"]) == ("False", "ExperimentCompleted")
        assert progressing["message"] == 'Experiment "e" has successfully ran and completed.'


async def test_a_replica_set_is_named_labelled_and_owned_as_clients_expect() -> None:
    async with Stage() as stage:
        await stage.apply(experiment(version("new", minReadySeconds=1)))
        await becomes(stage, "Running")
        (rs,) = parts(stage)
        assert name_of(rs) == "e-new"
        assert rs["metadata"]["annotations"] == {
            labels.EXPERIMENT_NAME: "e",
            labels.EXPERIMENT_TEMPLATE_NAME: "new",
        }
        hash = rs["metadata"]["labels"][labels.POD_TEMPLATE_HASH]
        carried = {"app": "r", "version": "new", labels.POD_TEMPLATE_HASH: hash}
        assert rs["metadata"]["labels"] == carried
        assert rs["spec"]["selector"]["matchLabels"] == carried
        assert rs["spec"]["template"]["metadata"]["labels"] == carried
        assert rs["spec"]["minReadySeconds"] == 1
        assert template_of(stage)["podTemplateHash"] == hash
        assert template_of(stage)["availableReplicas"] == 1


async def test_events_tell_the_course() -> None:
    async with Stage() as stage:
        await stage.apply(experiment(duration="5s", scaleDownDelaySeconds=0))
        await ends(stage)
        told = await reasons(stage)
        assert told["ExperimentPending"] == "Experiment transitioned from  -> Pending"
        assert told["ExperimentRunning"] == "Experiment transitioned from Pending -> Running"
        assert told["ExperimentSuccessful"] == "Experiment transitioned from Running -> Successful"
        assert told["TemplateRunning"] == "Template 'new' transitioned from Progressing -> Running"
        assert "Scaled up ReplicaSet e-new from 0 to 1" in told["ScalingReplicaSet"]


async def test_without_a_delay_pods_go_at_once() -> None:
    async with Stage() as stage:
        await stage.apply(experiment(duration="5s", scaleDownDelaySeconds=0))
        await ends(stage)
        await stage.until(lambda: stage.all(POD) == [], limit=2)
        assert labels.SCALE_DOWN_DEADLINE not in parts(stage)[0]["metadata"]["annotations"]


async def test_a_version_that_never_gets_ready_fails_the_experiment_in_time() -> None:
    async with Stage() as stage:
        stuck = version("new", script={"ready": "never"})
        await stage.apply(experiment(version("old", "img:1"), stuck, progressDeadlineSeconds=20))
        await ends(stage, "Failed", limit=25)
        text = "Template 'new' exceeded its progressDeadlineSeconds (20)"
        assert template_of(stage)["message"] == status_of(stage)["message"] == text
        await stage.until(lambda: template_of(stage, "old")["status"] == "Successful")
        assert "availableAt" not in status_of(stage)
        (event,) = [one for one in await about(stage, "e") if one["reason"] == "TemplateFailed"]
        assert event["type"] == "Warning"
        await stage.until(lambda: sizes_of(stage) == {}, limit=40)


async def test_a_lost_pod_takes_the_experiment_back_to_pending_until_it_is_replaced() -> None:
    async with Stage() as stage:
        await stage.apply(experiment(duration="1h"))
        await becomes(stage, "Running")
        await stage.passes(700)  # longer than the deadline for progress, which begins anew with the loss
        (pod,) = stage.all(POD)
        await stage.delete(POD, name_of(pod))
        await becomes(stage, "Pending")
        assert template_of(stage)["status"] == "Progressing"
        await becomes(stage, "Running")
        await ends(stage, limit=3600)


async def test_who_terminates_ends_it_successfully() -> None:
    async with Stage() as stage:
        await stage.apply(experiment())
        await becomes(stage, "Running")
        await stage.passes(3600)
        await stage.change(EXPERIMENT, "e", {"spec": {"terminate": True}})
        await ends(stage, limit=2)


async def test_terminated_before_its_pods_are_up_it_is_successful_and_was_never_available() -> None:
    async with Stage() as stage:
        await stage.apply(experiment(version(script={"ready": "never"})))
        await becomes(stage, "Pending")
        await stage.change(EXPERIMENT, "e", {"spec": {"terminate": True}})
        await ends(stage, limit=2)
        assert "availableAt" not in status_of(stage)


async def test_a_retry_runs_it_anew() -> None:
    async with Stage() as stage:
        judged = experiment(analyses=[uses(requiredForCompletion=True)], scaleDownDelaySeconds=3)
        await stage.apply(template(), judged)
        stage.prometheus.says("errors", 0.5, 0.01)
        await ends(stage, "Failed")
        await stage.until(lambda: sizes_of(stage) == {}, limit=4)
        await stage.change(EXPERIMENT, "e", {"status": None})
        await becomes(stage, "Running")
        await ends(stage)
        assert stage.runs() == {"e-check": "Failed", "e-check.1": "Successful"}
        assert status_of(stage)["analysisRuns"][0]["analysisRun"] == "e-check.1"


# ── Services ──


async def test_a_version_with_a_service_is_reached_by_it_while_it_lasts() -> None:
    async with Stage() as stage:
        ports = ({"containerPort": 8080, "name": "http"}, {"containerPort": 9090})
        await stage.apply(experiment(with_port(version(service={}), *ports), duration="5s", scaleDownDelaySeconds=3))
        await becomes(stage, "Running")
        found = stage.get(SERVICE, "e-new")
        numbers = [(port["name"], port["port"], port["targetPort"]) for port in found["spec"]["ports"]]
        assert numbers == [("http", 8080, 8080), ("tcp-9090", 9090, 9090)]
        assert stage.serves("e-new") == {"img:2"}
        assert template_of(stage)["serviceName"] == "e-new"
        assert found["metadata"]["annotations"][labels.EXPERIMENT_TEMPLATE_NAME] == "new"
        await ends(stage)
        assert "e-new" in services(stage), "as long as there are pods behind it"
        await stage.until(lambda: "e-new" not in services(stage), limit=5)


async def test_a_service_may_have_a_name_of_its_own() -> None:
    async with Stage() as stage:
        await stage.apply(experiment(with_port(version(service={"name": "preview"}))))
        await becomes(stage, "Running")
        assert stage.serves("preview") == {"img:2"}
        assert template_of(stage)["serviceName"] == "preview"


async def test_without_a_port_there_is_no_service() -> None:
    async with Stage() as stage:
        await stage.apply(experiment(version(service={})))
        await becomes(stage, "Running")
        assert services(stage) == set()


async def test_a_service_of_somebody_else_ends_it_in_error() -> None:
    async with Stage() as stage:
        await stage.apply(service("preview"), experiment(with_port(version(service={"name": "preview"}))))
        await ends(stage, "Error")
        assert "Service 'preview' exists" in status_of(stage)["message"]
        assert stage.get(SERVICE, "preview")["spec"]["selector"] == {"app": "r"}


async def test_the_service_of_an_experiment_that_ends_is_waited_for() -> None:
    async with Stage() as stage:
        first = experiment(with_port(version(service={"name": "preview"})), duration="5s", scaleDownDelaySeconds=3)
        await stage.apply(first)
        await becomes(stage, "Running")
        await stage.apply(experiment(with_port(version(service={"name": "preview"})), name="f"))
        await ends(stage)
        assert phase_of(stage, "f") == "Pending"
        await becomes(stage, "Running", "f")
        assert template_of(stage, name="f")["serviceName"] == "preview"


# ── names that are taken ──


def foreign_set(name: str = "e-new", **metadata: Obj) -> Obj:
    pods = {**make.template("img:9"), "metadata": {"labels": {"app": "else"}}}
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {"name": name, "namespace": "default", **metadata},
        "spec": {"replicas": 0, "selector": {"matchLabels": {"app": "else"}}, "template": pods},
    }


async def test_a_foreign_replica_set_of_the_expected_name_ends_it_in_error_once() -> None:
    async with Stage() as stage:
        await stage.apply(foreign_set(), experiment())
        await ends(stage, "Error")
        assert 'ReplicaSet "e-new" exists and is not this Experiment\'s' in status_of(stage)["message"]
        stage.line.calls.clear()
        await stage.passes(3600)
        assert stage.line.writes == []
        assert len(status_of(stage)["templateStatuses"]) == 1
        assert image_of(stage.get(REPLICA_SET, "e-new")) == "img:9"


async def test_an_experiment_that_is_made_again_waits_for_the_pods_of_the_former_to_go() -> None:
    async with Stage() as stage:
        await stage.apply(experiment())
        await becomes(stage, "Running")
        await stage.wire.delete(EXPERIMENT, "default", "e", propagation="Background")
        await stage.apply(experiment(version(image="img:3")))
        await becomes(stage, "Running")
        assert sizes_of(stage) == {"img:3": 1}


async def test_an_orphaned_replica_set_with_equal_pods_is_taken_over() -> None:
    async with Stage() as stage:
        await stage.apply(experiment())
        await becomes(stage, "Running")
        pods = {pod["metadata"]["uid"] for pod in stage.all(POD)}
        await stage.wire.delete(EXPERIMENT, "default", "e", propagation="Orphan")
        await stage.until(lambda: parts(stage) == [])
        await stage.apply(experiment())
        await becomes(stage, "Running")
        assert {pod["metadata"]["uid"] for pod in stage.all(POD)} == pods


# ── specs that cannot be ──


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        (experiment({**version(), "selector": None}), "Rollout has missing field '.Spec.Templates[0].Selector'"),
        (
            experiment({**version(), "selector": {}}),
            "This experiment is selecting all pods at index 0. A non-empty selector is required.",
        ),
        (
            experiment(version(minReadySeconds=20), progressDeadlineSeconds=10),
            "MinReadySeconds cannot be longer than ProgressDeadlineSeconds. Check template index 0",
        ),
        (experiment(version("")), "Experiment e has empty template name at index 0"),
        (experiment(version(), version()), "Experiment e has repeated template name 'new' in templates"),
        (experiment(duration="soon"), 'Experiment e has an invalid duration: time: invalid duration "soon"'),
    ],
)
async def test_a_spec_that_cannot_be_acted_on_says_why_and_is_taken_up_when_repaired(
    manifest: Obj, message: str
) -> None:
    async with Stage() as stage:
        await stage.apply(manifest)
        await stage.until(lambda: condition(stage, "InvalidSpec").get("message") == message)
        assert phase_of(stage) == ""
        assert parts(stage) == []
        await stage.apply(experiment())
        await becomes(stage, "Running")
        assert condition(stage, "InvalidSpec") == {}


async def test_pods_that_the_api_server_refuses_end_it_in_error() -> None:
    async with Stage() as stage:
        wrong = version()
        wrong["selector"]["matchLabels"]["app"] = "else"
        await stage.apply(experiment(wrong))
        await ends(stage, "Error")
        assert "selector" in status_of(stage)["message"]


@pytest.mark.parametrize(
    ("part", "reason", "text"),
    [
        ("spec", "ReplicaSetUpdateError", "Failed to scale e-new down: not today"),
        ("metadata", "ReconciliationError", "Reconciliation failed with error: not today"),
    ],
)
async def test_what_cannot_be_done_now_is_told_by_an_event_and_done_later(part: str, reason: str, text: str) -> None:
    def closed(call: Call) -> ApiError | None:
        return Refused("not today") if call.resource is REPLICA_SET and part in (call.body or {}) else None

    async with Stage() as stage:
        await stage.apply(experiment(version("new"), duration="5s"))
        await becomes(stage, "Running")
        stage.line.faults.append(closed)
        await ends(stage)
        await stage.passes(60)
        assert text in (await reasons(stage))[reason]
        assert sizes_of(stage) == {"img:2": 1}
        stage.line.faults.clear()
        await stage.until(lambda: sizes_of(stage) == {}, limit=120)


# ── the controller ──


async def test_a_settled_experiment_costs_no_calls_all_day() -> None:
    async with Stage() as stage:
        await stage.apply(experiment(duration="5s"))
        await ends(stage)
        await stage.passes(60)
        stage.line.calls.clear()
        await stage.passes(86_400)
        assert stage.line.calls == []


async def test_a_deleted_experiment_leaves_nothing_behind() -> None:
    async with Stage() as stage:
        await stage.apply(template("check", metric(interval="10s")))
        stage.prometheus.says("errors", 0.01)
        await stage.apply(experiment(with_port(version(service={})), analyses=[uses()]))
        await stage.until(lambda: stage.runs())
        await stage.delete(EXPERIMENT, "e")
        await stage.until(lambda: not (stage.all(POD) or stage.all(SERVICE) or stage.runs()))
        assert parts(stage) == []


async def test_pods_that_come_up_one_after_another_do_not_cost_a_write_each() -> None:
    async with Stage() as stage:
        await stage.apply(experiment(version(replicas=20, script={"ready": "after 2s"})))
        await becomes(stage, "Running")
        writes = [call for call in stage.line.writes if call.resource is EXPERIMENT]
        assert len(writes) <= 4
        assert template_of(stage)["availableReplicas"] == 20
