"""Watches as HTTP clients see them: forms of events, what is watched, and how a watch is refused."""

from typing import Any

from rollouts.kube.refs import CONFIG_MAP, POD, Obj
from tests.cluster.door import NAMES, TABLE
from tests.cluster.recorder import Recorder
from tests.sandbox.cluster_objects import config_map, pod, widget, widgets


def _core(api: Recorder, rest: str) -> str:
    return f"/api/v1/namespaces/{api.namespace}/{rest}"


async def _version(api: Recorder) -> str:
    return (await api.wire.list(CONFIG_MAP, api.namespace)).resource_version


async def _events(api: Recorder, what: str, path: str, count: int, accept: str = "") -> None:
    """So many events of a watch, and any that follow them at once."""
    told = await api.door.events(f"{path}{'&' if '?' in path else '?'}watch=true", count, accept=accept)
    api.note(what, [_event(each) for each in told])


def _event(event: Obj) -> Any:
    obj = event["object"]
    if obj["kind"] == "Table":
        rows = [[row["cells"][0], (row.get("object") or {}).get("kind")] for row in obj["rows"]]
        return [event["type"], "Table", [each["name"] for each in obj.get("columnDefinitions") or ()], rows]
    if obj["kind"] == "Status":
        return [event["type"], obj["code"], obj["reason"], obj["message"]]
    return [event["type"], obj["apiVersion"], obj["kind"], obj["metadata"]["name"], obj.get("data")]


async def one_object_is_watched_by_its_path_or_its_name(api: Recorder) -> None:
    version = await _version(api)
    for name in "ab":
        await api.create(CONFIG_MAP, config_map(name), show="kind")
    await api.patch(CONFIG_MAP, "a", {"data": {"x": "1"}}, show="data")
    await api.delete(CONFIG_MAP, "a")
    since = f"resourceVersion={version}"
    await _events(api, "by path", _core(api, f"configmaps/a?{since}"), 1)
    await _events(api, "by field", _core(api, f"configmaps?{since}&fieldSelector=metadata.name%3Da"), 3)
    await _events(
        api,
        "the others",
        _core(api, f"configmaps?{since}&fieldSelector=metadata.name%21%3Da,metadata.name%21%3Dkube-root-ca.crt"),
        1,
    )


async def a_pod_leaves_the_sight_of_those_who_watch_for_another_phase(api: Recorder) -> None:
    version = await _version(api)
    await api.create(POD, pod("a"), show="kind")
    await api.patch(POD, "a", {"status": {"phase": "Running"}}, subresource="status", show="status.phase")
    await api.patch(POD, "a", {"spec": {"activeDeadlineSeconds": 9}}, show="spec.activeDeadlineSeconds")
    since = f"resourceVersion={version}"
    for phase in ("Pending", "Running"):
        await _events(api, phase, _core(api, f"pods?{since}&fieldSelector=status.phase%3D{phase}"), 2)


async def events_come_as_tables_and_as_bare_metadata(api: Recorder) -> None:
    version = await _version(api)
    for name in "ab":
        await api.create(CONFIG_MAP, config_map(name, {"own": "yes"}), show="kind")
    await api.delete(CONFIG_MAP, "a")
    query = f"configmaps?resourceVersion={version}&labelSelector=own"
    await _events(api, "tables", _core(api, query), 3, TABLE)
    await _events(api, "tables of nothing", _core(api, f"{query}&includeObject=None"), 3, TABLE)
    await _events(api, "metadata", _core(api, query), 3, NAMES)


async def a_custom_resource_is_watched_like_any_other(api: Recorder) -> None:
    kind = await api.define(widgets())
    version = (await api.wire.list(kind, api.namespace)).resource_version
    await api.create(kind, widget("x", size=1), show="kind")
    await api.patch(kind, "x", {"status": {"seen": 1}}, subresource="status", show="status")
    await api.delete(kind, "x")
    path = f"/apis/{kind.group}/v1/namespaces/{api.namespace}/widgets?resourceVersion={version}"
    await _events(api, "events", path, 3)
    await _events(api, "tables", path, 3, TABLE)


async def what_cannot_be_watched_is_refused_before_the_first_event(api: Recorder) -> None:
    for query in (
        "resourceVersion=x",
        "labelSelector=a%20in%20(",
        "fieldSelector=spec.size%3D1",
    ):
        await api.ask("GET", _core(api, f"configmaps?watch=true&timeoutSeconds=1&{query}"))
    await api.ask("GET", _core(api, "pods/none/status?watch=true&timeoutSeconds=1"))
    await api.ask("GET", _core(api, "configmaps?watch=true&timeoutSeconds=x"))
    await api.ask("GET", "/apis/nobody.example.com/v1/things?watch=true")


async def a_version_that_is_to_come_is_not_listed(api: Recorder) -> None:
    """A real watch waits silently for it; the sandbox refuses, for there it can only be a mistake."""
    version = str(int(await _version(api)) + 1_000_000)
    await _events(api, "events", _core(api, f"configmaps?resourceVersion={version}"), 0)
    answer = await api.ask("GET", _core(api, f"configmaps?resourceVersion={version}"), quiet=True)
    api.note("list", answer.told())
