"""Takes in what is said of objects, at once, and posts it when it is due.

Whoever is about to record an end can wait until all of it is told (`settled`). Nothing is lost silently: a refused
Event is logged; an unreachable server is tried again; when more than `capacity` objects have something waiting, further
Normal ones are dropped, counted and logged, but never warnings and ends of updates.
"""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import count
from typing import TypeAlias

import structlog

from rollouts.kube.clock import Clock
from rollouts.kube.errors import ApiError, TooManyRequests, Unreachable
from rollouts.kube.events.batch import Batch
from rollouts.kube.events.due import AT_ONCE, Patience, patience
from rollouts.kube.events.manifest import named, reference_to
from rollouts.kube.events.note import ENDS, Note, Said, Severity, Telling, joined
from rollouts.kube.events.poster import Poster
from rollouts.kube.queue import Queue
from rollouts.kube.refs import Obj
from rollouts.kube.wire import Wire

COMPONENT = "rollouts-controller"

_POSTERS = 4
_TOO_LATE = "the API server did not take it before the end"

OnEvent: TypeAlias = Callable[[Obj, Severity, str], None]

log = structlog.get_logger(__name__)


class Recorder:
    """Takes events in by `record` and posts them while `run` runs. `busy`: whether more urgent work is under way."""

    def __init__(
        self,
        wire: Wire,
        now: Clock,
        *,
        component: str = COMPONENT,
        capacity: int = 10_000,
        on_event: OnEvent | None = None,
        on_drop: Callable[[], None] | None = None,
        busy: Callable[[], bool] = lambda: False,
    ) -> None:
        self.dropped = 0
        """How many events were recorded but will never be seen in the API server."""
        self._now = now
        self._capacity = capacity
        self._on_event = on_event
        self._on_drop = on_drop
        self._busy = busy
        self._poster = Poster(wire, component)
        self._queue: Queue[str] = Queue("Events")
        self._batches: dict[str, Batch] = {}
        self._serials = count(1)
        self._in_hand: set[str] = set()
        self._settled: dict[str, asyncio.Event] = {}
        self._closing = False
        self._ended = False
        self._empty = asyncio.Event()
        self._empty.set()

    # ── recording ──────────────────────────────────────────────────────────

    def record(self, about: Obj, type: Severity, reason: str, message: str) -> None:
        """Say something of an object (which must have a kind and a name). Returns at once; never raises."""
        self.record_all(about, [Telling(type, reason, message)])

    def record_all(self, about: Obj, said: Iterable[Said]) -> None:
        """Say what one pass has to say of an object, in this order."""
        reference = reference_to(about)
        key = named(reference)
        taken = [self._noted(key, one) for one in said if self._is_taken(about, one)]
        if not taken:
            return
        self._empty.clear()
        batch = self._batches.setdefault(key, Batch(reference))
        now = asyncio.get_running_loop().time()
        batch.take(taken, now)
        self._queue.add_after(key, 0.0 if self._closing else batch.due.left(now))

    def _is_taken(self, about: Obj, said: Said) -> bool:
        if self._on_event:
            self._on_event(about, said.type, said.reason)
        if self.waiting < self._capacity or said.type == "Warning" or said.reason in ENDS:
            return True
        self._drop(reference_to(about), said.reason, said.message, "too many wait to be posted")
        return False

    def _noted(self, key: str, said: Said) -> tuple[Note, Patience]:
        date, words = self._now(), (key, said.type, said.reason, said.message)
        note = Note(said.type, said.reason, [said.message], date, date, next(self._serials))
        return note, patience(said.type, said.reason, self._poster.times(words))

    async def settled(self, about: Obj, within: float) -> None:
        """Post what waits to be said of an object now, and return when that is done, or after `within` seconds. While
        more urgent work is under way: at once, and what waits goes on waiting."""
        key = named(reference_to(about))
        if self._busy() or (key not in self._batches and key not in self._in_hand):
            return
        done = self._settled.setdefault(key, asyncio.Event())
        if key in self._batches:
            self._batches[key].due = AT_ONCE
            self._queue.add(key)
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await done.wait()

    @property
    def waiting(self) -> int:
        """How many objects have something waiting to be posted."""
        return len(self._batches)

    def _drop(self, about: Obj, reason: str, message: str, why: str) -> None:
        self.dropped += 1
        if self._on_drop:
            self._on_drop()
        log.error("event dropped", object=named(about), reason=reason, message=message, why=why, dropped=self.dropped)

    # ── posting ────────────────────────────────────────────────────────────

    async def run(self) -> None:
        """Post what is recorded, until `close`."""
        await self._queue.run(self._post, _POSTERS)

    async def close(self, within: float = 5.0) -> None:
        """Post everything that waits, for at most `within` seconds, and end `run`. What then still waits is dropped."""
        self._closing = True
        for key in list(self._batches):
            self._queue.add(key)
        try:
            async with asyncio.timeout(within):
                await self._empty.wait()
        except TimeoutError:
            for batch in self._batches.values():
                self._drop_notes(batch.about, batch.notes)
            self._batches.clear()
        self._ended = True
        self._queue.close()

    async def _post(self, key: str) -> float | None:
        """Post one object's batch, note by note. What is said meanwhile waits in a batch of its own."""
        batch = self._batches.get(key)
        if batch is None:
            return None
        if not self._closing and (early := self._early(batch)) > 0:
            return early
        self._in_hand.add(key)
        notes = joined(self._batches.pop(key).notes)
        try:
            while notes:
                await self._post_or_drop(batch.about, notes[0])
                del notes[0]
        finally:
            self._in_hand.discard(key)
            self._put_back(key, batch, notes)
            self._tell_who_waits(key)
        return None

    def _early(self, batch: Batch) -> float:
        return batch.due.left(asyncio.get_running_loop().time(), busy=self._busy(), waiting=self.waiting)

    async def _post_or_drop(self, about: Obj, note: Note) -> None:
        try:
            await self._poster.post(about, note)
        except (Unreachable, TooManyRequests):
            raise
        except ApiError as error:
            self._drop(about, note.reason, note.message, error.message)

    def _put_back(self, key: str, batch: Batch, unsaid: list[Note]) -> None:
        """What could not be posted for now is said before what has been said since, at the queue's next try."""
        if self._ended:
            self._drop_notes(batch.about, unsaid)
        elif unsaid:
            self._batches[key] = batch.again(unsaid, self._batches.get(key))

    def _drop_notes(self, about: Obj, notes: Iterable[Note]) -> None:
        for note in notes:
            self._drop(about, note.reason, note.message, _TOO_LATE)

    def _tell_who_waits(self, key: str) -> None:
        if key not in self._batches and (done := self._settled.pop(key, None)):
            done.set()
        if not self._batches and not self._in_hand:
            self._empty.set()
