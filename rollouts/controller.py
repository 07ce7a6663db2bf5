"""One pass over a Rollout: observe, decide, apply, record, and when to look again."""

from collections.abc import Awaitable, Callable, Set
from dataclasses import dataclass, replace
from datetime import datetime

import structlog

from analysis.schema import Obj
from rollouts.api.status import RolloutAnalysisRunStatus, RolloutStatus, status_wire
from rollouts.apply import Applier, Outcome
from rollouts.decide import decide, wording
from rollouts.decide.deeds import told
from rollouts.decide.plan import Event, Plan
from rollouts.decide.reported.duration import endings
from rollouts.decide.reported.record import failed, refused
from rollouts.decide.world import World
from rollouts.kube.cache import Key, lean
from rollouts.kube.errors import ApiError, Conflict, Invalid, Refused
from rollouts.kube.events import ENDS, Recorder
from rollouts.kube.patch import apply_merge, merge_patch
from rollouts.kube.refs import ROLLOUT, state_of
from rollouts.kube.wire import Wire
from rollouts.observe import Observer
from rollouts.observe.caches import Caches
from rollouts.passes import HOLD, Held, Pulse, next_look

log = structlog.get_logger(__name__)

HOLD_FOR_VERDICT = 2.0
"""Seconds for which it is no news that an AnalysisRun has begun to measure: a short one may end meanwhile."""

ANNOUNCED_IN = 0.5
"""Seconds for which the status of an update's end waits at the longest until its Events are posted."""

_COUNTS = ("replicas", "updated_replicas", "ready_replicas", "available_replicas", "hpa_replicas", "message")

_RUNS = ("current_step_analysis_run_status", "current_background_analysis_run_status")

WRITTEN_BY_PEOPLE = frozenset({"abort", "promoteFull", "pauseConditions", "controllerPause", "currentStepIndex"})
"""Status fields that clients write too: a patch of ours that touches one is conditional on the version we saw."""


async def _at_once(rollout: Obj) -> None:
    """Nothing has to be waited for."""


@dataclass(frozen=True, slots=True)
class Ties:
    """What ties a controller to those around it. `prepare` waits until everything that a Rollout names can be observed;
    `foreseen` is told of each pass, with the states that it wrote, which knows that they call for no other pass."""

    prepare: Callable[[Obj], Awaitable[None]] = _at_once
    foreseen: Callable[[Key, Set[str]], None] = lambda key, wrote: None
    pulse: Pulse | None = None


