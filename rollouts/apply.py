"""From a Plan to API calls, in its order; the first refusal is the last attempt.

Every answer enters the caches at once, so the next pass reads what this one wrote. Nothing is decided here: an action
compares before it writes, and that is all.
"""

import asyncio
from collections.abc import Awaitable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import assert_never

from rollouts.api import labels
from rollouts.api.template import templates_equal
from rollouts.caches import Caches
from rollouts.decide import wording
from rollouts.decide.plan import (
    Action,
    Adopt,
    CreateReplicaSet,
    DeleteExperiment,
    DeleteReplicaSet,
    DeleteRun,
    Event,
    Evict,
    LabelPods,
    Plan,
    PointService,
    ScaleWorkload,
    SetWeight,
    StartExperiment,
    StartRun,
    StopExperiment,
    StopRun,
    UpdateReplicaSet,
    UpdateRollout,
)
from rollouts.decide.pods.injected import own_template
from rollouts.decide.world import World
from rollouts.kube.cache import Cache
from rollouts.kube.errors import AlreadyExists, ApiError, NotFound, Refused, TooManyRequests
from rollouts.kube.patch import merge_patch
from rollouts.kube.refs import (
    DEPLOYMENT,
    POD,
    REPLICA_SET,
    ROLLOUT,
    Obj,
    controller_of,
    owner_reference,
    uid_of,
)
from rollouts.kube.wire import Wire
from rollouts.observe import Observer, replica_set
from rollouts.traffic.base import Edit, RoutingError, TrafficSettings
from rollouts.traffic.registry import routers


@dataclass(slots=True)
class Outcome:
    """How far a plan got. `failed` and `error` belong together; `taken`: a name belongs to somebody else; `astray`: the
    routing objects did not say the split that was recorded. They do now, and what rests on that is left to later."""

    events: list[Event] = field(default_factory=list)
    failed: Action | None = None
    error: ApiError | None = None
    taken: bool = False
    astray: bool = False
    version: str = ""  # the Rollout's resourceVersion after what was written to it


