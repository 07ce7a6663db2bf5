"""A cluster small enough to enumerate: it carries out plans, and pods become ready when it is told to.

It knows nothing of canaries. Crashes cut a plan after any number of its actions; the status is then not stored.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from rollouts.api.status import status_wire
from rollouts.api.template import templates_equal
from rollouts.apply import replica_set_patch
from rollouts.decide import decide
from rollouts.decide import plan as say
from rollouts.decide.injected import covered, own_template, remembered
from rollouts.decide.world import Hash, Pod, ReplicaSet, Run, Service, World
from rollouts.kube.patch import apply_merge
from tests import make

Obj = dict[str, Any]


class Overtaken(Exception):
    """Somebody wrote what the controller has not seen, and its own write is refused for it."""


class Toy:
    """One Rollout and what its controller makes. `weights` is what the mesh does: (canary, stable)."""

    def __init__(self, manifest: Obj, services: tuple[str, ...] = ()) -> None:
        self.manifest = manifest
        self.sets: dict[str, ReplicaSet] = {}
        self.services = {name: Service(name, {"app": "r"}) for name in services}
        self.missing: set[str] = set()  # names of Services that are not there
        self.runs: dict[str, Run] = {}
        self.templates: dict[tuple[bool, str], Any] = {}
        self.weights = (0, 100)
        self.routes: tuple[say.HeaderRoute | say.MirrorRoute, ...] = ()
        self.pods: list[Pod] = []
        self.evicted: tuple[str, ...] = ()
        self.now = make.NOON
        self.log: list[str] = []
        self.events: list[str] = []
        self.status_writes = 0
        self.action_writes = 0

    # ── what people do ──

    def image(self, image: str) -> None:
        self.now += timedelta(seconds=1)  # no two ReplicaSets are created at the same moment
        self.manifest["spec"]["template"] = make.template(image)
        self.manifest["metadata"]["generation"] += 1

    def spec(self, **fields: Any) -> None:
        self.manifest["spec"].update(fields)
        self.manifest["metadata"]["generation"] += 1

    def patch_status(self, **fields: Any) -> None:
        status = {**self.manifest.get("status", {}), **fields}
        self.manifest["status"] = {key: value for key, value in status.items() if value is not None}

    def promote(self) -> None:
        """The pause that it is in is over."""
        self.patch_status(pauseConditions=None)

    def abort(self) -> None:
        self.patch_status(abort=True)

    # ── what the cluster does ──

    def ready(self, image: str | None = None, count: int | None = None) -> None:
        """Pods become what their ReplicaSet asks for, and ready: all of them, or up to `count` of one image's."""
        for name, rs in self.sets.items():
            if image is None or rs.hash == make.hash_of(image):
                up = rs.replicas if count is None else min(count, rs.replicas)
                self.sets[name] = replace(rs, current=rs.replicas, ready=up, available=up, observed=True)

    def wait(self, **span: float) -> None:
        self.now += timedelta(**span)

    # ── what the controller does ──

    def world(self) -> World:
        return make.world(
            self.manifest,
            *self.sets.values(),
            services={**self.services, **dict.fromkeys(self.missing)},
            runs=tuple(self.runs.values()),
            templates=self.templates,
            pods=tuple(self.pods),
        )

    def plan(self) -> say.Plan:
        return decide(self.world(), self.now)

    def step(self, crash_after: int | None = None) -> bool:
        """One pass; whether anything was written, or tried in vain."""
        plan = self.plan()
        try:
            if not self._carry_out(plan, crash_after):
                return True
        except Overtaken:
            return True
        changes = plan.changes
        before = self.known_status
        after = status_wire(plan.status)
        if after != before:
            self._store(after)
            self.status_writes += 1
        self.events += [event.reason for event in plan.events if after != before or changes]
        return bool(changes) or after != before

    def _carry_out(self, plan: say.Plan, crash_after: int | None) -> bool:
        """Whether it came to its end: a crash ends it early, and so does traffic that is not as recorded."""
        done = 0
        for action in plan.actions:
            expected = not (isinstance(action, say.SetWeight) and action.recorded)
            if expected and done == crash_after:
                return False
            if isinstance(action, say.SetWeight):
                self.routes = action.split.routes
            if expected or self._differs(action):
                self._do(action)
                self.action_writes += 1
                done += 1
                if not expected:
                    return False
        return True

    def _differs(self, action: say.Action) -> bool:
        """The mesh shares otherwise than this says."""
        assert isinstance(action, say.SetWeight)
        return self.weights != (action.split.canary.weight, action.split.stable.weight)

    @property
    def known_status(self) -> Obj:
        """The status that decisions rest on."""
        return self.status

    def _store(self, status: Obj) -> None:
        self.manifest["status"] = status

    def settle(self, most: int = 30) -> None:
        """Passes until nothing changes any more, without pods or time moving."""
        for _ in range(most):
            if not self.step():
                return
        raise AssertionError(f"no end after {most} passes; last plan: {self.plan().steps}")

    def run(self, until: datetime | None = None, most: int = 60) -> None:
        """Settle, make pods ready, follow wake-ups up to `until`; ends when there is nothing left to do by then."""
        for _ in range(most):
            self.settle()
            before = dict(self.sets)
            self.ready()
            if self.sets != before:
                continue
            wake = self.plan().wake_at
            if wake is None or until is None or wake > until:
                return
            self.now = max(self.now, wake)
        raise AssertionError("no end")

    def _do(self, action: say.Action) -> None:  # noqa: C901 – because it is one table, a line an action
        self.log.append(_told(action))
        match action:
            case say.CreateReplicaSet(name=name):
                if name not in self.sets:
                    self.sets[name] = self._created(action)
            case say.UpdateReplicaSet(name=name):
                self.sets[name] = _updated(self.sets[name], action)
            case say.DeleteReplicaSet(name=name):
                del self.sets[name]
            case say.UpdateRollout():
                self.manifest["metadata"].setdefault("annotations", {}).update(action.annotations)
                if action.replicas is not None:
                    self.spec(replicas=action.replicas)
            case say.Evict(pods=pods):
                self.evicted += pods
                self.pods = [replace(pod, deleting=pod.deleting or pod.name in pods) for pod in self.pods]
            case say.LabelPods(pods=pods):
                self.pods = [_labelled(pod, action) if pod.name in pods else pod for pod in self.pods]
            case say.PointService(service=name, hash=hash):
                self.services[name] = replace(self.services[name], hash=hash, managed_by="r")
            case say.SetWeight(split=split):
                self.weights = (split.canary.weight, split.stable.weight)
            case say.StartRun(name=name):
                labels = action.manifest["metadata"]["labels"]
                step = labels.get("step-index")
                self.runs[name] = Run(
                    name,
                    self.now,
                    phase="Running",
                    hash=Hash(labels["rollouts-pod-template-hash"]),
                    type=labels["rollout-type"],
                    step=None if step is None else int(step),
                    spec=action.manifest["spec"],
                )
            case say.StopRun(name=name):
                self.runs[name] = replace(self.runs[name], terminate=True, phase="Successful")
            case say.DeleteRun(name=name):
                del self.runs[name]
            case _:
                raise AssertionError(f"the toy cannot do {action}")

    def _created(self, action: say.CreateReplicaSet) -> ReplicaSet:
        metadata = action.manifest["metadata"]
        created = ReplicaSet(
            name=action.name,
            hash=action.hash,
            created=self.now,
            revision=action.revision,
            replicas=action.replicas,
            annotations=metadata["annotations"],
            labels=metadata["labels"],
            template=action.manifest["spec"]["template"],
            min_ready_seconds=action.manifest["spec"]["minReadySeconds"],
        )
        assert templates_equal(covered(self.manifest["spec"]["template"], remembered(created)), own_template(created))
        return created

    # ── what tests ask ──

    def of(self, image: str) -> ReplicaSet:
        return self.sets[f"r-{make.hash_of(image)}"]

    @property
    def status(self) -> Obj:
        known: Obj = self.manifest.get("status", {})
        return known

    @property
    def phase(self) -> str:
        return " ".join(filter(None, (self.status.get("phase"), self.status.get("message"))))

    def behind(self, service: str) -> ReplicaSet | None:
        """The ReplicaSet whose pods a Service selects."""
        wanted = self.services[service].hash
        return next((rs for rs in self.sets.values() if rs.hash == wanted), None)


