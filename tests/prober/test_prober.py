"""Questions that are asked when they are due, once at a time, and forgotten when nobody wants to know any more."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rollouts.decide.plan import Event
from rollouts.decide.questions import Answer, Ask, CheckedTargets, CheckTargets, Question
from rollouts.kube.refs import Obj
from rollouts.prober.prober import AFTER_A_BUG, Finding, Prober
from rollouts.sandbox import clock

pytestmark = pytest.mark.virtual

KEY = ("default", "r")
ROLLOUT: Obj = {"metadata": {"name": "r", "namespace": "default"}}
ONE, OTHER = CheckTargets("one", "h"), CheckTargets("other", "h")
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


class Answers:
    """Says yes after a second, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Question] = []
        self.woken: list[Any] = []
        self.told: list[Event] = []
        self.bug: Exception | None = None
        self.prober = Prober(self.answer, clock.now, self.woken.append, lambda _, event: self.told.append(event))

    async def answer(self, rollout: Obj, question: Question) -> Finding[Answer]:
        self.asked.append(question)
        await asyncio.sleep(1)
        if self.bug is not None:
            raise self.bug
        return Finding(CheckedTargets(clock.now(), True), (Event("Said", "yes"),))

    def follow(self, *asks: Ask) -> None:
        self.prober.follow(KEY, ROLLOUT, asks)


async def test_a_due_question_is_asked_once_and_its_answer_wakes_the_rollout() -> None:
    found = Answers()
    for _ in range(3):
        found.follow(Ask(ONE, LONG_AGO))
    await asyncio.sleep(2)
    assert (found.asked, found.woken, found.told) == ([ONE], [KEY], [Event("Said", "yes")])
    assert isinstance(found.prober.answers(KEY)[ONE], CheckedTargets)


async def test_what_is_not_due_yet_is_not_asked_and_its_answer_is_kept() -> None:
    found = Answers()
    found.follow(Ask(ONE, LONG_AGO))
    await asyncio.sleep(2)
    found.follow(Ask(ONE, None), Ask(OTHER, clock.now() + timedelta(seconds=60)))
    await asyncio.sleep(2)
    assert (found.asked, list(found.prober.answers(KEY))) == ([ONE], [ONE])


async def test_what_nobody_asks_any_more_is_forgotten_also_on_its_way() -> None:
    found = Answers()
    found.follow(Ask(ONE, LONG_AGO))
    await asyncio.sleep(0.5)
    found.follow(Ask(OTHER, LONG_AGO))
    await asyncio.sleep(2)
    assert (found.woken, list(found.prober.answers(KEY))) == ([KEY], [OTHER])
    found.follow()
    assert found.prober.answers(KEY) == {}


async def test_a_rollout_that_is_gone_is_asked_about_no_more() -> None:
    found = Answers()
    found.follow(Ask(ONE, LONG_AGO))
    await asyncio.sleep(0.5)
    found.prober.forget(KEY)
    await found.prober.close()
    await asyncio.sleep(2)
    assert found.woken == []


async def test_a_question_that_breaks_is_asked_again_after_a_while() -> None:
    found = Answers()
    found.bug = KeyError("ours")
    found.follow(Ask(ONE, LONG_AGO))
    await asyncio.sleep(AFTER_A_BUG)
    assert found.woken == []
    await asyncio.sleep(2)
    assert (found.woken, found.prober.answers(KEY)) == ([KEY], {})
    found.bug = None
    found.follow(Ask(ONE, LONG_AGO))
    await asyncio.sleep(2)
    assert found.asked == [ONE, ONE]
    assert ONE in found.prober.answers(KEY)
