"""Whom a change concerns: what the caches hear, as keys that have to be looked at in the queues of their kinds."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial

from rollouts.analysisrun.jobs import has_ended, run_of
from rollouts.experiment.interest import Interest
from rollouts.interest import (
    JUDGED_INDEX,
    ROUTED_INDEX,
    SERVICE_INDEX,
    by_judgement,
    by_routing,
    by_service,
    key_of,
    owning_rollout,
    routing_names,
)
from rollouts.kube.cache import Cache, Key
from rollouts.kube.events import Recorder
from rollouts.kube.queue import Queue
from rollouts.kube.refs import (
    ANALYSIS_RUN,
    EXPERIMENT,
    ROLLOUT,
    Obj,
    Ref,
    Resource,
    controller_of,
    namespace_of,
    state_of,
)
from rollouts.observe.caches import BY_HASH, BY_NAMESPACE, Caches, hashed, in_namespace
from rollouts.observe.workloads import WORKLOAD_INDEX, concerns_referrers
from rollouts.servicerelease import managed_by
from rollouts.traffic.appmesh import router_of
from rollouts.traffic.base import TrafficSettings


@dataclass(frozen=True, slots=True)
class Queues:
    """One queue of keys for each reconciler."""

    rollouts: Queue[Key] = field(default_factory=lambda: Queue("Rollouts"))
    analysis_runs: Queue[Key] = field(default_factory=lambda: Queue("AnalysisRuns"))
    services: Queue[Key] = field(default_factory=lambda: Queue("Services"))
    experiments: Queue[Key] = field(default_factory=lambda: Queue("Experiments"))

    @property
    def all(self) -> tuple[Queue[Key], ...]:
        return (self.rollouts, self.analysis_runs, self.services, self.experiments)


class Subscriptions:
    """Puts keys into queues whenever a cache changes, from the moment on in which it is made.

    `jobs`: the Jobs of analyses that are known. `is_news`: told of every AnalysisRun that changes; whether it has to be
    looked at. `forget`: told which objects are gone.
    """

    def __init__(
        self,
        caches: Caches,
        jobs: Cache,
        queues: Queues,
        traffic: TrafficSettings,
        recorder: Recorder,
        is_news: Callable[[Obj], bool],
        forget: Callable[[Resource, Key], None],
    ) -> None:
        self._caches = caches
        self._queues = queues
        self._traffic = traffic
        self._recorder = recorder
        self._is_news = is_news
        self._forget = forget
        self._subscribe(jobs)

    def _subscribe(self, jobs: Cache) -> None:
        caches = self._caches
        for name, index in ((SERVICE_INDEX, by_service), (JUDGED_INDEX, by_judgement), (ROUTED_INDEX, by_routing)):
            caches.rollouts.add_index(name, index)
        caches.rollouts.add_index(BY_NAMESPACE, in_namespace)
        caches.services.add_index("manager", lambda service: (f"{namespace_of(service)}/{managed_by(service)}",))
        caches.rollouts.subscribe(self._rollout_changed)
        Interest(caches, self._queues.experiments, self._queues.rollouts, partial(self._forget, EXPERIMENT))
        caches.replica_sets.subscribe(self._replica_set_changed)
        caches.services.subscribe(self._service_changed)
        caches.analysis_runs.subscribe(self._run_changed)
        caches.pods.subscribe(self._pod_changed)
        jobs.subscribe(self._job_changed)
        for cache in (caches.analysis_templates, caches.cluster_analysis_templates):
            cache.subscribe(self._template_changed)
        for cache in caches.routing.values():
            cache.subscribe(self._routing_changed)
        caches.routing[self._traffic.mesh_resources[1]].subscribe(self._virtual_router_changed)
        for resource, cache in caches.workloads.items():
            cache.subscribe(partial(self._workload_changed, resource))

    def _rollout_changed(self, old: Obj | None, new: Obj | None) -> None:
        key = key_of(new or old or {})
        if old is None and new is not None and not new.get("status"):
            # Of those that some controller knew before it is no news: each start would post thousands of it.
            text = f"Rollout resource added to informer: {key[0]}/{key[1]}"
            self._recorder.record(new, "Normal", "RolloutAddedToInformer", text)
        if new is None and old is not None:
            self._recorder.record(old, "Normal", "RolloutDeleted", f"Rollout {key[0]}/{key[1]} is deleted.")
            self._forget(ROLLOUT, key)
        self._queues.rollouts.add(key, _state(new))
        if new is None or (old is not None and by_service(old) != by_service(new)):
            for service in self._caches.services.by("manager", f"{key[0]}/{key[1]}"):
                self._queues.services.add(key_of(service))

    def _replica_set_changed(self, old: Obj | None, new: Obj | None) -> None:
        concerned: dict[Key, None] = {}
        for obj in filter(None, (old, new)):
            owners = tuple(owning_rollout(obj))
            if owners:
                concerned |= dict.fromkeys(owners)
            elif controller_of(obj) is None:  # an orphan, which any of them may adopt
                others = self._caches.rollouts.by(BY_NAMESPACE, namespace_of(obj))
                concerned |= dict.fromkeys(map(key_of, others))
        self._look(concerned, new)  # each once: a key named twice is looked at twice

    def _service_changed(self, old: Obj | None, new: Obj | None) -> None:
        namespace, name = key_of(new or old or {})
        concerned = self._caches.rollouts.by(SERVICE_INDEX, f"{namespace}/{name}")
        self._look((key_of(rollout) for rollout in concerned), new)
        if new is not None and managed_by(new):
            self._queues.services.add((namespace, name))

    def _run_changed(self, old: Obj | None, new: Obj | None) -> None:
        run = new or old or {}
        if new is not None:
            if self._is_news(run):
                self._queues.analysis_runs.add(key_of(run))
        else:
            self._forget(ANALYSIS_RUN, key_of(run))
        if old is None or new is None or _verdict(old) != _verdict(new):
            self._look(owning_rollout(run), new)

    def _pod_changed(self, old: Obj | None, new: Obj | None) -> None:
        if new is None or (old is not None and old["metadata"].get("labels") == new["metadata"].get("labels")):
            return
        value = next(iter(hashed(new)), "")
        for replica_set in self._caches.replica_sets.by(BY_HASH, value):
            self._look(owning_rollout(replica_set), new)

    def _job_changed(self, old: Obj | None, new: Obj | None) -> None:
        job = new or old or {}
        key = run_of(job)
        if (
            key is not None
            and has_ended(new) is not has_ended(old)
            and self._caches.analysis_runs.get(*key) is not None
        ):
            self._queues.analysis_runs.add(key)

    def _template_changed(self, old: Obj | None, new: Obj | None) -> None:
        namespace = namespace_of(new or old or {})
        self._look(key_of(rollout) for rollout in self._caches.rollouts.by(JUDGED_INDEX, namespace))

    def _routing_changed(self, old: Obj | None, new: Obj | None) -> None:
        obj = new or old or {}
        concerned = dict.fromkeys(owning_rollout(obj))
        for name in routing_names(obj):
            concerned |= dict.fromkeys(map(key_of, self._caches.rollouts.by(ROUTED_INDEX, name)))
        self._look(concerned, new)

    def _virtual_router_changed(self, old: Obj | None, new: Obj | None) -> None:
        """A Rollout names the VirtualService that leads to it."""
        for service in self._caches.routing[self._traffic.mesh_resources[0]]:
            if router_of(service, namespace_of(service)) == key_of(new or old or {}):
                self._routing_changed(None, service)

    def _workload_changed(self, resource: Resource, old: Obj | None, new: Obj | None) -> None:
        if concerns_referrers(old, new):
            ref = Ref(resource, *key_of(new or old or {}))
            self._look((key_of(rollout) for rollout in self._caches.rollouts.by(WORKLOAD_INDEX, str(ref))), new)

    def _look(self, keys: Iterable[Key], cause: Obj | None = None) -> None:
        for key in keys:
            self._queues.rollouts.add(key, _state(cause))


def _state(obj: Obj | None) -> str:
    """What a change led to; "" for what is gone."""
    return state_of(obj) if obj else ""


def _verdict(run: Obj) -> tuple[str | None, str | None, bool]:
    """What a Rollout wants to know of its AnalysisRun; not each of its measurements."""
    status = run.get("status") or {}
    return status.get("phase"), status.get("message"), "deletionTimestamp" in run["metadata"]