def _labelled(pod: Pod, action: say.LabelPods) -> Pod:
    labels, notes = {**pod.labels, **action.labels}, {**pod.annotations, **action.annotations}
    return replace(
        pod,
        labels={key: value for key, value in labels.items() if value is not None},
        annotations={key: value for key, value in notes.items() if value is not None},
    )


def _updated(rs: ReplicaSet, action: say.UpdateReplicaSet) -> ReplicaSet:
    annotations = {**rs.annotations, **action.annotations}
    size = rs.replicas if action.replicas is None else action.replicas
    revision = action.annotations.get("rollout.argoproj.io/revision")
    return replace(
        rs,
        replicas=size,
        # Pods that are to go are not waited for: they are gone at once, unready ones first.
        current=min(rs.current, size),
        ready=min(rs.ready, size),
        available=min(rs.available, size),
        revision=int(revision) if revision else rs.revision,
        annotations={key: value for key, value in annotations.items() if value is not None},
        min_ready_seconds=rs.min_ready_seconds if action.min_ready_seconds is None else action.min_ready_seconds,
        template=apply_merge(rs.template, replica_set_patch(action).get("spec", {}).get("template", {})),
    )


def _told(action: say.Action) -> str:
    match action:
        case say.CreateReplicaSet(name=name, replicas=count):
            return f"create {name} {count}"
        case say.UpdateReplicaSet(name=name, replicas=None, annotations=notes):
            return f"annotate {name} {' '.join(key.rsplit('/', 1)[-1] for key in notes)}"
        case say.UpdateReplicaSet(name=name, replicas=count):
            return f"scale {name} {count}"
        case say.PointService(service=name, hash=hash):
            return f"point {name} {hash}"
        case say.SetWeight(split=split):
            return f"weight {split.canary.weight}/{split.stable.weight}"
        case _:
            return type(action).__name__
