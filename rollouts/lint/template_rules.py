"""Pure. Rules about templates of analyses, and about what a release hands over to them."""

from collections.abc import Iterator

from analysis import asked, limits
from analysis.api import AnalysisRun, AnalysisTemplate, AnalysisTemplateRef, Argument, Metric
from analysis.arguments import undeclared
from analysis.asked import BURN_RATE
from analysis.asked.burn import BurnRate
from analysis.asked.lack import AskedError
from analysis.asked.pyrra import objective_of
from analysis.providers.registry import unsupported
from analysis.templates import TemplateError, declared_args, merge_metrics, resolve_templates
from analysis.validate import invalid_metric
from rollouts.lint.fileset import FileSet, Read, Use, asked_of
from rollouts.lint.filled import asked_for, likely
from rollouts.lint.manifests import Document, Steps
from rollouts.lint.registry import Fault, Severity, rule


@rule(
    "unknown-template",
    Severity.ERROR,
    "A template is named that the files do not hold. Only a warning where they hold no template at all: it may be "
    "in the cluster.",
)
def unknown_template(files: FileSet) -> Iterator[Fault]:
    severity = None if files.templates else Severity.WARNING
    named = [(use.document, (*use.at, "templates"), use.references) for use in files.uses]
    named += [(one.document, ("spec", "templates"), one.value.spec.templates) for one in files.templates]
    for document, at, references in named:
        for index, reference in enumerate(references):
            if files.template(reference, document) is None:
                kind = "ClusterAnalysisTemplate" if reference.cluster_scope else "AnalysisTemplate"
                text = f"{kind} '{reference.template_name}' is in none of the files"
                yield Fault(document, (*at, index), text, severity)


@rule(
    "templates-clash", Severity.ERROR, "Templates that are used together contradict each other, or include themselves."
)
def templates_clash(files: FileSet) -> Iterator[Fault]:
    for use in files.uses:
        templates = files.resolved(use)
        try:
            merge_metrics(templates)
            declared_args(templates)
        except TemplateError as error:
            yield Fault(use.document, use.at, str(error))
    for one in files.templates:
        text = _loop(files, one)
        if text:
            yield Fault(one.document, ("spec", "templates"), text)


def _loop(files: FileSet, one: Read[AnalysisTemplate]) -> str:
    def lookup(reference: AnalysisTemplateRef) -> AnalysisTemplate | None:
        found = files.template(reference, one.document)
        return found.value if found else None

    try:
        resolve_templates(one.value.spec.templates, lookup)
    except TemplateError as error:
        return str(error) if "includes itself" in str(error) else ""
    return ""


@rule(
    "undeclared-arg",
    Severity.ERROR,
    "A metric uses `{{args.x}}`, but its template declares no argument `x`: a step with it is refused, any other run "
    "ends in Error. Only a warning where a template that includes it declares the argument.",
)
def undeclared_arg(files: FileSet) -> Iterator[Fault]:
    for document, at, metric, args in _asking(files):
        names = {arg.name for arg in args}
        while tag := undeclared(metric, names):
            name = tag.strip().removeprefix("args.")
            if name in names or not tag.strip().startswith("args."):
                yield Fault(document, at, f"metric '{metric.name}': cannot fill {{{{{tag}}}}}")
                break
            names.add(name)
            from_above = _declared_above(files, document.name, name)
            text = f"metric '{metric.name}' uses {{{{{tag}}}}}, which "
            text += (
                f"only {from_above} declares" if from_above else f"{document.kind} '{document.name}' does not declare"
            )
            severity = Severity.WARNING if from_above else None
            yield Fault(document, at, text, severity)


def _asking(files: FileSet) -> Iterator[tuple[Document, Steps, Metric, tuple[Argument, ...]]]:
    """Everything that asks for arguments: metrics, and what annotations ask for them."""
    for document, index, metric, args in files.metrics():
        yield document, ("spec", "metrics", index), metric, args
    for one in files.templates:
        for metric in asked.companions(one.value):
            yield one.document, ("metadata", "annotations"), metric, one.value.spec.args


def _declared_above(files: FileSet, child: str, arg: str) -> str:
    """The template that includes `child` and declares `arg`."""
    for one in files.templates:
        includes = any(reference.template_name == child for reference in one.value.spec.templates)
        if includes and any(declared.name == arg for declared in one.value.spec.args):
            return one.value.name
    return ""


