"""Pure. How to reach an API server and as whom: what kubectl's flags say, and what to do when nothing says it."""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit

SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"


class AccessError(Exception):
    """No way to an API server, or a configuration that cannot be used. The message says which and what to do."""


@dataclass(frozen=True, slots=True)
class Access:
    """The flags that kubectl and every Kubernetes client share; "" or None means that the configuration decides."""

    kubeconfig: str = ""
    """A path. Without one: $KUBECONFIG, ~/.kube/config, then the service account of the pod we run in."""
    context: str = ""
    cluster: str = ""
    user: str = ""
    namespace: str = ""
    server: str = ""
    tls_server_name: str = ""
    insecure_skip_tls_verify: bool | None = None
    certificate_authority: str = ""
    client_certificate: str = ""
    client_key: str = ""
    token: str = ""
    username: str = ""
    password: str = ""
    impersonate: str = ""
    impersonate_uid: str = ""
    impersonate_groups: tuple[str, ...] = ()
    proxy_url: str = ""
    request_timeout: float = 0.0
    """Seconds a request other than a watch may take; 0: 30 s for one object, 120 s for a list."""
    disable_compression: bool = False
    qps: float = 0.0
    """Requests per second allowed from here; 0: no limit of ours, the API server's priority and fairness decides."""
    burst: int = 0
    """How many requests may go ahead of `qps`; 0: twice the qps."""


def kubeconfig_paths(access: Access, environ: Mapping[str, str]) -> list[str]:
    """The kubeconfig files to merge, in order: those the flag or $KUBECONFIG names, else the one in the home."""
    if access.kubeconfig:
        return [access.kubeconfig]
    named = [path for path in environ.get("KUBECONFIG", "").split(":") if path]
    home = environ.get("HOME", "")
    return named or ([f"{home}/.kube/config"] if home else [])


def no_cluster(looked_for: list[str]) -> str:
    """What to tell a person when none of these kubeconfig files exists, and nothing else says where the cluster is."""
    missing = f" (there is no {' nor '.join(looked_for)})" if looked_for else ""
    return (
        f"no cluster to talk to{missing}: name a file with --kubeconfig or KUBECONFIG, put one at ~/.kube/config, "
        "or run in a pod with a service account"
    )


def with_scheme(server: str, secured: bool) -> str:
    """The URL of a server that may be written as `host:port` alone: HTTPS if certificates are given, as in kubectl."""
    return server if "://" in server else f"http{'s' if secured else ''}://{server}"


def runs_in_a_pod(environ: Mapping[str, str]) -> bool:
    return bool(environ.get("KUBERNETES_SERVICE_HOST") and environ.get("KUBERNETES_SERVICE_PORT"))


def impersonation(access: Access) -> list[tuple[str, str]]:
    """The headers that ask to act as somebody else."""
    headers = [("Impersonate-Group", group) for group in access.impersonate_groups]
    if access.impersonate:
        headers.append(("Impersonate-User", access.impersonate))
    if access.impersonate_uid:
        headers.append(("Impersonate-Uid", access.impersonate_uid))
    return headers


def proxy_of(server: str, environ: Mapping[str, str]) -> str:
    """The proxy through which the environment wants this URL to be reached, as Go's clients read it; "" for none.

    `https_proxy` and `http_proxy` by the URL's scheme; `no_proxy` lists hosts, domains, addresses, networks or `*`.
    A loopback address is never reached through a proxy. Variables may be written in capitals.
    """
    url = urlsplit(server)
    proxy = _variable(environ, f"{url.scheme}_proxy")
    host = (url.hostname or "").lower()
    if not proxy or host == "localhost" or _in_network(host, "127.0.0.0/8") or host == "::1":
        return ""
    spared = [entry.strip().lower() for entry in _variable(environ, "no_proxy").split(",") if entry.strip()]
    if any(_spares(entry, host, url.port) for entry in spared):
        return ""
    return proxy if "://" in proxy else f"http://{proxy}"


def _variable(environ: Mapping[str, str], name: str) -> str:
    return environ.get(name) or environ.get(name.upper(), "")


def _spares(entry: str, host: str, port: int | None) -> bool:
    """Whether an entry of `no_proxy` means this host: itself, a domain above it, or a network around it."""
    name, colon, only = entry.rpartition(":")
    if colon and only.isdecimal() and ":" not in name:
        if int(only) != port:
            return False
        entry = name
    domain = entry.lstrip("*").lstrip(".")
    own = host == domain and not entry.startswith((".", "*."))
    return entry == "*" or own or (bool(domain) and host.endswith(f".{domain}")) or _in_network(host, entry)


def _in_network(host: str, network: str) -> bool:
    try:
        return ip_address(host) in ip_network(network, strict=False)
    except ValueError:
        return False
