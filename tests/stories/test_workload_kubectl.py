"""The machine's kubectl scales a Rollout that a controller looks after, over HTTP."""

import asyncio
import json
from pathlib import Path

from rollouts.kube.access import Access
from rollouts.kube.http import connect
from rollouts.manager import Controllers
from rollouts.settings import parse
from tests.sandbox.dataplane import eventually
from tests.sandbox.kubectl import Kubectl, needs_kubectl, session
from tests.stories.objects import rollout

pytestmark = needs_kubectl


async def until(kubectl: Kubectl, path: str, value: str) -> None:
    await kubectl("wait", "ro/r", f"--for=jsonpath={{{path}}}={value}", "--timeout=20s")


async def test_kubectl_scales_a_rollout_and_reads_what_an_autoscaler_reads(tmp_path: Path) -> None:
    async with (
        session(tmp_path, workloads=True) as kubectl,
        await connect(Access(str(kubectl.kubeconfig)), user_agent="test") as wire,
    ):
        controllers = Controllers(wire, parse([], {}))
        working = asyncio.create_task(controllers.run())
        await eventually(lambda: controllers.synced)
        await kubectl.apply(rollout(replicas=2))
        await until(kubectl, ".status.phase", "Healthy")
        await kubectl("scale", "ro/r", "--replicas=4", "--current-replicas=2")
        await until(kubectl, ".status.availableReplicas", "4")
        found = json.loads(
            (await kubectl("get", "--raw", "/apis/argoproj.io/v1alpha1/namespaces/default/rollouts/r/scale")).out
        )
        assert (found["spec"], found["status"]) == ({"replicas": 4}, {"replicas": 4, "selector": "app=r"})
        assert (await kubectl.object("ro", "r"))["status"]["HPAReplicas"] == 4
        controllers.stop()
        await working
