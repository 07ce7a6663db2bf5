"""A strategy that becomes another one at any moment: pods stay, and every update ends.

The routing objects of a router that is dropped are let go elsewhere; so are the Services, as in the toy here.
"""

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from rollouts.decide.world import NO_HASH, World
from tests import make
from tests.decide import test_bluegreen_laws as bluegreen
from tests.decide.courses import deeds, do, law, limits, routed, routed_steps, steps
from tests.decide.toy import Toy

Obj = make.Obj
_SERVICES = ("canaryService", "stableService", "activeService", "previewService")
_MISSING = 2
"""Pods that the strategies here let be missing at most."""


class Changing(Toy):
    """Services that the strategy does not name select by no hash. No action takes pods beyond what may be missing."""

    def world(self) -> World:
        (strategy,) = self.manifest["spec"]["strategy"].values()
        named = {strategy.get(field) for field in _SERVICES}
        for name in self.services.keys() - named:
            self.services[name] = replace(self.services[name], hash=NO_HASH, managed_by="")
        world = super().world()
        return replace(world, services={name: one for name, one in world.services.items() if name in named})

    def _do(self, action: Any) -> None:
        before = sum(rs.available for rs in self.sets.values())
        super()._do(action)
        left = sum(rs.available for rs in self.sets.values())
        assert left >= min(before, int(self.manifest["spec"]["replicas"]) - _MISSING), (action, self.log)


def _canary(part: Obj, of: list[Obj], more: Obj) -> Obj:
    return {"canary": {**more, **part, "steps": of}}


def _blue_green(strategy: Obj) -> Obj:
    """Without an analysis, which somebody would have to judge."""
    given = {"activeService": "active", "previewService": "preview", **strategy}
    kept = (item for item in given.items() if item[1] is not None and "Analysis" not in item[0])
    return {"blueGreen": dict(kept)}


strategies = st.one_of(
    st.builds(_canary, st.just({}), steps, limits),
    st.builds(_canary, st.just(make.ISTIO), routed_steps, routed),
    bluegreen.strategies.map(_blue_green),
)
courses = st.lists(
    st.one_of(
        st.tuples(st.just("strategy"), strategies), st.tuples(st.just("deeds"), deeds.map(lambda some: some[:5]))
    ),
    max_size=8,
)


@law
@given(first=strategies, course=courses, replicas=st.integers(1, 5))
def test_a_strategy_that_becomes_another_one_keeps_its_pods_and_ends(
    first: Obj, course: list[tuple[str, Any]], replicas: int
) -> None:
    toy = Changing(make.rollout(replicas=replicas, strategy=first), ("active", "preview", "stable", "canary"))
    toy.run()
    for kind, what in course:
        if kind == "strategy":
            toy.spec(strategy=what)
            toy.step()
            continue
        for deed, how in what:
            if deed != "skip" or "canary" in toy.manifest["spec"]["strategy"]:
                do(toy, deed, how)
    toy.spec(paused=False)
    for _ in range(12):
        toy.run(toy.now.replace(year=2027))
        if toy.status["phase"] != "Paused":
            break
        toy.promote()
    assert toy.status["phase"] == ("Degraded" if toy.status.get("abort") else "Healthy"), (toy.phase, toy.log)
    assert not toy.step(), "a settled rollout writes nothing"
