"""The built-in kinds: defaults a client notices, and the rules people run into."""

from rollouts.kube.refs import DEPLOYMENT, EVENT, INGRESS, JOB, LEASE, POD, REPLICA_SET, SECRET, SERVICE, Obj
from rollouts.sandbox.apiserver.types.registry import POD_DISRUPTION_BUDGET
from tests.cluster.recorder import Recorder
from tests.sandbox.cluster_objects import pod, workload


def _service(name: str = "a", **spec: object) -> Obj:
    return {"metadata": {"name": name}, "spec": {"ports": [{"port": 80}], **spec}}


async def a_service_gets_its_type_ports_and_an_address(api: Recorder) -> None:
    await api.create(SERVICE, _service("a", selector={"app": "web"}))
    await api.create(SERVICE, _service("b", type="NodePort"))
    await api.create(SERVICE, _service("c", clusterIP="None"))
    await api.create(
        SERVICE, {"metadata": {"name": "d"}, "spec": {"type": "ExternalName", "externalName": "example.com"}}
    )
    await api.create(SERVICE, _service("e", type="LoadBalancer"))


async def a_service_keeps_its_address(api: Recorder) -> None:
    made = await api.create(SERVICE, _service())
    patched = await api.patch(SERVICE, "a", {"spec": {"selector": {"app": "web"}}})
    replaced = await api.replace(SERVICE, "a", _service(selector={"app": "api"}))
    api.note("addresses", len({each["spec"]["clusterIP"] for each in (made, patched, replaced)}))
    await api.patch(SERVICE, "a", {"spec": {"clusterIP": "10.96.0.77", "clusterIPs": ["10.96.0.77"]}})


async def a_service_that_cannot_work_is_invalid(api: Recorder) -> None:
    wrong: tuple[Obj, ...] = (
        {"ports": []},
        {"type": "Magic"},
        {"ports": [{"port": 0}]},
        {"ports": [{"port": 70000}]},
        {"ports": [{"port": 1}, {"port": 2, "name": "b"}]},
        {"ports": [{"port": 1, "name": "b"}, {"port": 2, "name": "b"}]},
        {"ports": [{"port": 1, "protocol": "X"}]},
        {"selector": {"a b": "c"}},
        {"sessionAffinity": "Sometimes"},
    )
    for spec in wrong:
        await api.create(SERVICE, _service(**spec))


