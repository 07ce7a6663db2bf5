"""Pure. The columns `kubectl get` shows for built-in kinds, by resource: what an API server computes for them."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from rollouts.kube.refs import Obj
from rollouts.sandbox.apiserver.web.podstatus import pod_ready, pod_restarts, pod_status
from rollouts.sandbox.apiserver.web.tables import AGE, DEFAULT, NAME, Cell, Column, find, lasted, since

_NONE = "<none>"


def _field(path: str, absent: Cell = _NONE) -> Callable[[Obj, datetime], Cell]:
    """A cell that shows what is at a path."""

    def cell(obj: Obj, _now: datetime) -> Cell:
        found: Cell = next(find(obj, path), absent)
        return found

    return cell


def _as_text(path: str, absent: str) -> Callable[[Obj, datetime], Cell]:
    """A cell that shows what is at a path as a text, also where it is a number."""
    return lambda obj, _now: str(next(find(obj, path), absent))


def _text(path: str, name: str, absent: str = _NONE, *, wide: bool = False) -> Column:
    return Column(name, _field(path, absent), wide=wide)


def _count(path: str, name: str) -> Column:
    return Column(name, _field(path, 0), "integer")


def _joined(values: Iterable[Any]) -> str:
    return ",".join(str(value) for value in values) or _NONE


def _pairs(labels: Any) -> str:
    return _joined(f"{key}={value}" for key, value in sorted((labels or {}).items()))


def _label_selector(obj: Obj, _now: datetime) -> Cell:
    return _selector_text((obj.get("spec") or {}).get("selector"))


def _selector_text(selector: Obj | None) -> str:
    selector = selector or {}
    terms = [f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items())]
    for rule in selector.get("matchExpressions") or ():
        key, operator, values = rule["key"], rule["operator"], ",".join(sorted(rule.get("values") or ()))
        plain = {"Exists": key, "DoesNotExist": f"!{key}"}
        terms.append(plain.get(operator, f"{key} {operator.lower()} ({values})"))
    return _joined(terms)


def _of_containers(field: str) -> Callable[[Obj, datetime], Cell]:
    def cell(obj: Obj, _now: datetime) -> Cell:
        holder = obj.get("spec") or obj
        return _joined(find(holder, f".template.spec.containers[*].{field}"))

    return cell


_CONTAINERS = Column("Containers", _of_containers("name"), wide=True)
_IMAGES = Column("Images", _of_containers("image"), wide=True)
_SELECTOR = Column("Selector", _label_selector, wide=True)


def _ratio(status: str, spec: str) -> Callable[[Obj, datetime], Cell]:
    def cell(obj: Obj, _now: datetime) -> Cell:
        return f"{next(find(obj, status), 0)}/{next(find(obj, spec), 1)}"

    return cell


def _external_ip(obj: Obj, _now: datetime) -> Cell:
    kind = find(obj, ".spec.type")
    match next(kind, "ClusterIP"):
        case "ExternalName":
            return str(obj["spec"].get("externalName", _NONE))
        case "LoadBalancer":
            found = [*find(obj, ".status.loadBalancer.ingress[*].ip")]
            found += find(obj, ".status.loadBalancer.ingress[*].hostname")
            return _joined(found) if found else "<pending>"
        case _:
            return _joined(find(obj, ".spec.externalIPs[*]"))


def _service_ports(obj: Obj, _now: datetime) -> Cell:
    ports: list[Obj] = (obj.get("spec") or {}).get("ports") or []
    return _joined(
        f"{port['port']}{':' + str(port['nodePort']) if port.get('nodePort') else ''}/{port.get('protocol', 'TCP')}"
        for port in ports
    )


def _few(values: list[str]) -> str:
    """The first three, and how many more there are."""
    if len(values) <= 3:
        return _joined(values)
    return f"{','.join(values[:3])} + {len(values) - 3} more..."


def _endpoints(obj: Obj, _now: datetime) -> Cell:
    found: list[str] = []
    for subset in obj.get("subsets") or ():
        ips = [address["ip"] for address in subset.get("addresses") or ()]
        ports = [port["port"] for port in subset.get("ports") or ()]
        found += [f"{ip}:{port}" for port in ports for ip in ips] if ports else ips
    return _few(found)


def _slice_endpoints(obj: Obj, _now: datetime) -> Cell:
    return _few([str(address) for address in find(obj, ".endpoints[*].addresses[*]")])


def _event_seen(obj: Obj, now: datetime) -> Cell:
    seen = next(find(obj, ".series.lastObservedTime"), None) or obj.get("lastTimestamp") or obj.get("eventTime")
    return since(seen, now)


def _event_first(obj: Obj, now: datetime) -> Cell:
    return since(obj.get("firstTimestamp") or obj.get("eventTime"), now)


def _event_object(obj: Obj, _now: datetime) -> Cell:
    about = obj.get("involvedObject") or {}
    kind, name = str(about.get("kind", "")).lower(), about.get("name", "")
    return f"{kind}/{name}" if name else kind


def _event_source(obj: Obj, _now: datetime) -> Cell:
    source = obj.get("source") or {}
    component = source.get("component") or obj.get("reportingComponent") or ""
    return f"{component}, {source['host']}" if source.get("host") else str(component)


def _job_status(obj: Obj, _now: datetime) -> Cell:
    true = {*find(obj, '.status.conditions[?(@.status=="True")].type')}
    for kind in ("Complete", "Failed", "Suspended", "FailureTarget", "SuccessCriteriaMet"):
        if kind in true:
            return kind
    return "Terminating" if obj["metadata"].get("deletionTimestamp") else "Running"


def _job_completions(obj: Obj, _now: datetime) -> Cell:
    spec, done = obj.get("spec") or {}, next(find(obj, ".status.succeeded"), 0)
    if spec.get("completions") is not None:
        return f"{done}/{spec['completions']}"
    parallelism = spec.get("parallelism") or 1
    return f"{done}/1 of {parallelism}" if parallelism > 1 else f"{done}/1"


def _job_duration(obj: Obj, now: datetime) -> Cell:
    status = obj.get("status") or {}
    if not status.get("startTime"):
        return ""
    began = datetime.fromisoformat(str(status["startTime"]).replace("Z", "+00:00"))
    ended = status.get("completionTime") or next(
        find(obj, '.status.conditions[?(@.type=="Failed")].lastTransitionTime'), ""
    )
    end = datetime.fromisoformat(str(ended).replace("Z", "+00:00")) if ended else now
    return lasted((end - began).total_seconds())


def _data_count(obj: Obj, _now: datetime) -> Cell:
    return len(obj.get("data") or {}) + len(obj.get("binaryData") or {})


def _ingress_hosts(obj: Obj, _now: datetime) -> Cell:
    rules: list[Obj] = (obj.get("spec") or {}).get("rules") or []
    hosts = [rule["host"] for rule in rules if rule.get("host")]
    return _few(hosts) if hosts else "*"


def _ingress_address(obj: Obj, _now: datetime) -> Cell:
    found = [*find(obj, ".status.loadBalancer.ingress[*].ip"), *find(obj, ".status.loadBalancer.ingress[*].hostname")]
    return ",".join(found)


def _ingress_ports(obj: Obj, _now: datetime) -> Cell:
    return "80, 443" if (obj.get("spec") or {}).get("tls") else "80"


def _node_status(obj: Obj, _now: datetime) -> Cell:
    ready = next(find(obj, '.status.conditions[?(@.type=="Ready")].status'), "")
    status = {"True": "Ready", "": "Unknown"}.get(ready, "NotReady")
    return f"{status},SchedulingDisabled" if (obj.get("spec") or {}).get("unschedulable") else status


def _node_roles(obj: Obj, _now: datetime) -> Cell:
    prefix = "node-role.kubernetes.io/"
    labels = obj["metadata"].get("labels") or {}
    return _joined(sorted(key.removeprefix(prefix) for key in labels if key.startswith(prefix)))


def _node_address(kind: str) -> Callable[[Obj, datetime], Cell]:
    return _field(f'.status.addresses[?(@.type=="{kind}")].address')


def _readiness_gates(obj: Obj, _now: datetime) -> Cell:
    gates = [*find(obj, ".spec.readinessGates[*].conditionType")]
    true = {*find(obj, '.status.conditions[?(@.status=="True")].type')}
    return f"{sum(gate in true for gate in gates)}/{len(gates)}" if gates else _NONE


def _created_at(obj: Obj, _now: datetime) -> Cell:
    return str(obj["metadata"].get("creationTimestamp", "<unknown>"))


def _role_ref(obj: Obj, _now: datetime) -> Cell:
    ref = obj.get("roleRef") or {}
    return f"{ref.get('kind')}/{ref.get('name')}"


def _parameters(obj: Obj, _now: datetime) -> Cell:
    found = (obj.get("spec") or {}).get("parameters") or {}
    group = f".{found['apiGroup']}" if found.get("apiGroup") else ""
    return f"{found['kind']}{group}/{found['name']}" if found else _NONE


def _hpa_reference(obj: Obj, _now: datetime) -> Cell:
    target = (obj.get("spec") or {}).get("scaleTargetRef") or {}
    return f"{target.get('kind')}/{target.get('name')}"


def _hpa_targets(obj: Obj, _now: datetime) -> Cell:
    """What each resource is used by now, and what is aimed at."""
    told = []
    for number, metric in enumerate((obj.get("spec") or {}).get("metrics") or ()):
        resource = metric.get("resource") or {}
        now: Obj = next(find(obj, f".status.currentMetrics[{number}].resource.current"), {})
        at, aim = now.get("averageUtilization"), (resource.get("target") or {}).get("averageUtilization")
        if aim is not None:
            told.append(f"{resource.get('name')}: {'<unknown>' if at is None else f'{at}%'}/{aim}%")
        else:
            at, aim = now.get("averageValue", "<unknown>"), (resource.get("target") or {}).get("averageValue")
            told.append(f"{resource.get('name')}: {at}/{aim}")
    return ", ".join(told) or _NONE


def _subjects(kind: str) -> Callable[[Obj, datetime], Cell]:
    """Names of those of a kind whom a binding is about."""

    def cell(obj: Obj, _now: datetime) -> Cell:
        mine = [each for each in obj.get("subjects") or () if each["kind"] == kind]
        spelled = [f"{each['namespace']}/{each['name']}" if each.get("namespace") else each["name"] for each in mine]
        return ", ".join(spelled)

    return cell


_POD = (
    NAME,
    Column("Ready", lambda obj, _: pod_ready(obj)),
    Column("Status", lambda obj, _: pod_status(obj)),
    Column("Restarts", lambda obj, now: pod_restarts(obj, now)),
    AGE,
    _text(".status.podIP", "IP", wide=True),
    _text(".spec.nodeName", "Node", wide=True),
    _text(".status.nominatedNodeName", "Nominated Node", wide=True),
    Column("Readiness Gates", _readiness_gates, wide=True),
)
_SERVICE = (
    NAME,
    _text(".spec.type", "Type", "ClusterIP"),
    _text(".spec.clusterIP", "Cluster-IP"),
    Column("External-IP", _external_ip),
    Column("Port(s)", _service_ports),
    AGE,
    Column("Selector", lambda obj, _: _pairs((obj.get("spec") or {}).get("selector")), wide=True),
)
_DEPLOYMENT = (
    NAME,
    Column("Ready", _ratio(".status.readyReplicas", ".spec.replicas")),
    Column("Up-to-date", _field(".status.updatedReplicas", 0)),
    Column("Available", _field(".status.availableReplicas", 0)),
    AGE,
    _CONTAINERS,
    _IMAGES,
    _SELECTOR,
)
_REPLICA_SET = (
    NAME,
    Column("Desired", _field(".spec.replicas", 1), "integer"),
    _count(".status.replicas", "Current"),
    _count(".status.readyReplicas", "Ready"),
    AGE,
    _CONTAINERS,
    _IMAGES,
    _SELECTOR,
)
_JOB = (
    NAME,
    Column("Status", _job_status),
    Column("Completions", _job_completions),
    Column("Duration", _job_duration),
    AGE,
    _CONTAINERS,
    _IMAGES,
    _SELECTOR,
)
_EVENT = (
    Column("Last Seen", _event_seen),
    _text(".type", "Type", ""),
    _text(".reason", "Reason", ""),
    Column("Object", _event_object),
    _text(".involvedObject.fieldPath", "Subobject", "", wide=True),
    Column("Source", _event_source, wide=True),
    Column("Message", lambda obj, _: str(obj.get("message", "")).strip()),
    Column("First Seen", _event_first, wide=True),
    Column("Count", _field(".count", 1), wide=True),
    Column("Name", lambda obj, _: str(obj["metadata"]["name"]), wide=True),
)
_NODE = (
    NAME,
    Column("Status", _node_status),
    Column("Roles", _node_roles),
    AGE,
    _text(".status.nodeInfo.kubeletVersion", "Version", ""),
    Column("Internal-IP", _node_address("InternalIP"), wide=True),
    Column("External-IP", _node_address("ExternalIP"), wide=True),
    _text(".status.nodeInfo.osImage", "OS-Image", "<unknown>", wide=True),
    _text(".status.nodeInfo.kernelVersion", "Kernel-Version", "<unknown>", wide=True),
    _text(".status.nodeInfo.containerRuntimeVersion", "Container-Runtime", "<unknown>", wide=True),
)
_INGRESS = (
    NAME,
    _text(".spec.ingressClassName", "Class"),
    Column("Hosts", _ingress_hosts),
    Column("Address", _ingress_address),
    Column("Ports", _ingress_ports),
    AGE,
)
_HPA = (
    NAME,
    Column("Reference", _hpa_reference),
    Column("Targets", _hpa_targets),
    Column("MinPods", _as_text(".spec.minReplicas", "<unset>")),
    Column("MaxPods", _field(".spec.maxReplicas", 0)),
    Column("Replicas", _field(".status.currentReplicas", 0)),
    AGE,
)
_PDB = (
    NAME,
    Column("Min Available", _as_text(".spec.minAvailable", "N/A")),
    Column("Max Unavailable", _as_text(".spec.maxUnavailable", "N/A")),
    _count(".status.disruptionsAllowed", "Allowed Disruptions"),
    AGE,
)
_CLAIM = (
    NAME,
    _text(".status.phase", "Status", ""),
    _text(".spec.volumeName", "Volume", ""),
    _text(".status.capacity.storage", "Capacity", ""),
    Column("Access Modes", lambda obj, _: ",".join(find(obj, ".status.accessModes[*]"))),
    _text(".spec.storageClassName", "StorageClass", ""),
    _text(".spec.volumeAttributesClassName", "VolumeAttributesClass", "<unset>"),
    AGE,
    _text(".spec.volumeMode", "VolumeMode", "<unset>", wide=True),
)
_CREATED = (NAME, Column("Created At", _created_at, "date"))
_BINDING = (
    NAME,
    Column("Role", _role_ref),
    AGE,
    Column("Users", _subjects("User"), wide=True),
    Column("Groups", _subjects("Group"), wide=True),
    Column("ServiceAccounts", _subjects("ServiceAccount"), wide=True),
)

_BY_RESOURCE: dict[tuple[str, str], tuple[Column, ...]] = {
    ("", "pods"): _POD,
    ("", "services"): _SERVICE,
    ("", "endpoints"): (NAME, Column("Endpoints", _endpoints), AGE),
    ("", "events"): _EVENT,
    ("", "namespaces"): (NAME, _text(".status.phase", "Status", ""), AGE),
    ("", "nodes"): _NODE,
    ("", "configmaps"): (NAME, Column("Data", _data_count), AGE),
    ("", "secrets"): (NAME, _text(".type", "Type", "Opaque"), Column("Data", _data_count), AGE),
    ("", "serviceaccounts"): (NAME, Column("Secrets", lambda obj, _: len(obj.get("secrets") or ())), AGE),
    ("", "podtemplates"): (
        NAME,
        Column("Containers", _of_containers("name")),
        Column("Images", _of_containers("image")),
        Column("Pod Labels", lambda obj, _: _pairs(next(find(obj, ".template.metadata.labels"), None))),
    ),
    ("apps", "deployments"): _DEPLOYMENT,
    ("apps", "replicasets"): _REPLICA_SET,
    ("batch", "jobs"): _JOB,
    ("coordination.k8s.io", "leases"): (NAME, _text(".spec.holderIdentity", "Holder", ""), AGE),
    ("networking.k8s.io", "ingresses"): _INGRESS,
    ("discovery.k8s.io", "endpointslices"): (
        NAME,
        _text(".addressType", "AddressType"),
        Column("Ports", lambda obj, _: _few([str(port) for port in find(obj, ".ports[*].port")])),
        Column("Endpoints", _slice_endpoints),
        AGE,
    ),
    ("autoscaling", "horizontalpodautoscalers"): _HPA,
    ("policy", "poddisruptionbudgets"): _PDB,
    ("networking.k8s.io", "ingressclasses"): (
        NAME,
        _text(".spec.controller", "Controller", ""),
        Column("Parameters", _parameters),
        AGE,
    ),
    ("networking.k8s.io", "networkpolicies"): (
        NAME,
        Column("Pod-Selector", lambda obj, _: _selector_text((obj.get("spec") or {}).get("podSelector"))),
        AGE,
    ),
    ("", "persistentvolumeclaims"): _CLAIM,
    ("rbac.authorization.k8s.io", "roles"): _CREATED,
    ("rbac.authorization.k8s.io", "clusterroles"): _CREATED,
    ("rbac.authorization.k8s.io", "rolebindings"): _BINDING,
    ("rbac.authorization.k8s.io", "clusterrolebindings"): _BINDING,
    ("apiextensions.k8s.io", "customresourcedefinitions"): _CREATED,
}


def builtin_columns(group: str, plural: str) -> tuple[Column, ...]:
    """The columns of a built-in resource; NAME and AGE for one that has none of its own."""
    return _BY_RESOURCE.get((group, plural), DEFAULT)
