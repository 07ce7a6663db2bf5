"""Experiments by themselves: versions beside each other, for a while, watched by analyses."""

import pytest

from rollouts.api import labels
from rollouts.kube.refs import ANALYSIS_RUN, EXPERIMENT, POD, REPLICA_SET, SERVICE, Obj, name_of
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
        await stage.apply(template(), experiment(analyses=[uses(requiredForCompletion=True)]))
        stage.prometheus.says("errors", 0.5, 0.01)
        await ends(stage, "Failed")
        await stage.passes(60)
        assert sizes_of(stage) == {}
        await stage.change(EXPERIMENT, "e", {"status": None})
        await becomes(stage, "Running")
        await ends(stage)
        assert stage.runs() == {"e-check": "Failed", "e-check.1": "Successful"}
        assert status_of(stage)["analysisRuns"][0]["analysisRun"] == "e-check.1"


# ── Services ──


async def test_a_version_with_a_service_is_reached_by_it_while_it_lasts() -> None:
    async with Stage() as stage:
        ports = ({"containerPort": 8080, "name": "http"}, {"containerPort": 9090})
        await stage.apply(experiment(with_port(version(service={}), *ports), duration="20s"))
        await becomes(stage, "Running")
        found = stage.get(SERVICE, "e-new")
        numbers = [(port["name"], port["port"], port["targetPort"]) for port in found["spec"]["ports"]]
        assert numbers == [("http", 8080, 8080), ("tcp-9090", 9090, 9090)]
        assert stage.serves("e-new") == {"img:2"}
        assert template_of(stage)["serviceName"] == "e-new"
        assert found["metadata"]["annotations"][labels.EXPERIMENT_TEMPLATE_NAME] == "new"
        await ends(stage)
        assert "e-new" in services(stage), "as long as there are pods behind it"
        await stage.until(lambda: "e-new" not in services(stage), limit=40)


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
        await stage.apply(experiment(with_port(version(service={"name": "preview"})), duration="10s"))
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


# ── analyses ──


async def test_a_required_analysis_ends_it_with_its_verdict() -> None:
    async with Stage() as stage:
        await stage.apply(template(), experiment(analyses=[uses(requiredForCompletion=True)]))
        stage.prometheus.says("errors", 0.01)
        await ends(stage)
        assert status_of(stage)["message"] == "Required AnalysisRuns completed"
        assert stage.runs() == {"e-check": "Successful"}


@pytest.mark.parametrize("required", [True, False])
async def test_a_bad_verdict_fails_it(required: bool) -> None:
    async with Stage() as stage:
        await stage.apply(template(), experiment(duration="1h", analyses=[uses(requiredForCompletion=required)]))
        stage.prometheus.says("errors", 0.5)
        await ends(stage, "Failed")
        assert "assessed Failed" in status_of(stage)["message"]
        (event,) = [one for one in await about(stage, "e") if one["reason"] == "AnalysisRunFailed"]
        assert event["type"] == "Warning"
        assert event["message"].startswith("AnalysisRun 'check' transitioned from ")


async def test_an_unclear_verdict_makes_it_inconclusive() -> None:
    unclear = metric(failureCondition="result[0] > 0.1")
    async with Stage() as stage:
        await stage.apply(template("check", unclear), experiment(analyses=[uses()]))
        stage.prometheus.says("errors", 0.07)
        await ends(stage, "Inconclusive")


async def test_an_analysis_that_is_not_required_ends_with_the_duration() -> None:
    async with Stage() as stage:
        endless = metric(interval="10s")
        await stage.apply(template("check", endless), experiment(duration="35s", analyses=[uses()]))
        stage.prometheus.says("errors", 0.01)
        await ends(stage, limit=45)
        await stage.until(lambda: status_of(stage)["analysisRuns"][0]["phase"] == "Successful", limit=5)
        assert stage.get(ANALYSIS_RUN, "e-check")["status"]["message"] == "Run Terminated"


async def test_a_second_required_analysis_is_waited_for_beyond_the_duration_and_so_are_the_pods() -> None:
    async with Stage() as stage:
        slow = metric("slow", interval="20s", count=4)
        both = [uses("one", requiredForCompletion=True), uses("two", "long", requiredForCompletion=True)]
        await stage.apply(template(), template("long", slow), experiment(duration="10s", analyses=both))
        stage.prometheus.says("errors", 0.01)
        stage.prometheus.says("slow", 0.01)
        await becomes(stage, "Running")
        await stage.passes(50)
        assert phase_of(stage) == "Running"
        assert sizes_of(stage) == {"img:2": 1}
        await ends(stage, limit=30)
        assert status_of(stage)["message"] == "Required AnalysisRuns completed"


async def test_terminated_beside_an_unfinished_required_analysis_it_still_ends() -> None:
    async with Stage() as stage:
        endless = metric(interval="10s")
        required = [uses(requiredForCompletion=True)]
        await stage.apply(template("check", endless), experiment(duration="1h", analyses=required))
        stage.prometheus.says("errors", 0.01)
        await becomes(stage, "Running")
        await stage.passes(30)
        await stage.change(EXPERIMENT, "e", {"spec": {"terminate": True}})
        await ends(stage, limit=5)
        told = await reasons(stage)
        assert told["AnalysisRunTerminating"] == "Terminating check (e-check)"
        assert status_of(stage)["analysisRuns"][0]["phase"] == "Successful"


