"""The real Prometheus beside the sandbox: configured, started on loopback, waited for, stopped.

    python -m rollouts.sandbox.prometheus install    make sure a binary is to be had, and print where

How long a new pod stays unseen is Prometheus' own affair: discovery is asked every second, but Prometheus takes news
from it in steps of five seconds. Leave a new pod ten seconds before the first rate over it is asked for.
"""

import asyncio
import socket
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import httpx
import structlog
import yaml

from rollouts.kube.refs import Obj
from rollouts.sandbox.prometheus_binary import PrometheusMissing, accepts, find_or_install

log = structlog.get_logger(__name__)

_READY_IN = 30.0
_STOPPED_IN = 5.0
_ATTEMPTS = 3
_RELOAD = "--scrape.discovery-reload-interval=1s"


class PrometheusFailed(RuntimeError):
    """It did not come up; the message holds the end of what it said."""


def configuration(discovery_url: str, interval: float) -> Obj:
    """Scrape every pod that `discovery_url` lists, every `interval` seconds; pod labels become metric labels.

    `namespace`, `pod` and `service` (the Service that selects the pod) join them; a pod's own label of that name wins.
    """
    every = f"{round(interval * 1000)}ms"
    relabel = [
        {"source_labels": ["__meta_kubernetes_namespace"], "target_label": "namespace"},
        {"source_labels": ["__meta_kubernetes_pod_name"], "target_label": "pod"},
        {"source_labels": ["__meta_kubernetes_service_name"], "target_label": "service"},
        {"action": "labelmap", "regex": "__meta_kubernetes_pod_label_(.+)"},
    ]
    return {
        "global": {"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": every},
        "scrape_configs": [
            {
                "job_name": "pods",
                "http_sd_configs": [{"url": discovery_url, "refresh_interval": "1s"}],
                "relabel_configs": relabel,
            }
        ],
    }


class Prometheus:
    """One running Prometheus. `url` is known once it has started, and `folder`, where its data is until it stops."""

    def __init__(self, discovery_url: str, *, interval: float = 1.0, binary: Path | None = None) -> None:
        self.url = ""
        self.folder = ""
        self._configuration = configuration(discovery_url, interval)
        self._binary = binary
        self._process: asyncio.subprocess.Process | None = None
        self._temporary: tempfile.TemporaryDirectory[str] | None = None

    async def __aenter__(self) -> "Prometheus":
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> str:
        """Start and wait until it answers queries; returns its URL.

        Raises PrometheusMissing when there is no binary to be had, PrometheusFailed when it does not come up.
        """
        binary = self._binary if self._binary else await asyncio.to_thread(find_or_install)
        self._temporary = tempfile.TemporaryDirectory(prefix="rollouts-prometheus-", ignore_cleanup_errors=True)
        self.folder = self._temporary.name
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                await self._run(binary, Path(self.folder))
                return self.url
            except PrometheusFailed:  # another process may have taken the port that was free a moment ago
                await self._end_process()
                if attempt == _ATTEMPTS:
                    await self.stop()
                    raise
        raise AssertionError("the last attempt either returns or raises")

    async def stop(self) -> None:
        """End it and remove its data."""
        await self._end_process()
        if self._temporary:
            self._temporary.cleanup()
            self._temporary = None

    async def _run(self, binary: Path, folder: Path) -> None:
        config = folder / "prometheus.yml"
        config.write_text(yaml.safe_dump(self._configuration))
        port = free_port()
        arguments = [
            f"--config.file={config}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--log.level=warn",
            *([_RELOAD] if await asyncio.to_thread(accepts, binary, _RELOAD) else []),
        ]
        said = folder / "log"
        with said.open("wb") as output:
            self._process = await asyncio.create_subprocess_exec(
                binary, *arguments, stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output, cwd=folder
            )
        self.url = f"http://127.0.0.1:{port}"
        await self._until_ready(said)

    async def _until_ready(self, said: Path) -> None:
        process, loop = self._process, asyncio.get_running_loop()
        assert process is not None, "it was just started"
        deadline = loop.time() + _READY_IN
        async with httpx.AsyncClient() as client:
            while loop.time() < deadline and process.returncode is None:
                with suppress(httpx.HTTPError):
                    if (await client.get(f"{self.url}/-/ready", timeout=2.0)).status_code == 200:
                        return
                await asyncio.sleep(0.05)
        end = "ended" if process.returncode is not None else f"is not ready after {_READY_IN:.0f} s"
        raise PrometheusFailed(f"prometheus {end}: {_last_words(said)}")

    async def _end_process(self) -> None:
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), _STOPPED_IN)
        except TimeoutError:
            log.warning("prometheus does not end by itself", pid=process.pid)
            process.kill()
            await process.wait()


def _last_words(log_file: Path) -> str:
    return log_file.read_text(errors="replace")[-1000:].strip()


def free_port() -> int:
    """A loopback port that nobody uses at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def main(arguments: list[str]) -> int:
    """The console command; returns the exit code."""
    if arguments != ["install"]:
        print("usage: python -m rollouts.sandbox.prometheus install", file=sys.stderr)
        return 2
    try:
        print(find_or_install())
    except PrometheusMissing as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
