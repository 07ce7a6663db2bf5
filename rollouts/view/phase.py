"""Pure. The phase of a Rollout as clients say it: the stored one, unless the controller has not seen the last edit."""

from typing import NamedTuple

from rollouts.api.labels import WORKLOAD_GENERATION
from rollouts.kube.fields import number, part, parts, text
from rollouts.kube.refs import Obj

_NOT_OBSERVED = "waiting for rollout spec update to be observed"
_UNPAUSING = "waiting for rollout to unpause"


class Phase(NamedTuple):
    """Healthy, Degraded, Progressing or Paused, and why."""

    phase: str
    message: str


def rollout_phase(rollout: Obj) -> Phase:
    status = part(rollout, "status")
    if not (_spec_observed(rollout) and _workload_observed(rollout)):
        return Phase("Progressing", _NOT_OBSERVED)
    if status.get("controllerPause") and not status.get("pauseConditions"):
        return Phase("Progressing", _UNPAUSING)
    if text(status, "phase"):
        return Phase(text(status, "phase"), text(status, "message"))
    return _from_conditions(rollout) or _from_counts(rollout) or _from_strategy(rollout)


def _spec_observed(rollout: Obj) -> bool:
    """A word in place of a number, or a number from the future, comes from an older controller and counts as seen."""
    generation = number(rollout, "metadata", "generation")
    observed = text(rollout, "status", "observedGeneration")
    return not observed.isdecimal() or int(observed) >= generation


def _workload_observed(rollout: Obj) -> bool:
    wanted = text(rollout, "metadata", "annotations", WORKLOAD_GENERATION)
    observed = text(rollout, "status", "workloadObservedGeneration")
    if not part(rollout, "spec", "workloadRef") or not wanted.isdecimal():
        return True
    return not observed.isdecimal() or int(observed) == int(wanted)


def _from_conditions(rollout: Obj) -> Phase | None:
    """The rest of this module is for a Rollout whose controller stores no phase."""
    for condition in parts(rollout, "status", "conditions"):
        reason, message = text(condition, "reason"), text(condition, "message")
        if text(condition, "type") == "InvalidSpec":
            return Phase("Degraded", f"InvalidSpec: {message}")
        if reason in ("RolloutAborted", "ProgressDeadlineExceeded"):
            return Phase("Degraded", f"{reason}: {message}")
    if part(rollout, "spec").get("paused"):
        return Phase("Paused", "manually paused")
    if pauses := parts(rollout, "status", "pauseConditions"):
        return Phase("Paused", text(pauses[0], "reason"))
    return None


def _from_counts(rollout: Obj) -> Phase | None:
    spec, status = part(rollout, "spec"), part(rollout, "status")
    updated = number(status, "updatedReplicas")
    restart_at = text(spec, "restartAt")
    if restart_at and restart_at != text(status, "restartedAt"):
        return Phase("Progressing", "rollout is restarting")
    if updated < number(spec, "replicas", default=1):
        return Phase("Progressing", "more replicas need to be updated")
    if number(status, "availableReplicas") < updated:
        return Phase("Progressing", "updated replicas are still becoming available")
    return None


def _from_strategy(rollout: Obj) -> Phase:
    strategy, status = part(rollout, "spec", "strategy"), part(rollout, "status")
    current = text(status, "currentPodHash")
    promoted = bool(current) and text(status, "stableRS") == current
    if "blueGreen" in strategy:
        active = text(status, "blueGreen", "activeSelector")
        if not active or active != current:
            return Phase("Progressing", "active service cutover pending")
        if not promoted:
            return Phase("Progressing", _after_cutover(rollout))
    elif "canary" in strategy:
        routed = "trafficRouting" in part(strategy, "canary")
        if not routed and number(status, "replicas") > number(status, "updatedReplicas"):
            return Phase("Progressing", "old replicas are pending termination")
        if not promoted:
            return Phase("Progressing", "waiting for all steps to complete")
    return Phase("Healthy", "")


def _after_cutover(rollout: Obj) -> str:
    analysis = part(rollout, "status", "blueGreen", "postPromotionAnalysisRunStatus")
    configured = "postPromotionAnalysis" in part(rollout, "spec", "strategy", "blueGreen")
    ended = text(analysis, "status") in ("Successful", "Failed", "Error", "Inconclusive")
    if configured and not ended:
        return "waiting for analysis to complete"
    return "waiting for post-promotion verification to complete"
