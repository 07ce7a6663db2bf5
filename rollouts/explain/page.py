"""Pure. Every template and Rollout of a set of files in words."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta

from analysis.api import AnalysisPhase, AnalysisTemplate, Argument
from analysis.validate import invalid_metric, matching
from rollouts.api import defaults
from rollouts.api.canary import CanaryStep, RolloutAnalysis
from rollouts.api.rollout import Rollout
from rollouts.explain.asked import seconds
from rollouts.explain.metric import GOOD, told
from rollouts.explain.trials import always, tried
from rollouts.lint.fileset import FileSet, Read, Use, asked_of
from rollouts.lint.filled import known, likely


def explain(files: FileSet) -> str:
    """The whole text; "" when there is nothing to explain."""
    blocks = [_block(_rollout(files, one)) for one in files.of(Rollout)]
    blocks += [_block(_template(one)) for one in files.templates]
    return "\n".join(blocks)


def _block(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


# ── templates ──────────────────────────────────────────────────────────────


def _template(one: Read[AnalysisTemplate], given: Sequence[Argument] = ()) -> Iterator[str]:
    template, document = one.value, one.document
    yield f"{template.kind} {template.name} ({document.path}:{document.line()})"
    args = (*template.spec.args, *given)
    open_ones = [arg.name for arg in template.spec.args if arg.value_from is None and arg.name not in known(args)]
    if open_ones:
        yield f"  needs the argument{'s' * (len(open_ones) > 1)} {', '.join(open_ones)}"
    if template.spec.templates:
        yield f"  includes {', '.join(reference.template_name for reference in template.spec.templates)}"
    metrics = tuple(likely(metric, args) for metric in template.spec.metrics)
    dry = {name for rule in template.spec.dry_run for name in matching(rule.metric_name, metrics)}
    asked = asked_of(document)
    for written, metric in zip(template.spec.metrics, metrics, strict=True):
        yield f"  metric {metric.name}"
        yield from (f"    {line}" for line in told(metric, metric.name in dry, asked.get(written.name)))


# ── releases ───────────────────────────────────────────────────────────────


def _rollout(files: FileSet, one: Read[Rollout]) -> Iterator[str]:
    rollout, document = one.value, one.document
    canary, blue_green = rollout.spec.strategy.canary, rollout.spec.strategy.blue_green
    uses = [use for use in files.uses if use.document is document]
    yield f"Rollout {rollout.name} ({document.path}:{document.line()})"
    if canary is not None:
        if canary.analysis is not None and canary.analysis.templates:
            first = canary.analysis.starting_step
            since = f"from step {first + 1} on" if first else "from the start"
            yield f"  beside the steps, {since}: the analysis {_names(canary.analysis)}; its failure aborts"
        for index, step in enumerate(canary.steps):
            yield f"  {index + 1}. {_step(files, uses, step, index)}"
        yield f"  {'then' if canary.steps else 'without steps:'} all pods are of the new version"
    if blue_green is not None:
        for when, analysis in (
            ("before the switch", blue_green.pre_promotion_analysis),
            ("after the switch", blue_green.post_promotion_analysis),
        ):
            if analysis is not None:
                yield f"  {when}: waits for the analysis {_names(analysis)}; its failure aborts"
        manual = blue_green.auto_promotion_enabled is False
        yield f"  switches all traffic {'when somebody promotes it' if manual else 'by itself'}"


def _step(files: FileSet, uses: Sequence[Use], step: CanaryStep, index: int) -> str:
    if step.set_weight is not None:
        return f"{step.set_weight} % to the canary"
    if step.pause is not None:
        if step.pause.duration is None or step.pause.duration in (0, "0"):
            return "waits until somebody promotes it" if step.pause.duration is None else "does not wait"
        return f"waits {defaults.pause_seconds(step.pause.duration)} s"
    if step.analysis is not None:
        use = next(use for use in uses if use.at == ("spec", "strategy", "canary", "steps", index, "analysis"))
        return f"waits for the analysis {_names(step.analysis)}{_lasts(files, use)}; its failure aborts"
    if step.experiment is not None:
        return f"runs an Experiment of {', '.join(one.name for one in step.experiment.templates)} and waits for its end"
    others = ("set_canary_scale", "set_header_route", "set_mirror_route", "plugin")
    named = next((name for name in others if getattr(step, name) is not None), "nothing")
    return {
        "set_canary_scale": "sets the number of canary pods",
        "set_header_route": "sends requests with certain headers to the canary",
        "set_mirror_route": "sends copies of requests to the canary",
    }.get(named, "does what this controller refuses")


def _names(analysis: RolloutAnalysis) -> str:
    return ", ".join(reference.template_name for reference in analysis.templates)


def _lasts(files: FileSet, use: Use) -> str:
    """How long an analysis takes when all goes well."""
    longest = timedelta(0)
    for template in files.resolved(use):
        for metric in template.spec.metrics:
            filled = likely(metric, (*template.spec.args, *use.args))
            if invalid_metric(filled):
                return ", which cannot run"
            trial = tried(filled, always(GOOD))
            if trial.phase is AnalysisPhase.NONE:
                return ", which never ends, so the Rollout is refused"
            longest = max(longest, trial.after)
    return f" ({seconds(longest)} when all is good)" if longest else ""
