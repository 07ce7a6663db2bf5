"""Pure. A DestinationRule whose canary and stable subsets select the pods by their template hash."""

from rollouts.api import labels
from rollouts.api.traffic import IstioDestinationRule
from rollouts.decide.plan import Split
from rollouts.kube.refs import Obj


def say(rule: Obj, names: IstioDestinationRule, split: Split, rollout: str) -> Obj:
    """The DestinationRule as it must read for this split; the same object where it reads so already.

    Subsets of somebody else stay (upstream drops them); those that an experiment had and has no longer go.
    """
    wanted: dict[str, str] = {names.canary_subset_name: split.canary.hash, names.stable_subset_name: split.stable.hash}
    wanted |= {extra.service: extra.hash for extra in split.additional}
    spec = rule.get("spec") or {}
    found: list[Obj] = spec.get("subsets") or []
    kept = [_subset(subset, wanted) for subset in found if subset.get("name") in wanted or not _ours(subset)]
    there = {subset.get("name") for subset in kept}
    missing = [
        {"name": extra.service, "labels": {labels.POD_TEMPLATE_HASH: extra.hash}}
        for extra in split.additional
        if extra.service not in there
    ]
    metadata = rule["metadata"]
    annotations = {**(metadata.get("annotations") or {}), labels.MANAGED_BY_ROLLOUTS: rollout}
    after = {
        **rule,
        "metadata": {**metadata, "annotations": annotations},
        "spec": {**spec, "subsets": [*kept, *missing]},
    }
    return rule if after == rule else after


def selects(rule: Obj, subset: str, hash: str) -> bool:
    """Whether a subset of this name selects the pods with this hash."""
    subsets = (rule.get("spec") or {}).get("subsets") or ()
    chosen = next((one.get("labels") or {} for one in subsets if one.get("name") == subset), {})
    return chosen.get(labels.POD_TEMPLATE_HASH) == hash


def _ours(subset: Obj) -> bool:
    """Nobody but us selects pods by their template hash."""
    return labels.POD_TEMPLATE_HASH in (subset.get("labels") or {})


def _subset(subset: Obj, wanted: dict[str, str]) -> Obj:
    name = subset.get("name", "")
    if name not in wanted:
        return subset
    rest = {key: value for key, value in (subset.get("labels") or {}).items() if key != labels.POD_TEMPLATE_HASH}
    hash = wanted[name]
    chosen = {**rest, labels.POD_TEMPLATE_HASH: hash} if hash else rest
    if chosen == (subset.get("labels") or {}):
        return subset
    return {**subset, "labels": chosen}


def release(rule: Obj) -> Obj:
    """The DestinationRule without what its Rollout wrote into it."""
    metadata, spec = rule["metadata"], rule.get("spec") or {}
    annotations = {k: v for k, v in (metadata.get("annotations") or {}).items() if k != labels.MANAGED_BY_ROLLOUTS}
    subsets = [_subset(subset, {subset.get("name", ""): ""}) for subset in spec.get("subsets") or ()]
    return {**rule, "metadata": {**metadata, "annotations": annotations}, "spec": {**spec, "subsets": subsets}}
