"""Data planes that one course is played on: what users come through, and the objects of the router that steers it."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rollouts.api.traffic import GATEWAY_API
from rollouts.kube.refs import Obj
from rollouts.kube.wire import Wire
from rollouts.sandbox.gateway import Gateway
from tests.dataplane.hearsay import caught_up
from tests.dataplane.nginx import Nginx
from tests.sandbox.dataplane import make_http_route, make_ingress, make_virtual_service, to

HOST = "shop.example.com"


@dataclass(frozen=True, slots=True)
class Door:
    """An open way in. `settled` returns once the plane serves what the API server holds.

    `keeps`: it never ends a connection on its own account. nginx does when it is reloaded, also one on which a request
    is on its way: a browser sends that again, and a test that counts would have to guess.
    """

    port: int
    settled: Callable[[], Awaitable[None]]
    keeps: bool = True


@dataclass(frozen=True, slots=True)
class Plane:
    """`route` is what a user made; `exact`: shares are kept to the request, not drawn by lot."""

    name: str
    route: Obj
    routing: Mapping[str, Any]
    open: Callable[[Wire, Path], AbstractAsyncContextManager[Door]]
    exact: bool = True


@asynccontextmanager
async def _gateway(wire: Wire, folder: Path) -> AsyncIterator[Door]:
    gateway = Gateway(wire)
    url = await gateway.start()
    try:
        yield Door(int(urlsplit(url).port or 0), partial(caught_up, wire, gateway.caches))
    finally:
        await gateway.stop()


@asynccontextmanager
async def _nginx(wire: Wire, folder: Path) -> AsyncIterator[Door]:
    async with Nginx(wire, folder) as nginx:
        yield Door(nginx.port, nginx.settled, keeps=False)


_ISTIO = make_virtual_service({"route": [to("stable", 100), to("canary", 0)]}, hosts=(HOST,), name="shop")
_BACKENDS = [{"name": "stable", "port": 80, "weight": 100}, {"name": "canary", "port": 80, "weight": 0}]
_HTTP_ROUTE = make_http_route({"backendRefs": _BACKENDS}, hosts=(HOST,), name="shop")
_INGRESS = make_ingress("stable", name="shop", host=HOST)
_NGINX = {"nginx": {"stableIngress": "shop"}}

ISTIO = Plane("istio", _ISTIO, {"istio": {"virtualService": {"name": "shop"}}}, _gateway)
GATEWAY = Plane("gateway", _HTTP_ROUTE, {"plugins": {GATEWAY_API: {"httpRoute": "shop"}}}, _gateway)
INGRESS = Plane("ingress", _INGRESS, _NGINX, _gateway)
NGINX = Plane("nginx", _INGRESS, _NGINX, _nginx, exact=False)
