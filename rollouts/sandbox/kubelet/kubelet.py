"""The kubelet and its scheduler: every pod goes to the one node, and from there through its scripted life.

Pending → ContainerCreating → Running → Ready, restarts with CrashLoopBackOff, Succeeded or Failed, and a graceful end.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from itertools import count

from analysis.schema import format_time
from rollouts.kube.errors import AlreadyExists
from rollouts.kube.queue import Queue
from rollouts.kube.refs import POD, Obj, name_of, namespace_of, uid_of
from rollouts.kube.wire import PatchType
from rollouts.sandbox.apiserver.types.admission import without_nulls
from rollouts.sandbox.apiserver.types.registry import NODE
from rollouts.sandbox.clock import Clock
from rollouts.sandbox.kubelet.runtime import NoRuntime, PodRuntime
from rollouts.sandbox.kubelet.script import ADDRESS, PodScript, ScriptError
from rollouts.sandbox.kubelet.status import (
    BACKOFF_FORGIVEN,
    NODE_IP,
    NODE_NAME,
    Exit,
    Life,
    Waiting,
    backoff,
    status_of,
    waiting_status,
)
from rollouts.sandbox.workloads.caches import Caches
from rollouts.sandbox.workloads.meta import Key, is_deleting, key_of
from rollouts.sandbox.workloads.pods import is_finished


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds that pods take where their script does not say.

    `told_from`: a container that is made in less is told of only once it runs, which spares the API server a write.
    """

    start_delay: float = 0.1
    stop_delay: float = 0.2
    told_from: float = 0.0


USUAL = Timing()


