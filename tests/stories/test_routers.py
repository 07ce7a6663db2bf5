"""Every router through the whole controller: shares go up, on promotion and abort they come home, nothing is lost."""

import json
from collections import Counter
from typing import Any

import pytest

from rollouts.api import labels
from rollouts.kube.refs import INGRESS, ROLLOUT, Obj, Resource
from rollouts.traffic.base import TCP_ROUTE
from tests import make
from tests.stories.families import FAMILIES, POD_NODE, ROUTER_NODE, SETTINGS, Family
from tests.stories.objects import rollout, service, virtual_service
from tests.stories.stage import Stage

pytestmark = pytest.mark.virtual

BOOKS = "rollouts.argoproj.io/managed-alb-annotations"
STEPS = (make.weight(20), make.pause(), make.weight(70), make.pause())
HEADER: Obj = {
    "setHeaderRoute": {"name": "testers", "match": [{"headerName": "x-test", "headerValue": {"exact": "yes"}}]}
}
OURS = (
    "gatewayapi-canary",
    "managed-alb-annotations",
    "managed-by-rollouts",
    "actions.r-stable",
    "weight",
    "rollouts-pod-template-hash",
)


def stripped(value: Any) -> Any:
    """An object without what is ours to write in it, and without what the API server does."""
    if isinstance(value, list):
        return [stripped(part) for part in value]
    if not isinstance(value, dict):
        return value
    kept = {key: part for key, part in value.items() if not key.endswith(OURS)}
    server = ("resourceVersion", "generation", "managedFields")
    return {key: stripped(part) for key, part in kept.items() if key not in server}


def users(stage: Stage, family: Family) -> list[Obj]:
    """The objects that the user made."""
    found = [obj for resource in family.resources for obj in stage.all(resource)]
    return [obj for obj in found if (obj["metadata"].get("labels") or {}).get("whose") == "user"]


@pytest.fixture(params=FAMILIES)
def family(request: pytest.FixtureRequest) -> Family:
    return FAMILIES[request.param]


async def test_the_share_follows_the_steps_and_comes_home_with_the_promotion(family: Family) -> None:
    async with Stage() as stage:
        await family.install(stage, *STEPS, canary={"scaleDownDelaySeconds": 3})
        before = stripped(users(stage, family))
        assert family.share(stage) == 0
        await stage.release("img:2")
        await stage.reaches("Paused")
        assert family.share(stage) == 20
        await stage.promote()
        await stage.reaches_step(3)
        assert family.share(stage) == 70
        await stage.promote()
        await stage.reaches("Healthy")
        await stage.until(lambda: stage.serves("r-stable") == {"img:2"} and family.share(stage) == 0)
        await stage.until(lambda: stage.sizes() == {"img:2": 5})
        assert stripped(users(stage, family)) == before


async def test_an_abort_takes_the_share_home_at_once(family: Family) -> None:
    async with Stage() as stage:
        await family.install(stage, *STEPS)
        before = stripped(users(stage, family))
        await stage.release("img:2")
        await stage.reaches("Paused")
        await stage.abort()
        await stage.reaches("Degraded", "RolloutAborted")
        assert family.share(stage) == 0
        assert stage.sizes() == {"img:1": 5, "img:2": 1}, "the canary goes after its traffic"
        await stage.passes(33)
        assert stripped(users(stage, family)) == before


async def test_nothing_is_written_while_nothing_changes(family: Family) -> None:
    async with Stage() as stage:
        await family.install(stage, *STEPS)
        await stage.release("img:2")
        await stage.reaches("Paused")
        await stage.passes(5)
        stage.line.calls.clear()
        await stage.passes(600)
        assert stage.line.writes == []


async def test_a_share_that_somebody_edits_is_put_right_and_his_label_stays(family: Family) -> None:
    async with Stage() as stage:
        await family.install(stage, *STEPS)
        await stage.release("img:2")
        await stage.reaches("Paused")
        for obj in users(stage, family):
            resource = next(one for one in family.resources if one.kind == obj["kind"])
            labels = {**obj["metadata"]["labels"], "new": "label"}
            edited = {**obj, "metadata": {**obj["metadata"], "labels": labels}, "spec": _unweighted(obj["spec"])}
            await stage.wire.replace(resource, "default", obj["metadata"]["name"], edited)
        await stage.until(lambda: family.share(stage) == 20, limit=5)
        assert all(obj["metadata"]["labels"]["new"] == "label" for obj in users(stage, family))


