"""How objects go: finalizers, grace, preconditions, and what goes with them."""

import pytest

from rollouts.kube.errors import Conflict, Invalid, NotFound, Refused
from rollouts.kube.refs import CONFIG_MAP, CRD, JOB, NAMESPACE, POD, REPLICA_SET
from rollouts.sandbox.apiserver.server import ApiServer
from tests.sandbox.cluster_objects import WIDGET, config_map, pod, server, widget, widgets, workload


@pytest.fixture
def api() -> ApiServer:
    return server()


def finalized(name: str, *finalizers: str) -> dict[str, object]:
    return {"metadata": {"name": name, "finalizers": list(finalizers)}}


async def test_what_nothing_holds_is_gone_at_once_and_answered_with_a_status(api: ApiServer) -> None:
    made = await api.create(REPLICA_SET, "default", workload("a"))
    status = await api.delete(REPLICA_SET, "default", "a")
    assert (status["kind"], status["status"]) == ("Status", "Success")
    uid = made["metadata"]["uid"]
    assert status["details"] == {"name": "a", "group": "apps", "kind": "replicasets", "uid": uid}
    with pytest.raises(NotFound):
        await api.delete(REPLICA_SET, "default", "a")


async def test_a_finalizer_holds_an_object_until_it_is_taken_off(api: ApiServer) -> None:
    await api.create(CONFIG_MAP, "default", finalized("a", "example.com/hold"))
    marked = await api.delete(CONFIG_MAP, "default", "a")
    assert marked["metadata"]["deletionTimestamp"] == "2026-01-01T00:00:00Z"
    assert marked["metadata"]["deletionGracePeriodSeconds"] == 0
    assert await api.delete(CONFIG_MAP, "default", "a") == marked
    last = await api.patch(CONFIG_MAP, "default", "a", {"metadata": {"finalizers": None}})
    assert "finalizers" not in last["metadata"]
    with pytest.raises(NotFound):
        await api.get(CONFIG_MAP, "default", "a")


async def test_a_finalizer_can_be_taken_off_without_a_deletion(api: ApiServer) -> None:
    await api.create(CONFIG_MAP, "default", finalized("a", "example.com/hold"))
    await api.patch(CONFIG_MAP, "default", "a", {"metadata": {"finalizers": []}})
    assert "deletionTimestamp" not in (await api.get(CONFIG_MAP, "default", "a"))["metadata"]


async def test_nothing_new_can_hold_what_is_being_deleted(api: ApiServer) -> None:
    await api.create(CONFIG_MAP, "default", finalized("a", "example.com/hold"))
    await api.delete(CONFIG_MAP, "default", "a")
    words = r'no new finalizers can be added if the object is being deleted, found new finalizers \[\]string\{"b/c"\}'
    with pytest.raises(Invalid, match=words):
        await api.patch(CONFIG_MAP, "default", "a", {"metadata": {"finalizers": ["example.com/hold", "b/c"]}})


async def test_being_deleted_counts_as_a_change_of_what_is_asked_for(api: ApiServer) -> None:
    await api.create(REPLICA_SET, "default", workload("a") | finalized("a", "example.com/hold"))
    assert (await api.delete(REPLICA_SET, "default", "a"))["metadata"]["generation"] == 2


@pytest.mark.parametrize(("propagation", "finalizer"), [("Foreground", "foregroundDeletion"), ("Orphan", "orphan")])
async def test_propagation_is_left_to_the_garbage_collector_as_a_finalizer(
    api: ApiServer, propagation: str, finalizer: str
) -> None:
    await api.create(REPLICA_SET, "default", workload("a"))
    marked = await api.delete(REPLICA_SET, "default", "a", propagation=propagation)  # type: ignore[arg-type] # a word
    assert marked["metadata"]["finalizers"] == [finalizer]
    await api.delete(REPLICA_SET, "default", "a", propagation="Background")
    with pytest.raises(NotFound):
        await api.get(REPLICA_SET, "default", "a")


async def test_a_job_leaves_its_pods_behind_unless_told_otherwise(api: ApiServer) -> None:
    job = {"metadata": {"name": "a"}, "spec": {"template": {"spec": {**pod("p")["spec"], "restartPolicy": "Never"}}}}
    await api.create(JOB, "default", job)
    assert (await api.delete(JOB, "default", "a"))["metadata"]["finalizers"] == ["orphan"]


async def test_a_pod_that_runs_nowhere_is_gone_at_once(api: ApiServer) -> None:
    await api.create(POD, "default", pod("a"))
    await api.delete(POD, "default", "a")
    with pytest.raises(NotFound):
        await api.get(POD, "default", "a")


