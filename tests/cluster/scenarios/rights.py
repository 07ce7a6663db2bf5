"""Who may do what: roles of a cluster and of a namespace, service accounts, subresources, and reviews."""

import json
from typing import Any

from rollouts.kube.refs import CONFIG_MAP, DEPLOYMENT, Obj
from rollouts.sandbox.apiserver.types.registry import CLUSTER_ROLE, CLUSTER_ROLE_BINDING, ROLE, ROLE_BINDING
from tests.cluster.recorder import Recorder
from tests.sandbox.cluster_objects import config_map, workload

_GROUP = "rbac.authorization.k8s.io"


def _rule(resources: list[str], *verbs: str, groups: tuple[str, ...] = ("",)) -> Obj:
    return {"apiGroups": [*groups], "resources": resources, "verbs": [*verbs]}


async def _quietly(api: Recorder, path: str, body: Obj) -> None:
    answer = await api.ask("POST", path, json.dumps(body).encode(), quiet=True, media="application/json")
    assert answer.status == 201, answer


async def _bound(api: Recorder, subject: Obj, *rules: Obj) -> None:
    """A Role in the scenario's namespace, bound to somebody."""
    await _quietly(api, ROLE.path(api.namespace), {"metadata": {"name": "r"}, "rules": [*rules]})
    reference = {"apiGroup": _GROUP, "kind": "Role", "name": "r"}
    binding = {"metadata": {"name": "r"}, "roleRef": reference, "subjects": [subject]}
    await _quietly(api, ROLE_BINDING.path(api.namespace), binding)


async def _tried(api: Recorder, user: str, *attempts: tuple[str, str]) -> None:
    for method, path in attempts:
        merge = {"media": "application/merge-patch+json"} if method == "PATCH" else {}
        answer = await api.ask(method, path, b"{}" if merge else b"", quiet=True, user=user, **merge)
        api.note(f"{method} {path}", answer.status)


async def a_service_account_may_do_what_its_role_says_in_its_namespace(api: Recorder) -> None:
    robot = f"system:serviceaccount:{api.namespace}:robot"
    subject = {"kind": "ServiceAccount", "name": "robot", "namespace": api.namespace}
    await api.create(CONFIG_MAP, config_map("a"), show="kind")
    await _bound(api, subject, _rule(["configmaps"], "get", "list", "watch"))
    inside, outside = f"/api/v1/namespaces/{api.namespace}/configmaps", "/api/v1/namespaces/default/configmaps"
    await api.granted(inside, robot)
    await _tried(api, robot, ("GET", inside), ("GET", f"{inside}/a"), ("GET", f"{inside}?watch=1&timeoutSeconds=1"))
    await _tried(api, robot, ("GET", outside), ("GET", "/api/v1/configmaps"), ("DELETE", f"{inside}/a"))
    await _tried(api, robot, ("DELETE", inside), ("PATCH", f"{inside}/a"))


async def a_subresource_is_granted_by_its_own_name(api: Recorder) -> None:
    await api.create(DEPLOYMENT, workload("a"), show="kind")
    subject = {"kind": "User", "name": "scaler", "apiGroup": _GROUP}
    await _bound(api, subject, _rule(["deployments/scale", "*/status"], "get", "patch", groups=("apps",)))
    path = DEPLOYMENT.path(api.namespace, "a")
    await api.granted(f"{path}/scale", "scaler")
    await _tried(api, "scaler", ("GET", path), ("GET", f"{path}/scale"), ("PATCH", f"{path}/scale"))
    await _tried(api, "scaler", ("GET", f"{path}/status"), ("PATCH", path))


async def a_role_of_the_cluster_may_hold_in_one_namespace(api: Recorder) -> None:
    name = f"{api.namespace}-role"
    await _quietly(api, CLUSTER_ROLE.path(), {"metadata": {"name": name}, "rules": [_rule(["*"], "*", groups=("*",))]})
    reference = {"apiGroup": _GROUP, "kind": "ClusterRole", "name": name}
    subjects = [{"kind": "Group", "name": "system:authenticated", "apiGroup": _GROUP}]
    binding = {"metadata": {"name": "all"}, "roleRef": reference, "subjects": subjects}
    await _quietly(api, ROLE_BINDING.path(api.namespace), binding)
    inside = f"/api/v1/namespaces/{api.namespace}/configmaps"
    await api.granted(inside, "bob")
    await _tried(api, "bob", ("GET", inside), ("DELETE", inside), ("GET", "/api/v1/configmaps"))
    await api.delete(CLUSTER_ROLE, name)


async def a_role_of_the_cluster_holds_everywhere_where_it_is_bound_for_it(api: Recorder) -> None:
    name, user = f"{api.namespace}-reader", f"{api.namespace}-eve"
    await _quietly(api, CLUSTER_ROLE.path(), {"metadata": {"name": name}, "rules": [_rule(["configmaps"], "list")]})
    reference = {"apiGroup": _GROUP, "kind": "ClusterRole", "name": name}
    subjects = [{"kind": "User", "name": user, "apiGroup": _GROUP}]
    binding = {"metadata": {"name": name}, "roleRef": reference, "subjects": subjects}
    await _quietly(api, CLUSTER_ROLE_BINDING.path(), binding)
    await api.granted("/api/v1/configmaps", user)
    await _tried(api, user, ("GET", "/api/v1/configmaps"), ("GET", "/api/v1/namespaces/default/configmaps"))
    await _tried(api, user, ("GET", "/api/v1/namespaces/default/secrets"), ("GET", "/version"))
    for resource in (CLUSTER_ROLE_BINDING, CLUSTER_ROLE):
        await api.delete(resource, name)


async def _reviewed(api: Recorder, kind: str, spec: Obj, user: str = "") -> Any:
    group = "authentication" if kind == "SelfSubjectReview" else "authorization"
    body = json.dumps({"apiVersion": f"{group}.k8s.io/v1", "kind": kind, "spec": spec}).encode()
    path = f"/apis/{group}.k8s.io/v1/{kind.lower()}s"
    answer = await api.ask("POST", path, body, quiet=True, media="application/json", user=user)
    return answer.body.get("status")


async def somebody_is_told_who_they_are_and_what_they_may(api: Recorder) -> None:
    """The sandbox has none of the roles that a real API server begins with: not even health is everybody's to ask."""
    robot = f"system:serviceaccount:{api.namespace}:robot"
    for user in ("ann", robot):
        api.note("who", await _reviewed(api, "SelfSubjectReview", {}, user))
    subject = {"kind": "User", "name": "ann", "apiGroup": _GROUP}
    await _bound(api, subject, {**_rule(["configmaps"], "get"), "resourceNames": ["a"]})
    await api.granted(f"/api/v1/namespaces/{api.namespace}/configmaps/a", "ann")
    rules = await _reviewed(api, "SelfSubjectRulesReview", {"namespace": api.namespace}, "ann")
    api.note("rules", [one for one in rules["resourceRules"] if "configmaps" in one["resources"]])
    asked = {"namespace": api.namespace, "verb": "get", "resource": "configmaps"}
    for extra in ({}, {"name": "a"}, {"name": "b"}, {"name": "a", "subresource": "status"}, {"name": "a", "verb": "*"}):
        said = await _reviewed(api, "SelfSubjectAccessReview", {"resourceAttributes": {**asked, **extra}}, "ann")
        api.note(f"may {extra}", said["allowed"])
    for path in ("/healthz", "/metrics"):
        about = {"nonResourceAttributes": {"path": path, "verb": "get"}}
        api.note(f"may get {path}", (await _reviewed(api, "SelfSubjectAccessReview", about, "ann"))["allowed"])
