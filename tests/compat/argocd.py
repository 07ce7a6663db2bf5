"""Argo CD at a Rollout, as of 3.6: what its health check makes of it, which actions it offers, and what they write.

Argo CD has these as Lua scripts in `resource_customizations/argoproj.io`; this says the same in Python, without what
only controllers before 1.0 of Argo Rollouts need. Source of facts: those scripts, which have been run beside this.
"""

from collections.abc import Callable
from copy import deepcopy
from typing import Any, TypeAlias

from rollouts.kube.patch import merge_patch
from rollouts.kube.refs import ROLLOUT, Obj
from rollouts.kube.wire import Wire

Health: TypeAlias = tuple[str, str]

UNOBSERVED = "Progressing", "Waiting for rollout spec update to be observed"


def health(rollout: Obj) -> Health:
    """(status, message). A status without a phase is one that no controller of today wrote: it would be read by an
    older rule, and must never be met."""
    status = rollout.get("status")
    if status is None:
        return UNOBSERVED
    observed = _number(status.get("observedGeneration"))
    if observed is not None and observed < rollout["metadata"]["generation"]:
        return UNOBSERVED
    annotations = rollout["metadata"].get("annotations")
    if rollout["spec"].get("workloadRef") and annotations is not None:
        written = _number(annotations.get("rollout.argoproj.io/workload-generation"))
        if written != _number(status.get("workloadObservedGeneration")):
            return UNOBSERVED
    phase = status["phase"]
    return "Suspended" if phase == "Paused" else phase, status.get("message", "")


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() else None


# ── actions ──


def offered(rollout: Obj) -> set[str]:
    """The actions that can be clicked."""
    spec, status = rollout["spec"], rollout["status"]
    promoted = status.get("currentPodHash") == status.get("stableRS")
    aborted = bool(status.get("abort"))
    paused = bool(status["pauseConditions"]) if "pauseConditions" in status else bool(spec.get("paused"))
    steps = _steps(rollout)
    when = {
        "restart": True,
        "resume": paused,
        "abort": not promoted and not aborted,
        "retry": not promoted and aborted,
        "pause": not promoted and not aborted and not spec.get("paused"),
        "promote-full": not promoted,
        "skip-current-step": steps is not None and status.get("currentStepIndex") != len(steps),
    }
    return {name for name, enabled in when.items() if enabled}


def _steps(rollout: Obj) -> list[Any] | None:
    found: list[Any] | None = (rollout["spec"]["strategy"].get("canary") or {}).get("steps")
    return found


def _resume(rollout: Obj) -> None:
    rollout["status"].pop("pauseConditions", None)
    if rollout["spec"].get("paused"):
        rollout["spec"]["paused"] = False


def _skip(rollout: Obj) -> None:
    steps, status = _steps(rollout), rollout["status"]
    if steps is not None and status["currentStepIndex"] < len(steps):
        status.pop("pauseConditions", None)
        status["currentStepIndex"] += 1


_ACTIONS: dict[str, Callable[[Obj], None]] = {
    "resume": _resume,
    "abort": lambda rollout: rollout["status"].update(abort=True),
    "retry": lambda rollout: rollout["status"].pop("abort", None),
    "pause": lambda rollout: rollout["spec"].update(paused=True),
    "promote-full": lambda rollout: rollout["status"].update(promoteFull=True),
    "skip-current-step": _skip,
}


async def act(wire: Wire, rollout: Obj, action: str) -> None:
    """Somebody clicks an action: what the script changed of the object goes out as a merge patch, that of the status to
    its subresource."""
    assert action in offered(rollout), f"{action} cannot be clicked"
    changed = deepcopy(rollout)
    _ACTIONS[action](changed)
    name = rollout["metadata"]["namespace"], rollout["metadata"]["name"]
    for part, subresource in (("spec", ""), ("status", "status")):
        patch = merge_patch(rollout[part], changed[part])
        if patch:
            await wire.patch(ROLLOUT, *name, {part: patch}, subresource=subresource)