async def test_a_running_analysis_beside_a_finished_required_one_is_stopped_and_does_not_hold_it_up() -> None:
    async with Stage() as stage:
        endless = metric("endless", interval="10s")
        both = [uses("once", requiredForCompletion=True), uses("on", "endless")]
        await stage.apply(template(), template("endless", endless), experiment(analyses=both))
        stage.prometheus.says("errors", 0.01)
        stage.prometheus.says("endless", 0.01)
        await ends(stage, limit=20)
        assert {one["phase"] for one in status_of(stage)["analysisRuns"]} == {"Successful"}


async def test_a_template_that_is_missing_ends_it_before_there_are_pods() -> None:
    async with Stage() as stage:
        await stage.apply(experiment(analyses=[uses()]))
        await ends(stage, "Error")
        missing = 'analysistemplate.argoproj.io "check" not found'
        assert status_of(stage)["message"] == f"AnalysisTemplate verification failed for analysis 'check': {missing}"
        assert parts(stage) == []


async def test_a_template_made_in_the_same_moment_counts() -> None:
    async with Stage() as stage:
        stage.prometheus.says("errors", 0.01)
        for number in range(5):
            name = f"e{number}"
            judged = [uses("check", name, requiredForCompletion=True)]
            await stage.apply(template(name), experiment(name=name, analyses=judged))
            await ends(stage, name=name)


async def test_arguments_may_name_the_versions_and_the_times() -> None:
    async with Stage() as stage:
        names = ("hash", "rs", "from", "to")
        asked = metric("{{args.hash}}/{{args.rs}}/{{args.from}}/{{args.to}}", "true")
        asked["name"] = "asked"
        values = (
            "{{templates.new.podTemplateHash}}",
            "{{ templates.new.replicaset.name }}",
            "{{experiment.availableAt}}",
            "{{experiment.finishedAt}}",
        )
        args = [{"name": name, "value": value} for name, value in zip(names, values, strict=True)]
        declared = tuple({"name": name} for name in names)
        analyses = [uses(args=args, requiredForCompletion=True)]
        await stage.apply(template("check", asked, args=declared), experiment(duration="1m", analyses=analyses))
        stage.prometheus.says("", 1)
        await ends(stage)
        (query,) = stage.prometheus.queries
        hash, rs, began, end = query.split("/")
        assert (hash, rs) == (template_of(stage)["podTemplateHash"], "e-new")
        assert began == status_of(stage)["availableAt"]
        assert end > began


@pytest.mark.parametrize(
    ("arg", "error"),
    [
        ({"name": "a", "value": "{{experiment.finishedAt}}"}, "failed to resolve {{experiment.finishedAt}}"),
        ({"name": "a", "value": "{{templates.none.podTemplateHash}}"}, "failed to resolve {{templates.none."),
        ({"name": "b", "value": "x"}, "args.a was not resolved"),
        ({"name": "a", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}, "args.a was not resolved"),
    ],
)
async def test_an_argument_that_cannot_be_had_ends_it_in_error(arg: Obj, error: str) -> None:
    async with Stage() as stage:
        declared = template("check", metric(), args=({"name": "a"},))
        await stage.apply(declared, experiment(analyses=[uses(args=[arg])]))
        await ends(stage, "Error")
        begins = f"Failed to create AnalysisRun for analysis 'check': {error}"
        assert status_of(stage)["message"].startswith(begins)


async def test_dry_run_rules_go_to_the_analysis_that_they_are_about() -> None:
    async with Stage() as stage:
        bad = metric("bad")
        both = [uses("one", requiredForCompletion=True), uses("two", "bad", requiredForCompletion=True)]
        await stage.apply(template(), template("bad", bad), experiment(analyses=both, dryRun=[{"metricName": "bad"}]))
        stage.prometheus.says("errors", 0.01)
        stage.prometheus.says("bad", 0.9)
        await ends(stage)
        assert stage.get(ANALYSIS_RUN, "e-one")["spec"].get("dryRun") is None
        assert stage.get(ANALYSIS_RUN, "e-two")["spec"]["dryRun"] == [{"metricName": "bad"}]


async def test_the_name_of_a_run_that_is_taken_gets_a_number() -> None:
    async with Stage() as stage:
        foreign = {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "AnalysisRun",
            "metadata": {"name": "e-check", "namespace": "default"},
            "spec": {"metrics": [metric(interval="1h")]},
        }
        await stage.wire.create(ANALYSIS_RUN, "default", foreign)
        await stage.apply(template(), experiment(analyses=[uses(requiredForCompletion=True)]))
        stage.prometheus.says("errors", 0.01)
        await ends(stage)
        assert status_of(stage)["analysisRuns"][0]["analysisRun"] == "e-check.1"


async def test_runs_carry_the_instance_and_what_the_spec_adds() -> None:
    async with Stage("--instance-id", "blue") as stage:
        mine = experiment(
            analyses=[uses(requiredForCompletion=True)],
            analysisRunMetadata={"labels": {"team": "a"}, "annotations": {"note": "b"}},
        )
        known = template()
        for one in (mine, known):
            one["metadata"]["labels"] = {labels.INSTANCE_ID: "blue"}
        stage.prometheus.says("errors", 0.01)
        await stage.apply(known, mine, experiment(name="other"))
        await ends(stage)
        metadata = stage.get(ANALYSIS_RUN, "e-check")["metadata"]
        assert metadata["labels"] == {labels.INSTANCE_ID: "blue", "team": "a"}
        assert metadata["annotations"]["note"] == "b"
        assert "status" not in stage.get(EXPERIMENT, "other")


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
