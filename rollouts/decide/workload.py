"""Pure. spec.workloadRef: whose pod template a Rollout runs, and how a Deployment hands its pods over to it.

A hand-over begins at revision 1, while Deployment and Rollout have the same template, and goes on until the Deployment
is empty, even when an update begins in between: from then on the Deployment's pods would be of the new template, so it
may shrink but never grow. What size it had is kept in an annotation of the Rollout for as long as that lasts. A
Deployment that somebody scales up at a later revision is left alone.
"""

from collections.abc import Iterator

from analysis.schema import Obj
from rollouts.api import fielderrors, labels
from rollouts.api.meta import LabelSelector
from rollouts.api.rollout import ObjectRef, Rollout
from rollouts.api.rules.validate import has_own_template
from rollouts.decide import wording
from rollouts.decide.context import Context
from rollouts.decide.plan import ScaleWorkload, Wait
from rollouts.decide.references import spec_fault
from rollouts.decide.world import Workload

DEPLOYMENT = ("apps", "Deployment")
PLURALS = {
    DEPLOYMENT: "deployments.apps",
    ("apps", "ReplicaSet"): "replicasets.apps",
    ("", "PodTemplate"): "podtemplates",
}
"""What may be referred to, by (API group, kind), as error messages name it."""

NEVER, ON_SUCCESS, PROGRESSIVELY = "never", "onsuccess", "progressively"


def group_kind(ref: ObjectRef) -> tuple[str, str]:
    """The API group ("" for the core) and kind that a reference names, whatever the version."""
    return ref.api_version.rpartition("/")[0], ref.kind


# ── the template ──


def resolved(rollout: Rollout, found: Obj | None) -> tuple[Rollout, str]:
    """The Rollout with the template and, where it has none of its own, the selector of the workload that it refers to,
    and what is wrong with it ("": nothing). `found` is that workload; None when there is none.

    One that refers to nothing comes back as it is. What comes back must never be written to the cluster.
    """
    ref = rollout.spec.workload_ref
    if ref is None or has_own_template(rollout.spec):
        return rollout, spec_fault(rollout)
    if group_kind(ref) not in PLURALS:
        group, kind = group_kind(ref)
        return rollout, f"workload of type {group}/{kind} is not supported"
    if found is None:
        return rollout, f'{PLURALS[group_kind(ref)]} "{rollout.metadata.namespace}/{ref.name}" not found'
    holder = found if ref.kind == "PodTemplate" else found["spec"]
    selector = rollout.spec.selector
    if selector is None and "selector" in holder:
        selector = LabelSelector.model_validate(holder["selector"])
    spec = rollout.spec.model_copy(update={"template": holder.get("template") or {}, "selector": selector})
    alone = rollout.model_copy(update={"spec": spec.model_copy(update={"workload_ref": None})})
    return rollout.model_copy(update={"spec": spec}), spec_fault(alone) or _scale_down_fault(ref)


def _scale_down_fault(ref: ObjectRef) -> str:
    path = "spec.workloadRef.scaleDown"
    if ref.scale_down not in ("", NEVER, ON_SUCCESS, PROGRESSIVELY):
        return fielderrors.unsupported(path, ref.scale_down, (NEVER, ON_SUCCESS, PROGRESSIVELY))
    if ref.scale_down in (ON_SUCCESS, PROGRESSIVELY) and group_kind(ref) != DEPLOYMENT:
        return fielderrors.forbidden(path, f"only a Deployment is scaled down, and this is a {ref.kind}")
    return ""


def workload(found: Obj, shared: bool = False) -> Workload:
    """What decisions may know of the workload that a Rollout refers to. `shared`: others take over its pods too."""
    metadata, spec, status = found["metadata"], found.get("spec") or {}, found.get("status") or {}
    return Workload(
        name=metadata["name"],
        generation=metadata.get("generation", 0),
        version=str(metadata.get("resourceVersion", "")),
        replicas=spec.get("replicas", 1),
        current=status.get("replicas", 0),
        available=status.get("availableReplicas", 0),
        shared=shared,
    )


