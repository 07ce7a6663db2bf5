"""Pure. The defaults an API server fills into built-in objects, as far as a client notices them.

Nothing given is changed; an object that lacks nothing is answered as it is.
"""

from base64 import b64encode
from collections.abc import Callable
from typing import Any

from rollouts.kube.refs import Obj

_POD_SPEC: Obj = {
    "restartPolicy": "Always",
    "dnsPolicy": "ClusterFirst",
    "schedulerName": "default-scheduler",
    "securityContext": {},
    "terminationGracePeriodSeconds": 30,
}
_LIVE_POD: Obj = {
    "enableServiceLinks": True,
    "priority": 0,
    "preemptionPolicy": "PreemptLowerPriority",
    "tolerations": [
        {"key": f"node.kubernetes.io/{trouble}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
        for trouble in ("not-ready", "unreachable")
    ],
}
_CONTAINER: Obj = {
    "resources": {},
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
}
_PROBE: Obj = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}
_ROLLING_UPDATE: Obj = {"maxUnavailable": "25%", "maxSurge": "25%"}
_DEPLOYMENT: Obj = {"replicas": 1, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600}
_SERVICE: Obj = {
    "type": "ClusterIP",
    "sessionAffinity": "None",
    "internalTrafficPolicy": "Cluster",
    "ipFamilies": ["IPv4"],
    "ipFamilyPolicy": "SingleStack",
}
_JOB: Obj = {
    "backoffLimit": 6,
    "completionMode": "NonIndexed",
    "completions": 1,
    "manualSelector": False,
    "parallelism": 1,
    "podReplacementPolicy": "TerminatingOrFailed",
    "suspend": False,
}


def filled(obj: Obj, defaults: Obj) -> Obj:
    """`obj` with the defaults it lacks; the very `obj` when it lacks none."""
    missing = {key: value for key, value in defaults.items() if key not in obj}
    return {**obj, **missing} if missing else obj


def _with(obj: Obj, key: str, change: Callable[[Any], Any]) -> Obj:
    """`obj` with one field changed; the very `obj` when it is absent or comes out the same."""
    if key not in obj:
        return obj
    new = change(obj[key])
    return obj if new is obj[key] else {**obj, key: new}


def _each(change: Callable[[Obj], Obj]) -> Callable[[list[Obj]], list[Obj]]:
    def all_of(items: list[Obj]) -> list[Obj]:
        new = [change(item) if isinstance(item, dict) else item for item in items]
        return items if all(one is other for one, other in zip(new, items, strict=True)) else new

    return all_of


def defaulted(obj: Obj) -> Obj:
    """A built-in object with the defaults of its kind."""
    rule = _RULES.get(obj["kind"])
    return rule(obj) if rule else obj


def _pod(obj: Obj) -> Obj:
    result = _with(obj, "spec", lambda spec: _running(pod_spec(spec)))
    status = result.get("status") or {"phase": "Pending"}
    return result if "qosClass" in status else {**result, "status": {**status, "qosClass": _qos(result)}}


def _running(spec: Obj) -> Obj:
    """What a pod's spec gets that a template's does not: service links, a priority, patience with its node."""
    return filled(spec, _LIVE_POD)


def _qos(pod: Obj) -> str:
    """How a pod's resources are guarded: fully, in part or not at all."""
    spec = pod.get("spec") or {}
    containers = [one for key in ("containers", "initContainers") for one in spec.get(key) or ()]
    resources = [one.get("resources") or {} for one in containers if isinstance(one, dict)]
    if not any(each.get("requests") or each.get("limits") for each in resources):
        return "BestEffort"
    limits = [each.get("limits") or {} for each in resources]
    full = all({"cpu", "memory"} <= limit.keys() for limit in limits)
    same = all((each.get("requests") or limit) == limit for each, limit in zip(resources, limits, strict=True))
    return "Guaranteed" if full and same else "Burstable"


def pod_spec(spec: Obj) -> Obj:
    """A PodSpec with its defaults."""
    result = filled(spec, _POD_SPEC)
    for key in ("containers", "initContainers"):
        result = _with(result, key, _each(_container))
    return result


def _container(container: Obj) -> Obj:
    result = filled(container, _CONTAINER)
    if "imagePullPolicy" not in result and isinstance(result.get("image"), str):
        result = {**result, "imagePullPolicy": _pull_policy(result["image"])}
    result = _with(result, "ports", _each(lambda port: filled(port, {"protocol": "TCP"})))
    for key in ("livenessProbe", "readinessProbe", "startupProbe"):
        result = _with(result, key, _probe)
    return _with(result, "env", _each(_variable))


def _pull_policy(image: str) -> str:
    """Always for `latest` or no tag: such an image may change under its name."""
    _, _, last = image.rpartition("/")
    tagged = "@" in image or (":" in last and not last.endswith(":latest"))
    return "IfNotPresent" if tagged else "Always"


