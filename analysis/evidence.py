"""Pure. What a metric needs before it may judge, and what it makes of an answer that tells nothing.

All of it is asked for by an annotation on the template, and travels to the run as an annotation of the same name:
Argo Rollouts reads the same manifest and ignores it. Without the annotation nothing here is used.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Any, Literal

import yaml
from pydantic import BeforeValidator, ConfigDict, Field, ValidationError

from analysis.api import AnalysisPhase, AnalysisTemplate, Metric
from analysis.expr.values import Value
from analysis.schema import Model, parse_duration

PREFIX = "analysis.rollouts.dev/"
"""Of every annotation that changes how a template judges; one that is not known is refused."""

EVIDENCE = PREFIX + "evidence"
SAMPLES = "samples"
"""Where a measurement's metadata keeps how many samples it rests on."""


class Lack(StrEnum):
    """What a lack of evidence means."""

    WAIT = "wait"
    INCONCLUSIVE = "inconclusive"
    FAIL = "fail"


_PHASE = {Lack.INCONCLUSIVE: AnalysisPhase.INCONCLUSIVE, Lack.FAIL: AnalysisPhase.FAILED}


class EvidenceError(ValueError):
    """An annotation cannot be acted on. The text is for the user."""


def _duration(text: Any) -> timedelta:
    if not isinstance(text, str):
        raise ValueError('a duration such as "10m" is wanted')
    span = parse_duration(text)
    if span <= timedelta(0):
        raise ValueError("it must be longer than nothing")
    return span


class Evidence(Model):
    """What one metric asks for. `no_data`, `nan` and `error` mean what they mean upstream when they are None.

    `samples` is a query that counts what the metric's own query rests on; fewer than `at_least` mean `too_few`.
    A measurement waits for `longest_wait` at most and then means `after_wait`.
    """

    model_config = ConfigDict(extra="forbid")

    samples: str = Field("", strict=True)
    at_least: int | None = Field(None, gt=0, strict=True)
    too_few: Lack = Lack.WAIT
    no_data: Lack | None = None
    nan: Lack | None = None
    error: Lack | None = None
    longest_wait: Annotated[timedelta, BeforeValidator(_duration)] | None = None
    after_wait: Literal[Lack.INCONCLUSIVE, Lack.FAIL] = Lack.INCONCLUSIVE

    @property
    def waits(self) -> bool:
        """Whether anything makes a measurement wait."""
        few = self.too_few if self.at_least is not None else None
        return Lack.WAIT in (few, self.no_data, self.nan, self.error)


# ── annotations ────────────────────────────────────────────────────────────


def read(annotations: Mapping[str, str], metrics: Sequence[Metric]) -> dict[str, Evidence]:
    """What the annotations ask for, by the metric's name as it is written.

    EvidenceError names the first thing that cannot be acted on: an unknown annotation with our prefix, a text that
    cannot be read, a metric that there is none of, or one whose provider gives no such answers.
    """
    for key in sorted(annotations):
        if key.startswith(PREFIX) and key != EVIDENCE:
            raise EvidenceError(f"annotation {key} is not known; {EVIDENCE} is the only one with this prefix")
    text = annotations.get(EVIDENCE)
    if text is None:
        return {}
    known = {metric.name: metric for metric in metrics}
    asked: dict[str, Evidence] = {}
    for name, fields in _mapping(text).items():
        where = f"annotation {EVIDENCE}: metric '{name}'"
        if name not in known:
            raise EvidenceError(f"{where}: there is none; the metrics are {', '.join(known) or 'none'}")
        asked[name] = _evidence(where, fields)
        if fault := _fault(known[name], asked[name]):
            raise EvidenceError(f"{where}: {fault}")
    return asked


def fault(annotations: Mapping[str, str] | None, metrics: Sequence[Metric]) -> str:
    """Why the annotations of a template or a run cannot be acted on; "" when they can."""
    try:
        read(annotations or {}, metrics)
    except EvidenceError as error:
        return str(error)
    return ""


