"""What HTTP clients see: forms of an answer, warnings, dry runs, refusals before any object is read, who may what."""

import json
from typing import Any

from rollouts.kube.refs import CONFIG_MAP, DEPLOYMENT, EVENT, JOB, POD, REPLICA_SET, SECRET, SERVICE, Obj
from tests.cluster.door import LISTED_NAMES, NAMES, TABLE
from tests.cluster.recorder import Recorder
from tests.sandbox.cluster_objects import config_map, pod, widgets, workload

JSON, MERGE = "application/json", "application/merge-patch+json"


def _core(api: Recorder, rest: str) -> str:
    return f"/api/v1/namespaces/{api.namespace}/{rest}"


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


def _map(**metadata: Any) -> Obj:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", **metadata}, "data": {"x": "1"}}


async def a_table_has_the_columns_of_its_kind(api: Recorder) -> None:
    await api.create(POD, pod("a"), show="kind")
    status = {"phase": "Running", "podIP": "10.0.0.1", "containerStatuses": [_running("app", restarts=2)]}
    await api.patch(POD, "a", {"status": status}, subresource="status", show="kind")
    await api.create(REPLICA_SET, workload("a", replicas=3), show="kind")
    await api.create(DEPLOYMENT, workload("a", replicas=3), show="kind")
    ports = {"type": "NodePort", "selector": {"app": "web"}, "ports": [{"port": 80, "name": "http"}]}
    await api.create(SERVICE, {"metadata": {"name": "a"}, "spec": ports}, show="kind")
    await api.create(SECRET, {"metadata": {"name": "a"}, "data": {"k": "dg=="}}, show="kind")
    await api.create(CONFIG_MAP, config_map("a", x="1", y="2"), show="kind")
    job = {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "app", "image": "web:1"}]}}}
    await api.create(JOB, {"metadata": {"name": "a"}, "spec": job}, show="kind")
    about = {"kind": "Pod", "name": "a", "namespace": api.namespace}
    event = {"involvedObject": about, "type": "Normal", "reason": "Done", "message": "said", "count": 3}
    await api.create(EVENT, {"metadata": {"name": "a"}, **event}, show="kind")
    for plural in ("pods", "services", "secrets", "configmaps", "events"):
        await api.ask("GET", _core(api, plural), accept=TABLE)
    for plural in ("replicasets", "deployments"):
        await api.ask("GET", f"/apis/apps/v1/namespaces/{api.namespace}/{plural}", accept=TABLE)
    await api.ask("GET", f"/apis/batch/v1/namespaces/{api.namespace}/jobs", accept=TABLE)
    await api.ask("GET", f"/api/v1/namespaces/{api.namespace}", accept=TABLE)
    await api.ask("GET", _core(api, "pods/a"), accept=TABLE)
    await api.ask("GET", _core(api, "pods?includeObject=None"), accept=TABLE)


def _running(name: str, restarts: int) -> Obj:
    times = {"startedAt": "2026-01-01T00:00:00Z"}
    ids = {"image": "web:1", "imageID": "", "containerID": "c://1"}
    return {"name": name, "ready": True, "restartCount": restarts, "state": {"running": times}, **ids}


