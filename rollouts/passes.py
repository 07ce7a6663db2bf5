"""The loop that all kinds of objects share: a key becomes an object, its pass is timed, its status may wait for a
fuller one, and the pass ends with when to look again."""

import asyncio
import math
from datetime import datetime
from typing import Protocol

from rollouts.kube.cache import Cache, Key
from rollouts.kube.refs import Obj

HOLD = 0.5
"""Seconds for which a status that differs in nothing but counts is held back, so that pods that become ready one after
another cost one write, not one each."""


class Pulse(Protocol):
    """Told how each pass went and how long whole updates took. Seconds."""

    def reconciled(self, kind: str, namespace: str, name: str, seconds: float, *, failed: bool = False) -> None: ...

    def refused(self, kind: str, namespace: str, name: str) -> None: ...

    def update_ended(self, status: str, whole: float, manual_pause: float) -> None: ...


class Kind(Protocol):
    """What one kind of object brings to the loop."""

    async def look(self, key: Key, obj: Obj) -> float | None:
        """One pass over an object: observe, decide, act, record. Returns the seconds until the next look (None: an
        event will come); raises what was refused."""

    def forget(self, key: Key) -> None:
        """The object is gone."""


class Loop:
    """Reconciles the objects of one kind by key, and tells how long each pass took."""

    def __init__(self, cache: Cache, kind: Kind, pulse: Pulse | None = None) -> None:
        self._cache = cache
        self._kind = kind
        self._pulse = pulse

    async def reconcile(self, key: Key) -> float | None:
        """A `rollouts.kube.queue.Handler`."""
        obj = self._cache.get(*key)
        if obj is None:
            self._kind.forget(key)
            return None
        loop = asyncio.get_running_loop()
        started, failed = loop.time(), True
        try:
            again = await self._kind.look(key, obj)
            failed = False
        finally:
            if self._pulse is not None:
                self._pulse.reconciled(self._cache.resource.kind, *key, loop.time() - started, failed=failed)
        return again


class Held:
    """Which statuses are held back, and until when."""

    def __init__(self) -> None:
        self._until: dict[Key, float] = {}

    def left(self, key: Key, hold: float) -> float:
        """For how many more seconds the status of this object waits, when it may wait for `hold` from the first time
        that it could have been written; 0 when it is to be written now."""
        now = asyncio.get_running_loop().time()
        until = min(self._until.get(key, math.inf), now + hold)
        if not hold or until <= now:
            self.forget(key)
            return 0.0
        self._until[key] = until
        return until - now

    def forget(self, key: Key) -> None:
        """The object is gone, or its status written."""
        self._until.pop(key, None)


def next_look(wake_at: datetime | None, now: datetime, held: float = 0.0) -> float | None:
    """Seconds until the next look: at the moment that a decision waits for, a moment late rather than early since it
    sees whole seconds, or when a status has been held back for long enough. None: an event will come."""
    delays = [held] if held else []
    if wake_at is not None:
        delays.append(max(0.0, (wake_at - now).total_seconds()) + 0.002)
    return min(delays, default=None)