class Applier:
    """Does what plans say, through one wire. `pods_at_once`: of one Rollout, how many are written at the same time."""

    def __init__(
        self, wire: Wire, caches: Caches, observer: Observer, traffic: TrafficSettings, pods_at_once: int = 10
    ) -> None:
        self._wire = wire
        self._caches = caches
        self._observer = observer
        self._traffic = traffic
        self._pods_at_once = max(1, pods_at_once)

    async def apply(self, rollout: Obj, world: World, plan: Plan) -> Outcome:
        """Carry out the actions of a plan about `rollout`, one after another."""
        outcome = Outcome(version=str(rollout["metadata"].get("resourceVersion", "")))
        for action in plan.actions:
            try:
                await self._do(rollout, world, action, outcome)
            except ApiError as error:
                outcome.failed, outcome.error = action, error
                outcome.taken = isinstance(action, CreateReplicaSet) and isinstance(error, AlreadyExists)
                break
            if outcome.astray:
                break
        return outcome

    def has_nothing_to_write(self, world: World, plan: Plan) -> bool:
        """Whether carrying out this plan would send no request: routing objects, if any, say its split already."""
        return all(isinstance(action, SetWeight) and self._is_routed(world, action) for action in plan.actions)

    def _is_routed(self, world: World, action: SetWeight) -> bool:
        try:
            return not any(
                tuple(router.edit(self._observer.routing_objects(router), action.split))
                for router in routers(world.rollout, self._traffic)
            )
        except RoutingError:
            return False

    async def _do(self, rollout: Obj, world: World, action: Action, outcome: Outcome) -> None:
        namespace = rollout["metadata"]["namespace"]
        match action:
            case CreateReplicaSet() | Adopt() | UpdateReplicaSet() | DeleteReplicaSet():
                await self._replica_set(rollout, world, action)
            case LabelPods():
                await self._label_pods(namespace, action)
            case Evict():
                await self._evict(namespace, action)
            case UpdateRollout():
                await self._update_rollout(rollout, action, outcome)
            case ScaleWorkload():
                await self._scale_workload(namespace, action)
            case PointService():
                await self._point(rollout, action, outcome)
            case SetWeight():
                await self._set_weight(world, action, outcome)
            case StartRun() | StartExperiment():
                await self._start(rollout, action)
            case StopRun(name=name) | StopExperiment(name=name):
                stopped = {"spec": {"terminate": True}}
                await self._patch(self._kept(action), namespace, name, stopped, gone_ok=True)
            case DeleteRun(name=name) | DeleteExperiment(name=name):
                await self._delete(self._kept(action), namespace, name)
            case _:
                assert_never(action)

    # ── ReplicaSets ──

    async def _replica_set(
        self, rollout: Obj, world: World, action: CreateReplicaSet | Adopt | UpdateReplicaSet | DeleteReplicaSet
    ) -> None:
        namespace, replica_sets = rollout["metadata"]["namespace"], self._caches.replica_sets
        match action:
            case CreateReplicaSet():
                await self._create_replica_set(rollout, world.rollout.spec.template, action)
            case Adopt(name=name):
                owners = {"metadata": {"ownerReferences": [owner_reference(ROLLOUT, rollout)]}}
                await self._patch(replica_sets, namespace, name, owners)
            case UpdateReplicaSet(name=name):
                await self._patch(replica_sets, namespace, name, replica_set_patch(action))
            case DeleteReplicaSet(name=name):
                await self._delete(replica_sets, namespace, name)

    async def _create_replica_set(self, rollout: Obj, template: Obj, action: CreateReplicaSet) -> None:
        manifest = _owned(action.manifest, rollout)
        namespace = rollout["metadata"]["namespace"]
        try:
            created = await self._wire.create(REPLICA_SET, namespace, manifest)
        except AlreadyExists:
            created = await self._wire.get(REPLICA_SET, namespace, action.name)
            ours = (controller_of(created) or {}).get("uid") == uid_of(rollout)
            found = own_template(replica_set(created))
            if not (ours and templates_equal(template, found)):
                raise
        self._caches.replica_sets.put(created)

    async def _label_pods(self, namespace: str, action: LabelPods) -> None:
        patch = {"metadata": {"labels": dict(action.labels), "annotations": dict(action.annotations)}}
        gate = asyncio.Semaphore(self._pods_at_once)

        async def label(name: str) -> None:
            async with gate:
                await self._patch(self._caches.pods, namespace, name, patch, gone_ok=True)

        await _all(label(name) for name in action.pods)

    async def _evict(self, namespace: str, action: Evict) -> None:
        for name in action.pods:
            eviction = {
                "apiVersion": "policy/v1",
                "kind": "Eviction",
                "metadata": {"name": name, "namespace": namespace},
            }
            with suppress(NotFound, TooManyRequests):
                await self._wire.create(POD, namespace, eviction, name=name, subresource="eviction")

    # ── the Rollout and its Services ──

    async def _update_rollout(self, rollout: Obj, action: UpdateRollout, outcome: Outcome) -> None:
        patch: Obj = {"metadata": {"resourceVersion": outcome.version}}
        if action.annotations:
            patch["metadata"]["annotations"] = dict(action.annotations)
        if action.replicas is not None:
            patch["spec"] = {"replicas": action.replicas}
        if action.template is not None:
            mended = merge_patch(rollout["spec"]["template"], action.template)
            patch["spec"] = {**patch.get("spec", {}), "template": mended}
        metadata = rollout["metadata"]
        written = await self._wire.patch(ROLLOUT, metadata["namespace"], metadata["name"], patch)
        self._caches.rollouts.put(written)
        outcome.version = str(written["metadata"]["resourceVersion"])

    async def _scale_workload(self, namespace: str, action: ScaleWorkload) -> None:
        patch = {"metadata": {"resourceVersion": action.version}, "spec": {"replicas": action.replicas}}
        await self._patch(self._caches.workloads[DEPLOYMENT], namespace, action.name, patch)

    async def _point(self, rollout: Obj, action: PointService, outcome: Outcome) -> None:
        metadata = rollout["metadata"]
        before = self._caches.services.get(metadata["namespace"], action.service) or {}
        old = ((before.get("spec") or {}).get("selector") or {}).get(labels.POD_TEMPLATE_HASH, "")
        patch = service_patch(metadata["name"], action.hash)
        await self._patch(self._caches.services, metadata["namespace"], action.service, patch)
        if old != action.hash:
            text = wording.switched_service(action.service, old, action.hash)
            outcome.events.append(Event("SwitchService", text))

    async def _set_weight(self, world: World, action: SetWeight, outcome: Outcome) -> None:
        for router in routers(world.rollout, self._traffic):
            found = self._observer.routing_objects(router)
            try:
                edits = tuple(router.edit(found, action.split))
            except RoutingError as error:
                outcome.events.append(Event(error.reason or "TrafficRoutingError", str(error), "Warning"))
                raise Refused(str(error)) from error
            for edit in edits:
                await self._edit(edit, found.get(edit.ref))
                outcome.events.append(edit.event)
                outcome.astray = action.recorded

    async def _edit(self, edit: Edit, before: Obj | None) -> None:
        cache, ref = self._caches.routing[edit.ref.resource], edit.ref
        if edit.want is None:
            await self._delete(cache, ref.namespace, ref.name)
        elif before is None:
            cache.put(await self._wire.create(ref.resource, ref.namespace, edit.want))
        else:
            patch = merge_patch(before, edit.want)
            version = before["metadata"].get("resourceVersion", "")
            patch["metadata"] = {**patch.get("metadata", {}), "resourceVersion": version}
            await self._patch(cache, ref.namespace, ref.name, patch)

    # ── AnalysisRuns and Experiments ──

    def _kept(self, action: Action) -> Cache:
        """Where the objects are that this action is about."""
        of_experiments = isinstance(action, StartExperiment | StopExperiment | DeleteExperiment)
        return self._caches.experiments if of_experiments else self._caches.analysis_runs

    async def _start(self, rollout: Obj, action: StartRun | StartExperiment) -> None:
        cache, namespace = self._kept(action), rollout["metadata"]["namespace"]
        try:
            created = await self._wire.create(cache.resource, namespace, _owned(action.manifest, rollout))
        except AlreadyExists:
            # The next pass sees who has the name, and takes it over or chooses another.
            found = await self._wire.get(cache.resource, namespace, action.name)
            if not cache.put(found) and cache.get(namespace, action.name) is None:
                cache.unlisted[namespace, action.name] = found
            raise
        cache.put(created)

    # ── single calls ──

    async def _patch(self, cache: Cache, namespace: str, name: str, patch: Obj, *, gone_ok: bool = False) -> None:
        try:
            cache.put(await self._wire.patch(cache.resource, namespace, name, patch))
        except NotFound:
            if not gone_ok:
                raise

    async def _delete(self, cache: Cache, namespace: str, name: str) -> None:
        known = cache.get(namespace, name)
        try:
            await self._wire.delete(
                cache.resource, namespace, name, propagation="Background", uid=uid_of(known) if known else ""
            )
        except NotFound:
            return


