"""What single fields of an Experiment do: absent, given, at their edges."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from analysis.api import Argument
from rollouts.api.experiment import ExperimentSpec
from rollouts.api.rules.experiment import experiment_fault
from rollouts.experiment import plan as say
from rollouts.experiment.decide import decide
from tests.experiment.objects import uses, version, with_port
from tests.experiment.toy import Obj, Toy, analysis_template

MANY = 2**31


def running(template: Obj | None = None, **spec: Any) -> Toy:
    """An Experiment all of whose pods are there."""
    toy = Toy({"templates": [template or version("a")], **spec})
    toy.settle()
    toy.ready()
    toy.settle()
    return toy


def made(kind: type[Any], **spec: Any) -> Obj:
    """The manifest of the first thing of a kind that an Experiment makes."""
    toy = Toy({"templates": [version("a")], **spec})
    for _ in range(5):
        for action in toy.plan().actions:
            if isinstance(action, kind):
                found: Obj = action.manifest
                return found
        toy.step()
        toy.ready()
    raise AssertionError(f"no {kind.__name__}")


@pytest.mark.parametrize(("given", "count"), [({}, 1), ({"replicas": 0}, 0), ({"replicas": 3}, 3)])
def test_a_version_has_one_pod_or_as_many_as_are_asked_for(given: Obj, count: int) -> None:
    toy = running(version("a", **given))
    assert [rs.replicas for rs in toy.sets.values()] == [count]
    assert toy.status.phase == "Running"


def test_a_number_of_pods_that_changes_while_it_runs_is_followed() -> None:
    toy = running()
    toy.manifest["spec"]["templates"] = [version("a", replicas=2)]
    toy.settle()
    assert ([rs.replicas for rs in toy.sets.values()], toy.status.phase) == ([2], "Pending")
    toy.ready()
    toy.settle()
    assert toy.status.phase == "Running"


@pytest.mark.parametrize(("given", "seconds"), [({}, 0), ({"minReadySeconds": 7}, 7)])
def test_pods_have_to_be_ready_for_as_long_as_is_asked(given: Obj, seconds: int) -> None:
    assert made(say.CreateReplicaSet, templates=[version("a", **given)])["spec"]["minReadySeconds"] == seconds


def test_expressions_of_a_selector_are_those_of_the_replica_set() -> None:
    expressions = [{"key": "app", "operator": "In", "values": ["r", "q"]}]
    template = version("a") | {"selector": {"matchExpressions": expressions}}
    rs = made(say.CreateReplicaSet, templates=[template])
    hash = rs["metadata"]["labels"]["rollouts-pod-template-hash"]
    assert rs["spec"]["selector"] == {
        "matchExpressions": expressions,
        "matchLabels": {"rollouts-pod-template-hash": hash},
    }


@pytest.mark.parametrize(("given", "seconds"), [({}, 600), ({"progressDeadlineSeconds": 20}, 20)])
def test_pods_have_so_long_to_come_up(given: Obj, seconds: int) -> None:
    toy = Toy({"templates": [version("a")], **given})
    toy.settle()
    toy.wait(seconds - 1)
    toy.settle()
    assert toy.status.phase == "Pending"
    toy.wait(1)
    toy.settle()
    assert toy.status.phase == "Failed"


@pytest.mark.parametrize(("given", "seconds"), [({}, 30), ({"scaleDownDelaySeconds": 5}, 5)])
def test_pods_are_kept_for_so_long_after_the_end(given: Obj, seconds: int) -> None:
    toy = running(**given)
    toy.terminate()
    toy.settle()
    toy.wait(seconds - 1)
    toy.settle()
    assert [rs.replicas for rs in toy.sets.values()] == [1]
    toy.wait(1)
    toy.settle()
    assert [rs.replicas for rs in toy.sets.values()] == [0]


@pytest.mark.parametrize(("given", "lasts"), [({}, None), ({"duration": "90s"}, 90), ({"duration": "0s"}, 0)])
def test_it_lasts_as_long_as_is_said_or_until_somebody_ends_it(given: Obj, lasts: int | None) -> None:
    toy = running(**given)
    if lasts is None:
        assert toy.plan().wake_at is None
        toy.wait(timedelta(days=9).total_seconds())
        toy.settle()
        assert toy.status.phase == "Running"
        return
    toy.wait(lasts - 1)
    toy.settle()
    assert toy.status.phase == ("Running" if lasts else "Successful")
    toy.wait(1)
    toy.settle()
    assert toy.status.phase == "Successful"


@pytest.mark.parametrize(
    ("service", "name"), [(None, None), ({}, "e-a"), ({"name": ""}, "e-a"), ({"name": "mine"}, "mine")]
)
def test_a_version_has_a_service_where_one_is_asked_for(service: Obj | None, name: str | None) -> None:
    toy = running(with_port(version("a", service=service)))
    assert list(toy.services) == ([name] if name else [])
    assert toy.status.template_statuses[0].service_name == (name or "")


def test_an_analysis_that_is_not_required_does_not_end_it() -> None:
    for required in (False, True):
        toy = running(analyses=[uses("one", "check", requiredForCompletion=required)])
        toy.verdict("Successful")
        toy.settle()
        assert toy.status.phase == ("Successful" if required else "Running")


def test_what_the_spec_says_of_runs_is_in_each_of_them() -> None:
    said: Obj = {
        "dryRun": [{"metricName": "m"}],
        "measurementRetention": [{"metricName": "m", "limit": 3}],
        "analysisRunMetadata": {"labels": {"team": "a"}, "annotations": {"note": "b"}},
    }
    run = made(say.StartRun, analyses=[uses("one", "check")], **said)
    assert (run["spec"]["dryRun"], run["spec"]["measurementRetention"]) == (
        said["dryRun"],
        said["measurementRetention"],
    )
    assert run["metadata"]["labels"] == {"team": "a"}
    assert run["metadata"]["annotations"]["note"] == "b"
    bare = made(say.StartRun, analyses=[uses("one", "check")])
    assert bare["spec"].keys() == {"metrics"}
    assert bare["metadata"]["labels"] == {}


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        (
            {"templates": [version("a", replicas=-1)]},
            "spec.templates[0].replicas: Invalid value: -1: must be greater than or equal to 0",
        ),
        (
            {"templates": [version("a")], "scaleDownDelaySeconds": MANY},
            f"spec.scaleDownDelaySeconds: Invalid value: {MANY}: must fit in 32 bits",
        ),
        ({"templates": [version("a")], "scaleDownDelaySeconds": -1}, ""),
    ],
)
def test_numbers_that_nobody_could_act_on_are_refused(spec: Obj, told: str) -> None:
    assert experiment_fault("e", ExperimentSpec.model_validate(spec)) == told


def test_an_analysis_whose_name_is_taken_is_refused() -> None:
    spec = {"templates": [version("a")], "analyses": [uses("one", "check"), uses("one", "other")]}
    told = experiment_fault("e", ExperimentSpec.model_validate(spec))
    assert told == "Experiment e has repeated analysis name 'one' in analyses"


def test_where_a_secret_is_goes_to_the_run() -> None:
    source = {"secretKeyRef": {"name": "access", "key": "token"}}
    args = [{"name": "own", "valueFrom": source}]
    toy = Toy({"templates": [version("a")], "analyses": [uses("one", "check", args=args)]})
    template = analysis_template("check")
    spec = template.spec.model_copy(update={"args": (Argument(name="own", value=None),)})
    for _ in range(5):
        toy.step()
        toy.ready()
        known = {(False, "check"): template.model_copy(update={"spec": spec})}
        runs = [
            one
            for one in decide(replace(toy.world(), templates=known), toy.now).actions
            if isinstance(one, say.StartRun)
        ]
        if runs:
            assert runs[0].manifest["spec"]["args"] == args
            return
    raise AssertionError("no run")


def test_a_version_that_is_taken_out_of_the_spec_goes_after_the_delay() -> None:
    toy = Toy({"templates": [version("a"), with_port(version("b", service={}))], "scaleDownDelaySeconds": 5})
    toy.settle()
    toy.ready()
    toy.settle()
    toy.manifest["spec"] = {**toy.manifest["spec"], "templates": [version("a")]}
    toy.settle()
    assert {name: rs.replicas for name, rs in toy.sets.items()} == {"e-a": 1, "e-b": 1}
    toy.wait(5)
    toy.settle()
    toy.ready()
    toy.settle()
    assert ({name: rs.replicas for name, rs in toy.sets.items()}, toy.services) == ({"e-a": 1, "e-b": 0}, {})
    assert [one.name for one in toy.status.template_statuses] == ["a"]
    assert toy.status.phase == "Running"


def test_an_analysis_that_is_taken_out_of_the_spec_is_stopped() -> None:
    toy = running(analyses=[uses("one", "check"), uses("two", "check")])
    toy.manifest["spec"] = {**toy.manifest["spec"], "analyses": [uses("one", "check")]}
    toy.settle()
    assert {name: run.terminate for name, run in toy.runs.items()} == {"e-one": False, "e-two": True}
    assert [one.name for one in toy.status.analysis_runs] == ["one"]
