"""Experiments that are judged: required and other analyses, their arguments, and runs that are started once."""

import pytest

from rollouts.api import labels
from rollouts.kube.refs import ANALYSIS_RUN, EXPERIMENT, Obj
from tests.experiment.objects import (
    about,
    becomes,
    ends,
    experiment,
    parts,
    phase_of,
    reasons,
    sizes_of,
    status_of,
    template_of,
    uses,
)
from tests.stories.objects import metric, template
from tests.stories.stage import Stage

pytestmark = pytest.mark.virtual


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
        told = {one["reason"]: one["type"] for one in await about(stage, "e")}
        assert told["AnalysisRunInconclusive"] == told["ExperimentInconclusive"] == "Warning"


async def test_an_analysis_that_is_not_required_ends_with_the_duration() -> None:
    async with Stage() as stage:
        endless = metric(interval="3s")
        await stage.apply(template("check", endless), experiment(duration="8s", analyses=[uses()]))
        stage.prometheus.says("errors", 0.01)
        await ends(stage, limit=12)
        await stage.until(lambda: status_of(stage)["analysisRuns"][0]["phase"] == "Successful", limit=5)
        assert stage.get(ANALYSIS_RUN, "e-check")["status"]["message"] == "Run Terminated"


async def test_a_second_required_analysis_is_waited_for_beyond_the_duration_and_so_are_the_pods() -> None:
    async with Stage() as stage:
        slow = metric("slow", interval="3s", count=4)
        both = [uses("one", requiredForCompletion=True), uses("two", "long", requiredForCompletion=True)]
        await stage.apply(template(), template("long", slow), experiment(duration="3s", analyses=both))
        stage.prometheus.says("errors", 0.01)
        stage.prometheus.says("slow", 0.01)
        await becomes(stage, "Running")
        await stage.passes(6)
        assert phase_of(stage) == "Running"
        assert sizes_of(stage) == {"img:2": 1}
        await ends(stage, limit=8)
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


async def test_a_template_of_the_cluster_judges_where_that_is_said() -> None:
    async with Stage() as stage:
        shared = template("check", metric(failureCondition="true"), kind="ClusterAnalysisTemplate")
        del shared["metadata"]["namespace"]
        here = template("check")
        both = [uses("here"), uses("everywhere", clusterScope=True)]
        await stage.apply(shared, here, experiment(analyses=both, duration="1m"))
        stage.prometheus.says("errors", 0.01)
        await ends(stage, "Failed")
        found = {one["name"]: one["phase"] for one in status_of(stage)["analysisRuns"]}
        assert found == {"here": "Successful", "everywhere": "Failed"}


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


async def test_a_field_is_not_exchanged_for_the_value_that_the_template_has() -> None:
    async with Stage() as stage:
        declared = template("check", metric(), args=({"name": "a", "value": "of the template"},))
        arg = {"name": "a", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
        await stage.apply(declared, experiment(analyses=[uses(args=[arg])]))
        await ends(stage, "Error")
        assert "only a Rollout has fields" in status_of(stage)["message"]


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


@pytest.mark.parametrize("field", ["dryRun", "measurementRetention"])
async def test_a_rule_that_is_about_no_metric_of_any_analysis_is_told(field: str) -> None:
    async with Stage() as stage:
        both = [uses("one", requiredForCompletion=True), uses("two", "bad", requiredForCompletion=True)]
        rule = {"metricName": "badd", **({"limit": 1} if field == "measurementRetention" else {})}
        mine = experiment(analyses=both)
        mine["spec"][field] = [rule]
        await stage.apply(template(), template("bad", metric("bad")), mine)
        stage.prometheus.says("errors", 0.01)
        stage.prometheus.says("bad", 0.01)
        await ends(stage, "Error")
        told = status_of(stage)["analysisRuns"][0]["message"]
        assert told == f"Analysis spec invalid: {field}[0]: Rule didn't match any metric name(s)"


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
