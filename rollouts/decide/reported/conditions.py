"""Pure. The conditions of a Rollout: what clients wait for and alert on.

Two habits of upstream are kept because clients rely on them: a condition that is written moves to the end of the
list, and one whose status and reason stay is left alone. Two are not: while paused, a change of pods does not
overwrite the paused reason for one write, and a changed spec does not flip Healthy for one write.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from rollouts.api import defaults
from rollouts.api.status import BlueGreenStatus, RolloutCondition, RolloutStatus
from rollouts.decide import wording
from rollouts.decide.analyses.slots import entry
from rollouts.decide.context import Context, scale_down_deadline
from rollouts.decide.facts import Aborting, Said
from rollouts.decide.plan import CreateReplicaSet, Event, UpdateRollout, Wait
from rollouts.decide.traffic import proof


class Conditions:
    """A list of conditions under change, at one moment."""

    def __init__(self, found: Iterable[RolloutCondition], now: datetime) -> None:
        self._all = list(found)
        self._now = now

    def get(self, type: str) -> RolloutCondition | None:
        return next((condition for condition in self._all if condition.type == type), None)

    def put(self, type: str, status: str, reason: str, message: str, *, refresh: bool = False) -> bool:
        """Set a condition; True when status or reason changed. `refresh` writes it even when neither did."""
        old = self.get(type)
        same = old is not None and (old.status, old.reason) == (status, reason)
        if same and not refresh:
            return False
        turned = old.last_transition_time if old is not None and old.status == status else self._now
        self.drop(type)
        self._all.append(
            RolloutCondition(
                type=type,
                status=status,
                reason=reason,
                message=message,
                last_update_time=self._now,
                last_transition_time=turned,
            )
        )
        return not same

    def drop(self, type: str) -> None:
        self._all = [condition for condition in self._all if condition.type != type]

    def done(self) -> tuple[RolloutCondition, ...]:
        return tuple(self._all)


def conditions(
    ctx: Context, status: RolloutStatus, said: Iterable[Said]
) -> tuple[tuple[RolloutCondition, ...], list[Event]]:
    """The conditions that go with `status`, which is complete but for them."""
    current = Conditions(ctx.stored.conditions, ctx.now)
    events: list[Event] = []
    said = tuple(said)
    paused = bool(status.pause_conditions) or ctx.spec.paused
    healthy = not paused and is_healthy(ctx, status)
    current.drop(wording.INVALID_SPEC)
    became_unhealthy = _health(current, healthy)
    events += _completion(ctx, current, status)
    aborted = bool(status.abort)
    if aborted:
        events += _aborted(ctx, current, said)
    created = next((item for item in said if isinstance(item, CreateReplicaSet)), None)
    if created is not None and created.replicas:
        _progressing(current, wording.NEW_REPLICA_SET_CREATED, wording.replica_set_created(created.name))
    elif created is not None:  # for as long as no pod changes nothing would say that it goes on
        _progressing(current, wording.REPLICA_SET_UPDATED, wording.replica_set_progressing(created.name))
    elif not aborted and not (paused and not is_completed(status)):
        _progress(ctx, current, status, healthy=healthy, became_unhealthy=became_unhealthy)
    _pause(ctx, current, status, paused=paused)
    enough = status.available_replicas >= ctx.replicas and (ctx.blue_green is None or _is_active(ctx, status))
    message = wording.HAS_AVAILABILITY if enough else wording.LACKS_AVAILABILITY
    current.put(wording.AVAILABLE, str(enough), wording.AVAILABLE_REASON, message)
    _replica_failure(ctx, current)
    events += _left_out(ctx, current, said)
    return current.done(), events


def is_healthy(ctx: Context, status: RolloutStatus) -> bool:
    """All pods are of the stable, current template, and available. Blue-green: users are on those that are."""
    size = ctx.replicas
    if not status.updated_replicas == status.available_replicas == size:
        return False
    if ctx.blue_green is not None:
        current = {status.current_pod_hash, status.blue_green.active_selector}
        return len(current | ({status.blue_green.preview_selector} if ctx.blue_green.preview_service else set())) == 1
    if status.replicas != size:
        return False
    done = status.current_step_index is None or status.current_step_index >= len(ctx.steps)
    return done and is_completed(status)


def _is_active(ctx: Context, status: RolloutStatus) -> bool:
    """The active Service selects a version that is there."""
    return any(rs.hash == status.blue_green.active_selector for rs in ctx.world.replica_sets)


def is_completed(status: RolloutStatus) -> bool:
    return bool(status.stable_rs) and status.stable_rs == status.current_pod_hash


def _health(current: Conditions, healthy: bool) -> bool:
    """True when it was healthy until now."""
    if healthy:
        current.put(wording.HEALTHY, "True", wording.ROLLOUT_HEALTHY, wording.IS_HEALTHY)
        return False
    if current.get(wording.HEALTHY) is None:
        return False
    return current.put(wording.HEALTHY, "False", wording.ROLLOUT_HEALTHY, wording.IS_NOT_HEALTHY)


def _completion(ctx: Context, current: Conditions, status: RolloutStatus) -> list[Event]:
    done = is_completed(status)
    changed = current.put(wording.COMPLETED, str(done), wording.ROLLOUT_COMPLETED, wording.ROLLOUT_COMPLETED)
    if done or not changed:
        return []
    text = f"Rollout not completed, started update to revision {ctx.revision} ({status.current_pod_hash})"
    return [Event(wording.ROLLOUT_NOT_COMPLETED, text)]


def _aborted(ctx: Context, current: Conditions, said: Iterable[Said]) -> list[Event]:
    cause = next((item.cause for item in said if isinstance(item, Aborting)), "")
    message = wording.aborted(ctx.revision, cause)
    if current.put(wording.PROGRESSING, "False", wording.ROLLOUT_ABORTED, message):
        return [Event(wording.ROLLOUT_ABORTED, message, "Warning")]
    return []


def _progressing(current: Conditions, reason: str, message: str) -> None:
    current.put(wording.PROGRESSING, "True", reason, message, refresh=True)


def _progress(
    ctx: Context, current: Conditions, status: RolloutStatus, *, healthy: bool, became_unhealthy: bool
) -> None:
    before = current.get(wording.PROGRESSING)
    settled = before is not None and before.reason == wording.NEW_REPLICA_SET_AVAILABLE
    if settled and _keeps_its_pods(ctx, status):
        return
    name = ctx.new.name if ctx.new else ""
    if healthy:
        message = wording.replica_set_completed(name)
        current.put(wording.PROGRESSING, "True", wording.NEW_REPLICA_SET_AVAILABLE, message)
    elif made_progress(ctx, status) or became_unhealthy or before is None:
        if became_unhealthy and is_completed(status):
            _progressing(current, wording.REPLICA_SET_NOT_AVAILABLE, wording.LACKS_AVAILABILITY)
        else:
            message = wording.replica_set_progressing(name) if name else wording.rollout_progressing(ctx.name)
            _progressing(current, wording.REPLICA_SET_UPDATED, message)
    elif timed_out(ctx, current.done()):
        message = wording.replica_set_timed_out(name)
        current.put(wording.PROGRESSING, "False", wording.PROGRESS_DEADLINE_EXCEEDED, message)


def _keeps_its_pods(ctx: Context, status: RolloutStatus) -> bool:
    """No pod is missing of those that exist. Blue-green counts the active version's, so it has to be the only one."""
    if ctx.blue_green is None:
        return status.replicas == status.available_replicas
    active = status.blue_green.active_selector == status.current_pod_hash
    return active and is_completed(status) and status.updated_replicas == status.available_replicas


