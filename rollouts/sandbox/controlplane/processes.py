"""Programs that run beside us: started with their output in a file, waited for, ended in order."""

import os
import shutil
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

import structlog

log = structlog.get_logger(__name__)

_SPEND_MEMORY = {"GOGC": "400"}
"""Programs in Go collect garbage a quarter as often: their heaps are small here, and processors are few."""
_STOPPED_IN = 10.0
_LOOK_AGAIN = 0.05


class ProcessFailed(RuntimeError):
    """A program did not come up, or ended too early; the message holds the end of what it said."""


class Program:
    """One running program. `said` is the file with its output."""

    def __init__(self, name: str, command: Sequence[str | Path], said: Path) -> None:
        self.name, self.said = name, said
        with said.open("wb") as output:
            self.process = subprocess.Popen(
                [*_with_us(), *map(str, command)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, **_SPEND_MEMORY},
            )

    def wait(self, holds: Callable[[], bool], within: float) -> None:
        """Look again and again whether it is ready. Raises ProcessFailed."""
        deadline = time.monotonic() + within
        while time.monotonic() < deadline and self.process.poll() is None:
            if holds():
                return
            time.sleep(_LOOK_AGAIN)
        end = "ended" if self.process.poll() is not None else f"is not ready after {within:g} s"
        raise ProcessFailed(f"{self.name} {end}: {self.said.read_text(errors='replace')[-2000:].strip()}")

    def stop(self) -> None:
        """Ask it to end, and see that it does."""
        if self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(_STOPPED_IN)
        except subprocess.TimeoutExpired:
            log.warning("a program does not end by itself", name=self.name, pid=self.process.pid)
            self.process.kill()
            self.process.wait()


def _with_us() -> list[str]:
    """What makes a program end with us even where we are killed; Linux can, and elsewhere it has to do without."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL"] if setpriv else []


def free_ports(count: int) -> list[int]:
    """As many different loopback ports that nobody uses at this moment."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def answers(url: str, authority: Path | None = None, token: str = "") -> bool:
    """Whether a GET is answered with 200. `authority`: a file with the certificate that has to vouch for it."""
    with suppress(OSError, urllib.error.HTTPError, ssl.SSLError):
        context = ssl.create_default_context(cafile=authority) if authority else None
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        with urllib.request.urlopen(
            urllib.request.Request(url, headers=headers), timeout=2.0, context=context
        ) as answer:
            return bool(answer.status == 200)
    return False
