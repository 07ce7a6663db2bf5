"""The built-in kinds: the defaults a client notices, and the rules people run into."""

from typing import Any

import pytest

from rollouts.kube.errors import Invalid
from rollouts.kube.refs import DEPLOYMENT, INGRESS, JOB, POD, REPLICA_SET, SECRET, SERVICE, Obj
from rollouts.sandbox.apiserver.server import ApiServer
from rollouts.sandbox.apiserver.types.registry import POD_DISRUPTION_BUDGET
from tests.sandbox.cluster_objects import pod, server, workload


@pytest.fixture
def api() -> ApiServer:
    return server()


def service(name: str = "a", **spec: Any) -> Obj:
    return {"metadata": {"name": name}, "spec": {"ports": [{"port": 80}], **spec}}


async def test_a_service_gets_its_type_ports_and_an_address_of_its_own(api: ApiServer) -> None:
    one, two = await api.create(SERVICE, "default", service("a")), await api.create(SERVICE, "default", service("b"))
    assert one["spec"]["type"] == "ClusterIP"
    assert one["spec"]["sessionAffinity"] == "None"
    assert one["spec"]["ports"] == [{"port": 80, "protocol": "TCP", "targetPort": 80}]
    assert one["spec"]["clusterIPs"] == [one["spec"]["clusterIP"]]
    assert one["spec"]["clusterIP"] != two["spec"]["clusterIP"]
    assert one["status"] == {"loadBalancer": {}}


async def test_a_service_keeps_its_address(api: ApiServer) -> None:
    made = await api.create(SERVICE, "default", service())
    patched = await api.patch(SERVICE, "default", "a", {"spec": {"selector": {"app": "web"}}})
    assert patched["spec"]["clusterIP"] == made["spec"]["clusterIP"]
    replaced = await api.replace(SERVICE, "default", "a", service(selector={"app": "api"}))
    assert replaced["spec"]["clusterIP"] == made["spec"]["clusterIP"]
    with pytest.raises(Invalid, match=r"spec\.clusterIPs\[0\]: Invalid value: .*may not change once set"):
        await api.patch(SERVICE, "default", "a", {"spec": {"clusterIP": "10.0.0.1"}})


async def test_headless_and_external_services_get_no_address(api: ApiServer) -> None:
    headless = await api.create(SERVICE, "default", service("a", clusterIP="None"))
    assert headless["spec"]["clusterIP"] == "None"
    external = {"metadata": {"name": "b"}, "spec": {"type": "ExternalName", "externalName": "example.com"}}
    assert "clusterIP" not in (await api.create(SERVICE, "default", external))["spec"]


async def test_a_node_port_is_given_where_one_is_needed(api: ApiServer) -> None:
    made = await api.create(SERVICE, "default", service(type="NodePort"))
    assert made["spec"]["ports"][0]["nodePort"] >= 30_000


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"ports": []}, "spec.ports: Required value"),
        ({"type": "Magic"}, 'spec.type: Unsupported value: "Magic": supported values: "ClusterIP", "ExternalName"'),
        ({"ports": [{"port": 0}]}, "spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive"),
        ({"ports": [{"port": 1}, {"port": 2, "name": "b"}]}, "spec.ports[0].name: Required value"),
        ({"ports": [{"port": 1, "protocol": "X"}]}, 'spec.ports[0].protocol: Unsupported value: "X"'),
    ],
)
async def test_a_service_that_cannot_work_is_invalid(api: ApiServer, spec: Obj, words: str) -> None:
    with pytest.raises(Invalid) as invalid:
        await api.create(SERVICE, "default", service(**spec))
    assert words in invalid.value.message


async def test_a_pod_gets_what_its_spec_leaves_open(api: ApiServer) -> None:
    made = await api.create(POD, "default", pod("a"))
    spec, container = made["spec"], made["spec"]["containers"][0]
    assert (spec["restartPolicy"], spec["dnsPolicy"], spec["schedulerName"]) == (
        "Always",
        "ClusterFirst",
        "default-scheduler",
    )
    assert spec["terminationGracePeriodSeconds"] == 30
    assert container["terminationMessagePath"] == "/dev/termination-log"
    assert container["imagePullPolicy"] == "IfNotPresent"
    assert (spec["enableServiceLinks"], spec["priority"], len(spec["tolerations"])) == (True, 0, 2)
    assert made["status"] == {"phase": "Pending", "qosClass": "BestEffort"}


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("web", "Always"),
        ("web:latest", "Always"),
        ("host:5000/web", "Always"),
        ("web:1", "IfNotPresent"),
        ("host:5000/web:1", "IfNotPresent"),
        ("web@sha256:abc", "IfNotPresent"),
    ],
)
async def test_an_image_that_may_change_is_always_pulled(api: ApiServer, image: str, policy: str) -> None:
    made = await api.create(POD, "default", pod("a", containers=[{"name": "a", "image": image}]))
    assert made["spec"]["containers"][0]["imagePullPolicy"] == policy


