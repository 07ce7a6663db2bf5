"""Pure. What measurements make of a metric, and metrics of a run: the phase tables and their messages."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from analysis import limits
from analysis.api import AnalysisPhase, AnalysisRunStatus, Metric, MetricResult, RunSummary

BADNESS = (
    AnalysisPhase.SUCCESSFUL,
    AnalysisPhase.RUNNING,
    AnalysisPhase.PENDING,
    AnalysisPhase.INCONCLUSIVE,
    AnalysisPhase.ERROR,
    AnalysisPhase.FAILED,
)
"""Phases from the best to the worst."""

RUN_TERMINATED = "Run Terminated"
_STOPPING = frozenset({AnalysisPhase.FAILED, AnalysisPhase.ERROR, AnalysisPhase.INCONCLUSIVE})


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a run has come to: its phase, the message for it, and the results with their new phases."""

    phase: AnalysisPhase
    message: str
    results: tuple[MetricResult, ...]
    run_summary: RunSummary
    dry_run_summary: RunSummary
    completed: tuple[MetricResult, ...]
    """Results that completed just now, in the order of the spec."""


def result_of(status: AnalysisRunStatus, name: str) -> MetricResult | None:
    """The result of the metric called `name`, if it has been measured."""
    return next((result for result in status.metric_results if result.name == name), None)


def is_terminating(status: AnalysisRunStatus, terminate: bool) -> bool:
    """Whether a run takes no new measurements: it was asked to stop, or a metric that counts has ended badly."""
    return terminate or any(result.phase in _STOPPING and not result.dry_run for result in status.metric_results)


def limit_violation(metric: Metric, result: MetricResult) -> tuple[AnalysisPhase, str]:
    """The phase that an exceeded limit imposes and the text for it; SUCCESSFUL and "" when none is exceeded."""
    phase, text = AnalysisPhase.SUCCESSFUL, ""
    failures, inconclusive = limits.failure_limit(metric), limits.inconclusive_limit(metric)
    errors = limits.consecutive_error_limit(metric)
    if failures >= 0 and result.failed > failures:
        phase, text = AnalysisPhase.FAILED, f"failed ({result.failed}) > failureLimit ({failures})"
    if result.inconclusive > inconclusive:
        phase = AnalysisPhase.INCONCLUSIVE
        text = f"inconclusive ({result.inconclusive}) > inconclusiveLimit ({inconclusive})"
    if result.consecutive_error > errors:
        phase = AnalysisPhase.ERROR
        text = f"consecutiveErrors ({result.consecutive_error}) > consecutiveErrorLimit ({errors})"
    return phase, text


def metric_phase(metric: Metric, result: MetricResult, terminating: bool) -> AnalysisPhase:
    """What the measurements of one metric have come to."""
    if result.phase.completed:
        return result.phase
    if not result.measurements:
        return AnalysisPhase.SUCCESSFUL if terminating else AnalysisPhase.PENDING
    if not result.measurements[-1].phase.completed:
        return AnalysisPhase.RUNNING
    violated, text = limit_violation(metric, result)
    if text:
        return violated
    enough = limits.consecutive_success_limit(metric)
    if 0 < enough <= result.consecutive_success:
        return AnalysisPhase.SUCCESSFUL
    count = limits.effective_count(metric)
    if count is not None and result.count >= count:
        return _phase_at_count(metric, enough)
    return AnalysisPhase.SUCCESSFUL if terminating else AnalysisPhase.RUNNING


def _phase_at_count(metric: Metric, enough: int) -> AnalysisPhase:
    """All measurements are taken and no limit was exceeded."""
    if not enough:
        return AnalysisPhase.SUCCESSFUL
    return AnalysisPhase.FAILED if limits.failure_limit(metric) < 0 else AnalysisPhase.INCONCLUSIVE


def assess(metrics: Sequence[Metric], status: AnalysisRunStatus, terminate: bool, dry_run: frozenset[str]) -> Verdict:
    """What the run has come to. `dry_run` names the metrics that decide nothing."""
    terminating = is_terminating(status, terminate)
    results = {result.name: result for result in status.metric_results}
    worst, message = AnalysisPhase.NONE, RUN_TERMINATED if terminate else ""
    completed: list[MetricResult] = []
    unfinished = False
    for metric in metrics:
        before = results.get(metric.name)
        if before is None:
            unfinished = True
            continue
        dry = metric.name in dry_run
        after = _assessed(metric, before, terminating, dry)
        results[metric.name] = after
        if not after.phase.completed:
            unfinished = True
            continue
        if not before.phase.completed:
            completed.append(after)
        if not dry and _worse(after.phase, worst):
            worst, message = after.phase, _reason(metric, after) or message
    phase = worst or AnalysisPhase.SUCCESSFUL
    if unfinished and not terminating:
        phase, message = AnalysisPhase.RUNNING, ""
    counted = [metric for metric in metrics if metric.name not in dry_run]
    others = [metric for metric in metrics if metric.name in dry_run]
    ordered = tuple(results[result.name] for result in status.metric_results)
    return Verdict(phase, message, ordered, summary(counted, results), summary(others, results), tuple(completed))


def _assessed(metric: Metric, result: MetricResult, terminating: bool, dry_run: bool) -> MetricResult:
    phase = metric_phase(metric, result, terminating)
    message = result.message
    if phase != result.phase and result.measurements:
        message = result.measurements[-1].message
    _, violation = limit_violation(metric, result)
    if dry_run and phase.completed and violation:
        message = f"Metric assessed {phase} due to {violation}"
    if phase == result.phase and message == result.message:
        return result
    return result.model_copy(update={"phase": phase, "message": message})


def _worse(phase: AnalysisPhase, than: AnalysisPhase) -> bool:
    return not than or BADNESS.index(phase) > BADNESS.index(than)


def _reason(metric: Metric, result: MetricResult) -> str:
    _, violation = limit_violation(metric, result)
    if not violation:
        return ""
    reason = f'Metric "{metric.name}" assessed {result.phase} due to {violation}'
    return f'{reason}: "Error Message: {result.message}"' if result.message else reason


def summary(metrics: Iterable[Metric], results: dict[str, MetricResult]) -> RunSummary:
    """How many metrics there are, and how many of the completed ones exceeded which limit."""
    counts = {"count": 0, "successful": 0, "failed": 0, "inconclusive": 0, "error": 0}
    for metric in metrics:
        counts["count"] += 1
        result = results.get(metric.name)
        if result is not None and result.phase.completed:
            phase, _ = limit_violation(metric, result)
            counts[phase.lower()] += 1
    return RunSummary(**counts)
