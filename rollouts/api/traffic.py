"""Pure. `spec.strategy.canary.trafficRouting`: whose routing objects carry the weights."""

from typing import Any

from pydantic import Field

from analysis.part import Part

GATEWAY_API = "argoproj-labs/gatewayAPI"
"""The plugin whose part the controller plays itself."""


class ManagedRoute(Part):
    """A route that the controller may create for header and mirror steps."""

    name: str = Field(description="Name of the route.")


class TLSRoute(Part):
    """Which TLS routes of a VirtualService to edit."""

    port: int = Field(0, description="Port that the route matches.", json_schema_extra={"format": "int64"})
    sni_hosts: tuple[str, ...] = Field((), description="SNI hosts that the route matches.")


class TCPRoute(Part):
    """Which TCP routes of a VirtualService to edit."""

    port: int = Field(0, description="Port that the route matches.", json_schema_extra={"format": "int64"})


class IstioVirtualService(Part):
    """An Istio VirtualService and the routes in it to edit."""

    name: str = Field(description="Name of the VirtualService, or name.namespace.")
    routes: tuple[str, ...] = Field((), description="Names of HTTP routes; may be omitted when there is only one.")
    tls_routes: tuple[TLSRoute, ...] = Field((), description="TLS routes to edit.")
    tcp_routes: tuple[TCPRoute, ...] = Field((), description="TCP routes to edit.")


class IstioDestinationRule(Part):
    """An Istio DestinationRule whose subsets follow the pod template hashes."""

    name: str = Field(description="Name of the DestinationRule.")
    canary_subset_name: str = Field("", description="Subset that selects canary pods.")
    stable_subset_name: str = Field("", description="Subset that selects stable pods.")
    additional_subset_names: tuple[str, ...] = Field((), description="Subsets whose weights belong to somebody else.")


class IstioTrafficRouting(Part):
    """Weights in Istio VirtualServices."""

    virtual_service: IstioVirtualService | None = Field(
        None, description="The VirtualService to edit; exclusive with virtualServices."
    )
    destination_rule: IstioDestinationRule | None = Field(
        None, description="The DestinationRule to edit, for splitting by subsets of one host."
    )
    virtual_services: tuple[IstioVirtualService, ...] = Field(
        (), description="Several VirtualServices to edit; exclusive with virtualService."
    )


class NginxTrafficRouting(Part):
    """Weights in canary Ingresses of ingress-nginx."""

    annotation_prefix: str = Field("", description="Prefix of the annotations; nginx.ingress.kubernetes.io when empty.")
    stable_ingress: str = Field("", description="Ingress of the stable Service; exclusive with stableIngresses.")
    stable_ingresses: tuple[str, ...] = Field(
        (), description="Several Ingresses of the stable Service; exclusive with stableIngress."
    )
    additional_ingress_annotations: dict[str, str] = Field(
        default_factory=dict, description="Annotations for the canary Ingress, under the prefix."
    )
    canary_ingress_annotations: dict[str, str] = Field(
        default_factory=dict, description="Annotations for the canary Ingress, as they are."
    )


class StickinessConfig(Part):
    """Whether a client stays with its target group."""

    enabled: bool = Field(False, description="Turns stickiness on.")
    duration_seconds: int = Field(
        0, description="How long a client stays, in seconds.", json_schema_extra={"format": "int64"}
    )


class ALBTrafficRouting(Part):
    """Weights in the forward action of an AWS load balancer's Ingress."""

    ingress: str = Field("", description="The Ingress to edit; exclusive with ingresses.")
    ingresses: tuple[str, ...] = Field((), description="Several Ingresses to edit; exclusive with ingress.")
    service_port: int = Field(description="Port of the Services.")
    root_service: str = Field("", description="Service that the Ingress names; the stable Service when empty.")
    annotation_prefix: str = Field("", description="Prefix of the annotations; alb.ingress.kubernetes.io when empty.")
    stickiness_config: StickinessConfig | None = Field(None, description="Stickiness of the target groups.")


class SMITrafficRouting(Part):
    """Weights in a TrafficSplit of the Service Mesh Interface."""

    root_service: str = Field("", description="Service that clients use; the stable Service when empty.")
    traffic_split_name: str = Field("", description="Name of the TrafficSplit; the Rollout's name when empty.")


class AmbassadorTrafficRouting(Part):
    """Weights in Ambassador Mappings."""

    mappings: tuple[str, ...] = Field((), description="Names of the Mappings of the stable Service.")


class AppMeshVirtualService(Part):
    """An App Mesh VirtualService and the routes of its router."""

    name: str = Field(description="Name of the VirtualService.")
    routes: tuple[str, ...] = Field((), description="Names of routes; may be omitted when there is only one.")


class AppMeshVirtualNodeReference(Part):
    """An App Mesh VirtualNode."""

    name: str = Field(description="Name of the VirtualNode.")


class AppMeshVirtualNodeGroup(Part):
    """The two VirtualNodes of a canary."""

    canary_virtual_node_ref: AppMeshVirtualNodeReference | None = Field(None, description="VirtualNode of canary pods.")
    stable_virtual_node_ref: AppMeshVirtualNodeReference | None = Field(None, description="VirtualNode of stable pods.")


class AppMeshTrafficRouting(Part):
    """Weights in App Mesh VirtualRouters."""

    virtual_service: AppMeshVirtualService | None = Field(
        None, description="The VirtualService whose router is edited."
    )
    virtual_node_group: AppMeshVirtualNodeGroup | None = Field(
        None, description="The VirtualNodes whose labels follow the pod template hashes."
    )


class TraefikTrafficRouting(Part):
    """Weights in a TraefikService."""

    weighted_traefik_service_name: str = Field(description="Name of the TraefikService.")


class ApisixRoute(Part):
    """An ApisixRoute and the rules in it to edit."""

    name: str = Field(description="Name of the ApisixRoute.")
    rules: tuple[str, ...] = Field((), description="Names of HTTP rules; may be omitted when there is only one.")


class ApisixTrafficRouting(Part):
    """Weights in an ApisixRoute."""

    route: ApisixRoute | None = Field(None, description="The route to edit.")


class RolloutTrafficRouting(Part):
    """Whose routing objects carry the weights; several routers may be named."""

    istio: IstioTrafficRouting | None = Field(None, description="Istio.")
    nginx: NginxTrafficRouting | None = Field(None, description="Ingress-nginx.")
    alb: ALBTrafficRouting | None = Field(None, description="AWS load balancer controller.")
    smi: SMITrafficRouting | None = Field(None, description="Service Mesh Interface.")
    ambassador: AmbassadorTrafficRouting | None = Field(None, description="Ambassador.")
    app_mesh: AppMeshTrafficRouting | None = Field(None, description="AWS App Mesh.")
    traefik: TraefikTrafficRouting | None = Field(None, description="Traefik.")
    managed_routes: tuple[ManagedRoute, ...] | None = Field(
        None, description="Routes of header and mirror steps, in order of precedence."
    )
    apisix: ApisixTrafficRouting | None = Field(None, description="Apache APISIX.")
    plugins: dict[str, Any] = Field(
        default_factory=dict, description="Routers outside of the controller, by plugin name, with their configuration."
    )
    max_traffic_weight: int | None = Field(None, description="Weight that means all traffic; 100 when absent.")
