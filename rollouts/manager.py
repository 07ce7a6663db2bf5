"""The only place that builds things: caches, watches, queues and reconcilers, over one wire."""

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any

import structlog

from analysis.providers.egress import Egress
from analysis.providers.http import Http
from rollouts.analysisrun import AnalysisRunController, ClusterSecrets, ProviderAccess
from rollouts.analysisrun.jobs import ClusterJobs
from rollouts.apply import Applier
from rollouts.controller import RolloutController, Ties
from rollouts.decide.plan import Event
from rollouts.experiment.controller import ExperimentController
from rollouts.experiment.observe import Observer as ExperimentObserver
from rollouts.interest import key_of
from rollouts.kube.cache import Key
from rollouts.kube.clock import Clock, wall_clock
from rollouts.kube.events import Recorder
from rollouts.kube.queue import Queue
from rollouts.kube.refs import ANALYSIS_RUN, EXPERIMENT, INGRESS, ROLLOUT, Obj, Resource
from rollouts.kube.watch import Pace
from rollouts.kube.wire import Wire
from rollouts.metrics import Metrics
from rollouts.metrics.gauges import Sources
from rollouts.observe import Observer
from rollouts.observe.asking import Asking
from rollouts.observe.caches import fresh_caches
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
from rollouts.watching import Watching

log = structlog.get_logger(__name__)

_PACE = Pace()
_FEW = 3
"""Rollouts worked on at the same time beside which Events may be posted without holding up a release."""
_ALL = 100_000


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
        self._traffic = TrafficSettings(
            istio_api_version=settings.istio_api_version,
            traffic_split_api_version=settings.traffic_split_api_version,
            traefik_api_group=settings.traefik_api_group,
            traefik_api_version=settings.traefik_api_version,
            ambassador_api_version=settings.ambassador_api_version,
            appmesh_crd_version=settings.appmesh_crd_version,
        )
        self._stopping = asyncio.Event()
        self.caches = fresh_caches(self._traffic)
        self._watching = Watching(wire, self._job_wire, settings, self.caches, self._traffic, pace)
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
        Subscriptions(
            self.caches, self._watching.jobs, self._queues, self._traffic, self.recorder, self._is_news, self._forget
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
        ties = Ties(self._watching.prepare, self._queues.rollouts.foreseen, metrics)
        self._rollout_controller = RolloutController(
            self._wire, self.caches, observer, applier, self.recorder, clock, ties
        )
        self._run_controller = AnalysisRunController(
            self._wire,
            self.caches.analysis_runs,
            self.recorder,
            clock,
            ClusterSecrets(self._wire),
            ProviderAccess(http, ClusterJobs(self._job_wire), self._watching.jobs, self.settings.controller_namespace),
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

    # ── what subscribers tell ──

    def _is_news(self, run: Obj) -> bool:
        """Whether an AnalysisRun that changed has to be looked at: not when it is its own controller that stores it."""
        self._watching.hear_of_jobs(run)
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
        return self._watching.synced

    async def run(self) -> None:
        """Watch and reconcile until `stop`; then finish what is in hand and post the last events."""
        async with asyncio.TaskGroup() as group:
            self._watching.begin(group)
            posting = group.create_task(self.recorder.run(), name="events")
            await self._synced_or_stopping()
            if self.synced:
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
            self._watching.end()

    async def _synced_or_stopping(self) -> None:
        """A missing CustomResourceDefinition keeps a cache empty for ever; a stop must end that wait too."""
        waits: set[asyncio.Task[Any]] = {
            asyncio.create_task(self._watching.first_lists()),
            asyncio.create_task(self._stopping.wait()),
        }
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
