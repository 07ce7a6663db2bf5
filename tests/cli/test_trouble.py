"""What is told of pods, measurements and Events that are not as they should be."""

from datetime import timedelta

import pytest

from rollouts.kube.clock import micro_time
from rollouts.view.advice import next_steps, traffic_line
from rollouts.view.trouble import in_course, pod_troubles, run_troubles, since_update, warnings
from tests import make

OWNED = [{"uid": "u", "controller": True, "kind": "Rollout", "name": "r"}]
ROLLOUT: make.Obj = {
    "metadata": {"name": "r", "uid": "u"},
    "spec": {"strategy": {"canary": {}}},
    "status": {"phase": "Progressing", "currentPodHash": "new", "stableRS": "old"},
}


def replica_set(*conditions: make.Obj, available: int = 0, version: str = "new") -> make.Obj:
    meta = {"name": f"r-{version}", "uid": version, "ownerReferences": OWNED}
    labels = {"labels": {"rollouts-pod-template-hash": version}}
    return {"metadata": meta | labels, "status": {"availableReplicas": available, "conditions": list(conditions)}}


def pod(status: make.Obj, *, owner: str = "new", **meta: str) -> make.Obj:
    return {"metadata": {"ownerReferences": [{"uid": owner, "controller": True}], **meta}, "status": status}


def container(**state: make.Obj) -> make.Obj:
    return {"containerStatuses": [{"name": "c", "restartCount": 3, **state}]}


def test_a_replica_set_that_is_refused_its_pods_says_why() -> None:
    refused = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota: q"}
    assert list(pod_troubles(ROLLOUT, [replica_set(refused)], [])) == ["ReplicaSet r-new: exceeded quota: q"]
    assert not list(pod_troubles(ROLLOUT, [replica_set(refused | {"status": "False"})], []))
    strangers = replica_set(refused)
    strangers["metadata"]["ownerReferences"] = []
    assert not list(pod_troubles(ROLLOUT, [strangers], []))


