"""Pure. Labels and annotations that pods carry for the part they play: canary or preview, stable or active."""

from collections.abc import Iterator, Mapping

from rollouts.api import labels
from rollouts.api.meta import PodTemplateMetadata
from rollouts.decide.context import Context
from rollouts.decide.injected import NOTHING, Injected, ephemeral_annotation, remembered
from rollouts.decide.plan import LabelPods, UpdateReplicaSet
from rollouts.decide.world import ReplicaSet

Changes = dict[str, str | None]


def _injected(metadata: PodTemplateMetadata | None) -> Injected:
    return Injected(metadata.labels, metadata.annotations) if metadata else NOTHING


def _of_update(ctx: Context) -> Injected:
    """What the strategy wants pods of the new version to carry until it is stable."""
    blue_green = ctx.blue_green
    return _injected(ctx.canary.canary_metadata if blue_green is None else blue_green.preview_metadata)


def _of_stable(ctx: Context) -> Injected:
    blue_green = ctx.blue_green
    return _injected(ctx.canary.stable_metadata if blue_green is None else blue_green.active_metadata)


def injected_for_new(ctx: Context) -> Injected:
    """The stable pods' metadata once promoted or when nothing else is stable, the update's until then."""
    promoted = ctx.is_stable or not ctx.stored.stable_rs
    return _of_stable(ctx) if promoted else _of_update(ctx)


def follow(ctx: Context) -> Iterator[UpdateReplicaSet | LabelPods]:
    """Bring ReplicaSets' pod templates, then running pods, to the metadata of the part that they play."""
    configured = _of_update(ctx) != NOTHING or _of_stable(ctx) != NOTHING
    for rs in ctx.world.replica_sets:
        injected = _for(ctx, rs)
        if configured or remembered(rs) != NOTHING:
            yield from _template(ctx, rs, injected)
        if configured:
            yield from _pods(ctx, rs, injected)


def _for(ctx: Context, rs: ReplicaSet) -> Injected:
    if rs is ctx.new:
        return injected_for_new(ctx)
    return _of_stable(ctx) if rs is ctx.stable else NOTHING


def _template(ctx: Context, rs: ReplicaSet, injected: Injected) -> Iterator[UpdateReplicaSet]:
    before = remembered(rs)
    if before == injected:
        return
    note: Changes = {labels.EPHEMERAL_METADATA: None, **ephemeral_annotation(injected)}
    own = (ctx.spec.template or {}).get("metadata") or {} if rs is ctx.new else {}
    yield UpdateReplicaSet(
        rs.name,
        annotations=note,
        template_labels=_difference(before.labels, injected.labels, own.get("labels") or {}),
        template_annotations=_difference(before.annotations, injected.annotations, own.get("annotations") or {}),
    )


def _difference(before: Mapping[str, str], after: Mapping[str, str], own: Mapping[str, str]) -> Changes:
    """What to set and what to remove; a key of the user's own that was covered gets its value back."""
    gone: Changes = {key: own.get(key) for key in before if key not in after}
    return {**gone, **{key: value for key, value in after.items() if before.get(key) != value}}


def _pods(ctx: Context, rs: ReplicaSet, injected: Injected) -> Iterator[LabelPods]:
    """Pods are compared one by one, so that a crash between a template and its pods leaves nothing behind."""
    known = (_of_update(ctx), _of_stable(ctx), remembered(rs))
    own = (ctx.spec.template or {}).get("metadata") or {} if rs is ctx.new else {}
    stale_labels = {k for part in known for k in part.labels} - injected.labels.keys()
    stale_notes = {k for part in known for k in part.annotations} - injected.annotations.keys()
    want_labels: Changes = {k: (own.get("labels") or {}).get(k) for k in stale_labels} | dict(injected.labels)
    want_notes: Changes = {k: (own.get("annotations") or {}).get(k) for k in stale_notes} | dict(injected.annotations)
    mine = (pod for pod in ctx.world.pods if pod.replica_set == rs.name and not pod.deleting)
    wrong = tuple(
        pod.name for pod in mine if _differs(pod.labels, want_labels) or _differs(pod.annotations, want_notes)
    )
    if wrong:
        yield LabelPods(wrong, want_labels, want_notes)


def _differs(found: Mapping[str, str], wanted: Changes) -> bool:
    return any(found.get(key) != value for key, value in wanted.items())
