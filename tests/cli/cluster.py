"""Objects of a namespace `cli` as an API server would give them: the Rollouts whose screens stand in screens/."""

from datetime import UTC, datetime, timedelta
from typing import Any

Obj = dict[str, Any]

NOW = datetime(2025, 3, 1, 12, 0, 0, tzinfo=UTC)
HASH = "rollouts-pod-template-hash"
REVISION = "rollout.argoproj.io/revision"


def ago(seconds: int) -> str:
    return (NOW - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def meta(name: str, age: int, owner: Obj | None = None, **fields: Any) -> Obj:
    metadata: Obj = {"name": name, "namespace": "cli", "uid": f"uid-{name}", "creationTimestamp": ago(age), **fields}
    if owner is not None:
        metadata["ownerReferences"] = [
            {
                "kind": owner["kind"],
                "name": owner["metadata"]["name"],
                "uid": owner["metadata"]["uid"],
                "controller": True,
            }
        ]
    return metadata


def rollout(name: str, strategy: Obj, status: Obj, *, replicas: int, age: int = 23, image: str = "img:2") -> Obj:
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": meta(name, age, generation=3),
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "strategy": strategy,
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "c", "image": image, "resources": {}}]},
            },
        },
        "status": {"observedGeneration": "3", **status},
    }


def replica_set(owner: Obj, suffix: str, revision: int, replicas: int, age: int, image: str) -> Obj:
    ours = owner["kind"] == "Rollout"
    marks = {REVISION: str(revision)} if ours else {"experiment.argoproj.io/template-name": suffix}
    labels = {"app": owner["metadata"]["name"], HASH: suffix}
    name = f"{owner['metadata']['name']}-{suffix}"
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": meta(name, age, owner, labels=labels, annotations=marks, generation=1),
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": image}]}},
        },
        "status": {"replicas": replicas, "availableReplicas": replicas, "observedGeneration": 1},
    }


def pod(owner: Obj, suffix: str, age: int) -> Obj:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": meta(f"{owner['metadata']['name']}-{suffix}", age, owner, labels=owner["metadata"]["labels"]),
        "spec": {"containers": [{"name": "c", "image": "img"}]},
        "status": {
            "phase": "Running",
            "containerStatuses": [{"name": "c", "ready": True, "restartCount": 0, "state": {"running": {}}}],
        },
    }


def analysis_run(owner: Obj, name: str, revision: int, age: int, phase: str, **counts: int) -> Obj:
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AnalysisRun",
        "metadata": meta(name, age, owner, annotations={REVISION: str(revision)}),
        "status": {"phase": phase, "metricResults": [{"name": "m", "phase": phase, **counts}]},
    }


def pause(reason: str) -> Obj:
    return {
        "controllerPause": True,
        "pauseConditions": [{"reason": reason, "startTime": ago(5)}],
        "phase": "Paused",
        "message": reason,
    }


def counts(replicas: int, updated: int, ready: int) -> Obj:
    return {"replicas": replicas, "updatedReplicas": updated, "readyReplicas": ready, "availableReplicas": ready}


def routed() -> list[Obj]:
    """An Istio canary at its second step, a pause."""
    steps = [{"setWeight": 20}, {"analysis": {}}, {"pause": {}}, {"setWeight": 60}, {"pause": {}}]
    strategy = {"canary": {"steps": steps, "trafficRouting": {"istio": {}}}}
    weights = {"canary": {"weight": 20}, "stable": {"weight": 80}}
    status = {
        **counts(6, 1, 6),
        **pause("CanaryPauseStep"),
        "currentStepIndex": 2,
        "stableRS": "9f9bc55f7",
        "currentPodHash": "79dbf75f7b",
        "canary": {"weights": weights},
    }
    ro = rollout("r", strategy, status, replicas=5, age=22)
    new = replica_set(ro, "79dbf75f7b", 2, 1, 14, "img:2")
    old = replica_set(ro, "9f9bc55f7", 1, 5, 22, "img:1")
    pods = [pod(old, suffix, 22) for suffix in ("xj965", "4fftd", "xhx5r", "bxvtg", "sqp7j")]
    return [
        ro,
        old,
        new,
        *pods,
        pod(new, "gpdng", 14),
        analysis_run(ro, "r-79dbf75f7b-2-1", 2, 13, "Successful", successful=2),
    ]


