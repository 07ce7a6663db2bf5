"""Pure. What a person may do to a Rollout, an AnalysisRun or an Experiment, as patches to send and words to print.

Each operation takes objects as the API server gave them (only those whose answer depends on their state) and returns
an `Operation`: changes to make in this order, and the line that tells of success. It raises `NotPossible`, with the
words for the user, when there is nothing sensible to patch.

A change of the subresource `status` that meets NotFound is to be sent to the object itself: definitions of the
resource from before the subresource existed keep status there.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from analysis.schema import format_time
from rollouts.api.gotypes import WrongType
from rollouts.api.labels import EPHEMERAL_METADATA, POD_TEMPLATE_HASH
from rollouts.kube.fields import number, part, parts, revision_of, text
from rollouts.kube.patch import nested, op_add, op_replace, op_test
from rollouts.kube.refs import (
    ANALYSIS_RUN,
    DEPLOYMENT,
    EXPERIMENT,
    POD_TEMPLATE,
    REPLICA_SET,
    ROLLOUT,
    Obj,
    Ref,
    controller_of,
    name_of,
    namespace_of,
    uid_of,
)
from rollouts.kube.wire import PatchType


class NotPossible(Exception):
    """The operation makes no sense for this object; the message says why."""


@dataclass(frozen=True, slots=True)
class Change:
    """One patch of one object."""

    ref: Ref
    patch: Obj | list[Obj]
    type: PatchType = PatchType.MERGE
    subresource: str = ""


@dataclass(frozen=True, slots=True)
class Operation:
    """Changes in the order in which to make them, and what to print once all are made."""

    changes: tuple[Change, ...]
    message: str


def abort(namespace: str, name: str) -> Operation:
    """Back to the stable version; the Rollout stays Degraded until it is retried or changed."""
    return Operation((_status(_rollout(namespace, name), abort=True),), f"rollout '{name}' aborted")


def retry(namespace: str, name: str) -> Operation:
    """Begin an aborted update anew."""
    return Operation((_status(_rollout(namespace, name), abort=False),), f"rollout '{name}' retried")


def pause(namespace: str, name: str) -> Operation:
    return Operation((_spec(_rollout(namespace, name), paused=True),), f"rollout '{name}' paused")


def restart(namespace: str, name: str, at: datetime, after: str = "0s") -> Operation:
    """Replace every Pod at a moment; `after` is the wait until then as the user wrote it."""
    change = _spec(_rollout(namespace, name), restartAt=format_time(at))
    return Operation((change,), f"rollout '{name}' restarts in {after}")


def terminate_analysis_run(namespace: str, name: str) -> Operation:
    change = _spec(Ref(ANALYSIS_RUN, namespace, name), terminate=True)
    return Operation((change,), f"analysisRun '{name}' terminated")


def terminate_experiment(namespace: str, name: str) -> Operation:
    change = _spec(Ref(EXPERIMENT, namespace, name), terminate=True)
    return Operation((change,), f"experiment '{name}' terminated")


def retry_experiment(namespace: str, name: str) -> Operation:
    """Forget how the Experiment went, so that it runs again."""
    return Operation((Change(Ref(EXPERIMENT, namespace, name), {"status": None}),), f"experiment '{name}' retried")


def promote(rollout: Obj, *, full: bool = False, skip_current: bool = False, skip_all: bool = False) -> Operation:
    """Go on: past the pause, past the current step, past all steps, or (`full`) at once to the end.

    The status is patched before spec.paused is taken away, so that the controller never sees a Rollout that is free
    to go on but has not been told where to.
    """
    _check_promotion(rollout, full, skip_current, skip_all)
    ref = _ref(rollout)
    unpause = (_spec(ref, paused=False),) if part(rollout, "spec").get("paused") else ()
    if full:
        done = text(rollout, "status", "currentPodHash") == text(rollout, "status", "stableRS")
        changes = () if done else (_status(ref, promoteFull=True),)
        return Operation((*changes, *unpause), f"rollout '{ref.name}' fully promoted")
    if skip_current or skip_all:
        index = _last_step(rollout) if skip_all else _next_step(rollout)
        return Operation((_status(ref, currentStepIndex=index),), f"rollout '{ref.name}' promoted")
    return Operation((*_going_on(rollout, ref), *unpause), f"rollout '{ref.name}' promoted")


def _check_promotion(rollout: Obj, full: bool, skip_current: bool, skip_all: bool) -> None:
    if skip_current and skip_all:
        raise NotPossible("Cannot use skip-current-step and skip-all-steps flags at the same time")
    if not (skip_current or skip_all):
        return
    if full:
        raise NotPossible("Cannot use full together with skip-current-step or skip-all-steps")
    if "blueGreen" in part(rollout, "spec", "strategy"):
        raise NotPossible("Cannot skip steps of a bluegreen rollout. Run without a flags")
    if not _last_step(rollout):
        raise NotPossible("Cannot skip steps of a rollout without steps")


def _going_on(rollout: Obj, ref: Ref) -> Iterator[Change]:
    """Past a pause by clearing it (the controller then moves on by itself), past any other step by naming the next."""
    status = part(rollout, "status")
    steps = _last_step(rollout)
    if parts(status, "pauseConditions"):
        verdict = text(status, "canary", "currentStepAnalysisRunStatus", "status")
        if steps and status.get("controllerPause") and verdict == "Inconclusive":
            yield _status(ref, pauseConditions=None, controllerPause=False, currentStepIndex=_next_step(rollout))
        else:
            yield _status(ref, pauseConditions=None)
    elif steps:
        yield _status(ref, pauseConditions=None, currentStepIndex=_next_step(rollout))


def _last_step(rollout: Obj) -> int:
    return len(parts(rollout, "spec", "strategy", "canary", "steps"))


def _next_step(rollout: Obj) -> int:
    return min(number(rollout, "status", "currentStepIndex") + 1, _last_step(rollout))


def workload_of(rollout: Obj) -> Ref | None:
    """The object that holds the Pod template in the Rollout's place (spec.workloadRef), None when it has its own."""
    reference = part(rollout, "spec", "workloadRef")
    if not reference:
        return None
    kinds = {"Deployment": DEPLOYMENT, "ReplicaSet": REPLICA_SET, "PodTemplate": POD_TEMPLATE}
    resource = kinds.get(text(reference, "kind"))
    if resource is None:
        group = text(reference, "apiVersion").rpartition("/")[0]
        raise NotPossible(f"workload of type {group}/{text(reference, 'kind')} is not supported")
    return Ref(resource, namespace_of(rollout), text(reference, "name"))


