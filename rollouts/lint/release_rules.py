"""Pure. Rules about the course of a release: its steps, its Services, its deadline."""

from collections.abc import Iterator
from datetime import timedelta

from analysis import limits
from analysis.api import Metric
from rollouts.api import defaults, labels
from rollouts.api.rollout import Rollout
from rollouts.lint.fileset import FileSet, Read, Use
from rollouts.lint.filled import likely
from rollouts.lint.manifests import Steps
from rollouts.lint.registry import Fault, Severity, rule

_CANARY, _BLUE_GREEN = ("spec", "strategy", "canary"), ("spec", "strategy", "blueGreen")


@rule("weights-not-rising", Severity.WARNING, "A step sets a weight that is not above the one before it.")
def weights_not_rising(files: FileSet) -> Iterator[Fault]:
    for one in files.of(Rollout):
        canary, before = one.value.spec.strategy.canary, None
        for index, step in enumerate(canary.steps if canary else ()):
            if step.set_weight is None:
                continue
            if before is not None and step.set_weight <= before:
                text = f"setWeight {step.set_weight} after setWeight {before}: the canary does not grow"
                yield Fault(one.document, (*_CANARY, "steps", index, "setWeight"), text)
            before = step.set_weight


@rule(
    "missing-service",
    Severity.ERROR,
    "The files hold Services, but not one that the Rollout names: the Rollout is refused until it exists.",
)
def missing_service(files: FileSet) -> Iterator[Fault]:
    if not files.services:
        return
    for one in files.of(Rollout):
        for at, name in _services(one.value):
            if name and files.service(name, one.document) is None:
                yield Fault(one.document, at, f'Service "{name}" is in none of the files')


@rule("service-selector", Severity.ERROR, "A Service selects a label that the Rollout's pods do not have.")
def service_selector(files: FileSet) -> Iterator[Fault]:
    for one in files.of(Rollout):
        if one.value.spec.workload_ref is None:
            yield from _unmatched(files, one)


def _unmatched(files: FileSet, one: Read[Rollout]) -> Iterator[Fault]:
    template = ((one.value.spec.template.get("metadata") or {}).get("labels")) or {}
    for at, name in _services(one.value):
        service = files.service(name, one.document) if name else None
        selector = (service.obj.get("spec") or {}).get("selector") or {} if service else {}
        for key, value in selector.items():
            if key != labels.POD_TEMPLATE_HASH and template.get(key) != value:
                text = f'Service "{name}" selects {key}={value}, which the pod template does not have'
                yield Fault(one.document, at, text)


def _services(rollout: Rollout) -> Iterator[tuple[Steps, str]]:
    canary, blue_green = rollout.spec.strategy.canary, rollout.spec.strategy.blue_green
    if blue_green is not None:
        yield (*_BLUE_GREEN, "activeService"), blue_green.active_service
        yield (*_BLUE_GREEN, "previewService"), blue_green.preview_service
    if canary is None:
        return
    yield (*_CANARY, "stableService"), canary.stable_service
    yield (*_CANARY, "canaryService"), canary.canary_service
    if canary.ping_pong is not None:
        yield (*_CANARY, "pingPong", "pingService"), canary.ping_pong.ping_service
        yield (*_CANARY, "pingPong", "pongService"), canary.ping_pong.pong_service


@rule(
    "wait-over-deadline",
    Severity.WARNING,
    "The analysis of a blue-green promotion takes longer than `progressDeadlineSeconds`. Argo Rollouts then reports "
    "the release as late, and takes it back with `progressDeadlineAbort`. Steps of a canary are not meant: while one "
    "pauses or analyses, no deadline runs.",
)
def wait_over_deadline(files: FileSet) -> Iterator[Fault]:
    for use in files.uses:
        if use.rollout is None or use.rollout.spec.strategy.blue_green is None:
            continue
        deadline = timedelta(seconds=defaults.progress_deadline_seconds(use.rollout))
        lasts = max((_lasts(metric) for metric in _metrics(files, use)), default=timedelta(0))
        if lasts > deadline:
            text = f"the analysis takes {_seconds(lasts)}, and the progress deadline is {_seconds(deadline)}"
            yield Fault(use.document, use.at, text)


def _metrics(files: FileSet, use: Use) -> Iterator[Metric]:
    for template in files.resolved(use):
        yield from (likely(metric, (*template.spec.args, *use.args)) for metric in template.spec.metrics)


def _lasts(metric: Metric) -> timedelta:
    """How long a metric measures when all goes well; nothing for one without end, or whose durations are none."""
    count = limits.effective_count(metric)
    try:
        return limits.initial_delay(metric) + limits.interval(metric) * (max(count, 1) - 1) if count else timedelta(0)
    except ValueError:
        return timedelta(0)


def _seconds(span: timedelta) -> str:
    return f"{span.total_seconds():g} s"
