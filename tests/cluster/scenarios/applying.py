"""Server-side apply: who owns what, and with whom it conflicts."""

from typing import Any

from rollouts.kube.refs import CONFIG_MAP, DEPLOYMENT, SERVICE, Obj, Resource
from rollouts.kube.wire import PatchType
from tests.cluster.recorder import Recorder
from tests.sandbox.cluster_objects import config_map, widgets, workload


async def _apply(api: Recorder, kind: Resource, obj: Obj, manager: str, *, force: bool = False, show: str = "") -> Obj:
    given = {"apiVersion": kind.api_version, "kind": kind.kind, **obj}
    name = obj["metadata"]["name"]
    made = await api.patch(kind, name, given, type=PatchType.APPLY, field_manager=manager, force=force, show=show)
    if made:
        api.note("owners", _owners(made))
    return made


def _owners(obj: Obj) -> Any:
    """Who owns which fields, without times."""
    entries = obj["metadata"].get("managedFields") or []
    return sorted(
        ([each["manager"], each["operation"], each.get("subresource", ""), each["fieldsV1"]] for each in entries),
        key=lambda entry: entry[:3],
    )


async def applying_creates_merges_and_removes(api: Recorder) -> None:
    await _apply(api, CONFIG_MAP, config_map("a", {"l": "1"}, x="1", y="2"), "me")
    await _apply(api, CONFIG_MAP, config_map("a", None, y="2"), "me")
    await _apply(api, CONFIG_MAP, config_map("a", None, z="3"), "you")
    await _apply(api, CONFIG_MAP, config_map("a", None, z="4"), "me")
    await _apply(api, CONFIG_MAP, config_map("a", None, z="4"), "me", force=True)
    await _apply(api, CONFIG_MAP, config_map("a", None, z="4"), "you")
    await _apply(api, CONFIG_MAP, config_map("a"), "")


async def an_ordinary_write_owns_what_it_changes(api: Recorder) -> None:
    await _apply(api, CONFIG_MAP, config_map("a", None, x="1", y="1"), "me", show="data")
    made = await api.patch(CONFIG_MAP, "a", {"data": {"x": "3"}}, field_manager="editor", show="data")
    api.note("owners", _owners(made))
    await _apply(api, CONFIG_MAP, config_map("a", None, x="1", y="1"), "me")
    made = await api.patch(CONFIG_MAP, "a", {"data": {"x": None}}, field_manager="editor", show="data")
    api.note("owners", _owners(made))


async def several_conflicts_are_told_at_once(api: Recorder) -> None:
    await _apply(api, DEPLOYMENT, workload("d", replicas=1), "first", show="kind")
    more = {"metadata": {"name": "d"}, "spec": {"minReadySeconds": 1, "paused": True}}
    await _apply(api, DEPLOYMENT, more, "second", show="kind")
    other = workload("d", replicas=2)
    other["spec"] |= {"minReadySeconds": 2, "paused": False}
    other["spec"]["template"]["spec"]["containers"][0]["image"] = "web:2"
    await _apply(api, DEPLOYMENT, other, "third")
    await _apply(api, DEPLOYMENT, other, "third", force=True, show="spec.replicas")


async def lists_are_merged_by_their_keys(api: Recorder) -> None:
    await _apply(api, DEPLOYMENT, workload("d"), "me", show="kind")
    side = {"name": "side", "image": "side:1", "ports": [{"containerPort": 80}], "env": [{"name": "A", "value": "1"}]}
    spec = {"template": {"spec": {"containers": [side]}}}
    shown = "spec.template.spec.containers"
    await _apply(api, DEPLOYMENT, {"metadata": {"name": "d"}, "spec": spec}, "injector", show=shown)
    await _apply(api, DEPLOYMENT, {"metadata": {"name": "d"}, "spec": {}}, "injector", show=shown)
    service = {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80, "name": "a"}]}}
    await _apply(api, SERVICE, service, "me", show="spec.ports")
    service = {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 81, "name": "b"}]}}
    await _apply(api, SERVICE, service, "you", show="spec.ports")


async def a_custom_resource_is_applied_by_its_schema(api: Recorder) -> None:
    keyed = {
        "type": "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name"],
        "items": {
            "type": "object",
            "required": ["name"],
            "properties": {"name": {"type": "string"}, "size": {"type": "integer"}},
        },
    }
    colour = {"type": "string", "default": "red"}
    atomic = {"type": "array", "items": {"type": "string"}}
    schema = {"type": "object", "properties": {"keyed": keyed, "colour": colour, "atomic": atomic}}
    kind = await api.define(widgets(spec=schema))

    def given(**spec: Any) -> Obj:
        return {"metadata": {"name": "x"}, "spec": spec}

    await _apply(api, kind, given(keyed=[{"name": "a", "size": 1}], atomic=["a"]), "me")
    await _apply(api, kind, given(keyed=[{"name": "b", "size": 1}]), "you")
    await _apply(api, kind, given(keyed=[{"name": "a", "size": 2}], atomic=["b"]), "you")
    made = await api.patch(kind, "x", {"status": {"seen": 1}}, subresource="status", field_manager="them")
    api.note("owners", _owners(made))
    await _apply(api, kind, given(), "me")


async def an_apply_must_name_what_it_applies(api: Recorder) -> None:
    apply = PatchType.APPLY
    await api.patch(CONFIG_MAP, "a", {"metadata": {"name": "a"}}, type=apply, field_manager="me")
    body = {"apiVersion": "v1", "kind": "ConfigMap"}
    await api.patch(CONFIG_MAP, "a", {**body, "metadata": {"name": "b"}}, type=apply, field_manager="me")
    fields = {"metadata": {"name": "a", "managedFields": [{"manager": "x"}]}}
    await api.patch(CONFIG_MAP, "a", {**body, **fields}, type=apply, field_manager="me")
    await api.patch(CONFIG_MAP, "a", {**body, "metadata": {"name": "a"}}, type=apply, field_manager="me", show="kind")
