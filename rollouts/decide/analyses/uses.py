"""Pure. Which analyses the strategy asks for now."""

from collections.abc import Mapping
from dataclasses import dataclass

from rollouts.api.canary import RolloutAnalysis
from rollouts.api.status import RolloutAnalysisRunStatus
from rollouts.decide.analyses.slots import entry
from rollouts.decide.context import Context
from rollouts.decide.course.previews import active_hash, is_active, is_full, is_ready, replaces, selected, strategy
from rollouts.decide.facts import Slot
from rollouts.decide.traffic.balancers import switch_is_seen


@dataclass(frozen=True, slots=True)
class Use:
    """One analysis that the strategy asks for now. `suffix` ends the names of its runs."""

    slot: Slot
    analysis: RolloutAnalysis
    entry: RolloutAnalysisRunStatus | None
    suffix: str = ""
    step: int | None = None


Uses = Mapping[Slot, Use | None]


def uses(ctx: Context) -> Uses:
    """Every kind of analysis that the strategy knows, with what it asks for, if anything."""
    return _of_promotion(ctx) if ctx.blue_green is not None else _of_canary(ctx)


def _of_canary(ctx: Context) -> Uses:
    if ctx.initial or ctx.returns_to_stable or ctx.rolls_back_fast or ctx.status.promote_full or ctx.changed:
        return {"Background": None, "Step": None}
    return {"Background": _background(ctx), "Step": _of_step(ctx)}


def _background(ctx: Context) -> Use | None:
    """Begins with its step; at once where there are no steps to count."""
    analysis = ctx.canary.analysis
    if analysis is None or not analysis.templates or (ctx.steps and ctx.index < (analysis.starting_step or 0)):
        return None
    return Use("Background", analysis, entry(ctx.status, "Background"))


def _of_step(ctx: Context) -> Use | None:
    step = ctx.step
    if step is None or step.analysis is None or not step.analysis.templates:
        return None
    return Use("Step", step.analysis, entry(ctx.status, "Step"), f"-{ctx.index}", ctx.index)


def _of_promotion(ctx: Context) -> Uses:
    return {"PrePromotion": _before(ctx), "PostPromotion": _after(ctx)}


def _before(ctx: Context) -> Use | None:
    """Begins once the preview is ready and its Service leads to it; goes on when pods are lost meanwhile."""
    analysis = strategy(ctx).pre_promotion_analysis
    if analysis is None or not replaces(ctx) or ctx.changed:
        return None
    began = entry(ctx.status, "PrePromotion")
    preview = strategy(ctx).preview_service
    leads = not preview or selected(ctx, preview) == ctx.hash
    return Use("PrePromotion", analysis, began, "-pre") if began or (is_ready(ctx) and leads) else None


def _after(ctx: Context) -> Use | None:
    """Begins once the switch is recorded and the new version is whole."""
    analysis, new = strategy(ctx).post_promotion_analysis, ctx.new
    if analysis is None or new is None or not awaits_judgement(ctx):
        return None
    began = entry(ctx.status, "PostPromotion")
    recorded = ctx.stored.blue_green.active_selector == active_hash(ctx) and switch_is_seen(ctx)
    return Use("PostPromotion", analysis, began, "-post") if began or (recorded and is_full(ctx, new)) else None


def awaits_judgement(ctx: Context) -> bool:
    """Users are on the new version, but it is stable only once the analysis after the switch says so."""
    settled = ctx.initial or ctx.is_stable or ctx.aborted or ctx.status.promote_full or ctx.changed
    return is_active(ctx) and not settled
