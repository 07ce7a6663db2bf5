"""Pure. Which share of the traffic each destination gets, and when it may change.

Three of the four ordering laws live here: a share moves to pods only when they are ready for it; a destination is
renamed only while its recorded share is 0; what the status records is what a later pass may rely on.
"""

from collections.abc import Iterator

from rollouts.api.status import RolloutStatus, TrafficWeights, WeightDestination
from rollouts.api.traffic import GATEWAY_API
from rollouts.decide.analyses.experiments import destinations
from rollouts.decide.context import Context
from rollouts.decide.course.steps import asked_scale, asks_for_none, at_wanted_counts, enough_available, weight_at
from rollouts.decide.plan import Destination, SetWeight, Split, Wait
from rollouts.decide.questions import Ask
from rollouts.decide.replicas import ceil_share
from rollouts.decide.traffic import balancers, proof
from rollouts.decide.traffic.routes import managed, standing
from rollouts.decide.traffic.withdraw import carried_hash, withdrawn, withdraws
from rollouts.decide.world import NO_HASH, Hash, ReplicaSet


def route(ctx: Context) -> Iterator[SetWeight | Ask | Wait]:
    """Say the split that should stand now, or why it cannot be changed yet."""
    if not ctx.routed:
        return
    weight, stable, recorded = target(ctx), ctx.stable, ctx.weights
    need = _pods_for(ctx, ctx.max_weight - weight)
    if stable is not None and _covers(ctx, stable, need):
        split = _split(ctx, weight, stable)
        known = is_recorded(ctx, recorded_as(ctx, split))
        yield SetWeight(split, recorded=known)
        if known:
            yield from balancers.ask(ctx)
        return
    have = stable.dependable if stable else 0
    yield Wait(f"traffic stays as it is: stable has {have} of the {need} available pods that its share needs")
    if stable is not None and recorded is not None and managed(ctx):
        # Routes for certain requests must not wait: they lead to pods that may be about to go.
        yield SetWeight(_held(ctx, recorded), recorded=True)


def _split(ctx: Context, weight: int, stable: ReplicaSet) -> Split:
    additional = destinations(ctx)
    left = max(0, ctx.max_weight - sum(extra.weight for extra in additional))
    share = min(weight, left)
    canary_service, stable_service = ctx.services
    return Split(
        canary=Destination(canary_service, canary_hash(ctx), share),
        stable=Destination(stable_service, stable.hash, left - share),
        additional=additional,
        max_weight=ctx.max_weight,
        routes=standing(ctx),
        managed=managed(ctx),
        turns=ctx.turns,
    )


def _held(ctx: Context, recorded: TrafficWeights) -> Split:
    """The split that the status records, with the routes that stand now."""
    canary_service, stable_service = ctx.services
    return Split(
        canary=_destination(recorded.canary, canary_service),
        stable=_destination(recorded.stable, stable_service),
        additional=tuple(_destination(extra, extra.service_name) for extra in recorded.additional),
        max_weight=ctx.max_weight,
        routes=standing(ctx),
        managed=managed(ctx),
        turns=ctx.turns,
        held=True,
    )


def _destination(recorded: WeightDestination, service: str) -> Destination:
    return Destination(service, Hash(recorded.pod_template_hash), recorded.weight)


