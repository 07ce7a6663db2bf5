"""Canaries whose requests are drawn by chance, and the users' own templates measuring them as Prometheus would."""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from random import Random

import yaml

from analysis.api import AnalysisPhase, AnalysisRun, AnalysisTemplate, Metric
from analysis.arguments import resolve_metrics
from analysis.asked import EVIDENCE, read
from analysis.asked.evidence import Evidence
from analysis.course import Done, Due, course
from analysis.decide import Taken
from analysis.expr.gotypes.values import FloatList
from analysis.providers.base import Context, OneShot, Provider, Reading
from analysis.providers.http import Http
from analysis.providers.weighed import weighed
from tests.analysis.runs import NOON, R
from tests.analysis.served import KnownSecrets

SHARED = Path(__file__).parents[3] / "shared" / "manifests" / "api"
WINDOW = 120.0


class Canary:
    """Requests arrive independently of one another; `error_rate` of them fail, and as many others are slow."""

    def __init__(self, chance: Random, a_minute: float, error_rate: float, minutes: float) -> None:
        self.all = list(_arrivals(chance, a_minute / 60, minutes * 60))
        self.bad = [at for at in self.all if chance.random() < error_rate]
        other = Random(len(self.all))
        self.slow = [at for at in self.all if other.random() < error_rate]

    def count(self, moments: list[float], now: float) -> int:
        """How many of the moments lie in the window that ends now."""
        return bisect_right(moments, now) - bisect_left(moments, now - WINDOW)


def _arrivals(chance: Random, a_second: float, seconds: float) -> Iterator[float]:
    at = chance.expovariate(a_second)
    while at < seconds:
        yield at
        at += chance.expovariate(a_second)


class Simulated(OneShot):
    """What Prometheus says of the canary: the share of good requests, their p99, or their number (`counts`)."""

    def __init__(self, canary: Canary, context: Context, metric: Metric, *, counts: bool = False) -> None:
        super().__init__(metric, context)
        self.canary, self.counts = canary, counts

    def timeout(self) -> timedelta:
        return timedelta(seconds=30)

    def question(self) -> None:
        return None

    async def read(self) -> Reading:
        now = (self.context.now() - NOON).total_seconds()
        requests = self.canary.count(self.canary.all, now)
        if self.counts:
            result = FloatList([float(requests)])
        elif not self.canary.all or now < self.canary.all[0]:
            result = FloatList()  # no request yet, so no series yet
        else:
            result = FloatList([self._said(requests, now) if requests else math.nan])
        return Reading(result, str(result))

    def _said(self, requests: int, now: float) -> float:
        if self.metric.name == "success-rate":
            return 1 - self.canary.count(self.canary.bad, now) / requests
        return 2.0 if self.canary.count(self.canary.slow, now) > requests // 100 else 0.2


def users_template(name: str, evidence: str | None = None) -> AnalysisTemplate:
    """A template as its users wrote it, and the annotation that they might add."""
    manifest = yaml.safe_load((SHARED / f"{name}.yaml").read_text())
    if evidence is not None:
        manifest["metadata"]["annotations"] = {EVIDENCE: evidence}
    return AnalysisTemplate.model_validate(manifest)


async def verdict(template: AnalysisTemplate, canary: Canary, http: Http, minutes: float) -> AnalysisPhase:
    """What a background analysis has come to after so many minutes; Running when nothing speaks against the canary."""
    args = [{"name": "service-name", "value": "api"}]
    spec = template.spec.wire() | {"args": args}
    run = AnalysisRun.model_validate({"metadata": template.metadata, "spec": spec})
    asked = read(run.metadata.get("annotations") or {}, run.spec.metrics)
    resolved = resolve_metrics(run.spec.metrics, run.spec.args, {}, asked)
    clock = [NOON]
    context = Context(run, http, lambda: clock[0], KnownSecrets())
    source = Simulated(canary, context, run.spec.metrics[0])
    evidence = asked.get(template.name)
    provider: Provider = source
    if isinstance(evidence, Evidence):
        provider = weighed(source, evidence, Simulated(canary, context, run.spec.metrics[0], counts=True))
    try:
        with closing(course(run, resolved, NOON)) as steps:
            due = next(steps)
            while due.now <= NOON + timedelta(minutes=minutes):
                clock[0] = due.now
                due = steps.send(await _done(provider, due))
    except StopIteration as end:
        status: AnalysisPhase = end.value.status.phase
        return status
    return R


async def _done(provider: Provider, due: Due) -> Done:
    taken = []
    for task in due.tasks:
        begun = task.measurement
        measurement = await (provider.run() if begun is None else provider.resume(begun))
        taken.append(Taken(task.name, measurement, begun is not None))
    return Done(taken, due.now)
