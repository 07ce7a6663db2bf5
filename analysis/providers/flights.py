"""Equal questions in the same second are asked once: whoever comes second waits for the answer to the first."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from dataclasses import dataclass, field
from typing import Any, TypeVar

SHARED_FOR = 1.0
"""For how many seconds after it was asked a question's answer serves others too."""

T = TypeVar("T")


@dataclass(slots=True)
class _Flight:
    task: "asyncio.Task[Any]"
    born: float
    askers: set[Hashable] = field(default_factory=set)
    waiting: int = 0


class Flights:
    """Questions that are under way or were answered a moment ago, by their key."""

    def __init__(self) -> None:
        self._flights: dict[Hashable, _Flight] = {}

    async def once(self, key: Hashable, asker: Hashable, ask: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """The answer of `ask`, or of an equal `key` asked less than a second ago, with its exception if it had one.

        The same `asker` never gets the same answer twice: its second question is a measurement of its own.
        """
        now = asyncio.get_running_loop().time()
        flight = self._flights.get(key)
        if flight is None or now - flight.born >= SHARED_FOR or asker in flight.askers or flight.task.cancelling():
            self._forget(now)
            flight = _Flight(asyncio.create_task(ask()), now)
            self._flights.pop(key, None)  # so that the order of the keys stays that of birth
            self._flights[key] = flight
        flight.askers.add(asker)
        answer: T = await _landed(flight)
        return answer

    def _forget(self, now: float) -> None:
        for key, flight in list(self._flights.items()):
            if now - flight.born < SHARED_FOR:
                return
            del self._flights[key]


async def _landed(flight: _Flight) -> Any:
    """Wait for a flight; when the last one who waits is cancelled, so is the flight."""
    flight.waiting += 1
    try:
        return await asyncio.shield(flight.task)
    finally:
        flight.waiting -= 1
        if not flight.waiting and not flight.task.done():
            flight.task.cancel()
