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
from rollouts.decide import wording
from rollouts.decide.injected import covered, own_template, remembered
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
    state_of,
    uid_of,
)
from rollouts.kube.wire import Wire
from rollouts.observe.caches import Caches
from rollouts.observe.objects import replica_set
from rollouts.observe.routing import Routing
from rollouts.traffic.base import Edit, RoutingError


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
    wrote: set[str] = field(default_factory=set)  # all that was written, as `kube.refs.state_of` names it


class Applier:
    """Does what plans say, through one wire. `pods_at_once`: of one Rollout, how many are written at the same time."""

    def __init__(self, wire: Wire, caches: Caches, routing: Routing, pods_at_once: int = 10) -> None:
        self._wire = wire
        self._caches = caches
        self._routing = routing
        self._pods_at_once = max(1, pods_at_once)

    async def apply(self, rollout: Obj, world: World, plan: Plan) -> Outcome:
        """Carry out the actions of a plan about `rollout`, one after another."""
        outcome = Outcome(version=str(rollout["metadata"].get("resourceVersion", "")))
        ways = (self._wire, self._caches, self._routing, self._pods_at_once)
        deeds = _Deeds(*ways, rollout, world, outcome)
        for action in plan.actions:
            try:
                await deeds.do(action)
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
                tuple(router.edit(self._routing.objects(router), action.split))
                for router in self._routing.routers(world.rollout)
            )
        except RoutingError:
            return False


