"""Kubernetes Events: recorded without waiting, combined for a moment, posted off the hot path, flushed at shutdown.

An Event is an object in the API server, and an update of a canary has about twenty things to say. So what is said of
one object is held until nothing more was said of it for two seconds (at the longest fifteen), and then what was said
under one reason becomes one Event: its number as the count, its distinct texts joined. Every reason stands by itself,
because alerts, exporters and people filter by it; two alone join another one, since they say the same of the same
object a second time: `Updated VirtualService` joins TrafficWeightUpdated, and MetricSuccessful AnalysisRunSuccessful.

A Warning is news: it is posted at once, after what was said before it; what its own pass says is not mixed with that,
nor is what is said of one update with what was said before it. RolloutCompleted is posted at once, too, and whoever
is about to record an end can wait until all of it is told (`settled`). While much else is under way (`busy`) nobody
waits, and everything but Warnings is held for up to 45 seconds: news of releases must not hold up releases.

What was posted before, word for word, is counted up on the Event that is there, the later the more often it was said (a
Warning by ten seconds each time, anything else by two), so that a rollout that fails without end does not fill the API
server.

Nothing is lost silently: a refused Event is logged; an unreachable server is tried again; when more than `capacity`
notes wait, further Normal ones are dropped, counted and logged, but never warnings and ends of updates.
"""

import asyncio
import math
from collections import OrderedDict
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, TypeAlias

import structlog

from analysis.schema import format_time
from rollouts.kube.clock import Clock
from rollouts.kube.errors import AlreadyExists, ApiError, NotFound, TooManyRequests, Unreachable
from rollouts.kube.queue import Queue
from rollouts.kube.refs import EVENT, Obj, name_of, namespace_of, uid_of
from rollouts.kube.wire import Wire

COMPONENT = "rollouts-controller"
QUIET = 2.0
LONGEST = 15.0
HELD = 45.0
LOOK_AGAIN = 0.5
REPEATED = 10.0
REPEATED_LONGEST = 300.0

ENDS = frozenset({"RolloutCompleted", "RolloutAborted"})
BEGIN = "RolloutUpdated"
JOINS = {"Updated VirtualService": "TrafficWeightUpdated", "MetricSuccessful": "AnalysisRunSuccessful"}

_LONGEST_MESSAGE = 1024
_REMEMBERED = 4096
_POSTERS = 4
_TOO_LATE = "the API server did not take it before the end"

Severity: TypeAlias = Literal["Normal", "Warning"]
Said: TypeAlias = tuple[Severity, str, str]
"""Severity, reason and message of one Event."""
OnEvent: TypeAlias = Callable[[Obj, Severity, str], None]

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Note:
    """What was said of one object for one reason since its last Event."""

    type: Severity
    reason: str
    texts: list[str]
    count: int
    first: datetime
    last: datetime
    began: int
    ended: int
    """`began` and `ended` number the first and the last time in the order of everything said."""
    left_out: int = 0

    @property
    def message(self) -> str:
        """The distinct texts in the order they were said; the earliest give way when they are too long together."""
        lead = f"({self.left_out} earlier); " if self.left_out else ""
        return (lead + "; ".join(self.texts))[:_LONGEST_MESSAGE]

    def join(self, other: "_Note") -> None:
        self.texts += [text for text in other.texts if text not in self.texts]
        while len(self.texts) > 1 and sum(len(text) + 2 for text in self.texts) > _LONGEST_MESSAGE - 32:
            del self.texts[0]
            self.left_out += 1
        self.count += other.count
        self.left_out += other.left_out
        self.first, self.last = min(self.first, other.first), max(self.last, other.last)
        self.began, self.ended = min(self.began, other.began), max(self.ended, other.ended)


@dataclass(slots=True)
class _Batch:
    """What waits to be said of one object. Times are the loop's: posted once quiet, at `latest` where it never is, at
    `ending` if it tells of an end, and at the deadline even when much else is under way.

    The first `closed` notes are complete: what is said of the same reason from now on becomes a note of its own.
    """

    about: Obj
    quiet: float = math.inf
    latest: float = math.inf
    ending: float = math.inf
    deadline: float = math.inf
    notes: list[_Note] = field(default_factory=list)
    closed: int = 0

    @property
    def due(self) -> float:
        return min(self.quiet, self.latest, self.ending, self.deadline)

    def take(self, note: _Note) -> None:
        for held in self.notes[self.closed :]:
            if (held.type, held.reason) == (note.type, note.reason):
                return held.join(note)
        return self.notes.append(note)

    def close(self) -> None:
        self.closed = len(self.notes)


