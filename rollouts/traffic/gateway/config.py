"""Pure. What trafficRouting.plugins holds under `argoproj-labs/gatewayAPI`: the routes to edit, by kind."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from analysis.part import Part
from rollouts.api import fielderrors
from rollouts.api.meta import LabelSelector
from rollouts.api.traffic import GATEWAY_API
from rollouts.kube.refs import Obj, Resource
from rollouts.traffic.base import GRPC_ROUTE, HTTP_ROUTE, TCP_ROUTE, TLS_ROUTE

PATH = f"spec.strategy.canary.trafficRouting.plugins[{GATEWAY_API}]"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of route: its key in the configuration, and whether its rules can match headers."""

    key: str
    resource: Resource
    headers: bool


KINDS = (
    Kind("httpRoute", HTTP_ROUTE, headers=True),
    Kind("grpcRoute", GRPC_ROUTE, headers=True),
    Kind("tcpRoute", TCP_ROUTE, headers=False),
    Kind("tlsRoute", TLS_ROUTE, headers=False),
)
"""In the order in which they are edited."""


class NamedRoute(Part):
    """A route; `use_header_routes`: header routes are made in it too."""

    name: str
    use_header_routes: bool = False


class GatewayConfig(Part):
    """The plugin's configuration."""

    http_route: str = ""
    grpc_route: str = ""
    tcp_route: str = ""
    tls_route: str = ""
    http_routes: tuple[NamedRoute, ...] = ()
    grpc_routes: tuple[NamedRoute, ...] = ()
    tcp_routes: tuple[NamedRoute, ...] = ()
    tls_routes: tuple[NamedRoute, ...] = ()
    http_route_selector: LabelSelector | None = None
    grpc_route_selector: LabelSelector | None = None
    tcp_route_selector: LabelSelector | None = None
    tls_route_selector: LabelSelector | None = None
    namespace: str = ""
    disable_in_progress_label: bool = False
    in_progress_label_key: str = ""
    in_progress_label_value: str = ""
    config_map: str = ""  # older plugins kept books in it; none are needed here

    def named(self, kind: Kind) -> Iterator[NamedRoute]:
        """The routes of this kind that the configuration names."""
        several, single = _by_key(self, f"{kind.key}s"), _by_key(self, kind.key)
        yield from several
        if single:
            yield NamedRoute(name=single, use_header_routes=True)

    def selector(self, kind: Kind) -> LabelSelector | None:
        """Which other routes of this kind are meant, by their labels."""
        found: LabelSelector | None = _by_key(self, f"{kind.key}Selector")
        return found


def _by_key(config: GatewayConfig, key: str) -> Any:
    return next(getattr(config, name) for name, field in GatewayConfig.model_fields.items() if field.alias == key)


def read(value: Any) -> tuple[GatewayConfig, str]:
    """The configuration and what is wrong with it, "" for nothing."""
    try:
        config = GatewayConfig.model_validate(value)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in fault["loc"])
        return GatewayConfig(), fielderrors.invalid(f"{PATH}{where}", fault["input"], fault["msg"])
    return config, next(_pointless(config), "")


def _pointless(config: GatewayConfig) -> Iterator[str]:
    """Keys that would have no effect."""
    unknown = "unknown field; check its spelling and place, or remove it"
    yield from (fielderrors.forbidden(f"{PATH}.{name}", unknown) for name in config.unknown)
    for kind in KINDS:
        several: tuple[NamedRoute, ...] = _by_key(config, f"{kind.key}s")
        for at, route in enumerate(several):
            where = f"{PATH}.{kind.key}s[{at}]"
            yield from (fielderrors.forbidden(f"{where}.{name}", unknown) for name in route.unknown)
            if route.use_header_routes and not kind.headers:
                yield fielderrors.forbidden(f"{where}.useHeaderRoutes", f"a {kind.resource.kind} matches no headers")


def resources(value: Obj) -> tuple[Resource, ...]:
    """The kinds of routes that a configuration speaks of, read without a model."""
    keys = value if isinstance(value, dict) else {}
    return tuple(kind.resource for kind in KINDS if any(key.startswith(kind.key) for key in keys))
