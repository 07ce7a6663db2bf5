"""Pure. Keeping new pods off the nodes of stable ones: a rule added to the new ReplicaSet's pod template.

The rule names the stable version. So a version that comes back, which may have none or one about a version that was
stable then, gets the one of now; running pods are not touched by it.
"""

from analysis.schema import Obj
from rollouts.api import labels
from rollouts.api.canary import AntiAffinity
from rollouts.decide.context import Context
from rollouts.decide.injected import anti_affinity, own_template
from rollouts.decide.world import Hash, ReplicaSet

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
_NODE = "kubernetes.io/hostname"


def with_anti_affinity(ctx: Context, template: Obj) -> Obj:
    """The pod template with the rule that the strategy asks for; none on a first deployment."""
    rule = _wanted(ctx)
    if rule is None:
        return template
    spec = template.get("spec") or {}
    affinity = spec.get("affinity") or {}
    rules = _with(affinity.get("podAntiAffinity") or {}, rule)
    return {**template, "spec": {**spec, "affinity": {**affinity, "podAntiAffinity": rules}}}


def corrected(ctx: Context, new: ReplicaSet, *, written: bool) -> Obj:
    """What the new ReplicaSet's pod template has to say under `podAntiAffinity`, as a merge patch; nothing where that
    is so already. A rule that has had its time goes only if the ReplicaSet is `written` anyway."""
    found = anti_affinity(new.template)
    rule, own = _wanted(ctx), anti_affinity(own_template(new))
    wanted = own if rule is None else _with(own, rule)
    if wanted == found or (rule is None and not written):
        return {}
    return {**dict.fromkeys(found), **wanted}


def _wanted(ctx: Context) -> tuple[str, Obj] | None:
    """The rule of now, and the list that it belongs to."""
    asked = ctx.blue_green.anti_affinity if ctx.blue_green is not None else ctx.canary.anti_affinity
    stable = Hash(ctx.stored.stable_rs)
    if asked is None or not stable or stable == ctx.hash:
        return None
    return _rule(asked, stable, ctx.rollout.metadata.namespace)


def _with(rules: Obj, rule: tuple[str, Obj]) -> Obj:
    where, term = rule
    return {**rules, where: [*(rules.get(where) or []), term]}


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
