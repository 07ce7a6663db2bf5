"""Pure. Rules about what is asked of Prometheus, and what the conditions make of the answers."""

import re
from collections.abc import Iterator

from analysis.api import AnalysisPhase, AnalysisTemplate, Metric
from analysis.asked.evidence import Evidence
from analysis.asked.lack import Asked
from analysis.asked.requests import Requests
from analysis.evaluate import evaluate
from analysis.expr.errors import ExprError
from analysis.expr.gotypes.values import FloatList
from analysis.expr.reading.parser import parse as parse_condition
from rollouts.lint import promql
from rollouts.lint.fileset import CANARY_HASH, STABLE_HASH, FileSet, Use, asked_of
from rollouts.lint.filled import known, likely, query, tags
from rollouts.lint.manifests import Document, Steps
from rollouts.lint.registry import Fault, Severity, rule

_QUERY = ("provider", "prometheus", "query")
_TELLS_VERSIONS = re.compile(
    r"canary|stable|preview|baseline|pod_?-?template_?-?hash|version|revision|role|track|replicaset|rollout_type",
    re.IGNORECASE,
)
_SAMPLE = 0.5
_MEANS = {
    AnalysisPhase.SUCCESSFUL: "good",
    AnalysisPhase.FAILED: "bad",
    AnalysisPhase.INCONCLUSIVE: "inconclusive",
    AnalysisPhase.ERROR: "an error",
}


@rule("promql", Severity.ERROR, "A query is no PromQL: every measurement ends in Error.")
def promql_parses(files: FileSet) -> Iterator[Fault]:
    for document, index, metric, args in files.metrics():
        text = _text(metric)
        try:
            if text:
                query(text, known(args))
        except promql.PromqlError as error:
            yield Fault(document, _at(index, *_QUERY), f"metric '{metric.name}': the query does not parse: {error}")

    for one in files.templates:
        for name, asked in asked_of(one.document).items():
            for field, text in _promql_of(asked):
                try:
                    query(text, known(one.value.spec.args))
                except promql.PromqlError as error:
                    fault = f"metric '{name}': {field} of its annotation does not parse: {error}"
                    yield Fault(one.document, ("metadata", "annotations"), fault)


def _promql_of(asked: Asked) -> Iterator[tuple[str, str]]:
    """What an annotation holds of PromQL, by its field; labels as part of a selector."""
    sides = asked.SIDES if isinstance(asked, Requests) else ()
    for field, text in asked.texts().items():
        if field != "slo":
            yield field, f"up{{{text}}}" if field in sides else text


@rule("condition", Severity.ERROR, "A condition does not parse, or ends in Error for every answer of the query's kind.")
def condition(files: FileSet) -> Iterator[Fault]:
    for document, index, metric, args in files.metrics():
        text = _hopeless(likely(metric, args), _query(metric, known(args)))
        if text:
            yield Fault(document, _at(index), f"metric '{metric.name}': {text}")


def _hopeless(metric: Metric, found: promql.Query | None) -> str:
    """Why the conditions of a metric (its arguments filled in) end in Error whatever is measured; "" when not."""
    text = _unparsable(metric)
    if text or found is None:
        return text
    return evaluate(metric, _SAMPLE if _one_number(metric, found) else FloatList([_SAMPLE] * 64))[1]


def _unparsable(metric: Metric) -> str:
    for name, source in (
        ("successCondition", metric.success_condition),
        ("failureCondition", metric.failure_condition),
    ):
        try:
            if source:
                parse_condition(source)
        except ExprError as error:
            return f"{name}: {error}"
    return ""


@rule(
    "empty-result",
    Severity.WARNING,
    "The query answers with nothing while there are no series (before the first request, say), and the conditions "
    "then end in Error: five in a row, ten seconds apart, abort the release. Guard with `len(result) == 0 || ...`, or "
    "end the query with `or vector(0)`.",
)
def empty_result(files: FileSet) -> Iterator[Fault]:
    for document, index, metric, filled, found in _judged(files):
        if _weighed(document, metric, "no_data"):
            continue
        if promql.can_be_empty(found) and evaluate(filled, FloatList([]))[0] is AnalysisPhase.ERROR:
            text = f"metric '{metric.name}': no data is an error of `{_conditions(filled)}`"
            yield Fault(document, _at(index), text)