async def test_probes_ports_and_variables_get_their_defaults(api: ApiServer) -> None:
    container = {
        "name": "a",
        "image": "web:1",
        "ports": [{"containerPort": 80}],
        "readinessProbe": {"httpGet": {"port": 80}},
        "env": [{"name": "A", "value": "1"}, {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
    }
    made = (await api.create(POD, "default", pod("a", containers=[container])))["spec"]["containers"][0]
    assert made["ports"] == [{"containerPort": 80, "protocol": "TCP"}]
    assert made["readinessProbe"]["httpGet"] == {"path": "/", "port": 80, "scheme": "HTTP"}
    assert made["readinessProbe"]["failureThreshold"] == 3
    assert made["env"][1]["valueFrom"]["fieldRef"] == {"apiVersion": "v1", "fieldPath": "metadata.name"}


async def test_what_was_given_is_not_changed_by_the_defaults(api: ApiServer) -> None:
    given = pod("a")
    made = await api.create(POD, "default", given)
    assert given == pod("a")
    assert await api.replace(POD, "default", "a", made) is made


async def test_a_deployment_gets_its_strategy_and_limits(api: ApiServer) -> None:
    given = workload("a")
    del given["spec"]["replicas"]
    spec = (await api.create(DEPLOYMENT, "default", given))["spec"]
    assert (spec["replicas"], spec["revisionHistoryLimit"], spec["progressDeadlineSeconds"]) == (1, 10, 600)
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}}
    assert spec["template"]["spec"]["restartPolicy"] == "Always"


async def test_a_deployment_that_recreates_has_no_rolling_update(api: ApiServer) -> None:
    given = workload("a")
    given["spec"]["strategy"] = {"type": "Recreate"}
    assert (await api.create(DEPLOYMENT, "default", given))["spec"]["strategy"] == {"type": "Recreate"}


async def test_a_job_selects_its_pods_by_its_own_uid(api: ApiServer) -> None:
    template = {"spec": {**pod("p")["spec"], "restartPolicy": "Never"}}
    made = await api.create(JOB, "default", {"metadata": {"name": "a"}, "spec": {"template": template}})
    uid = made["metadata"]["uid"]
    assert made["spec"]["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}
    assert made["spec"]["template"]["metadata"]["labels"]["job-name"] == "a"
    assert (made["spec"]["completions"], made["spec"]["backoffLimit"]) == (1, 6)


async def test_plain_secret_data_is_kept_as_base64(api: ApiServer) -> None:
    made = await api.create(SECRET, "default", {"metadata": {"name": "a"}, "stringData": {"k": "v"}})
    assert (made["data"], made["type"]) == ({"k": "dg=="}, "Opaque")
    assert "stringData" not in made


async def test_a_null_is_an_absent_field(api: ApiServer) -> None:
    given = workload("a")
    given["spec"]["template"]["metadata"]["creationTimestamp"] = None
    given["status"] = None
    made = await api.create(REPLICA_SET, "default", given)
    assert made["spec"]["template"]["metadata"] == {"labels": {"app": "web"}}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"selector": None}, 'ReplicaSet.apps "a" is invalid: [spec.selector: Required value, spec.template.metadata'),
        ({"selector": {}}, "spec.selector: Invalid value: {}: empty selector is invalid for deployment"),
        (
            {"selector": {"matchLabels": {"app": "other"}}},
            'spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`',
        ),
        ({"replicas": -1}, "spec.replicas: Invalid value: -1: must be greater than or equal to 0"),
        (
            {"selector": {"matchExpressions": [{"key": "app", "operator": "Like"}]}},
            'spec.selector.matchExpressions[0].operator: Invalid value: "Like": not a valid selector operator',
        ),
    ],
)
async def test_a_workload_must_select_its_own_pods(api: ApiServer, change: Obj, words: str) -> None:
    given = workload("a")
    given["spec"].update(change)
    with pytest.raises(Invalid) as invalid:
        await api.create(REPLICA_SET, "default", given)
    assert words in invalid.value.message


