"""Pure. Documents become Rollouts, templates and Services that find each other."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Generic, TypeVar

from pydantic import ValidationError

from analysis.api import (
    AnalysisRun,
    AnalysisTemplate,
    AnalysisTemplateRef,
    AnalysisTemplateSpec,
    Argument,
    ClusterAnalysisTemplate,
    Metric,
)
from analysis.asked import of_template
from analysis.asked.lack import Asked
from analysis.schema import Model
from analysis.templates import TemplateError, resolve_templates
from rollouts.api.experiment import Experiment
from rollouts.api.rollout import Rollout
from rollouts.api.runs import AnalysisRunArgument
from rollouts.decide.analyses.arguments import FieldError, resolve
from rollouts.decide.references import analyses
from rollouts.decide.world import Hash
from rollouts.lint.manifests import BadYaml, Document, Steps, steps_of

STABLE_HASH, CANARY_HASH = Hash("stable-pod-template-hash"), Hash("canary-pod-template-hash")
"""What stands for the hashes that a Rollout passes on as arguments."""

MODELS: dict[str, type[Model]] = {
    "Rollout": Rollout,
    "AnalysisTemplate": AnalysisTemplate,
    "ClusterAnalysisTemplate": ClusterAnalysisTemplate,
    "AnalysisRun": AnalysisRun,
    "Experiment": Experiment,
}
OBJECTIVE = ("pyrra.dev/v1alpha1", "ServiceLevelObjective")
"""By its apiVersion and kind."""

M = TypeVar("M", bound=Model)


@dataclass(frozen=True)
class Read(Generic[M]):
    """A document and what it says."""

    document: Document
    value: M


@dataclass(frozen=True)
class Malformed:
    """A document whose fields are of the wrong kind."""

    document: Document
    error: ValidationError

    def __str__(self) -> str:
        """The first fault, and where to find all."""
        fault = self.error.errors(include_url=False)[0]
        at = ".".join(map(str, fault["loc"]))
        return f"{self.document.kind} {self.document.name} cannot be read: {at}: {fault['msg']}; see rollouts lint"


@dataclass(frozen=True)
class Use:
    """One place that starts an analysis: where it is written, which templates it names, what it hands over.

    `inline`: a release waits for its end. `rollout` is None where an Experiment starts it.
    """

    document: Document
    at: Steps
    references: tuple[AnalysisTemplateRef, ...]
    args: tuple[Argument, ...]
    inline: bool
    rollout: Rollout | None

    @property
    def judges_canary(self) -> bool:
        """Whether it looks at a canary that shares its traffic with the stable version."""
        return self.rollout is not None and self.rollout.spec.strategy.canary is not None


@dataclass
class FileSet:
    """All that the files hold."""

    documents: Sequence[Document]
    bad: Sequence[BadYaml] = ()
    malformed: list[Malformed] = field(default_factory=list)
    _read: list[Read[Model]] = field(default_factory=list)

    def __post_init__(self) -> None:
        for document in self.documents:
            model = MODELS.get(document.kind) if document.ours else None
            if model is None:
                continue
            try:
                self._read.append(Read(document, model.model_validate(document.obj)))
            except ValidationError as error:
                self.malformed.append(Malformed(document, error))

    def of(self, kind: type[M]) -> Iterator[Read[M]]:
        """Every object of one kind that could be read."""
        for one in self._read:
            if isinstance(one.value, kind):
                yield Read(one.document, one.value)

    @cached_property
    def everything(self) -> tuple[Read[Model], ...]:
        """Every object of ours that could be read."""
        return tuple(self._read)

    @cached_property
    def templates(self) -> tuple[Read[AnalysisTemplate], ...]:
        """The templates, those of the whole cluster too."""
        return tuple(self.of(AnalysisTemplate))

    def metrics(self) -> Iterator[tuple[Document, int, Metric, tuple[Argument, ...]]]:
        """Every metric of a template or a run: where it stands, its index, itself, and the declared arguments."""
        holders: tuple[Read[AnalysisTemplate] | Read[AnalysisRun], ...] = (*self.templates, *self.of(AnalysisRun))
        for one in holders:
            for index, metric in enumerate(one.value.spec.metrics):
                yield one.document, index, metric, one.value.spec.args

    def template(self, reference: AnalysisTemplateRef, near: Document) -> Read[AnalysisTemplate] | None:
        """The template that `near` means by `reference`; the one of the same file first."""
        kind = ClusterAnalysisTemplate if reference.cluster_scope else AnalysisTemplate
        found = [
            one
            for one in self.templates
            if type(one.value) is kind
            and one.value.name == reference.template_name
            and (reference.cluster_scope or _reaches(near, one.document))
        ]
        nearest = [one for one in found if one.document.path == near.path] or found
        return nearest[0] if nearest else None

    def resolved(self, use: Use) -> tuple[AnalysisTemplate, ...]:
        """The templates of a use with all that they include, as far as the files hold them."""

        def lookup(reference: AnalysisTemplateRef) -> AnalysisTemplate:
            found = self.template(reference, use.document)
            metadata = {"name": reference.template_name}
            return found.value if found else AnalysisTemplate(metadata=metadata, spec=AnalysisTemplateSpec())

        try:
            return resolve_templates(use.references, lookup)
        except TemplateError:
            return tuple(map(lookup, use.references))

    @cached_property
    def uses(self) -> tuple[Use, ...]:
        """Every place that starts an analysis."""
        return tuple(use for one in self.everything for use in _uses(one))

    @cached_property
    def services(self) -> tuple[Document, ...]:
        """The Services."""
        return tuple(one for one in self.documents if one.kind == "Service" and one.obj.get("apiVersion") == "v1")

    @cached_property
    def objectives(self) -> tuple[Document, ...]:
        """The ServiceLevelObjectives of Pyrra."""
        return tuple(one for one in self.documents if (one.obj.get("apiVersion"), one.kind) == OBJECTIVE)

    def objective(self, name: str, near: Document) -> Document | None:
        """The ServiceLevelObjective that `near` means by `name`."""
        return next((one for one in self.objectives if one.name == name and _reaches(near, one)), None)

    def service(self, name: str, near: Document) -> Document | None:
        """The Service that `near` means by `name`."""
        return next((one for one in self.services if one.name == name and _reaches(near, one)), None)


def asked_of(document: Document) -> dict[str, Asked]:
    """What the metrics of a template ask for by its annotations; nothing where those have a fault."""
    return of_template(AnalysisTemplate.model_validate(document.obj))


def _reaches(one: Document, other: Document) -> bool:
    """Whether both may be in one namespace; a manifest that names none may be in any."""
    return not one.namespace or not other.namespace or one.namespace == other.namespace


def _uses(one: Read[Model]) -> Iterator[Use]:
    if isinstance(one.value, Rollout):
        yield from _of_rollout(one.document, one.value)
    elif isinstance(one.value, Experiment):
        for index, analysis in enumerate(one.value.spec.analyses):
            reference = AnalysisTemplateRef(template_name=analysis.template_name, cluster_scope=analysis.cluster_scope)
            yield Use(one.document, ("spec", "analyses", index), (reference,), analysis.args, True, None)


def _of_rollout(document: Document, rollout: Rollout) -> Iterator[Use]:
    for path, analysis, background in analyses(rollout):
        at = steps_of(path)[:-1]
        args = _given(analysis.args, rollout)
        yield Use(document, at, analysis.templates, args, not background, rollout)
    canary = rollout.spec.strategy.canary
    for index, step in enumerate(canary.steps if canary else ()):
        for number, each in enumerate(step.experiment.analyses if step.experiment else ()):
            at = ("spec", "strategy", "canary", "steps", index, "experiment", "analyses", number)
            reference = AnalysisTemplateRef(template_name=each.template_name, cluster_scope=each.cluster_scope)
            yield Use(document, at, (reference,), _given(each.args, rollout), True, rollout)


def _given(args: Iterable[AnalysisRunArgument], rollout: Rollout) -> tuple[Argument, ...]:
    """What the Rollout hands over. A field that it lacks (the API server may fill it) stands for itself."""
    given: list[Argument] = []
    for arg in args:
        try:
            given += resolve((arg,), rollout, stable=STABLE_HASH, latest=CANARY_HASH)
        except FieldError:
            given.append(Argument(name=arg.name, value=""))
    return tuple(given)
