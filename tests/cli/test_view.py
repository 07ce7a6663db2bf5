"""Phases, Pods and spans of time, as they are put into words."""

from datetime import timedelta
from typing import Any

import pytest

from rollouts.view import human_duration, rollout_info, rollout_phase, set_weight
from rollouts.view.pods import pod_icon, pod_ready, pod_status
from tests.cli import cluster
from tests.cli.cluster import Obj

STEPS = {"canary": {"steps": [{"setWeight": 20}, {"pause": {}}]}}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "<invalid>"),
        (-1, "0s"),
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (270, "4m30s"),
        (3600, "60m"),
        (10_799, "179m"),
        (10_800, "3h"),
        (11_100, "3h5m"),
        (28_800, "8h"),
        (172_799, "47h"),
        (172_800, "2d"),
        (360_000, "4d4h"),
        (691_200, "8d"),
        (63_072_000, "2y"),
        (65_664_000, "2y30d"),
        (252_288_000, "8y"),
    ],
)
def test_a_span_of_time_has_two_digits_that_matter(seconds: int, text: str) -> None:
    assert human_duration(timedelta(seconds=seconds)) == text


def rollout(strategy: Obj = STEPS, spec: Obj | None = None, generation: int = 3, **status: Any) -> Obj:
    made = cluster.rollout("r", strategy, status, replicas=2)
    made["metadata"]["generation"] = generation
    return {**made, "spec": {**made["spec"], **(spec or {})}}


@pytest.mark.parametrize(
    ("given", "phase"),
    [
        (rollout(phase="Healthy", message=""), ("Healthy", "")),
        (rollout(phase="Healthy", generation=4), ("Progressing", "waiting for rollout spec update to be observed")),
        (rollout(phase="Healthy", observedGeneration="9"), ("Healthy", "")),
        (rollout(phase="Healthy", observedGeneration="5f79b78d7f"), ("Healthy", "")),
        (rollout(phase="Paused", controllerPause=True), ("Progressing", "waiting for rollout to unpause")),
        (
            rollout(phase="Paused", message="x", controllerPause=True, pauseConditions=[{"reason": "x"}]),
            ("Paused", "x"),
        ),
    ],
)
def test_the_stored_phase_holds_until_something_newer_is_known(given: Obj, phase: tuple[str, str]) -> None:
    assert rollout_phase(given) == phase


def test_an_edit_of_the_referenced_workload_has_to_be_observed_too() -> None:
    given = rollout(spec={"workloadRef": {"name": "d"}}, phase="Healthy", workloadObservedGeneration="1")
    given["metadata"]["annotations"] = {"rollout.argoproj.io/workload-generation": "2"}
    assert rollout_phase(given).phase == "Progressing"
    given["status"]["workloadObservedGeneration"] = "2"
    assert rollout_phase(given).phase == "Healthy"


def condition(kind: str, reason: str, message: str) -> Obj:
    return {"conditions": [{"type": kind, "reason": reason, "message": message}]}


ROUTED = {"canary": {"steps": [{"setWeight": 20}], "trafficRouting": {"istio": {}}}}
BLUE_GREEN = {"blueGreen": {"activeService": "a"}}
CHECKED = {"blueGreen": {"activeService": "a", "postPromotionAnalysis": {}}}
FULL: Obj = {"updatedReplicas": 2, "availableReplicas": 2, "replicas": 2, "currentPodHash": "b"}


@pytest.mark.parametrize(
    ("given", "phase"),
    [
        (rollout(**condition("InvalidSpec", "InvalidSpec", "m")), ("Degraded", "InvalidSpec: m")),
        (rollout(**condition("Progressing", "RolloutAborted", "m")), ("Degraded", "RolloutAborted: m")),
        (rollout(spec={"paused": True}), ("Paused", "manually paused")),
        (rollout(pauseConditions=[{"reason": "CanaryPauseStep"}]), ("Paused", "CanaryPauseStep")),
        (rollout(spec={"restartAt": "2025-01-01T00:00:00Z"}), ("Progressing", "rollout is restarting")),
        (rollout(updatedReplicas=1), ("Progressing", "more replicas need to be updated")),
        (rollout(updatedReplicas=2), ("Progressing", "updated replicas are still becoming available")),
        (rollout(**{**FULL, "replicas": 3}), ("Progressing", "old replicas are pending termination")),
        (rollout(**FULL, stableRS="a"), ("Progressing", "waiting for all steps to complete")),
        (rollout(ROUTED, **{**FULL, "replicas": 3}, stableRS="b"), ("Healthy", "")),
        (rollout(**FULL, stableRS="b"), ("Healthy", "")),
        (rollout(BLUE_GREEN, **FULL), ("Progressing", "active service cutover pending")),
        (
            rollout(BLUE_GREEN, **FULL, blueGreen={"activeSelector": "b"}),
            ("Progressing", "waiting for post-promotion verification to complete"),
        ),
        (
            rollout(CHECKED, **FULL, blueGreen={"activeSelector": "b"}),
            ("Progressing", "waiting for analysis to complete"),
        ),
        (rollout(BLUE_GREEN, **FULL, stableRS="b", blueGreen={"activeSelector": "b"}), ("Healthy", "")),
    ],
)
def test_without_a_stored_phase_it_is_worked_out(given: Obj, phase: tuple[str, str]) -> None:
    assert rollout_phase(given) == phase


