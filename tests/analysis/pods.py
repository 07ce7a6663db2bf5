"""Pods of a canary and of stable that serve requests drawn by chance, and a Prometheus that scraped them."""

import json
import math
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any, Protocol
from urllib.parse import parse_qs

import httpx

from analysis.api import AnalysisRun
from analysis.arguments import ResolvedMetrics
from analysis.course import Done, Due, course
from analysis.measure import measure, resolve
from analysis.providers.base import Context, Objectives
from analysis.providers.http import Http
from tests.analysis.runs import NOON
from tests.analysis.served import KnownSecrets

ALL, BAD = 'requests_total{app="api"}', 'requests_total{app="api",status="500"}'
CANARY, STABLE = 'track="canary"', 'track="stable"'
_RANGE = re.compile(r"(.*)\[([0-9]+ms|1h|(?:[0-9]+(?:d|h|ms|m|s))+)\]")
_UNITS = {"d": 86_400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


@dataclass
class Pod:
    """One pod: when its requests came, which were bad, and when it was restarted. Seconds after the beginning."""

    all: list[float]
    bad: list[float]
    restarts: list[float] = field(default_factory=list)
    scraped_at: float = 0.0
    every: float = 15.0
    ends: float = math.inf
    weight: int = 1

    def value(self, moments: list[float], at: float) -> int:
        """The counter: requests since the last restart."""
        return self.weight * self._requests(moments, at)

    def _requests(self, moments: list[float], at: float) -> int:
        return bisect_right(moments, at) - bisect_right(moments, max((0, *(r for r in self.restarts if r <= at))))

    def samples(self, moments: list[float], since: float, until: float) -> Iterator[tuple[float, int]]:
        """What was scraped after `since` until `until`; a counter of nothing has no series."""
        first = math.floor((since - self.scraped_at) / self.every) + 1
        at = self.scraped_at + max(first, 0) * self.every
        while at <= min(until, self.ends):
            if value := self.value(moments, at):
                yield at, value
            at += self.every


def pod(chance: Random, a_minute: float, bad: float, minutes: float, **fields: Any) -> Pod:
    """A pod whose requests arrive independently of one another, each bad with the same probability."""
    all_: list[float] = []
    at = fields.pop("born", 0.0) + chance.expovariate(a_minute / 60)
    while at < minutes * 60:
        all_.append(at)
        at += chance.expovariate(a_minute / 60)
    offset = chance.uniform(0, fields.get("every", 15.0))
    return Pod(all_, [at for at in all_ if chance.random() < bad], scraped_at=offset, **fields)


class Reachable(Protocol):
    """Something that answers as Prometheus does."""

    def http(self) -> Http:
        """The way to a provider that leads there."""
        ...


class Scraped:
    """Answers the queries that comparisons and burn rates ask, about the pods of both sides.

    `down` are spans in which it answers nothing; `slow`: the second counter is a bucket of those fast enough.
    """

    def __init__(
        self, canary: Iterable[Pod], stable: Iterable[Pod] = (), *, slow: bool = False, began: datetime = NOON
    ) -> None:
        self.pods = {"canary": list(canary), "stable": list(stable)}
        self.slow = slow
        self.began = began.timestamp()
        self.down: list[tuple[float, float]] = []
        self.queries: list[str] = []

    def http(self) -> Http:
        """The way to a provider that leads here."""
        return Http(httpx.MockTransport(self._handle))

    def _handle(self, request: httpx.Request) -> httpx.Response:
        form = parse_qs(request.content.decode())
        query, at = form["query"][0], float(form["time"][0]) - self.began
        self.queries.append(query)
        if any(begin <= at <= end for begin, end in self.down):
            return httpx.Response(503)
        return httpx.Response(200, json={"status": "success", "data": self._data(query, at)})

    def _data(self, query: str, at: float) -> dict[str, Any]:
        inner = query.removeprefix("last_over_time(").removeprefix("sum(increase(").rstrip(")")
        found = _RANGE.fullmatch(inner)
        assert found, query
        series = self._series(found[1], at - _seconds(found[2]), at)
        if query.startswith("last_over_time"):
            last = [self._shown(labels, "value", points[-1:]) for labels, points in series]
            return {"resultType": "vector", "result": last}
        if query.startswith("sum(increase"):
            rise = sum(max(points[-1][1] - points[0][1], 0) for _, points in series)
            return {"resultType": "vector", "result": [{"metric": {}, "value": [at, str(rise)]}] if series else []}
        return {"resultType": "matrix", "result": [self._shown(labels, "values", points) for labels, points in series]}

    def _series(
        self, selector: str, since: float, until: float
    ) -> list[tuple[dict[str, str], list[tuple[float, int]]]]:
        side = "canary" if CANARY in selector else "stable"
        found = []
        for number, one in enumerate(self.pods[side]):
            moments = one.all if "500" not in selector else one.bad
            if self.slow and "500" in selector:
                moments = sorted(set(one.all) - set(one.bad))
            points = list(one.samples(moments, since, until))
            if points:
                found.append(({"__name__": "requests_total", "pod": str(number)}, points))
        return found

    def _shown(self, labels: dict[str, str], key: str, points: list[tuple[float, int]]) -> dict[str, Any]:
        spelled = [[at + self.began, str(value)] for at, value in points]
        return {"metric": labels, key: spelled[0] if key == "value" else spelled}


def _seconds(text: str) -> float:
    return sum(float(number) * _UNITS[unit] for number, unit in re.findall(r"([0-9]+)(ms|d|h|m|s)", text))


# ── a run over them, through the engine ────────────────────────────────────


def run_of(key: str, entry: dict[str, Any], **fields: Any) -> AnalysisRun:
    """A run of one metric `m` that asks for `entry` by the annotation `key`."""
    body = {"address": "http://p", "query": "q"}
    spec: dict[str, Any] = {"name": "m", "interval": "1m", "provider": {"prometheus": body}} | fields
    args = spec.pop("args", [])
    metadata = {"name": "r", "namespace": "ns", "uid": "u", "annotations": {key: json.dumps({"m": entry})}}
    return AnalysisRun.model_validate({"metadata": metadata, "spec": {"metrics": [spec], "args": args}})


async def led(
    run: AnalysisRun,
    scraped: Reachable,
    minutes: float,
    *,
    began: datetime = NOON,
    secrets: KnownSecrets | None = None,
    objectives: Objectives | None = None,
    between: Callable[[AnalysisRun], AnalysisRun] = lambda run: run,
) -> AnalysisRun:
    """The run after so many minutes, or at its end. Before each look it is what the API server would hold."""
    http = scraped.http()
    resolved = await resolve(run, secrets or KnownSecrets(), objectives)
    assert not resolved.error, resolved.error
    last = run
    with closing(course(run, resolved, began)) as steps:
        try:
            due = next(steps)
            while due.now <= began + timedelta(minutes=minutes):
                last = between(AnalysisRun.model_validate_json(json.dumps(due.run.wire())))
                due = steps.send(await _taken(due, last, resolved, http))
            return due.run
        except StopIteration as end:
            ended: AnalysisRun = end.value
            return ended
        finally:
            await http.close()


async def _taken(due: Due, run: AnalysisRun, resolved: ResolvedMetrics, http: Http) -> Done:
    def now() -> datetime:
        return due.now

    context = Context(run=run, http=http, now=now, secrets=KnownSecrets())
    return Done(await measure(due.tasks, resolved, context), due.now)
