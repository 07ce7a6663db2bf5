"""The machine's kubectl against a sandbox served by this very process."""

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from rollouts.sandbox.up import Options, sandbox

PROGRAM = shutil.which("kubectl")
needs_kubectl = pytest.mark.skipif(PROGRAM is None, reason="there is no kubectl on this machine's PATH")
_LONGEST = 30.0


@dataclass(frozen=True)
class Answer:
    """What kubectl printed, and how it ended."""

    out: str
    err: str
    code: int

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def table(self) -> list[list[str]]:
        """Words of each line; for tables whose cells hold no blanks."""
        return [line.split() for line in self.lines]


@dataclass(frozen=True)
class Kubectl:
    """Calls kubectl with the sandbox's kubeconfig, and with caches of its own."""

    kubeconfig: Path
    folder: Path

    async def start(self, *args: str, **env: str) -> asyncio.subprocess.Process:
        assert PROGRAM is not None
        own = {"KUBECONFIG": str(self.kubeconfig), "KUBECACHEDIR": str(self.folder / "cache"), "HOME": str(self.folder)}
        pipe = asyncio.subprocess.PIPE
        return await asyncio.create_subprocess_exec(
            PROGRAM, *args, stdin=pipe, stdout=pipe, stderr=pipe, env=os.environ | own | env
        )

    async def run(self, *args: str, given: Any = None, **env: str) -> Answer:
        """One call. `given` goes to its standard input: an object or several as YAML, a text as it is."""
        process = await self.start(*args, **env)
        try:
            out, err = await asyncio.wait_for(process.communicate(_text(given)), _LONGEST)
        except TimeoutError:
            process.kill()
            await process.communicate()
            raise
        assert process.returncode is not None
        return Answer(out.decode(), err.decode(), process.returncode)

    async def __call__(self, *args: str, given: Any = None, **env: str) -> Answer:
        """One call that has to succeed."""
        answer = await self.run(*args, given=given, **env)
        assert answer.code == 0, f"kubectl {' '.join(args)} ended with {answer.code}: {answer.err or answer.out}"
        return answer

    async def refused(self, *args: str, given: Any = None, **env: str) -> str:
        """One call that has to fail; what it said."""
        answer = await self.run(*args, given=given, **env)
        assert answer.code != 0, f"kubectl {' '.join(args)} succeeded: {answer.out}"
        return answer.err.strip()

    async def object(self, *args: str) -> Any:
        """What `kubectl get ... -o json` prints."""
        return json.loads((await self("get", *args, "-o", "json")).out)

    async def apply(self, *objects: Any) -> Answer:
        return await self("apply", "-f", "-", given=objects)


def _text(given: Any) -> bytes:
    if given is None:
        return b""
    if isinstance(given, str):
        return given.encode()
    return yaml.safe_dump_all(given if isinstance(given, tuple | list) else [given]).encode()


@asynccontextmanager
async def session(folder: Path, *, workloads: bool) -> AsyncIterator[Kubectl]:
    """A sandbox and kubectl on it."""
    where = folder / "kubeconfig"
    async with sandbox(Options(where, workloads=workloads)):
        yield Kubectl(where, folder)


CONFIG: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "conf", "labels": {"app": "a"}},
    "data": {"k": "v"},
}


def deployment(name: str = "web", image: str = "web:1", replicas: int = 2) -> dict[str, Any]:
    labels = {"app": name}
    container = {"name": "main", "image": image, "ports": [{"containerPort": 80}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


ROLLOUT: dict[str, Any] = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "Rollout",
    "metadata": {"name": "api"},
    "spec": deployment("api")["spec"] | {"strategy": {"canary": {"steps": [{"setWeight": 20}, {"pause": {}}]}}},
}
