"""Creating, reading and writing objects: the manners of a real API server."""

import asyncio
from typing import Any

import pytest

from rollouts.kube.errors import AlreadyExists, Conflict, Invalid, NotFound, Refused, Unreachable
from rollouts.kube.refs import (
    CONFIG_MAP,
    CRD,
    DEPLOYMENT,
    EVENT,
    NAMESPACE,
    POD,
    REPLICA_SET,
    ROLLOUT,
    Resource,
)
from rollouts.kube.wire import PatchType, Wire
from rollouts.sandbox.apiserver.server import ApiServer, Request
from tests.sandbox.cluster_objects import WIDGET, config_map, pod, server, widget, widgets, workload


@pytest.fixture
def api() -> ApiServer:
    return server()


async def test_a_new_object_gets_what_the_server_alone_may_give(api: ApiServer) -> None:
    given = {"metadata": {"name": "a", "uid": "mine", "generation": 7, "creationTimestamp": None}}
    made = (await api.create(CONFIG_MAP, "default", given))["metadata"]
    assert made["creationTimestamp"] == "2026-01-01T00:00:00Z"
    assert made["namespace"] == "default"
    assert made["uid"] not in ("", "mine")
    assert int(made["resourceVersion"]) > 0
    assert "generation" not in made
    assert given["metadata"]["uid"] == "mine"


async def test_the_kind_is_filled_in_and_a_wrong_one_refused(api: ApiServer) -> None:
    made = await api.create(CONFIG_MAP, "default", config_map("a"))
    assert (made["apiVersion"], made["kind"]) == ("v1", "ConfigMap")
    with pytest.raises(Refused, match=r"the API version in the data \(v2\) does not match the expected API version"):
        await api.create(CONFIG_MAP, "default", {"apiVersion": "v2", **config_map("b")})
    with pytest.raises(Refused, match=r"the kind in the data \(Secret\) does not match"):
        await api.create(CONFIG_MAP, "default", {"kind": "Secret", **config_map("b")})


async def test_versions_rise_with_every_write_of_whatever_kind(api: ApiServer) -> None:
    first = await api.create(CONFIG_MAP, "default", config_map("a"))
    second = await api.create(POD, "default", pod("a"))
    third = await api.patch(CONFIG_MAP, "default", "a", {"data": {"k": "v"}})
    versions = [int(obj["metadata"]["resourceVersion"]) for obj in (first, second, third)]
    assert versions == sorted(set(versions))


async def test_a_generated_name_is_the_prefix_and_five_letters_and_always_new(api: ApiServer) -> None:
    made = [await api.create(CONFIG_MAP, "default", {"metadata": {"generateName": "a-"}}) for _ in range(20)]
    names = [one["metadata"]["name"] for one in made]
    assert len(set(names)) == 20
    assert all(name.startswith("a-") and len(name) == 7 for name in names)


async def test_an_object_needs_a_name_that_can_be_one(api: ApiServer) -> None:
    with pytest.raises(Invalid, match=r'ConfigMap "" is invalid: metadata\.name: Required value: name or generateName'):
        await api.create(CONFIG_MAP, "default", {"metadata": {}})
    with pytest.raises(
        Invalid, match=r'ConfigMap "A_b" is invalid: metadata\.name: Invalid value: "A_b": a lowercase RFC'
    ):
        await api.create(CONFIG_MAP, "default", config_map("A_b"))
    with pytest.raises(Invalid, match="must be no more than 253 characters"):
        await api.create(CONFIG_MAP, "default", config_map("a" * 254))


async def test_labels_must_be_words_and_annotations_strings(api: ApiServer) -> None:
    with pytest.raises(Invalid, match=r'metadata\.labels: Invalid value: "a b": a valid label must be an empty string'):
        await api.create(CONFIG_MAP, "default", config_map("a", {"x": "a b"}))
    with pytest.raises(Refused, match=r"cannot unmarshal 1 into field metadata\.annotations\[x\] of type string"):
        await api.create(CONFIG_MAP, "default", {"metadata": {"name": "a", "annotations": {"x": 1}}})


