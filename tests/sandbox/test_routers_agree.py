"""What a router writes and what the sandbox's gateway reads of it are one: users meet exactly the shares of the Split.

The objects are a user's, drawn at random: several routes, other rules beside ours, hosts, paths, names of Services or
subsets. After each of any sequence of splits every path that the Rollout shares out is asked a whole cycle of times.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from rollouts.api.canary import SetHeaderRoute
from rollouts.api.labels import POD_TEMPLATE_HASH
from rollouts.api.traffic import GATEWAY_API
from rollouts.decide.plan import Destination, HeaderRoute, Split
from rollouts.decide.world import Hash
from rollouts.sandbox.routing import Request, Table
from tests.sandbox.dataplane import (
    make_http_route,
    make_ingress,
    make_pod,
    make_service,
    make_table,
    make_virtual_service,
    pods_chosen,
    to,
)
from tests.traffic.stage import Obj, Objects, mirror, router, split

LABELS: dict[str, Any] = {hash: {"app": "r", POD_TEMPLATE_HASH: hash} for hash in ("old", "new", "tried")}
PODS = [*(make_pod(hash, **labels) for hash, labels in LABELS.items()), make_pod("other", app="other")]
SERVICES = [
    make_service("shop", app="r"),
    make_service("stable", app="r", **{POD_TEMPLATE_HASH: "old"}),
    make_service("canary", app="r", **{POD_TEMPLATE_HASH: "new"}),
    make_service("tried", app="r", **{POD_TEMPLATE_HASH: "tried"}),
    make_service("other", app="other"),
]
MANAGED = ("testers", "others")
PATHS = ("/a", "/a/b", "/c")


@dataclass(frozen=True, slots=True)
class Case:
    """A user's objects, the router over them, and where its shares are met: pairs of host and path."""

    router: str
    value: Any
    objects: list[Obj]
    places: list[tuple[str, str]]
    routing: Mapping[str, Any] = field(default_factory=dict)
    elsewhere: tuple[str, str] = ("", "")
    """Where users meet another Service, whatever is said of ours."""


# ── what users made ──


@st.composite
def istio(draw: st.DrawFn) -> Case:
    """Routes by path in one or two VirtualServices, to two Services or to two subsets of one."""
    subsets = draw(st.booleans())
    ends = [to("shop", 0, name) if subsets else to(name, 0) for name in draw(st.permutations(["stable", "canary"]))]
    hosts = draw(st.sampled_from([("a.example.com",), ("a.example.com", "b.example.com")]))
    routes: list[Obj] = [
        {"name": path, "match": [{"uri": {"prefix": path}}], "route": ends}
        for path in sorted(draw(st.sets(st.sampled_from(PATHS), min_size=1)), key=len, reverse=True)
    ]
    foreign = {"name": "foreign", "match": [{"uri": {"exact": "/x"}}], "route": [to("other")]}
    objects = [make_virtual_service(foreign, *routes, hosts=(host,), name=host.split(".")[0]) for host in hosts]
    names = [{"name": obj["metadata"]["name"], "routes": [route["name"] for route in routes]} for obj in objects]
    value: Obj = {"virtualServices": names} if len(names) > 1 else {"virtualService": names[0]}
    if subsets:
        labels = [{"name": name, "labels": {"app": "r"}} for name in ("stable", "canary")]
        rule = {**objects[0], "kind": "DestinationRule", "spec": {"host": "shop", "subsets": labels}}
        objects.append(rule)
        value["destinationRule"] = {"name": "a", "canarySubsetName": "canary", "stableSubsetName": "stable"}
    places = [(host, route["name"]) for host in hosts for route in routes]
    return Case("istio", value, objects, places, elsewhere=(hosts[0], "/x"))


