"""Keeps what decisions ask, asks it when it is due, and wakes the Rollout with the answer. Nothing is decided here.

A pass never waits for an answer: whoever aborts must not stand behind a Prometheus that does not speak. What is not
asked any more is forgotten, also if its answer is still on its way.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, TypeVar

import structlog

from analysis.schema import Obj
from rollouts.decide.plan import Event
from rollouts.decide.questions import Answer, Ask, Question
from rollouts.kube.cache import Key

log = structlog.get_logger(__name__)

AFTER_A_BUG = 60.0
"""Seconds until a question is asked again that could not even be asked."""


A = TypeVar("A", bound=Answer, covariant=True)


@dataclass(frozen=True, slots=True)
class Finding(Generic[A]):
    """An answer, and the Events that tell of it."""

    answer: A
    events: tuple[Event, ...] = ()


Asker = Callable[[Obj, Question], Awaitable[Finding[Answer]]]
"""Finds the answer to a question about a Rollout. Whatever goes wrong is an answer, too: it raises nothing."""


@dataclass(slots=True)
class _Open:
    """The questions of one Rollout: what was answered, and what is being asked."""

    answers: dict[Question, Answer] = field(default_factory=dict)
    flights: "dict[Question, asyncio.Task[None]]" = field(default_factory=dict)


class Prober:
    """`ask` finds answers, `tell` speaks of them, and `wake` lets a Rollout be looked at again."""

    def __init__(
        self,
        ask: Asker,
        clock: Callable[[], datetime],
        wake: Callable[[Key], None],
        tell: Callable[[Obj, Event], None],
    ) -> None:
        self._ask, self._clock, self._wake, self._tell = ask, clock, wake, tell
        self._open: dict[Key, _Open] = {}

    def answers(self, key: Key) -> Mapping[Question, Answer]:
        """What was answered to the questions that are still open."""
        known = self._open.get(key)
        return dict(known.answers) if known else {}

    def follow(self, key: Key, rollout: Obj, asks: Iterable[Ask]) -> None:
        """Ask what is due, and forget what nobody wants to know any more."""
        wanted = {ask.question: ask.due for ask in asks}
        if not wanted and key not in self._open:
            return
        known = self._open.setdefault(key, _Open())
        known.answers = {question: answer for question, answer in known.answers.items() if question in wanted}
        for question in known.flights.keys() - wanted.keys():
            known.flights.pop(question).cancel()
        now = self._clock()
        for question, due in wanted.items():
            if due is not None and due <= now and question not in known.flights:
                flight = self._fly(key, rollout, question, known)
                known.flights[question] = asyncio.create_task(flight, name=f"ask about {key[0]}/{key[1]}")
        if not known.flights and not known.answers and not wanted:
            del self._open[key]

    def forget(self, key: Key) -> None:
        """The Rollout is gone."""
        known = self._open.pop(key, None)
        for flight in known.flights.values() if known else ():
            flight.cancel()

    async def close(self) -> None:
        """Ask no more."""
        flights = [flight for known in self._open.values() for flight in known.flights.values()]
        for key in tuple(self._open):
            self.forget(key)
        await asyncio.gather(*flights, return_exceptions=True)

    async def _fly(self, key: Key, rollout: Obj, question: Question, known: _Open) -> None:
        try:
            found = await self._ask(rollout, question)
        except Exception as error:
            # A bug of ours. Without an answer the next pass asks again, so it must not come at once.
            log.error("asking failed", namespace=key[0], rollout=key[1], question=repr(question), exc_info=error)
            await asyncio.sleep(AFTER_A_BUG)
            known.flights.pop(question, None)
            self._wake(key)
            return
        known.answers[question] = found.answer
        known.flights.pop(question, None)
        for event in found.events:
            self._tell(rollout, event)
        log.debug("answered", namespace=key[0], rollout=key[1], answer=repr(found.answer))
        self._wake(key)