def _pods_for(ctx: Context, share: int) -> int:
    """Available pods without which stable gets no such share: rounded down, but one for any share at all."""
    return max(share * ctx.replicas // ctx.max_weight, 1 if share and ctx.replicas else 0)


def _covers(ctx: Context, stable: ReplicaSet, need: int) -> bool:
    """Whether stable's available pods can carry its share."""
    if ctx.canary.replica_progress_threshold is not None and stable.dependable:
        return enough_available(ctx, stable, need)
    return stable.dependable >= need


def target(ctx: Context) -> int:
    """The canary's share. The first rule that applies wins."""
    if withdraws(ctx):
        return withdrawn(ctx)
    if ctx.returns_to_stable or ctx.new is None or ctx.new.staying == 0 or must_be_renamed(ctx):
        return 0
    if ctx.status.promote_full and ctx.dynamic and ctx.new.observed:
        return min(ctx.max_weight, ctx.max_weight * ctx.new.staying // max(1, ctx.replicas))
    if ctx.status.promote_full:
        return ctx.weights.canary.weight if ctx.weights else 0
    if not ctx.steps or asks_for_none(asked_scale(ctx)):
        return 0
    if not at_wanted_counts(ctx):
        return _before_step(ctx, ctx.new)
    return _at_step(ctx)


def _before_step(ctx: Context, new: ReplicaSet) -> int:
    """The share while the step's pods are not all there: that of the step before. Who skips steps, or returns within
    the rollback window, never had that share: it is not given before there are pods for it, nor where the step lowers
    it, for then its pods go."""
    recorded = ctx.weights.canary.weight if ctx.weights else 0
    before = weight_at(ctx.steps, ctx.index - 1) if ctx.index else 0
    share = min(before, max(recorded, _at_step(ctx)))
    if enough_available(ctx, new, ceil_share(ctx.replicas, share, ctx.max_weight)):
        return share
    return min(share, recorded)


def _at_step(ctx: Context) -> int:
    return ctx.max_weight if ctx.step is None else weight_at(ctx.steps, ctx.index)


def must_be_renamed(ctx: Context) -> bool:
    """The canary destination still carries traffic for another template: it has to be emptied first."""
    return carried_hash(ctx) not in (NO_HASH, ctx.hash) or ctx.exchanged or proof.keeps_its_name(ctx)


def canary_hash(ctx: Context) -> Hash:
    recorded = ctx.weights
    return Hash(recorded.canary.pod_template_hash) if recorded is not None and must_be_renamed(ctx) else ctx.hash


def recorded_as(ctx: Context, split: Split) -> TrafficWeights:
    """The split as status.canary.weights records it: under the names that the spec has for the two Services."""
    named = ctx.canary.canary_service, ctx.canary.stable_service
    canary, stable = ctx.services if all(named) else named
    return TrafficWeights(
        canary=_recorded(split.canary, canary),
        stable=_recorded(split.stable, stable),
        additional=tuple(_recorded(extra, extra.service) for extra in split.additional),
    )


def is_recorded(ctx: Context, weights: TrafficWeights) -> bool:
    """The stored status holds these weights, whether they are verified or not."""
    recorded = ctx.weights
    return recorded is not None and recorded.model_copy(update={"verified": weights.verified}) == weights


def verified(ctx: Context, status: RolloutStatus, weights: TrafficWeights) -> bool | None:
    """What those who can tell say of `weights`, which `status` holds: False before True before nothing at all."""
    told = (
        True if _by_gateway_api(ctx) else None,
        balancers.verified(ctx, weights, changed=not is_recorded(ctx, weights)),
        proof.verified(ctx, status),
    )
    known = [one for one in told if one is not None]
    return all(known) if known else None


def _by_gateway_api(ctx: Context) -> bool:
    """Its plugin calls every weight verified, and clients may wait for that."""
    routing = ctx.canary.traffic_routing
    return routing is not None and GATEWAY_API in routing.plugins


def _recorded(where: Destination, service: str) -> WeightDestination:
    return WeightDestination(service_name=service, pod_template_hash=where.hash, weight=where.weight)


def change_text(before: TrafficWeights | None, after: TrafficWeights) -> str:
    """What the event TrafficWeightUpdated says."""
    told = [] if before is None or before.canary.weight != after.canary.weight else [""]
    if before is None:
        told = [f"to {after.canary.weight}"]
    elif before.canary.weight != after.canary.weight:
        told = [f"from {before.canary.weight} to {after.canary.weight}"]
    if after.additional and (before is None or before.additional != after.additional):
        shares = " ".join(f"{{{d.weight} {d.service_name} {d.pod_template_hash}}}" for d in after.additional)
        told = [*filter(None, told), f"additional: [{shares}]"]
    return f"Traffic weight updated {', '.join(told)}"