@st.composite
def gateway(draw: st.DrawFn) -> Case:
    """Rules by path in one or two HTTPRoutes, some of them narrowed to a header of the user's own."""
    paths = sorted(draw(st.sets(st.sampled_from(PATHS), min_size=1)))
    rules = [
        {
            "matches": [{"path": {"type": "PathPrefix", "value": path}}],
            "backendRefs": [{"name": name, "port": 80} for name in draw(st.permutations(["stable", "canary"]))],
        }
        for path in draw(st.permutations(paths))
    ]
    foreign = {"matches": [{"path": {"type": "Exact", "value": "/x"}}], "backendRefs": [{"name": "other", "port": 80}]}
    rules.insert(draw(st.integers(0, len(rules))), foreign)
    hosts = draw(st.sampled_from([("a.example.com",), ("a.example.com", "b.example.com")]))
    objects = [make_http_route(*rules, hosts=(host,), name=host.split(".")[0]) for host in hosts]
    names = [{"name": obj["metadata"]["name"], "useHeaderRoutes": True} for obj in objects]
    config: Obj = {"httpRoutes": names} if len(names) > 1 else {"httpRoute": "a"}
    places = [(host, path) for host in hosts for path in paths]
    return Case("plugins", {GATEWAY_API: config}, objects, places, elsewhere=(hosts[0], "/x"))


@st.composite
def nginx(draw: st.DrawFn) -> Case:
    """One or two stable Ingresses with paths of each type, beside paths of another Service."""
    names = draw(st.sampled_from([("a",), ("a", "b")]))
    kind = draw(st.sampled_from(["Exact", "Prefix", "ImplementationSpecific"]))
    paths = sorted(draw(st.sets(st.sampled_from(PATHS), min_size=1)))
    objects = []
    for name in names:
        ingress = make_ingress("other", name=name, host=f"{name}.example.com", path="/x", proxy_body_size="1m")
        ours = [make_ingress("stable", path=path, kind=kind)["spec"]["rules"][0]["http"]["paths"][0] for path in paths]
        ingress["spec"]["rules"][0]["http"]["paths"] += ours
        objects.append(ingress)
    value: Obj = {"stableIngresses": list(names)} if len(names) > 1 else {"stableIngress": "a"}
    whole = draw(st.sampled_from([None, 1, 30, 50, 100, 250, 1000]))
    places = [(f"{name}.example.com", path) for name in names for path in paths]
    routing = {} if whole is None else {"maxTrafficWeight": whole}
    return Case("nginx", value, objects, places, routing, ("a.example.com", "/x"))


# ── what is asked of the router ──


def splits(*, whole: int = 100, tried: bool = True) -> st.SearchStrategy[Split]:
    """Any share for the canary, a share for an experiment beside it, and routes for the headers of some users."""

    def made(weight: int, extra: int, routes: list[HeaderRoute]) -> Split:
        additional = (Destination("tried", Hash("tried"), min(extra, whole - weight)),) if extra else ()
        return split(weight, whole=whole, additional=additional, routes=tuple(routes), managed=MANAGED)

    weights = st.one_of(st.sampled_from([0, 1, whole - 1, whole]), st.integers(0, whole))
    routes = st.lists(st.sampled_from(MANAGED), unique=True).flatmap(
        lambda names: st.tuples(*map(header_routes, names))
    )
    return st.builds(made, weights, st.sampled_from([0, 0, 5, 30] if tried else [0]), routes.map(list))


def header_routes(name: str) -> st.SearchStrategy[HeaderRoute]:
    values = st.sampled_from([{"exact": "y.s"}, {"prefix": "y."}, {"regex": "y[^a-z]s"}])
    matches = st.lists(
        st.tuples(st.sampled_from(["X-One", "X-Two"]), values), min_size=1, unique_by=lambda each: each[0]
    )
    given = matches.map(lambda each: [{"headerName": key, "headerValue": value} for key, value in each])
    return given.map(
        lambda match: HeaderRoute(name, SetHeaderRoute.model_validate({"name": name, "match": match}).match)
    )


