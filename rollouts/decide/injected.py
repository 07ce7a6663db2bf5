"""Pure. What a rollout has added to the pods of a ReplicaSet, as the ReplicaSet itself remembers it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from analysis.schema import Obj
from rollouts.api import labels
from rollouts.decide.world import ReplicaSet


@dataclass(frozen=True, slots=True)
class Injected:
    """Keys that the rollout adds to pods."""

    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)


NOTHING = Injected()


def ephemeral_annotation(injected: Injected) -> dict[str, str]:
    """How a ReplicaSet remembers what was injected, so that it can be taken away again."""
    if injected == NOTHING:
        return {}
    parts = {"labels": dict(injected.labels), "annotations": dict(injected.annotations)}
    return {labels.EPHEMERAL_METADATA: json.dumps({k: v for k, v in parts.items() if v}, separators=(",", ":"))}


def remembered(rs: ReplicaSet) -> Injected:
    """What the ReplicaSet says was injected into its pods; nothing when that cannot be read."""
    try:
        parts = json.loads(rs.annotations.get(labels.EPHEMERAL_METADATA) or "{}")
        return Injected(dict(parts.get("labels") or {}), dict(parts.get("annotations") or {}))
    except (ValueError, AttributeError, TypeError):
        return NOTHING


def own_template(rs: ReplicaSet) -> Obj:
    """The ReplicaSet's pod template without what was injected into it: metadata, and a rule against stable's nodes."""
    return covered(_without_rule(rs.template), remembered(rs))


def covered(template: Obj, added: Injected) -> Obj:
    """What can still be told of a pod template once this has been injected into it: all but the keys that it covers."""
    if added == NOTHING:
        return template
    metadata = dict(template.get("metadata") or {})
    for field_name, keys in (("labels", added.labels), ("annotations", added.annotations)):
        metadata[field_name] = {k: v for k, v in (metadata.get(field_name) or {}).items() if k not in keys}
    return {**template, "metadata": metadata}


def anti_affinity(template: Obj) -> Obj:
    """The rules of a pod template that keep its pods away from others."""
    rules: Obj = ((template.get("spec") or {}).get("affinity") or {}).get("podAntiAffinity") or {}
    return rules


def _without_rule(template: Obj) -> Obj:
    spec = template.get("spec") or {}
    affinity = spec.get("affinity") or {}
    rules = anti_affinity(template)
    kept = {where: [term for term in terms or () if not _is_ours(term)] for where, terms in rules.items()}
    if kept == rules:
        return template
    pruned = {where: terms for where, terms in kept.items() if terms}
    rest = {key: value for key, value in affinity.items() if key != "podAntiAffinity"}
    rest |= {"podAntiAffinity": pruned} if pruned else {}
    bare = {key: value for key, value in spec.items() if key != "affinity"}
    return {**template, "spec": {**bare, "affinity": rest} if rest else bare}


def _is_ours(term: Obj) -> bool:
    """Nobody but us selects pods by their template hash."""
    selector = (term.get("podAffinityTerm") or term).get("labelSelector") or {}
    return any(one.get("key") == labels.POD_TEMPLATE_HASH for one in selector.get("matchExpressions") or ())