async def test_a_running_pod_gets_its_grace_and_goes_when_the_kubelet_says_so(api: ApiServer) -> None:
    await api.create(POD, "default", pod("a", nodeName="node", terminationGracePeriodSeconds=20))
    marked = await api.delete(POD, "default", "a")
    assert marked["metadata"]["deletionGracePeriodSeconds"] == 20
    assert marked["metadata"]["deletionTimestamp"] == "2026-01-01T00:00:20Z"
    sooner = await api.delete(POD, "default", "a", grace_period=5)
    assert sooner["metadata"]["deletionTimestamp"] == "2026-01-01T00:00:05Z"
    assert await api.delete(POD, "default", "a", grace_period=10) == sooner
    await api.patch(POD, "default", "a", {"status": {"phase": "Running"}}, subresource="status")
    assert (await api.get(POD, "default", "a"))["status"]["phase"] == "Running"
    await api.delete(POD, "default", "a", grace_period=0)
    with pytest.raises(NotFound):
        await api.get(POD, "default", "a")


async def test_a_pod_that_has_ended_needs_no_grace(api: ApiServer) -> None:
    await api.create(POD, "default", pod("a", nodeName="node"))
    await api.patch(POD, "default", "a", {"status": {"phase": "Succeeded"}}, subresource="status")
    await api.delete(POD, "default", "a")
    with pytest.raises(NotFound):
        await api.get(POD, "default", "a")


async def test_a_deletion_can_insist_on_one_particular_object(api: ApiServer) -> None:
    made = await api.create(CONFIG_MAP, "default", config_map("a"))
    with pytest.raises(
        Conflict, match=r'ConfigMap "a": the UID in the precondition \(other\) does not match the UID in'
    ):
        await api.delete(CONFIG_MAP, "default", "a", uid="other")
    with pytest.raises(Conflict, match=r"the ResourceVersion in the precondition \(1\)"):
        await api.delete(CONFIG_MAP, "default", "a", resource_version="1")
    await api.delete(CONFIG_MAP, "default", "a", uid=made["metadata"]["uid"])


async def test_a_collection_is_deleted_as_far_as_it_is_selected(api: ApiServer) -> None:
    for name, app in [("a", "x"), ("b", "x"), ("c", "y")]:
        await api.create(CONFIG_MAP, "default", config_map(name, {"app": app}))
    gone = await api.delete_collection(CONFIG_MAP, "default", label_selector="app=x")
    assert [one["metadata"]["name"] for one in gone.items] == ["a", "b"]
    assert [one["metadata"]["name"] for one in (await api.list(CONFIG_MAP)).items] == ["c"]


async def test_a_namespace_takes_everything_in_it_along(api: ApiServer) -> None:
    await api.create(NAMESPACE, "", {"metadata": {"name": "team"}})
    await api.create(CONFIG_MAP, "team", config_map("a"))
    await api.create(CONFIG_MAP, "team", finalized("held", "example.com/hold"))
    await api.create(CONFIG_MAP, "default", config_map("a"))
    going = await api.delete(NAMESPACE, "", "team")
    assert going["status"]["phase"] == "Terminating"
    assert [one["metadata"]["name"] for one in (await api.list(CONFIG_MAP, "team")).items] == ["held"]
    words = (
        'configmaps "new" is forbidden: unable to create new content in namespace team because it is being terminated'
    )
    with pytest.raises(Refused, match=words):
        await api.create(CONFIG_MAP, "team", config_map("new"))
    await api.patch(CONFIG_MAP, "team", "held", {"metadata": {"finalizers": None}})
    with pytest.raises(NotFound):
        await api.get(NAMESPACE, "", "team")
    await api.get(CONFIG_MAP, "default", "a")


async def test_an_empty_namespace_is_gone_at_once_and_the_default_one_stays(api: ApiServer) -> None:
    await api.create(NAMESPACE, "", {"metadata": {"name": "team"}})
    await api.delete(NAMESPACE, "", "team")
    with pytest.raises(NotFound):
        await api.get(NAMESPACE, "", "team")
    with pytest.raises(Refused, match='namespaces "default" is forbidden: this namespace may not be deleted'):
        await api.delete(NAMESPACE, "", "default")


async def test_a_definition_takes_its_objects_along(api: ApiServer) -> None:
    await api.create(CRD, "", widgets())
    await api.create(WIDGET, "default", widget("x"))
    await api.delete(CRD, "", "widgets.example.com")
    with pytest.raises(NotFound, match="the server could not find the requested resource"):
        await api.list(WIDGET)
    await api.create(CRD, "", widgets())
    assert (await api.list(WIDGET)).items == []


async def test_a_definition_waits_for_objects_that_are_held(api: ApiServer) -> None:
    await api.create(CRD, "", widgets())
    await api.create(WIDGET, "default", widget("x") | finalized("x", "example.com/hold"))
    await api.delete(CRD, "", "widgets.example.com")
    assert "deletionTimestamp" in (await api.get(CRD, "", "widgets.example.com"))["metadata"]
    await api.patch(WIDGET, "default", "x", {"metadata": {"finalizers": None}})
    with pytest.raises(NotFound):
        await api.get(CRD, "", "widgets.example.com")