def recorded(wanted: Split) -> Obj:
    """The status of a Rollout that has said a split."""
    shares = [{"weight": one.weight, "serviceName": one.service} for one in wanted.additional]
    whole = {"canary": {"weight": wanted.canary.weight}, "stable": {"weight": wanted.stable.weight}}
    return {"canary": {"weights": {**whole, "additional": shares}}}


def shares_of(wanted: Split) -> dict[str, int]:
    all_of_them = (wanted.canary, wanted.stable, *wanted.additional)
    return {one.hash: one.weight for one in all_of_them if one.weight}


def courses(case: Case, course: list[Split]) -> Iterator[tuple[Split, Objects]]:
    """The objects as they are after each split of a course."""
    objects, status = Objects(*case.objects), None
    for wanted in course:
        subject = router(case.router, case.value, managed=MANAGED, status=status, **case.routing)
        objects.say(subject, wanted)
        status = recorded(wanted)
        yield wanted, objects


def met(table: Table, times: int, place: tuple[str, str], **headers: str) -> Counter[str]:
    """Whom so many requests meet, by the pods' names."""
    host, path = place
    return Counter(pods_chosen(table, times, host, path=path, headers=headers))


ROUTED, UNROUTED = ({"x-one": value, "x-two": value} for value in ("y.s", "yes"))
"""Headers that each of the header routes takes, and such as none does."""


def holds(case: Case, course: list[Split], *, routed: bool = True) -> None:
    for wanted, objects in courses(case, course):
        table = make_table(PODS, SERVICES, objects.all.values())
        for place in case.places:
            assert met(table, wanted.max_weight, place) == shares_of(wanted), place
            if routed and wanted.routes:
                assert met(table, 3, place, **ROUTED) == {"new": 3}
                assert met(table, wanted.max_weight, place, **UNROUTED) == shares_of(wanted)
        assert met(table, 1, case.elsewhere) == {"other": 1}


@settings(max_examples=40, deadline=None)
@given(case=istio(), course=st.lists(splits(), min_size=1, max_size=4))
def test_istio_and_the_gateway_agree_on_every_share(case: Case, course: list[Split]) -> None:
    holds(case, course)


@settings(max_examples=40, deadline=None)
@given(case=gateway(), course=st.lists(splits(), min_size=1, max_size=4))
def test_the_gateway_api_and_the_gateway_agree_on_every_share(case: Case, course: list[Split]) -> None:
    holds(case, course)


@settings(max_examples=25, deadline=None)
@given(case=nginx(), data=st.data())
def test_ingresses_and_the_gateway_agree_on_every_share(case: Case, data: st.DataObject) -> None:
    whole = case.routing.get("maxTrafficWeight", 100)
    course = data.draw(st.lists(splits(whole=whole, tried=False), min_size=1, max_size=4))
    holds(case, course, routed=False)


@settings(max_examples=40, deadline=None)
@given(
    case=st.one_of(istio(), gateway()),
    weights=st.lists(st.integers(0, 100), min_size=1, max_size=3),
    percentage=st.sampled_from([1, 25, 99, 100]),
)
def test_mirrored_requests_are_shared_as_all_are_and_the_canary_gets_its_copies(
    case: Case, weights: list[int], percentage: int
) -> None:
    route = mirror("testers", percentage, headers={"X-Mirror": {"exact": "yes"}})
    for wanted, objects in courses(case, [split(weight, routes=(route,), managed=MANAGED) for weight in weights]):
        for host, path in case.places:
            table = make_table(PODS, SERVICES, objects.all.values())
            request = Request(host, path, headers={"x-mirror": "yes"})
            decisions = [table.route(request) for _ in range(wanted.max_weight)]
            assert Counter(each.address.pod[1] for each in decisions if each.address) == shares_of(wanted)
            assert [copy.pod[1] for each in decisions for copy in each.mirrors] == ["new"] * percentage
            assert not any(table.route(Request(host, path)).mirrors for _ in range(wanted.max_weight))
