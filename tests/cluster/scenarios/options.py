"""Parameters of writes, deletions and lists: which are taken, and how wrong ones are refused."""

import json
from typing import Any

from rollouts.kube.refs import CONFIG_MAP, ENDPOINTS, LEASE, NAMESPACE, REPLICA_SET, SERVICE, Obj
from tests.cluster.recorder import Recorder
from tests.sandbox.cluster_objects import config_map, workload

JSON, MERGE = "application/json", "application/merge-patch+json"


def _core(api: Recorder, rest: str) -> str:
    return f"/api/v1/namespaces/{api.namespace}/{rest}"


def _body(**options: Any) -> bytes:
    return json.dumps({"apiVersion": "v1", "kind": "DeleteOptions", **options}).encode()


async def a_deletion_may_be_told_in_its_body_or_its_query(api: Recorder) -> None:
    path = f"/apis/apps/v1/namespaces/{api.namespace}/replicasets"
    for name, query, body in (
        ("a", "?propagationPolicy=Foreground", b""),
        ("b", "?propagationPolicy=Foreground", _body(propagationPolicy="Orphan")),
        ("c", "?orphanDependents=true", b""),
        ("d", "", _body(orphanDependents=True)),
        ("e", "", _body(orphanDependents=True, propagationPolicy="Orphan")),
        ("f", "?propagationPolicy=Sideways", b""),
        ("g", "", _body(propagationPolicy="Sideways")),
        ("h", "", _body(gracePeriodSeconds=-1)),
        ("i", "", _body(gracePeriodSeconds="x")),
        ("j", "", b'{"propagationPolicy":"Orphan"}'),
        ("k", "", b'{"apiVersion":"v1","kind":"Pod"}'),
        ("l", "", _body(dryRun=["All"])),
        ("m", "", _body(dryRun=["Some"])),
        ("n", "", _body(preconditions={"resourceVersion": "1"})),
    ):
        await api.create(REPLICA_SET, workload(name), show="kind")
        answer = await api.ask("DELETE", f"{path}/{name}{query}", body, quiet=True, media=JSON if body else "")
        api.note(f"{query} {body.decode()}", _outcome(answer.status, answer.body))


def _outcome(status: int, body: Obj) -> Any:
    if body.get("status") == "Failure":
        return [status, body.get("reason"), body["message"]]
    return [status, body["kind"], (body.get("metadata") or {}).get("finalizers")]


async def options_of_a_write_are_checked(api: Recorder) -> None:
    given = json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}).encode()
    answer = await api.ask("POST", _core(api, f"configmaps?fieldManager={'x' * 129}"), given, quiet=True, media=JSON)
    api.note("a long name", answer.told())
    await api.ask("POST", _core(api, "configmaps?fieldManager=a%0Ab"), given, media=JSON)
    await api.ask("POST", _core(api, "configmaps"), given, media=JSON)
    await api.ask("PATCH", _core(api, "configmaps/a?force=true"), b"{}", media=MERGE)
    await api.ask("PUT", _core(api, "configmaps/a?dryRun=None"), given, media=JSON)
    await api.ask("PATCH", _core(api, "configmaps/a?dryRun=None"), b"{}", media=MERGE)
    apply = "application/apply-patch+yaml"
    await api.ask("PATCH", _core(api, "configmaps/a?fieldManager=me&force=maybe"), given, media=apply)


async def some_kinds_are_made_by_a_replacement_and_most_are_not(api: Recorder) -> None:
    await api.replace(LEASE, "a", {"metadata": {"name": "a"}, "spec": {"holderIdentity": "me"}}, show="spec")
    await api.replace(ENDPOINTS, "a", {"metadata": {"name": "a"}}, show="metadata")
    await api.replace(SERVICE, "a", {"metadata": {"name": "a"}, "spec": {"ports": [{"port": 80}]}}, show="spec.ports")
    await api.replace(REPLICA_SET, "a", workload("a"))


async def a_page_says_how_many_are_left(api: Recorder) -> None:
    """The sandbox does not count them: API servers need not."""
    for name in "abcde":
        await api.create(CONFIG_MAP, config_map(name, {"own": "yes"}), show="kind")
    for query in ("limit=2", "limit=2&labelSelector=own", "limit=5", "limit=9", "limit=0", "limit=-1"):
        answer = await api.ask("GET", _core(api, f"configmaps?{query}"), quiet=True)
        shown = answer.body.get("items") or []
        left = answer.body["metadata"].get("remainingItemCount")
        api.note(query, [answer.status, len(shown), left, "continue" in answer.body["metadata"]])


async def the_first_page_fixes_what_the_next_ones_show(api: Recorder) -> None:
    """The sandbox keeps no former states: its pages are of the moment, and clients have to bear that as well."""
    for name in "abc":
        await api.create(CONFIG_MAP, config_map(name), show="kind")
    first = await api.wire.list(CONFIG_MAP, api.namespace, limit=1)
    await api.create(CONFIG_MAP, config_map("bb"), show="kind")
    await api.patch(CONFIG_MAP, "c", {"data": {"late": "yes"}}, show="data")
    await api.delete(CONFIG_MAP, "b")
    rest = await api.wire.list(CONFIG_MAP, api.namespace, continue_token=first.continue_token)
    api.note("the rest", [[each["metadata"]["name"], each.get("data")] for each in rest.items])
    api.note("of the same version", rest.resource_version == first.resource_version)


async def a_list_may_ask_for_a_version(api: Recorder) -> None:
    made = await api.create(CONFIG_MAP, config_map("a"), show="kind")
    version = made["metadata"]["resourceVersion"]
    for query in (
        "resourceVersion=0",
        f"resourceVersion={version}",
        f"resourceVersion={version}&resourceVersionMatch=NotOlderThan",
        f"resourceVersion={version}&resourceVersionMatch=Exact",
        "resourceVersion=0&resourceVersionMatch=Exact",
        f"resourceVersion={version}&resourceVersionMatch=Sideways",
    ):
        answer = await api.ask("GET", _core(api, f"configmaps?{query}"), quiet=True)
        items = answer.body.get("items")
        named = [each["metadata"]["name"] for each in items] if items is not None else answer.body["message"]
        api.note(query.replace(version, "<version>"), [answer.status, named])


async def a_namespace_is_let_go_through_its_own_door(api: Recorder) -> None:
    name = f"{api.namespace}-b"
    await api.create(NAMESPACE, {"metadata": {"name": name}})
    await api.patch(NAMESPACE, name, {"metadata": {"labels": {"a": "b"}}}, show="metadata.labels")
    await api.create(NAMESPACE, {"metadata": {"name": "A_b"}})
    labels = (await api.get(NAMESPACE, name, show="spec"))["metadata"]["labels"]
    api.note("named by a label", labels.get("kubernetes.io/metadata.name") == name)