@dataclass(frozen=True, slots=True)
class _Deeds:
    """The actions of one plan; what comes of them is noted in `outcome`."""

    wire: Wire
    caches: Caches
    routing: Routing
    pods_at_once: int
    rollout: Obj
    world: World
    outcome: Outcome

    @property
    def namespace(self) -> str:
        return str(self.rollout["metadata"]["namespace"])

    async def do(self, action: Action) -> None:
        """Carry out one action. Raises ApiError when it is refused."""
        match action:
            case CreateReplicaSet() | Adopt() | UpdateReplicaSet() | DeleteReplicaSet():
                await self._replica_set(action)
            case LabelPods():
                await self._label_pods(action)
            case Evict():
                await self._evict(action)
            case UpdateRollout():
                await self._update_rollout(action)
            case ScaleWorkload():
                patch = {"metadata": {"resourceVersion": action.version}, "spec": {"replicas": action.replicas}}
                await self._patch(self.caches.workloads[DEPLOYMENT], action.name, patch)
            case PointService():
                await self._point(action)
            case SetWeight():
                await self._set_weight(action)
            case StartRun() | StartExperiment():
                await self._start(action)
            case StopRun(name=name) | StopExperiment(name=name):
                await self._patch(self._kept(action), name, {"spec": {"terminate": True}}, gone_ok=True)
            case DeleteRun(name=name) | DeleteExperiment(name=name):
                await self._delete(self._kept(action), self.namespace, name)
            case _:
                assert_never(action)

    # ── ReplicaSets and their pods ──

    async def _replica_set(self, action: CreateReplicaSet | Adopt | UpdateReplicaSet | DeleteReplicaSet) -> None:
        match action:
            case CreateReplicaSet():
                await self._create_replica_set(action)
            case Adopt(name=name):
                owners = {"metadata": {"ownerReferences": [owner_reference(ROLLOUT, self.rollout)]}}
                await self._patch(self.caches.replica_sets, name, owners)
            case UpdateReplicaSet(name=name):
                await self._patch(self.caches.replica_sets, name, replica_set_patch(action))
            case DeleteReplicaSet(name=name):
                await self._delete(self.caches.replica_sets, self.namespace, name)

    async def _create_replica_set(self, action: CreateReplicaSet) -> None:
        manifest = _owned(action.manifest, self.rollout)
        try:
            created = await self.wire.create(REPLICA_SET, self.namespace, manifest)
        except AlreadyExists:
            created = await self.wire.get(REPLICA_SET, self.namespace, action.name)
            ours = (controller_of(created) or {}).get("uid") == uid_of(self.rollout)
            found = replica_set(created)
            template = covered(self.world.rollout.spec.template, remembered(found))
            if not (ours and templates_equal(template, own_template(found))):
                raise
        self._put(self.caches.replica_sets, created)

    async def _label_pods(self, action: LabelPods) -> None:
        patch = {"metadata": {"labels": dict(action.labels), "annotations": dict(action.annotations)}}
        gate = asyncio.Semaphore(self.pods_at_once)

        async def label(name: str) -> None:
            async with gate:
                await self._patch(self.caches.pods, name, patch, gone_ok=True)

        await _all(label(name) for name in action.pods)

    async def _evict(self, action: Evict) -> None:
        for name in action.pods:
            metadata = {"name": name, "namespace": self.namespace}
            eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata}
            try:
                await self.wire.create(POD, self.namespace, eviction, name=name, subresource="eviction")
            except NotFound:
                continue  # it is gone already
            except TooManyRequests as error:  # a PodDisruptionBudget: it is tried again, and may be for ever
                told = f"Pod {name} could not be evicted for the restart: {error.message}"
                self.outcome.events.append(Event("EvictionRefused", told, "Warning"))

    # ── the Rollout, its Services and its routing objects ──

    async def _update_rollout(self, action: UpdateRollout) -> None:
        patch: Obj = {"metadata": {"resourceVersion": self.outcome.version}}
        if action.annotations:
            patch["metadata"]["annotations"] = dict(action.annotations)
        if action.replicas is not None:
            patch["spec"] = {"replicas": action.replicas}
        if action.template is not None:
            mended = merge_patch(self.rollout["spec"]["template"], action.template)
            patch["spec"] = {**patch.get("spec", {}), "template": mended}
        written = await self.wire.patch(ROLLOUT, self.namespace, self.rollout["metadata"]["name"], patch)
        self._put(self.caches.rollouts, written)
        self.outcome.version = str(written["metadata"]["resourceVersion"])

    async def _point(self, action: PointService) -> None:
        before = self.caches.services.get(self.namespace, action.service) or {}
        old = ((before.get("spec") or {}).get("selector") or {}).get(labels.POD_TEMPLATE_HASH, "")
        patch = service_patch(self.rollout["metadata"]["name"], action.hash)
        await self._patch(self.caches.services, action.service, patch)
        if old != action.hash:
            text = wording.switched_service(action.service, old, action.hash)
            self.outcome.events.append(Event("SwitchService", text))

    async def _set_weight(self, action: SetWeight) -> None:
        for router in self.routing.routers(self.world.rollout):
            found = self.routing.objects(router)
            try:
                edits = tuple(router.edit(found, action.split))
            except RoutingError as error:
                self.outcome.events.append(Event(error.reason or "TrafficRoutingError", str(error), "Warning"))
                raise Refused(str(error)) from error
            for edit in edits:
                await self._edit(edit, found.get(edit.ref))
                self.outcome.events.append(edit.event)
                self.outcome.astray = action.recorded

    async def _edit(self, edit: Edit, before: Obj | None) -> None:
        cache, ref = self.caches.routing[edit.ref.resource], edit.ref
        if edit.want is None:
            await self._delete(cache, ref.namespace, ref.name)
        elif before is None:
            self._put(cache, await self.wire.create(ref.resource, ref.namespace, edit.want))
        else:
            patch = merge_patch(before, edit.want)
            version = before["metadata"].get("resourceVersion", "")
            patch["metadata"] = {**patch.get("metadata", {}), "resourceVersion": version}
            self._put(cache, await self.wire.patch(ref.resource, ref.namespace, ref.name, patch))

    # ── AnalysisRuns and Experiments ──

    def _kept(self, action: Action) -> Cache:
        """Where the objects are that this action is about."""
        of_experiments = isinstance(action, StartExperiment | StopExperiment | DeleteExperiment)
        return self.caches.experiments if of_experiments else self.caches.analysis_runs

    async def _start(self, action: StartRun | StartExperiment) -> None:
        cache = self._kept(action)
        try:
            created = await self.wire.create(cache.resource, self.namespace, _owned(action.manifest, self.rollout))
        except AlreadyExists:
            # The next pass sees who has the name, and takes it over or chooses another.
            found = await self.wire.get(cache.resource, self.namespace, action.name)
            if not cache.put(found) and cache.get(self.namespace, action.name) is None:
                cache.unlisted[self.namespace, action.name] = found
            raise
        self._put(cache, created)

    # ── single calls ──

    def _put(self, cache: Cache, written: Obj) -> None:
        """What we wrote is known at once, and known to be ours."""
        self.outcome.wrote.add(state_of(written))
        cache.put(written)

    async def _patch(self, cache: Cache, name: str, patch: Obj, *, gone_ok: bool = False) -> None:
        try:
            self._put(cache, await self.wire.patch(cache.resource, self.namespace, name, patch))
        except NotFound:
            if not gone_ok:
                raise

    async def _delete(self, cache: Cache, namespace: str, name: str) -> None:
        known = cache.get(namespace, name)
        uid = uid_of(known) if known else ""
        with suppress(NotFound):
            await self.wire.delete(cache.resource, namespace, name, propagation="Background", uid=uid)


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
    template: Obj = {"metadata": metadata} if metadata else {}
    if action.template_anti_affinity:
        template["spec"] = {"affinity": {"podAntiAffinity": dict(action.template_anti_affinity)}}
    if template:
        spec["template"] = template
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
