"""Pure. Keeping new pods off the nodes of stable ones: a rule added to the new ReplicaSet's pod template."""

from analysis.schema import Obj
from rollouts.api import labels
from rollouts.api.canary import AntiAffinity
from rollouts.decide.context import Context
from rollouts.decide.world import Hash

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
_NODE = "kubernetes.io/hostname"


def with_anti_affinity(ctx: Context, template: Obj) -> Obj:
    """The pod template with the rule that the strategy asks for; none on a first deployment."""
    asked = ctx.blue_green.anti_affinity if ctx.blue_green is not None else ctx.canary.anti_affinity
    stable = Hash(ctx.stored.stable_rs)
    if asked is None or not stable or stable == ctx.hash:
        return template
    spec = template.get("spec") or {}
    affinity = spec.get("affinity") or {}
    rules = affinity.get("podAntiAffinity") or {}
    where, rule = _rule(asked, stable, ctx.rollout.metadata.namespace)
    rules = {**rules, where: [*(rules.get(where) or []), rule]}
    return {**template, "spec": {**spec, "affinity": {**affinity, "podAntiAffinity": rules}}}


def _rule(asked: AntiAffinity, stable: Hash, namespace: str) -> tuple[str, Obj]:
    term = {
        "labelSelector": {
            "matchExpressions": [{"key": labels.POD_TEMPLATE_HASH, "operator": "In", "values": [stable]}]
        },
        "namespaces": [namespace],
        "topologyKey": _NODE,
    }
    preferred = asked.preferred_during_scheduling_ignored_during_execution
    if preferred is None:
        return _REQUIRED, term
    return _PREFERRED, {"weight": preferred.weight, "podAffinityTerm": term}
