"""Pure. The analyses of an Experiment: which AnalysisRuns to start and stop, and what has become of each analysis.

Runs start only once the moment at which all versions were available is stored. It marks them, so that a run that was
started just before a crash is found again, and one from before a retry is not mistaken for it.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Protocol, TypeVar

from analysis.api import AnalysisTemplate, AnalysisTemplateRef, Argument, Metric
from analysis.asked import of_run
from analysis.schema import Obj, format_time
from analysis.templates import TemplateError, resolve_templates, run_spec
from analysis.validate import matching
from rollouts.api.experiment import ExperimentAnalysisRunStatus, ExperimentAnalysisTemplateRef
from rollouts.decide.plan import StopRun, Wait
from rollouts.experiment import manifests
from rollouts.experiment.plan import StartRun
from rollouts.experiment.view import ENDED, ERROR, PENDING, View
from rollouts.experiment.world import Run

Entry = ExperimentAnalysisRunStatus
Told = StartRun | StopRun | Wait | Entry
"""An entry is what the status says of an analysis from now on."""

_TAG = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)


def follow(view: View) -> Iterator[Told]:
    """Every analysis in the order of the spec, then what is left of those that it does not name any more."""
    named = {analysis.name for analysis in view.spec.analyses}
    for run in view.world.runs:
        if run.owned and run.analysis and run.analysis not in named and not (run.finished or run.terminate):
            yield StopRun(run.name)
    for analysis in view.spec.analyses:
        entry = view.entry_of(analysis)
        refused = view.world.refused_analyses.get(analysis.name)
        if entry is not None and entry.analysis_run:
            yield from _keep(view, entry)
        elif entry is not None and entry.phase in ENDED:
            yield entry
        elif refused:
            yield _not_created(analysis, refused)
        elif view.ending:
            continue  # what has not begun does not begin any more
        elif view.stored.available_at is None:
            yield from _verified(view, analysis)
        else:
            yield from _start(view, analysis)


def _keep(view: View, entry: Entry) -> Iterator[Told]:
    run = _run(view, entry.analysis_run)
    if run is not None:
        phase, message = run.phase or PENDING, run.message
    elif entry.phase in ENDED:
        phase, message = entry.phase, entry.message
    else:
        phase, message = ERROR, f"AnalysisRun '{entry.analysis_run}' was deleted before it ended"
    if entry.phase in ENDED:
        phase, message = entry.phase, entry.message
    yield entry.model_copy(update={"phase": phase, "message": message})
    if run is None or run.finished:
        return
    if view.ending and not run.terminate:
        yield StopRun(run.name)
    else:
        yield Wait(f"AnalysisRun {run.name} is measuring")


def _run(view: View, name: str) -> Run | None:
    return next((run for run in view.world.runs if run.owned and run.name == name), None)


def _verified(view: View, analysis: ExperimentAnalysisTemplateRef) -> Iterator[Entry]:
    """Nothing is started for an analysis that cannot be: its template has to be there from the beginning."""
    key = (analysis.cluster_scope, analysis.template_name)
    if view.world.templates.get(key) is not None:
        return
    kind = "clusteranalysistemplate" if analysis.cluster_scope else "analysistemplate"
    missing = f'{kind}.argoproj.io "{analysis.template_name}" not found'
    text = f"AnalysisTemplate verification failed for analysis '{analysis.name}': {missing}"
    yield Entry(name=analysis.name, analysis_run="", phase=ERROR, message=text)


def _start(view: View, analysis: ExperimentAnalysisTemplateRef) -> Iterator[Told]:
    life = manifests.life_of(view)
    begun = (run for run in view.world.runs if run.owned and (run.analysis, run.available_at) == (analysis.name, life))
    run = next(begun, None)
    if run is not None:
        yield Entry(name=analysis.name, analysis_run=run.name, phase=run.phase or PENDING, message=run.message)
        return
    try:
        spec = spec_of_run(view, analysis)
        asked = of_run(_templates(view, analysis))
    except TemplateError as error:
        yield _not_created(analysis, str(error))
        return
    name = _free_name(view, f"{view.name}-{analysis.name}")
    yield StartRun(analysis.name, name, manifests.analysis_run(view, analysis, name, spec, asked))
    yield Entry(name=analysis.name, analysis_run=name, phase=PENDING)


def _not_created(analysis: ExperimentAnalysisTemplateRef, error: str) -> Entry:
    text = f"Failed to create AnalysisRun for analysis '{analysis.name}': {error}"
    return Entry(name=analysis.name, analysis_run="", phase=ERROR, message=text)


def _free_name(view: View, base: str) -> str:
    taken = {run.name for run in view.world.runs}
    name, count = base, 0
    while name in taken:
        count += 1
        name = f"{base}.{count}"
    return name


# ── what a run measures ──


def spec_of_run(view: View, analysis: ExperimentAnalysisTemplateRef) -> Obj:
    """The spec of the run of an analysis. TemplateError says why there can be none."""
    templates = _templates(view, analysis)
    for template in templates:
        fault = view.world.template_faults.get((template.kind == "ClusterAnalysisTemplate", template.name))
        if fault:
            raise TemplateError(f"{template.kind} {template.name}: {fault}")
    args = tuple(_argument(view, arg) for arg in analysis.args)
    return run_spec(
        templates,
        args,
        _meant(view, view.spec.dry_run, templates),
        _meant(view, view.spec.measurement_retention, templates),
    ).wire()


def _all_metrics(view: View) -> tuple[Metric, ...]:
    """Those of every analysis whose templates can be had."""
    found: list[Metric] = []
    for analysis in view.spec.analyses:
        with suppress(TemplateError):
            found += _metrics(_templates(view, analysis))
    return tuple(found)


def _metrics(templates: Iterable[AnalysisTemplate]) -> tuple[Metric, ...]:
    return tuple(metric for template in templates for metric in template.spec.metrics)


def _templates(view: View, analysis: ExperimentAnalysisTemplateRef) -> tuple[AnalysisTemplate, ...]:
    ref = AnalysisTemplateRef(template_name=analysis.template_name, cluster_scope=analysis.cluster_scope)
    return resolve_templates(
        [ref], lambda wanted: view.world.templates.get((wanted.cluster_scope, wanted.template_name))
    )


def _argument(view: View, arg: Argument) -> Argument:
    """A value is filled in; of a source only a Secret can be read by an AnalysisRun."""
    if arg.value is not None:
        return arg.model_copy(update={"value": fill(arg.value, _values(view)), "value_from": None})
    source = arg.value_from
    if source is not None and source.secret_key_ref is None and source.field_ref is not None:
        raise TemplateError(f"args.{arg.name} was not resolved: only a Rollout has fields that an argument can name")
    return arg


def _values(view: View) -> dict[str, str]:
    """What an argument of an analysis may name in double braces."""
    values: dict[str, str] = {}
    for template in view.spec.templates:
        rs = view.replica_set_of(template)
        if rs is not None:
            values[f"templates.{template.name}.podTemplateHash"] = rs.hash
            values[f"templates.{template.name}.replicaset.name"] = rs.name
    if view.stored.available_at is not None:
        values["experiment.availableAt"] = format_time(view.stored.available_at)
    if view.ends_at is not None:
        values["experiment.finishedAt"] = format_time(view.ends_at)
    return values


def fill(text: str, values: dict[str, str]) -> str:
    """`text` with every tag in double braces replaced, once. TemplateError names one that means nothing."""

    def value(tag: re.Match[str]) -> str:
        name = tag[1].strip()
        if name not in values:
            raise TemplateError(f"failed to resolve {tag[0]}")
        return values[name]

    return _TAG.sub(value, text)


class _Rule(Protocol):
    @property
    def metric_name(self) -> str: ...


R = TypeVar("R", bound=_Rule)


def _meant(view: View, rules: Sequence[R], templates: Iterable[AnalysisTemplate]) -> tuple[R, ...]:
    """The rules of the experiment that are about this analysis; also those that are about none, so that whoever
    misspelt one is told. All of them where names are still to be filled in."""
    metrics, others = _metrics(templates), _all_metrics(view)
    if any("{{" in metric.name for metric in (*metrics, *others)):
        return tuple(rules)
    return tuple(
        rule for rule in rules if matching(rule.metric_name, metrics) or not matching(rule.metric_name, others)
    )