async def a_pod_gets_what_its_spec_leaves_open(api: Recorder) -> None:
    await api.create(POD, pod("a"))
    container = {
        "name": "a",
        "image": "web:1",
        "ports": [{"containerPort": 80}],
        "readinessProbe": {"httpGet": {"port": 80}},
        "livenessProbe": {"tcpSocket": {"port": "http"}},
        "env": [{"name": "A", "value": "1"}, {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
        "resources": {"limits": {"cpu": "1", "memory": "0.5Gi"}, "requests": {"cpu": "1000m"}},
        "volumeMounts": [{"name": "v", "mountPath": "/v"}],
        "lifecycle": {"preStop": {"httpGet": {"port": 80}}},
    }
    volumes = [
        {"name": "v", "emptyDir": {}},
        {"name": "c", "configMap": {"name": "c"}},
        {"name": "s", "secret": {"secretName": "s"}},
        {"name": "p", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}},
        {"name": "h", "hostPath": {"path": "/h"}},
    ]
    init = [{"name": "i", "image": "init"}]
    spec = pod("b", containers=[container], volumes=volumes, initContainers=init)
    await api.create(POD, spec)


async def an_image_that_may_change_is_always_pulled(api: Recorder) -> None:
    images = ("web", "web:latest", "host:5000/web", "web:1", "host:5000/web:1", f"web@sha256:{'a' * 64}")
    for number, image in enumerate(images):
        made = pod(f"p{number}", containers=[{"name": "a", "image": image}])
        await api.create(POD, made, show="spec.containers.0.imagePullPolicy")


async def workloads_get_their_limits_and_strategies(api: Recorder) -> None:
    given = workload("a")
    del given["spec"]["replicas"]
    await api.create(DEPLOYMENT, given)
    await api.create(REPLICA_SET, given)
    given["metadata"]["name"] = "b"
    given["spec"]["strategy"] = {"type": "Recreate"}
    await api.create(DEPLOYMENT, given, show="spec.strategy")


async def a_workload_must_select_its_own_pods(api: Recorder) -> None:
    changes: tuple[Obj, ...] = (
        {"selector": None},
        {"selector": {}},
        {"selector": {"matchLabels": {"app": "other"}}},
        {"replicas": -1},
        {"selector": {"matchExpressions": [{"key": "app", "operator": "Like"}]}},
        {"selector": {"matchExpressions": [{"key": "app", "operator": "In"}]}},
        {"template": None},
        {"minReadySeconds": -1},
    )
    for change in changes:
        given = workload("a")
        given["spec"].update(change)
        for resource in (REPLICA_SET, DEPLOYMENT):
            await api.create(resource, given)
    given = workload("a")
    given["spec"]["template"]["spec"]["restartPolicy"] = "Never"
    await api.create(REPLICA_SET, given)


async def the_selector_of_a_workload_stays(api: Recorder) -> None:
    change = {"selector": {"matchLabels": {"app": "b"}}, "template": {"metadata": {"labels": {"app": "b"}}}}
    for resource in (REPLICA_SET, DEPLOYMENT):
        await api.create(resource, workload("a"), show="kind")
        await api.patch(resource, "a", {"spec": change})


async def a_pod_needs_containers_with_names_and_images(api: Recorder) -> None:
    wrong: tuple[list[Obj], ...] = (
        [],
        [{"image": "x"}],
        [{"name": "x"}],
        [{}],
        [{"name": "A_b", "image": "x"}],
        [{"name": "x", "image": " x "}],
        [{"name": "x", "image": "x"}, {"name": "x", "image": "x"}],
        [{"name": "x", "image": "x", "ports": [{"containerPort": 0}]}],
        [{"name": "x", "image": "x", "env": [{"name": ""}]}],
        [{"name": "x", "image": "x", "volumeMounts": [{"name": "none", "mountPath": "/v"}]}],
    )
    for containers in wrong:
        await api.create(POD, pod("a", containers=containers), show="kind")


async def a_pod_may_change_its_image_but_not_its_shape(api: Recorder) -> None:
    made = await api.create(POD, pod("a"), show="kind")
    swapped = {**made["spec"], "containers": [{**made["spec"]["containers"][0], "image": "web:2"}]}
    await api.replace(POD, "a", {**made, "spec": swapped}, show="metadata.generation")
    await api.patch(POD, "a", {"metadata": {"labels": {"b": "c"}}}, show="metadata")
    renamed = await api.patch(POD, "a", {"spec": {"hostNetwork": True}})
    api.note("refused", renamed == {})


async def a_job_selects_its_pods_by_its_own_uid_and_stays_as_it_is(api: Recorder) -> None:
    template = {"spec": pod("p")["spec"]}
    await api.create(JOB, {"metadata": {"name": "a"}, "spec": {"template": template}})
    template["spec"]["restartPolicy"] = "Never"
    await api.create(JOB, {"metadata": {"name": "a"}, "spec": {"template": template}})
    await api.patch(JOB, "a", {"spec": {"completions": 3}})
    await api.patch(JOB, "a", {"spec": {"backoffLimit": 3}}, show="spec.backoffLimit")


async def secrets_ingresses_budgets_leases_and_events(api: Recorder) -> None:
    await api.create(SECRET, {"metadata": {"name": "a"}, "stringData": {"k": "v"}})
    await api.create(SECRET, {"metadata": {"name": "b"}, "data": {"k": "not base64!"}})
    await api.create(INGRESS, {"metadata": {"name": "a"}, "spec": {}})
    backend = {"service": {"name": "s", "port": {"number": 80}}}
    await api.create(INGRESS, {"metadata": {"name": "a"}, "spec": {"defaultBackend": backend}})
    selector = {"matchLabels": {"app": "a"}}
    for spec in ({"minAvailable": 1, "maxUnavailable": 1}, {"minAvailable": "50%"}, {"minAvailable": -1}):
        await api.create(POD_DISRUPTION_BUDGET, {"metadata": {"name": "a"}, "spec": {"selector": selector, **spec}})
    await api.create(LEASE, {"metadata": {"name": "a"}, "spec": {"holderIdentity": "me", "leaseDurationSeconds": 15}})
    await api.create(LEASE, {"metadata": {"name": "b"}, "spec": {"leaseDurationSeconds": 0}})
    about = {"kind": "Pod", "namespace": api.namespace, "name": "p"}
    event = {"metadata": {"name": "e"}, "involvedObject": about, "reason": "R", "message": "m", "type": "Normal"}
    await api.create(EVENT, event)
    await api.create(EVENT, {**event, "metadata": {"name": "f"}, "involvedObject": {**about, "namespace": "other"}})
