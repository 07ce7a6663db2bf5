"""Pure. Which fields of other people's objects a Rollout writes, as the ignore rules of GitOps tools say it.

Objects that a router makes itself (canary Ingresses, TrafficSplits, canary Mappings, header routes of APISIX) are in
nobody's repository and need no rule.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from rollouts.api import labels
from rollouts.api.canary import CanaryStrategy
from rollouts.api.rollout import Rollout
from rollouts.api.traffic import GATEWAY_API, ALBTrafficRouting, AppMeshTrafficRouting
from rollouts.kube.refs import DEPLOYMENT, INGRESS, SERVICE, Obj, Resource
from rollouts.traffic import alb
from rollouts.traffic.base import TrafficSettings
from rollouts.traffic.gateway.config import KINDS, read
from rollouts.traffic.gateway.router import IN_PROGRESS
from rollouts.traffic.istio.router import named_ref


@dataclass(frozen=True, slots=True)
class Each:
    """Every item of a list, or those that have one of these texts at a path; `numbered`: also with `-<n>` behind it."""

    texts: tuple[str, ...] = ()
    at: tuple[str, ...] = ("name",)
    numbered: bool = False

    @property
    def pattern(self) -> str:
        choice = "|".join(re.sub(r"([.\\+*?^$()\[\]{}|])", r"\\\1", text) for text in self.texts)
        return f"^({choice}){'(-[0-9]+)?' if self.numbered else ''}$"

    def takes(self, item: Any) -> bool:
        """Whether this item of a list is meant."""
        for key in self.at:
            item = item.get(key) if isinstance(item, dict) else None
        return not self.texts or bool(re.search(self.pattern, item if isinstance(item, str) else ""))


Path: TypeAlias = tuple[str | Each, ...]
"""Where a field is: keys of objects, and items of lists."""


@dataclass(frozen=True, slots=True)
class Touched:
    """An object of somebody's and the fields in it that are written; `name` "" for all objects of the kind."""

    resource: Resource
    namespace: str
    name: str
    paths: tuple[Path, ...]


_HASH, _ALL = labels.POD_TEMPLATE_HASH, Each()


def touched(rollout: Rollout, settings: TrafficSettings) -> tuple[Touched, ...]:
    """Everything that a Rollout writes into objects which somebody else made."""
    found = [*_services(rollout), *_workload(rollout)]
    canary = rollout.spec.strategy.canary
    if canary is not None and canary.traffic_routing is not None:
        found += _routing(rollout.metadata.namespace, canary, settings)
    return tuple(found)


def _services(rollout: Rollout) -> Iterator[Touched]:
    strategy, paths = rollout.spec.strategy, (("spec", "selector", _HASH), _annotation(labels.MANAGED_BY_ROLLOUTS))
    canary, blue_green = strategy.canary, strategy.blue_green
    names: list[str] = []
    if canary is not None:
        turns = canary.ping_pong
        names += [canary.stable_service, canary.canary_service]
        names += [turns.ping_service, turns.pong_service] if turns is not None else []
    if blue_green is not None:
        names += [blue_green.active_service, blue_green.preview_service]
    for name in dict.fromkeys(filter(None, names)):
        yield Touched(SERVICE, rollout.metadata.namespace, name, paths)


def _workload(rollout: Rollout) -> Iterator[Touched]:
    ref = rollout.spec.workload_ref
    if ref is not None and ref.kind == DEPLOYMENT.kind and (ref.scale_down or "never") != "never":
        yield Touched(DEPLOYMENT, rollout.metadata.namespace, ref.name, (("spec", "replicas"),))


def _annotation(key: str) -> Path:
    return ("metadata", "annotations", key)


# ── routing objects ──


def _routing(namespace: str, canary: CanaryStrategy, settings: TrafficSettings) -> Iterator[Touched]:
    routing = canary.traffic_routing
    assert routing is not None
    managed = tuple(route.name for route in routing.managed_routes or ())
    # What an experiment gets is an entry of its own beside those of canary and stable.
    shares: Path = () if _tries(canary) else (_ALL, "weight")
    if routing.istio is not None:
        yield from _istio(namespace, canary, settings, managed, shares)
    if routing.alb is not None:
        yield from _balancer(namespace, canary, routing.alb, managed)
    if routing.app_mesh is not None:
        yield from _mesh(namespace, routing.app_mesh, settings)
    if routing.traefik is not None:
        both = Each((canary.stable_service, canary.canary_service))
        path: Path = ("spec", "weighted", "services", both, "weight")
        yield Touched(settings.traefik_services, namespace, routing.traefik.weighted_traefik_service_name, (path,))
    if routing.apisix is not None and routing.apisix.route is not None:
        route = routing.apisix.route
        path = ("spec", "http", Each(route.rules or (route.name,)), "backends", _ALL, "weight")
        yield Touched(settings.apisix_routes, namespace, route.name, (path,))
    if GATEWAY_API in routing.plugins:
        yield from _gateway(namespace, routing.plugins[GATEWAY_API], managed, shares)


def _tries(canary: CanaryStrategy) -> bool:
    """Whether some experiment gets a share of the traffic."""
    steps = (step.experiment for step in canary.steps if step.experiment is not None)
    return any(template.weight is not None for step in steps for template in step.templates)


