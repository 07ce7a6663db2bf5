"""Pure. Letting go of a user's routing object: whose marks are in it, and how it reads without those of one Rollout."""

import json

from rollouts.api import labels
from rollouts.api.gotypes import go_json
from rollouts.kube.refs import INGRESS, Obj, Resource, name_of
from rollouts.traffic import alb
from rollouts.traffic.base import RoutingError, TrafficSettings
from rollouts.traffic.istio import destinationrule

_LEGACY = "rollouts.argoproj.io/managed-alb-actions"
_ACTIONS, _CONDITIONS = "/actions.", "/conditions."


def marked(settings: TrafficSettings) -> tuple[Resource, ...]:
    """The kinds of objects in which a Rollout leaves marks that have to be taken back."""
    return (settings.destination_rules, INGRESS)


def managers(obj: Obj) -> tuple[str, ...]:
    """Names of the Rollouts that have left marks in an object, by their own account."""
    annotations = obj["metadata"].get("annotations") or {}
    if not _is_ingress(obj):
        manager = annotations.get(labels.MANAGED_BY_ROLLOUTS)
        return (manager,) if manager else ()
    try:
        return tuple(alb.books(annotations))
    except RoutingError:
        return ()  # the Rollouts that use it say so


def names(rollout: Obj, obj: Obj) -> bool:
    """Whether a Rollout's manifest names this object as one to be edited."""
    strategy = (rollout.get("spec") or {}).get("strategy") or {}
    routing = (strategy.get("canary") or {}).get("trafficRouting") or {}
    balancer, rule = routing.get("alb") or {}, (routing.get("istio") or {}).get("destinationRule") or {}
    named = (*(balancer.get("ingresses") or ()), balancer.get("ingress")) if _is_ingress(obj) else (rule.get("name"),)
    return name_of(obj) in named


def released(obj: Obj, rollout: str) -> Obj:
    """The object without the marks of a Rollout of this name."""
    return _unbooked(obj, rollout) if _is_ingress(obj) else destinationrule.release(obj)


def _is_ingress(obj: Obj) -> bool:
    return obj.get("kind") == INGRESS.kind


# ── an Ingress of a load balancer ──


def _unbooked(ingress: Obj, rollout: str) -> Obj:
    """Header routes go, the action leads to the Service that it is named after, and the entry leaves the books."""
    annotations = dict(ingress["metadata"].get("annotations") or {})
    books = alb.books(annotations)
    keys = [key for key in books.pop(rollout, ()) if key in annotations]
    routes = {key.partition(_CONDITIONS)[2] for key in keys if _CONDITIONS in key}
    for key in keys:
        name = key.partition(_ACTIONS)[2]
        if name and name not in routes:
            annotations[key] = _whole(annotations[key], name)
        else:
            del annotations[key]
    annotations.pop(_LEGACY, None)
    annotations[alb.MANAGED] = go_json(dict(sorted(books.items())))
    if not books:
        del annotations[alb.MANAGED]
    after = {**ingress, "metadata": {**ingress["metadata"], "annotations": annotations}}
    rules = (ingress.get("spec") or {}).get("rules")
    if not (rules and routes):
        return after
    return {**after, "spec": {**ingress["spec"], "rules": [alb.without(rule, routes) for rule in rules]}}


def _whole(action: str, service: str) -> str:
    """The forward action with all of the traffic for one Service, at the port that it had, or that the others have."""
    try:
        found = json.loads(action)
        groups = found["ForwardConfig"]["TargetGroups"]
        own = [group for group in groups if group.get("ServiceName") == service]
        port = [*own, *groups][0]["ServicePort"]
    except (ValueError, LookupError, TypeError):
        return action  # somebody's own by now
    group = {"ServiceName": service, "ServicePort": port, "Weight": 100}
    return go_json({**found, "ForwardConfig": {**found["ForwardConfig"], "TargetGroups": [group]}})
