"""Ingresses choose pods as ingress-nginx does: by path, and with canaries by header, cookie and weight."""

from collections import Counter
from typing import Any

import pytest

from rollouts.kube.refs import Obj
from rollouts.sandbox.dialects.ingress import Ingress
from rollouts.sandbox.routing import Request, Table
from tests.sandbox.dataplane import make_ingress, make_pod, make_service, make_table, pods_chosen

PODS = [make_pod("old", app="api", hash="s"), make_pod("new", app="api", hash="c")]
SERVICES = [make_service("old", app="api", hash="s"), make_service("new", app="api", hash="c")]


def canary(name: str = "api-canary", **annotations: str) -> Obj:
    return make_ingress("new", name=name, canary="true", **annotations)


def beside(*ingresses: Obj) -> Table:
    """A table of the stable Ingress and these."""
    return make_table(PODS, SERVICES, [make_ingress("old"), *ingresses])


@pytest.mark.parametrize(
    ("kind", "path", "asked", "pod"),
    [
        ("Exact", "/new", "/new", "new"),
        ("Exact", "/new", "/new/", "old"),
        ("Prefix", "/new", "/new/1", "new"),
        ("Prefix", "/new", "/newer", "old"),
        ("ImplementationSpecific", "/new", "/newer", "new"),
    ],
)
def test_paths_are_taken_by_their_type(kind: str, path: str, asked: str, pod: str) -> None:
    assert pods_chosen(beside(make_ingress("new", name="b", path=path, kind=kind)), 1, path=asked) == [pod]


def test_an_exact_path_goes_before_a_prefix_and_a_longer_one_before_a_shorter() -> None:
    table = beside(
        make_ingress("new", name="b", path="/a/b"), make_ingress("old", name="c", path="/a/b/c", kind="Exact")
    )
    assert [pods_chosen(table, 1, path=path)[0] for path in ("/a", "/a/b", "/a/b/c", "/a/b/c/d")] == [
        "old", "new", "old", "new",
    ]  # fmt: skip


