"""Pure. What a metric needs before it may judge, and what it makes of an answer that tells nothing."""

import math
from typing import ClassVar

from pydantic import Field

from analysis.api import Metric
from analysis.asked.lack import Asked, Lack, Shortage
from analysis.expr.gotypes.values import Value


class Evidence(Asked):
    """What one metric asks for; `nan` means what it means upstream when it is None.

    `samples` is a query that counts what the metric's own query rests on.
    """

    TEXTS: ClassVar[tuple[str, ...]] = ("samples",)

    samples: str = Field("", strict=True)
    nan: Lack | None = None

    @property
    def waits(self) -> bool:
        """Whether anything makes a measurement wait."""
        return super().waits or self.nan is Lack.WAIT

    def fault(self, metric: Metric) -> str:
        """Why this cannot be asked of the metric, "" when it can."""
        provider = metric.provider
        if provider.job is not None or provider.kayenta is not None or provider.plugin:
            return "its provider judges by itself and gives no numbers; only metrics with conditions can be weighed"
        if (self.at_least is None) != (not self.samples):
            return "samples (a query that counts) and atLeast (a number) belong together"
        if self.samples and provider.prometheus is None:
            return "samples can be counted by Prometheus only; leave samples and atLeast out"
        if "too_few" in self.model_fields_set and self.at_least is None:
            return "tooFew means nothing without samples and atLeast"
        if not self.model_fields_set:
            return "it asks for nothing"
        return super().fault(metric)


def counting(metric: Metric, evidence: Evidence) -> Metric | None:
    """A metric that counts the samples, asked where the metric itself is asked; None when nothing is counted."""
    spec = metric.provider.prometheus
    if not evidence.samples or spec is None:
        return None
    spec = spec.model_copy(update={"query": evidence.samples, "range_query": None})
    provider = metric.provider.model_copy(update={"prometheus": spec})
    return metric.model_copy(update={"provider": provider, "success_condition": "", "failure_condition": ""})


def is_empty(result: Value) -> bool:
    """Whether there is no data at all in a result."""
    return result is None or (isinstance(result, list | dict) and not result)


def is_nan(result: Value) -> bool:
    """Whether a result is, or holds, a number that is none."""
    numbers = result if isinstance(result, list) else [result]
    return any(isinstance(number, float) and math.isnan(number) for number in numbers)


def count_of(result: Value) -> float:
    """How many samples the answer of the counting query tells of; no data and NaN are none."""
    numbers = result if isinstance(result, list) else [result]
    found = [float(number) for number in numbers if isinstance(number, int | float)]
    return math.fsum(number for number in found if not math.isnan(number))


def shortage(evidence: Evidence, result: Value, samples: float | None) -> Shortage | None:
    """What a result lacks; None when it is to be judged. What is said of no data and NaN goes before the count."""
    if evidence.no_data is not None and is_empty(result):
        return Shortage(evidence.no_data, "no data")
    if evidence.nan is not None and is_nan(result):
        return Shortage(evidence.nan, "NaN")
    if evidence.at_least is not None and samples is not None and samples < evidence.at_least:
        return Shortage(evidence.too_few, f"{samples:g} samples of at least {evidence.at_least}")
    return None
