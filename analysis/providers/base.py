"""What every provider is: a place that a number comes from, and what it may use to fetch it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from analysis.api import AnalysisPhase, AnalysisRun, Measurement, Metric
from analysis.evaluate import evaluate
from analysis.expr.values import Value
from analysis.providers.http import Http

DEADLINE_SLACK = timedelta(seconds=5)
"""How much longer than a provider's own timeout a measurement may take before it is cut off."""


class ProviderError(Exception):
    """A provider has no number; the text is the measurement's message."""


class SecretError(Exception):
    """The cluster has no such Secret, or refuses it: the text becomes the message of the run, which ends in Error.

    Any other exception of `Secrets.get` passes through, so that a cluster out of reach does not end a run.
    """


class Secrets(Protocol):
    """The Secrets that a run may read."""

    async def get(self, namespace: str, name: str) -> Mapping[str, bytes]:
        """The decoded data of a Secret; SecretError when there is none to be had."""
        ...


@dataclass(frozen=True, slots=True)
class Context:
    """What a provider may use: the run it measures for, the network, secrets, the clock and the environment."""

    run: AnalysisRun
    http: Http
    now: Callable[[], datetime]
    secrets: Secrets
    environ: Mapping[str, str] = field(default_factory=dict)


class Provider(Protocol):
    """A place that a number comes from. It is built for one metric and says in ProviderError why it cannot be."""

    def timeout(self) -> timedelta:
        """How long one call may take."""
        ...

    def metadata(self) -> dict[str, str]:
        """What is to be remembered of the metric, such as the query as it was sent."""
        ...

    async def run(self) -> Measurement:
        """Take a new measurement. An unfinished one has the phase Running and says when to resume."""
        ...

    async def resume(self, measurement: Measurement) -> Measurement:
        """Look at an unfinished measurement again."""
        ...

    async def terminate(self, measurement: Measurement) -> Measurement:
        """Stop an unfinished measurement."""
        ...


Build = Callable[[Metric, Context], Provider]
"""Makes the provider of a metric; ProviderError when its configuration is not valid."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a provider read: the result for the conditions, its text, and what the provider adds."""

    result: Value
    text: str
    metadata: dict[str, str] = field(default_factory=dict)
    text_on_error: bool = False


class OneShot:
    """A provider whose measurement is finished as soon as it is taken; a subclass says how to read."""

    def __init__(self, metric: Metric, context: Context) -> None:
        self.metric, self.context = metric, context

    def timeout(self) -> timedelta:
        """How long one reading may take."""
        raise ProviderError(f"{type(self).__name__} names no timeout")

    def metadata(self) -> dict[str, str]:
        """What is to be remembered of the metric."""
        return {}

    async def read(self) -> Reading:
        """Ask for the result. ProviderError when there is none."""
        raise ProviderError(f"{type(self).__name__} reads nothing")

    async def run(self) -> Measurement:
        """Read once and judge what was read."""
        started = self.context.now()
        try:
            reading = await self.read()
        except ProviderError as error:
            return Measurement(
                phase=AnalysisPhase.ERROR, message=str(error), started_at=started, finished_at=self.context.now()
            )
        finished = self.context.now()
        phase, message = evaluate(self.metric, reading.result, finished)
        shown = reading.text if phase is not AnalysisPhase.ERROR or reading.text_on_error else ""
        return Measurement(
            phase=phase,
            message=message,
            started_at=started,
            finished_at=finished,
            value=shown,
            metadata=reading.metadata,
        )

    async def resume(self, measurement: Measurement) -> Measurement:
        """There is nothing to resume; a measurement that a crash left open is an error."""
        return self._unfinished(measurement)

    async def terminate(self, measurement: Measurement) -> Measurement:
        """There is nothing to stop."""
        return self._unfinished(measurement)

    def _unfinished(self, measurement: Measurement) -> Measurement:
        update = {
            "phase": AnalysisPhase.ERROR,
            "message": "measurement was left unfinished",
            "finished_at": self.context.now(),
        }
        return measurement.model_copy(update=update)
