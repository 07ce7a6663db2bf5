"""How objects go, as far as the API server alone decides it."""

from rollouts.kube.refs import CONFIG_MAP, JOB, NAMESPACE, POD, REPLICA_SET, Obj
from tests.cluster.recorder import Recorder
from tests.sandbox.cluster_objects import config_map, pod, widget, widgets, workload

_HOLD = "example.com/hold"


def _held(name: str, *finalizers: str) -> Obj:
    return {"metadata": {"name": name, "finalizers": list(finalizers or (_HOLD,))}}


async def what_nothing_holds_is_gone_at_once(api: Recorder) -> None:
    await api.create(REPLICA_SET, workload("a"), show="kind")
    await api.delete(REPLICA_SET, "a")
    await api.delete(REPLICA_SET, "a")
    kind = await api.define(widgets())
    await api.create(kind, widget("a"), show="kind")
    await api.delete(kind, "a")


async def a_finalizer_holds_an_object_until_it_is_taken_off(api: Recorder) -> None:
    await api.create(CONFIG_MAP, _held("a"))
    await api.delete(CONFIG_MAP, "a")
    await api.delete(CONFIG_MAP, "a")
    await api.patch(CONFIG_MAP, "a", {"data": {"still": "writable"}})
    await api.patch(CONFIG_MAP, "a", {"metadata": {"finalizers": [_HOLD, "b.example.com/c"]}})
    await api.patch(CONFIG_MAP, "a", {"metadata": {"finalizers": None}})
    await api.get(CONFIG_MAP, "a")


async def a_held_custom_resource_counts_its_deletion_as_a_generation(api: Recorder) -> None:
    kind = await api.define(widgets())
    await api.create(kind, widget("a") | _held("a"))
    await api.delete(kind, "a")
    await api.create(REPLICA_SET, workload("a") | _held("a"), show="metadata")
    await api.delete(REPLICA_SET, "a")


async def propagation_is_left_to_the_garbage_collector_as_a_finalizer(api: Recorder) -> None:
    for name, propagation in (("f", "Foreground"), ("o", "Orphan"), ("b", "Background")):
        await api.create(REPLICA_SET, workload(name), show="kind")
        await api.delete(REPLICA_SET, name, propagation=propagation)
        await api.get(REPLICA_SET, name, show="metadata")
    await api.delete(REPLICA_SET, "f", propagation="Background")
    await api.get(REPLICA_SET, "f", show="metadata")


async def a_job_leaves_its_pods_behind_unless_told_otherwise(api: Recorder) -> None:
    spec = {"template": {"spec": {**pod("p")["spec"], "restartPolicy": "Never"}}}
    await api.create(JOB, {"metadata": {"name": "a"}, "spec": spec}, show="kind")
    await api.delete(JOB, "a")
    await api.get(JOB, "a", show="metadata.finalizers")


async def a_pod_that_runs_nowhere_is_gone_at_once(api: Recorder) -> None:
    await api.create(POD, pod("a"), show="kind")
    await api.delete(
        POD,
        "a",
    )
    await api.get(POD, "a")


async def a_running_pod_gets_its_grace(api: Recorder) -> None:
    await api.create(POD, pod("a", nodeName="node", terminationGracePeriodSeconds=20), show="kind")
    await api.delete(POD, "a")
    await api.delete(POD, "a", grace_period=5)
    await api.delete(POD, "a", grace_period=10)
    await api.delete(POD, "a", grace_period=0)
    await api.get(POD, "a")


async def a_pod_that_has_ended_needs_no_grace(api: Recorder) -> None:
    await api.create(POD, pod("a", nodeName="node"), show="kind")
    await api.patch(POD, "a", {"status": {"phase": "Succeeded"}}, subresource="status", show="status.phase")
    await api.delete(POD, "a")
    await api.get(POD, "a")


async def a_deletion_can_insist_on_one_particular_object(api: Recorder) -> None:
    made = await api.create(CONFIG_MAP, config_map("a"))
    await api.delete(CONFIG_MAP, "a", uid="01234567-89ab-cdef-0123-456789abcdef")
    await api.delete(CONFIG_MAP, "a", uid=made["metadata"]["uid"])


async def a_namespace_that_is_going_takes_nothing_in(api: Recorder) -> None:
    await api.create(CONFIG_MAP, _held("held"), show="kind")
    going = await api.delete(NAMESPACE, api.namespace)
    api.note("phase", (going.get("status") or {}).get("phase"))
    await api.create(CONFIG_MAP, config_map("new"))
    await api.delete(NAMESPACE, "default")
