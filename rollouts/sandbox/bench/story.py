"""An update in virtual time: its API calls, always the same, and the worlds that its decisions saw.

Sandbox and controller run in one process here, without sockets, on a loop in which waiting is free. That tells nothing
of processor time, and everything of what is done.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

import httpx

from analysis.providers.http import Http
from rollouts.decide.world import World
from rollouts.kube.refs import ROLLOUT, Obj
from rollouts.kube.watch import IN_PROCESS
from rollouts.kube.wire import Wire
from rollouts.manager import Controllers
from rollouts.metrics import Metrics
from rollouts.observe import Observer
from rollouts.observe.caches import Caches
from rollouts.sandbox import clock
from rollouts.sandbox.bench import fleet
from rollouts.sandbox.bench.calls import calls_of
from rollouts.sandbox.bench.environment import ACTOR, PROMETHEUS_SAYS, START_DELAY
from rollouts.sandbox.bench.fleet import NAMESPACE, Case, healthy
from rollouts.sandbox.cluster import Cluster
from rollouts.sandbox.kubelet.kubelet import Timing
from rollouts.sandbox.up import definitions
from rollouts.settings import parse
from rollouts.traffic.base import TrafficSettings

_SETTLED = 60.0
"""Seconds after which nothing of an update is left to do: more than any delay and any event that is held back."""
_PATIENCE = 600.0


@dataclass(slots=True)
class Story:
    """One update from its beginning to where nothing is left to do.

    `calls`: by verb and resource. `passes`: how often the Rollout was looked at. `worlds`: what there was to decide on
    after each change, and when. `seconds`: from the update to Healthy.
    """

    calls: Counter[str] = field(default_factory=Counter)
    passes: int = 0
    worlds: list[tuple[World, datetime]] = field(default_factory=list)
    seconds: float = 0.0


class _Passes(Metrics):
    """Counts the passes over Rollouts."""

    passes = 0

    def reconciled(self, kind: str, namespace: str, name: str, seconds: float, *, failed: bool = False) -> None:
        self.passes += kind == ROLLOUT.kind


def tell(case: Case) -> Story:
    """Run one update of this case on a loop of its own."""
    return clock.run(_told(case))


async def _told(case: Case) -> Story:
    story, loop = Story(), asyncio.get_running_loop()
    answer = httpx.MockTransport(lambda _: httpx.Response(200, json=PROMETHEUS_SAYS))
    async with Cluster(crds=definitions(), timing=Timing(START_DELAY)) as cluster:
        assert cluster.server is not None  # made by the cluster, since it was given no other
        wire, settings = cluster.server.as_user(ACTOR), parse([], {})
        metrics = _Passes("bench")
        controllers = Controllers(wire, settings, clock=clock.now, pace=IN_PROCESS, http=Http(answer), metrics=metrics)
        working = asyncio.create_task(controllers.run())
        await fleet.deploy(cluster.wire, case, 1, "http://prometheus:9090")
        await _healthy(cluster.wire)
        await asyncio.sleep(_SETTLED)
        before, began, passes = calls_of(ACTOR, cluster.server.requests), loop.time(), metrics.passes
        _record(controllers.caches, story)
        await cluster.wire.patch(ROLLOUT, NAMESPACE, fleet.name_of(0), fleet.update(2))
        await _healthy(cluster.wire)
        story.seconds = loop.time() - began
        await asyncio.sleep(_SETTLED)
        story.calls, story.passes = calls_of(ACTOR, cluster.server.requests) - before, metrics.passes - passes
        controllers.stop()
        await working
    return story


async def _healthy(wire: Wire) -> None:
    async with asyncio.timeout(_PATIENCE):
        async for event in wire.watch(ROLLOUT, NAMESPACE):
            if event.type != "BOOKMARK" and healthy(event.object):
                return


def _record(caches: Caches, story: Story) -> None:
    """Keep the world after every change that a decision may see."""
    observer = Observer(caches, TrafficSettings())

    def keep(_: Obj | None, __: Obj | None) -> None:
        rollout = caches.rollouts.get(NAMESPACE, fleet.name_of(0))
        if rollout is not None:
            story.worlds.append((observer.world(rollout), clock.now()))

    for cache in (caches.rollouts, caches.replica_sets, caches.analysis_runs):
        cache.subscribe(keep)
