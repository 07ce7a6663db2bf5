"""Pure. What a run's spec may not say, in the words users know from Argo Rollouts."""

from collections.abc import Callable, Iterable, Sequence

from analysis import limits
from analysis.api import AnalysisRunSpec, DryRun, MeasurementRetention, Metric
from analysis.expr.regex import RegexError, search
from analysis.metricprovider import MetricProvider
from analysis.schema import parse_duration


def invalid_run(spec: AnalysisRunSpec, metrics: Sequence[Metric]) -> str:
    """Why the run cannot be carried out, or "". `metrics` are those of `spec` with their arguments filled in."""
    error = invalid_metrics(metrics)
    error = error or _unmatched("dryRun", spec.dry_run, metrics)
    error = error or _unmatched("measurementRetention", spec.measurement_retention, metrics)
    return f"Analysis spec invalid: {error}" if error else ""


def invalid_metrics(metrics: Sequence[Metric]) -> str:
    """The first fault of the metrics, or ""."""
    if not metrics:
        return "no metrics specified"
    names: set[str] = set()
    for index, metric in enumerate(metrics):
        error = f"duplicate name '{metric.name}'" if metric.name in names else invalid_metric(metric)
        if error:
            return f"metrics[{index}]: {error}"
        names.add(metric.name)
    return ""


def invalid_metric(metric: Metric) -> str:
    """The first fault of one metric, or ""."""
    checks: tuple[Callable[[Metric], str], ...] = (_limits, _count, _durations, _provider)
    return next(filter(None, (check(metric) for check in checks)), "")


def provider_names(provider: MetricProvider) -> tuple[str, ...]:
    """The providers that are set, by their field in the manifest; every plugin counts as one."""
    wire = type(provider).model_fields
    named = [
        info.alias or name for name, info in wire.items() if name != "plugin" and getattr(provider, name) is not None
    ]
    return (*named, *(f"plugin {name}" for name in provider.plugin))


def matching(rule: str, metrics: Iterable[Metric]) -> tuple[str, ...]:
    """Names of the metrics that the regular expression finds; a bad expression finds none."""
    return matching_names(rule, (metric.name for metric in metrics))


def matching_names(rule: str, names: Iterable[str]) -> tuple[str, ...]:
    """Those of the names that the regular expression finds; a bad expression finds none."""
    try:
        return tuple(name for name in names if search(rule, name))
    except RegexError:
        return ()


def _limits(metric: Metric) -> str:
    failures, successes = limits.failure_limit(metric), limits.consecutive_success_limit(metric)
    if successes < 0:
        return "consecutiveSuccessLimit must be >= 0"
    if failures < -1:
        return "failureLimit must be >= 0, or -1 to be disabled"
    if failures == -1 and successes == 0:
        return "failureLimit and consecutiveSuccessLimit cannot both be disabled"
    if limits.inconclusive_limit(metric) < 0:
        return "inconclusiveLimit must be >= 0"
    if limits.consecutive_error_limit(metric) < 0:
        return "consecutiveErrorLimit must be >= 0"
    return ""


def _count(metric: Metric) -> str:
    count = limits.int_value(metric.count)
    failures, successes = limits.failure_limit(metric), limits.consecutive_success_limit(metric)
    if count <= 0:
        return ""
    if failures >= 0 and count < failures + successes:
        return (
            f"count ({count}) must be >= failureLimit + consecutiveSuccessLimit ({failures} + {successes}) if both >= 0"
        )
    if failures == -1 and count < successes:
        return "count must be >= consecutiveSuccessLimit"
    if count < limits.inconclusive_limit(metric):
        return "count must be >= inconclusiveLimit"
    if count > 1 and not metric.interval:
        return "interval must be specified when count > 1"
    return ""


def _durations(metric: Metric) -> str:
    for text, name in ((metric.interval, "interval"), (metric.initial_delay, "startDelay")):
        try:
            parse_duration(text or "0")
        except ValueError as error:
            return f"invalid {name} string: {error}"
    return ""


def _provider(metric: Metric) -> str:
    match len(provider_names(metric.provider)):
        case 0:
            return "no provider specified"
        case 1:
            return ""
        case _:
            return "multiple providers specified"


def _unmatched(field: str, rules: Sequence[DryRun | MeasurementRetention], metrics: Sequence[Metric]) -> str:
    for index, rule in enumerate(rules):
        if not matching(rule.metric_name, metrics):
            return f"{field}[{index}]: Rule didn't match any metric name(s)"
    return ""
