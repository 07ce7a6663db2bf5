"""Pure. The versions of an Experiment: their ReplicaSets and Services, and what has become of each.

Pods and Service of a version go only when no recorded share of the owning Rollout's traffic leads to them any more.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from analysis.schema import format_time, parse_time
from rollouts.api import labels
from rollouts.api.experiment import TemplateSpec, TemplateStatus
from rollouts.api.rules.experiment import progress_deadline_seconds, replicas, scale_down_delay_seconds
from rollouts.decide.context import scale_down_deadline
from rollouts.decide.plan import UpdateReplicaSet, Wait
from rollouts.decide.world import ReplicaSet
from rollouts.experiment import manifests
from rollouts.experiment.plan import Action, CreateReplicaSet, CreateService, DeleteService
from rollouts.experiment.view import ENDED, ERROR, FAILED, PROGRESSING, RUNNING, SUCCESSFUL, View
from rollouts.experiment.world import Owner


def follow(view: View) -> Iterator[Action | Wait]:
    """What has to be done about the pods of every version."""
    for template in view.spec.templates:
        if view.over(template):
            yield from _take_down(view, template.name, view.replica_set_of(template))
        elif len(view.replica_sets_of(template)) <= 1:
            yield from _put_up(view, template)
    for name, rs in view.dropped.items():
        yield from _take_down(view, name, rs)


def _put_up(view: View, template: TemplateSpec) -> Iterator[Action | Wait]:
    rs, size = view.replica_set_of(template), replicas(template)
    if rs is None:
        name = manifests.replica_set_name(view, template)
        yield CreateReplicaSet(template.name, name, manifests.replica_set(view, template))
    elif rs.replicas != size or scale_down_deadline(rs) is not None:
        undo: dict[str, str | None] = {labels.SCALE_DOWN_DEADLINE: None} if scale_down_deadline(rs) is not None else {}
        yield UpdateReplicaSet(rs.name, size if rs.replicas != size else None, undo)
    if size:
        yield from _serve(view, template)
    late = _late_at(view, view.status_of(template))
    if late is not None:
        yield Wait(f"pods of template {template.name} have to become available", late)


def _serve(view: View, template: TemplateSpec) -> Iterator[Action | Wait]:
    name = manifests.service_name(view, template)
    if not name:
        return
    found = view.world.services.get(name)
    if found is None:
        yield CreateService(template.name, name, manifests.service(view, template))
    elif found.owner is Owner.EXPERIMENT or found.deleting:
        yield Wait(f"Service {name} has to be given up by the Experiment that ran before")


def _take_down(view: View, name: str, rs: ReplicaSet | None) -> Iterator[Action | Wait]:
    ours = [one for one in view.world.services.values() if one.owner is Owner.OURS and one.template == name]
    told = {one.service_name for one in view.stored.template_statuses if one.name == name}
    if (told | {one.name for one in ours}) & view.world.routed:
        yield Wait(f"pods of template {name} are kept while a recorded share of traffic leads to them")
        return
    if rs is not None and rs.replicas:
        yield from _shrink(view, rs)
    if rs is None or rs.available == 0:
        yield from (DeleteService(one.name) for one in ours if not one.deleting)


def _shrink(view: View, rs: ReplicaSet) -> Iterator[UpdateReplicaSet | Wait]:
    deadline, delay = scale_down_deadline(rs), scale_down_delay_seconds(view.spec)
    if delay <= 0:
        yield UpdateReplicaSet(rs.name, 0, {labels.SCALE_DOWN_DEADLINE: None} if deadline is not None else {})
    elif deadline is None:
        at = view.now + timedelta(seconds=delay)
        yield UpdateReplicaSet(rs.name, annotations={labels.SCALE_DOWN_DEADLINE: format_time(at)})
        yield Wait(f"ReplicaSet {rs.name} is scaled down in {delay}s", at)
    elif _moment(view, deadline) > view.now:
        yield Wait(f"ReplicaSet {rs.name} is scaled down at {deadline}", _moment(view, deadline))
    else:
        yield UpdateReplicaSet(rs.name, 0)


def _moment(view: View, deadline: str) -> datetime:
    """A deadline that cannot be read has passed: nobody could tell when it would."""
    try:
        return parse_time(deadline)
    except ValueError:
        return view.now


# ── what has become of a version ──


def status_of(view: View, template: TemplateSpec) -> TemplateStatus:
    """The status of a version now. An end is never taken back."""
    before, rs = view.status_of(template), view.replica_set_of(template)
    status, message = before.status, before.message
    if status not in ENDED:
        status, message = _judged(view, template, rs, before)
    return before.model_copy(
        update={
            "replicas": rs.current if rs else 0,
            "updated_replicas": rs.current if rs else 0,
            "ready_replicas": rs.ready if rs else 0,
            "available_replicas": rs.available if rs else 0,
            "status": status,
            "message": message,
            "last_transition_time": before.last_transition_time if status == before.status else view.now,
            "service_name": _service_of(view, template),
            "pod_template_hash": rs.hash if rs else before.pod_template_hash,
        }
    )


def _service_of(view: View, template: TemplateSpec) -> str:
    ours = (one for one in view.world.services.values() if one.owner is Owner.OURS)
    return next((one.name for one in ours if one.template == template.name), "")


def _judged(view: View, template: TemplateSpec, rs: ReplicaSet | None, before: TemplateStatus) -> tuple[str, str]:
    refused = view.world.refused_templates.get(template.name) or _conflict(view, template)
    if refused:
        return ERROR, refused
    ready = not view.ending and rs is not None and _is_ready(view, template, rs)
    if ready and view.time_is_up:
        return SUCCESSFUL, ""
    if ready:
        return RUNNING, ""
    late = _late_at(view, before)
    if late is not None and view.now >= late:
        seconds = progress_deadline_seconds(view.spec)
        return FAILED, f"Template '{template.name}' exceeded its progressDeadlineSeconds ({seconds})"
    return (SUCCESSFUL, "") if view.ending else (PROGRESSING, "")


def _conflict(view: View, template: TemplateSpec) -> str:
    """Why this version can never run, as far as it can be seen."""
    several = view.replica_sets_of(template)
    if len(several) > 1:
        names = ", ".join(sorted(rs.name for rs in several))
        return f"several ReplicaSets claim to be template '{template.name}': {names}; delete all but one"
    found = view.world.services.get(manifests.service_name(view, template))
    taken = found is not None and (
        found.owner is Owner.FOREIGN or (found.owner is Owner.OURS and found.template != template.name)
    )
    if taken and found is not None and not view.over(template):
        return f"Service '{found.name}' exists and is not template '{template.name}' of this Experiment's"
    return ""


def _is_ready(view: View, template: TemplateSpec, rs: ReplicaSet) -> bool:
    size = replicas(template)
    if not (rs.replicas == rs.available == size):
        return False
    return not size or not manifests.service_name(view, template) or bool(_service_of(view, template))


def _late_at(view: View, before: TemplateStatus) -> datetime | None:
    """When a version that is on its way is too late; None when it is not on its way."""
    if before.status != PROGRESSING or before.last_transition_time is None:
        return None
    return before.last_transition_time + timedelta(seconds=progress_deadline_seconds(view.spec))
