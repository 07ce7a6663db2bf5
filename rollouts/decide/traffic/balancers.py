"""Pure. AWS load balancers: whether they do what was recorded, asked where Argo Rollouts asks them and nowhere else.

Their API costs money and is limited, so it is asked at steps that set a weight, at the end of the steps, and when a
Service was switched whose old pods are about to go; then again after the interval until the answer is yes.
Source: the contract of Argo Rollouts' `--aws-verify-target-group`.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from rollouts.api.status import RolloutStatus, TrafficWeights
from rollouts.api.traffic import ALBTrafficRouting
from rollouts.decide.context import Context, scale_down_deadline
from rollouts.decide.course.previews import is_active
from rollouts.decide.plan import Wait
from rollouts.decide.questions import Ask, CheckedTargets, CheckedWeights, CheckTargets, CheckWeights, Question

# ── weights ──


def routing(ctx: Context) -> ALBTrafficRouting | None:
    """The Ingresses whose load balancers can be asked; None when there are none, or nobody wants them to be asked."""
    found = ctx.canary.traffic_routing
    return found.alb if ctx.world.verifies_targets and found is not None else None


def ask(ctx: Context) -> Iterator[Ask | Wait]:
    """Ask whether the recorded split is the load balancers' own."""
    alb, weights = routing(ctx), ctx.weights
    if alb is None or weights is None:
        return
    question = _question(ctx, alb, weights)
    if _matters(ctx, weights):
        service, weight = question.shares[0]
        yield from _asked(ctx, question, f"the load balancers' weight {weight} for {service}")
    elif ctx.stored.alb is None:
        yield from _asked(ctx, question, "the names of load balancers and target groups")


def _question(ctx: Context, alb: ALBTrafficRouting, weights: TrafficWeights) -> CheckWeights:
    canary, stable = _services(ctx)
    tried = ((one.service_name, one.weight) for one in weights.additional)
    names = alb.ingresses or (alb.ingress,)
    return CheckWeights(names, alb.service_port, stable, ((canary, weights.canary.weight), *tried), ctx.max_weight)


def _services(ctx: Context) -> tuple[str, str]:
    """The canary and the stable Service as load balancers know them: ping and pong go before those named apart."""
    return ctx.turns or ctx.services


def _matters(ctx: Context, weights: TrafficWeights) -> bool:
    """Something waits for these weights."""
    if not ctx.stored.stable_rs or ctx.is_stable:
        return False
    weight, step = weights.canary.weight, ctx.step
    if step is None:
        return weight == ctx.max_weight
    return step.set_weight is not None and (ctx.aborted or step.set_weight == weight)


def verified(ctx: Context, weights: TrafficWeights, *, changed: bool) -> bool | None:
    """What status.canary.weights tells of the load balancers once `weights` are recorded; None: they were not asked."""
    alb = routing(ctx)
    known = not changed and ctx.weights is not None and ctx.weights.verified is True
    if alb is None:
        return None
    answer = None if changed else ctx.world.answers.get(_question(ctx, alb, weights))
    found = answer.verified if isinstance(answer, CheckedWeights) else known
    return found if found or _matters(ctx, weights) else None


def found(ctx: Context, status: RolloutStatus) -> dict[str, Any]:
    """The load balancers and target groups as the status names them."""
    if routing(ctx) is None:
        return {"alb": None, "albs": ()}
    answers = [answer for answer in ctx.world.answers.values() if isinstance(answer, CheckedWeights)]
    answer = max(answers, key=lambda each: each.at, default=None)
    named = tuple(one for one in answer.albs if one.load_balancer.arn) if answer is not None else ()
    if answer is None or not named:
        return {"alb": status.alb, "albs": status.albs}
    return {"alb": named[-1], "albs": answer.albs}


# ── targets ──


def canary_targets(ctx: Context) -> Iterator[Ask | Wait]:
    """After a promotion, before any older version goes: what the stable Service selects has to be registered."""
    question = _canary_question(ctx)
    service = ctx.world.services.get(question.service) if question is not None else None
    if question is not None and service is not None and service.hash == ctx.hash:
        yield from _asked(ctx, question, f"the target groups of service {question.service}")


def holds_old(ctx: Context) -> bool:
    """No older version may go yet."""
    question = _canary_question(ctx)
    return question is not None and not _registered(ctx, question)


def _canary_question(ctx: Context) -> CheckTargets | None:
    if routing(ctx) is None or not ctx.is_stable or ctx.replicas == 0:
        return None
    if all(rs.replicas == 0 or scale_down_deadline(rs) is not None for rs in ctx.others):
        return None  # a deadline is set only after it was asked
    return CheckTargets(_services(ctx)[1], ctx.hash)


def preview_targets(ctx: Context) -> Iterator[Ask | Wait]:
    """After the switch of a blue-green update: what the active Service selects has to be registered."""
    question = _active_question(ctx)
    if question is not None and is_active(ctx):
        yield from _asked(ctx, question, f"the target groups of service {question.service}")


def switch_is_seen(ctx: Context) -> bool:
    """The load balancers have followed the active Service, or need not be asked."""
    question = _active_question(ctx)
    return question is None or _registered(ctx, question)


def _active_question(ctx: Context) -> CheckTargets | None:
    strategy = ctx.blue_green
    if not ctx.world.verifies_targets or strategy is None or ctx.initial or ctx.is_stable or ctx.replicas == 0:
        return None
    if ctx.status.blue_green.post_promotion_analysis_run_status is not None:
        return None  # it began after they had been asked
    return CheckTargets(strategy.active_service, ctx.hash)


def _registered(ctx: Context, question: CheckTargets) -> bool:
    answer = ctx.world.answers.get(question)
    return isinstance(answer, CheckedTargets) and answer.verified


# ── asking ──


def _asked(ctx: Context, question: Question, what: str) -> Iterator[Ask | Wait]:
    """The question, at once or after the interval; a good answer is kept."""
    answer = ctx.world.answers.get(question)
    if isinstance(answer, CheckedWeights | CheckedTargets) and answer.verified:
        yield Ask(question, None)
        return
    due: datetime = ctx.now if answer is None else answer.at + ctx.world.ask_interval
    yield Ask(question, due)
    yield Wait(f"AWS is asked for {what}", due if due > ctx.now else None)
