"""The only place that builds things: caches, watches, queues and reconcilers, over one wire."""

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any

import structlog

from analysis.providers.egress import Egress
from analysis.providers.http import Http
from analysis.providers.job import RUN_UID
from rollouts.analysisrun import AnalysisRunController, ClusterSecrets, ProviderAccess
from rollouts.analysisrun.jobs import ClusterJobs, bare
from rollouts.api import labels
from rollouts.apply import Applier
from rollouts.controller import RolloutController, Ties
from rollouts.decide.plan import Event
from rollouts.experiment.controller import ExperimentController
from rollouts.experiment.observe import Observer as ExperimentObserver
from rollouts.interest import (
    follows_pods,
    key_of,
    uses_jobs,
)
from rollouts.kube.cache import Cache, Key
from rollouts.kube.clock import Clock, wall_clock
from rollouts.kube.errors import Unreachable
from rollouts.kube.events import Recorder
from rollouts.kube.queue import Queue
from rollouts.kube.refs import (
    ANALYSIS_RUN,
    EXPERIMENT,
    INGRESS,
    JOB,
    ROLLOUT,
    Obj,
    Resource,
)
from rollouts.kube.watch import Pace, Scope, Watcher
from rollouts.kube.wire import Wire
from rollouts.metrics import Metrics
from rollouts.metrics.gauges import Sources
from rollouts.observe import Observer
from rollouts.observe.asking import Asking
from rollouts.observe.caches import fresh_caches
from rollouts.observe.workloads import workload_ref
from rollouts.passes import Loop
from rollouts.prober.answering import Answering
from rollouts.prober.balancers import BalancerChecks, Names, bindings
from rollouts.prober.elb import Elb
from rollouts.prober.prober import Prober
from rollouts.prober.requests import RequestCounter
from rollouts.servicerelease import RoutingRelease, ServiceRelease
from rollouts.settings import Settings
from rollouts.subscriptions import Queues, Subscriptions
from rollouts.traffic.base import TrafficSettings
from rollouts.traffic.registry import needed_resources

log = structlog.get_logger(__name__)

_PACE = Pace()
_FEW = 3
"""Rollouts worked on at the same time beside which Events may be posted without holding up a release."""
_ALL = 100_000
_PATIENCE = 10.0
"""Seconds that a pass waits for a first list, before it gives way and says so."""


