"""No sequence of splits loses, moves or copies anything in the routing objects that is not the router's own."""

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollouts.decide.plan import Destination, Split
from rollouts.decide.world import Hash
from rollouts.traffic.alb import MANAGED as BOOKS
from tests.traffic.stage import Obj, Objects, header, mirror, split
from tests.traffic.users import ALL, MANAGED, Users

HOME = split(0, managed=MANAGED)
HEADER, MIRROR = header("testers", agent="x"), mirror("copies", 35)
splits = st.builds(
    lambda weight, extra, routed: split(
        weight,
        additional=(Destination("tried", Hash("x"), extra),) if extra else (),
        routes=routed,
        managed=MANAGED,
    ),
    st.integers(0, 90),
    st.sampled_from([0, 0, 10]),
    st.sampled_from([(), (HEADER,), (MIRROR,), (HEADER, MIRROR)]),
)


def peopled(value: Any, data: st.DataObject) -> Any:
    """The object with fields that nobody knows, in whichever places."""
    if isinstance(value, list):
        return [peopled(part, data) for part in value]
    if not isinstance(value, dict):
        return value
    found = {key: peopled(part, data) for key, part in value.items()}
    return {**found, "theirs": data.draw(st.text(max_size=3))} if data.draw(st.booleans()) else found


def recorded(wanted: Split) -> Obj:
    """The status of a Rollout that has said a split."""
    shares = [{"weight": one.weight, "serviceName": one.service} for one in wanted.additional]
    whole = {"canary": {"weight": wanted.canary.weight}, "stable": {"weight": wanted.stable.weight}}
    return {"canary": {"weights": {**whole, "additional": shares}}}


def theirs(objects: Objects, users: Users) -> list[Obj]:
    return [copy.deepcopy(objects.one(obj["kind"], obj["metadata"]["name"])) for obj in users.objects]


def leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every scalar with the keys that lead to it; places in lists do not count. Books are read, not compared."""
    if path and path[-1] == BOOKS:
        value = json.loads(value)
    if isinstance(value, dict):
        for key, part in value.items():
            yield from leaves(part, (*path, key))
    elif isinstance(value, list):
        for part in value:
            yield from leaves(part, path)
    else:
        yield path, value


def is_ours(path: tuple[str, ...]) -> bool:
    return path[-1] == "weight" or path[-1].endswith("pod-template-hash")


@settings(max_examples=40, deadline=None)
@given(data=st.data(), course=st.lists(splits, max_size=5))
@pytest.mark.parametrize("make", ALL)
def test_whatever_was_said_in_between_what_is_not_ours_stays(
    make: Callable[[], Users], data: st.DataObject, course: list[Split]
) -> None:
    users = make()
    users = replace(users, objects=tuple(peopled(obj, data) for obj in users.objects))
    objects = Objects(*copy.deepcopy(users.objects))
    objects.say(users.router(), HOME)
    home, before = theirs(objects, users), HOME
    kept = [leaf for leaf in leaves(list(users.objects)) if not is_ours(leaf[0])]
    for wanted in (*course, HOME):
        objects.say(users.router(recorded(before)), wanted)
        now = list(leaves(theirs(objects, users)))
        assert [leaf for leaf in kept if leaf not in now] == []
        before = wanted
    assert theirs(objects, users) == home
    added = [leaf for leaf in leaves(home) if leaf not in kept and not is_ours(leaf[0])]
    assert {path[:2] for path, _ in added} <= {("metadata", "annotations")}, "nothing else is ours in a user's object"
