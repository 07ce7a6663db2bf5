"""From a Plan about an Experiment to API calls, in its order; the first refusal is the last attempt."""

from analysis.schema import Obj
from rollouts.api import labels
from rollouts.api.template import templates_equal
from rollouts.apply import replica_set_patch
from rollouts.decide.plan import StopRun, UpdateReplicaSet
from rollouts.experiment.plan import Action, CreateReplicaSet, CreateService, DeleteService, Plan, StartRun
from rollouts.kube.cache import Cache
from rollouts.kube.errors import AlreadyExists, ApiError, Conflict, Invalid, NotFound, Refused
from rollouts.kube.refs import (
    ANALYSIS_RUN,
    EXPERIMENT,
    REPLICA_SET,
    SERVICE,
    Resource,
    controller_of,
    name_of,
    namespace_of,
    owner_reference,
    uid_of,
)
from rollouts.kube.wire import Wire
from rollouts.observe.caches import Caches

_UNAUTHORIZED = 401

Creation = CreateReplicaSet | CreateService | StartRun


class RefusedForGood(Exception):
    """What an Experiment wants to create cannot be. The text is for the user."""

    def __init__(self, action: Creation, text: str) -> None:
        super().__init__(text)
        self.action = action


class NotDone(Exception):
    """An action came to nothing this time, for the ApiError that caused this; it is tried again."""

    def __init__(self, action: Action, error: ApiError) -> None:
        super().__init__(error.message)
        self.action, self.error = action, error


class Applier:
    """Does what plans say, through one wire. Every answer enters the caches at once."""

    def __init__(self, wire: Wire, caches: Caches) -> None:
        self._wire = wire
        self._caches = caches

    async def apply(self, experiment: Obj, plan: Plan) -> None:
        """Carry out the actions of a plan. RefusedForGood when one is not possible, NotDone when it is not now."""
        for action in plan.actions:
            try:
                await self._do(experiment, action)
            except ApiError as error:
                known = isinstance(error, Refused | Invalid) and error.code != _UNAUTHORIZED
                if known and isinstance(action, Creation):
                    raise RefusedForGood(action, error.message) from error
                raise NotDone(action, error) from error

    async def _do(self, experiment: Obj, action: Action) -> None:
        namespace, caches = namespace_of(experiment), self._caches
        match action:
            case CreateReplicaSet():
                await self._create_replica_set(experiment, action)
            case CreateService(manifest=manifest):
                # Whoever has the name already will be heard of.
                caches.services.put(await self._wire.create(SERVICE, namespace, owned(manifest, experiment)))
            case StartRun(manifest=manifest):
                await self._start_run(experiment, manifest)
            case UpdateReplicaSet(name=name):
                patch = replica_set_patch(action)
                caches.replica_sets.put(await self._wire.patch(REPLICA_SET, namespace, name, patch))
            case DeleteService(name=name):
                await self._delete(SERVICE, caches.services, namespace, name)
            case StopRun(name=name):
                await self._stop(namespace, name)

    async def _start_run(self, experiment: Obj, manifest: Obj) -> None:
        namespace, cache = namespace_of(experiment), self._caches.analysis_runs
        try:
            cache.put(await self._wire.create(ANALYSIS_RUN, namespace, owned(manifest, experiment)))
        except AlreadyExists:
            # The next pass sees who has the name, and chooses another.
            cache.put(await self._wire.get(ANALYSIS_RUN, namespace, name_of(manifest)))
            raise

    async def _create_replica_set(self, experiment: Obj, action: CreateReplicaSet) -> None:
        namespace, cache = namespace_of(experiment), self._caches.replica_sets
        try:
            cache.put(await self._wire.create(REPLICA_SET, namespace, owned(action.manifest, experiment)))
        except AlreadyExists as error:
            found = await self._wire.get(REPLICA_SET, namespace, action.name)
            owner = controller_of(found)
            if _leaves(found, experiment):
                raise Conflict(f'ReplicaSet "{action.name}" of an earlier Experiment is being deleted') from error
            if not _equal(found, action) or (owner is not None and owner.get("uid") != uid_of(experiment)):
                text = f'ReplicaSet "{action.name}" exists and is not this Experiment\'s; delete or rename one of them'
                raise RefusedForGood(action, text) from error
            if owner is None:
                adopt = {"metadata": {"ownerReferences": [owner_reference(EXPERIMENT, experiment)]}}
                found = await self._wire.patch(REPLICA_SET, namespace, action.name, adopt)
            cache.put(found)

    async def _stop(self, namespace: str, name: str) -> None:
        cache = self._caches.analysis_runs
        try:
            cache.put(await self._wire.patch(ANALYSIS_RUN, namespace, name, {"spec": {"terminate": True}}))
        except NotFound:
            return

    async def _delete(self, resource: Resource, cache: Cache, namespace: str, name: str) -> None:
        known = cache.get(namespace, name)
        try:
            await self._wire.delete(resource, namespace, name, uid=uid_of(known) if known else "")
        except NotFound:
            return


def owned(manifest: Obj, experiment: Obj) -> Obj:
    """A manifest as this Experiment creates it: in its namespace, and under its control."""
    where = {"namespace": namespace_of(experiment), "ownerReferences": [owner_reference(EXPERIMENT, experiment)]}
    return {**manifest, "metadata": {**manifest["metadata"], **where}}


def _leaves(found: Obj, experiment: Obj) -> bool:
    """It is on its way out already, or its owner was an Experiment of this name that is gone."""
    owner = controller_of(found) or {}
    earlier = owner.get("kind") == EXPERIMENT.kind and owner.get("name") == name_of(experiment)
    return "deletionTimestamp" in found["metadata"] or (earlier and owner.get("uid") != uid_of(experiment))


def _equal(found: Obj, action: CreateReplicaSet) -> bool:
    """Whether it was made for the same version, with the same pods."""
    wanted = action.manifest["metadata"]["annotations"]
    notes = found["metadata"].get("annotations") or {}
    keys = (labels.EXPERIMENT_NAME, labels.EXPERIMENT_TEMPLATE_NAME)
    named = all(notes.get(key) == wanted[key] for key in keys)
    return named and templates_equal(action.manifest["spec"]["template"], found["spec"]["template"])
