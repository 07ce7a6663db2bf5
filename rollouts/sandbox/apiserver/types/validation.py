"""Pure. The rules of the built-in kinds that people run into, in Kubernetes' words."""

from collections.abc import Callable, Iterable
from typing import TypeAlias

from rollouts.kube.refs import Obj
from rollouts.sandbox.apiserver.refusals import (
    Cause,
    bad_value,
    duplicate,
    forbidden_field,
    required,
    shown,
    unsupported,
)
from rollouts.sandbox.apiserver.selectors import label_selector

Rule: TypeAlias = Callable[[Obj, Obj | None], list[Cause]]

_IMMUTABLE = "field is immutable"
_SURROUNDED = "must not have leading or trailing whitespace"


def validate(new: Obj, old: Obj | None) -> list[Cause]:
    """Why the object cannot be stored in place of `old` (None: it is created); empty when it can."""
    found: list[Cause] = []
    for part, rules in (("spec", _RULES), ("status", _STATUS_RULES)):
        rule = rules.get(new["kind"])
        if rule is not None and (old is None or old.get(part) != new.get(part)):
            found += rule(new, old)
    return found


def _pod_spec(spec: Obj, path: str) -> list[Cause]:
    containers = spec.get("containers")
    if not containers:
        return [required(f"{path}.containers")]
    causes = []
    for key in ("containers", "initContainers"):
        for index, container in enumerate(spec.get(key) or ()):
            at = f"{path}.{key}[{index}]"
            causes += [required(f"{at}.{field}") for field in ("name", "image") if not container.get(field)]
            causes += _container(container, at)
        causes += _repeated([one.get("name") for one in spec.get(key) or ()], f"{path}.{key}[{{}}].name")
    return causes


def _container(container: Obj, at: str) -> list[Cause]:
    image = container.get("image") or ""
    causes = [] if image == image.strip() else [bad_value(f"{at}.image", image, _SURROUNDED)]
    for index, port in enumerate(container.get("ports") or ()):
        if not port.get("containerPort"):
            causes.append(required(f"{at}.ports[{index}].containerPort"))
    for index, variable in enumerate(container.get("env") or ()):
        if not variable.get("name"):
            causes.append(required(f"{at}.env[{index}].name"))
    return causes


def _repeated(names: Iterable[str | None], path: str) -> list[Cause]:
    """Every name that was there before it; the path has a place for its index."""
    seen: set[str] = set()
    causes = []
    for index, name in enumerate(names):
        if name and name in seen:
            causes.append(duplicate(path.format(index), name))
        seen.add(name or "")
    return causes


def _replicas(spec: Obj) -> list[Cause]:
    numbers = {field: spec.get(field) for field in ("replicas", "minReadySeconds")}
    return [
        bad_value(f"spec.{field}", number, "must be greater than or equal to 0")
        for field, number in numbers.items()
        if isinstance(number, int) and number < 0
    ]


def _workload(new: Obj, old: Obj | None) -> list[Cause]:
    """ReplicaSet and Deployment: a selector that selects the pods of the template, and never changes."""
    spec = new.get("spec") or {}
    selector, template = spec.get("selector"), spec.get("template") or {}
    causes = _replicas(spec)
    if selector is None:
        causes.append(required("spec.selector"))
    elif not selector.get("matchLabels") and not selector.get("matchExpressions"):
        causes.append(bad_value("spec.selector", selector, "empty selector is invalid for deployment"))
    labels = (template.get("metadata") or {}).get("labels") or {}
    operators = _operators(selector, "spec.selector")
    causes += operators
    if operators:
        causes.append(bad_value("spec.selector", selector, "invalid label selector"))
    elif selector is None or (selector and not label_selector(selector).matches(labels)):
        text = "`selector` does not match template `labels`"
        causes.append(bad_value("spec.template.metadata.labels", labels or None, text))
    causes += _pod_spec(template.get("spec") or {}, "spec.template.spec")
    policy = (template.get("spec") or {}).get("restartPolicy", "Always")
    if policy != "Always":
        causes.append(unsupported("spec.template.spec.restartPolicy", policy, ["Always"]))
    return causes + _same(new, old, "selector")


