"""Status, scale, binding and eviction of built-in kinds."""

from rollouts.kube.refs import CONFIG_MAP, DEPLOYMENT, POD, REPLICA_SET
from tests.cluster.recorder import Recorder
from tests.sandbox.cluster_objects import config_map, pod, workload


async def the_main_door_ignores_the_status(api: Recorder) -> None:
    await api.create(REPLICA_SET, {**workload("a"), "status": {"replicas": 7}}, show="status")
    await api.patch(REPLICA_SET, "a", {"status": {"replicas": 2}}, subresource="status", show="status")
    await api.patch(REPLICA_SET, "a", {"status": {"replicas": 3}}, show="status")


async def the_status_door_lets_nothing_but_the_status_through(api: Recorder) -> None:
    await api.create(REPLICA_SET, workload("a"), show="kind")
    change = {"status": {"replicas": 1}, "spec": {"replicas": 5}, "metadata": {"labels": {"a": "b"}}}
    patched = await api.patch(REPLICA_SET, "a", change, subresource="status")
    await api.replace(REPLICA_SET, "a", {**patched, "status": {"replicas": 2}}, subresource="status")
    await api.patch(REPLICA_SET, "a", {"status": {"replicas": -1}}, subresource="status")
    await api.patch(REPLICA_SET, "a", {"status": {"replicas": 1, "readyReplicas": 2}}, subresource="status")


async def a_kind_without_a_door_has_none(api: Recorder) -> None:
    await api.create(CONFIG_MAP, config_map("a"), show="kind")
    await api.get(CONFIG_MAP, "a", subresource="status")
    await api.patch(CONFIG_MAP, "a", {}, subresource="status")


async def the_scale_of_a_workload(api: Recorder) -> None:
    await api.create(DEPLOYMENT, workload("a", replicas=3), show="kind")
    await api.patch(DEPLOYMENT, "a", {"status": {"replicas": 2}}, subresource="status", show="status")
    scale = await api.get(DEPLOYMENT, "a", subresource="scale")
    await api.replace(DEPLOYMENT, "a", {**scale, "spec": {"replicas": 5}}, subresource="scale")
    await api.get(DEPLOYMENT, "a", show="metadata.generation")
    await api.replace(DEPLOYMENT, "a", {**scale, "spec": {"replicas": 6}}, subresource="scale")
    await api.patch(DEPLOYMENT, "a", {"spec": {"replicas": 0}}, subresource="scale")
    await api.patch(DEPLOYMENT, "a", {"spec": {"replicas": -1}}, subresource="scale")
    await api.get(DEPLOYMENT, "none", subresource="scale")


async def a_binding_gives_a_pod_its_node(api: Recorder) -> None:
    await api.create(POD, pod("a"), show="kind")
    binding = {"metadata": {"name": "a"}, "target": {"kind": "Node", "name": "node-1"}}
    await api.create(POD, binding, name="a", subresource="binding")
    await api.get(POD, "a", show="spec.nodeName")
    await api.get(POD, "a", show="status")
    await api.create(POD, binding, name="a", subresource="binding")


async def an_eviction_deletes_a_pod_that_no_budget_covers(api: Recorder) -> None:
    await api.create(POD, pod("a", nodeName="node"), show="kind")
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "a"}}
    options = {**eviction, "deleteOptions": {"preconditions": {"uid": "01234567-89ab-cdef-0123-456789abcdef"}}}
    await api.create(POD, options, name="a", subresource="eviction")
    await api.create(POD, eviction, name="a", subresource="eviction")
    await api.get(POD, "a", show="metadata")
    await api.create(POD, {**eviction, "deleteOptions": {"gracePeriodSeconds": 0}}, name="a", subresource="eviction")
    await api.get(POD, "a")
    await api.create(POD, eviction, name="a", subresource="eviction")
    await api.get(POD, "b", subresource="eviction")