def made_progress(ctx: Context, status: RolloutStatus) -> bool:
    """Whether pods or steps moved on since the stored status."""
    stored = ctx.stored
    return (
        status.updated_replicas != stored.updated_replicas
        or status.replicas - status.updated_replicas < stored.replicas - stored.updated_replicas
        or status.ready_replicas > stored.ready_replicas
        or status.available_replicas > stored.available_replicas
        or status.stable_rs != stored.stable_rs
        or status.current_step_index != stored.current_step_index
        or status.current_step_hash != stored.current_step_hash
        or _cut_over(stored.blue_green, status.blue_green)
    )


def _cut_over(before: BlueGreenStatus, after: BlueGreenStatus) -> bool:
    """A Service was switched, the preview may grow, or an analysis came to something."""
    if (before.active_selector, before.preview_selector) != (after.active_selector, after.preview_selector):
        return True
    pre, post = after.pre_promotion_analysis_run_status, after.post_promotion_analysis_run_status
    return (
        (after.scale_up_preview_check_point and not before.scale_up_preview_check_point)
        or (pre is not None and pre != before.pre_promotion_analysis_run_status)
        or (post is not None and post != before.post_promotion_analysis_run_status)
    )


def timed_out(ctx: Context, current: Iterable[RolloutCondition]) -> bool:
    until = deadline(ctx, current)
    return until is not None and ctx.now > until