def _probe(probe: Obj) -> Obj:
    return _with(filled(probe, _PROBE), "httpGet", lambda get: filled(get, {"path": "/", "scheme": "HTTP"}))


def _variable(variable: Obj) -> Obj:
    field = (variable.get("valueFrom") or {}).get("fieldRef")
    if not field or "apiVersion" in field:
        return variable
    return {**variable, "valueFrom": {**variable["valueFrom"], "fieldRef": {"apiVersion": "v1", **field}}}


def _template(template: Obj) -> Obj:
    result = _with(template, "spec", pod_spec)
    return result if "metadata" in result else {**result, "metadata": {}}


def _replica_set(obj: Obj) -> Obj:
    obj = _with(filled(obj, {"status": {}}), "status", lambda status: filled(status, {"replicas": 0}))
    return _with(obj, "spec", lambda spec: _with(filled(spec, {"replicas": 1}), "template", _template))


def _deployment(obj: Obj) -> Obj:
    def spec(value: Obj) -> Obj:
        result = filled(value, _DEPLOYMENT)
        strategy = filled(result.get("strategy") or {}, {"type": "RollingUpdate"})
        if strategy["type"] == "RollingUpdate":
            strategy = {**strategy, "rollingUpdate": filled(strategy.get("rollingUpdate") or {}, _ROLLING_UPDATE)}
        if strategy != result.get("strategy"):
            result = {**result, "strategy": strategy}
        return _with(result, "template", _template)

    return _with(filled(obj, {"status": {}}), "spec", spec)


def _job(obj: Obj) -> Obj:
    """A Job with its defaults, and the selector that ties it to its pods by its uid."""

    def spec(value: Obj) -> Obj:
        result = _with(filled(value, _JOB), "template", _template)
        if "selector" in result or result["manualSelector"]:
            return result
        uid, name = obj["metadata"].get("uid", ""), obj["metadata"]["name"]
        own = {"batch.kubernetes.io/controller-uid": uid}
        labels = {**own, "batch.kubernetes.io/job-name": name, "controller-uid": uid, "job-name": name}
        template = result.get("template") or {}
        metadata = template.get("metadata") or {}
        metadata = {**metadata, "labels": {**(metadata.get("labels") or {}), **labels}}
        return {**result, "selector": {"matchLabels": own}, "template": {**template, "metadata": metadata}}

    result = _with(filled(obj, {"status": {}}), "spec", spec)
    labels = (((result.get("spec") or {}).get("template") or {}).get("metadata") or {}).get("labels")
    if result["metadata"].get("labels") or not labels:
        return result
    return {**result, "metadata": {**result["metadata"], "labels": labels}}


def _service(obj: Obj) -> Obj:
    def spec(value: Obj) -> Obj:
        if value.get("type") == "ExternalName":
            return filled(value, {"sessionAffinity": "None"})
        result = _with(filled(value, _SERVICE), "ports", _each(_service_port))
        if result["type"] != "ClusterIP":
            result = filled(result, {"externalTrafficPolicy": "Cluster"})
        if result["type"] == "LoadBalancer":
            result = filled(result, {"allocateLoadBalancerNodePorts": True})
        return result

    obj = obj if "status" in obj else {**obj, "status": {"loadBalancer": {}}}
    return _with(obj, "spec", spec)


def _service_port(port: Obj) -> Obj:
    result = filled(port, {"protocol": "TCP"})
    return filled(result, {"targetPort": result["port"]}) if "port" in result else result


def _secret(obj: Obj) -> Obj:
    """stringData is written only: it ends up in data, as base64."""
    result = filled(obj, {"type": "Opaque"})
    plain = result.get("stringData")
    if not plain:
        return result
    data = {key: b64encode(str(value).encode()).decode() for key, value in plain.items()}
    merged = {**(result.get("data") or {}), **data}
    return {key: value for key, value in {**result, "data": merged}.items() if key != "stringData"}


def _namespace(obj: Obj) -> Obj:
    labels = obj["metadata"].get("labels") or {}
    name = {"kubernetes.io/metadata.name": obj["metadata"].get("name", "")}
    result = filled(obj, {"spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}})
    if labels.items() >= name.items():
        return result
    return {**result, "metadata": {**obj["metadata"], "labels": {**labels, **name}}}


_NO_DISRUPTIONS = dict.fromkeys(("currentHealthy", "desiredHealthy", "disruptionsAllowed", "expectedPods"), 0)

_RULES: dict[str, Callable[[Obj], Obj]] = {
    "Ingress": lambda obj: filled(obj, {"status": {"loadBalancer": {}}}),
    "PodDisruptionBudget": lambda obj: filled(obj, {"status": _NO_DISRUPTIONS}),
    "Pod": _pod,
    "PodTemplate": lambda obj: _with(obj, "template", _template),
    "ReplicaSet": _replica_set,
    "Deployment": _deployment,
    "Job": _job,
    "Service": _service,
    "Secret": _secret,
    "Namespace": _namespace,
}
