"""Manifests become values and values become manifests, without loss."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from rollouts.api.experiment import Experiment
from rollouts.api.meta import LabelSelector, LabelSelectorRequirement
from rollouts.api.rollout import Rollout
from rollouts.api.status import (
    PauseCondition,
    RolloutAnalysisRunStatus,
    RolloutCondition,
    RolloutStatus,
    TrafficWeights,
    WeightDestination,
    status_wire,
)
from rollouts.api.traffic import RolloutTrafficRouting

NOON = datetime(2024, 5, 1, 12, 0, 0, 123456, tzinfo=UTC)


def spec_of(**fields: Any) -> Rollout:
    return Rollout.model_validate({"metadata": {"name": "api"}, "spec": fields})


def test_an_empty_status_still_has_its_two_objects() -> None:
    assert status_wire(RolloutStatus()) == {"canary": {}, "blueGreen": {}}


def test_a_status_is_written_as_go_writes_it() -> None:
    status = RolloutStatus(
        current_step_index=0,
        collision_count=0,
        stable_rs="abc",
        hpa_replicas=3,
        abort=False,
        replicas=0,
        aborted_at=NOON,
        pause_conditions=(PauseCondition(reason="CanaryPauseStep", start_time=NOON),),
        conditions=(RolloutCondition(type="Healthy", status="True", reason="RolloutHealthy", message=""),),
    )
    assert status_wire(status) == {
        "currentStepIndex": 0,
        "collisionCount": 0,
        "stableRS": "abc",
        "HPAReplicas": 3,
        "abortedAt": "2024-05-01T12:00:00Z",
        "pauseConditions": [{"reason": "CanaryPauseStep", "startTime": "2024-05-01T12:00:00Z"}],
        "conditions": [{"type": "Healthy", "status": "True", "reason": "RolloutHealthy", "message": ""}],
        "canary": {},
        "blueGreen": {},
    }


def test_a_weight_of_zero_and_a_run_without_a_verdict_are_written() -> None:
    run = RolloutAnalysisRunStatus(name="run", status="")
    weights = TrafficWeights(canary=WeightDestination(weight=0), stable=WeightDestination(weight=100), verified=False)
    canary = RolloutStatus().canary.model_copy(update={"weights": weights, "current_step_analysis_run_status": run})
    assert status_wire(RolloutStatus(canary=canary))["canary"] == {
        "weights": {"canary": {"weight": 0}, "stable": {"weight": 100}, "verified": False},
        "currentStepAnalysisRunStatus": {"name": "run", "status": ""},
    }


def test_fields_that_the_model_does_not_know_survive_a_round_trip() -> None:
    rollout = spec_of(colour="red", strategy={"canary": {"steps": [{"setWeight": 5, "shade": {"a": 1}}]}})
    assert rollout.spec.unknown == ("colour",)
    assert rollout.wire()["spec"] == {
        "colour": "red",
        "strategy": {"canary": {"steps": [{"setWeight": 5, "shade": {"a": 1}}]}},
    }


def test_null_means_absent_for_every_field() -> None:
    rollout = spec_of(
        replicas=None, paused=None, template=None, selector=None, minReadySeconds=None, strategy={"canary": None}
    )
    assert rollout.spec == spec_of().spec
    assert Rollout.model_validate({"spec": {}, "status": None, "metadata": None}).status == RolloutStatus()


def test_numbers_and_texts_keep_their_kind() -> None:
    steps = [{"pause": {"duration": 30}}]
    rollout = spec_of(strategy={"canary": {"maxSurge": "1", "maxUnavailable": 1, "steps": steps}})
    canary = rollout.spec.strategy.canary
    assert canary is not None
    assert (canary.max_surge, canary.max_unavailable) == ("1", 1)
    assert canary.steps[0].pause is not None
    assert canary.steps[0].pause.duration == 30


def test_an_empty_list_of_managed_routes_is_not_an_absent_one() -> None:
    assert RolloutTrafficRouting.model_validate({"managedRoutes": []}).managed_routes == ()
    assert RolloutTrafficRouting.model_validate({}).managed_routes is None


def test_values_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        spec_of().spec.replicas = 3  # type: ignore[misc] # what is proven


def test_an_experiment_keeps_what_go_would_write() -> None:
    template = {"name": "a", "replicas": 0, "selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {}}}
    spec = {"templates": [template], "duration": "5m", "analyses": [{"name": "n", "templateName": "t"}]}
    experiment = Experiment.model_validate({"metadata": {"name": "e"}, "spec": spec})
    assert experiment.wire()["spec"]["templates"] == [template]
    assert experiment.status.wire() == {}


def selector(**labels: str) -> LabelSelector:
    return LabelSelector(match_labels=labels)


def requirement(key: str, operator: str, *values: str) -> LabelSelectorRequirement:
    return LabelSelectorRequirement(key=key, operator=operator, values=values)


ALL_OPERATORS = LabelSelector(
    match_labels={"z": "1", "b": "2"},
    match_expressions=(
        requirement("y", "In", "b", "a"),
        requirement("c", "NotIn", "x"),
        requirement("d", "Exists"),
        requirement("a", "DoesNotExist"),
    ),
)


def test_a_selector_is_spelt_sorted_by_key() -> None:
    assert str(ALL_OPERATORS) == "!a,b=2,c notin (x),d,y in (a,b),z=1"
    assert str(LabelSelector()) == ""


@pytest.mark.parametrize(
    ("change", "matches"),
    [
        ({}, True),
        ({"z": "2"}, False),
        ({"y": "c"}, False),
        ({"y": None}, False),
        ({"c": "x"}, False),
        ({"c": "w"}, True),
        ({"d": None}, False),
        ({"a": ""}, False),
    ],
)
def test_a_selector_matches_when_all_conditions_hold(change: dict[str, str | None], matches: bool) -> None:
    labels = {"z": "1", "b": "2", "y": "a", "d": "", **change}
    assert ALL_OPERATORS.matches({key: value for key, value in labels.items() if value is not None}) is matches


def test_an_unknown_operator_never_matches() -> None:
    assert not LabelSelector(match_expressions=(requirement("a", "Near", "b"),)).matches({"a": "b"})
