"""Where providers may connect to: anywhere but the addresses by which clouds hand out credentials.

Whoever may write an AnalysisTemplate chooses URLs that the controller asks, so the address that a name leads to is
judged when it is dialled, for every redirect anew: a name that resolves otherwise a moment later gains nothing.
Behind a proxy names are resolved by the proxy, whose own rules apply; addresses written out are refused here too.
"""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TypeAlias
from urllib.request import getproxies
from urllib.request import proxy_bypass_environment as bypassed  # type: ignore[attr-defined] # not in typeshed

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
_PROXIED_SCHEMES = frozenset(("http", "https", "all"))
_NEVER_PROXIED = frozenset(("localhost", "127.0.0.1", "::1"))


class EgressError(OSError):
    """An address that providers may not connect to; the text names it."""

    def __init__(self, message: str, address: str = "") -> None:
        super().__init__(message)
        self.address = address


@dataclass(frozen=True, slots=True)
class Egress:
    """The rules. `allowed` networks (as `10.0.0.0/8` or one address) are spared from refusal."""

    allowed: tuple[str, ...] = ()

    def check(self, host: str, address: str) -> None:
        """EgressError when `address`, which `host` leads to, is refused."""
        found = _bare(address)
        if not any(found in network for network in _DENIED):
            return
        if not any(found in ip_network(network, strict=False) for network in self.allowed):
            named = address if host == address else f"{host} ({address})"
            raise EgressError(
                f"dial tcp {named}: refused: link-local and cloud metadata addresses are not open to metric providers",
                address,
            )

    def check_literal(self, host: str) -> None:
        """`check` of a host that is an address itself; a name passes."""
        if _is_literal(host):
            self.check(host, host)


@lru_cache(maxsize=1024)
def _is_literal(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


@lru_cache(maxsize=1024)
def _bare(address: str) -> Address:
    """The address that is really reached: without zone, out of its IPv6 wrapping."""
    found = ip_address(address.split("%")[0])
    if isinstance(found, IPv4Address):
        return found
    if found in _NAT64:
        return IPv4Address(int(found) & 0xFFFFFFFF)
    return found.ipv4_mapped or found.sixtofour or found


@dataclass(frozen=True, slots=True)
class Proxies:
    """The proxies of the environment, by scheme; `spared` hosts are reached without one, and so is this machine."""

    by_scheme: Mapping[str, str]
    spared: str = ""

    @classmethod
    def of_environment(cls) -> "Proxies | None":
        """What the environment says (`http_proxy` and its kin); None when it says nothing."""
        environment = getproxies()
        spared = environment.pop("no", "")
        found = {
            scheme: proxy if "://" in proxy else f"http://{proxy}"
            for scheme, proxy in environment.items()
            if proxy and scheme in _PROXIED_SCHEMES
        }
        return cls(found, spared) if found else None

    def for_url(self, scheme: str, host: str) -> str | None:
        """The proxy by which a URL is reached; None when without."""
        if host in _NEVER_PROXIED or bypassed(host, {"no": self.spared}):
            return None
        return self.by_scheme.get(scheme) or self.by_scheme.get("all")
