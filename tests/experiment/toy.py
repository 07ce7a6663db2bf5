"""An Experiment and a cluster small enough to enumerate: plans are carried out, pods and runs do as they are told.

Crashes cut a plan after any number of its actions; the status is then not stored.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Any, assert_never

from analysis.api import AnalysisTemplate
from rollouts.api.experiment import Experiment, ExperimentStatus
from rollouts.decide.plan import StopRun, UpdateReplicaSet
from rollouts.decide.world import Hash, ReplicaSet
from rollouts.experiment import manifests
from rollouts.experiment import plan as say
from rollouts.experiment.decide import decide
from rollouts.experiment.world import Owner, Run, Service, World
from tests import make

Obj = dict[str, Any]
ENDED = ("Successful", "Failed", "Error", "Inconclusive")


def analysis_template(name: str) -> AnalysisTemplate:
    provider = {"prometheus": {"address": "http://p", "query": "q"}}
    spec = {"metrics": [{"name": "m", "provider": provider}]}
    return AnalysisTemplate.model_validate({"metadata": {"name": name}, "spec": spec})


class Toy:
    """One Experiment and what it makes. `routed`: Services that somebody still sends traffic to."""

    def __init__(self, spec: Obj) -> None:
        metadata = {"name": "e", "namespace": "default", "uid": "uid-e"}
        self.manifest: Obj = {"metadata": metadata, "spec": spec}
        self.status = ExperimentStatus()
        self.sets: dict[str, ReplicaSet] = {}
        self.services: dict[str, Service] = {}
        self.runs: dict[str, Run] = {}
        self.routed: set[str] = set()
        self.now = make.NOON
        self.log: list[str] = []

    # ── what the cluster and people do ──

    def ready(self, name: str = "", count: int | None = None) -> None:
        """Pods become what their ReplicaSet asks for, and ready: all of them, or up to `count` of one template's."""
        for key, rs in self.sets.items():
            if not name or key == f"e-{name}":
                up = rs.replicas if count is None else min(count, rs.replicas)
                self.sets[key] = replace(rs, current=rs.replicas, ready=up, available=up)

    def verdict(self, phase: str, index: int = 0) -> None:
        """A run that measures comes to its end."""
        running = [run for run in self.runs.values() if not run.finished]
        if running:
            run = running[index % len(running)]
            self.runs[run.name] = replace(run, phase=phase, message=f"it is {phase}")

    def wait(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def terminate(self) -> None:
        self.manifest["spec"] = {**self.manifest["spec"], "terminate": True}

    def retry(self) -> None:
        self.status = ExperimentStatus()

    # ── what the controller does ──

    def world(self) -> World:
        parsed = Experiment.model_validate(self.manifest)
        names = {analysis.template_name for analysis in parsed.spec.analyses}
        return World(
            parsed.model_copy(update={"status": self.status}),
            replica_sets=tuple(self.sets.values()),
            services=dict(self.services),
            runs=tuple(self.runs.values()),
            templates={(False, name): analysis_template(name) for name in names},
            routed=frozenset(self.routed),
        )

    def plan(self) -> say.Plan:
        return decide(self.world(), self.now)

    def step(self, crash_after: int | None = None) -> bool:
        """One pass; whether anything was written."""
        plan = self.plan()
        for action in plan.actions[:crash_after]:
            self._do(action)
        if crash_after is not None and crash_after < len(plan.actions):
            return True
        changed = plan.status != self.status
        self.status = plan.status
        return changed or bool(plan.actions)

    def settle(self, most: int = 20) -> None:
        """Passes until nothing changes any more, without pods or time moving."""
        for _ in range(most):
            if not self.step():
                return
        raise AssertionError(f"no end after {most} passes; last plan: {self.plan().steps}")

    def _do(self, action: say.Action) -> None:
        self.log.append(f"{type(action).__name__} {action.name}")
        match action:
            case say.CreateReplicaSet(name=name, manifest=manifest):
                assert name not in self.sets
                self.sets[name] = _created(name, manifest, self.now)
            case UpdateReplicaSet(name=name):
                self.sets[name] = _updated(self.sets[name], action)
            case say.CreateService(name=name, template=template):
                assert name not in self.services
                self.services[name] = Service(name, Owner.OURS, template)
            case say.DeleteService(name=name):
                assert name not in self.routed, ("a Service went that has traffic", self.log)
                del self.services[name]
            case say.StartRun(name=name, manifest=manifest):
                assert name not in self.runs
                notes = manifest["metadata"]["annotations"]
                self.runs[name] = Run(
                    name,
                    analysis=notes[manifests.ANALYSIS_NAME],
                    available_at=notes[manifests.AVAILABLE_AT],
                    phase="Running",
                )
            case StopRun(name=name):
                run = self.runs[name]
                self.runs[name] = replace(run, terminate=True, phase=run.phase if run.finished else "Successful")
            case _:
                assert_never(action)


def _created(name: str, manifest: Obj, now: Any) -> ReplicaSet:
    metadata = manifest["metadata"]
    return ReplicaSet(
        name=name,
        hash=Hash(metadata["labels"]["rollouts-pod-template-hash"]),
        created=now,
        replicas=manifest["spec"]["replicas"],
        labels=metadata["labels"],
        annotations=metadata["annotations"],
        template=manifest["spec"]["template"],
    )


def _updated(rs: ReplicaSet, action: UpdateReplicaSet) -> ReplicaSet:
    notes = {**rs.annotations, **action.annotations}
    size = rs.replicas if action.replicas is None else action.replicas
    return replace(
        rs,
        replicas=size,
        current=min(rs.current, size),
        ready=min(rs.ready, size),
        available=min(rs.available, size),
        annotations={key: value for key, value in notes.items() if value is not None},
    )
