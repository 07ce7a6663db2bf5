"""The ordering laws, over random specs, random orders of events, crashes after any action, and late news.

1. Grow before you pour: a share moves to a destination only when available pods cover it.
2. Drain before you shrink: pods go only below what the recorded share needs.
3. Rename only what is empty: a destination changes hands only while it has no share, or to pods that serve no worse.
4. Record last: the status never claims what did not happen.
And: available pods never fall below what maxUnavailable grants by a deed of the controller; every update ends, by
itself or with somebody's promote; a settled rollout writes nothing.
"""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests import make
from tests.decide.courses import (
    SERVICES,
    Deed,
    LateDeed,
    check_end,
    coarse_steps,
    deeds,
    do,
    do_late,
    finish,
    late_deeds,
    law,
    limits,
    routed,
    routed_steps,
    shrinking,
    steps,
    windows,
)
from tests.decide.toy import Toy
from tests.decide.watched import Watched

ROUTED: dict[str, st.SearchStrategy[Any]] = {
    "services": st.sampled_from(sorted(SERVICES)),
    "steps": routed_steps,
    "canary": routed,
    "replicas": st.integers(1, 6),
    "window": windows,
}


def routed_toy(services: str, steps: list[make.Obj], canary: make.Obj, **rest: Any) -> Watched:
    """A routed canary that is deployed."""
    routing, names = SERVICES[services]
    toy = Watched(make.rollout(*steps, canary={**canary, **routing}, **rest), names)
    toy.run()
    return toy


def under_late_news(toy: Watched, deeds: list[LateDeed]) -> None:
    """An update under which the controller hears late of what others do, to its end."""
    toy.image("img:2")
    toy.run()
    toy.listen_no_more()
    for deed in deeds:
        do_late(toy, *deed)
    finish(toy)
    check_end(toy)


@law
@given(**ROUTED, deeds=deeds)
def test_a_routed_canary_keeps_the_laws_and_always_ends(
    services: str, steps: list[make.Obj], canary: make.Obj, replicas: int, window: make.Obj, deeds: list[Deed]
) -> None:
    toy = routed_toy(services, steps, canary, replicas=replicas, rollbackWindow=window)
    for deed, what in deeds:
        do(toy, deed, what)
    finish(toy)
    check_end(toy)


@law
@given(**ROUTED, deeds=late_deeds)
def test_a_routed_canary_keeps_the_laws_on_late_news(
    services: str, steps: list[make.Obj], canary: make.Obj, replicas: int, window: make.Obj, deeds: list[LateDeed]
) -> None:
    toy = routed_toy(services, steps, canary, replicas=replicas, rollbackWindow=window)
    under_late_news(toy, deeds)


@settings(law, max_examples=250)
@given(
    services=st.sampled_from(sorted(SERVICES)),
    steps=coarse_steps,
    canary=shrinking,
    replicas=st.integers(2, 6),
    window=windows,
    deeds=late_deeds,
)
def test_a_canary_whose_stable_version_shrinks_keeps_the_laws_on_late_news(
    services: str, steps: list[make.Obj], canary: make.Obj, replicas: int, window: make.Obj, deeds: list[LateDeed]
) -> None:
    toy = routed_toy(services, steps, canary, replicas=replicas, rollbackWindow=window)
    under_late_news(toy, deeds)


@law
@given(steps=steps, canary=limits, replicas=st.integers(1, 6), deeds=deeds)
def test_a_basic_canary_keeps_the_laws_and_always_ends(
    steps: list[make.Obj], canary: make.Obj, replicas: int, deeds: list[Deed]
) -> None:
    toy = Watched(make.rollout(*steps, replicas=replicas, canary=canary))
    toy.run()
    for deed, what in deeds:
        do(toy, deed, what)
    finish(toy)
    check_end(toy)


@law
@given(steps=steps, canary=limits, replicas=st.integers(1, 6), deeds=late_deeds)
def test_a_basic_canary_keeps_the_laws_on_late_news(
    steps: list[make.Obj], canary: make.Obj, replicas: int, deeds: list[LateDeed]
) -> None:
    toy = Watched(make.rollout(*steps, replicas=replicas, canary=canary))
    toy.run()
    under_late_news(toy, deeds)


@law
@given(steps=steps, canary=limits, replicas=st.integers(1, 6), crashes=st.lists(st.integers(0, 2), max_size=30))
def test_a_basic_canary_keeps_surge_and_availability_through_crashes(
    steps: list[make.Obj], canary: make.Obj, replicas: int, crashes: list[int]
) -> None:
    toy = Watched(make.rollout(*steps, replicas=replicas, canary=canary))
    toy.run()
    toy.surge = True
    toy.image("img:2")
    least = replicas - min(canary["maxUnavailable"], replicas)
    for cut in (*crashes, *[None] * 60):
        toy.step(crash_after=cut)
        assert sum(rs.available for rs in toy.sets.values()) >= least
        if cut is None:
            toy.ready()
            toy.promote()
            toy.wait(seconds=10)
    finish(toy)
    check_end(toy)


@law
@given(steps=steps, canary=routed, deeds=deeds)
def test_until_the_announced_wake_up_time_alone_changes_nothing(
    steps: list[make.Obj], canary: make.Obj, deeds: list[Deed]
) -> None:
    toy = routed_toy("two parts", steps, canary)
    for deed, what in deeds:
        do(toy, deed, what)
    toy.settle()
    wake = toy.plan().wake_at
    for seconds in (1, 5, 9, 29, 600):
        toy.wait(seconds=seconds)
        if wake is not None and toy.now >= wake:
            return
        assert toy.plan().changes == (), wake
        assert not toy.step()


@law
@given(steps=steps, canary=routed, deeds=deeds)
def test_silence_has_a_reason(steps: list[make.Obj], canary: make.Obj, deeds: list[Deed]) -> None:
    toy = Toy(make.rollout(*steps, canary={**canary, **make.ISTIO}), ("stable", "canary"))
    for deed, what in deeds:
        do(toy, deed, what)
        plan = toy.plan()
        assert plan.changes or plan.waits
        assert all(wait.because for wait in plan.waits)
