"""Pure. What a canary's step may not say."""

import re
from collections.abc import Iterator

from rollouts.api import defaults, fielderrors
from rollouts.api.canary import CanaryStep, CanaryStrategy, SetHeaderRoute, SetMirrorRoute, StringMatch
from rollouts.api.rollout import Rollout
from rollouts.api.runs import AnalysisRunArgument

_ROUTING = "spec.strategy.trafficRouting"
_ONE_TYPE = "Step must have one of the following set: experiment, setWeight, setCanaryScale, plugin or pause"
_DOWNWARD = frozenset(f"metadata.{name}" for name in ("annotations", "labels", "name", "namespace", "uid"))
_SUBSCRIPT = re.compile(r"metadata\.(annotations|labels)\['(.*)'\]")
_KEY = re.compile(
    r"(?:[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
)


def step_errors(rollout: Rollout, canary: CanaryStrategy, step: CanaryStep, path: str) -> Iterator[str]:
    """The faults of one step at `path`, in the order in which Argo Rollouts finds them."""
    yield from _type_errors(step, path)
    most = defaults.max_weight(rollout)
    if step.set_weight is not None and not 0 <= step.set_weight <= most:
        yield fielderrors.invalid(f"{path}.setWeight", step.set_weight, f"SetWeight needs to be between 0 and {most}")
    if step.pause is not None and step.pause.duration is not None:
        seconds = defaults.pause_seconds(step.pause.duration)
        if seconds < 0:
            yield fielderrors.invalid(f"{path}.pause.duration", seconds, "Duration needs to be greater than 0")
    if step.set_canary_scale is not None and canary.traffic_routing is None:
        yield fielderrors.required(_ROUTING, "SetCanaryScale requires TrafficRouting to be set")
    if step.set_header_route is not None:
        yield from _header_errors(canary, step.set_header_route, f"{path}.setHeaderRoute")
    if step.set_mirror_route is not None:
        yield from _mirror_errors(canary, step.set_mirror_route, f"{path}.setMirrorRoute")
    yield from _managed_route_errors(canary, step, path)
    yield from _experiment_errors(canary, step, path)
    yield from _argument_errors(step, path)


def _said(fields: tuple[tuple[str, bool], ...]) -> str:
    return " ".join(f"step.{name}: {str(flag).lower()}" for name, flag in fields)


def _type_errors(step: CanaryStep, path: str) -> Iterator[str]:
    exclusive = (
        ("Experiment", step.experiment is not None),
        ("Pause", step.pause is not None),
        ("SetWeight", step.set_weight is not None),
        ("Analysis", step.analysis is not None),
    )
    others = (
        ("SetCanaryScale", step.set_canary_scale is not None),
        ("SetHeaderRoute", step.set_header_route is not None),
        ("SetMirrorRoute", step.set_mirror_route is not None),
        ("Plugin", step.plugin is not None),
    )
    if sum(given for _, given in exclusive) > 1:
        yield fielderrors.invalid(path, _said(exclusive), _ONE_TYPE)
    if not any(given for _, given in exclusive + others):
        missing = tuple((name, not given) for name, given in exclusive + others)
        yield fielderrors.invalid(path, _said(missing), _ONE_TYPE)


def _header_errors(canary: CanaryStrategy, step: SetHeaderRoute, path: str) -> Iterator[str]:
    routing = canary.traffic_routing
    if routing is None or not (routing.istio or routing.alb or routing.apisix or routing.plugins):
        yield fielderrors.invalid(
            path, step, "SetHeaderRoute requires TrafficRouting, supports Istio and ALB and Apisix"
        )
        return
    for at, match in enumerate(step.match):
        value, where = match.header_value, f"{path}.match[{at}]"
        if value is not None and routing.alb is not None:
            if not value.exact or value.regex or value.prefix:
                detail = "SetHeaderRoute match value invalid. ALB supports 'exact' value only"
                yield fielderrors.invalid(where, value, detail)
        else:
            yield from _match_errors(value, where)


def _mirror_errors(canary: CanaryStrategy, step: SetMirrorRoute, path: str) -> Iterator[str]:
    routing = canary.traffic_routing
    if routing is None or not (routing.istio or routing.plugins):
        yield fielderrors.invalid(path, step, "SetMirrorRoute requires TrafficRouting, supports Istio and Plugins")
    for at, match in enumerate(step.match):
        for value in (match.method, match.path):
            if value is not None:
                yield from _match_errors(value, f"{path}.match[{at}]")


def _match_errors(value: StringMatch | None, path: str) -> Iterator[str]:
    given = 0 if value is None else sum(map(bool, (value.exact, value.regex, value.prefix)))
    if given > 1:
        detail = "StringMatch match value must have exactly one of the following: exact, regex, prefix"
        yield fielderrors.invalid(path, value, detail)
    if given == 0:
        detail = "StringMatch value missed, match value must have one of the following: exact, regex, prefix"
        yield fielderrors.invalid(path, value, detail)


def _managed_route_errors(canary: CanaryStrategy, step: CanaryStep, path: str) -> Iterator[str]:
    routes = {"setHeaderRoute": step.set_header_route, "setMirrorRoute": step.set_mirror_route}
    named = {field: route.name for field, route in routes.items() if route is not None}
    if canary.traffic_routing is None or not named:
        return
    managed = canary.traffic_routing.managed_routes
    if managed is None:
        field = "spec.strategy.canary.trafficRouting.managedRoutes"
        yield fielderrors.required(f"{_ROUTING}.managedRoutes", f"Rollout has missing field '{field}'")
        return
    for field, name in named.items():
        if name not in [route.name for route in managed]:
            detail = "Steps define a route that does not exist in spec.strategy.canary.trafficRouting.managedRoutes"
            yield fielderrors.invalid(f"{path}.{field}", name, detail)


def _experiment_errors(canary: CanaryStrategy, step: CanaryStep, path: str) -> Iterator[str]:
    routing = canary.traffic_routing
    for at, template in enumerate(step.experiment.templates if step.experiment else ()):
        if template.weight is None:
            continue
        where = f"{path}.experiment.templates[{at}].weight"
        if routing is None:
            detail = "Experiment template weight cannot be set unless TrafficRouting is enabled"
            yield fielderrors.invalid(where, template.weight, detail)
        elif not (routing.alb or routing.smi or routing.istio or routing.plugins):
            detail = (
                "Experiment template weight is only available for TrafficRouting with SMI, ALB, Istio and Plugins "
                "at this time"
            )
            yield fielderrors.invalid(where, template.weight, detail)


def _argument_errors(step: CanaryStep, path: str) -> Iterator[str]:
    analyses = step.experiment.analyses if step.experiment else ()
    args = tuple(arg for analysis in analyses for arg in analysis.args)
    args += step.analysis.args if step.analysis else ()
    for arg in args:
        if not _resolvable(arg):
            detail = "Analyses arguments must refer to valid object metadata supported by downwardAPI"
            yield fielderrors.invalid(f"{path}.analyses", args, detail)


def _resolvable(arg: AnalysisRunArgument) -> bool:
    reference = arg.value_from.field_ref if arg.value_from else None
    if reference is None or not reference.field_path.startswith("metadata"):
        return True
    subscript = _SUBSCRIPT.fullmatch(reference.field_path)
    if subscript is None:
        return reference.field_path in _DOWNWARD
    key = subscript[2].lower() if subscript[1] == "annotations" else subscript[2]
    return _KEY.fullmatch(key) is not None