def _istio(
    namespace: str, canary: CanaryStrategy, settings: TrafficSettings, managed: tuple[str, ...], shares: Path
) -> Iterator[Touched]:
    istio = canary.traffic_routing.istio if canary.traffic_routing else None
    assert istio is not None
    for one in (istio.virtual_service, *istio.virtual_services):
        if one is not None:
            ref = named_ref(one, settings.virtual_services, namespace)
            paths: list[Path] = [("spec", "http", Each(one.routes), "route", *shares)]
            paths += [("spec", section, _ALL, "route", *shares) for section in ("tls", "tcp")]
            paths += [("spec", "http", Each(managed))] if managed else []
            yield Touched(ref.resource, ref.namespace, ref.name, tuple(paths))
    if istio.destination_rule is not None:
        subset: Path = ("spec", "subsets", _ALL, "labels", _HASH) if shares else ("spec", "subsets")
        paths = [_annotation(labels.MANAGED_BY_ROLLOUTS), subset]
        yield Touched(settings.destination_rules, namespace, istio.destination_rule.name, tuple(paths))


def _balancer(
    namespace: str, canary: CanaryStrategy, spec: ALBTrafficRouting, managed: tuple[str, ...]
) -> Iterator[Touched]:
    prefix, root = spec.annotation_prefix or alb.PREFIX, spec.root_service or canary.stable_service
    keys = [alb.MANAGED, f"{prefix}/actions.{root}"]
    keys += [f"{prefix}/{what}.{name}" for name in managed for what in ("actions", "conditions")]
    own: Path = ("spec", "rules", _ALL, "http", "paths", Each(managed, ("backend", "service", "name")))
    paths = (*map(_annotation, keys), *((own,) if managed else ()))
    yield from (Touched(INGRESS, namespace, name, paths) for name in spec.ingresses or (spec.ingress,))


def _mesh(namespace: str, spec: AppMeshTrafficRouting, settings: TrafficSettings) -> Iterator[Touched]:
    """Which VirtualRouter it is stands in the VirtualService only."""
    _, virtual_router, node = settings.mesh_resources
    kinds = ("httpRoute", "tcpRoute", "http2Route", "grpcRoute")
    only = Each(spec.virtual_service.routes if spec.virtual_service else ())
    weights = tuple(("spec", "routes", only, kind, "action", "weightedTargets", _ALL, "weight") for kind in kinds)
    yield Touched(virtual_router, namespace, "", weights)
    group = spec.virtual_node_group
    for one in filter(None, (group.canary_virtual_node_ref, group.stable_virtual_node_ref) if group else ()):
        yield Touched(node, namespace, one.name, (("spec", "podSelector", "matchLabels", _HASH),))


def _gateway(namespace: str, value: Obj, managed: tuple[str, ...], shares: Path) -> Iterator[Touched]:
    config, _ = read(value)
    label = () if config.disable_in_progress_label else (config.in_progress_label_key or IN_PROGRESS,)
    for kind in KINDS:
        paths: list[Path] = [("spec", "rules", _ALL, "backendRefs", *shares)]
        paths += [("metadata", "labels", key) for key in label]
        paths += [("spec", "rules", Each(managed, numbered=True))] if managed and kind.headers else []
        names = [""] if config.selector(kind) is not None else [route.name for route in config.named(kind)]
        for name in dict.fromkeys(names):
            yield Touched(kind.resource, config.namespace or namespace, name, tuple(paths))


# ── as GitOps tools say it ──


def argo_cd(found: Iterable[Touched]) -> Obj:
    """What belongs into `spec` of an Argo CD Application."""
    rules = [
        {**_where(each, pattern=False), "jqPathExpressions": [_jq(path) for path in each.paths]}
        for each in dict.fromkeys(found)
    ]
    return {"ignoreDifferences": rules, "syncPolicy": {"syncOptions": ["RespectIgnoreDifferences=true"]}}


def flux(found: Iterable[Touched]) -> Obj:
    """What belongs into `spec` of a Flux Kustomization, or into `spec.driftDetection` of a HelmRelease.

    Its paths know no items of lists: a list in which anything is written is ignored as a whole.
    """
    rules = []
    for each in dict.fromkeys(found):
        pointers = dict.fromkeys(_pointer(path) for path in each.paths)
        rules.append({"paths": list(pointers), "target": _where(each, pattern=True)})
    return {"ignore": rules}


def _where(each: Touched, *, pattern: bool) -> Obj:
    """Which object is meant, as texts or as regular expressions."""
    known = {"group": each.resource.group, "kind": each.resource.kind, "name": each.name, "namespace": each.namespace}
    return {key: re.escape(text).replace("\\-", "-") if pattern else text for key, text in known.items() if text}


def _jq(path: Path) -> str:
    text = ""
    for part in path:
        if isinstance(part, str):
            text += f".{part}" if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", part) else f'."{part}"'
            continue
        text += "[]?"
        if part.texts:
            pattern = part.pattern.replace("\\", "\\\\")
            text += f' | select((.{".".join(part.at)} // "") | test("{pattern}")) | '
    return text.removesuffix(" | ")


def _pointer(path: Path) -> str:
    keys = []
    for part in path:
        if not isinstance(part, str):
            break
        keys.append(part.replace("~", "~0").replace("/", "~1"))
    return "/" + "/".join(keys)
