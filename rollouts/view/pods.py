"""Pure. The one word that kubectl has for the state of a Pod, and how many of its containers are ready."""

from rollouts.kube.fields import number, part, parts, text
from rollouts.kube.refs import Obj
from rollouts.view.info import BAD, OK, PROGRESSING, UNKNOWN, WARNING

_ICONS = {
    "Pending": PROGRESSING,
    "Terminating": PROGRESSING,
    "ContainerCreating": PROGRESSING,
    "Running": OK,
    "Completed": OK,
    "Failed": BAD,
    "InvalidImageName": BAD,
    "CrashLoopBackOff": BAD,
    "ImagePullBackOff": WARNING,
    "RegistryUnavailable": WARNING,
}


def pod_status(pod: Obj) -> str:
    """What kubectl prints under STATUS: Running, Pending, CrashLoopBackOff, Init:0/1, Terminating…"""
    if "deletionTimestamp" in part(pod, "metadata"):
        return "Unknown" if text(pod, "status", "reason") == "NodeLost" else "Terminating"
    phase = text(pod, "status", "reason") or text(pod, "status", "phase")
    return _initializing(pod) or _running(pod, phase)


def pod_ready(pod: Obj) -> str:
    ready = sum(1 for each in _containers(pod) if each.get("ready") and "running" in part(each, "state"))
    return f"{ready}/{len(parts(pod, 'spec', 'containers'))}"


def pod_restarts(pod: Obj) -> int:
    return sum(number(each, "restartCount") for each in _containers(pod))


def pod_icon(status: str) -> str:
    if status.startswith("Init:"):
        return PROGRESSING
    if status.startswith(("Signal:", "ExitCode:")):
        return BAD
    if status.startswith("Err") or status.endswith("Error"):
        return WARNING
    return _ICONS.get(status, UNKNOWN)


def _containers(pod: Obj) -> list[Obj]:
    return parts(pod, "status", "containerStatuses")


def _initializing(pod: Obj) -> str:
    """The state of the first init container that is not done, "" when all are."""
    sidecars = {
        text(each, "name") for each in parts(pod, "spec", "initContainers") if text(each, "restartPolicy") == "Always"
    }
    total = len(parts(pod, "spec", "initContainers"))
    for done, container in enumerate(parts(pod, "status", "initContainerStatuses")):
        ended = part(container, "state", "terminated")
        if "terminated" in part(container, "state") and not number(ended, "exitCode"):
            continue
        if text(container, "name") in sidecars and container.get("started"):
            continue
        reason = _stopped(container)
        return f"Init:{reason}" if reason not in ("", "PodInitializing") else f"Init:{done}/{total}"
    return ""


def _running(pod: Obj, phase: str) -> str:
    """The first container that has something to say speaks for the Pod."""
    status = next((reason for each in _containers(pod) if (reason := _stopped(each))), phase)
    alive = any(each.get("ready") and "running" in part(each, "state") for each in _containers(pod))
    return "Running" if status == "Completed" and alive else status


def _stopped(container: Obj) -> str:
    """Why a container does not run, "" when it does or nothing is known."""
    state = part(container, "state")
    if waiting := text(state, "waiting", "reason"):
        return waiting
    if "terminated" not in state:
        return ""
    ended = part(state, "terminated")
    if reason := text(ended, "reason"):
        return reason
    signal = number(ended, "signal")
    return f"Signal:{signal}" if signal else f"ExitCode:{number(ended, 'exitCode')}"
