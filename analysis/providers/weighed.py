"""A provider whose answers are judged only when they rest on enough: until then the measurement waits."""

from datetime import datetime, timedelta

from analysis import limits
from analysis.api import AnalysisPhase, Measurement
from analysis.asked.evidence import Evidence, count_of, shortage
from analysis.asked.lack import SAMPLES, Asked, Shortage, outcome
from analysis.providers.base import OneShot, Provider, ProviderError


def weighed(provider: Provider, evidence: Evidence, counting: Provider | None) -> Provider:
    """`provider` with its answers weighed; `counting` counts the samples. ProviderError for one without answers."""
    if not isinstance(provider, OneShot) or not isinstance(counting, OneShot | None):
        raise ProviderError("the provider gives no numbers that evidence could be asked of")
    return Weighed(provider, evidence, counting)


class Patient:
    """A measurement that may wait: then it is an unfinished one, no counter has it, and it is resumed later."""

    def __init__(self, provider: OneShot, asked: Asked) -> None:
        self.provider, self.asked = provider, asked

    def timeout(self) -> timedelta:
        """The provider's own."""
        return self.provider.timeout()

    def metadata(self) -> dict[str, str]:
        """The provider's own."""
        return self.provider.metadata()

    async def run(self) -> Measurement:
        """Ask, and judge what can be judged."""
        return await self.looked(self.provider.context.now(), None)

    async def resume(self, measurement: Measurement) -> Measurement:
        """Ask again; the wait counts from the first time."""
        return await self.looked(measurement.started_at or self.provider.context.now(), measurement)

    async def terminate(self, measurement: Measurement) -> Measurement:
        """Whoever stops the run does not want to wait, and nothing speaks against it: as with a Job that is stopped."""
        update = {"phase": AnalysisPhase.SUCCESSFUL, "finished_at": self.provider.context.now(), "resume_at": None}
        return measurement.model_copy(update=update)

    async def collect(self, limit: int) -> None:
        """The provider's own."""
        await self.provider.collect(limit)

    async def looked(self, began: datetime, before: Measurement | None) -> Measurement:
        """Ask once. `before` is the measurement as it was left, where one waits."""
        raise ProviderError(f"{type(self).__name__} looks at nothing")

    def refused(self, error: ProviderError, began: datetime) -> Measurement:
        """What it means that the provider gives no answer."""
        if self.asked.error is None:
            return self.provider.failed(error, began)
        return self.lacking(Shortage(self.asked.error, str(error)), began, limits.ERROR_RETRY)

    def lacking(self, lack: Shortage, began: datetime, gap: timedelta, text: str = "") -> Measurement:
        """What it means that an answer, shown as `text`, does not tell enough."""
        now = self.provider.context.now()
        made = outcome(self.asked, lack, began, now, gap)
        return Measurement(
            phase=made.phase,
            message=self.provider.shown(made.message),
            value=self.provider.shown(text),
            started_at=began,
            finished_at=now if made.phase.completed else None,
            resume_at=made.resume_at,
        )


class Weighed(Patient):
    """A metric's own answers, judged by its conditions when there is enough evidence."""

    def __init__(self, provider: OneShot, evidence: Evidence, counting: OneShot | None) -> None:
        super().__init__(provider, evidence)
        self._evidence, self._counting = evidence, counting

    def timeout(self) -> timedelta:
        """The provider's own, for each of its two questions."""
        return self.provider.timeout() * (2 if self._counting else 1)

    async def looked(self, began: datetime, before: Measurement | None) -> Measurement:
        """Ask once."""
        try:
            samples = await self._count()
            reading = await self.provider.reading()
        except ProviderError as error:
            return self.refused(error, began)
        lack = shortage(self._evidence, reading.result, samples)
        if lack is None:
            measurement = self.provider.judged(reading, began)
        else:
            measurement = self.lacking(lack, began, limits.interval(self.provider.metric), reading.text)
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
