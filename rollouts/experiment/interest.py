"""Whom of the Experiments a change concerns, and which Rollout has to hear of an Experiment."""

from collections.abc import Callable, Iterable, Iterator

from analysis.schema import Obj
from rollouts.experiment.view import ENDED
from rollouts.interest import key_of, owning_rollout
from rollouts.kube.cache import Cache, Key
from rollouts.kube.queue import Queue
from rollouts.kube.refs import EXPERIMENT, controller_of, namespace_of, uid_of
from rollouts.observe.caches import BY_NAMESPACE, Caches


class Interest:
    """Puts the keys of Experiments that have to look into their queue, and of Rollouts into theirs.

    `forget`: told that an Experiment is gone.
    """

    def __init__(
        self, caches: Caches, experiments: Queue[Key], rollouts: Queue[Key], forget: Callable[[Key], None]
    ) -> None:
        self._cache: Cache = caches.experiments
        self._experiments = experiments
        self._rollouts = rollouts
        self._forget = forget
        caches.experiments.subscribe(self._experiment_changed)
        caches.replica_sets.subscribe(self._part_changed)
        caches.services.subscribe(self._service_changed)
        caches.analysis_runs.subscribe(self._run_changed)
        caches.rollouts.subscribe(self._rollout_changed)

    def _experiment_changed(self, old: Obj | None, new: Obj | None) -> None:
        experiment = new or old or {}
        if new is None:
            self._forget(key_of(experiment))
        self._experiments.add(key_of(experiment))
        if old is None or new is None or old.get("status") != new.get("status"):
            for key in owning_rollout(experiment):
                self._rollouts.add(key)

    def _part_changed(self, old: Obj | None, new: Obj | None) -> None:
        for key in owning_experiment(new or old or {}):
            self._experiments.add(key)

    def _run_changed(self, old: Obj | None, new: Obj | None) -> None:
        """What a run has come to matters, and not each of its measurements."""
        if _verdict(old) != _verdict(new):
            self._part_changed(old, new)

    def _service_changed(self, old: Obj | None, new: Obj | None) -> None:
        self._part_changed(old, new)
        if new is None and old is not None and any(owning_experiment(old)):
            # Its name is free, and another Experiment may have waited for it.
            self._look(one for one in self._cache.by(BY_NAMESPACE, namespace_of(old)) if not _ended(one))

    def _rollout_changed(self, old: Obj | None, new: Obj | None) -> None:
        """The pods of an Experiment are kept while its Rollout records a share of traffic for them."""
        if old is not None and _additional(old) != _additional(new or {}):
            self._look(self._cache.owned_by(uid_of(old)))

    def _look(self, experiments: Iterable[Obj]) -> None:
        for experiment in experiments:
            self._experiments.add(key_of(experiment))


def owning_experiment(obj: Obj) -> Iterator[Key]:
    """The Experiment that controls an object."""
    owner = controller_of(obj)
    if owner is not None and owner.get("kind") == EXPERIMENT.kind and owner.get("apiVersion") == EXPERIMENT.api_version:
        yield namespace_of(obj), owner["name"]


def _verdict(run: Obj | None) -> tuple[object, ...] | None:
    if run is None:
        return None
    status = run.get("status") or {}
    return run["metadata"].get("uid"), status.get("phase"), status.get("message")


def _ended(experiment: Obj) -> bool:
    return (experiment.get("status") or {}).get("phase") in ENDED


def _additional(rollout: Obj) -> object:
    weights = ((rollout.get("status") or {}).get("canary") or {}).get("weights") or {}
    return weights.get("additional")
