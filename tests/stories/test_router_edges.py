"""Routers at the edges of a release: before there is a stable version, without their objects, and after the end."""

import asyncio
from typing import Any

import pytest

from rollouts.api.traffic import GATEWAY_API
from rollouts.kube.refs import INGRESS, ROLLOUT, SERVICE, Obj
from rollouts.traffic.base import HTTP_ROUTE
from tests import make
from tests.stories.families import FAMILIES, SETTINGS, Family
from tests.stories.objects import istio, rollout, service, virtual_service
from tests.stories.stage import Stage

pytestmark = pytest.mark.virtual

STEPS = (make.weight(20), make.pause(), make.weight(70), make.pause())


def header(name: str = "testers", value: str = "yes") -> Obj:
    match = [{"headerName": f"x-{name}", "headerValue": {"exact": value}}]
    return {"setHeaderRoute": {"name": name, "match": match}}


def routed(stage: Stage, family: Family) -> str:
    """All that the routing objects say."""
    return str([stage.all(resource) for resource in family.resources])


@pytest.fixture(params=FAMILIES)
def family(request: pytest.FixtureRequest) -> Family:
    return FAMILIES[request.param]


async def test_a_first_release_touches_no_routing_object_before_it_is_stable(family: Family) -> None:
    steps = (header(), *STEPS) if family.headers else STEPS
    slow = make.template()
    slow["metadata"]["annotations"] = {"sandbox.rollouts.dev/ready": "after 5s"}
    async with Stage() as stage:
        await family.install(stage, *steps, template=slow)
        writes = stage.line.writes
        stable = next(at for at, call in enumerate(writes) if "stableRS" in ((call.body or {}).get("status") or {}))
        routing = [at for at, call in enumerate(writes) if call.resource in family.resources]
        assert [at for at in routing if at < stable] == []
        assert "x-testers" not in str([writes[at].body for at in routing]), "nothing is canary yet"
        weights = [((call.body or {}).get("status") or {}).get("canary") for call in writes[:stable]]
        assert "weights" not in str(weights)


@pytest.mark.parametrize("name", [name for name, family in FAMILIES.items() if family.headers])
async def test_of_two_header_routes_a_step_without_match_takes_one(name: str) -> None:
    family = FAMILIES[name]
    gone = {"setHeaderRoute": {"name": "one"}}
    steps = (make.weight(20), header("one"), header("two"), make.pause(), gone, make.pause())
    routing = {**family.routing, "managedRoutes": [{"name": "one"}, {"name": "two"}]}
    async with Stage() as stage:
        await family.install(stage, *steps, canary={"trafficRouting": routing})
        await stage.release("img:2")
        await stage.reaches("Paused")
        await stage.until(lambda: all(f"x-{each}" in routed(stage, family) for each in ("one", "two")))
        await stage.promote()
        await stage.reaches_step(5)
        await stage.until(lambda: "x-one" not in routed(stage, family))
        await stage.passes(60)
        assert "x-two" in routed(stage, family)


@pytest.mark.parametrize("name", [name for name, family in FAMILIES.items() if family.headers])
async def test_an_abort_takes_a_header_route_with_the_share_also_behind_a_step_that_scales(name: str) -> None:
    family = FAMILIES[name]
    steps = ({"setCanaryScale": {"replicas": 1}}, header(), make.weight(50), make.pause())
    async with Stage() as stage:
        await family.install(stage, *steps)
        await stage.release("img:2")
        await stage.reaches("Paused")
        assert (family.share(stage), "x-testers" in routed(stage, family)) == (50, True)
        await stage.abort()
        await stage.reaches("Degraded")
        assert (family.share(stage), "x-testers" in routed(stage, family)) == (0, False)
        assert stage.serves("r-canary") == {"img:1"}
        stage.line.calls.clear()
        await stage.passes(60)
        assert [call for call in stage.line.writes if call.resource in family.resources] == []


# ── objects that are not there, or not ours ──


