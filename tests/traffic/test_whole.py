"""A whole other than 100: routers that can say it do, the others say it in percent."""

import copy
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollouts.traffic.base import in_percent
from tests.traffic.stage import Objects, split
from tests.traffic.users import Users, alb, ambassador, app_mesh, istio


@given(whole=st.integers(1, 10_000), share=st.floats(0, 1))
def test_a_share_in_percent_is_none_or_all_only_where_it_is_so(whole: int, share: float) -> None:
    canary = int(share * whole)
    found = in_percent(split(canary, whole=whole))
    assert found.canary.weight + found.stable.weight == found.max_weight == 100
    assert (found.canary.weight == 0) == (canary == 0)
    assert (found.stable.weight == 0) == (canary == whole)
    inner = whole > 100 or canary in (0, whole)
    assert not inner or abs(found.canary.weight - 100 * canary / whole) <= 1


@pytest.mark.parametrize("make", [istio, alb, ambassador, app_mesh])
def test_routers_that_know_percent_only_say_percent(make: Callable[[], Users]) -> None:
    users = make()
    of_thousand, of_hundred = (Objects(*copy.deepcopy(users.objects)) for _ in range(2))
    of_thousand.say(users.router(), split(200, whole=1000))
    of_hundred.say(users.router(), split(20))
    assert of_thousand.all == of_hundred.all
