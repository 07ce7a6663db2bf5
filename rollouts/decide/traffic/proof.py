"""Pure. Proof that requests follow the weights: what has to be proven, what is known of it, and what waits for it.

Recorded is not proven: a mesh may take long to follow its routing objects, or lose touch with them. Where a Rollout
asks for proof, a step is over when its share was seen, and pods go when nobody sends them requests any more. What is
known is kept in a condition, which begins anew with every change of the traffic:

* False: not proven yet. Since its last transition the clock runs.
* True: proven, until the traffic is changed again.
* Unknown: the longest wait is over, so nothing waits for it any more.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from functools import partial

from rollouts.api.proof import Proof
from rollouts.api.status import RolloutCondition, RolloutStatus, TrafficWeights
from rollouts.decide.context import Context
from rollouts.decide.facts import Aborting
from rollouts.decide.plan import Event, Wait
from rollouts.decide.questions import Ask, Counted, CountRequests
from rollouts.decide.traffic.shares import Verdict, bounds, judge
from rollouts.decide.world import ReplicaSet

TRAFFIC_PROVEN = "TrafficProven"
"""The condition. Its reasons are those of the Events, too."""

PROVEN, WAITING, DIFFERS, LEAK, UNPROVEN = (
    "TrafficProven",
    "WaitingForRequests",
    "TrafficDiffers",
    "TrafficLeak",
    "TrafficUnproven",
)
_FEW = 0.5
"""Requests: what Prometheus extrapolates from none is less."""


@dataclass(frozen=True, slots=True)
class Demand:
    """What has to be proven: that this part (0..1) of all requests reaches the canary, and that nobody sends any to
    the silent ones."""

    canary: ReplicaSet | None = None
    share: float = 0.0
    silent: tuple[ReplicaSet, ...] = ()

    @property
    def is_empty(self) -> bool:
        return self.canary is None and not self.silent


class _Known(IntEnum):
    """How much is known of a demand; of several the last one counts."""

    PROVEN, WAITING, DIFFERS, LEAK = range(4)


_REASONS = {_Known.PROVEN: PROVEN, _Known.WAITING: WAITING, _Known.DIFFERS: DIFFERS, _Known.LEAK: LEAK}


@dataclass(frozen=True, slots=True)
class _Found:
    known: _Known
    text: str


# ── what has to be proven ──


def demand(ctx: Context) -> Demand:
    """What follows from the split that is recorded, or from what the active Service selects."""
    if ctx.proof is None or ctx.replicas == 0:
        return Demand()
    if ctx.blue_green is not None:
        return Demand(silent=tuple(_left_behind(ctx)))
    recorded = ctx.weights
    if recorded is None:
        return Demand()
    weight, rest = recorded.canary.weight, recorded.stable.weight
    canary = next((rs for rs in ctx.world.replica_sets if rs.hash == recorded.canary.pod_template_hash), None)
    silent = tuple(_without_share(ctx, recorded))
    if not (weight and rest) or recorded.canary.pod_template_hash == recorded.stable.pod_template_hash:
        canary = None  # all or nothing: then the other side has to be silent
    return Demand(canary, weight / (weight + rest) if canary else 0.0, silent)


def _without_share(ctx: Context, recorded: TrafficWeights) -> Iterator[ReplicaSet]:
    """Versions with pods that no traffic is meant for. A canary that has not had any share yet is not among them, nor
    one that header routes or mirrors may lead to."""
    had_a_share = any(step.set_weight for step in ctx.steps[: ctx.index]) and not _led_otherwise(ctx)
    sharing = {one.pod_template_hash for one in (recorded.canary, recorded.stable) if one.weight}
    for rs in ctx.world.replica_sets:
        begins = rs is ctx.new and not ctx.aborted and rs is not ctx.stable
        if rs.replicas and rs.hash not in sharing and (had_a_share or not begins):
            yield rs


def _left_behind(ctx: Context) -> Iterator[ReplicaSet]:
    """Versions with pods that neither Service selects: also people who look at a preview send requests."""
    strategy = ctx.blue_green
    named = (strategy.active_service, strategy.preview_service) if strategy else ()
    services = (ctx.world.services.get(name) for name in named if name)
    selected = {service.hash for service in services if service is not None}
    for rs in ctx.world.replica_sets:
        if rs.replicas and rs.hash not in selected and (rs is not ctx.new or ctx.aborted):
            yield rs


# ── what waits for it ──


def holds(ctx: Context) -> str:
    """Why no pods may be taken away and no destination renamed now; "" when they may."""
    if ctx.proof is None or demand(ctx).is_empty or not is_open(ctx.stored):
        return ""
    condition = ctx.stored.condition(TRAFFIC_PROVEN)
    return f"until it is proven that requests follow: {condition.message}" if condition else "until proof was asked for"


def is_open(status: RolloutStatus) -> bool:
    """Something that was asked for is not proven yet, and the longest wait is not over."""
    condition = status.condition(TRAFFIC_PROVEN)
    return condition is None or condition.status == "False"


def waits(ctx: Context) -> bool:
    """The release stands still until something is proven."""
    return ctx.proof is not None and not demand(ctx).is_empty and is_open(ctx.stored)


def not_fewer(ctx: Context, rs: ReplicaSet | None, count: int) -> int:
    """`count` pods for a ReplicaSet, and while nothing is proven no fewer than it has."""
    return count if rs is None or not holds(ctx) else max(count, rs.replicas)


def keeps_its_name(ctx: Context) -> bool:
    """The canary destination has no recorded share any more, but may still get requests that are meant for the pods
    it was named after."""
    recorded = ctx.weights
    if recorded is None or recorded.canary.pod_template_hash == ctx.hash or ctx.returns_to_stable:
        return False
    emptied = (rs.hash == recorded.canary.pod_template_hash for rs in demand(ctx).silent)
    return any(emptied) and bool(holds(ctx))


# ── what is known ──


def follow(ctx: Context) -> Iterator[Ask | Wait | Aborting]:
    """Ask for what is not known, and say what is waited for. The end of the longest wait may end the update."""
    since = _since(ctx)
    if ctx.proof is None or since is None or demand(ctx).is_empty:
        return
    found, expired = _found(ctx, ctx.proof, since), _expired(ctx, ctx.proof, since)
    if expired and _gives_up(ctx, ctx.proof, found):
        yield Aborting(f"waited {_seconds(ctx.proof.longest_wait)} for proof of traffic: {found.text}")
    if expired or found.known is _Known.PROVEN:
        return
    moments = [since + ctx.proof.longest_wait]
    for look in _looks(ctx, ctx.proof, since):
        answer = ctx.world.answers.get(look.question)
        due = look.due if answer is None else answer.at + ctx.world.ask_interval
        yield Ask(look.question, due)
        moments.append(due)
    ahead = [moment for moment in moments if moment > ctx.now]
    yield Wait(f"proof of traffic: {found.text}", min(ahead, default=None))


def _since(ctx: Context) -> datetime | None:
    """When the traffic was changed that is not proven yet; None when there is none."""
    condition = ctx.stored.condition(TRAFFIC_PROVEN)
    return condition.last_transition_time if condition is not None and condition.status == "False" else None


@dataclass(frozen=True, slots=True)
class _Look:
    """A question, from when on it is asked, and what an answer to it says."""

    question: CountRequests
    due: datetime
    judge: Callable[[Counted], _Found]


def _looks(ctx: Context, asked: Proof, since: datetime) -> Iterator[_Look]:
    begins, wanted, named = since + asked.settle, demand(ctx), _named(ctx)
    versions = tuple(sorted((rs.name, rs.hash) for rs in ctx.world.replica_sets if rs.replicas or rs.current))
    if wanted.canary is not None:
        question = CountRequests(asked.address, asked.requests, asked.window, begins, versions)
        rule = _Rule(asked.tolerance / 100, asked.at_least, more=_led_otherwise(ctx))
        yield _Look(question, begins + ctx.world.ask_interval, partial(_share, rule, wanted, named))
    if wanted.silent:
        question = CountRequests(asked.address, asked.requests, asked.quiet, begins, versions)
        yield _Look(question, begins + asked.quiet, partial(_silence, wanted, named))


def _found(ctx: Context, asked: Proof, since: datetime) -> _Found:
    """What is known; of several things the worst."""
    found = (_seen(ctx, look) for look in _looks(ctx, asked, since))
    return max(found, key=lambda each: each.known, default=_Found(_Known.PROVEN, _named(ctx)))


def _seen(ctx: Context, look: _Look) -> _Found:
    answer, before = ctx.world.answers.get(look.question), ctx.stored.condition(TRAFFIC_PROVEN)
    if isinstance(answer, Counted):
        if answer.error:
            return _Found(_Known.WAITING, f"{_named(ctx)}: requests cannot be counted: {answer.error}")
        return look.judge(answer)
    # Not asked yet, or by another process: what was known last is what is known.
    known = next((known for known, reason in _REASONS.items() if before and reason == before.reason), _Known.WAITING)
    return _Found(known, before.message if before else "")


def _silence(wanted: Demand, named: str, answer: Counted) -> _Found:
    span = _seconds(answer.at - answer.began)
    for rs in wanted.silent:
        count = answer.requests.get(rs.name, 0.0)
        if count >= _FEW:
            return _Found(
                _Known.LEAK, f"{named}: ReplicaSet {rs.name} has no share, and got {count:.0f} requests in {span}"
            )
    names = ", ".join(rs.name for rs in wanted.silent)
    if sum(answer.requests.values()) < _FEW:
        text = f"{named}: no version got a request in {span}, which tells nothing of ReplicaSet {names}"
        return _Found(_Known.WAITING, text)
    return _Found(_Known.PROVEN, f"{named}: ReplicaSet {names} got no request in {span}")


@dataclass(frozen=True, slots=True)
class _Rule:
    """When a share counts as proven."""

    tolerance: float
    at_least: int
    more: bool  # whether it may be more than is meant


def _share(rule: _Rule, wanted: Demand, named: str, answer: Counted) -> _Found:
    assert wanted.canary is not None
    count, total = answer.requests.get(wanted.canary.name, 0.0), sum(answer.requests.values())
    meant = f"{_percent(wanted.share)} of the requests are meant for ReplicaSet {wanted.canary.name}"
    if total < rule.at_least:
        span = _seconds(answer.at - answer.began)
        return _Found(_Known.WAITING, f"{named}: {meant}, and {total:.0f} requests in {span} are too few to tell")
    seen = f"{_percent(count / total)} of {total:.0f} reached it"
    low, high = (_percent(bound) for bound in bounds(count, total))
    match judge(count, total, wanted.share, rule.tolerance, rule.at_least, more=rule.more):
        case Verdict.PROVEN:
            return _Found(_Known.PROVEN, f"{named}: {meant}, {seen}")
        case Verdict.DIFFERS:
            return _Found(_Known.DIFFERS, f"{named}: {meant}, but {seen}")
    return _Found(_Known.WAITING, f"{named}: {meant}, {seen}: its share may be anything from {low} to {high}")


def _led_otherwise(ctx: Context) -> bool:
    """Header routes or mirrors may lead requests to the canary beyond its share."""
    return any(step.set_header_route or step.set_mirror_route for step in ctx.steps[: ctx.index + 1])


def _expired(ctx: Context, asked: Proof, since: datetime) -> bool:
    """The longest wait is over, and what could be asked was answered."""
    answered = all(look.question in ctx.world.answers for look in _looks(ctx, asked, since))
    return ctx.now >= since + asked.longest_wait and answered


def _gives_up(ctx: Context, asked: Proof, found: _Found) -> bool:
    """An update that has a share, or all of the traffic, is taken back; what is left of another one is only told."""
    recorded = ctx.weights
    ours = recorded is not None and recorded.canary.weight and recorded.canary.pod_template_hash == ctx.hash
    if not ours or ctx.returns_to_stable or ctx.status.promote_full:
        return False
    return (found.known is _Known.WAITING and asked.too_few == "abort") or (
        found.known in (_Known.DIFFERS, _Known.LEAK) and asked.differs == "abort"
    )


# ── what the status keeps of it ──


def condition(ctx: Context, status: RolloutStatus) -> tuple[RolloutCondition | None, tuple[Event, ...]]:
    """The condition that goes with `status`, and the Events that tell of a change. None without the annotation."""
    if ctx.proof is None:
        return None, ()
    before = ctx.stored.condition(TRAFFIC_PROVEN)
    if before is None or moved(ctx, status):
        counted = f"{ctx.now + ctx.proof.settle:%H:%M:%S} UTC"
        text = f"{_named(ctx)}: the traffic was changed, and requests are counted from {counted} on"
        return _condition("False", WAITING, text, ctx.now, ctx.now), ()
    since = _since(ctx)
    if since is None:
        return before, ()
    after = _judged(ctx, ctx.proof, before, since)
    if (after.status, after.reason) == (before.status, before.reason) or demand(ctx).is_empty:
        return after, ()
    if after.reason == WAITING:
        return after, ()
    return after, (Event(after.reason, after.message, "Normal" if after.reason == PROVEN else "Warning"),)


def _judged(ctx: Context, asked: Proof, before: RolloutCondition, since: datetime) -> RolloutCondition:
    if demand(ctx).is_empty:
        return _condition("True", PROVEN, f"{_named(ctx)}: one version has all requests", ctx.now, ctx.now)
    found = _found(ctx, asked, since)
    if found.known is _Known.PROVEN:
        return _condition("True", PROVEN, found.text, ctx.now, ctx.now)
    if _expired(ctx, asked, since):
        text = f"{found.text}; waited {_seconds(asked.longest_wait)} for proof"
        return _condition("Unknown", UNPROVEN, text, ctx.now, ctx.now)
    reason = _REASONS[found.known]
    if (before.reason, before.message) == (reason, found.text):
        return before
    return _condition("False", reason, found.text, ctx.now, since)


def _condition(status: str, reason: str, message: str, now: datetime, since: datetime) -> RolloutCondition:
    return RolloutCondition(
        type=TRAFFIC_PROVEN,
        status=status,
        reason=reason,
        message=message,
        last_update_time=now,
        last_transition_time=since,
    )


def moved(ctx: Context, status: RolloutStatus) -> bool:
    """This pass changes who gets which share, or takes the update back."""
    if status.aborted_at is not None and ctx.stored.aborted_at is None:
        return True
    if ctx.blue_green is not None:
        return status.blue_green.active_selector != ctx.stored.blue_green.active_selector
    return _shares(status.canary.weights) != _shares(ctx.weights)


def _shares(weights: TrafficWeights | None) -> list[tuple[int, str, int]]:
    """Which pods get what by which destination: by another one, requests may still meet the pods that it had before.
    A destination without a share may be renamed, and nobody notices."""
    named = (weights.canary, weights.stable, *weights.additional) if weights else ()
    return [(place, one.pod_template_hash, one.weight) for place, one in enumerate(named) if one.weight]


def verified(ctx: Context, status: RolloutStatus) -> bool | None:
    """What status.canary.weights tells of it: None without the annotation, and when the longest wait is over."""
    found, _ = condition(ctx, status)
    if found is None or found.status == "Unknown":
        return None
    return found.status == "True"


def _named(ctx: Context) -> str:
    """The objects that say where requests go."""
    if ctx.blue_green is not None:
        return f"Service {ctx.blue_green.active_service}"
    return ", ".join(ctx.world.routing) or "the router"


def _percent(part: float) -> str:
    return f"{100 * part:.3g} %"


def _seconds(span: timedelta) -> str:
    return f"{span / timedelta(seconds=1):.0f} s"