class Kubelet:
    """Runs the pods of the node `sandbox`; pods that no scheduler has placed yet are placed there."""

    def __init__(self, caches: Caches, now: Clock, runtime: PodRuntime | None = None, timing: Timing = USUAL) -> None:
        self.caches = caches
        self.now = now
        self.runtime = runtime or NoRuntime()
        self.timing = timing
        self.queue: Queue[Key] = Queue("kubelet")
        self.pods = caches[POD]
        self.pods.subscribe(self._on_pod)
        self._lives: dict[str, Life] = {}
        self._leftovers: dict[Key, list[Obj]] = {}
        self._addresses = count(1)

    async def run(self) -> None:
        await self._register()
        try:
            await self.queue.run(self.reconcile, workers=16)
        finally:
            running = [pod for pod in self.pods if (life := self._lives.get(uid_of(pod))) and life.running]
            await asyncio.gather(*(self.runtime.stop(pod) for pod in running))

    def _on_pod(self, old: Obj | None, new: Obj | None) -> None:
        if new is not None:
            self.queue.add(key_of(new))
        elif old is not None:
            self.queue.forget(key_of(old))
            life = self._lives.pop(uid_of(old), None)
            if life is not None and life.running:  # deleted without having been asked to stop
                self._leftovers.setdefault(key_of(old), []).append(old)
                self.queue.add(key_of(old))

    async def reconcile(self, key: Key) -> float | None:
        """Take one pod as far as its time has come; the answer is when it goes on."""
        for leftover in self._leftovers.pop(key, ()):
            await self.runtime.stop(leftover)
        pod = self.pods.get(*key)
        if pod is None:
            return None
        node = pod["spec"].get("nodeName")
        if node not in (None, "", NODE_NAME):
            return None
        if is_deleting(pod):
            return await self._terminate(pod)
        if is_finished(pod):
            return None
        try:
            script = PodScript.from_annotations(pod["metadata"].get("annotations"))
        except ScriptError as error:
            await self._write(pod, waiting_status(pod, Waiting("CreateContainerConfigError", str(error))))
            return None
        if not node:
            await self._bind(pod)
        return await self._live(pod, self._life_of(pod, script), script)

    # ── living ─────────────────────────────────────────────────────────────

    def _life_of(self, pod: Obj, script: PodScript) -> Life:
        life = self._lives.get(uid_of(pod))
        if life is None:
            delay = self.timing.start_delay if script.start_delay is None else script.start_delay
            known = pod.get("status") or {}
            scheduled = known.get("startTime") or format_time(self.now())
            life = Life(starts_at=_time() + delay, scheduled=scheduled, ip=known.get("podIP") or "")
            self._lives[uid_of(pod)] = life
        return life

    async def _live(self, pod: Obj, life: Life, script: PodScript) -> float | None:
        await self._advance(pod, life, script)
        now = _time()
        since = None if life.running_since is None else now - life.running_since
        ready = since is not None and script.is_ready(since)
        if since is not None or life.crashes or life.trouble or life.starts_at - now >= self.timing.told_from:
            await self._write(pod, status_of(pod, life, ready, self.now()))
        if life.finished or (script.image_pull_fails and not life.running):
            return None
        if since is None:
            return max(_TICK, life.starts_at - now)
        ends = script.exit_after(_restart_policy(pod))
        changes = [script.ready_changes_at(since), None if ends is None else ends[0]]
        return min((max(_TICK, at - since) for at in changes if at is not None), default=None)

    async def _advance(self, pod: Obj, life: Life, script: PodScript) -> None:
        """Start and end the container until it has caught up with the time."""
        now = _time()
        while not life.finished:
            if life.running_since is not None:
                ends = script.exit_after(_restart_policy(pod))
                if ends is None or now < life.running_since + ends[0]:
                    return
                await self._exit(pod, life, ends[1])
            elif script.image_pull_fails:
                image = pod["spec"]["containers"][0].get("image", "")
                life.trouble = Waiting("ImagePullBackOff", f'Back-off pulling image "{image}"')
                return
            elif now < life.starts_at:
                return
            else:
                await self._start(pod, life)

    async def _start(self, pod: Obj, life: Life) -> None:
        try:
            address = await self.runtime.start(pod)
        except OSError as error:
            life.crashes += 1
            life.starts_at = _time() + max(1.0, backoff(life.crashes))
            life.trouble = Waiting("RunContainerError", str(error))
            return
        if address is not None:
            life.ip = address[0]
            await self._annotate(pod, f"{address[0]}:{address[1]}")
        life.ip = life.ip or _ip(next(self._addresses))
        life.trouble = None
        life.running_since, life.started = _time(), format_time(self.now())
        life.starts += 1

    async def _exit(self, pod: Obj, life: Life, code: int) -> None:
        await self.runtime.stop(pod)
        ran = _time() - (life.running_since or 0.0)
        life.last = Exit(code, life.started, format_time(self.now()))
        life.running_since = None
        policy = _restart_policy(pod)
        life.finished = policy == "Never" or (policy == "OnFailure" and code == 0)
        life.crashes = 1 if ran >= BACKOFF_FORGIVEN else life.crashes + 1
        life.starts_at = _time() + backoff(life.crashes)

    # ── ending ─────────────────────────────────────────────────────────────

    async def _terminate(self, pod: Obj) -> float | None:
        """Stop a pod that is being deleted, within its grace period, and let it go."""
        life = self._lives.get(uid_of(pod))
        if life is None:
            life = self._lives[uid_of(pod)] = Life(starts_at=0.0, scheduled="")
        if life.gone:
            return None
        if life.stops_at is None:
            life.stops_at = _time() + self._stop_delay(pod, life)
        if (left := life.stops_at - _time()) > 0:
            return max(_TICK, left)
        if life.running:
            await self.runtime.stop(pod)
            life.running_since = None
        await self.caches.delete(POD, pod, grace_period=0)
        life.gone = True
        return None

    def _stop_delay(self, pod: Obj, life: Life) -> float:
        if not life.running:
            return 0.0
        try:
            script = PodScript.from_annotations(pod["metadata"].get("annotations"))
        except ScriptError:
            return 0.0  # its script was broken while it ran; nothing says how long it would take
        wanted = self.timing.stop_delay if script.stop_delay is None else script.stop_delay
        return min(wanted, float(pod["metadata"].get("deletionGracePeriodSeconds") or 0))

    # ── writing ────────────────────────────────────────────────────────────

    async def _bind(self, pod: Obj) -> None:
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": name_of(pod), "namespace": namespace_of(pod)},
            "target": {"apiVersion": "v1", "kind": "Node", "name": NODE_NAME},
        }
        await self.caches.wire.create(POD, namespace_of(pod), binding, name=name_of(pod), subresource="binding")

    async def _annotate(self, pod: Obj, address: str) -> None:
        if (pod["metadata"].get("annotations") or {}).get(ADDRESS) != address:
            metadata = {"uid": uid_of(pod), "annotations": {ADDRESS: address}}
            await self.caches.patch(POD, pod, {"metadata": metadata})

    async def _write(self, pod: Obj, status: Obj) -> None:
        known = without_nulls(pod.get("status") or {})  # API servers return a `lastProbeTime: null` that nobody wrote
        changed = {key: value for key, value in status.items() if known.get(key) != value}
        told = [one for one in changed.pop("conditions", ()) if one not in (known.get("conditions") or ())]
        changed |= {"conditions": told} if told else {}
        if known.get("podIPs") and "podIPs" in changed:  # a container that is made anew leaves its old address
            changed["podIPs"] = [{"$patch": "replace"}, *changed["podIPs"]]
        if changed:
            patch = {"metadata": {"uid": uid_of(pod)}, "status": changed}
            # Conditions are merged by their types: those that others write meanwhile stay as they are.
            await self.caches.patch(POD, pod, patch, type=PatchType.STRATEGIC, subresource="status")

    async def _register(self) -> None:
        """Make the node, if it is not there, and say that it is ready."""
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE_NAME, "labels": _NODE_LABELS}}
        with suppress(AlreadyExists):
            await self.caches.wire.create(NODE, "", node)
        status = _node_status(format_time(self.now()))
        await self.caches.wire.patch(NODE, "", NODE_NAME, {"status": status}, subresource="status")


_TICK = 1e-6
"""No wait is shorter. Sums of floats let a timer come early by less than that; where nothing is due yet, time must
move on all the same."""

_NODE_LABELS = {"kubernetes.io/hostname": NODE_NAME, "kubernetes.io/os": "linux"}


def _node_status(now: str) -> Obj:
    room = {"cpu": "1k", "memory": "1Ti", "pods": "100k"}
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "the sandbox runs"}
    return {
        "capacity": room,
        "allocatable": room,
        "conditions": [{**ready, "lastHeartbeatTime": now, "lastTransitionTime": now}],
        "addresses": [{"type": "InternalIP", "address": NODE_IP}, {"type": "Hostname", "address": NODE_NAME}],
        "nodeInfo": {"kubeletVersion": "sandbox", "operatingSystem": "linux"},
    }


def _restart_policy(pod: Obj) -> str:
    return str(pod["spec"].get("restartPolicy") or "Always")


def _ip(number: int) -> str:
    return f"10.{244 + (number >> 16) % 12}.{(number >> 8) & 255}.{number & 255}"


def _time() -> float:
    return asyncio.get_running_loop().time()
