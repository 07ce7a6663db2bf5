"""Edits of a strategy at any moment of an update: the laws hold and every update ends, whatever it says by then."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests import make
from tests.decide import test_bluegreen_laws as bluegreen
from tests.decide.courses import check_end, deeds, do, finish, law, limits, routed, routed_steps, steps
from tests.decide.toy import Toy
from tests.decide.watched import Watched

_fields: dict[str, st.SearchStrategy[Any]] = {
    "maxSurge": st.integers(1, 3),
    "maxUnavailable": st.integers(0, 2),
}
_routed: dict[str, st.SearchStrategy[Any]] = {
    **_fields,
    "minPodsPerReplicaSet": st.sampled_from([None, 1, 3]),
    "dynamicStableScale": st.booleans(),
    "abortScaleDownDelaySeconds": st.sampled_from([None, 0, 5, 30]),
    "scaleDownDelayRevisionLimit": st.sampled_from([None, 0, 1]),
}


def edits(fields: dict[str, st.SearchStrategy[Any]], steps: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """What people, pods and crashes do, and edits of one field of the strategy in between."""
    known = {**fields, "steps": steps}
    edit = st.sampled_from(sorted(known)).flatmap(lambda name: st.tuples(st.just(name), known[name]))
    return st.lists(
        st.one_of(st.tuples(st.just("edit"), edit), deeds.map(lambda some: ("deeds", some[:4]))), max_size=10
    )


def play(toy: Toy, course: list[Any]) -> None:
    for kind, what in course:
        if kind == "deeds":
            for deed, how in what:
                do(toy, deed, how)
        else:
            name, value = what
            canary = {**toy.manifest["spec"]["strategy"]["canary"], name: value}
            toy.spec(strategy={"canary": {key: given for key, given in canary.items() if given is not None}})
            toy.step()
    finish(toy)
    check_end(toy)


@law
@given(steps=routed_steps, canary=routed, replicas=st.integers(1, 6), course=edits(_routed, routed_steps))
def test_a_routed_canary_keeps_the_laws_through_edits_of_its_strategy(
    steps: list[make.Obj], canary: make.Obj, replicas: int, course: list[Any]
) -> None:
    toy = Watched(make.rollout(*steps, replicas=replicas, canary={**canary, **make.ISTIO}), ("stable", "canary"))
    toy.run()
    play(toy, course)


@law
@given(steps=steps, canary=limits, replicas=st.integers(1, 6), course=edits(_fields, steps))
def test_a_basic_canary_keeps_the_laws_through_edits_of_its_strategy(
    steps: list[make.Obj], canary: make.Obj, replicas: int, course: list[Any]
) -> None:
    toy = Watched(make.rollout(*steps, replicas=replicas, canary=canary))
    toy.run()
    play(toy, course)


_bluegreen: dict[str, st.SearchStrategy[Any]] = {
    "previewReplicaCount": st.sampled_from([None, 0, 1, 3]),
    "autoPromotionEnabled": st.sampled_from([None, False, True]),
    "autoPromotionSeconds": st.sampled_from([None, 0, 10]),
    "scaleDownDelaySeconds": st.sampled_from([None, 0, 5]),
    "scaleDownDelayRevisionLimit": st.sampled_from([None, 0, 1]),
    "abortScaleDownDelaySeconds": st.sampled_from([None, 0, 5]),
    "prePromotionAnalysis": st.sampled_from([None, bluegreen.ANALYSIS]),
    "postPromotionAnalysis": st.sampled_from([None, bluegreen.ANALYSIS]),
    "maxUnavailable": st.integers(0, 2),
}


@law
@given(
    strategy=bluegreen.strategies,
    replicas=st.integers(1, 4),
    course=st.lists(
        st.one_of(
            st.sampled_from(sorted(_bluegreen)).flatmap(lambda name: st.tuples(st.just(name), _bluegreen[name])),
            bluegreen.deed.map(lambda deed: ("", deed)),
        ),
        max_size=20,
    ),
)
def test_a_blue_green_rollout_keeps_the_laws_through_edits_of_its_strategy(
    strategy: make.Obj, replicas: int, course: list[Any]
) -> None:
    toy = bluegreen.started(strategy, replicas)
    for name, what in course:
        if not name:
            bluegreen.act(toy, what)
            continue
        changed = {**toy.manifest["spec"]["strategy"]["blueGreen"], name: what}
        toy.spec(strategy={"blueGreen": {key: given for key, given in changed.items() if given is not None}})
        toy.step()
    bluegreen.finish(toy)
    bluegreen.check_end(toy)