async def test_what_is_not_there_is_not_found_in_kubernetes_words(api: ApiServer) -> None:
    with pytest.raises(NotFound) as missing:
        await api.get(REPLICA_SET, "default", "x")
    assert missing.value.message == 'replicasets.apps "x" not found'
    assert missing.value.details == {"name": "x", "group": "apps", "kind": "replicasets"}
    with pytest.raises(NotFound, match="the server could not find the requested resource"):
        await api.get(ROLLOUT, "default", "x")
    with pytest.raises(NotFound, match='pods "x" not found'):
        await api.patch(POD, "default", "x", {})


async def test_a_namespace_must_be_there_before_what_is_in_it(api: ApiServer) -> None:
    with pytest.raises(NotFound, match='namespaces "team" not found'):
        await api.create(CONFIG_MAP, "team", config_map("a"))
    made = await api.create(NAMESPACE, "", {"metadata": {"name": "team"}})
    assert made["status"] == {"phase": "Active"}
    assert made["metadata"]["labels"] == {"kubernetes.io/metadata.name": "team"}
    await api.create(CONFIG_MAP, "team", config_map("a"))


async def test_the_usual_namespaces_are_there_from_the_start_and_others_on_demand_if_asked() -> None:
    names = [one["metadata"]["name"] for one in (await server().list(NAMESPACE)).items]
    assert names == ["default", "kube-node-lease", "kube-public", "kube-system"]
    eager = server(auto_create_namespaces=True)
    await eager.create(CONFIG_MAP, "team", config_map("a"))
    assert (await eager.get(NAMESPACE, "", "team"))["status"] == {"phase": "Active"}


async def test_the_object_must_be_meant_for_the_place_it_is_sent_to(api: ApiServer) -> None:
    with pytest.raises(Refused, match="the namespace of the provided object does not match the namespace sent"):
        await api.create(CONFIG_MAP, "default", {"metadata": {"name": "a", "namespace": "other"}})
    await api.create(CONFIG_MAP, "default", config_map("a"))
    with pytest.raises(Refused, match=r"the name of the object \(b\) does not match the name on the URL \(a\)"):
        await api.replace(CONFIG_MAP, "default", "a", config_map("b"))


async def test_creating_twice_is_refused_as_already_existing(api: ApiServer) -> None:
    await api.create(DEPLOYMENT, "default", workload("a"))
    with pytest.raises(AlreadyExists, match=r'deployments\.apps "a" already exists'):
        await api.create(DEPLOYMENT, "default", workload("a"))


async def test_a_version_is_for_updates_only(api: ApiServer) -> None:
    with pytest.raises(Refused, match="resourceVersion should not be set on objects to be created"):
        await api.create(CONFIG_MAP, "default", {"metadata": {"name": "a", "resourceVersion": "1"}})


