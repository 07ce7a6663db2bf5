"""Pure. Revisions: the new ReplicaSet's manifest, revision numbers, and which old ones to forget."""

from collections.abc import Iterator

from analysis.schema import Obj
from rollouts.api import defaults, labels
from rollouts.decide import workload
from rollouts.decide.context import Context
from rollouts.decide.injected import ephemeral_annotation
from rollouts.decide.plan import CreateReplicaSet, DeleteReplicaSet, UpdateReplicaSet, UpdateRollout
from rollouts.decide.pods.affinity import corrected, with_anti_affinity
from rollouts.decide.pods.metadata import injected_for_new


def new_replica_set(ctx: Context, replicas: int) -> CreateReplicaSet:
    """The ReplicaSet of the current template, at the size that it should have from the start."""
    name = f"{ctx.name}-{ctx.hash}"
    return CreateReplicaSet(name, ctx.hash, ctx.revision, replicas, _manifest(ctx, name, replicas))


def _manifest(ctx: Context, name: str, replicas: int) -> Obj:
    template = ctx.spec.template or {}
    metadata = template.get("metadata") or {}
    injected = injected_for_new(ctx)
    own = {labels.POD_TEMPLATE_HASH: ctx.hash}
    annotations = {
        **copied_annotations(ctx),
        labels.REVISION: str(ctx.revision),
        labels.DESIRED_REPLICAS: str(ctx.replicas),
        **ephemeral_annotation(injected),
    }
    selector = ctx.spec.selector.wire() if ctx.spec.selector else {}
    pod_metadata = {**metadata, "labels": {**(metadata.get("labels") or {}), **injected.labels, **own}}
    if metadata.get("annotations") or injected.annotations:
        pod_metadata["annotations"] = {**(metadata.get("annotations") or {}), **injected.annotations}
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": name,
            "labels": {**(metadata.get("labels") or {}), **own},
            "annotations": annotations,
        },
        "spec": {
            "replicas": replicas,
            "minReadySeconds": ctx.spec.min_ready_seconds,
            "selector": {**selector, "matchLabels": {**(selector.get("matchLabels") or {}), **own}},
            "template": with_anti_affinity(ctx, {**template, "metadata": pod_metadata}),
        },
    }


def copied_annotations(ctx: Context) -> dict[str, str]:
    return {
        key: value
        for key, value in ctx.rollout.metadata.annotations.items()
        if key not in labels.NOT_COPIED_TO_REPLICA_SETS
    }


def sync(ctx: Context) -> Iterator[UpdateReplicaSet | UpdateRollout]:
    """Revision numbers on the new ReplicaSet and on the Rollout; what else the ReplicaSet inherits."""
    new = ctx.new
    if new is not None:
        annotations: dict[str, str | None] = {
            key: value for key, value in copied_annotations(ctx).items() if new.annotations.get(key) != value
        }
        if new.revision != ctx.revision:
            annotations[labels.REVISION] = str(ctx.revision)
            if new.revision:
                earlier = new.annotations.get(labels.REVISION_HISTORY)
                annotations[labels.REVISION_HISTORY] = ",".join(filter(None, (earlier, str(new.revision))))
        patience = ctx.spec.min_ready_seconds if new.min_ready_seconds != ctx.spec.min_ready_seconds else None
        rules = corrected(ctx, new, written=bool(annotations) or patience is not None)
        if annotations or patience is not None or rules:
            yield UpdateReplicaSet(
                new.name, annotations=annotations, min_ready_seconds=patience, template_anti_affinity=rules
            )
    changed = workload.annotations(ctx)
    if ctx.rollout.metadata.annotations.get(labels.REVISION) != str(ctx.revision):
        changed[labels.REVISION] = str(ctx.revision)
    if changed or ctx.spec.replicas is None:
        # A HorizontalPodAutoscaler reads spec.replicas, so an absent one is written out.
        # A client with types can read no list with an unreadable quantity in it, so that goes on this occasion; not on
        # one of its own, lest whoever keeps the manifest elsewhere and we undo each other's work without end.
        template = ctx.spec.template if ctx.world.left_out else None
        yield UpdateRollout(changed, 1 if ctx.spec.replicas is None else None, template)


def forget(ctx: Context) -> Iterator[DeleteReplicaSet]:
    """Older ReplicaSets beyond the revision history limit, oldest first, once they are empty."""
    candidates = sorted((rs for rs in ctx.others if not rs.deleting), key=lambda rs: (rs.created, rs.name))
    excess = len(candidates) - defaults.revision_history_limit(ctx.rollout)
    for rs in candidates[: max(0, excess)]:
        if rs.replicas == 0 and rs.current == 0 and rs.observed:
            yield DeleteReplicaSet(rs.name)
