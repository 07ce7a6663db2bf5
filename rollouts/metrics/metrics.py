"""The controller's own metrics for Prometheus, under Argo Rollouts' names and labels, so that its dashboards go on.

Gauges of objects are read from the caches when scraped (`gauges`); a standby replica has no `sources` and shows none.
Counters and histograms of an object are dropped 65 s after the object, when its last values have been scraped.
"""

import asyncio
import platform
import re
from collections.abc import Iterable, Iterator
from itertools import accumulate, repeat
from operator import mul
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from rollouts.kube.http import Request
from rollouts.kube.queue import Queue, QueueMeter
from rollouts.kube.refs import Obj, name_of, namespace_of
from rollouts.metrics.gauges import Sources, families
from rollouts.metrics.tallies import Tally, Timings

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
LINGER = 65.0
"""Seconds for which the series of a deleted object stay."""

_SECONDS = (0.01, 0.15, 0.25, 0.5, 1)
_QUEUE_SECONDS = tuple(accumulate(repeat(10.0, 9), mul, initial=10e-9))
"""To the last digit as Go multiplies them."""
_WHOLE = (30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 28800)
_PROGRESSION = (30, 60, 120, 300, 600, 900, 1800, 3600)
_MANUAL_PAUSE = (0, 60, 300, 600, 1800, 3600, 7200, 14400, 28800)
_KINDS = {"Rollout": "rollout", "Experiment": "experiment", "AnalysisRun": "analysis_run"}
_PLURALS = {"Rollout": "rollouts", "Experiment": "experiments", "AnalysisRun": "analysisruns"}
_GO_ARCH = {"x86_64": "amd64", "AMD64": "amd64", "aarch64": "arm64", "i686": "386", "armv7l": "arm"}
"""How Go names the machines that have another name here."""
_NAMELESS = frozenset({"events", "replicasets"})

# Argo's names of these counters lack the suffix that the client library insists on.
_SUFFIXED = re.compile(
    rb"^(# HELP |# TYPE )?(\w+_reconcile_error|notification_send_success|notification_send_error)_total", re.MULTILINE
)

_WHOLE_BOUND = re.compile(rb'(?<=le=")(\d+)\.0(?=")')
"""Go writes bounds of buckets without a fraction, and queries name them: le="600"."""


class Metrics:
    """Counts what the controller does, and shows it with what `sources` says about the objects."""

    def __init__(self, version: str, *, commit: str = "unknown") -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call] # because the library leaves it unannotated
        self.sources: Sources | None = None
        """Where the objects are; None while this replica does not lead."""
        self.registry = CollectorRegistry()
        self._queues: list[Queue[Any]] = []
        registry = self.registry
        self._reconcile = {
            kind: Timings(f"{name}_reconcile", "Seconds of a reconciliation.", _SECONDS, registry=registry)
            for kind, name in _KINDS.items()
        }
        self._failed = {
            kind: Tally(f"{name}_reconcile_error", "Reconciliations that failed.", registry=registry)
            for kind, name in _KINDS.items()
        }
        self._events = Tally("rollout_events", "Events of rollouts.", "type", "reason", registry=registry)
        self._events_dropped = Counter("controller_events_dropped", "Events that were never posted.", registry=registry)
        Timings("notification_send", "Sending a notification.", _SECONDS, registry=registry)
        for result in ("success", "error"):
            Tally(f"notification_send_{result}", f"By {result}.", "type", "reason", registry=registry)
        self._durations = [
            Histogram(f"rollout_{name}_seconds", text, ["status"], buckets=buckets, registry=registry)
            for name, text, buckets in (
                ("duration", "How long updates took.", _WHOLE),
                ("progression_duration", "How long updates took without manual pauses.", _PROGRESSION),
                ("manual_pause_duration", "How long updates were paused by people.", _MANUAL_PAUSE),
            )
        ]
        self._requests = Tally(
            "controller_clientset_k8s_request",
            "Requests to the API server.",
            "kind",
            "verb",
            "status_code",
            registry=registry,
        )
        self._work = _QueueMetrics(registry)
        _info(registry, version, commit)
        ProcessCollector(registry=registry)
        GCCollector(registry=registry)
        registry.register(_Live(self))

    # ── counting ───────────────────────────────────────────────────────────

    def reconciled(self, kind: str, namespace: str, name: str, seconds: float, *, failed: bool = False) -> None:
        """A pass over a Rollout, an Experiment or an AnalysisRun, and how long it took."""
        self._reconcile[kind].observe(namespace, name, seconds)
        if failed:
            self._failed[kind].add(namespace, name)

    def refused(self, kind: str, namespace: str, name: str) -> None:
        """A pass found a spec that cannot be acted on: an error to whoever is alerted by them."""
        self._failed[kind].add(namespace, name)

    def event(self, about: Obj, type: str, reason: str) -> None:
        """An event was recorded (`rollouts.kube.events.OnEvent`); those of Rollouts are counted."""
        if about.get("kind") == "Rollout":
            self._events.add(namespace_of(about), name_of(about), type, reason)

    def event_dropped(self) -> None:
        self._events_dropped.inc()

    def request(self, request: Request) -> None:
        """A request to the API server (`rollouts.kube.http.OnRequest`)."""
        plural = request.resource.plural
        name = "N/A" if request.verb == "List" or plural in _NAMELESS else request.name
        self._requests.add(request.namespace, name, plural, request.verb, str(request.status))

    def update_ended(self, status: str, whole: float, manual_pause: float) -> None:
        """An update ended as `status` (Promoted, Aborted, …): its seconds, and those of them that people paused it."""
        for histogram, seconds in zip(self._durations, (whole, whole - manual_pause, manual_pause), strict=True):
            histogram.labels(status).observe(seconds)

    def meter(self, queue: str) -> QueueMeter:
        """The meter for a queue of this name."""
        return _Meter(self._work, queue)

    def metered(self, *queues: Queue[Any]) -> None:
        """Measure these queues from now on, and show what waits in them."""
        self._queues += queues
        for queue in queues:
            queue.meter = queue.meter or self.meter(queue.name)

    def forget(self, kind: str, namespace: str, name: str) -> None:
        """A Rollout, Experiment or AnalysisRun was deleted: its series go in 65 s, unless it has come back by then."""
        asyncio.get_running_loop().call_later(LINGER, self._drop, kind, namespace, name)

    def _drop(self, kind: str, namespace: str, name: str) -> None:
        there = _of(self.sources, kind) if self.sources else ()
        if any((namespace_of(obj), name_of(obj)) == (namespace, name) for obj in there):
            return
        self._reconcile[kind].forget(namespace, name)
        self._failed[kind].forget(namespace, name)
        self._requests.forget(namespace, name, _PLURALS[kind])
        if kind == "Rollout":
            self._events.forget(namespace, name)

    def expose(self) -> bytes:
        """Everything, in Prometheus' text format (CONTENT_TYPE)."""
        return _WHOLE_BOUND.sub(rb"\1", _SUFFIXED.sub(rb"\1\2", generate_latest(self.registry)))

    def live(self) -> Iterator[Metric]:
        """What is true just now: the objects, and the queues."""
        if self.sources:
            yield from families(self.sources)
        yield from _queue_gauges(self._queues)


