"""Pure. A pod in the three words `kubectl get pods` has for it: READY, STATUS, RESTARTS."""

from datetime import datetime
from typing import Any

from rollouts.kube.refs import Obj
from rollouts.sandbox.apiserver.web.tables import since


def _containers(pod: Obj) -> list[Obj]:
    statuses: list[Obj] = (pod.get("status") or {}).get("containerStatuses") or []
    return statuses


def pod_ready(pod: Obj) -> str:
    """Containers ready and running, of how many."""
    ready = sum(bool(one.get("ready")) and "running" in (one.get("state") or {}) for one in _containers(pod))
    return f"{ready}/{len((pod.get('spec') or {}).get('containers') or ())}"


def pod_status(pod: Obj) -> str:
    """The phase, or the more telling reason of an init container, of a container, or of a deletion."""
    status: Obj = pod.get("status") or {}
    reason = str(status.get("reason") or status.get("phase") or "Unknown")
    initializing = _init_reason(pod)
    reason = initializing or _container_reason(pod, reason)
    if pod["metadata"].get("deletionTimestamp"):
        return "Unknown" if status.get("reason") == "NodeLost" else "Terminating"
    return reason


def _init_reason(pod: Obj) -> str:
    statuses: list[Obj] = (pod.get("status") or {}).get("initContainerStatuses") or []
    for index, one in enumerate(statuses):
        state: Obj = one.get("state") or {}
        ended: Obj | None = state.get("terminated")
        if (ended and ended.get("exitCode") == 0) or (one.get("started") and one.get("ready")):
            continue
        if ended:
            return f"Init:{ended.get('reason') or _exit(ended)}"
        waiting = (state.get("waiting") or {}).get("reason")
        if waiting and waiting != "PodInitializing":
            return f"Init:{waiting}"
        return f"Init:{index}/{len((pod.get('spec') or {}).get('initContainers') or ())}"
    return ""


def _container_reason(pod: Obj, reason: str) -> str:
    running = False
    for one in reversed(_containers(pod)):
        state: Obj = one.get("state") or {}
        waiting, ended = state.get("waiting") or {}, state.get("terminated")
        if waiting.get("reason"):
            reason = str(waiting["reason"])
        elif ended:
            reason = str(ended.get("reason") or _exit(ended))
        elif one.get("ready") and "running" in state:
            running = True
    if reason == "Completed" and running:
        return "Running" if _condition(pod, "Ready") == "True" else "NotReady"
    return reason


def _exit(ended: Obj) -> str:
    signal: Any = ended.get("signal")
    return f"Signal:{signal}" if signal else f"ExitCode:{ended.get('exitCode', 0)}"


def _condition(pod: Obj, kind: str) -> str:
    conditions: list[Obj] = (pod.get("status") or {}).get("conditions") or []
    return next((str(one.get("status")) for one in conditions if one.get("type") == kind), "")


def pod_restarts(pod: Obj, now: datetime) -> str:
    """How often containers were started again, and how long ago the last time was."""
    count = sum(int(one.get("restartCount") or 0) for one in _containers(pod))
    ended = [((one.get("lastState") or {}).get("terminated") or {}).get("finishedAt") for one in _containers(pod)]
    last = max((str(time) for time in ended if time), default="")
    return f"{count} ({since(last, now)} ago)" if count and last else str(count)
