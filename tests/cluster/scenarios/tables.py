"""What `kubectl get` prints of the kinds that `http` leaves out."""

from typing import Any

from rollouts.kube.refs import DEPLOYMENT, ENDPOINTS, INGRESS, LEASE, POD_TEMPLATE, SERVICE, Obj, Resource
from rollouts.sandbox.apiserver.types.registry import (
    CLUSTER_ROLE,
    CLUSTER_ROLE_BINDING,
    ENDPOINT_SLICE,
    HORIZONTAL_POD_AUTOSCALER,
    INGRESS_CLASS,
    NETWORK_POLICY,
    NODE,
    PERSISTENT_VOLUME_CLAIM,
    POD_DISRUPTION_BUDGET,
    ROLE,
    ROLE_BINDING,
    SERVICE_ACCOUNT,
)
from tests.cluster.door import TABLE
from tests.cluster.recorder import Recorder
from tests.sandbox.cluster_objects import widgets, workload


async def _table(api: Recorder, resource: Resource, name: str = "a") -> None:
    """Columns and cells of one object, without the column's descriptions, which are prose."""
    answer = await api.ask("GET", resource.path(api.namespace, name), quiet=True, accept=TABLE)
    columns = [
        [each[key] for key in ("name", "type", "format", "priority")] for each in answer.body["columnDefinitions"]
    ]
    cells = [{"cells": row["cells"]} for row in answer.body["rows"]]
    api.note(resource.plural, {"columns": columns, "rows": cells})


async def _shown(api: Recorder, resource: Resource, name: str = "a", **rest: Any) -> None:
    await api.create(resource, {"metadata": {"name": name}, **rest}, show="kind")
    await _table(api, resource, name)


