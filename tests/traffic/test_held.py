"""Shares that are held: only routes for certain requests change, whatever is said of the weights."""

import copy
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.traffic.stage import Objects, header, split
from tests.traffic.users import ALL, MANAGED, Users

ROUTED = {"istio", "alb", "apisix", "plugins"}


@pytest.mark.parametrize("make", ALL)
def test_only_routes_are_set_and_taken_away(make: Callable[[], Users]) -> None:
    given = make()
    objects = Objects(*copy.deepcopy(given.objects))
    objects.say(given.router(), split(20, managed=MANAGED))
    before = copy.deepcopy(objects.all)
    held = replace(split(70, managed=MANAGED), held=True)
    with_route = replace(held, routes=(header("testers", agent="x"),))
    assert objects.edits(given.router(), held) == []
    objects.say(given.router(), with_route)
    assert (objects.all != before) == (given.dialect in ROUTED)
    objects.say(given.router(), held)
    assert objects.all == before
