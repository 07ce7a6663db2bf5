"""Pure. The arithmetic of a Deployment's rolling update: how many pods each ReplicaSet may have next."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from rollouts.kube.refs import Obj


@dataclass(frozen=True, slots=True)
class Sized:
    """A ReplicaSet, reduced to its numbers. `limit`: the pods all together might have when it was last scaled."""

    name: str
    replicas: int
    available: int
    limit: int = 0


@dataclass(frozen=True, slots=True)
class Bounds:
    """How far a rolling update may stray from the number of replicas asked for."""

    replicas: int
    surge: int
    unavailable: int

    @property
    def most(self) -> int:
        return self.replicas + self.surge if self.replicas else 0

    @property
    def least_available(self) -> int:
        return self.replicas - self.unavailable


def bounds_of(deployment: Obj) -> Bounds:
    """The bounds that a Deployment's strategy sets; Recreate allows no surge, and all pods to be unavailable."""
    asked = deployment["spec"].get("replicas")
    replicas = 1 if asked is None else int(asked)
    strategy = deployment["spec"].get("strategy") or {}
    if strategy.get("type") == "Recreate":
        return Bounds(replicas, 0, replicas)
    rolling = strategy.get("rollingUpdate") or {}
    surge = scaled(rolling.get("maxSurge", "25%"), replicas, up=True)
    unavailable = scaled(rolling.get("maxUnavailable", "25%"), replicas, up=False)
    if not surge and not unavailable:
        unavailable = 1  # both may round to 0, and then nothing could ever move
    return Bounds(replicas, surge, min(unavailable, replicas))


def scaled(value: int | str, total: int, *, up: bool) -> int:
    """An absolute number, or a percentage of `total` rounded up or down."""
    if isinstance(value, int):
        return value
    share = total * int(value.removesuffix("%"))
    return -(-share // 100) if up else share // 100


def grow(new: Sized, old: Sequence[Sized], bounds: Bounds) -> int:
    """How many replicas the new ReplicaSet may have now."""
    if new.replicas >= bounds.replicas:
        return bounds.replicas
    room = bounds.replicas + bounds.surge - new.replicas - sum(each.replicas for each in old)
    return new.replicas + max(0, min(room, bounds.replicas - new.replicas))


def shrink(new: Sized, old: Sequence[Sized], bounds: Bounds) -> dict[str, int]:
    """How many replicas each old ReplicaSet (oldest first) keeps: first those that serve nobody go, then others."""
    total = new.replicas + sum(each.replicas for each in old)
    most = total - bounds.least_available - (new.replicas - new.available)
    if most <= 0:
        return {each.name: each.replicas for each in old}
    cleaned, spent = [], 0
    for each in old:
        step = min(most - spent, max(0, each.replicas - each.available))
        cleaned.append(replace(each, replicas=each.replicas - step))
        spent += step
    spare = new.available + sum(each.available for each in old) - bounds.least_available
    kept = {}
    for each in cleaned:
        step = max(0, min(each.replicas, spare))
        kept[each.name] = each.replicas - step
        spare -= step
    return kept


def proportional(sets: Sequence[Sized], bounds: Bounds) -> dict[str, int]:
    """A Deployment scaled in the middle of an update: each ReplicaSet changes by its share of the whole."""
    total = sum(each.replicas for each in sets)
    to_add = bounds.most - total
    ordered = sorted(sets, key=lambda each: each.replicas, reverse=True)
    sizes: dict[str, int] = {}
    added = 0
    for each in ordered:
        wanted = _share(each, bounds, total)
        left = to_add - added
        step = max(0, min(wanted, left)) if to_add > 0 else min(0, max(wanted, left))
        sizes[each.name] = each.replicas + step
        added += step
    if ordered and to_add != added:
        first = ordered[0].name
        sizes[first] = max(0, sizes[first] + to_add - added)
    return sizes


def _share(each: Sized, bounds: Bounds, total: int) -> int:
    """By how many replicas a ReplicaSet would change if all kept their proportions."""
    if not bounds.replicas:
        return -each.replicas
    before = each.limit or total or 1
    return round(each.replicas * bounds.most / before) - each.replicas


def changes(sets: Mapping[str, Sized], sizes: Mapping[str, int]) -> dict[str, int]:
    """Of these sizes, those that differ from what there is."""
    return {name: size for name, size in sizes.items() if sets[name].replicas != size}
