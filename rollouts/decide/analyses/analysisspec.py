"""Pure. From the templates that an analysis names to the spec of its AnalysisRun, and what stands in the way."""

from functools import lru_cache
from typing import Generic, TypeVar

from analysis import asked
from analysis.api import AnalysisTemplate, AnalysisTemplateRef, Argument
from analysis.schema import Obj
from analysis.templates import (
    TemplateFault,
    not_found,
    resolve_templates,
    run_spec,
    validate_background,
    validate_inline,
)
from rollouts.api import fielderrors
from rollouts.api.canary import RolloutAnalysis
from rollouts.decide.analyses.arguments import FieldError, resolve
from rollouts.decide.world import Hash, World

T = TypeVar("T")

_DUMMY_STABLE, _DUMMY_LATEST = Hash("dummy-stable-hash"), Hash("dummy-new-hash")


def spec_of_run(world: World, analysis: RolloutAnalysis, *, stable: Hash, latest: Hash) -> Obj:
    """The spec of a run of this analysis. Its faults have been told by `analysis_fault` before."""
    args = resolve(analysis.args, world.rollout, stable=stable, latest=latest)
    templates = _templates(world, analysis)
    return run_spec(templates, args, analysis.dry_run, analysis.measurement_retention).wire()


def annotations_of_run(world: World, analysis: RolloutAnalysis) -> dict[str, str]:
    """What the templates' annotations ask of a run of this analysis."""
    return asked.of_run(_templates(world, analysis))


def analysis_fault(world: World, path: str, analysis: RolloutAnalysis, *, background: bool) -> str:
    """Why no run can come of this analysis, as `<path>: Invalid value: ...`; "" when one can."""
    if not analysis.templates:
        if background:
            return ""  # switched off
        return fielderrors.required(path, "an analysis without templates would never end")
    missing = not_found(analysis.templates, lambda ref: _lookup(world, ref))
    if missing is not None:
        return _fault(path, missing)
    for key, text in world.template_faults.items():
        if key in _keys(world, analysis):
            return _fault(path, TemplateFault(key[1], text))
    try:
        args: tuple[Argument, ...] = resolve(analysis.args, world.rollout, stable=_DUMMY_STABLE, latest=_DUMMY_LATEST)
    except FieldError as error:
        return fielderrors.invalid(path.removesuffix(".templates") + ".args", analysis.args, str(error))
    templates = tuple(_Same(template) for template in _templates(world, analysis))
    found = _first_fault(_Same(analysis), templates, args, background)
    return _fault(path, found) if found else ""


class _Same(Generic[T]):
    """Equal to nothing but a mention of the very same object, which it keeps alive; so no deep comparison is needed.

    A spec and a template stay the same object for as long as they are not changed in the cluster.
    """

    __slots__ = ("it",)

    def __init__(self, it: T) -> None:
        self.it = it

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.it is other.it

    def __hash__(self) -> int:
        return id(self.it)


@lru_cache(maxsize=1024)
def _first_fault(
    analysis: _Same[RolloutAnalysis],
    templates: tuple[_Same[AnalysisTemplate], ...],
    args: tuple[Argument, ...],
    background: bool,
) -> TemplateFault | None:
    """What is wrong with a run of these templates. Remembered: every pass asks, and the answer seldom changes."""
    validate = validate_background if background else validate_inline
    dry_run, retention = analysis.it.dry_run, analysis.it.measurement_retention
    faults = validate(tuple(template.it for template in templates), args, dry_run, retention)
    return faults[0] if faults else None


def _fault(path: str, fault: TemplateFault) -> str:
    return fielderrors.invalid(path, fault.value, fault.text)


def _lookup(world: World, ref: AnalysisTemplateRef) -> AnalysisTemplate | None:
    return world.templates.get((ref.cluster_scope, ref.template_name))


def _templates(world: World, analysis: RolloutAnalysis) -> tuple[AnalysisTemplate, ...]:
    return resolve_templates(analysis.templates, lambda ref: _lookup(world, ref))


def _keys(world: World, analysis: RolloutAnalysis) -> set[tuple[bool, str]]:
    templates = _templates(world, analysis)
    return {(template.kind == "ClusterAnalysisTemplate", template.name) for template in templates}