async def a_table_of_a_custom_resource_has_the_columns_of_its_definition(api: Recorder) -> None:
    definition = widgets()
    definition["spec"]["versions"][0]["additionalPrinterColumns"] = [
        {"name": "Size", "type": "integer", "jsonPath": ".spec.size", "description": "How many"},
        {"name": "Colour", "type": "string", "jsonPath": ".spec.colour", "priority": 1},
        {"name": "Since", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
    ]
    kind = await api.define(definition)
    await api.create(kind, {"metadata": {"name": "x"}, "spec": {"size": 3, "colour": "red"}}, show="kind")
    await api.create(kind, {"metadata": {"name": "y"}, "spec": {}}, show="kind")
    await api.ask("GET", f"/apis/{api.group}/v1/namespaces/{api.namespace}/widgets", accept=TABLE)


async def an_answer_may_be_metadata_alone(api: Recorder) -> None:
    await api.create(CONFIG_MAP, config_map("a"), show="kind")
    await api.ask("GET", _core(api, "configmaps/a"), accept=NAMES)
    await api.ask("GET", _core(api, "configmaps"), accept=LISTED_NAMES)


async def an_answer_is_of_a_form_that_the_client_takes(api: Recorder) -> None:
    await api.ask("GET", _core(api, "configmaps"), accept="*/*")
    await api.ask("GET", _core(api, "configmaps"), accept=f"{TABLE},application/json")
    await api.ask("GET", _core(api, "configmaps"), accept="text/plain")
    await api.ask("GET", _core(api, "configmaps"), accept="application/json;as=Table;v=v9;g=meta.k8s.io")


async def a_body_must_be_of_a_form_that_the_server_reads(api: Recorder) -> None:
    await api.ask("POST", _core(api, "configmaps"), _json(_map()), media="text/plain")
    await api.ask("POST", _core(api, "configmaps"), b"{", media=JSON)
    await api.ask("POST", _core(api, "configmaps"), b"[]", media=JSON)
    await api.ask("POST", _core(api, "configmaps"), b"", media=JSON)
    await api.ask("POST", _core(api, "configmaps"), b"metadata: {name: y}", media="application/yaml")
    await api.ask("PATCH", _core(api, "configmaps/y"), b"{}", media=JSON)
    await api.ask("PATCH", _core(api, "configmaps/y"), b"{", media=MERGE)


async def what_is_not_served_is_not_found_or_not_allowed(api: Recorder) -> None:
    for path in ("/apis/nobody.example.com/v1/things", "/apis/apps/v9/deployments", "/api/v1/things"):
        await api.ask("GET", path)
    await api.ask("GET", _core(api, "configmaps/a/nothing"))
    await api.ask("PUT", _core(api, "configmaps"), _json(_map()), media=JSON)
    await api.ask("POST", _core(api, "configmaps/a"), _json(_map()), media=JSON)
    await api.ask("GET", "/healthz")
    await api.ask("GET", "/readyz")


async def unknown_fields_are_dropped_told_or_refused_as_asked(api: Recorder) -> None:
    odd = _json({**_map(), "dta": {}, "metadata": {"name": "a", "lables": {}}})
    for validation in ("Strict", "Warn", "Ignore", "", "Perhaps"):
        query = f"dryRun=All&fieldValidation={validation}" if validation else "dryRun=All"
        await api.ask("POST", _core(api, f"configmaps?{query}"), odd, media=JSON)
    twice = b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"x":"1","x":"2"}}'
    for validation in ("Strict", "Warn"):
        await api.ask("POST", _core(api, f"configmaps?dryRun=All&fieldValidation={validation}"), twice, media=JSON)
    await api.create(CONFIG_MAP, config_map("a"), show="kind")
    for media in (MERGE, "application/strategic-merge-patch+json"):
        path = _core(api, "configmaps/a?fieldValidation=Strict")
        await api.ask("PATCH", path, b'{"dta": {}}', media=media)


async def unknown_fields_of_a_custom_resource_are_told_by_its_schema(api: Recorder) -> None:
    spec = {"type": "object", "properties": {"size": {"type": "integer"}}}
    await api.define(widgets(spec=spec))
    odd = {"apiVersion": f"{api.group}/v1", "kind": "Widget", "metadata": {"name": "x"}, "spec": {"size": 1, "sise": 2}}
    for validation in ("Strict", "Warn"):
        path = f"/apis/{api.group}/v1/namespaces/{api.namespace}/widgets?dryRun=All&fieldValidation={validation}"
        await api.ask("POST", path, _json(odd), media=JSON)


async def a_dry_run_answers_and_changes_nothing(api: Recorder) -> None:
    await api.ask("POST", _core(api, "configmaps?dryRun=All"), _json(_map()), media=JSON)
    await api.list(CONFIG_MAP, label_selector="!kube")
    await api.ask("POST", _core(api, "configmaps?dryRun=Some"), _json(_map()), media=JSON)
    await api.create(CONFIG_MAP, _map(labels={"own": "yes"}), show="kind")
    await api.ask("PATCH", _core(api, "configmaps/a?dryRun=All"), b'{"data": {"x": "2"}}', media=MERGE)
    await api.ask("DELETE", _core(api, "configmaps/a?dryRun=All"))
    await api.get(CONFIG_MAP, "a", show="data")


async def a_collection_is_deleted_by_its_labels(api: Recorder) -> None:
    for name, colour in (("a", "red"), ("b", "red"), ("c", "blue")):
        await api.create(CONFIG_MAP, config_map(name, {"colour": colour}), show="kind")
    answer = await api.ask("DELETE", _core(api, "configmaps?labelSelector=colour%3Dred"), quiet=True)
    api.note("deleted", [answer.status, answer.body["kind"], [one["metadata"]["name"] for one in answer.body["items"]]])
    await api.list(CONFIG_MAP, label_selector="colour")
    await api.ask("DELETE", _core(api, "configmaps?labelSelector=%3D%3D"))


