"""A provider whose answers are judged only when they rest on enough: until then the measurement waits."""

from datetime import datetime, timedelta

from analysis import limits
from analysis.api import AnalysisPhase, Measurement
from analysis.evidence import SAMPLES, Evidence, Shortage, count_of, outcome, shortage
from analysis.providers.base import OneShot, Provider, ProviderError, Reading


def weighed(provider: Provider, evidence: Evidence, counting: Provider | None) -> Provider:
    """`provider` with its answers weighed; `counting` counts the samples. ProviderError for one without answers."""
    if not isinstance(provider, OneShot) or not isinstance(counting, OneShot | None):
        raise ProviderError("the provider gives no numbers that evidence could be asked of")
    return Weighed(provider, evidence, counting)


class Weighed:
    """A measurement that waits is an unfinished one: no counter has it, and it is resumed after the interval."""

    def __init__(self, provider: OneShot, evidence: Evidence, counting: OneShot | None) -> None:
        self._provider, self._evidence, self._counting = provider, evidence, counting

    def timeout(self) -> timedelta:
        """The provider's own, for each of its two questions."""
        return self._provider.timeout() * (2 if self._counting else 1)

    def metadata(self) -> dict[str, str]:
        """The provider's own."""
        return self._provider.metadata()

    async def run(self) -> Measurement:
        """Ask, and judge what can be judged."""
        return await self._look(self._provider.context.now())

    async def resume(self, measurement: Measurement) -> Measurement:
        """Ask again; the wait counts from the first time."""
        return await self._look(measurement.started_at or self._provider.context.now())

    async def terminate(self, measurement: Measurement) -> Measurement:
        """Whoever stops the run does not want to wait, and nothing speaks against it: as with a Job that is stopped."""
        update = {"phase": AnalysisPhase.SUCCESSFUL, "finished_at": self._provider.context.now(), "resume_at": None}
        return measurement.model_copy(update=update)

    async def collect(self, limit: int) -> None:
        """The provider's own."""
        await self._provider.collect(limit)

    async def _look(self, began: datetime) -> Measurement:
        samples = None
        try:
            samples = await self._count()
            reading = await self._provider.reading()
        except ProviderError as error:
            if self._evidence.error is None:
                return self._provider.failed(error, began)
            return self._lacking(Shortage(self._evidence.error, str(error)), began, limits.ERROR_RETRY)
        lack = shortage(self._evidence, reading.result, samples)
        if lack is None:
            measurement = self._provider.judged(reading, began)
        else:
            measurement = self._lacking(lack, began, limits.interval(self._provider.metric), reading)
        if samples is None:
            return measurement
        return measurement.model_copy(update={"metadata": measurement.metadata | {SAMPLES: f"{samples:g}"}})

    async def _count(self) -> float | None:
        if self._counting is None:
            return None
        try:
            reading = await self._counting.reading()
        except ProviderError as error:
            raise ProviderError(f"could not count samples: {self._counting.shown(str(error))}") from error
        return count_of(reading.result)

    def _lacking(self, lack: Shortage, began: datetime, gap: timedelta, reading: Reading | None = None) -> Measurement:
        now = self._provider.context.now()
        made = outcome(self._evidence, lack, began, now, gap)
        return Measurement(
            phase=made.phase,
            message=self._provider.shown(made.message),
            value=self._provider.shown(reading.text) if reading else "",
            started_at=began,
            finished_at=now if made.phase.completed else None,
            resume_at=made.resume_at,
        )