def _unweighted(value: Any) -> Any:
    if isinstance(value, list):
        return [_unweighted(part) for part in value]
    if isinstance(value, dict):
        return {key: 50 if key == "weight" else _unweighted(part) for key, part in value.items()}
    return value


def _in_lists(value: Any, mark: str, inside: bool = False) -> Any:
    """The value with a field of somebody's in each item of a list."""
    if isinstance(value, list):
        return [_in_lists(part, mark, inside=True) for part in value]
    if not isinstance(value, dict):
        return value
    found = {key: _in_lists(part, mark) for key, part in value.items()}
    return {**found, mark: "theirs"} if inside else found


async def test_what_people_write_at_the_same_moment_is_merged(family: Family, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Stage() as stage:
        await family.install(stage, *STEPS)
        patch, edited = stage.line.patch, list[tuple[Resource, str, str]]()
        kept: dict[str, bool] = {}
        patched: Counter[tuple[Resource, str]] = Counter()

        async def after_somebody_else(resource: Resource, namespace: str, name: str, body: Any, **options: Any) -> Any:
            """Just before every other patch of an object, a person changes it."""
            before = [where for *where, _ in edited].count([resource, name])
            patched[resource, name] += 1
            if resource in family.resources and patched[resource, name] > 2 * before:
                mark = f"edit-{len(edited)}"
                edited.append((resource, name, mark))
                found = stage.get(resource, name)
                notes = {**(found["metadata"].get("annotations") or {}), mark: "theirs"}
                theirs = {**found, "metadata": {**found["metadata"], "annotations": notes}}
                if resource is not INGRESS:  # whose fields are all known
                    theirs["spec"] = _in_lists(found["spec"], mark)
                stored = await stage.wire.replace(resource, namespace, name, theirs)
                kept[mark] = f"'{mark}'" in str(stored["spec"].values())  # some definitions know all their fields
            return await patch(resource, namespace, name, body, **options)

        monkeypatch.setattr(stage.line, "patch", after_somebody_else)
        for step in (1, 3):
            await stage.release("img:2") if step == 1 else await stage.promote()
            await stage.reaches("Paused")
            await stage.reaches_step(step)
            assert family.share(stage) == (20 if step == 1 else 70)
        assert edited, "somebody was in between"
        assert all(stage.get(resource, name)["metadata"]["annotations"][mark] for resource, name, mark in edited)
        for resource, name, mark in edited:
            obj = stage.get(resource, name)
            by_user = (obj["metadata"].get("labels") or {}).get("whose") == "user"
            assert not by_user or not kept[mark] or f"'{mark}'" in str(obj["spec"].values()), "in lists, too"
        conflicts = [call for call in stage.line.writes if call.resource in family.resources]
        assert len(conflicts) <= 4 * len(edited), "and that cost one more write each time"


@pytest.mark.parametrize("name", [name for name, family in FAMILIES.items() if family.headers])
async def test_a_header_route_stands_with_the_canary_and_goes_with_it(name: str) -> None:
    family = FAMILIES[name]
    async with Stage() as stage:
        await family.install(stage, HEADER, make.weight(20), make.pause())
        before = stripped(users(stage, family))
        await stage.release("img:2")
        await stage.reaches("Paused")
        assert "x-test" in str([stage.all(resource) for resource in family.resources])
        await stage.abort()
        await stage.reaches("Degraded")
        assert "x-test" not in str([stage.all(resource) for resource in family.resources])
        stage.line.calls.clear()
        await stage.passes(60)
        assert [call for call in stage.line.writes if call.resource in family.resources] == []
        assert stripped(users(stage, family)) == before


async def test_what_a_router_made_goes_with_its_rollout() -> None:
    async with Stage() as stage:
        for name in ("nginx", "smi"):
            family = FAMILIES[name]
            await family.install(stage, *STEPS, name=f"r-{name}")
        await stage.until(lambda: stage.find(INGRESS, "r-nginx-shop-canary"))
        for name in ("nginx", "smi"):
            await stage.delete(ROLLOUT, f"r-{name}")
        await stage.until(lambda: not stage.find(INGRESS, "r-nginx-shop-canary"))
        await stage.until(lambda: not stage.all(SETTINGS.traffic_splits))
        assert stage.get(INGRESS, "shop")


async def test_an_ambassador_mapping_is_deleted_after_its_weight_was_told_to_be_0() -> None:
    family = FAMILIES["ambassador"]
    async with Stage() as stage:
        await family.install(stage, *STEPS)
        await stage.release("img:2")
        await stage.reaches("Paused")
        stage.line.calls.clear()
        await stage.abort()
        await stage.until(lambda: not stage.find(SETTINGS.mappings, "m-canary"))
        told = [(call.verb, (call.body or {}).get("spec")) for call in stage.line.writes if call.name == "m-canary"]
        first, second, *again = told
        assert (first, second) == (("patch", {"weight": 0}), ("delete", None))
        assert {verb for verb, _ in again} <= {"delete"}, "until the watch tells that it is gone"


async def test_virtual_nodes_select_the_pods_of_the_split() -> None:
    async with Stage() as stage:
        await FAMILIES["appMesh"].install(stage, *STEPS)
        await stage.release("img:2")
        await stage.reaches("Paused")
        nodes = {
            name: stage.get(POD_NODE, name)["spec"]["podSelector"]["matchLabels"]["rollouts-pod-template-hash"]
            for name in ("n-c", "n-s")
        }
        assert nodes == {"n-c": stage.hash("img:2"), "n-s": stage.hash("img:1")}


async def test_a_virtual_router_that_somebody_edits_is_put_right() -> None:
    family = FAMILIES["appMesh"]
    async with Stage() as stage:
        await family.install(stage, *STEPS)
        await stage.release("img:2")
        await stage.reaches("Paused")
        edited = stage.get(ROUTER_NODE, "vr")
        await stage.wire.replace(ROUTER_NODE, "default", "vr", {**edited, "spec": _unweighted(edited["spec"])})
        assert family.share(stage) == 50
        await stage.until(lambda: family.share(stage) == 20, limit=5)


async def test_a_mapping_that_somebody_edits_is_put_right() -> None:
    async with Stage() as stage:
        await FAMILIES["ambassador"].install(stage, *STEPS)
        await stage.release("img:2")
        await stage.reaches("Paused")
        await stage.change(SETTINGS.mappings, "m-canary", {"spec": {"weight": 90, "timeout_ms": 7}})
        await stage.until(lambda: stage.get(SETTINGS.mappings, "m-canary")["spec"]["weight"] == 20, limit=5)


async def test_several_routers_say_the_same() -> None:
    nginx, traefik = FAMILIES["nginx"], FAMILIES["traefik"]
    both = Family(
        (*nginx.resources, *traefik.resources),
        {**nginx.routing, **traefik.routing},
        lambda stable, canary: (*nginx.objects(stable, canary), *traefik.objects(stable, canary)),
        nginx.share,
    )
    async with Stage() as stage:
        await both.install(stage, *STEPS)
        await stage.release("img:2")
        await stage.reaches("Paused")
        assert (nginx.share(stage), traefik.share(stage)) == (20, 20)


async def test_a_route_that_is_selected_by_its_label_is_followed_from_then_on() -> None:
    family = FAMILIES["gatewayAPI"]
    async with Stage() as stage:
        await family.install(stage, *STEPS)
        await stage.release("img:2")
        await stage.reaches("Paused")
        assert stage.status()["canary"]["weights"]["verified"] is True
        found = stage.get(TCP_ROUTE, "g")
        backends = [{**each, "weight": 1} for each in found["spec"]["rules"][0]["backendRefs"]]
        late = {"name": "late", "namespace": "default"}
        route = {**found, "metadata": late, "spec": {"rules": [{"backendRefs": backends}]}}
        await stage.wire.create(TCP_ROUTE, "default", route)
        await stage.passes(5)
        assert stage.get(TCP_ROUTE, "late")["spec"] == route["spec"]
        await stage.change(TCP_ROUTE, "late", {"metadata": {"labels": {"whose": "user"}}})
        await stage.until(lambda: _weights(stage.get(TCP_ROUTE, "late")) == [80, 20], limit=5)


def _weights(route: Obj) -> list[int]:
    return [each["weight"] for each in route["spec"]["rules"][0]["backendRefs"]]


async def test_an_ingress_of_a_deleted_rollout_leads_to_its_own_service_again() -> None:
    family = FAMILIES["alb"]
    async with Stage() as stage:
        await family.install(stage, HEADER, make.weight(20), make.pause())
        before = stripped(users(stage, family))
        await stage.release("img:2")
        await stage.reaches("Paused")
        await stage.delete(ROLLOUT, "r")
        await stage.until(lambda: BOOKS not in stage.get(INGRESS, "balanced")["metadata"]["annotations"])
        assert stripped(users(stage, family)) == before
        annotations = stage.get(INGRESS, "balanced")["metadata"]["annotations"]
        assert json.loads(annotations.pop("alb.ingress.kubernetes.io/actions.r-stable")) == {
            "Type": "forward",
            "ForwardConfig": {"TargetGroups": [{"ServiceName": "r-stable", "ServicePort": "80", "Weight": 100}]},
        }
        assert annotations == {"note": "kept"}


async def test_an_ingress_that_a_rollout_leaves_keeps_what_another_one_wrote() -> None:
    family = FAMILIES["alb"]
    async with Stage() as stage:
        await family.install(stage, make.weight(20), make.pause())
        theirs = {"other": ["alb.ingress.kubernetes.io/actions.x"]}
        booked = json.loads(stage.get(INGRESS, "balanced")["metadata"]["annotations"][BOOKS])
        metadata = {"metadata": {"annotations": {BOOKS: json.dumps({**booked, **theirs}), "actions.x": "{}"}}}
        stranger = rollout(name="other", canary={"trafficRouting": {"alb": {"ingress": "balanced", "servicePort": 80}}})
        stranger["metadata"]["labels"] = {labels.INSTANCE_ID: "somebody-else"}
        await stage.apply(stranger)
        await stage.change(INGRESS, "balanced", metadata)
        await stage.edit(strategy={"canary": {"trafficRouting": None}})
        await stage.until(
            lambda: json.loads(stage.get(INGRESS, "balanced")["metadata"]["annotations"][BOOKS]) == theirs
        )
        await stage.passes(60)
        annotations = stage.get(INGRESS, "balanced")["metadata"]["annotations"]
        assert json.loads(annotations[BOOKS]) == theirs
        assert annotations["actions.x"] == "{}"


@pytest.mark.parametrize("how", ["deleted", "left"])
async def test_a_destination_rule_that_a_rollout_leaves_selects_by_its_own_labels_again(how: str) -> None:
    rule = SETTINGS.destination_rules
    async with Stage() as stage:
        spec = {"host": "shop", "subsets": [{"name": name, "labels": {"app": "r"}} for name in ("old", "new", "qa")]}
        metadata = {"name": "dr", "namespace": "default", "annotations": {"note": "kept"}}
        made = {"apiVersion": rule.api_version, "kind": rule.kind, "metadata": metadata, "spec": spec}
        await stage.wire.create(rule, "default", made)
        named = {"name": "dr", "canarySubsetName": "new", "stableSubsetName": "old"}
        mesh = virtual_service()
        hosts = [{"destination": {"host": "shop", "subset": name}, "weight": 50} for name in ("old", "new")]
        mesh["spec"]["http"] = [{"route": hosts}]
        routing = {"istio": {"virtualService": {"name": "vs"}, "destinationRule": named}}
        canary = {"canaryService": "canary", "stableService": "stable", "trafficRouting": routing}
        await stage.deploy(service("canary"), service("stable"), mesh, rollout(*STEPS, canary=canary))
        await stage.until(lambda: "rollouts-pod-template-hash" in str(stage.get(rule, "dr")["spec"]))
        if how == "deleted":
            await stage.delete(ROLLOUT, "r")
        else:
            await stage.edit(strategy={"canary": {"trafficRouting": None}})
        await stage.until(lambda: stage.get(rule, "dr")["spec"] == spec)
        assert stage.get(rule, "dr")["metadata"]["annotations"] == {"note": "kept"}