def out_of_time(ctx: Context, status: RolloutStatus) -> Iterable[Aborting]:
    """With spec.progressDeadlineAbort, the end of an update without progress. `status` holds this pass's counts."""
    if not ctx.spec.progress_deadline_abort or ctx.changed or ctx.aborted or ctx.is_stable or ctx.new is None:
        return
    progressing = ctx.stored.condition(wording.PROGRESSING)
    is_late = progressing is not None and progressing.reason == wording.PROGRESS_DEADLINE_EXCEEDED
    if not made_progress(ctx, status) and (is_late or timed_out(ctx, ctx.stored.conditions)):
        yield Aborting(wording.replica_set_timed_out(ctx.new.name))


def deadline(ctx: Context, current: Iterable[RolloutCondition]) -> datetime | None:
    """When the progress deadline passes; None while no progress can be expected."""
    progressing = next((c for c in current if c.type == wording.PROGRESSING), None)
    if progressing is None or progressing.last_update_time is None:
        return None
    if progressing.status != "True" and progressing.reason not in (wording.ROLLOUT_RESUMED, wording.ROLLOUT_RETRY):
        return None
    step = ctx.step
    waits = step is not None and bool(step.pause or step.analysis or step.experiment)
    if (
        waits
        or proof.waits(ctx)
        or _is_analysed(ctx)
        or ctx.halted
        or any(rs.replicas and scale_down_deadline(rs) for rs in ctx.others)
    ):
        return None
    return progressing.last_update_time + timedelta(seconds=defaults.progress_deadline_seconds(ctx.rollout))


def _is_analysed(ctx: Context) -> bool:
    """An analysis before or after the switch is under way: as long as it takes, nothing is late."""
    found = (entry(ctx.stored, "PrePromotion"), entry(ctx.stored, "PostPromotion"))
    running = any(run is not None and run.status not in wording.VERDICTS for run in found)
    return running and not ctx.changed and not ctx.aborted


def _pause(ctx: Context, current: Conditions, status: RolloutStatus, *, paused: bool) -> None:
    progressing = current.get(wording.PROGRESSING)
    reason = progressing.reason if progressing else ""
    if reason == wording.ROLLOUT_ABORTED:
        if not status.abort:
            current.put(wording.PROGRESSING, "Unknown", wording.ROLLOUT_RETRY, wording.IS_RETRIED)
        return
    was = ctx.stored.condition(wording.PAUSED)
    was_paused = was is not None and was.status == "True"
    if paused and not is_completed(status):
        current.put(wording.PROGRESSING, "Unknown", wording.ROLLOUT_PAUSED, wording.IS_PAUSED)
    elif not paused and reason == wording.ROLLOUT_PAUSED:
        current.put(wording.PROGRESSING, "Unknown", wording.ROLLOUT_RESUMED, wording.IS_RESUMED)
    if paused != was_paused:
        current.put(wording.PAUSED, str(paused), wording.ROLLOUT_PAUSED, wording.IS_PAUSED)


def _replica_failure(ctx: Context, current: Conditions) -> None:
    newest_first = (ctx.new, ctx.stable, *ctx.others)
    failing = next((rs for rs in newest_first if rs is not None and rs.failure), None)
    if failing is None:
        current.drop(wording.REPLICA_FAILURE)
    else:
        current.put(wording.REPLICA_FAILURE, "True", failing.failure_reason, failing.failure)


def _left_out(ctx: Context, current: Conditions, said: Iterable[Said]) -> list[Event]:
    """Whoever wrote a quantity that cannot be read meant something by it: say that pods run without it, and go on
    saying so for as long as it stands in the manifest."""
    if not ctx.world.left_out:
        current.drop(wording.UNREADABLE_QUANTITY)
        return []
    message = wording.left_out(ctx.world.left_out)
    old = current.get(wording.UNREADABLE_QUANTITY)
    if old is not None and old.message == message:
        return []
    if not any(isinstance(item, UpdateRollout) and item.template is not None for item in said):
        current.put(wording.UNREADABLE_QUANTITY, "True", wording.UNREADABLE_QUANTITY, message, refresh=True)
    return [Event(wording.UNREADABLE_QUANTITY, message, "Warning")]


def deadline_wait(ctx: Context, status: RolloutStatus) -> Iterable[Wait]:
    """Look again when the progress deadline has passed."""
    until = None if is_healthy(ctx, status) else deadline(ctx, status.conditions)
    if until is not None:
        yield Wait("progress is expected until its deadline", until + timedelta(seconds=1))