def _operators(selector: Obj | None, path: str) -> list[Cause]:
    terms = (selector or {}).get("matchExpressions") or ()
    causes = []
    for index, term in enumerate(terms):
        operator, at = term.get("operator"), f"{path}.matchExpressions[{index}]"
        if operator not in ("In", "NotIn", "Exists", "DoesNotExist"):
            causes.append(bad_value(f"{at}.operator", operator, "not a valid selector operator"))
        elif operator in ("In", "NotIn") and not term.get("values"):
            causes.append(required(f"{at}.values", "must be specified when `operator` is 'In' or 'NotIn'"))
    return causes


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
    causes += _repeated([port.get("name") for port in ports], "spec.ports[{}].name")
    if spec.get("sessionAffinity", "None") not in ("ClientIP", "None"):
        causes.append(unsupported("spec.sessionAffinity", spec["sessionAffinity"], ["ClientIP", "None"]))
    was = ((old or {}).get("spec") or {}).get("clusterIP")
    if was and kind != "ExternalName" and spec.get("clusterIP") != was:
        causes.append(bad_value("spec.clusterIPs[0]", [spec.get("clusterIP")], "may not change once set"))
    return causes


def _service_port(port: Obj, path: str, *, named: bool) -> list[Cause]:
    causes = [required(f"{path}.name")] if named and not port.get("name") else []
    number = port.get("port")
    if not isinstance(number, int) or not 1 <= number <= 65535:
        causes.append(bad_value(f"{path}.port", number or 0, "must be between 1 and 65535, inclusive"))
    target = port.get("targetPort")
    if isinstance(target, int) and not 1 <= target <= 65535:
        causes.append(bad_value(f"{path}.targetPort", target, "must be between 1 and 65535, inclusive"))
    if port.get("protocol") not in ("TCP", "UDP", "SCTP"):
        causes.append(unsupported(f"{path}.protocol", port.get("protocol"), ["SCTP", "TCP", "UDP"]))
    return causes


def _ingress(new: Obj, old: Obj | None) -> list[Cause]:
    spec = new.get("spec") or {}
    if not spec.get("rules") and not spec.get("defaultBackend"):
        text = "either `defaultBackend` or `rules` must be specified"
        return [Cause("spec", "FieldValueInvalid", f"Invalid value: {shown(spec or None)}: {text}")]
    return []


_PERCENT = "a valid percent string must be a numeric string followed by an ending '%'"
_PERCENT_HINT = "(e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')"


def _budget(new: Obj, old: Obj | None) -> list[Cause]:
    spec = new.get("spec") or {}
    if "minAvailable" in spec and "maxUnavailable" in spec:
        return [bad_value("spec", spec, "minAvailable and maxUnavailable cannot be both set")]
    causes = _operators(spec.get("selector"), "spec.selector")
    for field in ("minAvailable", "maxUnavailable"):
        causes += _amount(spec.get(field), f"spec.{field}")
    policy, known = spec.get("unhealthyPodEvictionPolicy"), ("AlwaysAllow", "IfHealthyBudget")
    if policy not in (None, *known):
        causes.append(unsupported("spec.unhealthyPodEvictionPolicy", policy, known))
    return causes


def _counted_budget(new: Obj, old: Obj | None) -> list[Cause]:
    status = new.get("status") or {}
    fields = ("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods")
    return [cause for field in fields for cause in _amount(status.get(field), f"status.{field}")]


def _amount(value: int | str | None, path: str) -> list[Cause]:
    """Causes against a number, or a share in percent, that no pods can be."""
    if isinstance(value, int):
        return [bad_value(path, value, "must be greater than or equal to 0")] if value < 0 else []
    if value is None:
        return []
    if not (value.endswith("%") and value[:-1].isdecimal()):
        return [bad_value(path, value, f"{_PERCENT} {_PERCENT_HINT}")]
    return [bad_value(path, value, "must not be greater than 100%")] if int(value[:-1]) > 100 else []


def _lease(new: Obj, old: Obj | None) -> list[Cause]:
    seconds = (new.get("spec") or {}).get("leaseDurationSeconds")
    if isinstance(seconds, int) and seconds <= 0:
        return [bad_value("spec.leaseDurationSeconds", seconds, "must be greater than 0")]
    return []


_RULES: dict[str, Rule] = {
    "Pod": _pod,
    "ReplicaSet": _workload,
    "Deployment": _workload,
    "Job": _job,
    "Service": _service,
    "Ingress": _ingress,
    "PodDisruptionBudget": _budget,
    "Lease": _lease,
}
"""What a spec has to say."""
_STATUS_RULES: dict[str, Rule] = {"PodDisruptionBudget": _counted_budget}
"""What a status has to say."""
