"""How fast a canary uses up an error budget: requests by window, counted by Prometheus."""

import asyncio
from datetime import datetime, timedelta

from analysis import limits
from analysis.api import Measurement
from analysis.asked.burn import BurnRate, burnt, watch
from analysis.asked.lack import SAMPLES, AskedError
from analysis.asked.promtime import span_text
from analysis.asked.requests import bad_of
from analysis.providers.base import ProviderError
from analysis.providers.prometheus import Prometheus
from analysis.providers.weighed import Patient
from analysis.sequential import Counts


class Burning(Patient):
    """Every look stands by itself: the windows reach back as far as they are long."""

    def __init__(self, provider: Prometheus, asked: BurnRate) -> None:
        super().__init__(provider, asked)
        self._prometheus, self._asked = provider, asked
        try:
            self._counters = asked.counters(asked.canary)
        except AskedError as error:
            raise ProviderError(str(error)) from error

    def metadata(self) -> dict[str, str]:
        """The selectors as they are asked for."""
        return {"all": self._counters[0], "within" if self._asked.slow else "bad": self._counters[1]}

    async def looked(self, began: datetime, before: Measurement | None) -> Measurement:
        """Count every window, and judge what they come to."""
        now = self.provider.context.now()
        of = watch(self._asked, now - (self.provider.context.run.status.started_at or now))
        try:
            counted = await self._windows(set(of.reach.values()), now)
        except ProviderError as error:
            return self.refused(error, began)
        counts = {window: counted[reach] for window, reach in of.reach.items()}
        what = burnt(self._asked, of, counts)
        value = ",".join(f"{one.bad / one.total:.4g}" if one.total else "NaN" for one in counts.values())
        if what.lack is not None:
            measurement = self.lacking(what.lack, began, limits.interval(self.provider.metric), f"[{value}]")
        else:
            assert what.phase is not None, "what lacks nothing is judged"
            measurement = Measurement(
                phase=what.phase, message=what.text, value=f"[{value}]", started_at=began, finished_at=now
            )
        most = max(one.total for one in counts.values())
        return measurement.model_copy(update={"metadata": measurement.metadata | {SAMPLES: str(most)}})

    async def _windows(self, reaches: set[timedelta], now: datetime) -> dict[timedelta, Counts]:
        await self._prometheus.login()
        counts = await asyncio.gather(*(self._within(reach, now) for reach in reaches))
        return dict(zip(reaches, counts, strict=True))

    async def _within(self, reach: timedelta, now: datetime) -> Counts:
        if reach <= timedelta(0):
            return Counts(0, 0)
        all_, some = await asyncio.gather(*(self._rise(selector, reach, now) for selector in self._counters))
        if self._asked.slow and all_ and some is None:
            raise ProviderError("within finds no series, all does: is there such a bucket (le)?")
        total = round(all_ or 0.0)
        return Counts(total, min(round(bad_of(all_ or 0.0, some or 0.0, slow=self._asked.slow)), total))

    async def _rise(self, selector: str, reach: timedelta, now: datetime) -> float | None:
        """How much a counter rose, as Prometheus estimates it; None when there is no such series."""
        found = await self._prometheus.series(f"sum(increase({selector}[{span_text(reach)}]))", now.timestamp())
        if not found:
            return None
        try:
            return float(found[0]["value"][1])
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise ProviderError(f"{selector}: the answer holds no number") from error