async def test_a_write_from_an_old_version_is_a_conflict(api: ApiServer) -> None:
    await api.create(CRD, "", widgets())
    old = await api.create(WIDGET, "default", widget("x", size=1))
    await api.patch(WIDGET, "default", "x", {"spec": {"size": 2}})
    words = (
        'Operation cannot be fulfilled on widgets.example.com "x": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )
    with pytest.raises(Conflict) as replaced:
        await api.replace(WIDGET, "default", "x", {**old, "spec": {"size": 3}})
    version = old["metadata"]["resourceVersion"]
    with pytest.raises(Conflict) as patched:
        await api.patch(WIDGET, "default", "x", {"metadata": {"resourceVersion": version}, "spec": {"size": 3}})
    assert replaced.value.message == patched.value.message == words
    assert (await api.get(WIDGET, "default", "x"))["spec"] == {"size": 2}


async def test_a_write_meant_for_an_earlier_object_of_the_same_name_is_a_conflict(api: ApiServer) -> None:
    await api.create(CONFIG_MAP, "default", config_map("a"))
    with pytest.raises(Invalid, match=r'metadata\.uid: Invalid value: "other": field is immutable'):
        await api.patch(CONFIG_MAP, "default", "a", {"metadata": {"uid": "other"}})
    with pytest.raises(Conflict, match="Precondition failed: UID in precondition: other, UID in object meta"):
        await api.replace(CONFIG_MAP, "default", "a", {"metadata": {"name": "a", "uid": "other"}})


async def test_custom_resources_are_replaced_only_from_a_known_version_built_in_ones_from_any(api: ApiServer) -> None:
    await api.create(CRD, "", widgets())
    await api.create(WIDGET, "default", widget("x"))
    with pytest.raises(Invalid, match=r"metadata\.resourceVersion: Invalid value: 0: must be specified for an update"):
        await api.replace(WIDGET, "default", "x", widget("x"))
    await api.create(CONFIG_MAP, "default", config_map("a", {"k": "v"}, x="1"))
    replaced = await api.replace(CONFIG_MAP, "default", "a", config_map("a", y="2"))
    assert replaced["data"] == {"y": "2"}
    assert "labels" not in replaced["metadata"]


async def test_system_metadata_survives_a_replacement(api: ApiServer) -> None:
    made = await api.create(CONFIG_MAP, "default", {"metadata": {"generateName": "a-"}})
    name = made["metadata"]["name"]
    replaced = await api.replace(CONFIG_MAP, "default", name, config_map(name, x="1"))
    kept = ("uid", "creationTimestamp", "namespace", "generateName")
    assert {key: replaced["metadata"][key] for key in kept} == {key: made["metadata"][key] for key in kept}


async def test_a_write_that_changes_nothing_leaves_the_version_and_tells_nobody(api: ApiServer) -> None:
    made = await api.create(DEPLOYMENT, "default", workload("a"))
    before = api.store.version
    assert await api.patch(DEPLOYMENT, "default", "a", {"spec": {"replicas": 1}}) is made
    assert await api.replace(DEPLOYMENT, "default", "a", made) is made
    assert await api.patch(DEPLOYMENT, "default", "a", {"metadata": {"labels": None}}) is made
    assert api.store.version == before


async def test_the_generation_counts_changes_of_the_spec_only(api: ApiServer) -> None:
    await api.create(REPLICA_SET, "default", workload("a"))

    async def generation(patch: Any, subresource: str = "") -> int:
        obj = await api.patch(REPLICA_SET, "default", "a", patch, subresource=subresource)
        return int(obj["metadata"]["generation"])

    assert await generation({"metadata": {"labels": {"a": "b"}}}) == 1
    assert await generation({"status": {"replicas": 1}}, "status") == 1
    assert await generation({"spec": {"replicas": 2}}) == 2
    assert await generation({"metadata": {"annotations": {"a": "b"}}}) == 2


async def test_the_generation_of_a_deployment_counts_its_annotations_too(api: ApiServer) -> None:
    await api.create(DEPLOYMENT, "default", workload("a"))
    patched = await api.patch(DEPLOYMENT, "default", "a", {"metadata": {"annotations": {"a": "b"}}})
    assert patched["metadata"]["generation"] == 2


async def test_without_a_status_subresource_the_status_counts_as_well(api: ApiServer) -> None:
    await api.create(CRD, "", widgets(status=False))
    made = await api.create(WIDGET, "default", {**widget("x"), "status": {"seen": 1}})
    assert made["status"] == {"seen": 1}
    patched = await api.patch(WIDGET, "default", "x", {"status": {"seen": 2}})
    assert patched["metadata"]["generation"] == 2
    with pytest.raises(NotFound, match=r'widgets\.example\.com "x" not found'):
        await api.patch(WIDGET, "default", "x", {"status": {"seen": 3}}, subresource="status")


async def test_each_patch_type_is_read_in_its_own_way(api: ApiServer) -> None:
    await api.create(DEPLOYMENT, "default", workload("a"))
    containers = [{"name": "side", "image": "side:1"}]
    strategic = {"spec": {"template": {"spec": {"containers": containers}}}}
    patched = await api.patch(DEPLOYMENT, "default", "a", strategic, type=PatchType.STRATEGIC)
    assert [one["name"] for one in patched["spec"]["template"]["spec"]["containers"]] == ["side", "app"]
    operations = [{"op": "remove", "path": "/spec/template/spec/containers/1"}]
    patched = await api.patch(DEPLOYMENT, "default", "a", operations, type=PatchType.JSON)
    assert [one["name"] for one in patched["spec"]["template"]["spec"]["containers"]] == ["side"]
    patched = await api.patch(DEPLOYMENT, "default", "a", {"spec": {"paused": True}})
    assert patched["spec"]["paused"] is True
    with pytest.raises(Refused, match="a merge patch is an object"):
        await api.patch(DEPLOYMENT, "default", "a", [])


async def test_a_custom_resource_takes_no_strategic_merge_patch(api: ApiServer) -> None:
    await api.create(CRD, "", widgets())
    await api.create(WIDGET, "default", widget("x"))
    with pytest.raises(
        Refused, match="unknown format - accepted media types include: application/json-patch"
    ) as refused:
        await api.patch(WIDGET, "default", "x", {"spec": {}}, type=PatchType.STRATEGIC)
    assert refused.value.code == 415


async def test_a_dry_run_answers_as_if_and_leaves_everything_as_it_was(api: ApiServer) -> None:
    would_be = await api.create(CONFIG_MAP, "default", config_map("a"), dry_run=True)
    assert would_be["metadata"]["uid"]
    with pytest.raises(NotFound):
        await api.get(CONFIG_MAP, "default", "a")
    made = await api.create(CONFIG_MAP, "default", config_map("a"))
    patched = await api.patch(CONFIG_MAP, "default", "a", {"data": {"x": "1"}}, dry_run=True)
    assert patched["data"] == {"x": "1"}
    await api.delete(CONFIG_MAP, "default", "a", dry_run=True)
    assert await api.get(CONFIG_MAP, "default", "a") is made


async def test_unknown_fields_are_refused_or_warned_about_or_passed_over_as_asked(api: ApiServer) -> None:
    typo = workload("a") | {"spec": workload("a")["spec"] | {"replica": 3}}
    words = (
        'Deployment in version "v1" cannot be handled as a Deployment: '
        'strict decoding error: unknown field "spec.replica"'
    )
    with pytest.raises(Refused) as refused:
        await api.create(DEPLOYMENT, "default", typo, field_validation="Strict")
    assert refused.value.message == words
    warnings: list[str] = []
    await api.create(DEPLOYMENT, "default", typo, field_validation="Warn", warnings=warnings)
    assert warnings == ['unknown field "spec.replica"']
    await api.create(DEPLOYMENT, "default", {**typo, "metadata": {"name": "b"}}, field_validation="Ignore")


async def test_an_unknown_field_in_a_patch_is_invalid(api: ApiServer) -> None:
    await api.create(CONFIG_MAP, "default", config_map("a"))
    with pytest.raises(Invalid, match=r'patch: Invalid value: .* strict decoding error: unknown field "dta"'):
        await api.patch(CONFIG_MAP, "default", "a", {"dta": {}}, field_validation="Strict")


async def test_lists_are_ordered_and_selected_by_namespace_label_and_field(api: ApiServer) -> None:
    await api.create(NAMESPACE, "", {"metadata": {"name": "a-team"}})
    for namespace, name, app in [("default", "b", "x"), ("default", "a", "y"), ("a-team", "c", "x")]:
        await api.create(CONFIG_MAP, namespace, config_map(name, {"app": app}))

    async def names(namespace: str = "", **selectors: str) -> list[str]:
        listing = await api.list(CONFIG_MAP, namespace, **selectors)  # type: ignore[arg-type] # because of limit
        return [one["metadata"]["name"] for one in listing.items]

    assert await names() == ["c", "a", "b"]
    assert await names("default") == ["a", "b"]
    assert await names(label_selector="app=x") == ["c", "b"]
    assert await names("default", label_selector="app in (x,y),app!=y") == ["b"]
    assert await names(field_selector="metadata.name=c") == ["c"]
    await api.patch(CONFIG_MAP, "default", "a", {"metadata": {"labels": {"app": "x"}}})
    await api.delete(CONFIG_MAP, "default", "b")
    assert await names("default", label_selector="app=x") == ["a"]
    assert await names(label_selector="app=y") == []


async def test_a_long_list_comes_in_pages(api: ApiServer) -> None:
    for number in range(5):
        await api.create(CONFIG_MAP, "default", config_map(f"m{number}"))
    seen: list[str] = []
    token, pages = "", 0
    while True:
        page = await api.list(CONFIG_MAP, limit=2, continue_token=token)
        seen += [one["metadata"]["name"] for one in page.items]
        token, pages = page.continue_token, pages + 1
        if not token:
            break
    assert (seen, pages) == ([f"m{number}" for number in range(5)], 3)
    with pytest.raises(Refused, match="continue key is not valid"):
        await api.list(CONFIG_MAP, continue_token="nonsense")


async def test_events_are_found_by_the_object_they_are_about(api: ApiServer) -> None:
    for name in ("web", "api"):
        event = {"metadata": {"generateName": "e."}, "involvedObject": {"kind": "Rollout", "name": name}}
        await api.create(EVENT, "default", event)
    found = await api.list(EVENT, "default", field_selector="involvedObject.kind=Rollout,involvedObject.name=web")
    assert [one["involvedObject"]["name"] for one in found.items] == ["web"]


async def test_calls_are_counted_by_who_makes_them(api: ApiServer) -> None:
    controller: Wire = api.as_user("controller")
    await controller.create(CONFIG_MAP, "default", config_map("a"))
    await api.list(CONFIG_MAP)
    assert api.requests[Request("controller", "create", "configmaps", "")] == 1
    assert api.requests[Request("", "list", "configmaps", "")] == 1
    assert api.requests[Request("controller", "list", "configmaps", "")] == 0


async def test_a_fault_makes_the_call_it_is_about_fail_before_anything_happens(api: ApiServer) -> None:
    def down(verb: str, resource: Resource, namespace: str, name: str, subresource: str) -> Unreachable | None:
        hit = (verb, resource, namespace, name, subresource) == ("patch", CONFIG_MAP, "default", "a", "")
        return Unreachable("connection refused") if hit else None

    await api.create(CONFIG_MAP, "default", config_map("a"))
    api.faults.append(down)
    with pytest.raises(Unreachable, match="connection refused"):
        await api.patch(CONFIG_MAP, "default", "a", {"data": {"x": "1"}})
    assert (await api.get(CONFIG_MAP, "default", "a"))["data"] == {}
    api.faults.remove(down)
    await api.patch(CONFIG_MAP, "default", "a", {"data": {"x": "1"}})


async def test_many_writers_never_see_half_a_write(api: ApiServer) -> None:
    await api.create(CONFIG_MAP, "default", config_map("a", n="0"))

    async def count() -> None:
        for _ in range(20):
            current = await api.get(CONFIG_MAP, "default", "a")
            await asyncio.sleep(0)
            try:
                await api.replace(
                    CONFIG_MAP, "default", "a", {**current, "data": {"n": str(int(current["data"]["n"]) + 1)}}
                )
            except Conflict:
                continue
            done.append(1)

    done: list[int] = []
    await asyncio.gather(*(count() for _ in range(5)))
    assert (await api.get(CONFIG_MAP, "default", "a"))["data"] == {"n": str(len(done))}
    assert 20 <= len(done) < 100