async def test_a_virtual_service_that_is_missing_keeps_the_next_router_from_being_written() -> None:
    family = FAMILIES["smi"]
    both = {"trafficRouting": {"istio": {"virtualService": {"name": "vs"}}, "smi": {}}}
    async with Stage() as stage:
        await stage.wire.create(SETTINGS.virtual_services, "default", virtual_service(hosts=("r-stable", "r-canary")))
        await family.install(stage, *STEPS, canary=both)
        await stage.release("img:2")
        await stage.reaches("Paused")
        assert family.share(stage) == 20
        await stage.delete(SETTINGS.virtual_services, "vs")
        await stage.reaches("Degraded", 'virtualservices.networking.istio.io "vs" not found')
        backends = [{"service": name, "weight": "50"} for name in ("r-canary", "r-stable")]
        await stage.change(SETTINGS.traffic_splits, "r", {"spec": {"backends": backends}})
        await stage.passes(60)
        assert family.share(stage) == 50, "nobody puts it right"
        await stage.wire.create(SETTINGS.virtual_services, "default", virtual_service(hosts=("r-stable", "r-canary")))
        await stage.until(lambda: family.share(stage) == 20)


def _canary_of_somebody() -> Obj:
    made = FAMILIES["nginx"].objects("r-stable", "r-canary")[0]
    return {**made, "metadata": {**made["metadata"], "name": "r-shop-canary"}}


def _split_of_somebody() -> Obj:
    resource = SETTINGS.traffic_splits
    metadata = {"name": "r", "namespace": "default"}
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata, "spec": {}}


def _route_of_somebody() -> Obj:
    made = FAMILIES["apisix"].objects("r-stable", "r-canary")[0]
    return {**made, "metadata": {**made["metadata"], "name": "testers"}}


@pytest.mark.parametrize(
    ("name", "stranger", "text"),
    [
        ("nginx", _canary_of_somebody(), "canary ingress `r-shop-canary` controlled by different object"),
        ("smi", _split_of_somebody(), "Rollout does not own TrafficSplit `r`"),
    ],
)
async def test_an_object_of_somebody_else_is_left_alone_and_said_until_it_goes(
    name: str, stranger: Obj, text: str
) -> None:
    family, resource, taken = FAMILIES[name], FAMILIES[name].resources[0], stranger["metadata"]["name"]
    objects = Family(family.resources, family.routing, lambda *names: (*family.objects(*names), stranger), family.share)
    async with Stage() as stage:
        installing = asyncio.create_task(objects.install(stage, *STEPS))
        await stage.passes(60)
        found = stage.get(resource, taken)
        assert found["spec"] == stranger["spec"]
        assert stranger["metadata"].items() <= found["metadata"].items()
        assert [said for said in await stage.events() if said == ("TrafficRoutingError", text)] != []
        assert (stage.phase().phase, "weights" in str(stage.status())) == ("Progressing", False)
        await stage.delete(resource, taken)
        await installing
        assert family.share(stage) == 0


async def test_a_header_route_whose_name_somebody_has_holds_its_step() -> None:
    family = FAMILIES["apisix"]
    (resource,) = family.resources
    stranger = _route_of_somebody()
    async with Stage() as stage:
        await family.install(stage, make.weight(20), header(), make.pause())
        await stage.wire.create(resource, "default", stranger)
        before = stage.get(resource, "testers")
        await stage.release("img:2")
        await stage.passes(60)
        assert stage.get(resource, "testers") == before
        assert ("TrafficRoutingError", "duplicate ApisixRoute [testers] already exists") in await stage.events()
        assert (stage.phase().phase, stage.status()["currentStepIndex"]) == ("Progressing", 1)
        await stage.delete(resource, "testers")
        await stage.reaches("Paused")
        assert "x-testers" in routed(stage, family)


def _without(field: str, name: str) -> Any:
    def cut(spec: Obj) -> Obj:
        """The user's object without the entry of the canary."""
        items = spec["weighted"]["services"] if field == "services" else spec["http"][0]["backends"]
        items[:] = [one for one in items if one.get("name", one.get("serviceName")) != name]
        return spec

    return cut


