"""The configuration that tests make of Ingresses: nginx knows no share of nothing, and no group of nobody."""

from tests.dataplane.renderer import Endpoints, configuration
from tests.sandbox.dataplane import make_ingress

ENDPOINTS: Endpoints = {("default", "stable"): ["127.0.0.1:2", "127.0.0.1:1"]}


def rendered(weight: int, **annotations: str) -> str:
    stable = make_ingress("stable", host="a.example.com")
    canary = make_ingress(
        "canary", name="c", host="a.example.com", canary="true", canary_weight=str(weight), **annotations
    )
    return configuration([stable, canary], ENDPOINTS, folder="/tmp/x", port=1, version=7)


def shares(text: str) -> str:
    return next(line.partition("{")[2].strip(" }") for line in text.splitlines() if line.startswith("split_clients"))


def test_a_share_of_nothing_or_of_all_stands_alone() -> None:
    assert [shares(rendered(weight)) for weight in (0, 20, 100)] == [
        "* default-stable;",
        "20.00% default-canary; * default-stable;",
        "100.00% default-canary;",
    ]
    assert shares(rendered(5, canary_weight_total="1000")).startswith("0.50% default-canary;")


def test_a_service_without_pods_answers_with_an_error() -> None:
    text = rendered(20)
    assert "upstream default-canary { server 127.0.0.1:9 down; keepalive 32; }" in text
    assert "upstream default-stable { server 127.0.0.1:1 max_fails=0; server 127.0.0.1:2 max_fails=0; " in text


def test_a_canary_beside_nobody_is_not_served() -> None:
    alone = make_ingress("canary", name="c", canary="true", canary_weight="100")
    assert (
        "default-canary"
        not in configuration([alone], ENDPOINTS, folder="/tmp/x", port=1, version=7).split("listen")[-1]
    )
