"""AnalysisTemplates as read from the caches, once per version of each."""

from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import ValidationError

from analysis import asked
from analysis.api import AnalysisTemplate, AnalysisTemplateRef, ClusterAnalysisTemplate
from analysis.providers.registry import unsupported
from analysis.schema import Obj
from rollouts.kube.cache import Key
from rollouts.kube.refs import uid_of
from rollouts.observe.caches import Caches
from rollouts.observe.manifest import first_fault

TemplateKey = tuple[bool, str]
"""Whether a template is cluster-wide, and its name."""


@dataclass(frozen=True, slots=True)
class Template:
    """A template as read; without a model it is not there."""

    version: str
    model: AnalysisTemplate | None
    fault: str = ""


ABSENT = Template("", None)


class Templates:
    """Finds templates by the names that specs give them."""

    def __init__(self, caches: Caches) -> None:
        self._caches = caches
        self._read: dict[Key, Template] = {}

    def named(self, namespace: str, refs: Iterable[AnalysisTemplateRef]) -> dict[TemplateKey, Template]:
        """Every template that is named in a namespace, and those that they name in turn."""
        found: dict[TemplateKey, Template] = {}
        wanted = [(ref.cluster_scope, ref.template_name) for ref in refs]
        while wanted:
            key = wanted.pop()
            if key in found:
                continue
            found[key] = template = self._one(namespace, *key)
            if template.model is not None:
                wanted += [(ref.cluster_scope, ref.template_name) for ref in template.model.spec.templates]
        return found

    def _one(self, namespace: str, cluster: bool, name: str) -> Template:
        caches = self._caches
        cache = caches.cluster_analysis_templates if cluster else caches.analysis_templates
        obj = cache.get("" if cluster else namespace, name)
        if obj is None:
            return ABSENT
        key, version = (uid_of(obj), name), str(obj["metadata"].get("resourceVersion", ""))
        known = self._read.get(key)
        if known is None or known.version != version:
            known = self._read[key] = _read(obj, version, cluster)
        return known


def _read(obj: Obj, version: str, cluster: bool) -> Template:
    kind = ClusterAnalysisTemplate if cluster else AnalysisTemplate
    try:
        model = kind.model_validate(obj)
    except ValidationError as error:
        return Template(version, kind.model_validate({"metadata": obj["metadata"], "spec": {}}), first_fault(error))
    fault = asked.fault(model.metadata.get("annotations"), model.spec.metrics)
    return Template(version, model, fault or next(iter(unsupported(model.spec.metrics)), ""))
