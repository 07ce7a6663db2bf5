"""Pure. What an Experiment has come to: phase, message, conditions, and the events that tell of it."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from rollouts.api.experiment import ExperimentAnalysisRunStatus, ExperimentStatus, TemplateStatus
from rollouts.api.status import Condition
from rollouts.decide.plan import Event
from rollouts.experiment.view import (
    BAD,
    ENDED,
    ERROR,
    FAILED,
    INCONCLUSIVE,
    PENDING,
    PROGRESSING,
    RUNNING,
    SUCCESSFUL,
    View,
)

INVALID_SPEC = "InvalidSpec"
REQUIRED_DONE = "Required AnalysisRuns completed"

_TEMPLATES_WORST_LAST = (SUCCESSFUL, RUNNING, PROGRESSING, ERROR, FAILED)
_ANALYSES_WORST_LAST = (SUCCESSFUL, RUNNING, INCONCLUSIVE, ERROR, FAILED)
_PHASE_OF_TEMPLATE = {PROGRESSING: PENDING}


def after(
    view: View, templates: Sequence[TemplateStatus], analyses: Sequence[ExperimentAnalysisRunStatus]
) -> ExperimentStatus:
    """The status that goes with what has become of the versions and the analyses."""
    stored = view.stored
    phase, message = stored.phase, stored.message
    if not view.ended:
        phase, message = _phase(view, templates, analyses)
    available_at = stored.available_at
    if available_at is None and not view.ending and all(one.status == RUNNING for one in templates):
        available_at = view.now
    conditions = _conditions(view, phase, message)
    return stored.model_copy(
        update={
            "phase": phase,
            "message": message,
            "available_at": available_at,
            "template_statuses": tuple(templates),
            "analysis_runs": tuple(analyses),
            "conditions": conditions,
        }
    )


def _phase(
    view: View, templates: Sequence[TemplateStatus], analyses: Sequence[ExperimentAnalysisRunStatus]
) -> tuple[str, str]:
    """(phase, message). Versions that failed count before analyses, and these before versions that went well."""
    worst = _worst(((one.status, one.message) for one in templates), _TEMPLATES_WORST_LAST)
    judged = _worst(((_running(one.phase), one.message) for one in analyses), _ANALYSES_WORST_LAST)
    open_ = [one for one in analyses if one.phase not in ENDED]
    required = {one.name for one in view.required}
    met = bool(required) and all(
        any(one.name == name and one.phase == SUCCESSFUL for one in analyses) for name in required
    )
    if met and judged[0] == SUCCESSFUL:
        judged = SUCCESSFUL, REQUIRED_DONE
    if worst[0] in ENDED:
        by_analyses = worst[0] == SUCCESSFUL and (not open_ or bool(required))
        return judged if by_analyses else worst
    if judged[0] in BAD or met:
        return judged
    return _PHASE_OF_TEMPLATE.get(worst[0], worst[0]), worst[1]


def _running(phase: str) -> str:
    return phase if phase in ENDED else RUNNING


def _worst(found: Iterable[tuple[str, str]], order: Sequence[str]) -> tuple[str, str]:
    """The worst of (phase, message) pairs, the first of equals; Successful when there are none."""
    worst = SUCCESSFUL, ""
    for phase, message in found:
        if order.index(phase) > order.index(worst[0]):
            worst = phase, message
    return worst


# ── conditions ──


def _conditions(view: View, phase: str, message: str) -> tuple[Condition, ...]:
    name = view.name
    kept = tuple(one for one in view.stored.conditions if one.type != INVALID_SPEC)
    if phase == PENDING:
        told = ("True", "ReplicaSetUpdated", f'Experiment "{name}" is progressing.')
    elif phase == RUNNING:
        told = ("True", "NewReplicaSetAvailable", f'Experiment "{name}" is running.')
    elif phase == SUCCESSFUL:
        told = ("False", "ExperimentCompleted", f'Experiment "{name}" has successfully ran and completed.')
    else:
        why = f": {message}" if message else ""
        told = ("False", "ExperimentCompleted", f'Experiment "{name}" has ended: {phase}{why}')
    return with_condition(kept, PROGRESSING, *told, now=view.now)


def with_condition(
    conditions: tuple[Condition, ...], type: str, status: str, reason: str, message: str, *, now: datetime
) -> tuple[Condition, ...]:
    """The conditions with one of them set; unchanged when it says the same already."""
    old = next((one for one in conditions if one.type == type), None)
    if old is not None and (old.status, old.reason, old.message) == (status, reason, message):
        return conditions
    turned = old.last_transition_time if old is not None and old.status == status else now
    new = Condition(
        type=type, status=status, reason=reason, message=message, last_update_time=now, last_transition_time=turned
    )
    return (*(one for one in conditions if one is not old), new)


def invalid(view: View) -> ExperimentStatus:
    """The status of an Experiment whose spec cannot be acted on: a condition that names the fault, and no more."""
    stored = view.stored
    found = with_condition(stored.conditions, INVALID_SPEC, "True", INVALID_SPEC, view.world.fault, now=view.now)
    return stored.model_copy(update={"conditions": found})


# ── events ──


def events(before: ExperimentStatus, after: ExperimentStatus) -> Iterator[Event]:
    """What has changed, in the words of clients of Argo Rollouts."""
    known = {one.name: one.status for one in before.template_statuses}
    for template in after.template_statuses:
        was = known.get(template.name, "")
        if template.status != was:
            yield _event("Template", f"Template '{template.name}'", was, template.status, template.message)
    yield from analysis_events(before, after)
    if after.phase != before.phase:
        yield _event("Experiment", "Experiment", before.phase, after.phase, "")


def analysis_events(before: ExperimentStatus, after: ExperimentStatus) -> Iterator[Event]:
    """What has changed about analyses: told of the Experiment, and of the Rollout that it belongs to."""
    phases = {one.name: one.phase for one in before.analysis_runs}
    for analysis in after.analysis_runs:
        was = phases.get(analysis.name, "")
        if analysis.phase != was:
            yield _event("AnalysisRun", f"AnalysisRun '{analysis.name}'", was, analysis.phase, analysis.message)


def _event(kind: str, what: str, before: str, after: str, message: str) -> Event:
    text = f"{what} transitioned from {before} -> {after}" + (f": {message}" if message else "")
    return Event(f"{kind}{after}", text, "Warning" if after in BAD else "Normal")