def _owned(manifest: Obj, rollout: Obj) -> Obj:
    where = {"namespace": rollout["metadata"]["namespace"], "ownerReferences": [owner_reference(ROLLOUT, rollout)]}
    return {**manifest, "metadata": {**manifest["metadata"], **where}}


def service_patch(rollout: str | None, hash: str | None) -> Obj:
    """The merge patch that lets a Service select this hash on behalf of this Rollout; None takes both back."""
    return {
        "metadata": {"annotations": {labels.MANAGED_BY_ROLLOUTS: rollout}},
        "spec": {"selector": {labels.POD_TEMPLATE_HASH: hash}},
    }


def replica_set_patch(action: UpdateReplicaSet) -> Obj:
    """The merge patch that makes this change."""
    spec: Obj = {}
    if action.replicas is not None:
        spec["replicas"] = action.replicas
    if action.min_ready_seconds is not None:
        spec["minReadySeconds"] = action.min_ready_seconds
    metadata: Obj = {}
    if action.template_labels:
        metadata["labels"] = dict(action.template_labels)
    if action.template_annotations:
        metadata["annotations"] = dict(action.template_annotations)
    if metadata:
        spec["template"] = {"metadata": metadata}
    patch: Obj = {"spec": spec} if spec else {}
    if action.annotations:
        patch["metadata"] = {"annotations": dict(action.annotations)}
    return patch


async def _all(calls: Iterable[Awaitable[None]]) -> None:
    """Wait for all; then raise the first ApiError, if any."""
    results = await asyncio.gather(*calls, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
