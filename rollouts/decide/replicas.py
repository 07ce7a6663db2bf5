"""Pure. How many pods each ReplicaSet should have. Integer arithmetic only.

Source of the rules: the contract of Argo Rollouts' canary sizing (approximation of a weight by whole pods, surge
before removal, availability kept). Where one of its passes would follow another without anything to wait for, the
outcome of both is computed at once.
"""

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class Size:
    """A ReplicaSet's pods: asked for, and available."""

    replicas: int = 0
    available: int = 0


@dataclass(frozen=True, slots=True)
class Limits:
    """What sizing has to respect. `replicas` is the rollout's own size; surge and unavailable are pods."""

    replicas: int
    surge: int
    unavailable: int
    max_weight: int = 100

    @property
    def most(self) -> int:
        return self.replicas + self.surge

    @property
    def least_available(self) -> int:
        return self.replicas - self.unavailable


def ceil_share(replicas: int, weight: int, whole: int) -> int:
    """Pods needed to serve `weight` of `whole`: never fewer than the traffic deserves."""
    return -(-replicas * weight // whole)


@lru_cache(maxsize=1024)
def approximate(limits: Limits, weight: int) -> tuple[int, int]:
    """The whole numbers of (canary, stable) pods whose ratio comes nearest to the weight.

    One more pod than `replicas` is taken where surge allows it and the ratio gets nearer. A weight strictly between
    none and all never rounds to zero canary pods or zero stable pods, except for a single replica without surge.
    """
    size, whole = limits.replicas, limits.max_weight
    if size == 0:
        return 0, 0
    zero_allowed = weight in (0, whole) or (size == 1 and limits.surge == 0)
    best: tuple[Fraction, int, int] | None = None
    for canary, total in _candidates(size, weight, whole, zero_allowed, limits.surge > 0):
        distance = abs(Fraction(canary * whole, total) - weight)
        if best is None or distance < best[0]:
            best = (distance, canary, total)
    assert best is not None  # rounding up within one more pod, or zero, is always a candidate
    return best[1], best[2] - best[1]


def _candidates(size: int, weight: int, whole: int, zero_allowed: bool, may_surge: bool) -> "list[tuple[int, int]]":
    """(canary pods, all pods) worth comparing, in order of preference. A tie between up and down goes up."""
    up, down = ceil_share(size, weight, whole), size * weight // whole
    found = []
    for total in (size, size + 1) if may_surge else (size,):
        tied = (2 * total * weight) % (2 * whole) == whole
        if total > size or up < size or zero_allowed:
            found.append((up, total))
        if not tied and (down != 0 or zero_allowed):
            found.append((down, total))
    return found or [(down, size)]


@lru_cache(maxsize=1024)
def basic_canary(limits: Limits, weight: int, new: Size, stable: Size | None, others: int) -> tuple[int, int]:
    """(new, stable) pods to ask for now, on the way to the weight, without a traffic router.

    `others` is what older ReplicaSets ask for. Followed to where nothing more can be done until pods change.
    """
    if stable is None:
        return limits.replicas, 0
    for _ in range(4):
        asked = _one_move(limits, weight, new, stable, others)
        if asked == (new.replicas, stable.replicas):
            break
        new, stable = Size(asked[0], new.available), Size(asked[1], stable.available)
    return new.replicas, stable.replicas


def _one_move(limits: Limits, weight: int, new: Size, stable: Size, others: int) -> tuple[int, int]:
    want_new, want_stable = approximate(limits, weight)
    if limits.replicas == 0:
        return 0, 0
    new_count, stable_count = _grow(limits, want_new, want_stable, new, stable, others)
    if others > 0:
        return new_count, stable_count  # older pods go first
    rising = want_new >= new.replicas
    removable = _counted(new, ignore_available=not rising) + _counted(stable, ignore_available=rising)
    spare = removable - limits.least_available
    if spare <= 0:
        return new_count, stable_count
    if rising:
        drained = _shrink(stable, stable_count, want_stable, spare)
        stable_count, new_count = _within(limits, drained, new_count, stable, new)
    else:
        drained = _shrink(new, new_count, want_new, spare)
        new_count, stable_count = _within(limits, drained, stable_count, new, stable)
    return new_count, stable_count


def _grow(limits: Limits, want_new: int, want_stable: int, new: Size, stable: Size, others: int) -> tuple[int, int]:
    """Spend what the surge leaves: on the stable ReplicaSet first."""
    budget = limits.most - new.replicas - stable.replicas - others
    more_stable = max(0, min(want_stable - stable.replicas, budget))
    more_new = max(0, min(want_new - new.replicas, budget - more_stable))
    return new.replicas + more_new, stable.replicas + more_stable


def _counted(size: Size, *, ignore_available: bool) -> int:
    if size.replicas < size.available or ignore_available:
        return size.replicas
    return size.available


def _shrink(size: Size, count: int, want: int, spare: int) -> int:
    return max(want, size.replicas - spare) if size.replicas > want else count


def _within(limits: Limits, drain: int, keep: int, drained: Size, kept: Size) -> tuple[int, int]:
    """Fit the pair into surge and availability: the growing side yields first, but not its available pods."""
    keep -= max(0, drain + keep - limits.most)
    lacking = limits.least_available - (min(drained.available, drain) + min(kept.available, keep))
    keep += min(max(0, kept.available - keep), max(0, lacking))
    drain -= max(0, drain + keep - limits.most)
    return drain, keep


def routed_canary(replicas: int, weight: int, whole: int, min_pods: int) -> int:
    """Canary pods behind a traffic router: enough for the weight, at least `min_pods` once there is any."""
    count = ceil_share(replicas, weight, whole)
    return max(count, min(min_pods, replicas)) if count else 0
