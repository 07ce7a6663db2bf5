"""Pure. What a pod's status says at each moment of its life."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from analysis.schema import format_time
from rollouts.kube.refs import Obj, name_of, namespace_of, uid_of

NODE_NAME = "sandbox"
NODE_IP = "127.0.0.1"
BACKOFF = (0.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0)
"""Seconds before each restart of a container that keeps exiting; the last goes on for ever."""
BACKOFF_FORGIVEN = 600.0
"""A container that ran for so many seconds begins with the first delay again."""


@dataclass(frozen=True, slots=True)
class Exit:
    """How a container ended."""

    code: int
    started: str
    finished: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """Why a container does not run, in Kubernetes' words."""

    reason: str
    message: str = ""


@dataclass(slots=True)
class Life:
    """The kubelet's memory of one pod. Times are the event loop's, in seconds; `None` where it has not happened."""

    starts_at: float
    """When the container is to be started next."""
    scheduled: str
    running_since: float | None = None
    started: str = ""
    starts: int = 0
    crashes: int = 0
    """Exits in succession that count for the delay before a restart."""
    last: Exit | None = None
    finished: bool = False
    trouble: Waiting | None = None
    ip: str = ""
    stops_at: float | None = None
    gone: bool = False

    @property
    def running(self) -> bool:
        return self.running_since is not None


def backoff(crashes: int) -> float:
    """Seconds before the restart after so many exits in succession (from 1)."""
    return BACKOFF[min(crashes, len(BACKOFF)) - 1]


def status_of(pod: Obj, life: Life, ready: bool, now: datetime) -> Obj:
    """The status of a pod, complete but for conditions that others wrote, which are kept."""
    status: Obj = {
        "phase": _phase(life),
        "conditions": _conditions(pod, life, ready, now),
        "hostIP": NODE_IP,
        "hostIPs": [{"ip": NODE_IP}],
        "startTime": life.scheduled,
        "containerStatuses": [_container(pod, life, ready, spec) for spec in pod["spec"]["containers"]],
        "qosClass": "Burstable" if any(each.get("resources") for each in pod["spec"]["containers"]) else "BestEffort",
    }
    if life.ip:
        status |= {"podIP": life.ip, "podIPs": [{"ip": life.ip}]}
    if initial := pod["spec"].get("initContainers"):
        status["initContainerStatuses"] = [_initial(pod, life, spec) for spec in initial]
    return status


def waiting_status(pod: Obj, waiting: Waiting) -> Obj:
    """The status of a pod whose container cannot be made at all."""
    life = Life(starts_at=0.0, scheduled=pod["metadata"]["creationTimestamp"], trouble=waiting)
    containers = [_container(pod, life, False, spec) for spec in pod["spec"]["containers"]]
    return {"phase": "Pending", "containerStatuses": containers}


def _phase(life: Life) -> str:
    if life.finished:
        return "Succeeded" if life.last is not None and life.last.code == 0 else "Failed"
    return "Running" if life.starts else "Pending"


def _conditions(pod: Obj, life: Life, ready: bool, now: datetime) -> list[Obj]:
    known = (pod.get("status") or {}).get("conditions") or []
    gates = [gate["conditionType"] for gate in pod["spec"].get("readinessGates") or ()]
    missing = [gate for gate in gates if not any(_is_true(each, gate) for each in known)]
    unready: Obj = {} if ready else _unready(pod, life)
    gated: Obj = unready or (_gated(missing) if missing else {})
    own = [
        _condition("Initialized", True, {}),
        _condition("Ready", ready and not missing, gated),
        _condition("ContainersReady", ready, unready),
        _condition("PodScheduled", True, {}),
    ]
    types = {each["type"] for each in own}
    dated = [
        _dated(each, known, life.scheduled if each["type"] == "PodScheduled" else format_time(now)) for each in own
    ]
    return dated + [each for each in known if each["type"] not in types]


def _is_true(condition: Obj, type: str) -> bool:
    return bool(condition["type"] == type and condition["status"] == "True")


def _condition(type: str, holds: bool, because: Obj) -> Obj:
    return {"type": type, "status": "True" if holds else "False", **because}


def _unready(pod: Obj, life: Life) -> Obj:
    if life.finished and life.last is not None and life.last.code == 0:
        return {"reason": "PodCompleted"}
    names = " ".join(each["name"] for each in pod["spec"]["containers"])
    return {"reason": "ContainersNotReady", "message": f"containers with unready status: [{names}]"}


def _gated(missing: list[str]) -> Obj:
    said = ", ".join(f'condition "{gate}" of the readiness gates is not True' for gate in missing)
    return {"reason": "ReadinessGatesNotReady", "message": said}


def _dated(condition: Obj, known: list[Obj], now: str) -> Obj:
    """The condition with the time at which its status last changed."""
    before = next((each for each in known if each["type"] == condition["type"]), None)
    same = before is not None and before["status"] == condition["status"]
    since = before.get("lastTransitionTime", now) if before is not None and same else now
    return {**condition, "lastTransitionTime": since}


def _container(pod: Obj, life: Life, ready: bool, spec: Obj) -> Obj:
    status: dict[str, Any] = {
        "name": spec["name"],
        "image": spec.get("image", ""),
        "imageID": "",
        "ready": ready,
        "started": life.running,
        "restartCount": max(0, life.starts - 1),
        "state": _state(pod, life, spec),
        "lastState": {},
    }
    if life.starts:
        status["containerID"] = f"sandbox://{uid_of(pod)}/{spec['name']}/{life.starts}"
        status["imageID"] = f"sandbox://{spec.get('image', '')}"
    if life.last is not None and not life.finished:
        status["lastState"] = {"terminated": _terminated(life.last)}
    return status


def _state(pod: Obj, life: Life, spec: Obj) -> Obj:
    if life.running:
        return {"running": {"startedAt": life.started}}
    if life.finished and life.last is not None:
        return {"terminated": _terminated(life.last)}
    if life.trouble is not None:
        said = {"message": life.trouble.message} if life.trouble.message else {}
        return {"waiting": {"reason": life.trouble.reason, **said}}
    if life.last is not None:
        delay = f"back-off {_span(backoff(life.crashes))} restarting failed container={spec['name']}"
        where = f"pod={name_of(pod)}_{namespace_of(pod)}({uid_of(pod)})"
        return {"waiting": {"reason": "CrashLoopBackOff", "message": f"{delay} {where}"}}
    return {"waiting": {"reason": "ContainerCreating"}}


def _initial(pod: Obj, life: Life, spec: Obj) -> Obj:
    done = bool(life.starts)
    ended = Exit(0, life.scheduled, life.scheduled)
    return {
        "name": spec["name"],
        "image": spec.get("image", ""),
        "imageID": f"sandbox://{spec.get('image', '')}" if done else "",
        "ready": done,
        "restartCount": 0,
        "state": {"terminated": _terminated(ended)} if done else {"waiting": {"reason": "PodInitializing"}},
        "lastState": {},
    }


def _terminated(ended: Exit) -> Obj:
    reason = "Completed" if ended.code == 0 else "Error"
    return {"exitCode": ended.code, "reason": reason, "startedAt": ended.started, "finishedAt": ended.finished}


def _span(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
