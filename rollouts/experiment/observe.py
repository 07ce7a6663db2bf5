"""From caches to a World: everything that a decision about one Experiment may read. Does no I/O."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pydantic import ValidationError

from analysis.api import AnalysisTemplateRef
from analysis.schema import Obj
from rollouts.api import labels
from rollouts.api.experiment import Experiment, ExperimentSpec, ExperimentStatus
from rollouts.api.rules.experiment import experiment_fault
from rollouts.experiment import manifests
from rollouts.experiment.view import ENDED, View
from rollouts.experiment.world import Owner, Run, Service, World
from rollouts.kube.cache import Key
from rollouts.kube.refs import EXPERIMENT, ROLLOUT, controller_of, name_of, namespace_of, uid_of
from rollouts.observe.caches import NAMED_AFTER, Caches
from rollouts.observe.manifest import first_fault
from rollouts.observe.objects import EPOCH, replica_set
from rollouts.observe.templates import Templates


@dataclass(frozen=True, slots=True)
class _Parsed:
    version: str
    experiment: Experiment
    fault: str


class Observer:
    """Builds worlds around Experiments."""

    def __init__(self, caches: Caches, templates: Templates, instance_id: str = "") -> None:
        self._caches = caches
        self._templates = templates
        self._instance_id = instance_id
        self._parsed: dict[Key, _Parsed] = {}

    def forget(self, key: Key) -> None:
        """The Experiment is gone."""
        self._parsed.pop(key, None)

    def world(self, obj: Obj) -> World:
        """The world around this Experiment, as the caches have it."""
        parsed = self._parse(obj)
        if parsed.fault:
            return World(parsed.experiment, fault=parsed.fault)
        namespace, uid = namespace_of(obj), uid_of(obj)
        sets = tuple(replica_set(one) for one in self._caches.replica_sets.owned_by(uid))
        templates = self._templates.named(namespace, _wanted(parsed.experiment))
        return World(
            experiment=parsed.experiment,
            replica_sets=sets,
            services={service.name: service for service in self._services(obj, parsed.experiment)},
            runs=tuple(self._runs(obj)),
            templates={key: template.model for key, template in templates.items()},
            template_faults={key: template.fault for key, template in templates.items() if template.fault},
            routed=frozenset(self._routed(obj)),
            instance_id=self._instance_id,
        )

    def _parse(self, obj: Obj) -> _Parsed:
        key, version = (namespace_of(obj), name_of(obj)), str(obj["metadata"].get("resourceVersion", ""))
        known = self._parsed.get(key)
        if known is None or known.version != version or known.experiment.metadata.uid != uid_of(obj):
            known = self._parsed[key] = _parse(obj, version)
        return known

    def _services(self, obj: Obj, experiment: Experiment) -> Iterator[Service]:
        uid, namespace = uid_of(obj), namespace_of(obj)
        view = View(World(experiment), EPOCH)
        for name in {manifests.service_name(view, template) for template in experiment.spec.templates} - {""}:
            found = self._caches.services.get(namespace, name)
            if found is not None:
                yield _service(found, uid)
        yield from (_service(found, uid) for found in self._caches.services.owned_by(uid))

    def _runs(self, obj: Obj) -> Iterator[Run]:
        uid = uid_of(obj)
        runs = self._caches.analysis_runs
        yield from (_run(found, owned=True) for found in runs.owned_by(uid))
        for found in runs.by(NAMED_AFTER, f"{namespace_of(obj)}/{name_of(obj)}"):
            if (controller_of(found) or {}).get("uid") != uid:
                yield _run(found, owned=False)

    def rollout_of(self, obj: Obj) -> Obj | None:
        """The Rollout that an Experiment was started by."""
        owner = controller_of(obj)
        if owner is None or owner.get("kind") != ROLLOUT.kind:
            return None
        found = self._caches.rollouts.get(namespace_of(obj), owner["name"])
        return found if found is not None and uid_of(found) == owner.get("uid") else None

    def _routed(self, obj: Obj) -> Iterator[str]:
        """Services that the Rollout's recorded split names beside its own two."""
        weights = (((self.rollout_of(obj) or {}).get("status") or {}).get("canary") or {}).get("weights") or {}
        for destination in weights.get("additional") or ():
            if destination.get("weight") and destination.get("serviceName"):
                yield destination["serviceName"]


def _parse(obj: Obj, version: str) -> _Parsed:
    try:
        experiment = Experiment.model_validate(obj)
    except ValidationError as error:
        return _Parsed(version, _bare(obj), first_fault(error))
    return _Parsed(version, experiment, experiment_fault(experiment.metadata.name, experiment.spec))


def _bare(obj: Obj) -> Experiment:
    """An Experiment of which only metadata and, where it can be read, the status are known."""
    try:
        status = ExperimentStatus.model_validate(obj.get("status") or {})
    except ValidationError:
        status = ExperimentStatus()
    known = {
        key: obj["metadata"][key] for key in ("name", "namespace", "uid", "resourceVersion") if key in obj["metadata"]
    }
    bare = Experiment.model_validate({"metadata": known, "spec": ExperimentSpec(templates=())})
    return bare.model_copy(update={"status": status})


def _wanted(experiment: Experiment) -> Iterable[AnalysisTemplateRef]:
    """The templates of analyses that have not begun, while there is still time for them to."""
    if experiment.status.phase in ENDED:
        return
    begun = {entry.name for entry in experiment.status.analysis_runs}
    for analysis in experiment.spec.analyses:
        if analysis.name not in begun:
            yield AnalysisTemplateRef(template_name=analysis.template_name, cluster_scope=analysis.cluster_scope)


def _service(obj: Obj, uid: str) -> Service:
    controller = controller_of(obj) or {}
    owner = Owner.FOREIGN
    if controller.get("uid") == uid:
        owner = Owner.OURS
    elif controller.get("kind") == EXPERIMENT.kind:
        owner = Owner.EXPERIMENT
    notes = obj["metadata"].get("annotations") or {}
    template = notes.get(labels.EXPERIMENT_TEMPLATE_NAME, "")
    return Service(name_of(obj), owner, template, deleting="deletionTimestamp" in obj["metadata"])


def _run(obj: Obj, *, owned: bool) -> Run:
    notes, status = obj["metadata"].get("annotations") or {}, obj.get("status") or {}
    return Run(
        name=name_of(obj),
        owned=owned,
        analysis=notes.get(manifests.ANALYSIS_NAME, ""),
        available_at=notes.get(manifests.AVAILABLE_AT, ""),
        phase=status.get("phase", ""),
        message=status.get("message", ""),
        terminate=bool((obj.get("spec") or {}).get("terminate")),
    )