def of_run(templates: Iterable[AnalysisTemplate]) -> dict[str, str]:
    """The annotations that a run of these templates needs. The templates have no fault, and no metric in common."""
    merged: dict[str, Any] = {}
    for template in templates:
        text = (template.metadata.get("annotations") or {}).get(EVIDENCE)
        if text is not None:
            merged |= _mapping(text)
    return {EVIDENCE: json.dumps(merged, ensure_ascii=False, sort_keys=True)} if merged else {}


@lru_cache(maxsize=256)
def _mapping(text: str) -> dict[str, Any]:
    try:
        document = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise EvidenceError(f"annotation {EVIDENCE} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(document, dict) or not document or not all(isinstance(key, str) for key in document):
        raise EvidenceError(f"annotation {EVIDENCE} must say of each metric, by its name, what it needs")
    return document


def _evidence(where: str, fields: Any) -> Evidence:
    try:
        return Evidence.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(map(str, first["loc"]))
        raise EvidenceError(f"{where}: {field + ': ' if field else ''}{first['msg']}") from error


def _fault(metric: Metric, evidence: Evidence) -> str:
    provider = metric.provider
    if provider.job is not None or provider.kayenta is not None or provider.plugin:
        return "its provider judges by itself and gives no numbers; only metrics with conditions can be weighed"
    if (evidence.at_least is None) != (not evidence.samples):
        return "samples (a query that counts) and atLeast (a number) belong together"
    if evidence.samples and provider.prometheus is None:
        return "samples can be counted by Prometheus only; leave samples and atLeast out"
    if "too_few" in evidence.model_fields_set and evidence.at_least is None:
        return "tooFew means nothing without samples and atLeast"
    if evidence.waits and evidence.longest_wait is None:
        return "longestWait is missing: how long may a measurement wait?"
    if not evidence.waits and (evidence.longest_wait is not None or "after_wait" in evidence.model_fields_set):
        return "longestWait and afterWait mean nothing where nothing waits"
    if not evidence.waits and not evidence.model_fields_set:
        return "it asks for nothing"
    return ""


def counting(metric: Metric, evidence: Evidence) -> Metric | None:
    """A metric that counts the samples, asked where the metric itself is asked; None when nothing is counted."""
    spec = metric.provider.prometheus
    if not evidence.samples or spec is None:
        return None
    spec = spec.model_copy(update={"query": evidence.samples, "range_query": None})
    provider = metric.provider.model_copy(update={"prometheus": spec})
    return metric.model_copy(update={"provider": provider, "success_condition": "", "failure_condition": ""})


def counted(template: AnalysisTemplate) -> tuple[Metric, ...]:
    """Metrics that count samples for those of a template; none when its annotations have a fault, which says so."""
    try:
        asked = read(template.metadata.get("annotations") or {}, template.spec.metrics)
    except EvidenceError:
        return ()
    pairs = ((metric, asked.get(metric.name)) for metric in template.spec.metrics)
    return tuple(count for metric, one in pairs if one and (count := counting(metric, one)))


# ── weighing ───────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Shortage:
    """Why an answer cannot be judged, and what that means."""

    means: Lack
    text: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a measurement without evidence is: completed, or Running until `resume_at`."""

    phase: AnalysisPhase
    message: str
    resume_at: datetime | None = None


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


def outcome(evidence: Evidence, lack: Shortage, began: datetime, now: datetime, gap: timedelta) -> Outcome:
    """What a measurement that began at `began` is at `now`; one that waits is looked at again after `gap`."""
    if lack.means is not Lack.WAIT or evidence.longest_wait is None:
        return Outcome(_PHASE.get(lack.means, AnalysisPhase.INCONCLUSIVE), f"not enough evidence: {lack.text}")
    end = began + evidence.longest_wait
    if now >= end:
        waited = f"waited {evidence.longest_wait / timedelta(seconds=1):g}s for evidence"
        return Outcome(_PHASE[evidence.after_wait], f"{waited}: {lack.text}")
    return Outcome(AnalysisPhase.RUNNING, f"waiting for evidence: {lack.text}", min(now + gap, end))
