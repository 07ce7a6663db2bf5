"""Pure. What the spec of an Experiment may not say, as far as it can be told without a cluster."""

from collections.abc import Iterator

from analysis.schema import parse_duration
from rollouts.api.experiment import ExperimentSpec, TemplateSpec
from rollouts.api.gotypes import WrongType
from rollouts.api.rules.numbers import number_errors
from rollouts.api.template import pod_template_hash

PROGRESS_DEADLINE_SECONDS = 600
SCALE_DOWN_DELAY_SECONDS = 30
REPLICAS = 1


def progress_deadline_seconds(spec: ExperimentSpec) -> int:
    """Seconds that a version has to become available."""
    given = spec.progress_deadline_seconds
    return PROGRESS_DEADLINE_SECONDS if given is None else given


def scale_down_delay_seconds(spec: ExperimentSpec) -> int:
    """Seconds for which the pods of a version that is over are kept."""
    given = spec.scale_down_delay_seconds
    return SCALE_DOWN_DELAY_SECONDS if given is None else given


def replicas(template: TemplateSpec) -> int:
    """How many pods a version has while it runs."""
    return REPLICAS if template.replicas is None else template.replicas


def container_ports(template: dict[str, object]) -> bool:
    """Whether any container of a pod template declares a port: without one no Service can be made."""
    spec = template.get("spec")
    containers = spec.get("containers") if isinstance(spec, dict) else None
    return any(container.get("ports") for container in containers or () if isinstance(container, dict))


def experiment_fault(name: str, spec: ExperimentSpec) -> str:
    """The first fault of the spec of the Experiment `name`, or ""."""
    return next(_faults(name, spec), "")


def _faults(name: str, spec: ExperimentSpec) -> Iterator[str]:
    yield from number_errors(spec)
    seen: set[str] = set()
    for index, template in enumerate(spec.templates):
        yield from _template_faults(name, spec, index, template, seen)
        seen.add(template.name)
    if spec.duration:
        try:
            parse_duration(spec.duration)
        except ValueError as error:
            yield f"Experiment {name} has an invalid duration: {error}"
    analyses: set[str] = set()
    for analysis in spec.analyses:
        if analysis.name in analyses:
            yield f"Experiment {name} has repeated analysis name '{analysis.name}' in analyses"
        analyses.add(analysis.name)


def _template_faults(
    name: str, spec: ExperimentSpec, index: int, template: TemplateSpec, seen: set[str]
) -> Iterator[str]:
    if template.selector is None:
        yield f"Rollout has missing field '.Spec.Templates[{index}].Selector'"
    elif template.selector.empty:
        yield f"This experiment is selecting all pods at index {index}. A non-empty selector is required."
    if template.min_ready_seconds > progress_deadline_seconds(spec):
        yield f"MinReadySeconds cannot be longer than ProgressDeadlineSeconds. Check template index {index}"
    if not template.name:
        yield f"Experiment {name} has empty template name at index {index}"
    if template.name in seen:
        yield f"Experiment {name} has repeated template name '{template.name}' in templates"
    try:
        pod_template_hash(template.template)
    except WrongType as error:
        yield f"Experiment {name} has an invalid pod template at index {index}: {error}"
