"""Canary against stable: counters of Prometheus, read sample by sample since the last look."""

import asyncio
from datetime import datetime
from typing import NamedTuple

from analysis import limits
from analysis.api import Measurement
from analysis.asked.comparison import (
    LONGEST_LOOK,
    SLICE,
    STATE,
    Compare,
    Looks,
    begun,
    counted,
    found,
    read_back,
    remembered,
    written,
)
from analysis.asked.counters import CounterError, edges, last_values, risen, samples_of
from analysis.asked.lack import SAMPLES, AskedError
from analysis.asked.requests import bad_of
from analysis.providers.base import ProviderError
from analysis.providers.prometheus import Prometheus
from analysis.providers.weighed import Patient
from analysis.sequential import Counts

MOST_REQUESTS = 1e9
"""In one look; beyond it the arithmetic would be too coarse."""

_KNOWN_FOR = "1h"
"""How long a series that is silent is remembered: one that was never seen began with 0."""


class _Rise(NamedTuple):
    """How much a counter rose in each slice, and whether it has series at all."""

    slices: list[float]
    known: bool


class Compared(Patient):
    """Looks at what has come since the last look; no request is looked at twice."""

    def __init__(self, provider: Prometheus, asked: Compare, name: str) -> None:
        super().__init__(provider, asked)
        self._prometheus, self._asked, self._name = provider, asked, name
        try:
            self._counters = {"canary": asked.counters(asked.canary), "stable": asked.counters(asked.stable)}
        except AskedError as error:
            raise ProviderError(str(error)) from error

    def metadata(self) -> dict[str, str]:
        """The selectors as they are asked for."""
        kind = "within" if self._asked.slow else "bad"
        pairs = ((side, *pair) for side, pair in self._counters.items())
        return {
            text: query
            for side, total, part in pairs
            for text, query in ((f"{side} all", total), (f"{side} {kind}", part))
        }

    async def looked(self, began: datetime, before: Measurement | None) -> Measurement:
        """Count what is new, and judge what all looks come to."""
        looks = self._looks(before)
        try:
            looks = await self._after(looks)
        except ProviderError as error:
            return _with(self.refused(error, began), looks)
        what = found(self._asked, looks)
        value = ",".join(f"{one.bad / one.total:.4g}" if one.total else "NaN" for one in (looks.canary, looks.stable))
        if what.lack is not None:
            measurement = self.lacking(what.lack, began, limits.interval(self.provider.metric), f"[{value}]")
        else:
            assert what.phase is not None, "what lacks nothing is judged"
            measurement = Measurement(
                phase=what.phase,
                message=what.text,
                value=f"[{value}]",
                started_at=began,
                finished_at=self.provider.context.now(),
            )
        return _with(measurement, looks)

    def _looks(self, before: Measurement | None) -> Looks:
        """All looks so far; those of a run whose memory is lost begin anew with the run."""
        context = self.provider.context
        known = read_back(self._asked, before.metadata.get(STATE, "")) if before else None
        if known is not None:
            return known
        known = remembered(self._asked, context.run, self._name)
        if known is not None:
            return known.again()
        return begun(self._asked, context.run.status.started_at or context.now())

    async def _after(self, looks: Looks) -> Looks:
        until = round((self.provider.context.now() - self._asked.delay).timestamp(), 3)
        since = max(looks.until, until - LONGEST_LOOK)
        if until - since < 0.001:
            return looks
        await self._prometheus.login()
        canary, stable = await asyncio.gather(
            *(self._side(side, *counters, since, until) for side, counters in self._counters.items())
        )
        for pair in zip(canary, stable, strict=True):
            looks = looks.after(until, (pair,))
            await asyncio.sleep(0)  # millions of requests take milliseconds: others may go on in between
        return looks

    async def _side(self, side: str, total: str, part: str, since: float, until: float) -> list[Counts]:
        all_, counted_ = await asyncio.gather(self._rise(total, since, until), self._rise(part, since, until))
        requests, some = sum(all_.slices), sum(counted_.slices)
        if requests > MOST_REQUESTS:
            raise ProviderError(f"{side}: {requests:g} requests since the last look: that is no counter of requests")
        if some > requests + 0.5:
            what = "within" if self._asked.slow else "bad"
            raise ProviderError(
                f"{side}: {what} counts {some:g} requests and all only {requests:g}: it has to be part of all"
            )
        if self._asked.slow and all_.known and not counted_.known:
            raise ProviderError(f"{side}: within finds no series, all does: is there such a bucket (le)?")
        pairs = zip(all_.slices, counted_.slices, strict=True)
        return counted(all_.slices, [bad_of(total, some, slow=self._asked.slow) for total, some in pairs])

    async def _rise(self, selector: str, since: float, until: float) -> _Rise:
        """How much a counter rose. Prometheus remembers where it stood: nothing else has to."""
        span = f"{round((until - since) * 1000)}ms"
        before, during = await asyncio.gather(
            self._prometheus.series(f"last_over_time({selector}[{_KNOWN_FOR}])", since),
            self._prometheus.series(f"{selector}[{span}]", until),
        )
        try:
            stood = last_values(before)
            return _Rise(risen(stood, samples_of(during), edges(since, until, SLICE)), bool(during))
        except CounterError as error:
            raise ProviderError(f"{selector}: {error}") from error


def _with(measurement: Measurement, looks: Looks) -> Measurement:
    state = {SAMPLES: str(looks.canary.total), STATE: written(looks)}
    return measurement.model_copy(update={"metadata": measurement.metadata | state})
