"""The controller as in production: a process of its own that knows nothing but a kubeconfig."""

import asyncio
import sys
from pathlib import Path

from rollouts.sandbox.prometheus import free_port

_STOPPED_IN = 10.0


class ControllerFailed(RuntimeError):
    """The controller ended while the demo needed it; the message holds its last words."""


class Controller:
    """`rollouts controller` on loopback ports, its log in a file."""

    def __init__(self, kubeconfig: Path, log_file: Path) -> None:
        self.log_file = log_file
        self._command = [
            sys.executable,
            "-m",
            "rollouts",
            "controller",
            f"--kubeconfig={kubeconfig}",
            f"--metricsPort={free_port()}",
            f"--healthzPort={free_port()}",
            "--leader-elect=false",
        ]
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it; it takes its first look at the cluster by itself."""
        with self.log_file.open("wb") as output:
            self._process = await asyncio.create_subprocess_exec(
                *self._command, stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output
            )

    @property
    def pid(self) -> int:
        """Number of its process. RuntimeError while it does not run."""
        if self._process is None:
            raise RuntimeError("the controller does not run")
        return self._process.pid

    def check(self) -> None:
        """Raises ControllerFailed when it has ended."""
        if self._process is not None and self._process.returncode is not None:
            said = self.log_file.read_text(errors="replace")[-2000:].strip()
            raise ControllerFailed(f"the controller ended with exit code {self._process.returncode}:\n{said}")

    async def stop(self) -> None:
        """Ask it to end, and wait for it."""
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), _STOPPED_IN)
        except TimeoutError:
            process.kill()
            await process.wait()
