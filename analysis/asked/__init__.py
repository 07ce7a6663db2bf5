"""Pure. What templates ask of this judge beyond Argo Rollouts: annotations, read by the metric's name.

All of it travels to the run as annotations of the same names: Argo Rollouts reads the same manifest and ignores them.
Without an annotation nothing here is used.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import yaml
from pydantic import ValidationError

from analysis.api import AnalysisTemplate, Metric
from analysis.asked.burn import BurnRate
from analysis.asked.comparison import Compare
from analysis.asked.evidence import Evidence
from analysis.asked.lack import Asked, AskedError

PREFIX = "analysis.rollouts.dev/"
"""Of every annotation that changes how a template judges; one that is not known is refused."""

EVIDENCE, COMPARE, BURN_RATE = PREFIX + "evidence", PREFIX + "compare", PREFIX + "burn-rate"
KINDS: dict[str, type[Asked]] = {EVIDENCE: Evidence, COMPARE: Compare, BURN_RATE: BurnRate}
"""What each annotation asks for."""


def read(annotations: Mapping[str, str], metrics: Sequence[Metric]) -> dict[str, Asked]:
    """What the annotations ask for, by the metric's name as it is written.

    AskedError names the first thing that cannot be acted on: an unknown annotation with our prefix, a text that
    cannot be read, a metric that there is none of, that is asked two things, or whose provider cannot answer.
    """
    for key in sorted(annotations):
        if key.startswith(PREFIX) and key not in KINDS:
            raise AskedError(f"annotation {key} is not known; those with this prefix are {', '.join(KINDS)}")
    known = {metric.name: metric for metric in metrics}
    asked: dict[str, Asked] = {}
    for key, kind in KINDS.items():
        for name, fields in _mapping(key, annotations.get(key)).items():
            where = f"annotation {key}: metric '{name}'"
            if name not in known:
                raise AskedError(f"{where}: there is none; the metrics are {', '.join(known) or 'none'}")
            if name in asked:
                raise AskedError(f"{where}: another annotation judges it already; say here what it needs")
            asked[name] = _entry(where, kind, fields)
            if fault := asked[name].fault(known[name]):
                raise AskedError(f"{where}: {fault}")
    return asked


def fault(annotations: Mapping[str, str] | None, metrics: Sequence[Metric]) -> str:
    """Why the annotations of a template or a run cannot be acted on; "" when they can."""
    try:
        read(annotations or {}, metrics)
    except AskedError as error:
        return str(error)
    return ""


def of_template(template: AnalysisTemplate) -> dict[str, Asked]:
    """What a template asks for; nothing when its annotations have a fault, which says so."""
    try:
        return read(template.metadata.get("annotations") or {}, template.spec.metrics)
    except AskedError:
        return {}


def of_run(templates: Iterable[AnalysisTemplate]) -> dict[str, str]:
    """The annotations that a run of these templates needs. The templates have no fault, and no metric in common."""
    merged: dict[str, dict[str, Any]] = {}
    for template in templates:
        annotations = template.metadata.get("annotations") or {}
        for key in KINDS:
            if key in annotations:
                merged.setdefault(key, {}).update(_mapping(key, annotations[key]))
    return {key: json.dumps(fields, ensure_ascii=False, sort_keys=True) for key, fields in merged.items()}


def of_metrics(annotations: Mapping[str, str], names: Mapping[str, str]) -> dict[str, str]:
    """The annotations of a run that has these metrics only; `names` says how each is called there."""
    kept = {
        key: {names[name]: fields for name, fields in _mapping(key, annotations.get(key)).items() if name in names}
        for key in KINDS
    }
    return {key: json.dumps(fields, ensure_ascii=False) for key, fields in kept.items() if fields}


def companions(template: AnalysisTemplate) -> tuple[Metric, ...]:
    """Metrics that ask for every text which a template's annotations add; arguments are looked for in them."""
    asked = of_template(template)
    return tuple(
        _asking(metric, text)
        for metric in template.spec.metrics
        if metric.name in asked
        for text in asked[metric.name].texts().values()
    )


def carriers(metric: Metric, asked: Asked) -> dict[str, Metric]:
    """Metrics that carry the texts of what is asked, by their field: what fills a metric fills them too."""
    return {field: _asking(metric, text) for field, text in asked.texts().items()}


def carried(asked: Asked, carriers: Mapping[str, Metric]) -> Asked:
    """What is asked, with the texts that these metrics carry."""
    texts = {field: one.provider.prometheus.query for field, one in carriers.items() if one.provider.prometheus}
    return asked.model_copy(update=texts)


def _asking(metric: Metric, text: str) -> Metric:
    provider = {"prometheus": {"query": text}}
    return Metric.model_validate({"name": metric.name, "provider": provider})


@lru_cache(maxsize=256)
def _mapping(key: str, text: str | None) -> dict[str, Any]:
    if text is None:
        return {}
    try:
        document = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise AskedError(f"annotation {key} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(document, dict) or not document or not all(isinstance(name, str) for name in document):
        raise AskedError(f"annotation {key} must say of each metric, by its name, what it asks")
    return document


def _entry(where: str, kind: type[Asked], fields: Any) -> Asked:
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(map(str, first["loc"]))
        raise AskedError(f"{where}: {field + ': ' if field else ''}{first['msg']}") from error