@pytest.mark.parametrize(
    ("name", "cut", "text"),
    [
        ("traefik", _without("services", "r-canary"), "traefik canary service was not found"),
        ("apisix", _without("backends", "r-canary"), "apisix route r-canary backend was not found"),
    ],
)
async def test_an_entry_that_is_missing_is_said_and_nothing_is_written(name: str, cut: Any, text: str) -> None:
    family = FAMILIES[name]
    async with Stage() as stage:
        await family.install(stage, *STEPS)
        (resource,) = family.resources
        (found,) = (obj for obj in stage.all(resource))
        changed = {**found, "spec": cut(_copied(found["spec"]))}
        await stage.wire.replace(resource, "default", found["metadata"]["name"], changed)
        before = stage.get(resource, found["metadata"]["name"])
        await stage.release("img:2")
        await stage.passes(60)
        assert stage.get(resource, found["metadata"]["name"]) == before
        assert any(reason == "TrafficRoutingError" and text in said for reason, said in await stage.events())
        assert stage.phase().phase == "Progressing"


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copied(part) for key, part in value.items()}
    return [_copied(part) for part in value] if isinstance(value, list) else value


async def test_a_route_of_the_gateway_that_is_missing_is_said_and_the_spec_stays_valid() -> None:
    family = FAMILIES["gatewayAPI"]
    one = {"trafficRouting": {"plugins": {GATEWAY_API: {"httpRoute": "g"}}}}
    async with Stage() as stage:
        await family.install(stage, *STEPS, canary=one)
        await stage.delete(HTTP_ROUTE, "g")
        await stage.release("img:2")
        await stage.passes(60)
        told = 'httproutes.gateway.networking.k8s.io "g" not found'
        assert any(reason == "TrafficRoutingError" and told in text for reason, text in await stage.events())
        assert stage.condition("InvalidSpec") == {}
        assert stage.phase().phase == "Progressing"
        await stage.wire.create(HTTP_ROUTE, "default", family.objects("r-stable", "r-canary")[0])
        await stage.reaches("Paused")


async def test_an_ingress_without_a_path_of_the_root_service_is_refused_before_anything_is_written() -> None:
    family = FAMILIES["alb"]
    (made,) = family.objects("else", "r-canary")
    async with Stage() as stage:
        await stage.wire.create(INGRESS, "default", made)
        before = stage.get(INGRESS, "balanced")
        names = {"canaryService": "r-canary", "stableService": "r-stable", "trafficRouting": family.routing}
        await stage.apply(service("r-stable"), service("r-canary"), rollout(*STEPS, canary=names))
        await stage.reaches("Degraded", "ingress `balanced` has no rules using service r-stable backend")
        await stage.passes(60)
        assert stage.get(INGRESS, "balanced") == before
        assert stage.sizes() == {}


# ── the end of a Rollout ──


async def test_a_deleted_rollout_frees_its_services_and_leaves_the_weights_where_they_are() -> None:
    async with Stage() as stage:
        await stage.deploy(*istio(*STEPS))
        await stage.release("img:2")
        await stage.reaches("Paused")
        await stage.delete(ROLLOUT, "r")
        await stage.passes(60)
        assert stage.weights() == {"stable": 80, "canary": 20}
        for name in ("stable", "canary"):
            found = stage.get(SERVICE, name)
            assert found["spec"]["selector"] == {"app": "r"}
            assert not found["metadata"].get("annotations")


async def test_the_canary_mapping_of_a_deleted_rollout_stays() -> None:
    async with Stage() as stage:
        await FAMILIES["ambassador"].install(stage, *STEPS)
        await stage.release("img:2")
        await stage.reaches("Paused")
        await stage.delete(ROLLOUT, "r")
        await stage.passes(60)
        assert stage.get(SETTINGS.mappings, "m-canary")["spec"]["weight"] == 20