@pytest.mark.parametrize(
    ("status", "weight"),
    [
        ({}, 20),
        ({"currentStepIndex": 0}, 20),
        ({"currentStepIndex": 1}, 20),
        ({"currentStepIndex": 2}, 100),
        ({"currentStepIndex": 1, "abort": True}, 0),
    ],
)
def test_the_weight_that_is_asked_for_is_the_last_one_set(status: Obj, weight: int) -> None:
    assert set_weight(rollout(**status)) == weight


def test_an_object_of_which_everything_is_missing_can_be_looked_at() -> None:
    info = rollout_info({"metadata": {"name": "bare"}, "spec": None, "status": None})
    assert (info.strategy, info.step, info.desired, info.replica_sets) == ("", "", 1, ())
    assert info.status == "Progressing"


def test_ping_and_pong_follow_the_stable_replica_set() -> None:
    given = rollout(
        {"canary": {"pingPong": {"pingService": "i", "pongService": "o"}, "steps": [{"setWeight": 5}]}},
        stableRS="a",
        currentPodHash="b",
        canary={"stablePingPong": "pong"},
    )
    sets = [cluster.replica_set(given, name, 1 + (name == "b"), 1, 5, "img") for name in ("a", "b", "c")]
    assert [each.roles for each in rollout_info(given, sets).replica_sets] == [
        ("canary", "ping"),
        ("stable", "pong"),
        (),
    ]


def pod(*states: Obj, phase: str = "Running", **metadata: Any) -> Obj:
    containers = [
        {"name": f"c{index}", "ready": "running" in state, "state": state} for index, state in enumerate(states)
    ]
    return {
        "metadata": {"name": "p", **metadata},
        "spec": {"containers": [{"name": each["name"]} for each in containers]},
        "status": {"phase": phase, "containerStatuses": containers},
    }


def starting(*states: Obj) -> Obj:
    made = pod(phase="Pending")
    made["spec"]["initContainers"] = [{"name": f"i{index}"} for index in range(len(states))]
    made["status"]["initContainerStatuses"] = [
        {"name": f"i{index}", "state": state} for index, state in enumerate(states)
    ]
    return made


RUNS: Obj = {"running": {}}
DONE: Obj = {"terminated": {"exitCode": 0, "reason": "Completed"}}
CRASHED: Obj = {"waiting": {"reason": "CrashLoopBackOff"}}


@pytest.mark.parametrize(
    ("given", "status", "icon"),
    [
        (pod(RUNS), "Running", "✔"),
        (pod({}, phase="Pending"), "Pending", "◌"),
        (pod({"waiting": {"reason": "ContainerCreating"}}, phase="Pending"), "ContainerCreating", "◌"),
        (pod(RUNS, CRASHED), "CrashLoopBackOff", "✖"),
        (pod({"waiting": {"reason": "ImagePullBackOff"}}), "ImagePullBackOff", "⚠"),
        (pod({"waiting": {"reason": "ErrImagePull"}}), "ErrImagePull", "⚠"),
        (pod({"terminated": {"exitCode": 3}}), "ExitCode:3", "✖"),
        (pod({"terminated": {"exitCode": 137, "signal": 9}}), "Signal:9", "✖"),
        (pod({"terminated": {"exitCode": 1, "reason": "Error"}}), "Error", "⚠"),
        (pod(DONE), "Completed", "✔"),
        (pod(DONE, RUNS), "Running", "✔"),
        (pod(RUNS, deletionTimestamp="2025-01-01T00:00:00Z"), "Terminating", "◌"),
        (pod(phase="Strange"), "Strange", "?"),
        (starting(DONE, RUNS), "Init:1/2", "◌"),
        (starting({"waiting": {"reason": "PodInitializing"}}), "Init:0/1", "◌"),
        (starting(CRASHED), "Init:CrashLoopBackOff", "◌"),
        (starting({"terminated": {"exitCode": 2}}), "Init:ExitCode:2", "◌"),
        (starting(DONE), "Pending", "◌"),
    ],
)
def test_a_pod_is_in_the_state_that_kubectl_would_say(given: Obj, status: str, icon: str) -> None:
    assert pod_status(given) == status
    assert pod_icon(status) == icon


def test_a_pod_on_a_lost_node_is_unknown_and_counts_its_ready_containers() -> None:
    given = pod(RUNS, CRASHED, deletionTimestamp="2025-01-01T00:00:00Z")
    given["status"]["reason"] = "NodeLost"
    assert pod_status(given) == "Unknown"
    assert pod_ready(given) == "1/2"