@rule(
    "unused-arg",
    Severity.WARNING,
    "A template declares an argument that no metric of it, or of what it includes, uses.",
)
def unused_arg(files: FileSet) -> Iterator[Fault]:
    for one in files.templates:
        below = files.resolved(Use(one.document, (), one.value.spec.templates, (), False, None))
        metrics = [metric for each in (one.value, *below) for metric in (*each.spec.metrics, *asked.companions(each))]
        used = {name for metric in metrics for name in asked_for(metric)}
        for index, arg in enumerate(one.value.spec.args):
            if arg.name not in used:
                yield Fault(one.document, ("spec", "args", index), f"argument '{arg.name}' is not used")


@rule(
    "missing-arg",
    Severity.ERROR,
    "A template needs the value of an argument that whoever starts the analysis does not give: it cannot start.",
)
def missing_arg(files: FileSet) -> Iterator[Fault]:
    for use in files.uses:
        given = {arg.name for arg in use.args}
        told: set[str] = set()
        supplied = {arg.name for each in files.resolved(use) for arg in each.spec.args if arg.value is not None}
        for template in files.resolved(use):
            for arg in template.spec.args:
                if arg.value_from or arg.name in given | supplied | told:
                    continue
                told.add(arg.name)
                text = f"{template.kind} '{template.name}' needs the argument '{arg.name}', which is not given"
                yield Fault(use.document, use.at, text)


@rule("dropped-arg", Severity.WARNING, "A value is given for an argument that no template declares: it is dropped.")
def dropped_arg(files: FileSet) -> Iterator[Fault]:
    for use in files.uses:
        if any(files.template(reference, use.document) is None for reference in use.references):
            continue  # what is not here may declare it
        declared = {arg.name for template in files.resolved(use) for arg in template.spec.args}
        for index, arg in enumerate(use.args):
            if arg.name not in declared:
                yield Fault(use.document, (*use.at, "args", index), f"no template declares the argument '{arg.name}'")


@rule(
    "metric-spec",
    Severity.ERROR,
    "Limits, durations or the provider of a metric contradict the rules: a run ends in Error.",
)
def metric_spec(files: FileSet) -> Iterator[Fault]:
    for document, index, metric, args in files.metrics():
        text = invalid_metric(likely(metric, args)) or next(iter(unsupported((metric,))), "")
        if text:
            yield Fault(document, ("spec", "metrics", index), f"metric '{metric.name}': {text}")


@rule(
    "annotation",
    Severity.ERROR,
    "An annotation that changes how a template judges is not known, or cannot be acted on: the Rollout is refused, and "
    "an AnalysisRun ends in Error.",
)
def annotation(files: FileSet) -> Iterator[Fault]:
    holders: tuple[Read[AnalysisTemplate] | Read[AnalysisRun], ...] = (*files.templates, *files.of(AnalysisRun))
    for one in holders:
        text = asked.fault(one.value.metadata.get("annotations"), one.value.spec.metrics)
        if text:
            yield Fault(one.document, ("metadata", "annotations"), text)


@rule(
    "unknown-objective",
    Severity.ERROR,
    "An annotation names a ServiceLevelObjective that the files do not hold, or that no canary can be judged by: a run "
    "ends in Error. Only a warning where they hold none at all: it may be in the cluster.",
)
def unknown_objective(files: FileSet) -> Iterator[Fault]:
    for one in files.templates:
        for name, each in asked_of(one.document).items():
            if not isinstance(each, BurnRate) or not each.slo or "{{" in each.slo:
                continue
            found = files.objective(each.slo, one.document)
            text = _objective_fault(each, found)
            severity = None if files.objectives else Severity.WARNING
            if text:
                yield Fault(one.document, ("metadata", "annotations", BURN_RATE), f"metric '{name}': {text}", severity)


def _objective_fault(each: BurnRate, found: Document | None) -> str:
    if found is None:
        return f"ServiceLevelObjective '{each.slo}' is in none of the files"
    try:
        objective_of(each, found.obj)
    except AskedError as error:
        return str(error)
    return ""


@rule(
    "endless-metric",
    Severity.ERROR,
    "A release waits for the end of an analysis with a metric that has an interval and no count, so never ends: the "
    "Rollout is refused. In a background analysis such a metric is right.",
)
def endless_metric(files: FileSet) -> Iterator[Fault]:
    for use in files.uses:
        if not use.inline or use.rollout is None:
            continue
        for template in files.resolved(use):
            for metric in template.spec.metrics:
                if limits.effective_count(_with_own_args(metric, template)) is None:
                    text = f"metric '{metric.name}' of {template.kind} '{template.name}' has an interval and no count"
                    yield Fault(use.document, use.at, f"{text}: it never ends")


def _with_own_args(metric: Metric, template: AnalysisTemplate) -> Metric:
    """As the Rollout is validated: with the template's own arguments alone."""
    return likely(metric, template.spec.args)