def test_the_oldest_ingress_owns_a_path() -> None:
    young, aged = make_ingress("old", name="a"), make_ingress("new", name="b")
    young["metadata"]["creationTimestamp"] = "2026-02-01T00:00:00Z"
    aged["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z"
    assert pods_chosen(make_table(PODS, SERVICES, [young, aged]), 1) == ["new"]


@pytest.mark.parametrize(("host", "asked"), [("*.example.com", "a.example.com"), ("", "any.thing")])
def test_hosts_may_be_wild_or_left_out(host: str, asked: str) -> None:
    assert pods_chosen(make_table(PODS, SERVICES, [make_ingress("new", host=host)]), 1, asked) == ["new"]


def test_the_default_backend_takes_what_no_path_takes() -> None:
    ingress = make_ingress("new", host="", path="/new")
    ingress["spec"]["defaultBackend"] = {"service": {"name": "old", "port": {"number": 80}}}
    table = make_table(PODS, SERVICES, [ingress])
    assert [pods_chosen(table, 1, path=path)[0] for path in ("/", "/new")] == ["old", "new"]


@pytest.mark.parametrize(
    ("annotations", "shares"),
    [
        ({"canary_weight": "20"}, (80, 20)),
        ({"canary_weight": "0"}, (100, 0)),
        ({"canary_weight": "100"}, (0, 100)),
        ({"canary_weight": "5", "canary_weight_total": "1000"}, (99.5, 0.5)),
        ({"canary_weight": "25", "canary_weight_total": "50"}, (75, 25)),
        ({"canary_weight": "120"}, (0, 100)),
        ({}, (100, 0)),
    ],
)
def test_weights_divide_by_a_total_that_is_a_hundred_at_least(
    annotations: dict[str, str], shares: tuple[float, float]
) -> None:
    seen = Counter(pods_chosen(beside(canary(**annotations)), 1000))
    assert (seen["old"] / 10, seen["new"] / 10) == shares


HEADER = {"canary_by_header": "X-Try"}


@pytest.mark.parametrize(
    ("annotations", "headers", "pod"),
    [
        (HEADER, {"x-try": "always"}, "new"),
        (HEADER, {"x-try": "never"}, "old"),
        (HEADER, {"x-try": "please"}, "by weight"),
        (HEADER, {}, "by weight"),
        ({**HEADER, "canary_by_header_value": "yes"}, {"x-try": "yes"}, "new"),
        ({**HEADER, "canary_by_header_value": "yes"}, {"x-try": "always"}, "by weight"),
        ({**HEADER, "canary_by_header_value": "yes"}, {"x-try": "never"}, "by weight"),
        ({**HEADER, "canary_by_header_pattern": "^y|z$"}, {"x-try": "yes"}, "new"),
        ({**HEADER, "canary_by_header_pattern": "^y|z$"}, {"x-try": "no"}, "by weight"),
        ({**HEADER, "canary_by_header_value": "yes", "canary_by_header_pattern": "."}, {"x-try": "no"}, "by weight"),
        ({"canary_by_cookie": "try"}, {"cookie": "a=b; try=always"}, "new"),
        ({"canary_by_cookie": "try"}, {"cookie": "try=never"}, "old"),
        ({"canary_by_cookie": "try"}, {"cookie": "retry=always"}, "by weight"),
        ({**HEADER, "canary_by_cookie": "try"}, {"x-try": "never", "cookie": "try=always"}, "old"),
        ({**HEADER, "canary_by_cookie": "try"}, {"x-try": "please", "cookie": "try=always"}, "new"),
    ],
)
def test_a_header_goes_before_a_cookie_and_both_before_the_weight(
    annotations: dict[str, str], headers: dict[str, str], pod: str
) -> None:
    seen = Counter(pods_chosen(beside(canary(canary_weight="50", **annotations)), 10, headers=headers))
    assert seen == ({"old": 5, "new": 5} if pod == "by weight" else {pod: 10})


def test_a_canary_counts_only_beside_an_ingress_with_its_host_path_and_type() -> None:
    for other in ({"path": "/x"}, {"kind": "Exact"}, {"host": "other"}):
        ingress = make_ingress("new", name="c", canary="true", canary_weight="100", **other)
        assert pods_chosen(beside(ingress), 1, path="/x") == ["old"]
    refused = beside(make_ingress("new", name="c", host="other", canary="true")).route(Request("other"))
    assert (refused.status, refused.reason) == (404, "no route and no Service for host 'other'")


def test_a_canary_of_the_same_service_changes_nothing() -> None:
    same = make_ingress("old", name="c", canary="true", canary_weight="100")
    assert pods_chosen(beside(same), 2) == ["old", "old"]


def test_the_oldest_canary_of_a_path_is_the_only_one() -> None:
    table = beside(canary("a", canary_weight="30"), canary("b", canary_weight="50"))
    assert Counter(pods_chosen(table, 10)) == {"old": 7, "new": 3}


def test_a_canary_that_says_false_is_an_ingress_like_others() -> None:
    assert pods_chosen(beside(make_ingress("new", name="b", path="/b", canary="false")), 1, path="/b") == ["new"]


def test_annotations_may_begin_otherwise() -> None:
    ingress = make_ingress("old")
    shadow = make_ingress("new", name="c")
    shadow["metadata"]["annotations"] = {"ours.example.com/canary": "true", "ours.example.com/canary-weight": "100"}
    (host,) = Ingress("ours.example.com").virtual_hosts({Ingress.resources[0]: [ingress, shadow]})
    assert [backend.weight for backend in host.rules[-1].backends] == [0, 100]


def test_rules_without_paths_and_backends_that_are_no_services_are_left_out() -> None:
    ingress = make_ingress("new")
    bucket = {"path": "/b", "pathType": "Prefix", "backend": {"resource": {"kind": "Bucket", "name": "b"}}}
    ingress["spec"]["rules"] += [{"host": "bare"}, {"host": "api", "http": {"paths": [bucket]}}]
    assert pods_chosen(make_table(PODS, SERVICES, [ingress]), 1) == ["new"]


@pytest.mark.parametrize(
    ("annotations", "complaint"),
    [
        ({"rewrite_target": "/x"}, "rewrite-target: the sandbox's gateway only chooses pods; remove it there"),
        ({"affinity": "cookie"}, "affinity: the sandbox's gateway only chooses pods; remove it there"),
        ({"canary": "true", "canary_weight": "many"}, "canary-weight: 'many' is not a number"),
        ({"canary": "true", "canary_by_header_pattern": "("}, "canary-by-header-pattern: "),
    ],
)
def test_what_the_gateway_cannot_honour_is_refused_by_name(annotations: dict[str, Any], complaint: str) -> None:
    decision = beside(make_ingress("new", name="c", **annotations)).route(Request("api"))
    assert decision.status == 501
    assert decision.reason.startswith(f"Ingress default/c: nginx.ingress.kubernetes.io/{complaint}")
