"""One pass over an Experiment: observe, decide, apply, record, and when to look again."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import structlog

from analysis.schema import Obj
from rollouts.api import labels
from rollouts.api.experiment import ExperimentStatus
from rollouts.decide.plan import Event, UpdateReplicaSet
from rollouts.decide.reported.record import failed
from rollouts.experiment.apply import Applier, NotDone, RefusedForGood
from rollouts.experiment.decide import decide
from rollouts.experiment.observe import Observer
from rollouts.experiment.plan import Plan, StartRun
from rollouts.experiment.status import analysis_events, events
from rollouts.experiment.world import TemplateKey, World
from rollouts.kube.cache import Cache, Key
from rollouts.kube.errors import Conflict, NotFound, Refused
from rollouts.kube.events import Recorder
from rollouts.kube.patch import merge_patch
from rollouts.kube.refs import ANALYSIS_TEMPLATE, CLUSTER_ANALYSIS_TEMPLATE, EXPERIMENT
from rollouts.kube.wire import Wire
from rollouts.observe.caches import Caches
from rollouts.passes import HOLD, Held, next_look

log = structlog.get_logger(__name__)


class ExperimentController:
    """Looks after Experiments. `instance_id`: whose AnalysisTemplates count."""

    def __init__(
        self,
        wire: Wire,
        caches: Caches,
        observer: Observer,
        recorder: Recorder,
        clock: Callable[[], datetime],
        instance_id: str = "",
    ) -> None:
        self._wire = wire
        self._caches = caches
        self._observer = observer
        self._applier = Applier(wire, caches)
        self._recorder = recorder
        self._clock = clock
        self._instance_id = instance_id
        self._held = Held()

    def forget(self, key: Key) -> None:
        """The Experiment is gone."""
        self._observer.forget(key)
        self._held.forget(key)

    async def look(self, key: Key, obj: Obj) -> float | None:
        """One pass: observe, decide, apply, record. See `rollouts.passes.Kind`."""
        world, now = await self._world(obj), self._clock()
        plan = decide(world, now)
        try:
            await self._applier.apply(obj, plan)
        except RefusedForGood as refusal:
            log.warning("refused", namespace=key[0], experiment=key[1], what=str(refusal))
            plan = _refused(world, refusal, now)
        except NotDone as fault:
            self._recorder.record_all(obj, not_done(world, fault))
            raise fault.error from None
        held = self._held.left(key, 0.0 if plan.actions else _patience(world.experiment.status, plan.status))
        if not held:
            await self._store(key, obj, world, plan.status)
        self._speak(obj, world, plan)
        log.debug("reconciled", namespace=key[0], experiment=key[1], phase=plan.status.phase, actions=len(plan.actions))
        return next_look(plan.wake_at, self._clock(), held)

    async def _world(self, obj: Obj) -> World:
        """The world; a template that nobody has heard of is asked for, since without it the Experiment ends."""
        world = self._observer.world(obj)
        missing = [key for key, template in world.templates.items() if template is None]
        found = [await self._exists(obj["metadata"]["namespace"], key) for key in missing]
        return self._observer.world(obj) if any(found) else world

    async def _exists(self, namespace: str, key: TemplateKey) -> bool:
        cluster, name = key
        resource = CLUSTER_ANALYSIS_TEMPLATE if cluster else ANALYSIS_TEMPLATE
        cache: Cache = self._caches.cluster_analysis_templates if cluster else self._caches.analysis_templates
        try:
            template = await self._wire.get(resource, "" if cluster else namespace, name)
        except (NotFound, Refused):
            return False
        given = (template["metadata"].get("labels") or {}).get(labels.INSTANCE_ID, "")
        return given == self._instance_id and cache.put(template)

    async def _store(self, key: Key, obj: Obj, world: World, status: ExperimentStatus) -> None:
        before = world.experiment.status
        if status == before:
            return
        patch = merge_patch(before.wire(), status.wire())
        if not patch:
            return
        # On the version that was seen: a retry takes the whole status away, and nothing of it may come back.
        version = {"resourceVersion": obj["metadata"].get("resourceVersion", "")}
        # No status subresource: upstream's CRD has none, and its clients write there too.
        written = await self._wire.patch(EXPERIMENT, *key, {"metadata": version, "status": patch})
        self._caches.experiments.put(written)
        if status.phase != before.phase:
            log.info("experiment", namespace=key[0], experiment=key[1], phase=status.phase, message=status.message)

    def _speak(self, obj: Obj, world: World, plan: Plan) -> None:
        self._recorder.record_all(obj, plan.events)
        rollout = self._observer.rollout_of(obj)
        if rollout is not None:
            self._recorder.record_all(rollout, analysis_events(world.experiment.status, plan.status))


def _patience(before: ExperimentStatus, after: ExperimentStatus) -> float:
    """For how many seconds a status may be held back, because a fuller one is likely to come soon."""
    return HOLD if _only_counts(before, after) else 0.0


def _only_counts(before: ExperimentStatus, after: ExperimentStatus) -> bool:
    """Whether two statuses differ, and in nothing but numbers of pods."""
    counts = ("replicas", "updated_replicas", "ready_replicas", "available_replicas")
    zero = dict.fromkeys(counts, 0)
    bare = tuple(one.model_copy(update=zero) for one in before.template_statuses)
    same = tuple(one.model_copy(update=zero) for one in after.template_statuses)
    return before != after and before.model_copy(update={"template_statuses": bare}) == after.model_copy(
        update={"template_statuses": same}
    )


def _refused(world: World, refusal: RefusedForGood, now: datetime) -> Plan:
    """What stands once something could not be created: the version or the analysis that wanted it ends in Error."""
    action, text = refusal.action, str(refusal)
    if isinstance(action, StartRun):
        world = replace(world, refused_analyses={action.analysis: text})
    else:
        world = replace(world, refused_templates={action.template: text})
    status = decide(world, now).status
    return Plan((), status, tuple(events(world.experiment.status, status)))


def not_done(world: World, fault: NotDone) -> tuple[Event, ...]:
    """What people are told of an action that came to nothing; of writes that met another one, nothing."""
    action, error = fault.action, fault.error
    if isinstance(error, Conflict):
        return ()
    if not isinstance(action, UpdateReplicaSet) or action.replicas is None:
        return (failed(error.message),)
    before = next(rs.replicas for rs in world.replica_sets if rs.name == action.name)
    way = "up" if action.replicas > before else "down"
    return (Event("ReplicaSetUpdateError", f"Failed to scale {action.name} {way}: {error.message}", "Warning"),)