@dataclass(slots=True)
class _Posted:
    name: str
    count: int


_Words: TypeAlias = tuple[str, str, str, str]


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
        self._wire = wire
        self._now = now
        self._component = component
        self._capacity = capacity
        self._on_event = on_event
        self._on_drop = on_drop
        self._busy = busy
        self._queue: Queue[str] = Queue("Events")
        self._batches: dict[str, _Batch] = {}
        self._posted: OrderedDict[_Words, _Posted] = OrderedDict()
        self._serial = 0
        self._in_hand: set[str] = set()
        self._settled: dict[str, asyncio.Event] = {}
        self._closing = False
        self._ended = False
        self._empty = asyncio.Event()
        self._empty.set()

    # ── recording ──────────────────────────────────────────────────────────

    def record(self, about: Obj, type: Severity, reason: str, message: str) -> None:
        """Say something of an object (which must have a kind and a name). Returns at once; never raises."""
        self.record_all(about, [(type, reason, message)])

    def record_all(self, about: Obj, said: Iterable[Said]) -> None:
        """Say what one pass has to say of an object, in this order."""
        key, told = _key(about), [one for one in said if self._is_taken(about, one)]
        if not told:
            return
        batch = self._batches.get(key)
        if batch is None:
            batch = self._batches[key] = _Batch(_reference(about))
            self._empty.clear()
        news = any(self._is_news((key, *one)) for one in told)
        if news or any(reason == BEGIN for _, reason, _ in told):
            batch.close()
        for one in told:
            self._take(key, batch, one)
        if news:
            batch.close()
        now = asyncio.get_running_loop().time()
        self._queue.add_after(key, 0.0 if self._closing else batch.due - now)

    def _is_taken(self, about: Obj, said: Said) -> bool:
        type, reason, message = said
        if self._on_event:
            self._on_event(about, type, reason)
        if self.waiting < self._capacity or type == "Warning" or reason in ENDS:
            return True
        self._drop(about, reason, message, "too many wait to be posted")
        return False

    def _take(self, key: str, batch: _Batch, said: Said) -> None:
        self._serial += 1
        date, (type, reason, message) = self._now(), said
        batch.take(_Note(type, reason, [message], 1, date, date, self._serial, self._serial))
        self._put_off(batch, asyncio.get_running_loop().time(), (key, *said))

    async def settled(self, about: Obj, within: float) -> None:
        """Post what waits to be said of an object now, and return when that is done, or after `within` seconds. While
        more urgent work is under way: at once, and what waits goes on waiting."""
        key = _key(about)
        if self._busy() or (key not in self._batches and key not in self._in_hand):
            return
        done = self._settled.setdefault(key, asyncio.Event())
        if key in self._batches:
            self._batches[key].deadline = 0.0
            self._queue.add(key)
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await done.wait()

    @property
    def waiting(self) -> int:
        """How many objects have something waiting to be posted."""
        return len(self._batches)

    def _put_off(self, batch: _Batch, now: float, words: _Words) -> None:
        """Set when a batch is to be posted, now that these words have been added to it."""
        _, type, reason, _ = words
        before = posted.count if (posted := self._posted.get(words)) else 0
        if type == "Warning":
            patience = 0.0 if reason in ENDS else min(REPEATED * before, REPEATED_LONGEST)
        elif reason in ENDS:
            batch.ending, patience = now, HELD
        else:
            quiet = min(QUIET * max(1, before), REPEATED_LONGEST)
            batch.quiet = now + quiet
            batch.latest = min(batch.latest, now + max(LONGEST, quiet))
            patience = max(HELD, quiet)
        batch.deadline = min(batch.deadline, now + patience)

    def _is_news(self, words: _Words) -> bool:
        """Whether these words are a Warning that is posted at once."""
        _, type, reason, _ = words
        return type == "Warning" and (reason in ENDS or words not in self._posted)

    def _drop(self, about: Obj, reason: str, message: str, why: str) -> None:
        self.dropped += 1
        if self._on_drop:
            self._on_drop()
        log.error("event dropped", object=_key(about), reason=reason, message=message, why=why, dropped=self.dropped)

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
                for note in batch.notes:
                    self._drop_note(batch.about, note, _TOO_LATE)
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
        del self._batches[key]
        self._in_hand.add(key)
        notes = _told(batch.notes)
        try:
            while notes:
                await self._say_or_drop(batch.about, notes[0])
                del notes[0]
        finally:
            self._in_hand.discard(key)
            if notes:
                self._put_back(key, batch.about, notes)
            if key not in self._batches and (done := self._settled.pop(key, None)):
                done.set()
            if not self._batches and not self._in_hand:
                self._empty.set()
        return None

    def _early(self, batch: _Batch) -> float:
        """In how many seconds this batch may be due; 0 when it is."""
        now = asyncio.get_running_loop().time()
        if now < batch.due:
            return batch.due - now
        return min(LOOK_AGAIN, max(0.0, batch.deadline - now)) if self._busy() else 0.0

    def _put_back(self, key: str, about: Obj, notes: list[_Note]) -> None:
        """What could not be posted for now is said before what has been said since, at the queue's next try."""
        if self._ended:
            for note in notes:
                self._drop_note(about, note, _TOO_LATE)
            return
        since = self._batches.get(key)
        batch = self._batches[key] = _Batch(about, deadline=0.0, notes=notes)
        for note in since.notes if since else ():
            batch.take(note)

    async def _say_or_drop(self, about: Obj, note: _Note) -> None:
        try:
            await self._say(about, note)
        except (Unreachable, TooManyRequests):
            raise
        except ApiError as error:
            self._drop_note(about, note, error.message)

    def _drop_note(self, about: Obj, note: _Note, why: str) -> None:
        self._drop({"kind": about.get("kind"), "metadata": about}, note.reason, note.message, why)

    async def _say(self, about: Obj, note: _Note) -> None:
        """Count up the Event that says the same, or create one."""
        words = (_named(about), note.type, note.reason, note.message)
        posted = self._posted.get(words)
        if posted:
            count = posted.count + note.count
            try:
                patch = {"count": count, "lastTimestamp": format_time(note.last)}
                await self._wire.patch(EVENT, _namespace(about), posted.name, patch)
                posted.count = count
                return self._posted.move_to_end(words)
            except NotFound:  # API servers forget Events after an hour
                del self._posted[words]
        name = await self._create(about, note)
        self._posted[words] = _Posted(name, note.count)
        if len(self._posted) > _REMEMBERED:
            self._posted.popitem(last=False)
        return None

    async def _create(self, about: Obj, note: _Note) -> str:
        while True:
            self._serial += 1
            name = f"{about['name']}.{int(note.first.timestamp() * 1e6) * 1000 + self._serial % 1000:x}"
            try:
                await self._wire.create(EVENT, _namespace(about), self._event(name, about, note))
            except AlreadyExists:
                continue
            return name

    def _event(self, name: str, about: Obj, note: _Note) -> Obj:
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": _namespace(about)},
            "involvedObject": about,
            "type": note.type,
            "reason": note.reason,
            "message": note.message,
            "count": note.count,
            "firstTimestamp": format_time(note.first),
            "lastTimestamp": format_time(note.last),
            "source": {"component": self._component},
            "reportingComponent": self._component,
            "reportingInstance": "",
        }