class Controllers:
    """Everything that watches and reconciles, over one wire. `run` works until `stop`.

    `clock` gives the time that decisions see; `http` is the way to metric providers; `job_wire` leads to the cluster
    that Jobs of analysis run in, where it is another one.
    """

    def __init__(
        self,
        wire: Wire,
        settings: Settings,
        *,
        clock: Clock = wall_clock,
        pace: Pace = _PACE,
        metrics: Metrics | None = None,
        http: Http | None = None,
        job_wire: Wire | None = None,
    ) -> None:
        self.settings = settings
        self._wire = wire
        self._job_wire = job_wire or wire
        self._pace = pace
        self._namespace = settings.access.namespace if settings.namespaced else ""
        self._traffic = TrafficSettings(
            istio_api_version=settings.istio_api_version,
            traffic_split_api_version=settings.traffic_split_api_version,
            traefik_api_group=settings.traefik_api_group,
            traefik_api_version=settings.traefik_api_version,
            ambassador_api_version=settings.ambassador_api_version,
            appmesh_crd_version=settings.appmesh_crd_version,
        )
        self._group: asyncio.TaskGroup | None = None
        self._lazy: dict[Resource, Watcher] = {}
        self._stopping = asyncio.Event()
        self._watching: list[asyncio.Task[None]] = []
        self.caches = fresh_caches(self._traffic)
        self._known_jobs = Cache(JOB, transform=bare)
        self._queues = Queues()
        self.recorder = Recorder(
            wire,
            clock,
            on_event=metrics.event if metrics else None,
            on_drop=metrics.event_dropped if metrics else None,
            busy=lambda: self._queues.rollouts.in_hand > _FEW,
        )
        self._metrics = metrics
        self._reconcilers(clock, metrics, http or Http(egress=Egress(settings.metric_egress_allowed)))
        self.watchers = self._watchers()
        Subscriptions(
            self.caches, self._known_jobs, self._queues, self._traffic, self.recorder, self._is_news, self._forget
        )
        if metrics is not None:
            metrics.metered(*self.queues)

    def _reconcilers(self, clock: Clock, metrics: Metrics | None, http: Http) -> None:
        """Who works on the keys of each queue."""
        self._prober = self._probing(clock, http)
        settings = self.settings
        asking = Asking(
            self._prober, timedelta(seconds=settings.verify_retry_interval), settings.aws_verify_target_group
        )
        observer = Observer(self.caches, self._traffic, settings.instance_id, asking)
        applier = Applier(self._wire, self.caches, observer.routing, settings.ephemeral_metadata_threads)
        ties = Ties(self._prepare, self._queues.rollouts.foreseen, metrics)
        self._rollout_controller = RolloutController(
            self._wire, self.caches, observer, applier, self.recorder, clock, ties
        )
        self._run_controller = AnalysisRunController(
            self._wire,
            self.caches.analysis_runs,
            self.recorder,
            clock,
            ClusterSecrets(self._wire),
            ProviderAccess(http, ClusterJobs(self._job_wire), self._known_jobs, self.settings.controller_namespace),
        )
        self._service_release = ServiceRelease(self._wire, self.caches)
        self._routing_release = RoutingRelease(self._wire, self.caches, self._traffic, self._queues.services.add)
        self._experiment_controller = ExperimentController(
            self._wire,
            self.caches,
            ExperimentObserver(self.caches, observer.templates, self.settings.instance_id),
            self.recorder,
            clock,
            self.settings.instance_id,
        )

    def _probing(self, clock: Clock, http: Http) -> Prober:
        """Who finds out what decisions ask of the world outside of the cluster."""
        names = Names(self.settings.alb_tag_key_resource_id, bindings(self.settings.target_group_binding_api_version))
        counter = RequestCounter(http, clock, ClusterSecrets(self._wire))
        ingresses = self.caches.routing[INGRESS].get
        checks = BalancerChecks(Elb(http, clock), self._wire, ingresses, self.caches.services.get, clock, names)
        ask = Answering(counter, checks)

        def tell(rollout: Obj, event: Event) -> None:
            self.recorder.record(rollout, event.type, event.reason, event.message)

        return Prober(ask, clock, self._queues.rollouts.add, tell)

    @property
    def queues(self) -> tuple[Queue[Key], ...]:
        return self._queues.all

    @property
    def sources(self) -> Sources:
        """Where metrics find the objects."""
        caches = self.caches
        return Sources(
            rollouts=lambda: caches.rollouts,
            experiments=lambda: caches.experiments,
            analysis_runs=lambda: caches.analysis_runs,
            analysis_templates=lambda: caches.analysis_templates,
            cluster_analysis_templates=lambda: caches.cluster_analysis_templates,
        )

    # ── what is watched ──

    def _watchers(self) -> list[Watcher]:
        caches, ours = self.caches, self._ours()
        everything = Scope(self._namespace)
        mine = Scope(self._namespace, label_selector=ours)
        hashed_only = Scope(self._namespace, label_selector=labels.POD_TEMPLATE_HASH)
        wanted = [
            (caches.rollouts, mine),
            (caches.replica_sets, hashed_only),
            (caches.services, everything),
            (caches.analysis_runs, mine),
            (caches.experiments, mine),
            (caches.analysis_templates, mine),
        ]
        if not self.settings.namespaced:
            wanted.append((caches.cluster_analysis_templates, Scope(label_selector=ours)))
        return [Watcher(self._wire, cache, scope, pace=self._pace) for cache, scope in wanted]

    def _ours(self) -> str:
        """Objects of this instance: with its id, or, without one, those that carry none."""
        instance = self.settings.instance_id
        return f"{labels.INSTANCE_ID}={instance}" if instance else f"!{labels.INSTANCE_ID}"

    async def _prepare(self, rollout: Obj) -> None:
        """Watch what this Rollout needs and others may not: pods, workloads, routing objects. Waits until known."""
        wanted: list[tuple[Cache, Scope, bool]] = []
        if follows_pods(rollout):
            wanted.append((self.caches.pods, Scope(self._namespace, labels.POD_TEMPLATE_HASH), False))
        if (ref := workload_ref(rollout)) is not None:
            wanted.append((self.caches.workloads[ref.resource], Scope(self._namespace), False))
        # A mesh's objects may live in any namespace that the manifest names, where we may look there at all.
        needed = needed_resources(rollout, self._traffic)
        wanted += [(self.caches.routing[resource], Scope(self._namespace), True) for resource in needed]
        for cache, scope, optional in wanted:
            watcher = self._lazy.get(cache.resource)
            if watcher is None:
                watcher = self._watched(Watcher(self._wire, cache, scope, optional=optional, pace=self._pace))
            await _known(watcher)

    def _watched(self, watcher: Watcher) -> Watcher:
        """Begin to watch what only some need."""
        resource = watcher.cache.resource
        self._lazy[resource] = watcher
        assert self._group is not None  # keys are worked on only while `run` runs
        self._watching.append(self._group.create_task(watcher.run(), name=f"watch {resource.plural}"))
        return watcher

    def _watch_jobs(self, run: Obj) -> None:
        """Hear of Jobs once an AnalysisRun has any. Nobody waits for it: without, runs look by the clock."""
        if JOB in self._lazy or self._group is None or not uses_jobs(run):
            return
        namespace = self.settings.job_namespace or ("" if self.settings.job_kubeconfig else self._namespace)
        self._watched(Watcher(self._job_wire, self._known_jobs, Scope(namespace, RUN_UID), pace=self._pace))

    # ── what subscribers tell ──

    def _is_news(self, run: Obj) -> bool:
        """Whether an AnalysisRun that changed has to be looked at: not when it is its own controller that stores it."""
        self._watch_jobs(run)
        return key_of(run) != self._run_controller.storing

    def _forget(self, resource: Resource, key: Key) -> None:
        queues = self._queues
        of_kind = {ROLLOUT: queues.rollouts, ANALYSIS_RUN: queues.analysis_runs, EXPERIMENT: queues.experiments}
        of_kind[resource].forget(key)
        if self._metrics is not None:
            self._metrics.forget(resource.kind, *key)

    async def _release(self, key: Key) -> float | None:
        """A Service and a routing object of the same name, or either."""
        await self._service_release.reconcile(key)
        return await self._routing_release.reconcile(key)

    # ── life ──

    @property
    def synced(self) -> bool:
        """Everything that is always watched has been listed once."""
        return all(watcher.synced.is_set() for watcher in self.watchers)

    async def run(self) -> None:
        """Watch and reconcile until `stop`; then finish what is in hand and post the last events."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            for watcher in self.watchers:
                self._watching.append(group.create_task(watcher.run(), name=f"watch {watcher.cache.resource.plural}"))
            posting = group.create_task(self.recorder.run(), name="events")
            await self._synced_or_stopping()
            log.info("caches are synced", rollouts=len(self.caches.rollouts))
            working = [group.create_task(job, name=name) for name, job in self._jobs()]
            await self._stopping.wait()
            for queue in self.queues:
                queue.close()
            await asyncio.gather(*working)
            await self._prober.close()
            await self._run_controller.close()
            await self.recorder.close()
            await posting
            for task in self._watching:
                task.cancel()

    async def _synced_or_stopping(self) -> None:
        """A missing CustomResourceDefinition keeps a cache empty for ever; a stop must end that wait too."""

        async def all_synced() -> bool:
            return all([await watcher.synced.wait() for watcher in self.watchers])

        waits = {asyncio.create_task(all_synced()), asyncio.create_task(self._stopping.wait())}
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        await asyncio.wait(waits)

    def stop(self) -> None:
        """Let `run` come to its end."""
        self._stopping.set()

    def _jobs(self) -> list[tuple[str, Coroutine[Any, Any, None]]]:
        settings, queues, caches = self.settings, self._queues, self.caches
        rollouts = Loop(caches.rollouts, self._rollout_controller, self._metrics)
        runs = Loop(caches.analysis_runs, self._run_controller, self._metrics)
        experiments = Loop(caches.experiments, self._experiment_controller, self._metrics)
        return [
            ("rollouts", queues.rollouts.run(rollouts.reconcile, settings.rollout_threads)),
            ("analysis runs", queues.analysis_runs.run(runs.reconcile, settings.analysis_threads or _ALL)),
            ("services", queues.services.run(self._release, settings.service_threads)),
            ("experiments", queues.experiments.run(experiments.reconcile, settings.experiment_threads)),
        ]


async def _known(watcher: Watcher) -> None:
    try:
        async with asyncio.timeout(_PATIENCE):
            await watcher.synced.wait()
    except TimeoutError:
        plural = watcher.cache.resource.plural
        raise Unreachable(f"{plural} could not be listed yet; may the controller list and watch them?") from None
