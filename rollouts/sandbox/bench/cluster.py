"""The bench on a real control plane: etcd, kube-apiserver and kube-controller-manager, and the sandbox's kubelet.

Calls are counted from the audit log of the API server. Each program has a process of its own; the API server knows
nobody but administrators, so nothing is held back by priority and fairness.
"""

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

from rollouts.kube.access import Access
from rollouts.kube.errors import AlreadyExists, NotFound
from rollouts.kube.http import connect
from rollouts.kube.refs import ANALYSIS_RUN, ANALYSIS_TEMPLATE, CRD, ROLLOUT
from rollouts.kube.wire import Wire
from rollouts.sandbox.bench.audit import AuditLog
from rollouts.sandbox.bench.environment import ACTOR, START_DELAY, Environment, always_well
from rollouts.sandbox.controlplane.binaries import Binaries
from rollouts.sandbox.controlplane.plane import control_plane
from rollouts.sandbox.controlplane.processes import Program
from rollouts.sandbox.demo.process import Controller
from rollouts.sandbox.dialects.istio import VIRTUAL_SERVICE
from rollouts.sandbox.kubelet.__main__ import READY
from rollouts.sandbox.up import definitions

_CONTROLLERS = ("replicaset-controller", "garbage-collector-controller")
_SERVED_IN = 60.0
_LOOK = 0.1


@asynccontextmanager
async def running(
    binaries: Binaries, *, controller: bool = True, managers: Sequence[str] = ()
) -> AsyncIterator[Environment]:
    """Start everything; it is stopped in the end. Raises ProcessFailed.

    `controller`: False leaves its start to whoever asks, so that it finds what they put there. `managers`: controllers
    of kube-controller-manager that run besides those of ReplicaSets and of garbage.
    """
    async with AsyncExitStack() as stack:
        named = tempfile.TemporaryDirectory(prefix="rollouts-bench-", ignore_cleanup_errors=True)
        folder = Path(stack.enter_context(named))
        # Started from this thread, although that blocks the loop: programs end with the thread that started them.
        plane = stack.enter_context(
            control_plane(binaries, folder, controllers=(*_CONTROLLERS, *managers), audited=ACTOR)
        )
        wire = await stack.enter_async_context(
            await connect(Access(kubeconfig=str(plane.kubeconfig)), user_agent="rollouts-bench", environ={})
        )
        await _define(wire)
        kubelet = _start_kubelet(stack, plane.kubeconfig, folder / "kubelet.log")
        prometheus = await stack.enter_async_context(always_well())
        process = Controller(plane.audited_kubeconfig, folder / "controller.log")
        stack.push_async_callback(process.stop)
        if controller:
            await process.start()
        programs = {**plane.programs, "kubelet": kubelet.process.pid, "bench": os.getpid()}
        yield Environment(wire, AuditLog(plane.audit_log, ACTOR).requests, process, prometheus, programs)


async def _define(wire: Wire) -> None:
    """Create the CustomResourceDefinitions, and wait until the API server serves what the bench and we need of them."""
    for definition in definitions():
        with suppress(AlreadyExists):
            await wire.create(CRD, "", definition)
    async with asyncio.timeout(_SERVED_IN):
        for resource in (ROLLOUT, ANALYSIS_TEMPLATE, ANALYSIS_RUN, VIRTUAL_SERVICE):
            while True:
                with suppress(NotFound):
                    await wire.list(resource, "default")
                    break
                await asyncio.sleep(_LOOK)


def _start_kubelet(stack: AsyncExitStack, kubeconfig: Path, said: Path) -> Program:
    command: list[str | Path] = [sys.executable, "-m", "rollouts.sandbox.kubelet", "--kubeconfig", kubeconfig]
    # Pods cost the API server more than the controller does whose work is measured: no write that tells nothing.
    kubelet = Program("kubelet", [*command, f"--start-delay={START_DELAY}", "--told-from=1"], said)
    stack.callback(kubelet.stop)
    kubelet.wait(lambda: READY in said.read_text(), _SERVED_IN)
    return kubelet
