"""Patches of every type."""

from rollouts.kube.refs import CONFIG_MAP, DEPLOYMENT, POD, REPLICA_SET, SERVICE, Obj
from rollouts.kube.wire import PatchType
from tests.cluster.recorder import Recorder
from tests.sandbox.cluster_objects import config_map, pod, widget, widgets, workload


async def a_merge_patch_merges_maps_replaces_lists_and_removes_nulls(api: Recorder) -> None:
    kind = await api.define(widgets())
    await api.create(kind, widget("x", a={"b": 1, "c": 2}, l=[1, 2], n=1))
    await api.patch(kind, "x", {"spec": {"a": {"b": None, "d": 3}, "l": [3], "n": None, "gone": None}})
    await api.patch(kind, "x", {"spec": {"a": None, "e": {"f": None}, "g": [None]}})
    await api.patch(kind, "x", {"spec": "text"})
    await api.patch(kind, "x", {"metadata": {"name": "y"}})
    await api.patch(kind, "x", {"metadata": {"namespace": "other"}})
    await api.patch(kind, "x", {"kind": "Gadget"})
    await api.patch(kind, "x", {"apiVersion": "example.org/v1"})


async def a_merge_patch_of_a_built_in_kind(api: Recorder) -> None:
    await api.create(REPLICA_SET, workload("x"), show="kind")
    await api.patch(REPLICA_SET, "x", {"spec": {"replicas": None}}, show="spec.replicas")
    await api.patch(REPLICA_SET, "x", {"metadata": {"labels": None}}, show="metadata")
    await api.patch(REPLICA_SET, "x", {"metadata": {"uid": None, "name": None}}, show="metadata")
    await api.patch(REPLICA_SET, "x", {"nonsense": 1, "spec": {"typo": 1}}, show="metadata")


async def a_json_patch_does_its_operations_in_order(api: Recorder) -> None:
    kind = await api.define(widgets())
    await api.create(kind, widget("x", a={"b": 1}, l=[1, 2, 3]))
    for operations in (
        [{"op": "add", "path": "/spec/n", "value": 1}, {"op": "replace", "path": "/spec/a/b", "value": 2}],
        [{"op": "add", "path": "/spec/l/-", "value": 4}, {"op": "add", "path": "/spec/l/0", "value": 0}],
        [{"op": "remove", "path": "/spec/l/1"}],
        [{"op": "move", "from": "/spec/n", "path": "/spec/m"}, {"op": "copy", "from": "/spec/m", "path": "/spec/o"}],
        [{"op": "test", "path": "/spec/m", "value": 1}, {"op": "remove", "path": "/spec/m"}],
    ):
        await api.patch(kind, "x", operations, type=PatchType.JSON, show="spec")


async def a_json_patch_that_cannot_be_done_says_why(api: Recorder) -> None:
    kind = await api.define(widgets())
    await api.create(kind, widget("x", a={"b": 1}, l=[1]), show="spec")
    for operation in (
        {"op": "remove", "path": "/spec/none"},
        {"op": "replace", "path": "/spec/none", "value": 1},
        {"op": "add", "path": "/spec/none/deep", "value": 1},
        {"op": "add", "path": "/spec/l/9", "value": 1},
        {"op": "test", "path": "/spec/a/b", "value": 2},
        {"op": "test", "path": "/spec/none", "value": 2},
        {"op": "move", "from": "/spec/none", "path": "/spec/q"},
        {"op": "copy", "from": "/spec/none", "path": "/spec/q"},
        {"op": "spin", "path": "/spec/a"},
        {"op": "remove", "path": "/spec/l/x"},
    ):
        await api.patch(kind, "x", [operation], type=PatchType.JSON)
    await api.patch(kind, "x", {"op": "remove"}, type=PatchType.JSON)


async def custom_resources_know_no_strategic_patch(api: Recorder) -> None:
    kind = await api.define(widgets())
    await api.create(kind, widget("x"), show="kind")
    await api.patch(kind, "x", {"spec": {"a": 1}}, type=PatchType.STRATEGIC)


def _containers(*listed: Obj) -> Obj:
    return {"spec": {"template": {"spec": {"containers": list(listed)}}}}


_SHOWN = "spec.template.spec.containers"


async def a_strategic_patch_merges_lists_by_their_keys(api: Recorder) -> None:
    await api.create(DEPLOYMENT, workload("x"), show="kind")
    for patch in (
        _containers({"name": "app", "image": "web:2"}),
        _containers({"name": "side", "image": "side:1", "env": [{"name": "A", "value": "1"}]}),
        _containers({"name": "side", "env": [{"name": "B", "value": "2"}]}),
        _containers({"name": "side", "env": [{"name": "A", "$patch": "delete"}]}),
        _containers({"name": "side", "ports": [{"containerPort": 80}]}),
        _containers({"name": "side", "ports": [{"containerPort": 81}]}),
        _containers({"name": "side", "$patch": "delete"}),
        {"spec": {"template": {"spec": {"$setElementOrder/containers": [{"name": "b"}, {"name": "app"}],
                                        "containers": [{"name": "b", "image": "b:1"}]}}}},
        _containers({"$patch": "replace"}, {"name": "only", "image": "only:1"}),
        _containers({"image": "nameless:1"}),
    ):  # fmt: skip
        await api.patch(DEPLOYMENT, "x", patch, type=PatchType.STRATEGIC, show=_SHOWN)


async def a_strategic_patch_follows_its_directives(api: Recorder) -> None:
    strategic = PatchType.STRATEGIC
    await api.create(DEPLOYMENT, workload("x"), show="spec.strategy")
    recreate = {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}
    await api.patch(DEPLOYMENT, "x", recreate, type=strategic, show="spec.strategy")
    await api.patch(DEPLOYMENT, "x", {"spec": {"$patch": "explode"}}, type=strategic)
    await api.create(CONFIG_MAP, config_map("a", {"l": "m"}, x="1", y="2"), show="data")
    await api.patch(CONFIG_MAP, "a", {"data": {"x": None, "z": "3"}}, type=strategic, show="data")
    await api.patch(CONFIG_MAP, "a", {"data": {"$patch": "replace", "b": "2"}}, type=strategic, show="data")
    held = {"metadata": {"finalizers": ["a.b/c", "a.b/d"]}}
    await api.patch(CONFIG_MAP, "a", held, type=strategic, show="metadata.finalizers")
    more = {"metadata": {"finalizers": ["a.b/d", "a.b/e"]}}
    await api.patch(CONFIG_MAP, "a", more, type=strategic, show="metadata.finalizers")
    fewer = {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a.b/c"]}}
    await api.patch(CONFIG_MAP, "a", fewer, type=strategic, show="metadata.finalizers")


async def ports_of_a_service_are_merged_by_their_numbers(api: Recorder) -> None:
    given = {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80, "name": "a"}]}}
    await api.create(SERVICE, given, show="spec.ports")
    for ports in ([{"port": 81, "name": "b"}], [{"port": 80, "targetPort": 8080}], [{"port": 81, "$patch": "delete"}]):
        await api.patch(SERVICE, "s", {"spec": {"ports": ports}}, type=PatchType.STRATEGIC, show="spec.ports")


async def conditions_are_merged_by_their_types(api: Recorder) -> None:
    await api.create(POD, pod("p"), show="status")
    for status in ("False", "True"):
        condition = {"type": "Ready", "status": status}
        patch = {"status": {"conditions": [condition, {"type": f"x{status}", "status": "True"}]}}
        await api.patch(POD, "p", patch, type=PatchType.STRATEGIC, subresource="status", show="status.conditions")
