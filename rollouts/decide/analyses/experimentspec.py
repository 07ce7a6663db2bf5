"""Pure. From an experiment step to the spec of its Experiment, and what stands in the way."""

from collections.abc import Iterator
from dataclasses import dataclass

from analysis.api import Argument
from analysis.schema import Obj
from rollouts.api import fielderrors, labels
from rollouts.api.experiment import (
    ExperimentAnalysisTemplateRef,
    ExperimentSpec,
    RolloutExperimentStep,
    RolloutExperimentTemplate,
    TemplateService,
    TemplateSpec,
)
from rollouts.api.meta import LabelSelector
from rollouts.api.rollout import Rollout
from rollouts.api.rules.experiment import container_ports, experiment_fault
from rollouts.api.template import templates_equal
from rollouts.decide.analyses.arguments import FieldError, resolve
from rollouts.decide.context import Context
from rollouts.decide.world import Hash, ReplicaSet, World

_DUMMY_STABLE, _DUMMY_LATEST = Hash("dummy-stable-hash"), Hash("dummy-new-hash")
_REFS = ("canary", "stable")


@dataclass(frozen=True, slots=True)
class _Pods:
    """The pods that a template of the step takes over: their template, how they are found, and their patience."""

    template: Obj
    selector: LabelSelector
    min_ready_seconds: int


def spec_of_experiment(ctx: Context, step: RolloutExperimentStep, new: ReplicaSet, stable: ReplicaSet) -> Obj:
    """The spec of an Experiment of this step."""
    pods = {"canary": _pods_of(ctx, new), "stable": _pods_of(ctx, stable)}
    return _spec(ctx.rollout, step, pods, stable=stable.hash, latest=ctx.hash).wire()


def _pods_of(ctx: Context, rs: ReplicaSet) -> _Pods:
    selector = ctx.spec.selector or LabelSelector()
    matched = {**selector.match_labels, labels.POD_TEMPLATE_HASH: rs.hash}
    return _Pods(rs.template, selector.model_copy(update={"match_labels": matched}), rs.min_ready_seconds)


def _spec(
    rollout: Rollout, step: RolloutExperimentStep, pods: dict[str, _Pods], *, stable: Hash, latest: Hash
) -> ExperimentSpec:
    return ExperimentSpec(
        templates=tuple(_template(template, pods[template.spec_ref]) for template in step.templates),
        duration=step.duration,
        progress_deadline_seconds=rollout.spec.progress_deadline_seconds,
        analyses=tuple(
            ExperimentAnalysisTemplateRef(
                name=analysis.name,
                template_name=analysis.template_name,
                cluster_scope=analysis.cluster_scope,
                args=resolve(analysis.args, rollout, stable=stable, latest=latest),
                required_for_completion=analysis.required_for_completion,
            )
            for analysis in step.analyses
        ),
        scale_down_delay_seconds=step.scale_down_delay_seconds,
        dry_run=step.dry_run,
        analysis_run_metadata=step.analysis_run_metadata,
    )


def _template(template: RolloutExperimentTemplate, pods: _Pods) -> TemplateSpec:
    added = template.metadata
    metadata = dict(pods.template.get("metadata") or {})
    metadata["labels"] = {**(metadata.get("labels") or {}), **added.labels}
    if added.annotations:
        metadata["annotations"] = {**(metadata.get("annotations") or {}), **added.annotations}
    selector = template.selector or pods.selector
    matched = {**selector.match_labels, **added.labels}
    wants_service = template.service is not None or template.weight is not None
    return TemplateSpec(
        name=template.name,
        replicas=template.replicas,
        min_ready_seconds=pods.min_ready_seconds,
        selector=selector.model_copy(update={"match_labels": matched}),
        template={**pods.template, "metadata": metadata},
        service=(template.service or TemplateService()) if wants_service else None,
    )


def same_experiment(one: Obj, other: Obj) -> bool:
    """Whether two specs run the same, however the API server has filled them in; whether it is to end counts not."""
    first, second = ExperimentSpec.model_validate(one), ExperimentSpec.model_validate(other)
    if _but_pods(first) != _but_pods(second):
        return False
    pairs = zip(first.templates, second.templates, strict=True)
    return all(templates_equal(a.template, b.template) for a, b in pairs)


def _but_pods(spec: ExperimentSpec) -> ExperimentSpec:
    bare = tuple(template.model_copy(update={"template": {}}) for template in spec.templates)
    return spec.model_copy(update={"templates": bare, "terminate": False})


# ── what stands in the way ──


def experiment_faults(world: World) -> Iterator[str]:
    """Why no Experiment can come of a step, as `<path>: Invalid value: ...`."""
    canary = world.rollout.spec.strategy.canary
    for index, step in enumerate(canary.steps if canary else ()):
        if step.experiment is not None:
            yield from _faults(world.rollout, step.experiment, f"spec.strategy.canary.steps[{index}].experiment")


def _faults(rollout: Rollout, step: RolloutExperimentStep, path: str) -> Iterator[str]:
    template = rollout.spec.template or {}
    for at, one in enumerate(step.templates):
        where = f"{path}.templates[{at}]"
        if one.spec_ref not in _REFS:
            yield fielderrors.invalid(
                f"{where}.specRef", one.spec_ref, "Invalid template step SpecRef: must be canary or stable"
            )
            return
        if one.weight is not None and not container_ports(template):
            detail = "traffic needs a Service, and no container of spec.template declares a port to make one of"
            yield fielderrors.invalid(f"{where}.weight", one.weight, detail)
    pods = _Pods(template, rollout.spec.selector or LabelSelector(), rollout.spec.min_ready_seconds)
    try:
        spec = _spec(rollout, step, dict.fromkeys(_REFS, pods), stable=_DUMMY_STABLE, latest=_DUMMY_LATEST)
    except FieldError as error:
        args: tuple[Argument, ...] = ()
        yield fielderrors.invalid(f"{path}.analyses", _args_of(step) or args, str(error))
        return
    fault = experiment_fault(rollout.metadata.name, spec)
    if fault:
        yield fielderrors.invalid(path, "experiment", fault)


def _args_of(step: RolloutExperimentStep) -> tuple[object, ...]:
    return tuple(arg for analysis in step.analyses for arg in analysis.args)
