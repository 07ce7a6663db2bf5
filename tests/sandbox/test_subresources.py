"""Status, scale, eviction and binding: what each door of an object lets through."""

from contextlib import nullcontext

import pytest

from rollouts.kube.errors import ApiError, Conflict, Invalid, NotFound, Refused, TooManyRequests
from rollouts.kube.refs import CONFIG_MAP, CRD, DEPLOYMENT, POD, REPLICA_SET, Obj
from rollouts.sandbox.apiserver.server import ApiServer
from rollouts.sandbox.apiserver.types.registry import POD_DISRUPTION_BUDGET
from tests.sandbox.cluster_objects import WIDGET, config_map, pod, server, widget, widgets, workload


@pytest.fixture
def api() -> ApiServer:
    return server()


async def test_the_main_door_ignores_the_status(api: ApiServer) -> None:
    await api.create(CRD, "", widgets())
    made = await api.create(WIDGET, "default", {**widget("x", size=1), "status": {"seen": 1}})
    assert "status" not in made
    await api.patch(WIDGET, "default", "x", {"status": {"seen": 2}}, subresource="status")
    patched = await api.patch(WIDGET, "default", "x", {"spec": {"size": 2}, "status": {"seen": 3}})
    assert (patched["spec"], patched["status"]) == ({"size": 2}, {"seen": 2})
    replaced = await api.replace(WIDGET, "default", "x", {k: v for k, v in patched.items() if k != "status"})
    assert replaced["status"] == {"seen": 2}


async def test_the_status_door_lets_nothing_but_the_status_through(api: ApiServer) -> None:
    await api.create(CRD, "", widgets())
    for kind, obj, labels in ((REPLICA_SET, workload("a"), {"a": "b"}), (WIDGET, widget("a", replicas=1), None)):
        await api.create(kind, "default", obj)
        change: Obj = {"status": {"replicas": 1}, "spec": {"replicas": 5}, "metadata": {"labels": {"a": "b"}}}
        patched = await api.patch(kind, "default", "a", change, subresource="status")
        assert patched["status"] == {"replicas": 1}
        assert patched["spec"]["replicas"] == 1
        assert patched["metadata"].get("labels") == labels, "ReplicaSets let them through, custom resources do not"
    patched = await api.get(REPLICA_SET, "default", "a")
    assert await api.get(REPLICA_SET, "default", "a", subresource="status") is patched
    replaced = await api.replace(
        REPLICA_SET, "default", "a", {**patched, "status": {"replicas": 2}}, subresource="status"
    )
    assert replaced["status"] == {"replicas": 2}


async def test_a_status_written_from_an_old_version_is_a_conflict(api: ApiServer) -> None:
    old = await api.create(REPLICA_SET, "default", workload("a"))
    await api.patch(REPLICA_SET, "default", "a", {"spec": {"replicas": 2}})
    with pytest.raises(Conflict):
        await api.replace(REPLICA_SET, "default", "a", {**old, "status": {"replicas": 1}}, subresource="status")


async def test_a_door_that_is_not_there_is_not_found(api: ApiServer) -> None:
    await api.create(CONFIG_MAP, "default", config_map("a"))
    with pytest.raises(NotFound, match="could not find the requested resource"):
        await api.patch(CONFIG_MAP, "default", "a", {"status": {}}, subresource="status")
    with pytest.raises(NotFound):
        await api.get(CONFIG_MAP, "default", "a", subresource="scale")
    with pytest.raises(NotFound):
        await api.create(CONFIG_MAP, "default", {}, name="a", subresource="eviction")


async def test_the_scale_of_a_deployment_is_read_and_written(api: ApiServer) -> None:
    made = await api.create(DEPLOYMENT, "default", workload("a", replicas=3))
    await api.patch(DEPLOYMENT, "default", "a", {"status": {"replicas": 2}}, subresource="status")
    scale = await api.get(DEPLOYMENT, "default", "a", subresource="scale")
    assert (scale["apiVersion"], scale["kind"]) == ("autoscaling/v1", "Scale")
    assert scale["metadata"]["uid"] == made["metadata"]["uid"]
    assert (scale["spec"], scale["status"]) == ({"replicas": 3}, {"replicas": 2, "selector": "app=web"})
    wanted = await api.replace(DEPLOYMENT, "default", "a", {**scale, "spec": {"replicas": 5}}, subresource="scale")
    assert wanted["spec"] == {"replicas": 5}
    scaled = await api.get(DEPLOYMENT, "default", "a")
    assert (scaled["spec"]["replicas"], scaled["metadata"]["generation"]) == (5, 2)
    with pytest.raises(Conflict):
        await api.replace(DEPLOYMENT, "default", "a", {**scale, "spec": {"replicas": 6}}, subresource="scale")


async def test_a_scale_can_be_patched_and_must_not_be_negative(api: ApiServer) -> None:
    await api.create(REPLICA_SET, "default", workload("a"))
    patched = await api.patch(REPLICA_SET, "default", "a", {"spec": {"replicas": 0}}, subresource="scale")
    assert patched["spec"] == {}, "to the API server's types, none is an absent field"
    with pytest.raises(Invalid, match=r"spec\.replicas: Invalid value: -1: must be greater than or equal to 0"):
        await api.patch(REPLICA_SET, "default", "a", {"spec": {"replicas": -1}}, subresource="scale")


