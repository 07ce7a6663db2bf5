"""Pure. The rules of the built-in kinds that people run into, in Kubernetes' words."""

from collections.abc import Callable
from typing import TypeAlias

from rollouts.kube.refs import Obj
from rollouts.sandbox.refusals import Cause, bad_value, forbidden_field, required, shown, unsupported
from rollouts.sandbox.selectors import label_selector

Rule: TypeAlias = Callable[[Obj, Obj | None], list[Cause]]

_IMMUTABLE = "field is immutable"


def validate(new: Obj, old: Obj | None) -> list[Cause]:
    """Why the object cannot be stored in place of `old` (None: it is created); empty when it can."""
    rule = _RULES.get(new["kind"])
    if rule is None or (old is not None and old.get("spec") == new.get("spec")):
        return []
    return rule(new, old)


def _pod_spec(spec: Obj, path: str) -> list[Cause]:
    containers = spec.get("containers")
    if not containers:
        return [required(f"{path}.containers")]
    causes = []
    for key in ("containers", "initContainers"):
        for index, container in enumerate(spec.get(key) or ()):
            at = f"{path}.{key}[{index}]"
            causes += [required(f"{at}.{field}") for field in ("name", "image") if not container.get(field)]
    return causes


def _replicas(spec: Obj) -> list[Cause]:
    replicas = spec.get("replicas", 1)
    if isinstance(replicas, int) and replicas < 0:
        return [bad_value("spec.replicas", replicas, "must be greater than or equal to 0")]
    return []


def _workload(new: Obj, old: Obj | None) -> list[Cause]:
    """ReplicaSet and Deployment: a selector that selects the pods of the template, and never changes."""
    spec = new.get("spec") or {}
    selector, template = spec.get("selector"), spec.get("template") or {}
    causes = _replicas(spec)
    if selector is None:
        causes.append(required("spec.selector"))
    elif not selector.get("matchLabels") and not selector.get("matchExpressions"):
        causes.append(bad_value("spec.selector", selector, f"empty selector is invalid for {new['kind'].lower()}"))
    labels = (template.get("metadata") or {}).get("labels") or {}
    operators = _operators(selector, "spec.selector")
    causes += operators
    if selector and not operators and not label_selector(selector).matches(labels):
        text = "`selector` does not match template `labels`"
        causes.append(bad_value("spec.template.metadata.labels", labels, text))
    causes += _pod_spec(template.get("spec") or {}, "spec.template.spec")
    policy = (template.get("spec") or {}).get("restartPolicy", "Always")
    if policy != "Always":
        causes.append(unsupported("spec.template.spec.restartPolicy", policy, ["Always"]))
    return causes + _same(new, old, "selector")


def _operators(selector: Obj | None, path: str) -> list[Cause]:
    terms = (selector or {}).get("matchExpressions") or ()
    return [
        bad_value(f"{path}.matchExpressions[{index}].operator", term.get("operator"), "not a valid selector operator")
        for index, term in enumerate(terms)
        if term.get("operator") not in ("In", "NotIn", "Exists", "DoesNotExist")
    ]


def _same(new: Obj, old: Obj | None, *fields: str) -> list[Cause]:
    if old is None:
        return []
    was, now = old.get("spec") or {}, new.get("spec") or {}
    return [bad_value(f"spec.{one}", now.get(one), _IMMUTABLE) for one in fields if was.get(one) != now.get(one)]


def _job(new: Obj, old: Obj | None) -> list[Cause]:
    spec = new.get("spec") or {}
    template = spec.get("template") or {}
    causes = _pod_spec(template.get("spec") or {}, "spec.template.spec")
    policy = (template.get("spec") or {}).get("restartPolicy", "Always")
    if policy not in ("OnFailure", "Never"):
        if policy == "Always":
            detail = 'Required value: valid values: "OnFailure", "Never"'
            causes.append(Cause("spec.template.spec.restartPolicy", "FieldValueRequired", detail))
        else:
            causes.append(unsupported("spec.template.spec.restartPolicy", policy, ["OnFailure", "Never"]))
    return causes + _same(new, old, "selector", "completions", "template")


_POD_MAY_CHANGE = ("activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds")
_POD_TEXT = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)


def _pod(new: Obj, old: Obj | None) -> list[Cause]:
    spec = new.get("spec") or {}
    causes = _pod_spec(spec, "spec")
    if old is not None and _fixed(spec) != _fixed(old["spec"], node=spec.get("nodeName")):
        causes.append(forbidden_field("spec", _POD_TEXT))
    return causes


def _fixed(spec: Obj, node: str | None = None) -> Obj:
    """The part of a pod's spec that may not change. A pod without a node may get one, as by its binding."""
    fixed = {key: value for key, value in spec.items() if key not in _POD_MAY_CHANGE}
    if node and not fixed.get("nodeName"):
        fixed["nodeName"] = node
    for key in ("containers", "initContainers"):
        if key in fixed:
            fixed[key] = [{**container, "image": ""} for container in fixed[key]]
    return fixed


_SERVICE_TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")


def _service(new: Obj, old: Obj | None) -> list[Cause]:
    spec = new.get("spec") or {}
    kind, ports = spec.get("type"), spec.get("ports") or []
    causes = [] if kind in _SERVICE_TYPES else [unsupported("spec.type", kind, _SERVICE_TYPES)]
    headless = spec.get("clusterIP") == "None"
    if not ports and kind != "ExternalName" and not headless:
        causes.append(required("spec.ports"))
    for index, port in enumerate(ports):
        causes += _service_port(port, f"spec.ports[{index}]", named=len(ports) > 1)
    was = ((old or {}).get("spec") or {}).get("clusterIP")
    if was and kind != "ExternalName" and spec.get("clusterIP") != was:
        causes.append(bad_value("spec.clusterIPs[0]", spec.get("clusterIP"), "may not change once set"))
    return causes


def _service_port(port: Obj, path: str, *, named: bool) -> list[Cause]:
    causes = [required(f"{path}.name")] if named and not port.get("name") else []
    number = port.get("port")
    if not isinstance(number, int) or not 1 <= number <= 65535:
        causes.append(bad_value(f"{path}.port", number or 0, "must be between 1 and 65535, inclusive"))
    if port.get("protocol") not in ("TCP", "UDP", "SCTP"):
        causes.append(unsupported(f"{path}.protocol", port.get("protocol"), ["SCTP", "TCP", "UDP"]))
    return causes


def _ingress(new: Obj, old: Obj | None) -> list[Cause]:
    spec = new.get("spec") or {}
    if not spec.get("rules") and not spec.get("defaultBackend"):
        text = "either `defaultBackend` or `rules` must be specified"
        return [Cause("spec", "FieldValueInvalid", f"Invalid value: {shown(spec)}: {text}")]
    return []


def _budget(new: Obj, old: Obj | None) -> list[Cause]:
    spec = new.get("spec") or {}
    if "minAvailable" in spec and "maxUnavailable" in spec:
        return [bad_value("spec", spec, "minAvailable and maxUnavailable cannot be both set")]
    return _operators(spec.get("selector"), "spec.selector")


_RULES: dict[str, Rule] = {
    "Pod": _pod,
    "ReplicaSet": _workload,
    "Deployment": _workload,
    "Job": _job,
    "Service": _service,
    "Ingress": _ingress,
    "PodDisruptionBudget": _budget,
}