async def an_ingress_and_its_class(api: Recorder) -> None:
    backend = {"service": {"name": "s", "port": {"number": 80}}}
    paths = {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}
    rules = [{"host": host, "http": paths} for host in ("a.example.com", "b.example.com")]
    await _shown(api, INGRESS, spec={"ingressClassName": "nginx", "rules": rules})
    await _shown(api, INGRESS, "b", spec={"defaultBackend": backend, "tls": [{"hosts": ["x"], "secretName": "s"}]})
    address = {"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}, {"hostname": "lb.example.com"}]}}}
    await api.patch(INGRESS, "a", address, subresource="status", show="kind")
    await _table(api, INGRESS)
    name = f"{api.namespace}-class"
    await _shown(api, INGRESS_CLASS, name, spec={"controller": "example.com/x"})
    await api.delete(INGRESS_CLASS, name)


async def budgets_and_autoscalers(api: Recorder) -> None:
    selector = {"matchLabels": {"app": "web"}}
    await _shown(api, POD_DISRUPTION_BUDGET, spec={"selector": selector, "minAvailable": "50%"})
    await _shown(api, POD_DISRUPTION_BUDGET, "b", spec={"selector": selector, "maxUnavailable": 1})
    counted = {"status": {"disruptionsAllowed": 2, "currentHealthy": 3, "desiredHealthy": 1, "expectedPods": 3}}
    await api.patch(POD_DISRUPTION_BUDGET, "b", counted, subresource="status", show="kind")
    await _table(api, POD_DISRUPTION_BUDGET, "b")
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    cpu = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}
    spec: Obj = {"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 9, "metrics": [cpu]}
    await _shown(api, HORIZONTAL_POD_AUTOSCALER, spec=spec)
    now = {"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 30, "averageValue": "1m"}}}
    status = {"status": {"currentReplicas": 2, "desiredReplicas": 3, "currentMetrics": [now]}}
    await api.patch(HORIZONTAL_POD_AUTOSCALER, "a", status, subresource="status", show="kind")
    await _table(api, HORIZONTAL_POD_AUTOSCALER)


async def addresses_of_services(api: Recorder) -> None:
    ports = [{"port": 80, "name": "http"}, {"port": 443, "name": "https"}]
    addresses = [{"ip": f"192.0.2.{number}"} for number in range(1, 4)]
    await _shown(api, ENDPOINTS, subsets=[{"addresses": addresses, "ports": ports}])
    await _shown(api, ENDPOINTS, "b")
    endpoints = [{"addresses": [each["ip"]]} for each in addresses]
    await _shown(api, ENDPOINT_SLICE, addressType="IPv4", ports=ports, endpoints=endpoints)
    await _shown(
        api, SERVICE, "headless", spec={"clusterIP": "None", "ports": [{"port": 80}, {"port": 81, "name": "b"}][:1]}
    )
    external = {"type": "ExternalName", "externalName": "example.com"}
    await _shown(api, SERVICE, "external", spec=external)
    await _shown(api, SERVICE, "balanced", spec={"type": "LoadBalancer", "ports": [{"port": 80}]})


async def roles_and_accounts(api: Recorder) -> None:
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]
    await _shown(api, ROLE, rules=rules)
    group = "rbac.authorization.k8s.io"
    subjects = [
        {"kind": "User", "name": "ann", "apiGroup": group},
        {"kind": "Group", "name": "crew", "apiGroup": group},
        {"kind": "ServiceAccount", "name": "robot", "namespace": api.namespace},
    ]
    await _shown(api, ROLE_BINDING, roleRef={"apiGroup": group, "kind": "Role", "name": "a"}, subjects=subjects)
    name = f"{api.namespace}-role"
    await _shown(api, CLUSTER_ROLE, name, rules=rules)
    reference = {"apiGroup": group, "kind": "ClusterRole", "name": name}
    await _shown(api, CLUSTER_ROLE_BINDING, name, roleRef=reference, subjects=subjects)
    for resource in (CLUSTER_ROLE_BINDING, CLUSTER_ROLE):
        await api.delete(resource, name)
    await _shown(api, SERVICE_ACCOUNT, secrets=[{"name": "x"}])


async def leases_templates_claims_and_policies(api: Recorder) -> None:
    await _shown(api, LEASE, spec={"holderIdentity": "me"})
    template = workload("x")["spec"]["template"]
    await _shown(api, POD_TEMPLATE, template=template)
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    await _shown(api, PERSISTENT_VOLUME_CLAIM, spec=claim)
    await _shown(api, NETWORK_POLICY, spec={"podSelector": {"matchLabels": {"app": "web"}}})


async def nodes_and_definitions(api: Recorder) -> None:
    name = f"{api.namespace}-node"
    role = {"name": name, "labels": {"node-role.kubernetes.io/worker": ""}}
    await api.create(NODE, {"metadata": role, "spec": {"unschedulable": True}}, show="kind")
    info = {"kubeletVersion": "v1", "osImage": "an OS", "kernelVersion": "6", "containerRuntimeVersion": "c://1"}
    info |= dict.fromkeys(
        ("architecture", "bootID", "kubeProxyVersion", "machineID", "operatingSystem", "systemUUID"), ""
    )
    status = {
        "conditions": [{"type": "Ready", "status": "True"}],
        "addresses": [{"type": "InternalIP", "address": "192.0.2.1"}],
        "nodeInfo": info,
    }
    await api.patch(NODE, name, {"status": status}, subresource="status", show="kind")
    await _table(api, NODE, name)
    await api.delete(NODE, name)
    kind = await api.define(widgets())
    await _table(
        api, Resource("apiextensions.k8s.io", "v1", "customresourcedefinitions", "", False), f"widgets.{kind.group}"
    )


async def a_deployment_on_its_way(api: Recorder) -> None:
    await api.create(DEPLOYMENT, workload("a", replicas=3), show="kind")
    status = {"replicas": 4, "updatedReplicas": 2, "readyReplicas": 3, "availableReplicas": 3, "unavailableReplicas": 1}
    await api.patch(DEPLOYMENT, "a", {"status": status}, subresource="status", show="kind")
    await _table(api, DEPLOYMENT)
