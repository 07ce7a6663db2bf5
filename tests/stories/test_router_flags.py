"""Flags that say which API the routing objects have."""

import pytest

from rollouts.kube.refs import Resource
from rollouts.settings import SettingsError, parse
from tests.stories.stage import Stage


@pytest.mark.virtual
@pytest.mark.parametrize(
    ("flags", "kind", "group", "version"),
    [
        (["--istio-api-version=v1beta1"], "VirtualService", "networking.istio.io", "v1beta1"),
        (["--istio-api-version=v1beta1"], "DestinationRule", "networking.istio.io", "v1beta1"),
        (["--traffic-split-api-version=v1alpha3"], "TrafficSplit", "split.smi-spec.io", "v1alpha3"),
        (["--traefik-api-group=traefik.containo.us"], "TraefikService", "traefik.containo.us", "v1alpha1"),
        (["--traefik-api-version=traefik.io/v1"], "TraefikService", "traefik.io", "v1"),
        (["--ambassador-api-version=getambassador.io/v3alpha1"], "Mapping", "getambassador.io", "v3alpha1"),
        (["--ambassador-api-version=v3alpha1"], "Mapping", "getambassador.io", "v3alpha1"),
        (
            ["--ambassador-api-version=x.getambassador.io/v3alpha1"],
            "AmbassadorMapping",
            "x.getambassador.io",
            "v3alpha1",
        ),
        (["--appmesh-crd-version=v1"], "VirtualRouter", "appmesh.k8s.aws", "v1"),
        (["--alb-ingress-classes=own", "--ingress-api-version=networking/v1"], "Ingress", "networking.k8s.io", "v1"),
    ],
)
async def test_routing_objects_are_read_and_written_by_the_api_that_flags_name(
    flags: list[str], kind: str, group: str, version: str
) -> None:
    async with Stage(*flags) as stage:
        known: list[Resource] = list(stage.controllers.caches.routing)
        found = [one for one in known if one.kind == kind and one.group != "argoproj.io"]
        assert (group, version) in [(one.group, one.version) for one in found]
        assert {one.group for one in found} <= {group, "appmesh.k8s.aws"}


@pytest.mark.parametrize("flag", ["--ingress-api-version=extensions/v1beta1", "--traffic-split-api-version=v2"])
def test_an_api_that_nobody_serves_is_refused_at_the_start(flag: str) -> None:
    with pytest.raises(SettingsError, match="must be one of"):
        parse([flag], {})
