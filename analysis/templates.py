"""Pure. Templates and what they include become the spec of one run; and what is wrong with them before that."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from analysis.api import (
    AnalysisRunSpec,
    AnalysisTemplate,
    AnalysisTemplateRef,
    Argument,
    DryRun,
    MeasurementRetention,
    Metric,
)
from analysis.arguments import ArgumentError, fill_metrics, undeclared
from analysis.asked import companions
from analysis.limits import effective_count

MAX_DEPTH = 100
DUMMY_VALUE = "dummy-value"
"""What stands for an argument without a value while templates are validated."""

Lookup = Callable[[AnalysisTemplateRef], AnalysisTemplate | None]
"""Finds the template that a reference names, in the namespace that the caller works in."""


class TemplateError(ValueError):
    """A set of templates cannot become a run. The text is for the user."""


class TemplateNotFoundError(TemplateError):
    """A reference names no template. `nested` says that another template made it."""

    def __init__(self, reference: AnalysisTemplateRef, nested: bool) -> None:
        super().__init__(f"{kind_of(reference)} '{reference.template_name}' not found")
        self.reference, self.nested = reference, nested


def kind_of(reference: AnalysisTemplateRef) -> str:
    """The kind that a reference is to."""
    return "ClusterAnalysisTemplate" if reference.cluster_scope else "AnalysisTemplate"


# ── references ─────────────────────────────────────────────────────────────


@dataclass(slots=True)
class _Walk:
    lookup: Lookup
    found: dict[tuple[bool, str], AnalysisTemplate] = field(default_factory=dict)
    trail: list[tuple[bool, str]] = field(default_factory=list)

    def visit(self, references: Iterable[AnalysisTemplateRef]) -> None:
        for reference in references:
            key = (reference.cluster_scope, reference.template_name)
            if key in self.trail:
                loop = " -> ".join(name for _, name in [*self.trail[self.trail.index(key) :], key])
                raise TemplateError(f"{kind_of(reference)} '{reference.template_name}' includes itself: {loop}")
            if len(self.trail) >= MAX_DEPTH:
                raise TemplateError(f"templates include one another more than {MAX_DEPTH} deep")
            if key in self.found:
                continue
            template = self.lookup(reference)
            if template is None:
                raise TemplateNotFoundError(reference, nested=bool(self.trail))
            self.found[key] = template
            self.trail.append(key)
            self.visit(template.spec.templates)
            self.trail.pop()


def resolve_templates(references: Iterable[AnalysisTemplateRef], lookup: Lookup) -> tuple[AnalysisTemplate, ...]:
    """The templates that `references` name, with everything that these include; each once, cluster-wide ones last.

    TemplateNotFoundError for a reference without template, TemplateError for templates that include themselves.
    """
    walk = _Walk(lookup)
    walk.visit(references)
    local = [template for (cluster, _), template in walk.found.items() if not cluster]
    wide = [template for (cluster, _), template in walk.found.items() if cluster]
    return (*local, *wide)


# ── merging ────────────────────────────────────────────────────────────────


class _Rule(Protocol):
    @property
    def metric_name(self) -> str: ...


R = TypeVar("R", bound=_Rule)


def run_spec(
    templates: Sequence[AnalysisTemplate],
    args: Sequence[Argument] = (),
    dry_run: Sequence[DryRun] = (),
    measurement_retention: Sequence[MeasurementRetention] = (),
) -> AnalysisRunSpec:
    """The spec of a run of `templates`; the other parameters are what the Rollout or Experiment adds.

    Arguments that no template declares are dropped. TemplateError when the parts contradict each other, or an
    argument has neither value nor source.
    """
    dry_rules = [rule for template in templates for rule in template.spec.dry_run]
    retention_rules = [rule for template in templates for rule in template.spec.measurement_retention]
    return AnalysisRunSpec(
        metrics=merge_metrics(templates),
        args=merge_args(args, declared_args(templates)),
        dry_run=_distinct("Dry-Run", (*dry_run, *_distinct("Dry-Run", dry_rules))),
        measurement_retention=_distinct(
            "Measurement Retention",
            (*measurement_retention, *_distinct("Measurement Retention", retention_rules)),
        ),
    )


def merge_metrics(templates: Iterable[AnalysisTemplate]) -> tuple[Metric, ...]:
    """The metrics of all templates. TemplateError when two have one name."""
    merged: dict[str, Metric] = {}
    for template in templates:
        for metric in template.spec.metrics:
            if metric.name in merged:
                raise TemplateError(f"two metrics have the same name '{metric.name}'")
            merged[metric.name] = metric
    return tuple(merged.values())


def _distinct(what: str, rules: Sequence[R]) -> tuple[R, ...]:
    seen: set[str] = set()
    for rule in rules:
        if rule.metric_name in seen:
            raise TemplateError(f"two {what} metric rules have the same name '{rule.metric_name}'")
        seen.add(rule.metric_name)
    return tuple(rules)


def declared_args(templates: Iterable[AnalysisTemplate]) -> tuple[Argument, ...]:
    """The arguments that the templates declare, each once. TemplateError when two give one different values."""
    merged: dict[str, Argument] = {}
    for template in templates:
        for arg in template.spec.args:
            earlier = merged.get(arg.name)
            if earlier is None or earlier.value is None:
                merged[arg.name] = arg
            elif arg.value is not None and arg.value != earlier.value:
                raise TemplateError(
                    f"Argument `{arg.name}` specified multiple times with different values: "
                    f"'{earlier.value}', '{arg.value}'"
                )
    return tuple(merged.values())


def merge_args(given: Iterable[Argument], declared: Iterable[Argument]) -> tuple[Argument, ...]:
    """The declared arguments with the given values; a given one that is not declared is dropped.

    TemplateError when an argument is left with neither value nor source.
    """
    incoming = {arg.name: arg for arg in given}
    merged = []
    for arg in declared:
        new = incoming.get(arg.name)
        if new is not None and new.value is not None:
            arg = arg.model_copy(update={"value": new.value})
        elif new is not None and new.value_from is not None:
            arg = arg.model_copy(update={"value_from": new.value_from})
        if arg.value is None and arg.value_from is None:
            raise TemplateError(f"args.{arg.name} was not resolved")
        merged.append(arg)
    return tuple(merged)


# ── what a Rollout may not refer to ────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class TemplateFault:
    """What is wrong with the templates of an analysis. `value` is what the message shows as the invalid value."""

    value: str
    text: str


def validate_inline(
    templates: Sequence[AnalysisTemplate],
    args: Sequence[Argument] = (),
    dry_run: Sequence[DryRun] = (),
    measurement_retention: Sequence[MeasurementRetention] = (),
) -> tuple[TemplateFault, ...]:
    """What is wrong with the templates of a step or of a blue-green promotion; nothing when they are fine.

    `args` are the Rollout's, with a value each. Every template must resolve with its own arguments alone.
    """
    fault = _merge_fault(templates, args, dry_run, measurement_retention, alone=True)
    if fault is not None:
        return (fault,)
    checks = (_inline_fault(template) for template in templates)
    return tuple(TemplateFault(template.name, text) for template, text in zip(templates, checks, strict=True) if text)


def validate_background(
    templates: Sequence[AnalysisTemplate],
    args: Sequence[Argument] = (),
    dry_run: Sequence[DryRun] = (),
    measurement_retention: Sequence[MeasurementRetention] = (),
) -> tuple[TemplateFault, ...]:
    """What is wrong with the templates of a background analysis; nothing when they are fine. Metrics may be endless."""
    fault = _merge_fault(templates, args, dry_run, measurement_retention, alone=False)
    if fault is not None:
        return (fault,)
    unknown = _undeclared(templates, alone=False)
    if unknown:
        return (TemplateFault(_names(templates), unknown),)
    given = {arg.name for arg in args}
    for template in templates:
        for arg in template.spec.args:
            if arg.value is None and arg.value_from is None and arg.name not in given:
                text = arg.name if given else "missing analysis arguments in rollout spec"
                return (TemplateFault(template.name, text),)
    return ()


def not_found(references: Sequence[AnalysisTemplateRef], lookup: Lookup) -> TemplateFault | None:
    """What is wrong with the references themselves: a template that is missing or includes itself."""
    try:
        resolve_templates(references, lookup)
    except TemplateNotFoundError as error:
        return TemplateFault(error.reference.template_name, str(error))
    except TemplateError as error:
        return TemplateFault(f"templateNames: [{' '.join(one.template_name for one in references)}]", str(error))
    return None


def _names(templates: Iterable[AnalysisTemplate]) -> str:
    return f"templateNames: [{' '.join(template.name for template in templates)}]"


def _merge_fault(
    templates: Sequence[AnalysisTemplate],
    args: Sequence[Argument],
    dry_run: Sequence[DryRun],
    measurement_retention: Sequence[MeasurementRetention],
    *,
    alone: bool,
) -> TemplateFault | None:
    try:
        run_spec(templates, args, dry_run, measurement_retention)
    except TemplateError as error:
        # Users who forget to declare an argument forget to give it a value too: say both at once.
        texts = (str(error), _undeclared(templates, alone))
        return TemplateFault(_names(templates), "; ".join(filter(None, texts)))
    return None


def _undeclared(templates: Sequence[AnalysisTemplate], alone: bool) -> str:
    """The first metric that uses an argument which no template declares, or its own does not when it stands alone."""
    everywhere = {arg.name for template in templates for arg in template.spec.args}
    for template in templates:
        text = _undeclared_in(template, {arg.name for arg in template.spec.args} if alone else everywhere)
        if text:
            return text
    return ""


def _undeclared_in(template: AnalysisTemplate, declared: Iterable[str]) -> str:
    for metric in (*template.spec.metrics, *companions(template)):
        tag = undeclared(metric, declared)
        if tag:
            return f"{template.kind} {template.name}: metric '{metric.name}': failed to resolve {{{{{tag}}}}}"
    return ""


def _inline_fault(template: AnalysisTemplate) -> str:
    """What is wrong with one template when only its own arguments count."""
    values: dict[str, str] = {}
    for arg in template.spec.args:
        if arg.value is not None and arg.value_from is not None:
            return f"{template.kind} {template.name}: arg '{arg.name}' has both Value and ValueFrom fields"
        values[arg.name] = DUMMY_VALUE if arg.value is None else arg.value
    try:
        metrics = fill_metrics((*template.spec.metrics, *companions(template)), values)
    except ArgumentError as error:
        return f"{template.kind} {template.name}: {error}"
    for metric in metrics:
        if effective_count(metric) is None:
            shown = "<nil>" if metric.count is None else metric.count
            return (
                f"{template.kind} {template.name} has metric {metric.name} which runs indefinitely. "
                f"Invalid value for count: {shown}"
            )
    return ""