async def a_watch_may_begin_with_what_is_there_and_say_when_that_was_all(api: Recorder) -> None:
    for name in ("a", "b"):
        await api.create(CONFIG_MAP, config_map(name, {"own": "yes"}), show="kind")
    asked = "watch=true&labelSelector=own"
    begun = f"{asked}&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan"
    for query, count in ((begun, 3), (f"{asked}&resourceVersion=0", 2)):
        told = await api.door.events(_core(api, f"configmaps?{query}"), count)
        api.note(query, [_told(event) for event in told])
    await api.ask("GET", _core(api, f"configmaps?{asked}&sendInitialEvents=true"))
    await api.ask("GET", _core(api, "configmaps?sendInitialEvents=true&resourceVersionMatch=NotOlderThan"))


def _told(event: Obj) -> Any:
    return [event["type"], event["object"]["kind"], event["object"]["metadata"].get("name", "")]


async def a_list_of_a_version_that_is_to_come_times_out(api: Recorder) -> None:
    await api.ask("GET", _core(api, "configmaps?resourceVersion=x"))
    await api.ask("GET", _core(api, "configmaps?limit=x"))
    await api.ask("GET", _core(api, "configmaps?resourceVersionMatch=Exact"))
    await api.ask("GET", _core(api, "configmaps?labelSelector=a%20in%20("))


async def who_may_not_is_told_what_they_may_not(api: Recorder) -> None:
    await api.create(CONFIG_MAP, config_map("a"), show="kind")
    await api.ask("GET", _core(api, "configmaps"), user="ann")
    await api.ask("GET", _core(api, "configmaps/a"), user="ann")
    await api.ask("DELETE", f"/apis/apps/v1/namespaces/{api.namespace}/deployments/a", user="ann")
    await api.ask("PATCH", _core(api, "pods/a/status"), b"{}", media=MERGE, user="ann")
    await api.ask("GET", "/api/v1/namespaces", user="ann")
    await api.ask("GET", "/api/v1/configmaps?watch=true", user="ann")


async def a_role_grants_what_it_names_to_whom_it_is_bound(api: Recorder) -> None:
    path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{api.namespace}"
    role = {
        "metadata": {"name": "reader"},
        "rules": [{"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["a"], "verbs": ["get"]}],
    }
    await api.ask("POST", f"{path}/roles", _json(role), quiet=True, media=JSON)
    group = "rbac.authorization.k8s.io"
    binding = {
        "metadata": {"name": "reader"},
        "roleRef": {"apiGroup": group, "kind": "Role", "name": "reader"},
        "subjects": [{"apiGroup": group, "kind": "User", "name": "ann"}],
    }
    await api.ask("POST", f"{path}/rolebindings", _json(binding), quiet=True, media=JSON)
    await api.create(CONFIG_MAP, config_map("a"), show="kind")
    await api.create(CONFIG_MAP, config_map("b"), show="kind")
    await api.granted(_core(api, "configmaps/a"), "ann")
    for name in ("configmaps/a", "configmaps/b", "configmaps", "secrets/a"):
        answer = await api.ask("GET", _core(api, name), quiet=True, user="ann")
        api.note(name, answer.status)


async def a_review_says_who_may_what(api: Recorder) -> None:
    asked = {"namespace": api.namespace, "verb": "get", "resource": "configmaps"}
    for group, kind, spec in (
        ("authorization.k8s.io", "SelfSubjectAccessReview", {"resourceAttributes": asked}),
        ("authorization.k8s.io", "SelfSubjectAccessReview", {}),
        ("authorization.k8s.io", "SubjectAccessReview", {"resourceAttributes": asked, "user": "ann"}),
    ):
        body = _json({"apiVersion": f"{group}/v1", "kind": kind, "spec": spec})
        path = f"/apis/{group}/v1/{kind.lower()}s"
        answer = await api.ask("POST", path, body, quiet=True, media=JSON)
        status = answer.body.get("status")
        api.note(kind, [answer.status, status.get("allowed") if isinstance(status, dict) else answer.body["message"]])


async def a_group_lists_what_it_serves(api: Recorder) -> None:
    kind = await api.define(widgets(scale=True))
    await api.ask("GET", f"/apis/{kind.group}/v1")
    answer = await api.ask("GET", f"/apis/{kind.group}", quiet=True)
    api.note("group", answer.body)
    for path, wanted in (("/api/v1", ("pods", "pods/status", "pods/eviction", "services")), ("/apis/apps/v1", ())):
        answer = await api.ask("GET", path, quiet=True)
        listed = {one["name"]: one for one in answer.body["resources"]}
        shown = wanted or ("deployments", "deployments/scale", "deployments/status", "replicasets", "replicasets/scale")
        api.note(path, [_without_hash(listed.get(name, {})) for name in shown])
    await api.ask("GET", "/apis/nobody.example.com")


def _without_hash(listed: Obj) -> Obj:
    return {key: value for key, value in listed.items() if key != "storageVersionHash"}
