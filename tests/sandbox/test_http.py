"""The API over HTTP, as clients other than kubectl rely on it: forms of answers, watches, refusals, discovery."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from rollouts.kube.refs import CONFIG_MAP, CRD, POD
from rollouts.sandbox.apiserver.server import ApiServer
from rollouts.sandbox.apiserver.web.http import serving
from tests.sandbox.cluster_objects import config_map, pod, server, widgets

MAPS = "/api/v1/namespaces/default/configmaps"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
METADATA = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"


@pytest.fixture
def api() -> ApiServer:
    return server()


@pytest.fixture
async def http(api: ApiServer) -> AsyncIterator[aiohttp.ClientSession]:
    async with serving(api) as endpoint, aiohttp.ClientSession(endpoint.url) as session:
        yield session


async def _json(response: aiohttp.ClientResponse, status: int = 200) -> Any:
    assert response.status == status, await response.text()
    return await response.json(content_type=None)


async def _get(http: aiohttp.ClientSession, path: str, **headers: str) -> Any:
    async with http.get(path, headers=headers) as response:
        return await _json(response)


async def _line(response: aiohttp.ClientResponse) -> Any:
    async with asyncio.timeout(5):
        line = await response.content.readline()
    return json.loads(line) if line else None


# ── reading and writing ────────────────────────────────────────────────────


async def test_an_object_is_created_read_replaced_patched_and_deleted(http: aiohttp.ClientSession) -> None:
    async with http.post(MAPS, json={"metadata": {"name": "a"}, "data": {"k": "1"}}) as response:
        made = await _json(response, 201)
    assert (made["apiVersion"], made["kind"], made["data"]) == ("v1", "ConfigMap", {"k": "1"})
    assert await _get(http, f"{MAPS}/a") == made
    async with http.put(f"{MAPS}/a", json=made | {"data": {"k": "2"}}) as response:
        assert (await _json(response))["data"] == {"k": "2"}
    headers = {"Content-Type": "application/merge-patch+json"}
    async with http.patch(f"{MAPS}/a", data='{"data":{"k":null,"l":"3"}}', headers=headers) as response:
        assert (await _json(response))["data"] == {"l": "3"}
    async with http.delete(f"{MAPS}/a") as response:
        gone = await _json(response)
    assert (gone["kind"], gone["status"], gone["details"]["name"]) == ("Status", "Success", "a")


async def test_a_body_may_be_yaml_and_dates_in_it_stay_text(http: aiohttp.ClientSession) -> None:
    text = "metadata: {name: a}\ndata: {day: 2026-01-01}\n"
    async with http.post(MAPS, data=text, headers={"Content-Type": "application/yaml"}) as response:
        assert (await _json(response, 201))["data"] == {"day": "2026-01-01"}


async def test_a_dry_run_and_the_field_manager_are_taken_from_the_query(
    http: aiohttp.ClientSession, api: ApiServer
) -> None:
    async with http.post(f"{MAPS}?dryRun=All", json={"metadata": {"name": "a"}}) as response:
        await _json(response, 201)
    assert (await api.list(CONFIG_MAP)).items == []
    async with http.post(f"{MAPS}?fieldManager=me", json={"metadata": {"name": "a"}, "data": {"k": "v"}}) as response:
        entry = (await _json(response, 201))["metadata"]["managedFields"][0]
    assert (entry["manager"], entry["operation"], entry["fieldsV1"]["f:data"]["f:k"]) == ("me", "Update", {})


async def test_deletion_reads_its_options_from_the_body(http: aiohttp.ClientSession, api: ApiServer) -> None:
    made = await api.create(CONFIG_MAP, "default", config_map("a"))
    async with http.delete(f"{MAPS}/a", json={"preconditions": {"uid": "another"}}) as response:
        assert (await _json(response, 409))["reason"] == "Conflict"
    async with http.delete(f"{MAPS}/a", json={"preconditions": {"uid": made["metadata"]["uid"]}}) as response:
        await _json(response)


async def test_a_collection_is_deleted_by_selector(http: aiohttp.ClientSession, api: ApiServer) -> None:
    for name in ("a", "b"):
        await api.create(CONFIG_MAP, "default", {"metadata": {"name": name, "labels": {"name": name}}})
    async with http.delete(f"{MAPS}?labelSelector=name%3Da") as response:
        assert [one["metadata"]["name"] for one in (await _json(response))["items"]] == ["a"]
    assert [one["metadata"]["name"] for one in (await api.list(CONFIG_MAP)).items] == ["b"]


async def test_an_eviction_removes_the_pod(http: aiohttp.ClientSession, api: ApiServer) -> None:
    await api.create(POD, "default", pod("a"))
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "a"}}
    async with http.post("/api/v1/namespaces/default/pods/a/eviction", json=eviction) as response:
        assert (await _json(response, 201))["status"] == "Success"
    assert (await api.list(POD)).items == []


async def test_unknown_fields_are_warned_of_when_not_asked_otherwise(http: aiohttp.ClientSession) -> None:
    async with http.post(MAPS, json={"metadata": {"name": "a"}, "dada": {}}) as response:
        assert response.headers["Warning"] == '299 - "unknown field \\"dada\\""'
        await _json(response, 201)
    async with http.post(f"{MAPS}?fieldValidation=Ignore", json={"metadata": {"name": "b"}, "dada": {}}) as response:
        assert "Warning" not in response.headers


# ── forms of answers ───────────────────────────────────────────────────────


async def test_a_list_comes_in_pages(http: aiohttp.ClientSession, api: ApiServer) -> None:
    for name in ("a", "b", "c"):
        await api.create(CONFIG_MAP, "default", config_map(name))
    first = await _get(http, f"{MAPS}?limit=2")
    assert (first["kind"], len(first["items"])) == ("ConfigMapList", 2)
    second = await _get(http, f"{MAPS}?limit=2&continue={first['metadata']['continue']}")
    assert [one["metadata"]["name"] for one in second["items"]] == ["c"]
    assert "continue" not in second["metadata"]


async def test_a_list_comes_as_a_table_or_as_bare_metadata(http: aiohttp.ClientSession, api: ApiServer) -> None:
    await api.create(CONFIG_MAP, "default", config_map("a"))
    table = await _get(http, MAPS, Accept=TABLE)
    assert [column["name"] for column in table["columnDefinitions"]] == ["Name", "Data", "Age"]
    assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
    bare = await _get(http, MAPS, Accept=METADATA)
    assert bare["kind"] == "PartialObjectMetadataList"
    assert [{*one} for one in bare["items"]] == [{"kind", "apiVersion", "metadata"}]
    whole = await _get(http, f"{MAPS}?includeObject=Object", Accept=TABLE)
    assert whole["rows"][0]["object"]["kind"] == "ConfigMap"


async def test_a_form_nobody_can_give_is_not_acceptable(http: aiohttp.ClientSession) -> None:
    async with http.get(MAPS, headers={"Accept": "application/vnd.kubernetes.protobuf"}) as response:
        assert (await _json(response, 406))["reason"] == "NotAcceptable"


# ── watches ────────────────────────────────────────────────────────────────


async def test_a_watch_tells_what_is_there_and_what_changes(http: aiohttp.ClientSession, api: ApiServer) -> None:
    await api.create(CONFIG_MAP, "default", config_map("a"))
    async with http.get(f"{MAPS}?watch=1") as response:
        assert (await _line(response))["object"]["metadata"]["name"] == "a"
        await api.patch(CONFIG_MAP, "default", "a", {"data": {"k": "new"}})
        event = await _line(response)
        assert (event["type"], event["object"]["data"]["k"]) == ("MODIFIED", "new")
        await api.delete(CONFIG_MAP, "default", "a")
        assert (await _line(response))["type"] == "DELETED"


async def test_bookmarks_come_only_to_who_allows_them(http: aiohttp.ClientSession, api: ApiServer) -> None:
    since = (await api.list(CONFIG_MAP)).resource_version
    query = f"watch=true&resourceVersion={since}"
    async with http.get(f"{MAPS}?{query}") as plain, http.get(f"{MAPS}?{query}&allowWatchBookmarks=true") as marked:
        await api.create(POD, "default", pod("elsewhere"))
        api.bookmark()
        mark = await _line(marked)
        assert (mark["type"], mark["object"]["kind"]) == ("BOOKMARK", "ConfigMap")
        assert mark["object"]["metadata"]["resourceVersion"] > since
        await api.create(CONFIG_MAP, "default", config_map("a"))
        assert (await _line(plain))["type"] == "ADDED"


async def test_a_watch_may_begin_with_what_is_there_and_says_where_that_ends(
    http: aiohttp.ClientSession, api: ApiServer
) -> None:
    await api.create(CONFIG_MAP, "default", config_map("a"))
    query = "watch=true&sendInitialEvents=true&allowWatchBookmarks=true"
    async with http.get(f"{MAPS}?{query}&resourceVersionMatch=NotOlderThan") as response:
        assert (await _line(response))["type"] == "ADDED"
        mark = await _line(response)
        assert mark["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
        await api.create(CONFIG_MAP, "default", config_map("b"))
        assert (await _line(response))["object"]["metadata"]["name"] == "b"
    async with http.get(f"{MAPS}?{query}") as response:
        assert "resourceVersionMatch" in (await _json(response, 422))["message"]


async def test_a_watch_may_come_as_tables(http: aiohttp.ClientSession, api: ApiServer) -> None:
    await api.create(CONFIG_MAP, "default", config_map("a"))
    async with http.get(f"{MAPS}?watch=1", headers={"Accept": TABLE}) as response:
        event = await _line(response)
        assert event["object"]["kind"] == "Table"
        assert event["object"]["rows"][0]["cells"][0] == "a"


async def test_a_watch_from_a_forgotten_version_is_gone(http: aiohttp.ClientSession, api: ApiServer) -> None:
    await api.create(CONFIG_MAP, "default", config_map("a"))
    await api.create(CONFIG_MAP, "default", config_map("b"))
    api.compact()
    async with http.get(f"{MAPS}?watch=1&resourceVersion=1") as response:
        status = await _json(response, 410)
    assert (status["reason"], status["code"]) == ("Expired", 410)


async def test_a_watch_ends_when_its_time_is_up(http: aiohttp.ClientSession) -> None:
    async with http.get(f"{MAPS}?watch=1&timeoutSeconds=1") as response:
        assert await _line(response) is None


async def test_a_server_that_stops_ends_its_watches_in_order() -> None:
    async with aiohttp.ClientSession() as session:
        async with serving(server()) as endpoint:
            response = await session.get(f"{endpoint.url}{MAPS}?watch=1")
        assert await _line(response) is None
        response.release()


async def test_a_client_that_leaves_takes_its_watch_along(http: aiohttp.ClientSession, api: ApiServer) -> None:
    async with http.get(f"{MAPS}?watch=1") as response:
        await api.create(CONFIG_MAP, "default", config_map("a"))
        await _line(response)
        assert api.watching == 1
        response.close()
    async with asyncio.timeout(5):
        while api.watching:  # noqa: ASYNC110 - the server tells nobody when a watch goes
            await asyncio.sleep(0.01)


# ── refusals ───────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("method", "path", "code", "reason"),
    [
        ("GET", f"{MAPS}/none", 404, "NotFound"),
        ("GET", "/apis/none.example.com/v1/things", 404, "NotFound"),
        ("GET", "/apis/metrics.k8s.io/v1beta1", 404, "NotFound"),
        ("GET", "/nowhere", 404, "NotFound"),
        ("PUT", MAPS, 405, "MethodNotAllowed"),
        ("POST", f"{MAPS}/a", 405, "MethodNotAllowed"),
        ("GET", f"{MAPS}?limit=many", 400, "BadRequest"),
        ("GET", f"{MAPS}?watch=1&resourceVersion=x", 400, "BadRequest"),
        ("GET", f"{MAPS}?resourceVersion=99999", 504, "Timeout"),
        ("GET", f"{MAPS}?resourceVersion=1&resourceVersionMatch=Exact", 410, "Expired"),
        ("DELETE", f"{MAPS}/a?propagationPolicy=Maybe", 422, "Invalid"),
        ("DELETE", f"{MAPS}/a?gracePeriodSeconds=soon", 400, "BadRequest"),
        ("DELETE", f"{MAPS}/a?dryRun=Some", 422, "Invalid"),
        ("GET", "/api/v1/namespaces/default/pods/a/log", 501, "NotImplemented"),
    ],
)
async def test_a_refusal_is_a_status(
    http: aiohttp.ClientSession, method: str, path: str, code: int, reason: str
) -> None:
    async with http.request(method, path) as response:
        status = await _json(response, code)
    assert (status["kind"], status["status"], status["code"], status["reason"]) == ("Status", "Failure", code, reason)
    assert status["message"]


@pytest.mark.parametrize(
    ("media", "body", "code"),
    [("text/plain", "{}", 415), ("application/json", "{", 400), ("application/json", "[]", 400)],
)
async def test_a_body_that_cannot_be_read_is_refused(
    http: aiohttp.ClientSession, media: str, body: str, code: int
) -> None:
    async with http.post(MAPS, data=body, headers={"Content-Type": media}) as response:
        await _json(response, code)


async def test_requests_that_name_another_host_are_refused(http: aiohttp.ClientSession) -> None:
    async with http.get("/api", headers={"Host": "evil.example.com"}) as response:
        assert (await _json(response, 403))["reason"] == "Forbidden"


async def test_it_serves_on_loopback_only() -> None:
    with pytest.raises(ValueError, match="on loopback only"):
        async with serving(server(), host="0.0.0.0"):
            pass


# ── what there is ──────────────────────────────────────────────────────────


async def test_it_says_that_it_lives_and_which_version_it_is(http: aiohttp.ClientSession) -> None:
    for path in ("/healthz", "/livez", "/readyz"):
        async with http.get(path) as response:
            assert (response.status, await response.text()) == (200, "ok")
    assert (await _get(http, "/version"))["minor"] == "32"


async def test_resources_are_discovered_one_group_version_at_a_time(
    http: aiohttp.ClientSession, api: ApiServer
) -> None:
    await api.create(CRD, "", widgets())
    assert (await _get(http, "/api"))["versions"] == ["v1"]
    groups = {group["name"]: group for group in (await _get(http, "/apis"))["groups"]}
    assert groups["apps"]["preferredVersion"] == {"groupVersion": "apps/v1", "version": "v1"}
    listed = {one["name"]: one for one in (await _get(http, "/apis/apps/v1"))["resources"]}
    assert listed["deployments/scale"] == {
        "name": "deployments/scale",
        "singularName": "",
        "namespaced": True,
        "kind": "Scale",
        "group": "autoscaling",
        "version": "v1",
        "verbs": ["get", "patch", "update"],
    }
    assert listed["deployments"]["shortNames"] == ["deploy"]
    group = widgets()["spec"]["group"]
    assert (await _get(http, f"/apis/{group}"))["kind"] == "APIGroup"


async def test_resources_are_discovered_all_at_once(http: aiohttp.ClientSession) -> None:
    accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"
    core = await _get(http, "/api", Accept=accept)
    assert [group["metadata"]["name"] for group in core["items"]] == [""]
    named = {group["metadata"]["name"]: group for group in (await _get(http, "/apis", Accept=accept))["items"]}
    resources = {one["resource"]: one for one in named["apps"]["versions"][0]["resources"]}
    assert resources["replicasets"]["scope"] == "Namespaced"
    assert [one["subresource"] for one in resources["replicasets"]["subresources"]] == ["scale", "status"]


async def test_the_openapi_index_changes_with_what_is_served(http: aiohttp.ClientSession, api: ApiServer) -> None:
    before = (await _get(http, "/openapi/v3"))["paths"]
    await api.create(CRD, "", widgets())
    after = (await _get(http, "/openapi/v3"))["paths"]
    (new,) = after.keys() - before.keys()
    document = await _get(http, after[new]["serverRelativeURL"])
    kinds = [
        schema for schema in document["components"]["schemas"].values() if "x-kubernetes-group-version-kind" in schema
    ]
    assert [one["x-kubernetes-group-version-kind"][0]["kind"] for one in kinds] == [widgets()["spec"]["names"]["kind"]]
    assert all(after[path] == before[path] for path in before)


async def test_every_reference_in_an_openapi_document_leads_somewhere(http: aiohttp.ClientSession) -> None:
    for entry in (await _get(http, "/openapi/v3"))["paths"].values():
        document = await _get(http, entry["serverRelativeURL"])
        names = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
        assert {*_references(document)} <= names
    flat = await _get(http, "/openapi/v2")
    assert {*_references(flat)} <= {f"#/definitions/{name}" for name in flat["definitions"]}


def _references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [found for inner in value.values() for found in _references(inner)]
    return [found for inner in value for found in _references(inner)] if isinstance(value, list) else []