def _of(sources: Sources, kind: str) -> Iterable[Obj]:
    every = {"Rollout": sources.rollouts, "Experiment": sources.experiments, "AnalysisRun": sources.analysis_runs}
    return every[kind]()


class _Live(Collector):
    """Lets the registry ask for what is read when scraped."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        return self._metrics.live()

    def describe(self) -> list[Metric]:
        return []


class _QueueMetrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        name = ["name"]
        self.adds = Counter("workqueue_adds", "Keys added to a queue.", name, registry=registry)
        self.retries = Counter("workqueue_retries", "Keys put back after a failure.", name, registry=registry)
        self.waited, self.worked = (
            Histogram(f"workqueue_{what}_duration_seconds", text, name, buckets=_QUEUE_SECONDS, registry=registry)
            for what, text in (("queue", "How long keys waited."), ("work", "How long keys were worked on."))
        )


class _Meter:
    """A `rollouts.kube.queue.QueueMeter` for one queue."""

    def __init__(self, metrics: _QueueMetrics, name: str) -> None:
        adds, retries = metrics.adds.labels(name), metrics.retries.labels(name)
        self.added, self.retried = adds.inc, retries.inc
        self.taken, self.finished = metrics.waited.labels(name).observe, metrics.worked.labels(name).observe


def _queue_gauges(queues: Iterable[Queue[Any]]) -> Iterator[Metric]:
    depth = GaugeMetricFamily("workqueue_depth", "Keys that wait for a worker.", labels=["name"])
    unfinished = GaugeMetricFamily(
        "workqueue_unfinished_work_seconds", "Seconds spent on keys in hand, summed.", labels=["name"]
    )
    longest = GaugeMetricFamily(
        "workqueue_longest_running_processor_seconds", "Seconds spent on the key longest in hand.", labels=["name"]
    )
    for queue in queues:
        seconds = queue.unfinished()
        depth.add_metric([queue.name], queue.depth)
        unfinished.add_metric([queue.name], sum(seconds))
        longest.add_metric([queue.name], max(seconds, default=0))
    return iter((depth, unfinished, longest))


def _info(registry: CollectorRegistry, version: str, commit: str) -> None:
    """`build_info` has Go's labels, as dashboards join on them; goversion says what runs in its place."""
    labels = ["version", "goversion", "goarch", "commit"]
    build = Gauge("build_info", "What is running.", labels, registry=registry)
    machine = platform.machine()
    build.labels(version, f"python{platform.python_version()}", _GO_ARCH.get(machine, machine), commit).set(1)
    Gauge("argo_rollouts_controller_info", "Version.", ["version"], registry=registry).labels(version).set(1)
