"""Pure. From the templates that an analysis names to the spec of its AnalysisRun (stand-in until analysis.templates)."""

from analysis.schema import Obj
from rollouts.api.canary import RolloutAnalysis
from rollouts.decide.context import Context
from rollouts.decide.world import World


def run_spec(ctx: Context, analysis: RolloutAnalysis) -> Obj:
    metrics, args = [], {}
    for ref in analysis.templates:
        template = ctx.world.templates[ref.cluster_scope, ref.template_name]
        metrics += [m.wire() for m in template.spec.metrics]
        for arg in template.spec.args:
            args.setdefault(arg.name, arg.wire())
    for given in analysis.args:
        if given.name in args:
            args[given.name] = {"name": given.name, "value": given.value}
    return {"metrics": metrics, "args": list(args.values())}


def analysis_fault(world: World, path: str, analysis: RolloutAnalysis, *, background: bool) -> str:
    for ref in analysis.templates:
        if world.templates.get((ref.cluster_scope, ref.template_name)) is None:
            return f"{path}: Invalid value: \"{ref.template_name}\": AnalysisTemplate '{ref.template_name}' not found"
    return ""
