"""Pure. What a Rollout's spec may not say, as far as it can be told without a cluster."""

import re
from collections.abc import Iterator

from analysis.schema import IntOrString
from rollouts.api import defaults, fielderrors
from rollouts.api.bluegreen import BlueGreenStrategy
from rollouts.api.canary import AntiAffinity, CanaryStrategy
from rollouts.api.meta import LabelSelector
from rollouts.api.pod.rules import pod_template_errors
from rollouts.api.rollout import Rollout, RolloutSpec
from rollouts.api.rules.steps import step_errors

_STRATEGY = "spec.strategy"
_NUMBER = re.compile(r"([+-]?[0-9]+)%?")


def validate_rollout(rollout: Rollout) -> str | None:
    """The first fault of the spec as `<path>: <kind>[: <value>][: <detail>]`, or None when there is none.

    Paths of faults within a strategy leave out its name (`spec.strategy.steps[0]`), as in Argo Rollouts.
    """
    return next(_errors(rollout), None)


def _errors(rollout: Rollout) -> Iterator[str]:
    spec = rollout.spec
    yield from _not_negative("replicas", spec.replicas)
    if spec.workload_ref is None:
        yield from _selector_errors(spec.selector)
        yield from pod_template_errors(spec.template, spec.selector, "spec.template")
    elif has_own_template(spec):
        yield fielderrors.internal("spec.template", "template must be empty for workload reference rollout")
    yield from _number_errors(rollout)
    yield from _strategy_errors(rollout)


def has_own_template(spec: RolloutSpec) -> bool:
    """A template counts as given when it has labels or annotations, whatever its containers."""
    metadata = spec.template.get("metadata")
    return isinstance(metadata, dict) and bool(metadata.get("labels") or metadata.get("annotations"))


def _not_negative(field: str, value: int | None) -> Iterator[str]:
    if value is not None and value < 0:
        yield fielderrors.invalid(f"spec.{field}", value, fielderrors.NOT_NEGATIVE)


def _number_errors(rollout: Rollout) -> Iterator[str]:
    spec, deadline = rollout.spec, defaults.progress_deadline_seconds(rollout)
    yield from _not_negative("minReadySeconds", spec.min_ready_seconds)
    yield from _not_negative("revisionHistoryLimit", spec.revision_history_limit)
    yield from _not_negative("progressDeadlineSeconds", spec.progress_deadline_seconds)
    if deadline <= spec.min_ready_seconds:
        yield fielderrors.invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds")