def _told(notes: Iterable[_Note]) -> list[_Note]:
    """The notes of a batch with those that join another one (see the module's docstring) put into it."""
    kept = sorted(notes, key=lambda note: note.began)
    last = max(kept, key=lambda note: note.ended, default=None)
    for note in list(kept):
        into = JOINS.get(note.reason)
        host = next((other for other in kept if other.reason == into and other.type == note.type), None)
        if host is not None and note is not last:
            host.join(note)
            kept.remove(note)
    return kept


def _reference(about: Obj) -> Obj:
    """An object reference as Events carry it."""
    reference = {
        "apiVersion": about.get("apiVersion", ""),
        "kind": about.get("kind", ""),
        "namespace": namespace_of(about),
        "name": name_of(about),
        "uid": uid_of(about),
        "resourceVersion": about["metadata"].get("resourceVersion", ""),
    }
    return {key: value for key, value in reference.items() if value}


def _namespace(reference: Obj) -> str:
    """Events of cluster-scoped objects live in the namespace `default`."""
    return str(reference.get("namespace", "default"))


def _key(about: Obj) -> str:
    return _named(_reference(about))


def _named(reference: Obj) -> str:
    return f"{reference.get('kind')} {reference.get('namespace', '')}/{reference['name']} {reference.get('uid', '')}"
