"""Where providers may connect to: anywhere but the addresses by which clouds hand out credentials.

Whoever may write an AnalysisTemplate chooses URLs that the controller asks, so the address that a name leads to is
judged when it is dialled, for every redirect anew: a name that resolves otherwise a moment later gains nothing.
Behind a proxy names are resolved by the proxy, whose own rules apply; addresses written out are refused here too.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TypeAlias
from urllib.request import getproxies

import httpcore
import httpx

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

_DENIED: tuple[Network, ...] = tuple(
    map(
        ip_network,
        (
            "169.254.0.0/16",  # link-local: metadata of AWS, Azure, Google, and credentials of ECS and EKS
            "fe80::/10",  # link-local
            "fd00:ec2::/32",  # metadata and credentials of AWS
            "fd20:ce::254/128",  # metadata of Google
            "100.100.100.200/32",  # metadata of Alibaba
            "168.63.129.16/32",  # Azure's wire server
            "192.0.0.192/32",  # metadata of Oracle
        ),
    )
)
_NAT64 = ip_network("64:ff9b::/96")
_PROXIED_SCHEMES = ("http", "https", "all")
_NEVER_PROXIED = ("localhost", "127.0.0.1", "[::1]")


class EgressError(Exception):
    """An address that providers may not connect to; the text names it."""


@dataclass(frozen=True, slots=True)
class Egress:
    """The rules. `allowed` networks (as `10.0.0.0/8` or one address) are spared from refusal."""

    allowed: tuple[str, ...] = ()

    def check(self, host: str, address: str) -> None:
        """EgressError when `address`, which `host` leads to, is refused."""
        found = _bare(address)
        spared = any(found in ip_network(network, strict=False) for network in self.allowed)
        if not spared and any(found in network for network in _DENIED):
            named = address if host == address else f"{host} ({address})"
            raise EgressError(
                f"dial tcp {named}: refused: link-local and cloud metadata addresses are not open to metric providers"
            )

    def check_literal(self, host: str) -> None:
        """`check` of a host that is an address itself; a name passes."""
        try:
            ip_address(host)
        except ValueError:
            return
        self.check(host, host)


def _bare(address: str) -> Address:
    """The address that is really reached: without zone, out of its IPv6 wrapping."""
    found = ip_address(address.split("%")[0])
    if isinstance(found, IPv4Address):
        return found
    if found in _NAT64:
        return IPv4Address(int(found) & 0xFFFFFFFF)
    return found.ipv4_mapped or found.sixtofour or found


class _Dialler(httpcore.AsyncNetworkBackend):
    """Dials TCP, and gives a connection out only when the rules allow where it leads."""

    def __init__(self, egress: Egress) -> None:
        self._egress = egress
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """A connection; EgressError before a byte is sent when it would lead to a refused address."""
        try:
            known = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        for each in known:
            self._egress.check(host, str(each[4][0]))
        stream = await self._inner.connect_tcp(host, port, timeout, local_address, socket_options)
        peer = stream.get_extra_info("server_addr")  # the name may have led elsewhere the second time
        try:
            self._egress.check(host, str(peer[0]))
        except EgressError:
            await stream.aclose()
            raise
        return stream

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await self._inner.sleep(seconds)


def guarded(egress: Egress, limits: httpx.Limits, *, insecure: bool) -> httpx.AsyncHTTPTransport:
    """A transport that connects under the rules."""
    tls = httpx.create_ssl_context(verify=not insecure)
    transport = httpx.AsyncHTTPTransport(verify=tls, limits=limits)
    # httpx has no argument for who dials; its connection pool, httpcore's, has.
    transport._pool = httpcore.AsyncConnectionPool(
        ssl_context=tls,
        max_connections=limits.max_connections,
        max_keepalive_connections=limits.max_keepalive_connections,
        keepalive_expiry=limits.keepalive_expiry,
        network_backend=_Dialler(egress),
    )
    return transport


def proxies(limits: httpx.Limits, *, insecure: bool) -> dict[str, httpx.AsyncBaseTransport | None]:
    """What the environment says of proxies, as httpx's mounts; None for what is to be reached without one."""
    environment = getproxies()
    spared = [entry.strip() for entry in environment.get("no", "").split(",") if entry.strip()]
    if "*" in spared:
        return {}
    found: dict[str, httpx.AsyncBaseTransport | None] = {}
    for scheme in _PROXIED_SCHEMES:
        if proxy := environment.get(scheme):
            url = proxy if "://" in proxy else f"http://{proxy}"
            found[f"{scheme}://"] = httpx.AsyncHTTPTransport(proxy=url, limits=limits, verify=not insecure)
    if found:
        found |= {f"all://{_pattern(entry)}": None for entry in (*spared, *_NEVER_PROXIED)}
    return found


def _pattern(entry: str) -> str:
    """An entry of no_proxy as httpx's URL patterns say it: addresses and localhost as they are, names with suffixes."""
    if entry in _NEVER_PROXIED:
        return entry
    try:
        address = ip_address(entry)
    except ValueError:
        return f"*{entry}"
    return entry if address.version == 4 else f"[{entry}]"
