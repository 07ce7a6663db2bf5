"""What a pod serves: real HTTP on loopback with scripted errors and latency, and its own `/metrics`.

    GET /metrics   Prometheus text: http_requests_total{method,status}, http_request_duration_seconds{method},
                   http_requests_in_flight
    GET /healthz   200, always, uncounted
    anything else  200 `ok`, or 500 for the scripted share of requests, after the scripted latency

The application knows neither its Service nor its version: those labels join its metrics through service discovery,
as on a cluster. Answers carry `X-Version` (the image's tag) and `X-Pod`, so that whoever asked can tell who answered.
Errors are spread evenly, not drawn by lot: of any n requests, n x error rate fail, give or take one.
"""

import asyncio
from dataclasses import dataclass
from time import perf_counter

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from rollouts.kube.refs import Obj, name_of, uid_of
from rollouts.sandbox.kubelet.runtime import Address
from rollouts.sandbox.kubelet.script import PodScript
from rollouts.sandbox.routing import every

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.5, 5.0, 10.0)
"""Upper edges of the histogram, in seconds."""

_GRACE = 3.0
"""Seconds that a closing pod gives the requests it is answering."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How the application answers: share of errors (0..1) and seconds until each answer."""

    version: str = "latest"
    pod: str = ""
    error_rate: float = 0.0
    latency: float = 0.0


class App:
    """One pod's process: `start` binds a free loopback port, `stop` lets running requests end and closes it."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self._served = 0
        self._identity = {"X-Version": behaviour.version, "X-Pod": behaviour.pod}
        self._registry = CollectorRegistry()
        self._requests = Counter("http_requests", "Requests answered.", ("method", "status"), registry=self._registry)
        self._seconds = Histogram(
            "http_request_duration_seconds",
            "Time until the answer.",
            ("method",),
            buckets=BUCKETS,
            registry=self._registry,
        )
        self._in_flight = Gauge("http_requests_in_flight", "Requests being answered.", registry=self._registry)
        for status in ("200", "500"):  # a counter that starts at 0 is a rate from its first scrape on
            self._requests.labels("GET", status)
        self._runner = web.ServerRunner(web.Server(self._serve, access_log=None), shutdown_timeout=_GRACE)

    async def start(self) -> Address:
        """Serve; returns host and port."""
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        return str(host), int(port)

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/metrics":
            text = generate_latest(self._registry)
            return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})
        if request.path == "/healthz":
            return web.Response(text="ok\n")
        with self._in_flight.track_inprogress():
            return await self._answer(request)

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        began = perf_counter()
        fails = every(self._served, self.behaviour.error_rate)
        self._served += 1
        if self.behaviour.latency:
            await asyncio.sleep(self.behaviour.latency)
        status, text = (500, "scripted error\n") if fails else (200, "ok\n")
        self._requests.labels(request.method, str(status)).inc()
        self._seconds.labels(request.method).observe(perf_counter() - began)
        return web.Response(status=status, text=text, headers=self._identity)


class HttpPods:
    """The kubelet's runtime that serves every pod for real: one `App` per running pod."""

    def __init__(self) -> None:
        self._apps: dict[str, App] = {}

    async def start(self, pod: Obj) -> Address:
        """Serve this pod on a port of its own; a container that restarts begins anew, with new counters."""
        await self.stop(pod)
        app = App(behaviour_of(pod))
        address = await app.start()
        self._apps[uid_of(pod)] = app
        return address

    async def stop(self, pod: Obj) -> None:
        """Close the pod's port, once what is in flight has been answered."""
        if app := self._apps.pop(uid_of(pod), None):
            await app.stop()

    async def close(self) -> None:
        """Stop all pods that still run."""
        apps, self._apps = list(self._apps.values()), {}
        await asyncio.gather(*(app.stop() for app in apps))


def behaviour_of(pod: Obj) -> Behaviour:
    """What a pod's annotations script, and the tag of its first container's image as its version."""
    script = PodScript.from_annotations(pod["metadata"].get("annotations"))
    image = pod["spec"]["containers"][0].get("image", "")
    return Behaviour(image_tag(image), name_of(pod), script.error_rate, script.latency)


def image_tag(image: str) -> str:
    """The tag of an image reference: `registry:5000/api:1.2@sha256:...` → `1.2`; `latest` where it has none."""
    _, _, tag = image.partition("@")[0].rpartition("/")[2].partition(":")
    return tag or "latest"