def set_image(workload: Obj, ref: Ref, images: dict[str, str]) -> Operation:
    """Give containers of these names (`*`: all) these images, in the Pod template of a Rollout or what it refers to.

    Each replacement is tied to the container still standing where it was seen; Invalid from the API server therefore
    means: read the object anew and ask again.
    """
    path = _template_path(ref)
    pod_spec = part(workload, *path, "spec")
    patch: list[Obj] = []
    for wanted, image in images.items():
        found = [*_containers(pod_spec, wanted)]
        if not found:
            raise NotPossible(f'unable to find container named "{wanted}"')
        for field, index, name in found:
            patch.append(op_test(name, *path, "spec", field, index, "name"))
            patch.append(op_add(image, *path, "spec", field, index, "image"))
    message = f'{ref.resource.kind.lower()} "{ref.name}" image updated'
    return Operation((Change(ref, patch, PatchType.JSON),), message)


def _containers(pod_spec: Obj, wanted: str) -> Iterator[tuple[str, int, str]]:
    for field in ("initContainers", "containers", "ephemeralContainers"):
        for index, container in enumerate(parts(pod_spec, field)):
            if wanted in ("*", text(container, "name")):
                yield field, index, text(container, "name")


def undo(rollout: Obj, replica_sets: Iterable[Obj], workload: Obj | None = None, to_revision: int = 0) -> Operation:
    """The Pod template of an earlier revision again: the one before the newest, or `to_revision`.

    `replica_sets` may hold others' ReplicaSets too; `workload` is the object that `workload_of` names, if it names one.
    Without changes (and with a message saying so) when the template already is that of the revision.
    """
    ref = workload_of(rollout) or _ref(rollout)
    earlier = _earlier(rollout, replica_sets, to_revision)
    template = _as_written(earlier)
    current = part(workload if workload is not None else rollout, *_template_path(ref))
    if _equal(current, template):
        message = f"skipped rollback (current template already matches revision {revision_of(earlier)})"
        return Operation((), message)
    change = Change(ref, [op_replace(template, *_template_path(ref))], PatchType.JSON)
    return Operation((change,), f"rollout '{name_of(rollout)}' undo")


def _earlier(rollout: Obj, replica_sets: Iterable[Obj], to_revision: int) -> Obj:
    own = sorted((each for each in replica_sets if _owns(rollout, each)), key=revision_of)
    if to_revision:
        for each in own:
            if revision_of(each) == to_revision:
                return each
        raise NotPossible(f"unable to find specified revision {to_revision} in history")
    if len(own) < 2:
        raise NotPossible(f'no revision found for rollout "{name_of(rollout)}"')
    return own[-2]


def _owns(rollout: Obj, replica_set: Obj) -> bool:
    owner = controller_of(replica_set) or {}
    wanted = part(rollout, "spec", "selector", "matchLabels")
    labels = part(replica_set, "metadata", "labels")
    return owner.get("uid") == uid_of(rollout) and wanted.items() <= labels.items()


def _as_written(replica_set: Obj) -> Obj:
    """A ReplicaSet's Pod template as the user had it: without the hash label and the metadata of its current role."""
    template = part(replica_set, "spec", "template")
    injected = _json(text(replica_set, "metadata", "annotations", EPHEMERAL_METADATA))
    metadata = dict(part(template, "metadata"))
    for field, drop in (("labels", {POD_TEMPLATE_HASH}), ("annotations", set[str]())):
        drop = drop | part(injected, field).keys()
        if kept := {key: value for key, value in part(metadata, field).items() if key not in drop}:
            metadata[field] = kept
        else:
            metadata.pop(field, None)
    return {**template, "metadata": metadata}


def _json(written: str) -> Obj:
    """The mapping that an annotation holds, {} when it holds none."""
    try:
        value = json.loads(written or "{}")
    except json.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}


def _equal(current: Obj, template: Obj) -> bool:
    """Whether both make the same Pods. A template that cannot be read equals none: then let the API server judge it."""
    from rollouts.api.template import templates_equal  # loads every type of a Pod; only this needs them

    try:
        return templates_equal(current, template)
    except WrongType:
        return False


def _template_path(ref: Ref) -> tuple[str, ...]:
    return ("template",) if ref.resource == POD_TEMPLATE else ("spec", "template")


def _rollout(namespace: str, name: str) -> Ref:
    return Ref(ROLLOUT, namespace, name)


def _ref(rollout: Obj) -> Ref:
    return _rollout(namespace_of(rollout), name_of(rollout))


def _status(ref: Ref, **fields: object) -> Change:
    return Change(ref, nested(fields, "status"), subresource="status")


def _spec(ref: Ref, **fields: object) -> Change:
    return Change(ref, nested(fields, "spec"))