def bluegreen() -> list[Obj]:
    """A blue-green update that waits to be promoted."""
    hashes = {"activeSelector": "6564757797", "previewSelector": "667d5d48fb"}
    status = {
        **counts(4, 2, 2),
        **pause("BlueGreenPause"),
        "stableRS": "6564757797",
        "currentPodHash": "667d5d48fb",
        "blueGreen": hashes,
    }
    ro = rollout("b", {"blueGreen": {"activeService": "b"}}, status, replicas=2)
    new, old = replica_set(ro, "667d5d48fb", 2, 2, 15, "img:2"), replica_set(ro, "6564757797", 1, 2, 23, "img:1")
    pods = [pod(new, "nmp7b", 15), pod(new, "ph9fm", 15), pod(old, "2fljl", 23), pod(old, "6rjfb", 23)]
    return [ro, new, old, *pods]


ABORTED = (
    "RolloutAborted: Rollout aborted update to revision 2: Step-based analysis phase error/failed: "
    'Metric "m" assessed Failed due to failed (2) > failureLimit (1)'
)


def aborted() -> list[Obj]:
    """A canary taken back by its analysis."""
    status = {
        **counts(2, 0, 2),
        "phase": "Degraded",
        "message": ABORTED,
        "abort": True,
        "currentStepIndex": 0,
        "stableRS": "6b99d76b57",
        "currentPodHash": "7f8647f55b",
    }
    ro = rollout("f", {"canary": {"steps": [{"setWeight": 50}, {"analysis": {}}]}}, status, replicas=2)
    new, old = replica_set(ro, "7f8647f55b", 2, 0, 15, "img:2"), replica_set(ro, "6b99d76b57", 1, 2, 23, "img:1")
    run = analysis_run(ro, "f-7f8647f55b-2-1", 2, 13, "Failed", failed=2)
    return [ro, new, old, pod(old, "47rsd", 23), pod(old, "bc5sm", 12), run]


def experimenting() -> list[Obj]:
    """A canary whose second step is an Experiment that runs."""
    status = {
        **counts(2, 1, 2),
        "phase": "Progressing",
        "message": "old replicas are pending termination",
        "currentStepIndex": 1,
        "stableRS": "5c9dd58744",
        "currentPodHash": "7bd977466f",
    }
    ro = rollout("e", {"canary": {"steps": [{"setWeight": 20}, {"experiment": {}}]}}, status, replicas=1)
    new, old = replica_set(ro, "7bd977466f", 2, 1, 15, "img:2"), replica_set(ro, "5c9dd58744", 1, 1, 23, "img:1")
    experiment = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Experiment",
        "metadata": meta("e-7bd977466f-2-1", 13, ro, annotations={REVISION: "2"}),
        "spec": {"duration": "1h"},
        "status": {"phase": "Running", "availableAt": ago(12)},
    }
    made = [replica_set(experiment, name, 0, 1, 13, image) for name, image in (("base", "img:1"), ("cand", "img:2"))]
    pods = [pod(new, "27fq9", 15), pod(old, "2sj9d", 23), pod(made[0], "n72b2", 13), pod(made[1], "zm6l9", 13)]
    return [ro, new, old, experiment, *made, *pods]


INVALID = (
    'InvalidSpec: The Rollout "i" is invalid: spec.strategy.canary.canaryService: Invalid value: "nope": '
    'service "nope" not found'
)


def invalid() -> list[Obj]:
    """A Rollout that was refused before anything of it existed."""
    status = {"phase": "Degraded", "message": INVALID}
    return [rollout("i", {"canary": {"steps": [{"setWeight": 10}]}}, status, replicas=5)]


def kind(objs: list[Obj], *kinds: str) -> list[Obj]:
    return [obj for obj in objs if obj["kind"] in kinds]
