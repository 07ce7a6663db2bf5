"""Pure. What makes a spec unusable: what it says, what is not supported yet, and what it names but the world lacks.

Only the first fault is told, in the order and the words of Argo Rollouts.
"""

from collections.abc import Iterator

from analysis.api import AnalysisTemplateRef
from rollouts.api import fielderrors, labels, proof
from rollouts.api.canary import RolloutAnalysis
from rollouts.api.rollout import Rollout
from rollouts.api.rules.numbers import number_errors
from rollouts.api.rules.validate import validate_rollout
from rollouts.api.support import unsupported
from rollouts.decide.analyses.analysisspec import analysis_fault
from rollouts.decide.analyses.experimentspec import experiment_faults
from rollouts.decide.world import World

_CANARY, _BLUE_GREEN = "spec.strategy.canary", "spec.strategy.blueGreen"
_ACTIVE = f"{_BLUE_GREEN}.activeService"
"""The one Service that a strategy cannot do without."""


def fault(world: World) -> str:
    """The first fault of a Rollout's spec, or ""."""
    found = spec_fault(world.rollout) if world.spec_fault is None else world.spec_fault
    return found or next(_references(world), "")


def spec_fault(rollout: Rollout) -> str:
    """What is wrong with the manifest alone, or ""."""
    return validate_rollout(rollout) or unsupported(rollout) or next(number_errors(rollout.spec), "")


def _references(world: World) -> Iterator[str]:
    if error := proof.fault(world.rollout):
        yield error
    yield from _services(world)
    yield from _analyses(world)
    yield from experiment_faults(world)
    if world.routing_error:
        yield world.routing_error


def _services(world: World) -> Iterator[str]:
    for path, name in _named(world.rollout):
        error = _service(world, name) if name or path == _ACTIVE else ""
        if error:
            yield fielderrors.invalid(path, name, error)


def _named(rollout: Rollout) -> Iterator[tuple[str, str]]:
    """Where the strategy names Services, and which."""
    canary, blue_green = rollout.spec.strategy.canary, rollout.spec.strategy.blue_green
    if blue_green is not None:
        yield _ACTIVE, blue_green.active_service
        yield f"{_BLUE_GREEN}.previewService", blue_green.preview_service
    if canary is None:
        return
    yield f"{_CANARY}.stableService", canary.stable_service
    yield f"{_CANARY}.canaryService", canary.canary_service
    if canary.ping_pong is not None:
        yield f"{_CANARY}.pingPong.pingService", canary.ping_pong.ping_service
        yield f"{_CANARY}.pingPong.pongService", canary.ping_pong.pong_service


def _service(world: World, name: str) -> str:
    service = world.services.get(name)
    if service is None:
        return f'service "{name}" not found'
    template = ((world.rollout.spec.template.get("metadata") or {}).get("labels")) or {}
    for key, value in service.selector.items():
        if key != labels.POD_TEMPLATE_HASH and template.get(key) != value:
            return f'Service "{name}" has unmatch label "{key}" in rollout'
    if service.managed_by and service.managed_by != world.rollout.metadata.name:
        return f'Service "{name}" is managed by another Rollout'
    return ""


def analyses(rollout: Rollout) -> Iterator[tuple[str, RolloutAnalysis, bool]]:
    """Every analysis of the strategy: its path, itself, and whether it runs in the background."""
    canary, blue_green = rollout.spec.strategy.canary, rollout.spec.strategy.blue_green
    if blue_green is not None and blue_green.pre_promotion_analysis is not None:
        yield f"{_BLUE_GREEN}.prePromotionAnalysis.templates", blue_green.pre_promotion_analysis, False
    if blue_green is not None and blue_green.post_promotion_analysis is not None:
        yield f"{_BLUE_GREEN}.postPromotionAnalysis.templates", blue_green.post_promotion_analysis, False
    if canary is None:
        return
    for index, step in enumerate(canary.steps):
        if step.analysis is not None:
            yield f"{_CANARY}.steps[{index}].analysis.templates", step.analysis, False
    if canary.analysis is not None:
        yield f"{_CANARY}.analysis.templates", canary.analysis, True


def template_refs(rollout: Rollout) -> Iterator[AnalysisTemplateRef]:
    """Every template that the strategy names."""
    for _, analysis, _ in analyses(rollout):
        yield from analysis.templates


def _analyses(world: World) -> Iterator[str]:
    for path, analysis, background in analyses(world.rollout):
        error = analysis_fault(world, path, analysis, background=background)
        if error:
            yield error
