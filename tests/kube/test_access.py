"""Which way the environment sends requests to an API server."""

import pytest

from rollouts.kube.access import proxy_of

PROXY = "http://proxy.example.com:3128"


@pytest.mark.parametrize(
    ("server", "environ"),
    [
        ("https://api.example.com:6443", {"HTTPS_PROXY": PROXY}),
        ("https://api.example.com:6443", {"https_proxy": PROXY, "HTTPS_PROXY": "http://other.example.com"}),
        ("https://api.example.com:6443", {"HTTPS_PROXY": "proxy.example.com:3128"}),
        ("http://api.example.com", {"HTTP_PROXY": PROXY}),
        ("https://api.example.com", {"HTTPS_PROXY": PROXY, "NO_PROXY": "other.example.com, 10.0.0.0/8"}),
        ("https://api.example.com", {"HTTPS_PROXY": PROXY, "NO_PROXY": "example.co,pi.example.com"}),
        ("https://example.com", {"HTTPS_PROXY": PROXY, "NO_PROXY": ".example.com"}),
        ("https://api.example.com:6443", {"HTTPS_PROXY": PROXY, "NO_PROXY": "api.example.com:443"}),
    ],
)
def test_a_server_is_reached_through_the_proxy_of_its_scheme(server: str, environ: dict[str, str]) -> None:
    assert proxy_of(server, environ) == PROXY


@pytest.mark.parametrize(
    ("server", "spared"),
    [
        ("https://api.example.com:6443", "api.example.com"),
        ("https://api.example.com:6443", "API.example.com:6443"),
        ("https://api.example.com", "example.com"),
        ("https://api.example.com", ".example.com"),
        ("https://api.example.com", "*.example.com"),
        ("https://api.example.com", "*"),
        ("https://10.96.0.1", "192.168.0.0/16, 10.0.0.0/8"),
        ("https://10.96.0.1:443", "10.96.0.1"),
        ("https://[fd00::1]:443", "fd00::/8"),
        ("https://localhost:6443", ""),
        ("https://127.0.0.1:6443", ""),
        ("https://[::1]:6443", ""),
    ],
)
def test_some_servers_are_reached_directly(server: str, spared: str) -> None:
    assert proxy_of(server, {"HTTPS_PROXY": PROXY, "NO_PROXY": spared}) == ""


def test_the_proxy_of_another_scheme_does_not_count() -> None:
    assert proxy_of("https://api.example.com", {"HTTP_PROXY": PROXY}) == ""
