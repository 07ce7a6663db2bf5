"""Pure. AWS App Mesh: the weights in a VirtualRouter's routes, and VirtualNodes whose labels follow the pods."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Self

from rollouts.api import fielderrors, labels
from rollouts.api.canary import CanaryStrategy
from rollouts.api.rollout import Rollout
from rollouts.api.traffic import AppMeshTrafficRouting
from rollouts.decide.plan import Event, Split
from rollouts.kube.refs import Obj, Ref
from rollouts.traffic.base import Edit, RoutingError, TrafficSettings, in_percent

_PATH = "spec.strategy.canary.trafficRouting.appMesh"
_KINDS = ("httpRoute", "tcpRoute", "http2Route", "grpcRoute")
_NO_CANARY, _NO_STABLE = "canary-hash", "stable-hash"


@dataclass(frozen=True, slots=True)
class AppMesh:
    """The mesh objects of one Rollout."""

    namespace: str
    spec: AppMeshTrafficRouting
    settings: TrafficSettings

    @classmethod
    def of(
        cls, rollout: Rollout, canary: CanaryStrategy, mesh: AppMeshTrafficRouting, settings: TrafficSettings
    ) -> Self:
        return cls(rollout.metadata.namespace, mesh, settings)

    # ── what it looks at: the VirtualService, the router that it names, and the two nodes ──

    def needs(self, found: Mapping[Ref, Obj]) -> Iterator[Ref]:
        if self.spec.virtual_service is not None:
            yield self._service()
        yield from self._nodes().values()
        router = self._router(found)
        if router is not None:
            yield router

    def _service(self) -> Ref:
        service = self.spec.virtual_service
        return Ref(
            self.settings.app_mesh("virtualservices", "VirtualService"), self.namespace, service.name if service else ""
        )

    def _router(self, found: Mapping[Ref, Obj]) -> Ref | None:
        where = router_of(found.get(self._service()) or {}, self.namespace)
        return Ref(self.settings.app_mesh("virtualrouters", "VirtualRouter"), *where) if where is not None else None

    def _nodes(self) -> dict[str, Ref]:
        group, resource = self.spec.virtual_node_group, self.settings.app_mesh("virtualnodes", "VirtualNode")
        if group is None:
            return {}
        named = {"canary": group.canary_virtual_node_ref, "stable": group.stable_virtual_node_ref}
        return {role: Ref(resource, self.namespace, node.name) for role, node in named.items() if node is not None}

    # ── faults ──

    def fault(self, found: Mapping[Ref, Obj]) -> str:
        service, path = self.spec.virtual_service, f"{_PATH}.virtualService"
        if service is None:
            return fielderrors.invalid(path, None, "must provide virtual-service")
        if self._service() not in found:
            return fielderrors.invalid(
                f"{path}.name", service.name, f'virtualservices.appmesh.k8s.aws "{service.name}" not found'
            )
        router = self._router(found)
        if router is None:
            return fielderrors.invalid(
                f"{path}.name", service.name, "Virtual-service is not associated with virtual-router"
            )
        missing = {"canary", "stable"} - self._nodes().keys()
        for role in sorted(missing):
            where = f"{_PATH}.virtualNodeGroup.{role}VirtualNodeRef"
            return fielderrors.required(where, "weights are those of two virtual-nodes")
        return ""

    # ── edits ──

    def edit(self, found: Mapping[Ref, Obj], split: Split) -> Iterator[Edit]:
        """The canary's node follows the pods before it is given a share, or after its share was taken from it."""
        if split.held:
            return
        split = in_percent(split)
        nodes = self._labelled(found, split)
        late = () if split.canary.weight else ("canary",)
        yield from (edit for role, edit in nodes if role not in late)
        yield from self._shared(found, split)
        yield from (edit for role, edit in nodes if role in late)

    def _shared(self, found: Mapping[Ref, Obj], split: Split) -> Iterator[Edit]:
        router = self._router(found)
        if router is None:
            raise RoutingError("Virtual-service is not associated with virtual-router")
        if router not in found:
            raise RoutingError("Virtual-router is missing", "VirtualRouterNotFound")
        before = found[router]
        after = self._weighted(before, split)
        if after != before:
            text = f"VirtualRouter `{router.name}` set to desiredWeight '{split.canary.weight}'"
            yield Edit(router, after, Event("VirtualRouterUpdated", text))

    def _labelled(self, found: Mapping[Ref, Obj], split: Split) -> list[tuple[str, Edit]]:
        """Edits of nodes, by their part."""
        same = split.canary.hash == split.stable.hash
        wanted = {
            "canary": _NO_CANARY if same or not split.canary.hash else split.canary.hash,
            "stable": split.stable.hash or _NO_STABLE,
        }
        edits = []
        for role, ref in self._nodes().items():
            if ref not in found:
                raise RoutingError("Virtual-node is missing", "VirtualNodeNotFound")
            node = found[ref]
            spec = node.get("spec") or {}
            selector = spec.get("podSelector") or {}
            chosen = {**(selector.get("matchLabels") or {}), labels.POD_TEMPLATE_HASH: wanted[role]}
            after = {**node, "spec": {**spec, "podSelector": {**selector, "matchLabels": chosen}}}
            if after != node:
                event = Event("VirtualNodeUpdated", f"VirtualNode `{ref.name}` selects {wanted[role]}")
                edits.append((role, Edit(ref, after, event)))
        return edits

    def _weighted(self, router: Obj, split: Split) -> Obj:
        spec, service = router.get("spec") or {}, self.spec.virtual_service
        names = service.routes if service else ()
        there = {route.get("name") for route in spec.get("routes") or ()}
        for name in names:
            if name not in there:
                raise RoutingError(f"route `{name}` is not found in virtual-router")
        routes = [
            self._route(route, split) if not names or route.get("name") in names else route
            for route in spec.get("routes") or ()
        ]
        return {**router, "spec": {**spec, "routes": routes}}

    def _route(self, route: Obj, split: Split) -> Obj:
        kind = next((kind for kind in _KINDS if route.get(kind)), "")
        targets = ((route.get(kind) or {}).get("action") or {}).get("weightedTargets")
        if not targets:
            raise RoutingError(f"route `{route.get('name', '')}` is not well-formed: it has no weightedTargets")
        nodes = self._nodes()
        shares = {
            nodes[role].name: share.weight
            for role, share in (("canary", split.canary), ("stable", split.stable))
            if role in nodes
        }
        weighed = [self._target(target, shares) for target in targets]
        action = {**route[kind]["action"], "weightedTargets": weighed}
        return {**route, kind: {**route[kind], "action": action}}

    def _target(self, target: Obj, shares: Mapping[str, int]) -> Obj:
        node = target.get("virtualNodeRef") or {}
        ours = (node.get("namespace") or self.namespace) == self.namespace and node.get("name") in shares
        return {**target, "weight": shares[node["name"]]} if ours else target


def router_of(service: Obj, namespace: str) -> tuple[str, str] | None:
    """Namespace and name of the VirtualRouter behind a VirtualService of this namespace, None where there is none."""
    provider = (service.get("spec") or {}).get("provider") or {}
    named = (provider.get("virtualRouter") or {}).get("virtualRouterRef") or {}
    return (named.get("namespace") or namespace, named["name"]) if named.get("name") else None
