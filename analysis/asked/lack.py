"""Pure. What it means that an answer tells nothing, and how long a measurement waits for one that does."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, ConfigDict, Field

from analysis.api import AnalysisPhase, Metric
from analysis.schema import Model, parse_duration

SAMPLES = "samples"
"""Where a measurement's metadata keeps how many samples it rests on."""


class AskedError(ValueError):
    """An annotation cannot be acted on. The text is for the user."""


class Lack(StrEnum):
    """What a lack of evidence means."""

    WAIT = "wait"
    INCONCLUSIVE = "inconclusive"
    FAIL = "fail"


_PHASE = {Lack.INCONCLUSIVE: AnalysisPhase.INCONCLUSIVE, Lack.FAIL: AnalysisPhase.FAILED}


def _duration(text: Any) -> timedelta:
    if not isinstance(text, str):
        raise ValueError('a duration such as "10m" is wanted')
    span = parse_duration(text)
    if span <= timedelta(0):
        raise ValueError("it must be longer than nothing")
    return span


Duration = Annotated[timedelta, BeforeValidator(_duration)]
"""A Go duration above nothing, as a text."""


class Asked(Model):
    """What one metric asks for by an annotation. What is said of `no_data` and `error` is upstream's when it is None.

    Fewer samples than `at_least` mean `too_few`. A measurement waits for `longest_wait` at most and then means
    `after_wait`. `TEXTS` are the fields that may hold `{{args.…}}`.
    """

    TEXTS: ClassVar[tuple[str, ...]] = ()
    model_config = ConfigDict(extra="forbid")

    at_least: int | None = Field(None, gt=0, strict=True)
    too_few: Lack = Lack.WAIT
    no_data: Lack | None = None
    error: Lack | None = None
    longest_wait: Duration | None = None
    after_wait: Literal[Lack.INCONCLUSIVE, Lack.FAIL] = Lack.INCONCLUSIVE

    @property
    def waits(self) -> bool:
        """Whether anything makes a measurement wait."""
        few = self.too_few if self.at_least is not None else None
        return Lack.WAIT in (few, self.no_data, self.error)

    def fault(self, metric: Metric) -> str:
        """Why this cannot be asked of the metric, "" when it can."""
        if self.waits and self.longest_wait is None:
            return "longestWait is missing: how long may a measurement wait?"
        if not self.waits and (self.longest_wait is not None or "after_wait" in self.model_fields_set):
            return "longestWait and afterWait mean nothing where nothing waits"
        return ""

    def judging(self, metric: Metric) -> Metric:
        """The metric as the engine counts its measurements."""
        return metric

    def texts(self) -> dict[str, str]:
        """The texts that may hold arguments, by their field, without the empty ones."""
        return {name: text for name in self.TEXTS if (text := getattr(self, name))}


@dataclass(frozen=True, slots=True)
class Shortage:
    """Why an answer cannot be judged, and what that means."""

    means: Lack
    text: str


@dataclass(frozen=True, slots=True)
class Found:
    """What a look comes to: a verdict, or what it lacks; `text` says it to a person at night."""

    phase: AnalysisPhase | None
    text: str
    lack: Shortage | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a measurement without evidence is: completed, or Running until `resume_at`."""

    phase: AnalysisPhase
    message: str
    resume_at: datetime | None = None


def outcome(asked: Asked, lack: Shortage, began: datetime, now: datetime, gap: timedelta) -> Outcome:
    """What a measurement that began at `began` is at `now`; one that waits is looked at again after `gap`."""
    if lack.means is not Lack.WAIT or asked.longest_wait is None:
        return Outcome(_PHASE.get(lack.means, AnalysisPhase.INCONCLUSIVE), f"not enough evidence: {lack.text}")
    end = began + asked.longest_wait
    if now >= end:
        waited = f"waited {asked.longest_wait / timedelta(seconds=1):g}s for evidence"
        return Outcome(_PHASE[asked.after_wait], f"{waited}: {lack.text}")
    return Outcome(AnalysisPhase.RUNNING, f"waiting for evidence: {lack.text}", min(now + gap, end))