def test_pods_of_the_same_trouble_are_told_in_one_line() -> None:
    pulls = container(state={"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}})
    ended = {"reason": "Error", "exitCode": 2}
    crashes = container(state={"waiting": {"reason": "CrashLoopBackOff"}}, lastState={"terminated": ended})
    ready = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    unready = {"phase": "Running", "conditions": [{"type": "Ready", "status": "False"}]}
    unscheduled = {"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available"}
    pods = [
        pod(pulls),
        pod(pulls),
        pod(crashes),
        pod(ready),
        pod(unready),
        pod({"phase": "Pending", "conditions": [unscheduled]}),
        pod(pulls, deletionTimestamp="now"),
        pod(pulls, owner="somebody else"),
    ]
    assert list(pod_troubles(ROLLOUT, [replica_set()], pods)) == [
        "ReplicaSet r-new: 2 of its pods are ImagePullBackOff: no such image",
        "ReplicaSet r-new: 1 of its pods is CrashLoopBackOff: exit code 2, 3 restarts",
        "ReplicaSet r-new: 1 of its pods is not ready",
        "ReplicaSet r-new: 1 of its pods is Pending: 0/3 nodes are available",
    ]


def test_pods_of_the_experiment_that_a_step_runs_are_looked_at_too() -> None:
    experiment = {"metadata": {"name": "x", "uid": "e"}}
    running = {**ROLLOUT, "status": {"canary": {"currentExperiment": "x"}}}
    assert in_course(running, [experiment, {"metadata": {"name": "former"}}]) == [running, experiment]
    assert in_course(ROLLOUT, [experiment]) == [ROLLOUT]
    theirs = replica_set()
    theirs["metadata"]["ownerReferences"] = [{"uid": "e", "controller": True}]
    told = ["ReplicaSet r-new: 1 of its pods is Pending"]
    assert list(pod_troubles(experiment, [theirs], [pod({"phase": "Pending"})])) == told


def test_bad_measurements_are_counted_and_the_last_is_quoted() -> None:
    def run(phase: str, *results: make.Obj, version: str = "new") -> make.Obj:
        meta = {"name": "run", "ownerReferences": OWNED, "labels": {"rollouts-pod-template-hash": version}}
        return {"metadata": meta, "status": {"phase": phase, "metricResults": list(results)}}

    bad = {"name": "errors", "phase": "Failed", "failed": 4, "successful": 1, "measurements": [{"value": "0.3"}]}
    good = {"name": "latency", "phase": "Running", "successful": 2}
    runs = [run("Failed", bad, good), run("Successful", bad), run("Failed", bad, version="old")]
    told = ["run: metric errors: 1 successful, 4 failed; the last: 0.3"]
    assert list(run_troubles(ROLLOUT, runs)) == told


def test_the_newest_warning_of_each_reason_is_told() -> None:
    def event(reason: str, minutes: int, message: str, kind: str = "Warning") -> make.Obj:
        at = micro_time(make.NOON - timedelta(minutes=minutes))
        return {"metadata": {}, "type": kind, "reason": reason, "message": message, "lastTimestamp": at}

    events = [event("A", 2, "older"), event("A", 1, "newer"), event("B", 3, "b"), event("C", 20, "long ago")]
    told = ["60 s ago, A: newer", "180 s ago, B: b"]
    assert list(warnings([*events, event("D", 1, "well", "Normal")], make.NOON)) == told


def test_warnings_of_former_versions_are_left_out() -> None:
    began = replica_set()
    began["metadata"]["creationTimestamp"] = micro_time(make.NOON)
    told = [{"lastTimestamp": micro_time(make.NOON + timedelta(seconds=second))} for second in (-1, 0, 1)]
    assert since_update(ROLLOUT, [replica_set(version="old"), began], told) == told[1:]
    assert since_update(ROLLOUT, [], told) == told


def test_the_traffic_of_services_and_of_weights() -> None:
    services = {"activeService": "a", "previewService": "p"}
    status = {"activeSelector": "old", "previewSelector": "new"}
    rollout = {"spec": {"strategy": {"blueGreen": services}}, "status": {"stableRS": "old", "blueGreen": status}}
    assert (
        traffic_line(rollout, [])
        == "active Service a leads to old (stable), preview Service p leads to new (the update)"
    )
    shares: make.Obj = {"canary": {"weight": 5, "podTemplateHash": "new"}}
    shares["stable"] = {"weight": 95, "podTemplateHash": "old"}
    routed = {"spec": {"strategy": {"canary": {"trafficRouting": {}}}}, "status": {"canary": {"weights": shares}}}
    assert traffic_line(routed, []) == "of 100, 5 to canary new, 95 to stable old, as written to the router"
    shares["verified"] = True
    assert traffic_line(routed, []).endswith(", verified")
    assert traffic_line(ROLLOUT, []) == ""
    both = [replica_set(available=1), replica_set(available=4, version="old")]
    assert traffic_line(ROLLOUT, both) == "goes by pods, of which 1 of 5 available ones are of the update"


@pytest.mark.parametrize(
    ("verdict", "said"),
    [
        ("Inconclusive", "`kubectl argo rollouts promote r` goes on, although the analysis could not tell"),
        (
            "Successful",
            "`kubectl argo rollouts promote r` lets it be measured once more, "
            "`kubectl argo rollouts promote r --full` goes on without",
        ),
    ],
)
def test_what_promote_does_after_an_unclear_verdict_is_said(verdict: str, said: str) -> None:
    """A step is passed over; an analysis beside the steps, or before a switch, is made again."""
    paused = {"phase": "Paused", "pauseConditions": [{"reason": "InconclusiveAnalysisRun"}]}
    step = {"canary": {"currentStepAnalysisRunStatus": {"status": verdict}}}
    assert next(next_steps({**ROLLOUT, "status": ROLLOUT["status"] | paused | step})) == said
