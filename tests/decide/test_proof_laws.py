"""The ordering laws with a data plane that follows late or never, and that is only known by the requests it sends.

5. Prove before you shrink: pods that still get requests go only when the longest wait is over, and a destination is
   not given other pods while it gets requests.
And: whatever the data plane does, every update ends.
"""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any, Literal, TypeAlias

from hypothesis import given, settings
from hypothesis import strategies as st

from rollouts.decide import plan as say
from rollouts.decide.questions import Answer, Ask, Counted, CountRequests, Question
from rollouts.decide.world import World
from tests import make
from tests.decide.courses import Deed, basic, check_end, deeds, do, finish, law, routed, scales
from tests.decide.watched import Watched

LONGEST = timedelta(seconds=40)
ASKED = {"requests": "{{hash}} {{window}}", "settle": "5s", "quiet": "10s", "longestWait": "40s"}
TOLERANCE = 0.05

steep = st.sampled_from([0, 50, 100]).map(make.weight)
"""Weights that go down to nothing, too."""

routed_steps = st.lists(st.one_of(basic, steep, scales.map(lambda scale: {"setCanaryScale": scale})), max_size=6)

more_deeds = deeds.flatmap(
    lambda some: st.lists(st.booleans(), min_size=len(some), max_size=len(some)).map(
        lambda follows: [
            each for deed, follow in zip(some, follows, strict=True) for each in (deed, *["follow"][:follow])
        ]
    )
)
Thing: TypeAlias = Deed | Literal["follow"]
"""What people and pods do, and between it now and then the data plane follows."""


class Proven(Watched):
    """A Watched that asks for proof. `flow`: the parts of all requests that each version really gets."""

    def __init__(self, manifest: Any, services: tuple[str, ...]) -> None:
        super().__init__(manifest, services)
        manifest["metadata"]["annotations"] = {"traffic.rollouts.dev/proof": json.dumps(ASKED)}
        self.flow: dict[str, float] = {}
        self.answers: dict[Question, Answer] = {}
        self.moved = self.now

    def follow(self) -> None:
        """The data plane does what is recorded."""
        weights = self.status.get("canary", {}).get("weights")
        if weights is None:
            return
        self.flow = {}
        for side in ("canary", "stable"):
            one = weights[side]
            self.flow[one["podTemplateHash"]] = self.flow.get(one["podTemplateHash"], 0) + one["weight"] / 100

    def world(self) -> World:
        return _with_answers(super().world(), self.answers)

    def step(self, crash_after: int | None = None) -> bool:
        before = _recorded(self.status)
        asks, wrote = self.plan().asks, super().step(crash_after)
        if _recorded(self.status) != before:
            self.moved = self.now
        return self._answer(asks) or wrote

    def _answer(self, asks: tuple[Ask, ...]) -> bool:
        known = {ask.question: self.answers.get(ask.question) for ask in asks}
        self.answers = {question: answer for question, answer in known.items() if answer is not None}
        due = [ask.question for ask in asks if ask.due is not None and ask.due <= self.now]
        for question in due:
            assert isinstance(question, CountRequests)
            counts = {name: 10_000 * self.flow.get(hash, 0.0) for name, hash in question.replica_sets}
            self.answers[question] = Counted(self.now, max(question.since, self.now - question.window), counts)
        return bool(due)

    def _do(self, action: Any) -> None:
        if isinstance(action, say.UpdateReplicaSet) and action.replicas is not None:
            self._check_shrink(action.name, action.replicas)
        if isinstance(action, say.PointService) and action.service == "canary":
            self._check_given_away(self.services["canary"].hash, action.hash)
        super()._do(action)

    def _check_shrink(self, name: str, wanted: int) -> None:
        rs = self.sets[name]
        part = self.flow.get(rs.hash, 0.0)
        if wanted >= min(rs.replicas, rs.available) or not part or self.size == 0:
            return
        need = int(max(0.0, part - TOLERANCE) * self.size)
        if any("setCanaryScale" in step for step in self.manifest["spec"]["strategy"]["canary"]["steps"]):
            need = 1  # who asks for a number of pods gets it, whatever their share
        in_time = self.now - self.moved < LONGEST
        assert not in_time or wanted >= max(1, need), ("pods went from under requests", self.flow, rs, wanted, self.log)

    def _check_given_away(self, old: str, new: str) -> None:
        """To the stable version it may be given at once: that takes everything in the end."""
        stable, in_time = self.status.get("stableRS"), self.now - self.moved < LONGEST
        there = any(rs.hash == old and rs.available for rs in self.sets.values())
        if in_time and there and self.flow.get(old) and stable not in (old, new):
            raise AssertionError(("requests were given to pods that nobody tried", self.flow, old, new, self.log))


def _with_answers(world: World, answers: dict[Question, Answer]) -> World:
    return replace(world, answers=dict(answers))


def _recorded(status: Any) -> Any:
    weights = status.get("canary", {}).get("weights") or {}
    sides = ((side, weights[side]) for side in ("canary", "stable") if weights)
    return [(side, one["podTemplateHash"], one["weight"]) for side, one in sides if one["weight"]]


def course(steps: list[make.Obj], canary: make.Obj, replicas: int, things: list[Thing]) -> Proven:
    manifest = make.rollout(*steps, replicas=replicas, canary={**canary, **make.ISTIO})
    toy = Proven(manifest, ("stable", "canary"))
    toy.run()
    toy.follow()
    for thing in things:
        if thing == "follow":
            toy.follow()
        else:
            do(toy, *thing)
    return toy


@settings(law, max_examples=30)
@given(
    steps=routed_steps, canary=routed, replicas=st.integers(1, 6), things=more_deeds, late=st.sampled_from([1, 4, 99])
)
def test_pods_stay_while_requests_come_and_every_update_ends(
    steps: list[make.Obj], canary: make.Obj, replicas: int, things: list[Thing], late: int
) -> None:
    toy = course(steps, canary, replicas, things)
    if toy.manifest["spec"].get("paused"):
        toy.spec(paused=False)
    for image in ("img:4", "img:5"):  # a whole update after whatever has happened, and another one
        toy.image(image)
        for turn in range(40):
            toy.wait(seconds=4)
            toy.step()
            toy.ready()
            if turn % late == late - 1:
                toy.follow()
            if toy.status.get("phase") == "Paused":
                toy.promote()
    finish(toy)
    check_end(toy)


@settings(law, max_examples=40)
@given(steps=routed_steps, canary=routed, things=more_deeds)
def test_until_the_announced_wake_up_time_alone_changes_nothing(
    steps: list[make.Obj], canary: make.Obj, things: list[Thing]
) -> None:
    toy = course(steps, canary, 4, things)
    toy.settle()
    wake = toy.plan().wake_at
    for seconds in (1, 3, 9):
        toy.wait(seconds=seconds)
        if wake is not None and toy.now >= wake:
            return
        assert toy.plan().changes == ()
        assert not any(ask.due is not None and ask.due <= toy.now for ask in toy.plan().asks)
        assert not toy.step()
