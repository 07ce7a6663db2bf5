"""List, then watch, then again: keeps one cache equal to the API server, through everything that may happen between.

* A watch that ends goes on from the last version heard, without a new list.
* 410 Gone (that version is no longer kept) leads to a new list, at once the first time, then with back-off.
* No answer, a broken one or a 5xx: try again after 0.2 s, doubling up to 10 s, each time with jitter so that a
  hundred watchers do not return to a restarted API server in step.
* A stream in which nothing was heard for `silence` seconds, not even a bookmark, is given up and asked for anew: a
  connection can die without either side being told. API servers send a bookmark about once a minute.
* A kind that need not be there (a mesh's, say) is `optional`: while the API server does not know it, the cache is
  empty and counts as synced, and the server is asked again every `probe` seconds.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import structlog

from rollouts.kube.cache import Cache, parse_version, version_of
from rollouts.kube.errors import ApiError, Gone, NotFound
from rollouts.kube.refs import Obj
from rollouts.kube.wire import Listing, WatchEvent, Wire

PAGE = 500
FIRST_BACKOFF = 0.2
LONGEST_BACKOFF = 10.0
TOO_SHORT = 1.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Scope:
    """Which objects of a kind to watch: of one namespace ("": all), with these labels and fields."""

    namespace: str = ""
    label_selector: str = ""
    field_selector: str = ""


@dataclass(frozen=True, slots=True)
class Pace:
    """Times of a watch, in seconds.

    `lifetime`: after how long the server is asked to end it (spread by a quarter). `silence`: after how long of nothing
    a stream counts as dead (0: never, right for an in-process API server). `probe`: how often to ask again for an
    optional kind that the server does not know.
    """

    lifetime: float = 480.0
    silence: float = 180.0
    probe: float = 60.0


IN_PROCESS = Pace(lifetime=7 * 86400.0, silence=0.0)
"""For an API server in this very process: its streams cannot die unnoticed, and simulated days should cost nothing."""


class Watcher:
    """Fills a cache for as long as `run` runs. `jitter` gives numbers in [0, 1)."""

    def __init__(
        self,
        wire: Wire,
        cache: Cache,
        scope: Scope = Scope(),
        *,
        optional: bool = False,
        pace: Pace = Pace(),
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.cache = cache
        self.synced = asyncio.Event()
        """Set once the first list has been taken in."""
        self.absent = False
        """The API server does not know this (optional) kind."""
        self._wire = wire
        self._scope = scope
        self._optional = optional
        self._pace = pace
        self._jitter = jitter
        self._version = ""
        self._failures = 0

    async def run(self) -> None:
        """List and watch until cancelled. Raises nothing: whatever the API server refuses is logged and tried again."""
        while True:
            try:
                if not self._version:
                    await self._list()
                await self._watch()
            except Gone:
                self._version = ""
                await self._back_off("the version to watch from is gone, listing anew", at_once=self._failures == 0)
            except NotFound as error:
                self._version = ""
                await self._not_found(error)
            except (ApiError, OSError, TimeoutError) as error:
                await self._back_off(_reason(error))
            except Exception:
                log.exception("watch failed", kind=self.cache.resource.kind)
                self._version = ""
                await self._back_off("an error of our own")

    async def _list(self) -> None:
        mark = self.cache.mark
        listing = await self._page()
        items, version = listing.items, listing.resource_version
        try:
            while listing.continue_token:
                listing = await self._page(listing.continue_token)
                items = items + listing.items
        except Gone:  # the pages took too long; in one piece it cannot happen again
            mark = self.cache.mark
            listing = await self._page(limit=0)
            items, version = listing.items, listing.resource_version
        self.cache.replace(items, parse_version(version), mark)
        self._version = version
        self.absent = False
        self.synced.set()

    async def _page(self, token: str = "", limit: int = PAGE) -> Listing:
        scope = self._scope
        return await self._wire.list(
            self.cache.resource,
            scope.namespace,
            label_selector=scope.label_selector,
            field_selector=scope.field_selector,
            limit=limit,
            continue_token=token,
        )

    def _stream(self) -> AsyncIterator[WatchEvent]:
        scope = self._scope
        return self._wire.watch(
            self.cache.resource,
            scope.namespace,
            resource_version=self._version,
            label_selector=scope.label_selector,
            field_selector=scope.field_selector,
            timeout=self._pace.lifetime * (0.75 + 0.5 * self._jitter()),
        )

    async def _watch(self) -> None:
        """One watch, from the last version heard to the stream's end."""
        loop = asyncio.get_running_loop()
        started, events = loop.time(), 0
        stream, silence = self._stream(), self._pace.silence
        try:
            async with asyncio.timeout(silence or None) as deadline:
                async for event in stream:
                    self._take_in(event)
                    self._failures = 0
                    events += 1
                    if silence:
                        deadline.reschedule(loop.time() + silence)
        except TimeoutError:
            log.info("watch fell silent, asking anew", kind=self.cache.resource.kind, seconds=silence)
            return
        finally:
            await _close(stream)
        if not events and loop.time() - started < TOO_SHORT:
            await self._back_off("the watch ended as soon as it began")
        else:
            self._failures = 0

    def _take_in(self, event: WatchEvent) -> None:
        obj: Obj = event.object
        if event.type == "DELETED":
            self.cache.remove(obj)
        elif event.type != "BOOKMARK":
            self.cache.put(obj)
        version = obj["metadata"].get("resourceVersion", "")
        if version:
            self._version = version
            self.cache.advance(version_of(obj))

    async def _not_found(self, error: NotFound) -> None:
        if not self._optional:
            return await self._back_off(f"{error.message} (is the CustomResourceDefinition installed?)")
        self.cache.replace((), 0, self.cache.mark)
        self.absent = True
        self.synced.set()
        return await asyncio.sleep(self._pace.probe)

    async def _back_off(self, why: str, *, at_once: bool = False) -> None:
        delay = min(LONGEST_BACKOFF, FIRST_BACKOFF * 2.0 ** min(self._failures, 16))
        self._failures += 1
        delay = 0.0 if at_once else delay * (0.5 + 0.5 * self._jitter())
        log.warning("watch interrupted", kind=self.cache.resource.kind, why=why, again_in=round(delay, 2))
        await asyncio.sleep(delay)


def _reason(error: BaseException) -> str:
    return error.message if isinstance(error, ApiError) else f"{type(error).__name__}: {error}"


async def _close(stream: object) -> None:
    """End an asynchronous generator where it stands, so that its connection is freed now and not by the collector."""
    aclose = getattr(stream, "aclose", None)
    if aclose is not None:
        await aclose()