async def test_a_custom_resource_scales_where_its_definition_says(api: ApiServer) -> None:
    await api.create(CRD, "", widgets(scale=True))
    await api.create(WIDGET, "default", widget("x", replicas=1))
    status = {"status": {"replicas": 1, "selector": "app=x"}}
    await api.patch(WIDGET, "default", "x", status, subresource="status")
    patched = await api.patch(WIDGET, "default", "x", {"spec": {"replicas": 4}}, subresource="scale")
    assert (patched["spec"], patched["status"]) == ({"replicas": 4}, {"replicas": 1, "selector": "app=x"})
    assert (await api.get(WIDGET, "default", "x"))["spec"] == {"replicas": 4}


async def test_a_custom_resource_without_scale_has_none(api: ApiServer) -> None:
    await api.create(CRD, "", widgets())
    await api.create(WIDGET, "default", widget("x", replicas=1))
    with pytest.raises(NotFound):
        await api.get(WIDGET, "default", "x", subresource="scale")


async def test_a_binding_gives_a_pod_its_node(api: ApiServer) -> None:
    await api.create(POD, "default", pod("a"))
    binding = {"target": {"kind": "Node", "name": "node-1"}}
    answer = await api.create(POD, "default", binding, name="a", subresource="binding")
    assert answer["status"] == "Success"
    assert (await api.get(POD, "default", "a"))["spec"]["nodeName"] == "node-1"


async def ready_pods(api: ApiServer, *names: str) -> None:
    for name in names:
        await api.create(POD, "default", pod(name, nodeName="node"))
        status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
        await api.patch(POD, "default", name, {"status": status}, subresource="status")


def budget(name: str = "web", **spec: object) -> Obj:
    return {"metadata": {"name": name}, "spec": {"selector": {"matchLabels": {"app": "web"}}, **spec}}


async def evict(api: ApiServer, name: str) -> Obj:
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
    return await api.create(POD, "default", eviction, name=name, subresource="eviction")


async def test_an_eviction_deletes_a_pod_that_no_budget_covers(api: ApiServer) -> None:
    await ready_pods(api, "a")
    assert (await evict(api, "a"))["status"] == "Success"
    assert "deletionTimestamp" in (await api.get(POD, "default", "a"))["metadata"]


async def counted(api: ApiServer, name: str = "web", **status: int) -> None:
    """What the disruption controller writes."""
    status = {"observedGeneration": 1, "disruptionsAllowed": 0, "currentHealthy": 2, "desiredHealthy": 2, **status}
    await api.patch(POD_DISRUPTION_BUDGET, "default", name, {"status": status}, subresource="status")


async def test_a_budget_lets_as_many_pods_go_as_its_status_says(api: ApiServer) -> None:
    await ready_pods(api, "a", "b", "c")
    await api.create(POD_DISRUPTION_BUDGET, "default", budget(minAvailable=2))
    await counted(api, disruptionsAllowed=1)
    await evict(api, "a")
    with pytest.raises(TooManyRequests) as refused:
        await evict(api, "b")
    assert refused.value.message == "Cannot evict pod as it would violate the pod's disruption budget."
    causes = refused.value.details["causes"]
    assert causes[0]["message"] == "The disruption budget web needs 2 healthy pods and has 2 currently"
    status = (await api.get(POD_DISRUPTION_BUDGET, "default", "web"))["status"]
    assert (status["disruptionsAllowed"], list(status["disruptedPods"])) == (0, ["a"])


async def test_a_budget_whose_status_is_of_an_earlier_spec_lets_nobody_go(api: ApiServer) -> None:
    await ready_pods(api, "a")
    await api.create(POD_DISRUPTION_BUDGET, "default", budget(minAvailable=0))
    with pytest.raises(TooManyRequests) as refused:
        await evict(api, "a")
    assert refused.value.details["retryAfterSeconds"] == 10


async def test_a_pod_that_is_pending_or_not_ready_beyond_the_need_may_go(api: ApiServer) -> None:
    await ready_pods(api, "a", "b")
    for name, phase in (("pending", "Pending"), ("stuck", "Running")):
        await api.create(POD, "default", pod(name, nodeName="node"))
        await api.patch(POD, "default", name, {"status": {"phase": phase}}, subresource="status")
    await api.create(POD_DISRUPTION_BUDGET, "default", budget(minAvailable=2))
    await counted(api)
    for name in ("pending", "stuck"):
        await evict(api, name)
    with pytest.raises(TooManyRequests):
        await evict(api, "a")


async def test_two_budgets_over_one_pod_are_a_mistake_that_is_told(api: ApiServer) -> None:
    await ready_pods(api, "a")
    for name in ("one", "two"):
        await api.create(POD_DISRUPTION_BUDGET, "default", budget(name, minAvailable=0))
    with pytest.raises(ApiError, match="more than one PodDisruptionBudget") as refused:
        await evict(api, "a")
    assert refused.value.code == 500


async def test_an_eviction_may_set_the_grace_and_insist_on_a_uid(api: ApiServer) -> None:
    await ready_pods(api, "a")
    for options, error in (({"preconditions": {"uid": "other"}}, Conflict), ({"gracePeriodSeconds": 0}, None)):
        eviction: Obj = {"metadata": {"name": "a"}, "deleteOptions": options}
        with pytest.raises(error) if error else nullcontext():
            await api.create(POD, "default", eviction, name="a", subresource="eviction")
    with pytest.raises(NotFound):
        await api.get(POD, "default", "a")


async def test_an_eviction_can_only_be_created(api: ApiServer) -> None:
    await ready_pods(api, "a")
    with pytest.raises(Refused, match="does not allow this method") as refused:
        await api.get(POD, "default", "a", subresource="eviction")
    assert refused.value.code == 405
    with pytest.raises(Refused, match="does not allow this method"):
        await api.patch(POD, "default", "a", {}, subresource="eviction")