def _selector_errors(selector: LabelSelector | None) -> Iterator[str]:
    if selector is None:
        yield fielderrors.required("spec.selector", "Rollout has missing field '.spec.selector'")
        return
    for at, requirement in enumerate(selector.match_expressions):
        path = f"spec.selector.matchExpressions[{at}]"
        if requirement.operator in ("In", "NotIn"):
            if not requirement.values:
                yield fielderrors.required(f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'")
        elif requirement.operator not in ("Exists", "DoesNotExist"):
            yield fielderrors.invalid(f"{path}.operator", requirement.operator, "not a valid selector operator")
        elif requirement.values:
            detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            yield fielderrors.forbidden(f"{path}.values", detail)
    if selector.empty:
        yield fielderrors.invalid("spec.selector", selector, "empty selector is invalid for deployment")


def _strategy_errors(rollout: Rollout) -> Iterator[str]:
    blue_green, canary = rollout.spec.strategy.blue_green, rollout.spec.strategy.canary
    path = f"{_STRATEGY}.strategy"
    if blue_green is None and canary is None:
        missing = "Rollout has missing field '.spec.strategy.canary or .spec.strategy.blueGreen'"
        yield fielderrors.required(path, missing)
    elif blue_green is not None and canary is not None:
        yield fielderrors.invalid(path, "blueGreen: true canary: true", "Multiple Strategies can not be listed")
    elif blue_green is not None:
        yield from _blue_green_errors(rollout, blue_green)
    elif canary is not None:
        yield from _canary_errors(rollout, canary)


def _blue_green_errors(rollout: Rollout, blue_green: BlueGreenStrategy) -> Iterator[str]:
    if blue_green.active_service == blue_green.preview_service:
        yield fielderrors.invalid(
            f"{_STRATEGY}.activeService",
            blue_green.active_service,
            "This rollout uses the same service for the active and preview services, but two different services "
            "are required.",
        )
    limit = blue_green.scale_down_delay_revision_limit
    if limit is not None and limit > defaults.revision_history_limit(rollout):
        yield fielderrors.invalid(
            f"{_STRATEGY}.scaleDownDelayRevisionLimit",
            limit,
            "This rollout's revision history limit can not be smaller than the rollout's scale down limit",
        )
    yield from _anti_affinity_errors(blue_green.anti_affinity)


def _canary_errors(rollout: Rollout, canary: CanaryStrategy) -> Iterator[str]:
    surge = defaults.MAX_SURGE if canary.max_surge is None else canary.max_surge
    unavailable = defaults.MAX_UNAVAILABLE if canary.max_unavailable is None else canary.max_unavailable
    if _number(surge) == 0 and _number(unavailable) == 0:
        yield fielderrors.invalid(f"{_STRATEGY}.maxSurge", surge, "MaxSurge and MaxUnavailable both can not be zero")
    if canary.stable_service and canary.stable_service == canary.canary_service:
        yield fielderrors.invalid(
            f"{_STRATEGY}.stableService",
            canary.stable_service,
            "This rollout uses the same service for the stable and canary services, but two different services "
            "are required.",
        )
    yield from _ping_pong_errors(canary)
    yield from _service_errors(canary)
    yield from _routing_errors(canary)
    for at, step in enumerate(canary.steps):
        yield from step_errors(rollout, canary, step, f"{_STRATEGY}.steps[{at}]")
    yield from _anti_affinity_errors(canary.anti_affinity)


def _number(value: IntOrString) -> int:
    if isinstance(value, int):
        return value
    match = _NUMBER.fullmatch(value)
    return int(match[1]) if match else 0


def _ping_pong_errors(canary: CanaryStrategy) -> Iterator[str]:
    pair, routing = canary.ping_pong, canary.traffic_routing
    if pair is None:
        return
    if routing is not None and routing.alb is None and routing.istio is None and not routing.plugins:
        detail = "Ping-pong feature works with the ALB, Istio, and plugin-based traffic routers only"
        yield fielderrors.invalid(f"{_STRATEGY}.trafficRouting.alb", None, detail)
    for field, service in (("pingService", pair.ping_service), ("pongService", pair.pong_service)):
        if not service:
            detail = "Ping service and Pong service must to be set to use Ping-Pong feature"
            yield fielderrors.invalid(f"{_STRATEGY}.pingPong.{field}", service, detail)
    if pair.ping_service == pair.pong_service:
        yield fielderrors.invalid(
            f"{_STRATEGY}.pingPong.pingService",
            pair.ping_service,
            "This rollout uses the same service for the ping and pong services, but two different services "
            "are required.",
        )
    if routing is not None and routing.alb is not None and not routing.alb.root_service:
        detail = "Root service field is required for the configuration with ALB and ping-pong feature enabled"
        yield fielderrors.invalid(f"{_STRATEGY}.trafficRouting.alb.rootService", "", detail)


def _needs_services(canary: CanaryStrategy) -> bool:
    """Whether some router sends traffic by the names of the two Services."""
    routing = canary.traffic_routing
    if routing is None:
        return False
    by_name = (routing.smi, routing.apisix, routing.ambassador, routing.nginx, routing.app_mesh, routing.traefik)
    if any(router is not None for router in by_name):
        return True
    by_subset = routing.istio is None or routing.istio.destination_rule is not None
    return canary.ping_pong is None and (routing.alb is not None or not by_subset)


def _service_errors(canary: CanaryStrategy) -> Iterator[str]:
    if not _needs_services(canary):
        return
    for field, service in (("stableService", canary.stable_service), ("canaryService", canary.canary_service)):
        if not service:
            detail = "Canary service and Stable service must to be set to use Traffic Routing"
            yield fielderrors.invalid(f"{_STRATEGY}.{field}", service, detail)


def _routing_errors(canary: CanaryStrategy) -> Iterator[str]:
    routing, delay, dynamic = canary.traffic_routing, canary.scale_down_delay_seconds, canary.dynamic_stable_scale
    if routing is None:
        if delay is not None:
            detail = "Canary scaleDownDelaySeconds can only be used with traffic routing"
            yield fielderrors.invalid(f"{_STRATEGY}.scaleDownDelaySeconds", delay, detail)
        if dynamic:
            detail = "Canary dynamicStableScale can only be used with traffic routing"
            yield fielderrors.invalid(f"{_STRATEGY}.dynamicStableScale", dynamic, detail)
        return
    if delay is not None and dynamic:
        detail = "Canary dynamicStableScale cannot be used with scaleDownDelaySeconds"
        yield fielderrors.invalid(f"{_STRATEGY}.dynamicStableScale", dynamic, detail)
    if routing.max_traffic_weight is not None and routing.nginx is None and not routing.plugins:
        detail = "Canary maxTrafficWeight in traffic routing only supported in Nginx and Plugins"
        yield fielderrors.invalid(f"{_STRATEGY}.trafficRouting.maxTrafficWeight", routing.max_traffic_weight, detail)


def _anti_affinity_errors(anti_affinity: AntiAffinity | None) -> Iterator[str]:
    if anti_affinity is None:
        return
    path = f"{_STRATEGY}.antiAffinity"
    preferred = anti_affinity.preferred_during_scheduling_ignored_during_execution
    needed = anti_affinity.required_during_scheduling_ignored_during_execution
    if (preferred is None) == (needed is None):
        given = str(preferred is not None).lower()
        value = (
            f"antiAffinity.PreferredDuringSchedulingIgnoredDuringExecution: {given} "
            f"antiAffinity.RequiredDuringSchedulingIgnoredDuringExecution: {given}"
        )
        yield fielderrors.invalid(path, value, "AntiAffinity must have exactly one strategy listed")
    if preferred is not None and not 1 <= preferred.weight <= 100:
        yield fielderrors.invalid(f"{path}.weight", preferred.weight, "AntiAffinity weight must be between 1-100")
