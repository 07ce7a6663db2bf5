"""Pure. Where a blue-green update stands after a pass: what its Services select, paused, aborted or promoted."""

from typing import Any

from rollouts.api import labels
from rollouts.api.status import CanaryStatus, PauseCondition, RolloutStatus
from rollouts.decide import wording
from rollouts.decide.context import Context
from rollouts.decide.course import gates
from rollouts.decide.course.previews import is_active, replaces, returns_fast, selected, strategy, with_hash
from rollouts.decide.facts import Aborting, Pausing, Said
from rollouts.decide.plan import Event, PointService
from rollouts.decide.traffic import balancers
from rollouts.decide.world import Hash

Updates = dict[str, Any]


def observed(ctx: Context, said: tuple[Said, ...]) -> Updates:
    """What is seen of the Services once everything said is done; pods are counted behind the active one."""
    active = _selected_after(ctx, said, strategy(ctx).active_service)
    preview = _selected_after(ctx, said, strategy(ctx).preview_service)
    selectors = {"active_selector": active, "preview_selector": preview}
    updates: Updates = {
        "canary": CanaryStatus(),
        "blue_green": ctx.status.blue_green.model_copy(update=selectors),
    }
    rs = with_hash(ctx, active)
    if rs is not None:
        updates |= {"ready_replicas": rs.ready, "available_replicas": rs.available, "hpa_replicas": rs.current}
        updates["selector"] = _selector(ctx, active)
    return updates


def _selected_after(ctx: Context, said: tuple[Said, ...], service: str) -> Hash:
    pointed = (item.hash for item in said if isinstance(item, PointService) and item.service == service)
    return next(pointed, selected(ctx, service))


def _selector(ctx: Context, hash: Hash) -> str:
    """The selector of the active version's pods alone."""
    selector = ctx.spec.selector
    if selector is None:
        return ""
    own = {**selector.match_labels, labels.POD_TEMPLATE_HASH: hash}
    return str(selector.model_copy(update={"match_labels": own}))


def cut_over(ctx: Context, status: RolloutStatus, said: tuple[Said, ...], events: list[Event]) -> Updates:
    """The fields of the status that change by moving on. `status` holds this pass's selectors and run verdicts."""
    aborting = status.abort or any(isinstance(item, Aborting) for item in said)
    if aborting and not (ctx.is_stable or ctx.initial):
        return {
            "abort": True,
            "aborted_at": ctx.stored.aborted_at or ctx.now,
            "pause_conditions": (),
            "controller_pause": False,
        }
    reason = promotion(ctx, status)
    if reason:
        return _promoted(ctx, status, reason, events)
    if ctx.changed:
        _tell_resumed(ctx, events)
        return {"aborted_at": None}
    return {"aborted_at": None, **_paused(ctx, status, said, events)}


def promotion(ctx: Context, status: RolloutStatus) -> str:
    """Why the current template becomes the stable one now, as the event RolloutCompleted says it; "" if it does not."""
    if ctx.initial:
        return "Initial deploy"
    if ctx.is_stable:
        return "Rollback to stable ReplicaSets"
    if ctx.changed or status.blue_green.active_selector != ctx.hash or not balancers.switch_is_seen(ctx):
        return ""
    if status.promote_full:
        return "Full promotion requested"
    if returns_fast(ctx):
        return "Fast rollback"
    after = status.blue_green.post_promotion_analysis_run_status
    judged = after is not None and after.status == "Successful"
    return "Completed blue-green update" if judged or strategy(ctx).post_promotion_analysis is None else ""


def _promoted(ctx: Context, status: RolloutStatus, reason: str, events: list[Event]) -> Updates:
    if ctx.stored.stable_rs != ctx.hash:
        text = f"Rollout completed update to revision {ctx.revision} ({ctx.hash}): {reason}"
        events.append(Event(wording.ROLLOUT_COMPLETED, text))
    _tell_resumed(ctx, events)
    return {
        "stable_rs": ctx.hash,
        "abort": False,
        "aborted_at": None,
        "promote_full": False,
        "pause_conditions": (),
        "controller_pause": False,
        "blue_green": status.blue_green.model_copy(update={"scale_up_preview_check_point": False}),
    }


def _tell_resumed(ctx: Context, events: list[Event]) -> None:
    if ctx.stored.pause_conditions:
        events.append(Event(wording.ROLLOUT_RESUMED, wording.IS_RESUMED))


def _paused(ctx: Context, status: RolloutStatus, said: tuple[Said, ...], events: list[Event]) -> Updates:
    """Pauses that begin or end, and the checkpoint from which on the preview grows to the whole size."""
    near = _checkpoint(ctx)
    switched = status.blue_green.active_selector == ctx.hash
    pauses = tuple(pause for pause in status.pause_conditions if _lasts(ctx, pause, near or switched))
    updates: Updates = {"pause_conditions": pauses}
    if near:
        updates["blue_green"] = status.blue_green.model_copy(update={"scale_up_preview_check_point": True})
    for item in said:
        if isinstance(item, Pausing) and not any(pause.reason == item.reason for pause in pauses):
            pauses = (*pauses, PauseCondition(reason=item.reason, start_time=ctx.now))
            updates |= {"pause_conditions": pauses, "controller_pause": True}
            events.append(Event(wording.ROLLOUT_PAUSED, f"{wording.IS_PAUSED} ({item.reason})"))
    if not pauses and not (gates.promoted(ctx) and replaces(ctx) and not (near or switched)):
        updates["controller_pause"] = False
        if status.pause_conditions:  # by time, not by a person
            events.append(Event(wording.ROLLOUT_RESUMED, wording.IS_RESUMED))
    return updates


def _lasts(ctx: Context, pause: PauseCondition, over: bool) -> bool:
    """A pause before the switch ends with it; one of a canary's steps was left behind by another strategy. Who asks for
    the full promotion has answered every question that a pause puts."""
    if ctx.status.promote_full:
        return False
    if pause.reason == wording.BLUE_GREEN_PAUSE:
        return replaces(ctx) and gates.pauses(ctx) and not over
    return pause.reason != wording.CANARY_PAUSE_STEP


def _checkpoint(ctx: Context) -> bool:
    """A small preview is complete and nothing else is awaited: it may grow, and is switched to once it is whole."""
    count, new = strategy(ctx).preview_replica_count, ctx.new
    if count is None or new is None or is_active(ctx) or not replaces(ctx) or not gates.passed(ctx):
        return False
    return new.replicas == count and new.dependable >= count