@rule(
    "nan-result",
    Severity.WARNING,
    "The query can answer NaN (0/0 without requests), and the conditions do not say what that means: here is what it "
    "comes to. Say it with `isNaN(result[0])`, or keep NaN away with `> 0` behind the divisor. Only an info where NaN "
    "counts as good.",
)
def nan_result(files: FileSet) -> Iterator[Fault]:
    for document, index, metric, filled, found in _judged(files):
        conditions = _conditions(filled)
        if _weighed(document, metric, "nan"):
            continue
        if not conditions or "isNaN" in conditions or not promql.can_be_nan(found):
            continue
        phase, _ = evaluate(filled, FloatList([float("nan")]))
        severity = Severity.INFO if phase is AnalysisPhase.SUCCESSFUL else None
        text = f"metric '{metric.name}': the query can answer NaN, which counts as {_MEANS[phase]}"
        yield Fault(document, _at(index), text, severity)


@rule(
    "canary-filter",
    Severity.WARNING,
    "An analysis judges a canary by a query that does not tell it from the stable version: at a weight of 10 % nine "
    "tenths of what it sees is the old version. Ask for a label that `canaryMetadata` sets, for the pod template hash "
    "or for the canary's Service.",
)
def canary_filter(files: FileSet) -> Iterator[Fault]:
    for one in files.templates:
        uses = [use for use in files.uses if use.judges_canary and one.value in files.resolved(use)]
        for index, metric in enumerate(one.value.spec.metrics):
            blind = next((use for use in uses if not _tells(use, one.value, metric)), None)
            if blind is not None:
                text = (
                    f"nothing in the query tells the canary of Rollout '{blind.document.name}' from its stable version"
                )
                yield Fault(one.document, _at(index, *_QUERY), f"metric '{metric.name}': {text}{_advice(blind)}")


def _tells(use: Use, template: AnalysisTemplate, metric: Metric) -> bool:
    """Whether the query knows versions apart, or cannot be judged."""
    given = known(template.spec.args) | known(use.args)
    found = _query(metric, given)
    if found is None or any(name for name in tags(_text(metric)) if _TELLS_VERSIONS.search(name)):
        return True
    matchers = tuple(promql.matchers(found))
    if not matchers and not any(isinstance(node, promql.Selector) for node in promql.nodes(found)):
        return True  # no series is asked for
    own = _own_labels(use)
    names = (*(name for name, _ in matchers), *promql.grouped_by(found))
    if any(name in own or _TELLS_VERSIONS.search(name) for name in names):
        return True
    return any(_TELLS_VERSIONS.search(value) or value in _services(use) for _, value in matchers)


def _own_labels(use: Use) -> frozenset[str]:
    """The labels by which pods of the canary differ, as Prometheus spells them too."""
    canary = use.rollout.spec.strategy.canary if use.rollout else None
    if canary is None:
        return frozenset()
    metadata = (canary.canary_metadata, canary.stable_metadata)
    names = [name for one in metadata if one is not None for name in one.labels]
    return frozenset((*names, *(re.sub(r"[^a-zA-Z0-9_]", "_", name) for name in names), STABLE_HASH, CANARY_HASH))


def _services(use: Use) -> frozenset[str]:
    canary = use.rollout.spec.strategy.canary if use.rollout else None
    names = (canary.canary_service, canary.stable_service) if canary else ()
    return frozenset(filter(None, (*names, CANARY_HASH, STABLE_HASH)))


def _advice(use: Use) -> str:
    canary = use.rollout.spec.strategy.canary if use.rollout else None
    labels = canary.canary_metadata.labels if canary and canary.canary_metadata else {}
    return "".join(f'; canaryMetadata sets {name}="{value}"' for name, value in list(labels.items())[:1])


def _weighed(document: Document, metric: Metric, lack: str) -> bool:
    """Whether the template's annotation says what such an answer means."""
    asked = asked_of(document).get(metric.name)
    if asked is None or isinstance(asked, Evidence):
        return asked is not None and getattr(asked, lack) is not None
    return True  # the query is not asked here


def _judged(files: FileSet) -> Iterator[tuple[Document, int, Metric, Metric, promql.Query]]:
    """Every metric with a query that answers a list, as written and filled in, with the query."""
    for document, index, metric, args in files.metrics():
        found, filled = _query(metric, known(args)), likely(metric, args)
        if found is not None and not _one_number(metric, found) and not _hopeless(filled, found):
            yield document, index, metric, filled, found


def _one_number(metric: Metric, found: promql.Query) -> bool:
    """Whether the conditions see a number and no list."""
    spec = metric.provider.prometheus
    return promql.is_scalar(found) and (spec is None or spec.range_query is None)


def _query(metric: Metric, args: dict[str, str]) -> promql.Query | None:
    try:
        return query(_text(metric), args) if _text(metric) else None
    except promql.PromqlError:
        return None


def _text(metric: Metric) -> str:
    return metric.provider.prometheus.query if metric.provider.prometheus else ""


def _at(index: int, *rest: str) -> Steps:
    return ("spec", "metrics", index, *rest)


def _conditions(metric: Metric) -> str:
    return "`, `".join(filter(None, (metric.success_condition, metric.failure_condition)))
