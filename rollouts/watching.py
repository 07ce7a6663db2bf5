"""What is watched of the cluster: some kinds always, others from the moment that somebody needs them."""

import asyncio

from analysis.providers.job import RUN_UID
from rollouts.analysisrun.jobs import bare
from rollouts.api import labels
from rollouts.interest import follows_pods, uses_jobs
from rollouts.kube.cache import Cache
from rollouts.kube.errors import Unreachable
from rollouts.kube.refs import JOB, Obj, Resource
from rollouts.kube.watch import Pace, Scope, Watcher
from rollouts.kube.wire import Wire
from rollouts.observe.caches import Caches
from rollouts.observe.workloads import workload_ref
from rollouts.settings import Settings
from rollouts.traffic.base import TrafficSettings
from rollouts.traffic.registry import needed_resources

_PATIENCE = 10.0
"""Seconds that a pass waits for a first list, before it gives way and says so."""


class Watching:
    """Fills caches from `begin` to `end`. `job_wire` leads to the cluster that Jobs of analysis run in."""

    def __init__(
        self, wire: Wire, job_wire: Wire, settings: Settings, caches: Caches, traffic: TrafficSettings, pace: Pace
    ) -> None:
        self.jobs = Cache(JOB, transform=bare)
        """The Jobs of AnalysisRuns."""
        self._wire = wire
        self._job_wire = job_wire
        self._settings = settings
        self._caches = caches
        self._traffic = traffic
        self._pace = pace
        self._namespace = settings.access.namespace if settings.namespaced else ""
        self._always = [Watcher(wire, cache, scope, pace=pace) for cache, scope in self._wanted()]
        self._needed: dict[Resource, Watcher] = {}
        self._group: asyncio.TaskGroup | None = None
        self._tasks: list[asyncio.Task[None]] = []

    def _wanted(self) -> list[tuple[Cache, Scope]]:
        caches, ours = self._caches, self._ours()
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
        if not self._settings.namespaced:
            wanted.append((caches.cluster_analysis_templates, Scope(label_selector=ours)))
        return wanted

    def _ours(self) -> str:
        """Objects of this instance: with its id, or, without one, those that carry none."""
        instance = self._settings.instance_id
        return f"{labels.INSTANCE_ID}={instance}" if instance else f"!{labels.INSTANCE_ID}"

    # ── from begin to end ──

    def begin(self, group: asyncio.TaskGroup) -> None:
        """Watch, as tasks of this group."""
        self._group = group
        for watcher in self._always:
            self._start(watcher)

    def end(self) -> None:
        for task in self._tasks:
            task.cancel()

    @property
    def synced(self) -> bool:
        """Everything that is always watched has been listed once."""
        return all(watcher.synced.is_set() for watcher in self._always)

    async def first_lists(self) -> None:
        """Wait until that is so; for ever where a CustomResourceDefinition is missing."""
        for watcher in self._always:
            await watcher.synced.wait()

    # ── once somebody needs it ──

    async def prepare(self, rollout: Obj) -> None:
        """Watch what this Rollout needs and others may not: pods, workloads, routing objects. Waits until known."""
        wanted: list[tuple[Cache, Scope, bool]] = []
        if follows_pods(rollout):
            wanted.append((self._caches.pods, Scope(self._namespace, labels.POD_TEMPLATE_HASH), False))
        if (ref := workload_ref(rollout)) is not None:
            wanted.append((self._caches.workloads[ref.resource], Scope(self._namespace), False))
        # A mesh's objects may live in any namespace that the manifest names, where we may look there at all.
        needed = needed_resources(rollout, self._traffic)
        wanted += [(self._caches.routing[resource], Scope(self._namespace), True) for resource in needed]
        for cache, scope, optional in wanted:
            watcher = self._needed.get(cache.resource)
            if watcher is None:
                watcher = self._watch(Watcher(self._wire, cache, scope, optional=optional, pace=self._pace))
            await _known(watcher)

    def hear_of_jobs(self, run: Obj) -> None:
        """Hear of Jobs once an AnalysisRun has any. Nobody waits for it: without, runs look by the clock."""
        if JOB in self._needed or self._group is None or not uses_jobs(run):
            return
        settings = self._settings
        namespace = settings.job_namespace or ("" if settings.job_kubeconfig else self._namespace)
        self._watch(Watcher(self._job_wire, self.jobs, Scope(namespace, RUN_UID), pace=self._pace))

    def _watch(self, watcher: Watcher) -> Watcher:
        self._needed[watcher.cache.resource] = watcher
        self._start(watcher)
        return watcher

    def _start(self, watcher: Watcher) -> None:
        assert self._group is not None  # keys are worked on only after `begin`
        self._tasks.append(self._group.create_task(watcher.run(), name=f"watch {watcher.cache.resource.plural}"))


async def _known(watcher: Watcher) -> None:
    try:
        async with asyncio.timeout(_PATIENCE):
            await watcher.synced.wait()
    except TimeoutError:
        plural = watcher.cache.resource.plural
        raise Unreachable(f"{plural} could not be listed yet; may the controller list and watch them?") from None
