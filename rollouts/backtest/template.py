"""From a file to the spec of a run that asks one Prometheus for the past."""

from collections.abc import Mapping
from dataclasses import dataclass

from analysis.api import AnalysisRunSpec, AnalysisTemplate, AnalysisTemplateRef, Argument, Metric
from analysis.arguments import resolve_metrics
from analysis.asked import of_metrics, of_run
from analysis.asked import read as read_asked
from analysis.providers.base import Objectives
from analysis.templates import resolve_templates, run_spec
from analysis.validate import invalid_run, provider_names
from rollouts.lint.fileset import FileSet, Read
from rollouts.lint.manifests import read
from rollouts.lint.objectives import FiledObjectives


class CannotReplay(Exception):
    """The template cannot be tried on the past. The text is for the user."""


@dataclass(frozen=True)
class Chosen:
    """The run of a template with its annotations and what these may name, arguments filled in; and what is left out of
    it, one text each.
    """

    spec: AnalysisRunSpec
    annotations: Mapping[str, str]
    objectives: Objectives
    notes: tuple[str, ...]


def spec_of(path: str, name: str, args: Mapping[str, str], address: str) -> Chosen:
    """The run of a template that asks the Prometheus at `address`.

    Metrics that do not ask a Prometheus are left out: nothing else can be asked about the past.
    CannotReplay, AskedError, TemplateError or Unreadable when no run can come of it.
    """
    documents, bad = read([path])
    if bad:
        raise CannotReplay(f"{bad[0].path}:{bad[0].line}: {bad[0].text}")
    files = FileSet(documents)
    one = _chosen(files, name)

    def lookup(reference: AnalysisTemplateRef) -> AnalysisTemplate | None:
        found = files.template(reference, one.document)
        return found.value if found else None

    given = [Argument(name=name, value=value) for name, value in args.items()]
    templates = (one.value, *resolve_templates(one.value.spec.templates, lookup))
    spec = run_spec(templates, given)
    known = tuple(arg.model_copy(update={"value_from": None}) if arg.name in args else arg for arg in spec.args)
    missing = [arg.name for arg in known if arg.value_from is not None or arg.value is None]
    if missing:
        raise CannotReplay(f"the argument '{missing[0]}' has no value here: give it with --arg {missing[0]}=VALUE")
    annotations = of_run(templates)
    resolved = resolve_metrics(spec.metrics, known, {}, read_asked(annotations, spec.metrics))
    if fault := resolved.error or invalid_run(spec, resolved.metrics):
        raise CannotReplay(fault)
    kept = tuple(_asking(metric, address) for metric in resolved.metrics if metric.provider.prometheus is not None)
    left_out = [metric for metric in resolved.metrics if metric.provider.prometheus is None]
    if not kept:
        raise CannotReplay(f"no metric of '{one.value.name}' asks a Prometheus")
    notes = tuple(
        f"metric '{metric.name}' is left out: {', '.join(provider_names(metric.provider))} knows no past"
        for metric in left_out
    )
    names = {written.name: metric.name for written, metric in zip(spec.metrics, resolved.metrics, strict=True)}
    asking = {written: name for written, name in names.items() if name in {metric.name for metric in kept}}
    objectives = FiledObjectives(files, one.document)
    return Chosen(AnalysisRunSpec(metrics=kept, args=known), of_metrics(annotations, asking), objectives, notes)


def _chosen(files: FileSet, name: str) -> Read[AnalysisTemplate]:
    found = [one for one in files.templates if not name or one.value.name == name]
    if not found and files.malformed:
        raise CannotReplay(str(files.malformed[0]))
    if not found:
        raise CannotReplay(f"there is no template '{name}' in the file" if name else "there is no template in the file")
    if len(found) > 1:
        names = ", ".join(dict.fromkeys(one.value.name for one in found))
        raise CannotReplay(f"the file holds several templates ({names}): choose one with --template")
    return found[0]


def _asking(metric: Metric, address: str) -> Metric:
    """The metric, asking the Prometheus at `address`."""
    prometheus = metric.provider.prometheus
    assert prometheus is not None, "only such metrics are kept"
    asked = prometheus.model_copy(update={"address": address})
    return metric.model_copy(update={"provider": metric.provider.model_copy(update={"prometheus": asked})})
