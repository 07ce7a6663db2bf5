"""Pure. Phase and message: the one word, and the one sentence, that health checks read."""

from rollouts.api.status import RolloutStatus
from rollouts.decide import wording
from rollouts.decide.context import Context
from rollouts.decide.traffic import proof
from rollouts.decide.traffic.withdraw import withdraws


def phase(ctx: Context, status: RolloutStatus) -> tuple[str, str]:
    """(phase, message) of a status that is complete but for them. The first rule that applies wins."""
    for condition in status.conditions:
        if condition.type == wording.INVALID_SPEC:
            return wording.PHASE_DEGRADED, f"{wording.INVALID_SPEC}: {condition.message}"
        if condition.reason in (wording.ROLLOUT_ABORTED, wording.PROGRESS_DEADLINE_EXCEEDED):
            return wording.PHASE_DEGRADED, f"{condition.reason}: {condition.message}"
    if ctx.spec.paused:
        return wording.PHASE_PAUSED, "manually paused"
    if status.pause_conditions:
        return wording.PHASE_PAUSED, status.pause_conditions[0].reason
    at = ctx.spec.restart_at
    if at is not None and at != status.restarted_at and ctx.now > at:
        return wording.PHASE_PROGRESSING, "rollout is restarting"
    unfinished = _unfinished(ctx, status)
    return (wording.PHASE_PROGRESSING, unfinished) if unfinished else (wording.PHASE_HEALTHY, "")


def _unfinished(ctx: Context, status: RolloutStatus) -> str:
    asked = status.condition(proof.TRAFFIC_PROVEN)
    if asked is not None and asked.status == "False" and proof.waits(ctx) and not ctx.is_stable:
        return f"waiting for proof of traffic: {asked.message}"
    if status.updated_replicas < ctx.replicas:
        return "more replicas need to be updated"
    if status.available_replicas < status.updated_replicas:
        return "updated replicas are still becoming available"
    if ctx.blue_green is not None:
        return _before_stable(ctx, status)
    if not ctx.routed and status.replicas > status.updated_replicas:
        return "old replicas are pending termination"
    if withdraws(ctx):
        return "waiting for the stable pods that take the traffic back"
    if not status.stable_rs or status.stable_rs != status.current_pod_hash:
        return "waiting for all steps to complete"
    return ""


def _before_stable(ctx: Context, status: RolloutStatus) -> str:
    """What a blue-green update with all its pods still lacks."""
    current = status.current_pod_hash
    if not current or status.blue_green.active_selector != current:
        return "active service cutover pending"
    if status.stable_rs == current:
        return ""
    judged = ctx.blue_green is not None and ctx.blue_green.post_promotion_analysis is not None
    run = status.blue_green.post_promotion_analysis_run_status
    if judged and (run is None or run.status not in wording.VERDICTS):
        return "waiting for analysis to complete"
    return "waiting for post-promotion verification to complete"
