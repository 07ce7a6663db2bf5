"""Keys to be worked on: each once however often it is named, one worker at a time per key, delays, and back-off.

A key moves through four places: waiting for its time (`later`), ready, in hand, and in hand but named again (dirty).
Named again it is looked at again; but what a pass itself caused it may have foreseen, and then it says so (`foreseen`).

* A delayed key keeps the earliest of its times. Taking a key in hand forgets its delay: the pass that follows says
  anew when the next look is due.
* A failed pass puts its key back after 50 ms, then doubling up to 10 s. (Argo Rollouts starts at 1 ms, which spends
  ten calls on a failure that lasts a second; nobody sees the other 49 ms.)
* An event bypasses that back-off: a repaired manifest takes effect at once. But an event that came while the key was
  in hand may well be the echo of what the failing pass itself wrote, so after a failure it shortens the back-off to one
  second only, and passes that fail and write do not chase themselves.

Time is the event loop's; under a virtual clock the queue waits for nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Set
from typing import Generic, Protocol, TypeAlias, TypeVar

import structlog

from rollouts.kube.errors import ApiError

K = TypeVar("K", bound=Hashable)
Handler: TypeAlias = Callable[[K], Awaitable[float | None]]
"""Works on a key and says in how many seconds to look again (0: at once; None: not before the next event).
Whatever it raises counts as a failure and leads to back-off."""

FIRST_BACKOFF = 0.05
LONGEST_BACKOFF = 10.0
ECHO_BACKOFF = 1.0

log = structlog.get_logger(__name__)


class QueueMeter(Protocol):
    """Told what happens in a queue. Durations are seconds."""

    def added(self) -> None: ...
    def retried(self) -> None: ...
    def taken(self, waited: float) -> None: ...
    def finished(self, took: float) -> None: ...


class Queue(Generic[K]):
    """A work queue. Use from one event loop only; `add` and its kin may be called before `run`."""

    def __init__(
        self,
        name: str,
        *,
        first_backoff: float = FIRST_BACKOFF,
        longest_backoff: float = LONGEST_BACKOFF,
        meter: QueueMeter | None = None,
    ) -> None:
        self.name = name
        self.meter = meter
        self._first = first_backoff
        self._longest = longest_backoff
        self._ready: dict[K, float] = {}  # since when, in order
        self._later: dict[K, asyncio.TimerHandle] = {}
        self._in_hand: dict[K, float] = {}  # since when
        self._dirty: dict[K, set[str]] = {}  # and why
        self._failures: dict[K, int] = {}
        self._group: asyncio.TaskGroup | None = None
        self._handle: Handler[K] | None = None
        self._workers = 0
        self._closing = asyncio.Event()

    # ── naming keys ────────────────────────────────────────────────────────

    def add(self, key: K, cause: str = "") -> None:
        """Something happened to this key: look at it now, or again as soon as it is out of hand. `cause`: the state
        of an object that it came with (`refs.state_of`), if any."""
        if self._closing.is_set():
            return
        if key in self._in_hand:
            self._dirty.setdefault(key, set()).add(cause)
        elif key not in self._ready:
            self._forget_delay(key)
            self._ready[key] = self._now()
            if self.meter:
                self.meter.added()
            self._hand_out()

    def add_after(self, key: K, delay: float) -> None:
        """Look at this key in `delay` seconds, or earlier if it is asked for earlier."""
        if delay <= 0:
            return self.add(key)
        if self._closing.is_set() or key in self._ready:
            return None
        when = self._now() + delay
        waiting = self._later.get(key)
        if waiting is None or when < waiting.when():
            self._forget_delay(key)
            self._later[key] = asyncio.get_running_loop().call_at(when, self._due, key)
        return None

    def foreseen(self, key: K, causes: Set[str]) -> None:
        """Said by the pass that has this key in hand: it wrote these states, and knows what they lead to."""
        if key in self._dirty and self._dirty[key] <= causes:
            del self._dirty[key]

    def forget(self, key: K) -> None:
        """The key's object is gone: no delayed look, no memory of failures."""
        self._forget_delay(key)
        self._failures.pop(key, None)

    # ── working ────────────────────────────────────────────────────────────

    async def run(self, handle: Handler[K], workers: int) -> None:
        """Work on keys, at most `workers` at a time, until `close`; then finish what is in hand."""
        async with asyncio.TaskGroup() as group:
            self._group, self._handle, self._workers = group, handle, workers
            self._hand_out()
            try:
                await self._closing.wait()
            finally:  # also when cancelled: whoever is heard of while the last workers end is handed to nobody
                self._closing.set()
                for timer in self._later.values():
                    timer.cancel()
                self._later.clear()
                self._ready.clear()

    def close(self) -> None:
        """Hand out no more keys. `run` returns once those in hand are done."""
        self._closing.set()

    # ── what metrics and tests may know ────────────────────────────────────

    @property
    def depth(self) -> int:
        """How many keys are ready and wait for a worker."""
        return len(self._ready)

    @property
    def in_hand(self) -> int:
        """How many keys are being worked on."""
        return len(self._in_hand)

    @property
    def idle(self) -> bool:
        """Nothing ready and nothing in hand; delayed keys may wait."""
        return not self._ready and not self._in_hand

    def unfinished(self) -> list[float]:
        """For how many seconds each key in hand has been worked on."""
        now = self._now()
        return [now - since for since in self._in_hand.values()]

    def failures(self, key: K) -> int:
        """How many passes over this key failed in succession."""
        return self._failures.get(key, 0)

    # ── inside ─────────────────────────────────────────────────────────────

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _forget_delay(self, key: K) -> None:
        timer = self._later.pop(key, None)
        if timer:
            timer.cancel()

    def _due(self, key: K) -> None:
        self._later.pop(key, None)
        self.add(key)

    def _hand_out(self) -> None:
        while self._group and self._ready and len(self._in_hand) < self._workers and not self._closing.is_set():
            key = next(iter(self._ready))
            since, now = self._ready.pop(key), self._now()
            self._in_hand[key] = now
            if self.meter:
                self.meter.taken(now - since)
            self._group.create_task(self._work(key), name=f"{self.name} {key}")

    async def _work(self, key: K) -> None:
        assert self._handle is not None
        delay: float | None = None
        failed = False
        try:
            delay = await self._handle(key)
        except ApiError as error:
            failed = True
            log.warning("pass failed", queue=self.name, key=_spelled(key), code=error.code, error=error.message)
        except Exception:
            failed = True
            log.exception("pass failed", queue=self.name, key=_spelled(key))
        self._settle(key, delay, failed)

    def _settle(self, key: K, delay: float | None, failed: bool) -> None:
        took = self._now() - self._in_hand.pop(key)
        if self.meter:
            self.meter.finished(took)
        dirty = self._dirty.pop(key, None) is not None
        if failed:
            backoff = self._back_off(key)
            self.add_after(key, min(backoff, ECHO_BACKOFF) if dirty else backoff)
        else:
            self._failures.pop(key, None)
            if dirty:
                self.add(key)
            elif delay is not None:
                self.add_after(key, delay)
        self._hand_out()

    def _back_off(self, key: K) -> float:
        count = self._failures.get(key, 0)
        self._failures[key] = count + 1
        if self.meter:
            self.meter.retried()
        return min(self._longest, self._first * 2.0 ** min(count, 32))


def _spelled(key: Hashable) -> str:
    """A key as people write it: `shop/web`."""
    return "/".join(map(str, key)) if isinstance(key, tuple) else str(key)