# ── what the Rollout says of it ──


def observed_generation(ctx: Context) -> str:
    """The workload's generation as clients compare it with the annotation; "" without one."""
    return "" if ctx.world.workload is None else str(ctx.world.workload.generation)


def annotations(ctx: Context) -> dict[str, str | None]:
    """The Rollout's annotations about its workload that have to change; None removes one."""
    stored = ctx.rollout.metadata.annotations
    wanted: dict[str, str | None] = {}
    seen = ctx.world.workload
    if seen is not None:
        wanted[labels.WORKLOAD_GENERATION] = str(seen.generation)
    if _handing_over(ctx, seen):
        if seen is not None and labels.WORKLOAD_REPLICAS not in stored:
            wanted[labels.WORKLOAD_REPLICAS] = str(seen.replicas)
    else:
        wanted[labels.WORKLOAD_REPLICAS] = None
    return {key: value for key, value in wanted.items() if stored.get(key) != value}


# ── the hand-over ──


def hand_over(ctx: Context) -> Iterator[ScaleWorkload | Wait]:
    """Take pods from the Deployment as the Rollout's own can serve in their place, and give them back."""
    seen = ctx.world.workload
    if seen is None or not _handing_over(ctx, seen):
        return
    if ctx.halted:
        yield Wait(f"Deployment {seen.name} keeps its pods while the rollout is paused")
        return
    size = _progressive(ctx, seen) if _mode(ctx) == PROGRESSIVELY else _on_success(ctx, seen)
    if size != seen.replicas:
        yield ScaleWorkload(seen.name, seen.replicas, size, seen.version)
    elif size:
        yield Wait(f"Deployment {seen.name} keeps {size} pods until others can serve in their place")


def _mode(ctx: Context) -> str:
    """When the Deployment is scaled down; "" for never."""
    ref = ctx.spec.workload_ref
    return ref.scale_down if ref is not None and ref.scale_down in (ON_SUCCESS, PROGRESSIVELY) else ""


def _handing_over(ctx: Context, seen: Workload | None) -> bool:
    """Whether pods are on their way from the Deployment to the Rollout."""
    if seen is None or not _mode(ctx):
        return False
    begun = labels.WORKLOAD_REPLICAS in ctx.rollout.metadata.annotations
    if seen.replicas:
        return begun or ctx.revision == 1
    return begun and ctx.revision == 1 and ctx.all_available < ctx.replicas


def _on_success(ctx: Context, seen: Workload) -> int:
    proven = ctx.stored.phase == wording.PHASE_HEALTHY and ctx.all_available >= ctx.replicas > 0
    return 0 if proven else seen.replicas


def _progressive(ctx: Context, seen: Workload) -> int:
    """As many pods as the Rollout lacks, while what is available of both stays at least replicas - maxUnavailable.

    Which pods go is not ours to say. So those that may be unavailable, or that a scaling under way may still take, are
    counted as the ones that stay. A Rollout that is to have no pods takes over none.
    """
    if ctx.replicas == 0:
        return seen.replicas
    lacking = max(0, ctx.replicas - ctx.all_available)
    if lacking > seen.replicas:
        may_grow = ctx.revision == 1 and not seen.shared  # two that disagree would pull for ever
        return max(seen.replicas, min(lacking, _size_before(ctx))) if may_grow else seen.replicas
    needed = max(0, ctx.limits.least_available - ctx.all_available)
    unavailable = max(seen.current, seen.replicas) - seen.available
    return min(seen.replicas, max(lacking, needed + unavailable if needed else 0))


def _size_before(ctx: Context) -> int:
    """Pods that the Deployment had before the hand-over; 0 when none is known to have begun."""
    written = ctx.rollout.metadata.annotations.get(labels.WORKLOAD_REPLICAS, "")
    return int(written) if written.isdecimal() else 0