@pytest.mark.parametrize("kind", [REPLICA_SET, DEPLOYMENT])
async def test_the_selector_of_a_workload_stays(api: ApiServer, kind: Any) -> None:
    await api.create(kind, "default", workload("a"))
    change = {"selector": {"matchLabels": {"app": "b"}}, "template": {"metadata": {"labels": {"app": "b"}}}}
    with pytest.raises(Invalid, match=r"spec\.selector: Invalid value: .*: field is immutable"):
        await api.patch(kind, "default", "a", {"spec": change})


@pytest.mark.parametrize(
    ("containers", "words"),
    [
        ([], 'Pod "a" is invalid: spec.containers: Required value'),
        ([{"image": "x"}], "spec.containers[0].name: Required value"),
        ([{"name": "x"}], "spec.containers[0].image: Required value"),
    ],
)
async def test_a_pod_needs_containers_with_names_and_images(api: ApiServer, containers: Any, words: str) -> None:
    with pytest.raises(Invalid) as invalid:
        await api.create(POD, "default", pod("a", containers=containers))
    assert words in invalid.value.message


async def test_several_causes_are_told_at_once_and_listed_in_the_details(api: ApiServer) -> None:
    with pytest.raises(Invalid) as invalid:
        await api.create(POD, "default", pod("a", containers=[{}]))
    text = 'Pod "a" is invalid: [spec.containers[0].name: Required value, spec.containers[0].image: Required value]'
    assert invalid.value.message == text
    assert invalid.value.details["causes"][0] == {
        "reason": "FieldValueRequired",
        "message": "Required value",
        "field": "spec.containers[0].name",
    }


async def test_a_running_pod_may_change_its_image_but_not_its_shape(api: ApiServer) -> None:
    await api.create(POD, "default", pod("a"))
    containers = [{"name": "app", "image": "web:2", "imagePullPolicy": "IfNotPresent"}]
    made = await api.get(POD, "default", "a")
    swapped = {**made["spec"], "containers": [{**made["spec"]["containers"][0], "image": "web:2"}]}
    assert (await api.replace(POD, "default", "a", {**made, "spec": swapped}))["metadata"]["generation"] == 2
    with pytest.raises(Invalid, match=r"spec: Forbidden: pod updates may not change fields other than"):
        await api.patch(POD, "default", "a", {"spec": {"containers": [{**containers[0], "name": "renamed"}]}})
    with pytest.raises(Invalid, match="pod updates may not change"):
        await api.patch(POD, "default", "a", {"spec": {"hostNetwork": True}})


async def test_a_job_must_not_restart_its_pods_forever_nor_change_them(api: ApiServer) -> None:
    template = {"spec": pod("p")["spec"]}
    with pytest.raises(
        Invalid, match=r'spec\.template\.spec\.restartPolicy: Required value: valid values: "OnFailure"'
    ):
        await api.create(JOB, "default", {"metadata": {"name": "a"}, "spec": {"template": template}})
    template["spec"]["restartPolicy"] = "Never"
    await api.create(JOB, "default", {"metadata": {"name": "a"}, "spec": {"template": template}})
    with pytest.raises(Invalid, match=r"spec\.completions: Invalid value: 3: field is immutable"):
        await api.patch(JOB, "default", "a", {"spec": {"completions": 3}})


async def test_an_ingress_needs_somewhere_to_send_requests(api: ApiServer) -> None:
    with pytest.raises(Invalid, match="either `defaultBackend` or `rules` must be specified"):
        await api.create(INGRESS, "default", {"metadata": {"name": "a"}, "spec": {}})


async def test_a_disruption_budget_says_one_thing(api: ApiServer) -> None:
    spec = {"minAvailable": 1, "maxUnavailable": 1}
    with pytest.raises(Invalid, match="minAvailable and maxUnavailable cannot be both set"):
        await api.create(POD_DISRUPTION_BUDGET, "default", {"metadata": {"name": "a"}, "spec": spec})