class RolloutController:
    """Looks after Rollouts. `clock` gives the time that decisions see."""

    def __init__(
        self,
        wire: Wire,
        caches: Caches,
        observer: Observer,
        applier: Applier,
        recorder: Recorder,
        clock: Callable[[], datetime],
        ties: Ties,
    ) -> None:
        self._wire = wire
        self._caches = caches
        self._observer = observer
        self._applier = applier
        self._recorder = recorder
        self._clock = clock
        self._ties = ties
        self._held = Held()

    def forget(self, key: Key) -> None:
        """The Rollout is gone."""
        self._observer.forget(key)
        self._held.forget(key)

    async def look(self, key: Key, obj: Obj) -> float | None:
        """One pass: observe, decide, apply, record. See `rollouts.passes.Kind`."""
        try:
            await self._ties.prepare(obj)
        except ApiError as error:  # such as a right that is missing: nobody would find it in the log alone
            self._recorder.record_all(obj, (failed(error.message),))
            raise
        now = self._clock()
        world = self._observer.world(obj)
        plan = self._decide(world, now)
        if plan.invalid and self._ties.pulse is not None:
            self._ties.pulse.refused(ROLLOUT.kind, *key)
        outcome = await self._applier.apply(obj, world, plan)
        if outcome.astray:
            self._recorder.record_all(obj, outcome.events)
            self._log(key, plan, world.rollout.status, outcome)
            return 0.0
        last = plan
        if plan.changes and not outcome.error:
            last = self._following(key, plan, outcome, now)
        status, events = self._recorded(world, last, outcome, now)
        hold = 0.0 if plan.changes or outcome.error else _patience(world.rollout.status, status)
        held = self._held.left(key, hold)
        announced = await self._announce(obj, (*outcome.events, *events))
        if not held:
            await self._store(key, world, status, outcome)
        if not announced:
            self._recorder.record_all(obj, (*outcome.events, *(() if held else events)))
        self._log(key, plan, status, outcome)
        self._observer.ask(key, obj, last.asks)
        if outcome.error is not None:
            raise outcome.error
        if last.settled:
            self._ties.foreseen(key, outcome.wrote)
        return next_look(last.wake_at, self._clock(), held)

    def _following(self, key: Key, plan: Plan, outcome: Outcome, now: datetime) -> Plan:
        """What the passes after this plan would come to if they write nothing but status: one write for all.

        They are decided on what the caches hold now, which is what this plan wrote. A pass that acts is left to its
        own time, when the status on which it rests is stored.
        """
        obj = self._caches.rollouts.get(*key)
        if obj is None or obj["metadata"].get("resourceVersion", "") != outcome.version:
            return plan  # somebody else wrote: look at that first
        world = self._observer.world(obj).with_status(plan.status)
        following = self._decide(world, now)
        if following.invalid or not self._applier.has_nothing_to_write(world, following):
            return plan
        return replace(following, events=(*plan.events, *following.events))

    def _decide(self, world: World, now: datetime) -> Plan:
        try:
            return decide(world, now)
        except Exception:
            # A bug of ours. The world is plain data: with it anybody can replay the decision.
            log.error("decision failed", world=repr(world), now=now.isoformat())
            raise

    def _recorded(
        self, world: World, plan: Plan, outcome: Outcome, now: datetime
    ) -> tuple[RolloutStatus, tuple[Event, ...]]:
        if outcome.failed is None or outcome.error is None:
            return plan.status, plan.events
        if isinstance(outcome.error, Conflict):
            return world.rollout.status, ()  # somebody wrote at the same time: nothing is wrong, look again
        moment = now.replace(microsecond=0)
        return refused(world, outcome.failed, outcome.error.message, taken=outcome.taken, now=moment)

    async def _store(self, key: Key, world: World, status: RolloutStatus, outcome: Outcome) -> None:
        """Write the status if it says anything new."""
        before = world.rollout.status
        patch: Obj = {"status": {} if status == before else merge_patch(status_wire(before), status_wire(status))}
        if not patch["status"]:
            return
        if WRITTEN_BY_PEOPLE & patch["status"].keys():
            patch["metadata"] = {"resourceVersion": outcome.version}
        seen = self._caches.rollouts.get(*key)
        try:
            written = await self._wire.patch(ROLLOUT, *key, patch, subresource="status")
        except (Invalid, Refused) as error:
            if seen is not None:  # the status cannot say it itself
                self._recorder.record_all(seen, (failed(f"the status cannot be written: {error.message}"),))
            raise
        if seen is not None and _is_only_ours(seen, written, patch["status"]):
            outcome.wrote.add(state_of(written))
        self._caches.rollouts.put(written)
        for ending in endings(before, status):
            if self._ties.pulse is not None:
                self._ties.pulse.update_ended(*ending)

    async def _announce(self, obj: Obj, events: tuple[Event, ...]) -> bool:
        """Tell an end of an update before it is recorded, so that who waits for its status finds its Events; whether it
        was one. If the status cannot be written then, it is told twice."""
        if not any(event.reason in ENDS for event in events):
            return False
        self._recorder.record_all(obj, events)
        await self._recorder.settled(obj, within=ANNOUNCED_IN)
        return True

    def _log(self, key: Key, plan: Plan, status: RolloutStatus, outcome: Outcome) -> None:
        said = log.bind(namespace=key[0], rollout=key[1], phase=status.phase, step=status.current_step_index)
        for action in plan.changes:
            said.info("action", action=type(action).__name__, refused=action is outcome.failed, what=told(action))
        waits = [wait.because for wait in plan.waits]
        said.debug("reconciled", actions=len(plan.changes), waits=waits[:1], until=str(plan.wake_at or ""))


def _is_only_ours(seen: Obj, written: Obj, patch: Obj) -> bool:
    """Whether a Rollout as the API server has it now is the one that was seen, but for this patch of its status. What
    somebody else wrote in between came with the same answer, and no watch will tell of it again."""
    told = {**written, "status": {}, "metadata": {**lean(written)["metadata"], "resourceVersion": ""}}
    known = {**seen, "status": {}, "metadata": {**seen["metadata"], "resourceVersion": ""}}
    return told == known and written.get("status") == apply_merge(seen.get("status") or {}, patch)


def _patience(before: RolloutStatus, status: RolloutStatus) -> float:
    """For how many seconds a status may be held back, because a fuller one is likely to come soon."""
    if status == before or not _only_counts(before, status):
        return 0.0
    return HOLD if _runs(before) == _runs(status) else HOLD_FOR_VERDICT


def _only_counts(before: RolloutStatus, status: RolloutStatus) -> bool:
    """Whether two statuses tell a person the same, apart from numbers of pods and from runs that have begun."""
    alike = {name: getattr(before, name) for name in (*_COUNTS, "conditions")}
    if _begun(before, status):
        runs = {name: getattr(before.canary, name) for name in _RUNS}
        alike["canary"] = status.canary.model_copy(update=runs)
    return status.model_copy(update=alike) == before and _meaning(before) == _meaning(status)


def _runs(status: RolloutStatus) -> tuple[RolloutAnalysisRunStatus | None, ...]:
    return tuple(getattr(status.canary, name) for name in _RUNS)


def _begun(before: RolloutStatus, status: RolloutStatus) -> bool:
    """Whether the AnalysisRuns are the same, and differ at most in that they run now."""
    return all(
        was == now or (was is not None and now is not None and was.name == now.name and now.status == "Running")
        for was, now in zip(_runs(before), _runs(status), strict=True)
    )


def _meaning(status: RolloutStatus) -> set[tuple[str, str, str]]:
    """Type, status and reason of each condition that is more than a matter of numbers. That a new ReplicaSet, once
    created, makes progress is no news either."""
    return {
        (c.type, c.status, wording.REPLICA_SET_UPDATED if c.reason == wording.NEW_REPLICA_SET_CREATED else c.reason)
        for c in status.conditions
        if c.type != wording.AVAILABLE
    }
