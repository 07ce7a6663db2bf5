"""From caches to a World: everything that a decision about one Rollout may read, at one moment. Does no I/O."""

from collections.abc import Iterable, Iterator

from analysis.schema import Obj
from rollouts.api.rollout import Rollout
from rollouts.decide import workload
from rollouts.decide.analyses.experimentview import experiment_seen
from rollouts.decide.pods.restart import pending
from rollouts.decide.questions import Ask
from rollouts.decide.references import template_refs
from rollouts.decide.world import Pod, ReplicaSet, Service, World
from rollouts.kube.cache import Cache, Key
from rollouts.kube.refs import controller_of
from rollouts.observe.asking import Asking
from rollouts.observe.caches import BY_HASH, NAMED_AFTER, ORPHANS, Caches, named_after
from rollouts.observe.manifest import Manifests
from rollouts.observe.objects import created, pod, replica_set, run, service
from rollouts.observe.routing import Routing
from rollouts.observe.services import service_names
from rollouts.observe.templates import Templates
from rollouts.observe.workloads import find, is_shared
from rollouts.traffic.base import TrafficSettings


class Observer:
    """Builds worlds. `traffic` and `instance_id` are the controller's settings that decisions depend on; `asking` leads
    to the world outside of the cluster."""

    def __init__(
        self, caches: Caches, traffic: TrafficSettings, instance_id: str = "", asking: Asking | None = None
    ) -> None:
        self.routing = Routing(caches, traffic)
        self.templates = Templates(caches)
        self._caches = caches
        self._instance_id = instance_id
        self._asking = asking or Asking()
        self._manifests = Manifests()

    def forget(self, key: Key) -> None:
        """The Rollout is gone."""
        self._manifests.forget(key)
        self._asking.probe.forget(key)

    def ask(self, key: Key, obj: Obj, asks: Iterable[Ask]) -> None:
        """Pass on what a decision would like to know: a later world holds what is found out by then."""
        self._asking.probe.follow(key, obj, asks)

    def world(self, obj: Obj) -> World:
        """The world around this Rollout, as the caches have it."""
        found = find(self._caches.workloads, obj)
        parsed = self._manifests.read(obj, found)
        rollout, namespace = parsed.rollout, parsed.rollout.metadata.namespace
        if parsed.fault:
            return World(rollout, spec_fault=parsed.fault)
        owned, orphans = self._replica_sets(rollout)
        templates = self.templates.named(namespace, template_refs(rollout))
        routing, routing_error = self.routing.told(rollout)
        return World(
            rollout=rollout,
            template_hash=parsed.template_hash,
            step_hash=parsed.step_hash,
            replica_sets=owned,
            orphans=orphans,
            services={name: self._service(namespace, name) for name in service_names(rollout)},
            templates={key: template.model for key, template in templates.items()},
            template_faults={key: template.fault for key, template in templates.items() if template.fault},
            runs=tuple(run(one, owned=owned) for one, owned in _claimed(self._caches.analysis_runs, rollout)),
            experiments=tuple(
                experiment_seen(one, owned=owned, created=created(one))
                for one, owned in _claimed(self._caches.experiments, rollout)
            ),
            pods=self._pods(rollout, owned),
            routing=routing,
            routing_error=routing_error,
            spec_fault="",
            left_out=parsed.left_out,
            instance_id=self._instance_id,
            workload=None if found is None else workload.workload(found, is_shared(self._caches.rollouts, obj)),
            answers=self._asking.probe.answers((namespace, rollout.metadata.name)),
            ask_interval=self._asking.interval,
            verifies_targets=self._asking.balancers,
        )

    def _replica_sets(self, rollout: Rollout) -> tuple[tuple[ReplicaSet, ...], tuple[ReplicaSet, ...]]:
        owned = tuple(replica_set(obj) for obj in self._caches.replica_sets.owned_by(rollout.metadata.uid))
        selector = rollout.spec.selector
        if selector is None or selector.empty:
            return owned, ()  # it would match everything: never adopt by it
        orphans = tuple(
            replica_set(obj)
            for obj in self._caches.replica_sets.by(ORPHANS, rollout.metadata.namespace)
            if "deletionTimestamp" not in obj["metadata"] and selector.matches(obj["metadata"].get("labels") or {})
        )
        return owned, orphans

    def _service(self, namespace: str, name: str) -> Service | None:
        obj = self._caches.services.get(namespace, name)
        return None if obj is None else service(obj)

    def _pods(self, rollout: Rollout, replica_sets: Iterable[ReplicaSet]) -> tuple[Pod, ...]:
        if not (pending(rollout) or _follows_metadata(rollout)):
            return ()
        return tuple(
            pod(obj, rs.name)
            for rs in replica_sets
            for obj in self._caches.pods.by(BY_HASH, f"{rollout.metadata.namespace}/{rs.hash}")
            if (controller_of(obj) or {}).get("name") == rs.name
        )


def _claimed(cache: Cache, rollout: Rollout) -> Iterator[tuple[Obj, bool]]:
    """The objects that a Rollout controls (True), and others whose name it might want."""
    uid, key = rollout.metadata.uid, f"{rollout.metadata.namespace}/{rollout.metadata.name}"
    yield from ((obj, True) for obj in cache.owned_by(uid))
    unlisted = (obj for obj in cache.unlisted.values() if key in named_after(obj))
    for obj in (*cache.by(NAMED_AFTER, key), *unlisted):
        if (controller_of(obj) or {}).get("uid") != uid:
            yield obj, False


def _follows_metadata(rollout: Rollout) -> bool:
    """Whether running pods have to follow the metadata of the part that they play."""
    canary, blue_green = rollout.spec.strategy.canary, rollout.spec.strategy.blue_green
    if blue_green is not None:
        return bool(blue_green.active_metadata or blue_green.preview_metadata)
    return canary is not None and bool(canary.canary_metadata or canary.stable_metadata)
