"""A real nginx on loopback that follows the Ingresses of a cluster, as an ingress controller does."""

import asyncio
import os
import shutil
import signal
from collections import defaultdict
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from rollouts.kube.cache import Cache
from rollouts.kube.refs import INGRESS, POD, SERVICE, name_of, namespace_of
from rollouts.kube.watch import IN_PROCESS, Watcher
from rollouts.kube.wire import Wire
from rollouts.sandbox.apiserver.types.registry import ENDPOINT_SLICE
from rollouts.sandbox.prometheus import free_port
from rollouts.sandbox.routing import address_of, is_ready, selects
from rollouts.sandbox.workloads.endpoints import SERVICE_NAME
from tests.dataplane.hearsay import caught_up
from tests.dataplane.renderer import VERSION_HOST, Endpoints, configuration

_LONGEST = 20.0
"""Seconds that nginx may take to start, to reload or to end."""


def binary() -> str | None:
    """Where nginx is; a system keeps it where only root looks for programs."""
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


class Nginx:
    """Runs as long as the block lasts, on `port`. Every change of the objects is a reload."""

    def __init__(self, wire: Wire, folder: Path) -> None:
        self.port = free_port()
        self.reloads = 0
        self._wire = wire
        self._folder = folder
        self._caches = {resource: Cache(resource) for resource in (INGRESS, SERVICE, POD, ENDPOINT_SLICE)}
        self._watchers = [Watcher(wire, cache, pace=IN_PROCESS) for cache in self._caches.values()]
        self._changed = asyncio.Event()
        self._served = ""
        self._tasks: list[asyncio.Task[None]] = []
        self._process: asyncio.subprocess.Process
        for cache in self._caches.values():
            cache.subscribe(lambda old, new: self._changed.set())

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(watcher.run()) for watcher in self._watchers]
        for watcher in self._watchers:
            await watcher.synced.wait()
        file, log = self._folder / "nginx.conf", self._folder / "error.log"
        text = self._rendered()
        file.write_text(text)
        program = binary()
        assert program is not None, "a test that needs nginx is skipped where there is none"
        self._process = await asyncio.create_subprocess_exec(
            program, "-p", str(self._folder), "-e", str(log), "-c", str(file), stdin=asyncio.subprocess.DEVNULL
        )
        await self._until_served()
        self._served = text
        self._tasks.append(asyncio.create_task(self._follow()))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._process.returncode is None:
            self._process.terminate()
        await asyncio.wait_for(self._process.wait(), _LONGEST)

    async def settled(self) -> None:
        """Wait until nginx serves what the API server holds, once its EndpointSlices name the pods that are ready."""
        async with asyncio.timeout(_LONGEST):
            await caught_up(self._wire, self._caches)
            while not self._sliced() or self._served != self._rendered():  # noqa: ASYNC110 # other processes give no event to wait for
                await asyncio.sleep(0.01)

    def _rendered(self) -> str:
        return configuration(
            self._caches[INGRESS], self._endpoints(), folder=str(self._folder), port=self.port, version=self.reloads
        )

    def _endpoints(self) -> Endpoints:
        """Slices say which pods are ready; in the sandbox each pod has a port of its own."""
        found: dict[tuple[str, str], list[str]] = defaultdict(list)
        for each in self._caches[ENDPOINT_SLICE]:
            service = namespace_of(each), each["metadata"]["labels"][SERVICE_NAME]
            for endpoint in each.get("endpoints") or ():
                pod = self._caches[POD].get(service[0], endpoint["targetRef"]["name"])
                address = address_of(pod) if pod is not None and endpoint["conditions"]["ready"] else None
                if address is not None:
                    found[service].append(f"{address.host}:{address.port}")
        return found

    def _sliced(self) -> bool:
        """Whether the pods in EndpointSlices are those that Services select: they are written a moment later."""
        found = self._endpoints()
        for service in self._caches[SERVICE]:
            selector = service["spec"].get("selector") or {}
            pods = [pod for pod in self._caches[POD].objects(namespace_of(service)) if selects(selector, pod)]
            ready = [address for pod in pods if is_ready(pod) and (address := address_of(pod)) is not None]
            said = found.get((namespace_of(service), name_of(service)), [])
            if sorted(said) != sorted(f"{address.host}:{address.port}" for address in ready):
                return False
        return True

    async def _follow(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            if self._rendered() == self._served:
                continue
            self.reloads += 1
            text = self._rendered()
            (self._folder / "nginx.conf").write_text(text)
            self._process.send_signal(signal.SIGHUP)
            await self._until_served()
            self._served = text

    async def _until_served(self) -> None:
        """Wait until every new connection meets the latest configuration: for a moment old workers take some too."""
        async with asyncio.timeout(_LONGEST):
            while self._accepting() != 1 or await self._version() != str(self.reloads):
                if self._process.returncode is not None:
                    raise AssertionError(f"nginx ended: {(self._folder / 'error.log').read_text()}")
                await asyncio.sleep(0.005)

    def _accepting(self) -> int:
        """How many workers still take connections."""
        found = 0
        with suppress(OSError):  # any of them may end just now
            for child in Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split():
                title = Path(f"/proc/{child}/cmdline").read_text()
                found += "worker process" in title and "shutting down" not in title
        return found

    async def _version(self) -> str:
        """The number of the configuration that a new connection meets, "" before there is one."""
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return ""
        writer.write(f"GET / HTTP/1.0\r\nHost: {VERSION_HOST}\r\n\r\n".encode())
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        return answer.decode().rpartition("\r\n\r\n")[2]
