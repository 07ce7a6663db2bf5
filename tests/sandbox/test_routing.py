"""Requests go where Services, pods and routes say, in exactly the configured shares."""

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollouts.kube.refs import POD, SERVICE
from rollouts.sandbox.dialects.istio import VIRTUAL_SERVICE
from rollouts.sandbox.routing import Request, cycle, every
from tests.sandbox.dataplane import make_pod, make_service, make_table, make_virtual_service, pods_chosen, to

STABLE, CANARY = make_pod("stable-1", app="api", hash="s"), make_pod("canary-1", app="api", hash="c")
SERVICES = [
    make_service("api", app="api"),
    make_service("api-stable", app="api", hash="s"),
    make_service("api-canary", app="api", hash="c"),
]


@given(st.lists(st.integers(0, 100), min_size=1, max_size=4))
def test_every_cycle_gives_each_destination_exactly_its_weight(weights: list[int]) -> None:
    order = cycle(tuple(weights))
    total = sum(weights)
    seen = Counter(order)
    assert [seen[index] * total for index in range(len(weights))] == [weight * len(order) for weight in weights]


def test_a_small_share_is_spread_over_the_cycle_and_not_sent_in_one_block() -> None:
    places = [place for place, index in enumerate(cycle((80, 20)) * 2) if index == 1]
    assert {later - earlier for earlier, later in pairwise(places)} == {5}


@given(st.integers(0, 100), st.integers(1, 500))
def test_picking_every_nth_is_right_to_one_request_at_any_moment(percent: int, requests: int) -> None:
    picked = sum(every(turn, percent / 100) for turn in range(requests))
    assert abs(picked - requests * percent / 100) <= 1


def test_a_host_without_a_route_is_a_service_and_its_ready_pods_take_turns() -> None:
    table = make_table([STABLE, CANARY, make_pod("starting", ready=False, app="api")], SERVICES)
    assert pods_chosen(table, 4) == ["canary-1", "stable-1", "canary-1", "stable-1"]


@pytest.mark.parametrize("host", ["api", "API", "api.default", "api.default.svc", "api.default.svc.cluster.local"])
def test_all_names_of_a_service_lead_to_it(host: str) -> None:
    assert pods_chosen(make_table([STABLE], SERVICES), 1, host) == ["stable-1"]


def test_a_service_chooses_only_pods_of_its_namespace_that_carry_all_its_labels() -> None:
    elsewhere = make_pod("elsewhere", namespace="shop", app="api", hash="c")
    table = make_table([STABLE, CANARY, elsewhere], SERVICES)
    assert pods_chosen(table, 2, "api-canary") == ["canary-1", "canary-1"]


def test_a_pod_that_was_asked_to_go_gets_no_request_although_it_is_still_ready() -> None:
    leaving = make_pod("leaving", app="api")
    leaving["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert pods_chosen(make_table([leaving, STABLE], SERVICES), 2) == ["stable-1", "stable-1"]


def test_requests_nobody_can_serve_say_why() -> None:
    table = make_table([], [*SERVICES, make_service("orphan")])
    refused = {host: table.route(Request(host)) for host in ("api", "orphan", "nobody")}
    assert {host: (decision.status, decision.reason) for host, decision in refused.items()} == {
        "api": (503, "Service default/api has no ready pods"),
        "orphan": (503, "Service default/orphan has no ready pods"),
        "nobody": (404, "no route and no Service for host 'nobody'"),
    }


def test_a_share_whose_pods_are_gone_fails_and_is_not_given_to_others() -> None:
    route = make_virtual_service({"route": [to("api-stable", 75), to("api-canary", 25)]})
    seen = Counter(pods_chosen(make_table([STABLE], SERVICES, [route]), 100))
    assert seen == {"stable-1": 75, "Service default/api-canary has no ready pods": 25}


def test_a_route_to_a_service_that_is_not_there_fails() -> None:
    route = make_virtual_service({"route": [to("nowhere")]})
    assert pods_chosen(make_table([STABLE], SERVICES, [route]), 1) == ["Service default/nowhere does not exist"]


def test_shares_stay_exact_while_weights_and_pods_change() -> None:
    table = make_table([STABLE], SERVICES)
    seen: Counter[str] = Counter()
    for weight in (10, 25, 50):
        pods = [STABLE, *(make_pod(f"canary-{n}", app="api", hash="c") for n in range(weight // 10))]
        route = make_virtual_service({"route": [to("api-stable", 100 - weight), to("api-canary", weight)]})
        table.follow({POD: pods, SERVICE: SERVICES, VIRTUAL_SERVICE: [route]})
        seen.update(name.split("-")[0] for name in pods_chosen(table, 200))
    assert seen == {"stable": 2 * (90 + 75 + 50), "canary": 2 * (10 + 25 + 50)}
